"""Answers `start` only when the next command comes: always too late."""

import honest

late: list[honest.Command] = []


def start(command: honest.Command) -> None:
    late.append(command)


def publish(command: honest.Command) -> None:
    while late:
        honest.answer(late.pop())
    honest.answer(command)


honest.serve(start=start, publish=publish)
