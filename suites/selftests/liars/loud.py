"""Writes a megabyte of log."""

import sys

import honest


def start(command: honest.Command) -> None:
    sys.stderr.write("the beginning\n" + "x" * 2**20 + "\nthe end")
    sys.stderr.flush()
    sys.exit(1)


honest.serve(start=start)
