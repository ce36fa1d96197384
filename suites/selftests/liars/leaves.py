"""Answers, says one thing more, and ends with status 0 although nobody asked it to."""

import sys

import honest


def start(command: honest.Command) -> None:
    honest.answer(command)
    honest.say({"event": "offline", "error": "had enough"})
    sys.exit(0)


honest.serve(start=start)
