"""The watchdog between runner and client: when either ends, nothing of the client is left."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmcsuites.adapters import warden

LIARS = Path(__file__).parent / "liars"
PATIENCE = 60  # seconds; every wait here ends on an observation

linux_only = pytest.mark.skipif(not warden.LINUX, reason="needs Linux: subreaper, parent-death signal, pidfd")


class Watched:
    """A warden started by hand, with our ends of its pipes and of its control socket."""

    def __init__(self, *command: str) -> None:
        self.control, theirs = socket.socketpair()
        self.control.settimeout(PATIENCE)
        self.reports = self.control.makefile("r")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", warden.__file__, str(theirs.fileno()), "0", "--", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                text=True,
            )

    def report(self) -> str:
        return self.reports.readline().rstrip("\n")

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def write(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def hang_up(self) -> None:
        """As the kernel does when the runner dies."""
        self.reports.close()
        self.control.close()

    def close(self) -> None:
        self.hang_up()
        self.process.communicate(timeout=PATIENCE)


@pytest.fixture
def start() -> Iterator[type[Watched]]:
    """Start wardens that end with the test."""
    started: list[Watched] = []

    class Started(Watched):
        def __init__(self, *command: str) -> None:
            super().__init__(*command)
            started.append(self)

    yield Started
    for each in started:
        each.close()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def wait_for_end(descriptors: list[int]) -> None:
    """Wait until all these processes, given by pidfd, have ended."""
    for descriptor in descriptors:
        try:
            ready, _, _ = select.select([descriptor], [], [], PATIENCE)
            assert ready, "a process lives on"
        finally:
            os.close(descriptor)


SITS = "import signal, os; print(os.getpid(), flush=True); signal.pause()"
FAMILY = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
readable, writable = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    os.write(writable, str(os.getpid()).encode())
    signal.pause()
daemon = os.read(readable, 20).decode()
print(os.getpid(), daemon, flush=True)
input()
"""


@pytest.mark.parametrize(
    ("code", "report"),
    [
        ("", "exited 0"),
        ("raise SystemExit(7)", "exited 7"),
        ("import os; os.kill(os.getpid(), 9)", "signalled 9"),
        ("import os; os.abort()", "signalled 6"),
    ],
)
def test_the_end_of_the_client_is_reported_as_it_was(start: type[Watched], code: str, report: str) -> None:
    watched = start(*python(code))
    assert watched.report().startswith("started ")
    assert watched.report() == report
    assert watched.report() == ""
    assert watched.process.wait(PATIENCE) == 0


def test_a_program_that_cannot_be_executed_is_reported_with_its_errno(start: type[Watched], tmp_path: Path) -> None:
    (script := tmp_path / "script").write_text("no interpreter is named here")
    script.chmod(0o755)
    assert start("/no/such/program").report() == f"failed {errno.ENOENT}"
    assert start(str(tmp_path)).report() == f"failed {errno.EACCES}"
    assert start(str(script)).report() == f"failed {errno.ENOEXEC}"


def test_the_pipes_belong_to_the_client_alone(start: type[Watched]) -> None:
    watched = start(*python("import os, signal; print(input().upper(), flush=True); os.close(1); signal.pause()"))
    watched.write("hello\n")
    assert watched.read() == "HELLO"
    assert watched.read() == ""  # the end, although client and warden live on
    assert watched.process.poll() is None


def test_the_client_inherits_nothing_but_its_pipes_and_the_usual_signals(start: type[Watched]) -> None:
    watched = start(
        *python(
            "import os, _signal as s\n"
            "listed = sorted(os.listdir('/dev/fd'))\n"
            "print(*[each for each in listed if os.path.exists('/dev/fd/' + each)])\n"
            "print(os.getsid(0) == os.getpid() == os.getpgrp())\n"
            "print(*[s.getsignal(each) == s.SIG_DFL for each in (s.SIGTERM, s.SIGHUP)])\n"
        )
    )
    assert [watched.read(), watched.read(), watched.read()] == ["0 1 2", "True", "True True"]


def test_terminate_is_a_sigterm_to_the_client(start: type[Watched]) -> None:
    watched = start(*python(SITS))
    assert watched.report() == f"started {watched.read()}"
    watched.control.sendall(b"T")
    assert watched.report() == f"signalled {int(signal.SIGTERM)}"


def test_kill_is_a_sigkill_to_the_client(start: type[Watched]) -> None:
    watched = start(
        *python("import signal; signal.signal(15, signal.SIG_IGN); print(flush=True)\nwhile 1: signal.pause()")
    )
    watched.report()
    watched.read()
    watched.control.sendall(b"TK")
    assert watched.report() == f"signalled {int(signal.SIGKILL)}"


@linux_only
@pytest.mark.parametrize("first", ["client", "runner"])
def test_a_daemon_of_the_client_does_not_outlive_either(start: type[Watched], first: str) -> None:
    watched = start(*python(FAMILY))
    alive = [os.pidfd_open(int(pid)) for pid in watched.read().split()]
    if first == "client":
        watched.write("end\n")
    else:
        watched.hang_up()
    wait_for_end(alive)
    assert watched.process.wait(PATIENCE) == 0


@linux_only
def test_a_killed_warden_takes_the_client_along(start: type[Watched]) -> None:
    watched = start(*python(SITS))
    alive = [os.pidfd_open(int(watched.read()))]
    watched.process.kill()
    wait_for_end(alive)


def test_signals_for_the_runner_do_not_end_the_warden(start: type[Watched]) -> None:
    watched = start(*python(SITS))
    assert watched.report() == f"started {watched.read()}"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        watched.process.send_signal(number)
    watched.control.sendall(b"K")
    assert watched.report() == f"signalled {int(signal.SIGKILL)}"
    assert watched.process.wait(PATIENCE) == 0


RUNNER = """
import asyncio, sys
from tmcsuites.adapters.contract import StartOptions
from tmcsuites.adapters.process import ProcessSubject

async def main():
    subject = ProcessSubject([sys.executable, "-S", sys.argv[1]])
    await subject.open(lambda event: None)
    answer = await subject.start(StartOptions(url="u", gateway_url="g", app_key="k", app_secret="s"))
    print(*answer.members["pids"], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@linux_only
def test_a_runner_that_gets_sigkill_leaves_nothing_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(LIARS / "stubborn.py")], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        try:
            pids = [int(pid) for pid in runner.stdout.readline().split()]
            assert len(pids) == 4
            alive = [os.pidfd_open(pid) for pid in pids]
        finally:
            runner.kill()
        wait_for_end(alive)
