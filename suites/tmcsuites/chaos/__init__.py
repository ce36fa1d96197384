"""Chaos: fleets of clients, schedules of messages and schedules of faults, played in virtual time and judged.

A `plan` is all of that as data. It can be drawn at random, played, judged, and, when it breaks a clause, reduced to its
cause and told as a story.
"""
