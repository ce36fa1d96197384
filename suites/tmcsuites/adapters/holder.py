"""Holds one container as if its program ran here: a process with the container's input, output and exit status.

    python -P -m tmcsuites.adapters.holder IMAGE

So whatever holds a program holds a container, too, with the same pipes, log, deadlines and warden. Standard input goes
to the container and its end with it; output and error come back apart. SIGTERM is handed on, and GRACE seconds later
the container is removed. The variables whose names begin with TMC_ are the container's, too.

The engine keeps a container running whatever becomes of us. So it is told everywhere what to do with it:

- Its standard input is ours alone. When this process is gone, by SIGKILL even, the container sees the end of it.
- It is labelled with a file that this process holds locked as long as it lives. Whoever finds the file unlocked, at
  the start of another container, removes the container: nobody else is left to do so.

| exit status | |
|---|---|
| 0 to 255 | that of the container's program; 128 + N when signal N ended it |
| 125 | the engine would not run it, or was lost; the reason is on standard error |
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tmcsuites.adapters.contract import Unavailable
from tmcsuites.adapters.engine import BRIDGE, HOST_NAME, connected, refusals

if TYPE_CHECKING:
    from testcontainers.core.docker_client import DockerClient

CANNOT_RUN = 125  # as `docker run` has it
GRACE = 0.5  # seconds from SIGTERM to SIGKILL; the warden gives us one when the runner is gone
LABEL = "tmcspec.lock"
PREFIX = "TMC_"

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOCK_NAME = re.compile(r"tmcspec-\w+\.lock", re.ASCII)


def main(image: str) -> int:
    # From now on a signal waits until somebody asks for it: a container that is being made cannot be left half-way.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with connected() as engine, _lock() as lock:
            remove_leftovers(engine)
            return _hold(engine, image, lock)
    except Unavailable as error:
        why: Exception = error
    except refusals() as error:
        why = error
    print(f"the container engine did not run {image!r}: {why}", file=sys.stderr, flush=True)
    return CANNOT_RUN


def _hold(engine: DockerClient, image: str, lock: Path) -> int:
    """Run a container from its creation to its removal; its exit status."""
    container = engine.create(
        image,
        environment={name: value for name, value in os.environ.items() if name.startswith(PREFIX)},
        labels={LABEL: lock.name},
        # The end of our connection is the end of its input.
        stdin_open=True,
        network=BRIDGE,
        extra_hosts={HOST_NAME: "host-gateway"},
        # The runner keeps the log, bounded. The engine would write all that an adapter says to a disk.
        log_config={"type": "none"},
    )
    try:
        # Before it starts, so that nothing it says is missed.
        attached = engine.client.api.attach_socket(container.id, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        wire = getattr(attached, "_sock", attached)
        wire.settimeout(None)
        engine.start(container)
        for work in (lambda: _feed(wire), lambda: _obey(container)):
            threading.Thread(target=work, daemon=True).start()
        _show(attached)
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True, v=True)
        # Not before: a container that could not be removed is left to whoever finds the file unlocked.
        lock.unlink()


def _feed(wire: Any) -> None:
    """Hand on our standard input, until it ends or the container does."""
    with contextlib.suppress(OSError):
        while data := os.read(0, 65536):
            wire.sendall(data)
        wire.shutdown(socket.SHUT_WR)


def _show(attached: Any) -> None:
    """Hand on what the container writes, until it has closed both its outputs."""
    from docker.utils.socket import frames_iter

    outputs: dict[int, IO[bytes]] = {1: sys.stdout.buffer, 2: sys.stderr.buffer}
    for stream, data in frames_iter(attached, tty=False):
        outputs[stream].write(data)
        outputs[stream].flush()


def _obey(container: Any) -> None:
    """Wait for a signal that says to end, and see that the container does."""
    signal.sigwait(_SIGNALS)
    # One that has just ended, or is removed already, refuses.
    with contextlib.suppress(*refusals()):
        container.kill("SIGTERM")
        time.sleep(GRACE)
        container.kill("SIGKILL")


@contextlib.contextmanager
def _lock() -> Iterator[Path]:
    """A file that is locked as long as this process lives: the kernel lets go of it whatever happens."""
    descriptor, path = tempfile.mkstemp(prefix="tmcspec-", suffix=".lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield Path(path)
    finally:
        os.close(descriptor)


def remove_leftovers(engine: DockerClient) -> None:
    """Remove the containers of holders that are gone.

    One whose file is not here was made elsewhere, or by somebody who removes it this moment; it is left alone.
    """
    for container in engine.client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
        name = container.labels[LABEL]
        if not _LOCK_NAME.fullmatch(name):
            continue
        path = Path(tempfile.gettempdir(), name)
        with contextlib.suppress(OSError, *refusals()), path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            container.remove(force=True, v=True)
            path.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
