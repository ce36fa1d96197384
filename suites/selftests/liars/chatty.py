"""Writes its log to standard output."""

import honest


def start(command: honest.Command) -> None:
    print(f"INFO connected with {command['app_secret']}", flush=True)
    honest.answer(command)


honest.serve(start=start)
