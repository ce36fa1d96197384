"""Answers a command twice."""

import honest


def start(command: honest.Command) -> None:
    honest.answer(command)
    honest.answer(command)


honest.serve(start=start)
