"""Writes to its log and answers, as an honest one, and is stopped after that."""

import os
import signal

import honest


def start(command: honest.Command) -> None:
    honest.start(command)
    os.kill(os.getpid(), signal.SIGSTOP)


honest.serve(start=start)
