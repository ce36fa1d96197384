"""Ends with status 3 in the middle of an operation."""

import sys

import honest


def start(command: honest.Command) -> None:
    print("no route to anywhere", file=sys.stderr)
    sys.exit(3)


honest.serve(start=start)
