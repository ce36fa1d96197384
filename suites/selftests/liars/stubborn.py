"""Ignores the end of input and SIGTERM, and has three children that do the same, each held in a different way.

One shares its process group, one has a session of its own, one is a daemon: a session of its own and its parent gone.
"""

import os
import signal

import honest


def sit_tight() -> None:
    while True:
        signal.pause()


def child(*, session: bool, orphan: bool) -> int:
    """Start one child; its process id, once it ignores signals."""
    readable, writable = os.pipe()
    parent = os.fork()
    if parent == 0:
        if session:
            os.setsid()
        if orphan and os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(writable, str(os.getpid()).encode())
        sit_tight()
    if orphan:
        os.waitpid(parent, 0)
    return int(os.read(readable, 20))


def start(command: honest.Command) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kept = child(session=False, orphan=False)
    session = child(session=True, orphan=False)
    daemon = child(session=True, orphan=True)
    honest.answer(command, pids=[os.getpid(), kept, session, daemon])
    sit_tight()


honest.serve(start=start)
