"""Says itself that it is broken."""

import honest


def start(command: honest.Command) -> None:
    honest.answer(command, "fault", error="cannot load the client library")


honest.serve(start=start)
