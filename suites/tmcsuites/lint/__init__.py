"""Is an adapter itself sound? Asked before a client is judged through it.

`talk` speaks with it and writes down all that it says, `visit` shows one process of it a service, `checks` are the
questions, `inspection` asks them all.
"""
