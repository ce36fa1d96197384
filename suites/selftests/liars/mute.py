"""Closes its standard output and runs on."""

import os

import honest


def start(command: honest.Command) -> None:
    os.close(1)


honest.serve(start=start)
