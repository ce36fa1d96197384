"""Answers, and is stopped after that: alive, and deaf."""

import os
import signal

import honest


def start(command: honest.Command) -> None:
    honest.answer(command)
    os.kill(os.getpid(), signal.SIGSTOP)


honest.serve(start=start)
