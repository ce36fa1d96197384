"""Cases side by side: processes that play them, and that outlive nothing."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import collected, judgement, result

from tmcspec import trace_file
from tmcspec.clauses import CLAUSES, Finding
from tmcspec.clauses.history import History
from tmcsuites import workers as workers_module
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.adapters.warden import LINUX
from tmcsuites.verdict import CaseResult, Verdict
from tmcsuites.workers import Begun, Ended, Workers, WorkersLost
from tmcsuites.worlds import Setting, run_case

linux_only = pytest.mark.skipif(not LINUX, reason="needs Linux: /proc, pidfd")

ALL = tuple(CLAUSES.values())
PASSED = result(Verdict.PASS)


def numbered(number: int) -> CaseResult:
    return replace(PASSED, message=f"{number} by {os.getpid()}")


def played(workers: Workers, numbers: range) -> list[Begun | Ended]:
    return list(workers.play(numbers))


def dead(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pids(events: list[Begun | Ended]) -> set[int]:
    return {int(each.result.message.split()[-1]) for each in events if isinstance(each, Ended) and each.result}


def test_each_case_is_played_once_by_a_process_of_its_own() -> None:
    with Workers(3, play=numbered, clauses=ALL) as workers:
        events = played(workers, range(20))
        assert sorted(each.number for each in events if isinstance(each, Begun)) == list(range(20))
        ended = {each.number: each.result for each in events if isinstance(each, Ended)}
        assert all(found and found.message.startswith(f"{number} by ") for number, found in ended.items())
        assert len(ended) == 20
        assert os.getpid() not in pids(events)
        assert len(pids(events)) <= 3
    assert all(dead(pid) for pid in pids(events))


def test_cases_begin_in_the_order_wanted_and_before_they_end() -> None:
    with Workers(2, play=numbered, clauses=ALL) as workers:
        events = list(workers.play([4, 2, 9, 1]))
    assert [each.number for each in events if isinstance(each, Begun)] == [4, 2, 9, 1]
    for number in (4, 2, 9, 1):
        kinds = [type(each) for each in events if each.number == number]
        assert kinds == [Begun, Ended]


def test_cases_are_played_side_by_side() -> None:
    readable, writable = os.pipe()

    def meets(number: int) -> CaseResult:
        """Ends when somebody else has written: alone, it would wait for ever."""
        if number == 0:
            os.read(readable, 1)
        else:
            os.write(writable, b"x")
        return PASSED

    with Workers(2, play=meets, clauses=ALL) as workers:
        assert {each.number for each in workers.play([0, 1]) if isinstance(each, Ended)} == {0, 1}
    os.close(readable)
    os.close(writable)


def test_a_result_is_the_same_at_the_other_end() -> None:
    """All of it: traces with every kind of event, and evidence that is in them."""
    setting = Setting(
        world="simulated",
        subject=lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng),
        clauses=ALL,
        seed=1,
    )
    cases = collected()
    names = [id for id in cases if id.startswith(("test_con", "test_htp", "test_pub", "test_lid"))]

    def play(number: int) -> CaseResult:
        return replace(run_case(names[number], *cases[names[number]], setting), duration=0.0)

    with Workers(1, play=play, clauses=ALL) as workers:
        for each in workers.play(range(len(names))):
            if isinstance(each, Ended):
                here = play(each.number)
                assert each.result is not None
                assert each.result.trace is not None
                assert here.trace is not None
                assert list(trace_file.dump(each.result.trace)) == list(trace_file.dump(here.trace))
                assert each.result == here


def test_evidence_is_of_the_trace_and_clauses_are_those_of_the_run() -> None:
    def judge(history: History) -> Iterator[Finding]:
        yield from ()  # a function that only this process knows

    odd = replace(CLAUSES["HSK-1"], judge=judge)
    found = replace(PASSED, judgements=(judgement(odd, "so"),))
    with Workers(1, play=lambda number: found, clauses=[odd]) as workers:
        (_, ended) = workers.play([0])
    assert isinstance(ended, Ended)
    assert ended.result == found
    assert ended.result.judgements[0].clause is odd


# Deaths


def dies(number: int) -> CaseResult:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return PASSED


def test_a_worker_that_dies_costs_the_case_that_it_played() -> None:
    with Workers(2, play=dies, clauses=ALL) as workers:
        ended = {each.number: each for each in workers.play(range(5)) if isinstance(each, Ended)}
    assert {number: each.result is None for number, each in ended.items()} == {
        0: False,
        1: True,
        2: False,
        3: False,
        4: False,
    }
    assert ended[1].how == "signal SIGKILL"


def test_when_all_have_died_the_rest_is_not_waited_for() -> None:
    with Workers(1, play=dies, clauses=ALL) as workers:
        events = workers.play([1, 2, 3])
        assert [type(next(events)) for _ in range(2)] == [Begun, Ended]
        with pytest.raises(WorkersLost, match="cases not played: 2"):
            next(events)


@linux_only
def test_a_worker_that_dies_between_cases_costs_none() -> None:
    with Workers(2, play=numbered, clauses=ALL) as workers:
        first = pids(played(workers, range(1))).pop()
        watched = os.pidfd_open(first)
        os.kill(first, signal.SIGKILL)
        _wait_for_end(watched)
        ended = [each for each in played(workers, range(4)) if isinstance(each, Ended)]
    assert sorted(each.number for each in ended) == [0, 1, 2, 3]
    assert all(each.result for each in ended)


def test_what_a_worker_cannot_send_kills_it_and_not_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    def unsendable(number: int) -> CaseResult:
        return replace(PASSED, message=threading.Lock())  # type: ignore[arg-type]

    with Workers(1, play=unsendable, clauses=ALL) as workers:
        ended = list(workers.play([0]))[1]
    assert ended == Ended(number=0, result=None, how="exit 1")


# Ends


@pytest.mark.parametrize("heeded", [True, False])
def test_leaving_interrupts_those_that_play_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heeded: bool
) -> None:
    """Those of a run that heeds no Ctrl-C, too, as in the background of a shell."""

    def tidy(number: int) -> CaseResult:
        try:
            (tmp_path / "begun").touch()
            signal.pause()
        except KeyboardInterrupt:
            (tmp_path / "tidied").touch()
            raise
        return PASSED

    monkeypatch.setattr(workers_module, "STOP_PATIENCE", 60.0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler if heeded else signal.SIG_IGN)
    try:
        with Workers(1, play=tidy, clauses=ALL) as workers:
            assert isinstance(next(iter(workers.play([0]))), Begun)
            while not (tmp_path / "begun").exists():
                time.sleep(0.001)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "tidied").exists()


def test_ctrl_c_at_the_terminal_reaches_the_run_alone() -> None:
    with Workers(1, play=lambda number: replace(PASSED, message=str(os.getpgrp())), clauses=ALL) as workers:
        (_, ended) = workers.play([0])
    assert isinstance(ended, Ended)
    assert ended.result is not None
    assert int(ended.result.message) != os.getpgrp()


def test_who_does_not_heed_the_interruption_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(number: int) -> CaseResult:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        (tmp_path / "pid").write_text(str(os.getpid()))
        while True:
            signal.pause()

    monkeypatch.setattr(workers_module, "STOP_PATIENCE", 0.2)
    with Workers(1, play=deaf, clauses=ALL) as workers:
        assert isinstance(next(iter(workers.play([0]))), Begun)
        pid = _written(tmp_path / "pid")
    assert dead(pid)


def _written(path: Path) -> int:
    while not path.exists() or not (text := path.read_text()):
        time.sleep(0.001)
    return int(text)


@linux_only
def test_nothing_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from harness import *
from tmcsuites.workers import Workers
from tmcspec.clauses import CLAUSES

def play(number):
    with open(os.path.join(sys.argv[1], str(number)), "w") as file:
        file.write(str(os.getpid()))
    while True:
        signal.pause()

with Workers(2, play=play, clauses=tuple(CLAUSES.values())) as workers:
    for each in workers.play([0, 1]):
        pass
"""
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parent)
    watched = [os.pidfd_open(_written(tmp_path / name)) for name in ("0", "1")]
    run.kill()
    run.wait(60)
    for descriptor in watched:
        _wait_for_end(descriptor)


def _wait_for_end(descriptor: int) -> None:
    try:
        assert select.select([descriptor], [], [], 60)[0], "a worker lives on"
    finally:
        os.close(descriptor)


@linux_only
def test_a_fork_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    fork = os.fork

    def scarce() -> int:
        if len(made) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        pid = fork()
        made.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", scarce)
    before = set(os.listdir("/dev/fd"))
    with pytest.raises(BlockingIOError), Workers(3, play=numbered, clauses=ALL):
        pass
    assert len(made) == 2
    assert all(dead(pid) for pid in made)
    assert set(os.listdir("/dev/fd")) == before
