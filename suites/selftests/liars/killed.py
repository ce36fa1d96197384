"""Is killed by a signal in the middle of an operation."""

import os
import signal

import honest


def start(command: honest.Command) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


honest.serve(start=start)
