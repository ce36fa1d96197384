"""A watchdog between the runner and a client under test: when either ends, nothing of the client is left.

    python -I -S warden.py CONTROL-FD LINGER -- command...

The runner cannot promise to clean up after itself: it may get SIGKILL. So each client has a warden, a small process in
a session of its own, which starts the client in another session and waits for one of two things: the end of the client,
or the end of the runner, seen as EOF on the control socket. Then it kills whatever the client has started. Run as a
script without site packages, with few imports: it must be up in a few milliseconds.

On the control socket the warden writes lines and the runner writes single bytes:

| warden | |
|---|---|
| `started PID` | the program runs |
| `failed ERRNO` | it could not be executed |
| `exited N`, `signalled N` | it has ended so; all it had started is killed next, then the warden ends |
| `left N` | before that, with LINGER: so many of those had not ended by themselves after LINGER seconds |

| runner | |
|---|---|
| `T` | SIGTERM to the client's process group |
| `K` | SIGKILL to everything |
| EOF | `T`, and `K` after GRACE seconds |

On Linux the warden is a child subreaper: a descendant that left the process group and lost its parent becomes the
warden's own child, and is found. The client gets SIGKILL from the kernel when the warden itself is killed. Elsewhere
only the process group is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

GRACE = 1.0  # seconds from SIGTERM to SIGKILL when the runner is gone
SWEEP_LIMIT = (
    5.0  # seconds; a process that cannot be killed (another user's, stuck in the kernel) must not hold us forever
)

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# Python ignores SIGPIPE and SIGXFSZ, the warden the others; ignored signals would stay ignored in the client.
RESTORED = ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP")


def main(arguments: list[str]) -> int:
    control = socket.socket(fileno=int(arguments[0]))
    control.set_inheritable(False)
    linger = float(arguments[1])
    command = arguments[arguments.index("--") + 1 :]
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    woken = _wake_on_child()
    prctl = _prctl()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        client = _spawn(command, prctl)
    except OSError as error:
        _tell(control, f"failed {error.errno}")
        return 1
    _let_go_of_stdio()
    _tell(control, f"started {client}")
    _tell(control, _guard(client, control, woken))
    if linger > 0 and LINUX:
        _tell(control, f"left {_left(linger)}")
    _sweep(client)
    return 0


def _prctl() -> Callable[[int, int], int]:
    """prctl(2), which the standard library does not offer; elsewhere than on Linux a function that does nothing."""
    if not LINUX:
        return lambda option, value: 0
    import ctypes  # only where it is needed: it is the slowest import here

    prctl: Callable[[int, int], int] = ctypes.CDLL(None, use_errno=True).prctl
    return prctl


def _wake_on_child() -> int:
    """A descriptor that becomes readable when a child ends."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def _spawn(command: list[str], prctl: Callable[[int, int], int]) -> int:
    """Fork and execute; the errno of a failed execution comes back through a pipe that a successful one closes."""
    readable, writable = os.pipe()
    client = os.fork()
    if client == 0:
        try:
            os.setsid()
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for name in RESTORED:
                signal.signal(getattr(signal, name), signal.SIG_DFL)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(writable, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(writable)
    failed = os.read(readable, 16)
    os.close(readable)
    if failed:
        os.waitpid(client, 0)
        raise OSError(int(failed), os.strerror(int(failed)))
    return client


def _let_go_of_stdio() -> None:
    """The pipes belong to the client alone: the runner must see its end of output when the client closes it."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def _tell(control: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):  # the runner is gone, there is nobody to tell
        control.sendall(line.encode() + b"\n")


def _guard(client: int, control: socket.socket, woken: int) -> str:
    """Wait for the client's end, obeying the runner; returns how it ended, as the status line."""
    sources = [control.fileno(), woken]
    kill_at = None
    while True:
        ended = _reap(client)
        if ended is not None:
            code = os.waitstatus_to_exitcode(ended)
            return f"exited {code}" if code >= 0 else f"signalled {-code}"
        if kill_at is not None and time.monotonic() >= kill_at:
            _kill(client)
            kill_at = None
        patience = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        ready, _, _ = select.select(sources, [], [], patience)
        if woken in ready:
            os.read(woken, 4096)
        if control.fileno() in ready:
            orders = _orders(control)
            if b"K" in orders:
                _kill(client)
            elif not orders or b"T" in orders:
                _terminate(client)
            if not orders:
                sources.remove(control.fileno())
                kill_at = time.monotonic() + GRACE


def _orders(control: socket.socket) -> bytes:
    try:
        return control.recv(64)
    except OSError:
        return b""


def _reap(client: int) -> int | None:
    """Collect every child that has ended, adopted ones too; the wait status of the client when it is among them."""
    ended = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == client:
                ended = status
    return ended


def _terminate(client: int) -> None:
    # SIGCONT too: a stopped process would keep the SIGTERM pending.
    for number in (signal.SIGTERM, signal.SIGCONT):
        with contextlib.suppress(OSError):
            os.killpg(client, number)


def _kill(client: int) -> None:
    for pid in _descendants():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.killpg(client, signal.SIGKILL)


def _left(patience: float) -> int:
    """How many of those that the client has started are still there after `patience` seconds."""
    limit = time.monotonic() + patience
    while (count := len(_descendants())) and time.monotonic() < limit:
        _reap(0)
        time.sleep(0.01)
    return count


def _sweep(client: int) -> None:
    """Kill what the client has left behind, and whatever that starts meanwhile, until nothing is left."""
    limit = time.monotonic() + SWEEP_LIMIT
    if not LINUX:
        with contextlib.suppress(OSError):
            os.killpg(client, signal.SIGKILL)
    while time.monotonic() < limit:
        for pid in _descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return


def _descendants() -> list[int]:
    """Every process below this one, children before grandchildren; empty where there is no /proc."""
    if not LINUX:
        return []
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The second field is the program's name in brackets, which may hold anything, even a bracket.
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
