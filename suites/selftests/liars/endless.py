"""Writes a line that does not end."""

import sys

import honest


def start(command: honest.Command) -> None:
    while True:
        sys.stdout.write("x" * 2**20)


honest.serve(start=start)
