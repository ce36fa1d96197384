"""Programs that are no clients, put through `tmcspec run --bare`: a clear verdict in time, and nothing left behind."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from harness import CONNECTS, Ended, liar, results, tmcspec

from tmcspec import trace_file
from tmcspec.events import Opened
from tmcsuites.adapters.child import LOG_HEAD, LOG_TAIL
from tmcsuites.adapters.warden import LINUX

#: Times this, a program has less than a second to connect, and as long to end.
FACTOR = 0.05

#: Seconds that a case may take, on any machine.
LIMIT = 60.0

NEVER_CONNECTED = "the service never accepted a CONNECT of the client"
WENT_AWAY = "the client ended by itself (exit 0) while it was under test"


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(tmp_path: Path, name: str, *words: str) -> tuple[Ended, Any]:
    """Puts a program through one case, and makes sure that nothing of it is left."""
    # The path is for nobody but this test: it makes the program known among all processes.
    command = " ".join([f"{liar(name)} {tmp_path}", *words])
    ended = tmcspec("run", "--bare", command, "--case", CONNECTS, "--deadline-factor", str(FACTOR))
    if LINUX:
        assert not [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path) in _command_line(pid)]
    (case,) = results()["cases"]
    assert case["duration_s"] < LIMIT
    return ended, case


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""  # it has just ended


def test_a_program_that_never_connects_is_hung(tmp_path: Path) -> None:
    ended, case = run(tmp_path, "plain")
    assert (ended.status, case["verdict"], case["message"]) == (6, "HUNG", NEVER_CONNECTED)


@pytest.mark.parametrize("how", ["tcp", "websocket"])
def test_a_program_that_connects_and_says_nothing_is_hung(tmp_path: Path, how: str) -> None:
    ended, case = run(tmp_path, "silent", how)
    assert (ended.status, case["verdict"], case["message"]) == (6, "HUNG", NEVER_CONNECTED)
    assert "   the client wrote:\n     connected\n" in ended.out
    trace = trace_file.load(Path("tmcspec-report", case["trace"]))
    assert any(isinstance(entry.event, Opened) for entry in trace.entries) == (how == "websocket")


@pytest.mark.parametrize("where", ["stdout", "stderr"])
def test_a_program_that_prints_without_end_is_hung_and_fills_no_memory(tmp_path: Path, where: str) -> None:
    ended, case = run(tmp_path, "babbles", where)
    assert (ended.status, case["verdict"], case["message"]) == (6, "HUNG", NEVER_CONNECTED)
    log = Path("tmcspec-report", case["log"]).read_bytes()
    assert re.search(rb"\[\d+ bytes left out\]", log)
    # A byte that is no text becomes a mark of three.
    assert len(log) < 3 * (LOG_HEAD + LOG_TAIL) + 100
    # Nor does the terminal obey it.
    assert {char for char in ended.out if not char.isprintable()} == {"\n"}


@pytest.mark.parametrize("where", ["tcp", "websocket"])
def test_a_program_that_sends_garbage_without_end_is_hung_and_keeps_nobody_from_ending(
    tmp_path: Path, where: str
) -> None:
    ended, case = run(tmp_path, "babbles", where)
    assert (ended.status, case["verdict"], case["message"]) == (6, "HUNG", NEVER_CONNECTED)


def test_a_program_that_goes_to_the_background_has_crashed_and_its_child_is_ended(tmp_path: Path) -> None:
    ended, case = run(tmp_path, "forks")
    assert (ended.status, case["verdict"]) == (6, "CRASHED")
    assert case["message"].startswith(WENT_AWAY)
    assert "it must stay in the foreground" in case["message"]
    found = re.search(r"in the background as (\d+)\n", ended.out)
    assert found
    if LINUX:
        assert not Path("/proc", found[1]).exists()


@pytest.mark.parametrize("name", ["plain", "silent", "babbles tcp", "forks"])
def test_the_ports_are_free_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bound: list[tuple[str, int]] = []
    listen = socket.socket.listen

    def watched(listening: socket.socket, *backlog: int) -> None:
        listen(listening, *backlog)
        bound.append(listening.getsockname())

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "listen", watched)
        run(tmp_path, *name.split())
    assert len(bound) >= 2
    for address in bound:
        with socket.socket() as again:
            # As any server does; without it, what was just cut off keeps a port busy for a minute, with nobody there.
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(address)
            again.listen()
