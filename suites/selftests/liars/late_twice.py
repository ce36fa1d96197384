"""Answers `start` too late, and then twice."""

import honest

late: list[honest.Command] = []


def start(command: honest.Command) -> None:
    late.append(command)


def publish(command: honest.Command) -> None:
    honest.answer(late[0])
    honest.answer(late[0])


honest.serve(start=start, publish=publish)
