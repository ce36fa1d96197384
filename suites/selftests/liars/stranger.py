"""Answers a command that it was never given."""

import honest


def start(command: honest.Command) -> None:
    honest.say({"id": "4711", "status": "result"})


honest.serve(start=start)
