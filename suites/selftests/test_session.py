"""A run over cases, as a plugin of a pytest of its own: what is told, and what the run ends with."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tmcspec.clauses import CLAUSES, Finding
from tmcspec.clauses.history import History
from tmcspec.events import Fault
from tmcsuites import session as session_module
from tmcsuites.adapters.contract import ClientInfo
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.known_failing import Expectation, KnownFailing
from tmcsuites.progress import CaseFinished, CaseStarted, RunEvent, RunFinished, RunStarted, Tally
from tmcsuites.selection import Selection
from tmcsuites.session import Session
from tmcsuites.verdict import ExitStatus, Verdict
from tmcsuites.worlds import Setting, WorldName

NUMBER = itertools.count()

HEAD = """
import pytest
from tmcsuites.casebook import case
from tmcsuites.adapters.contract import AdapterFault, Crashed, Hung, Unsupported
from tmcspec.events import Fault

"""
GOOD = '@case("HSK-1", "HSK-2")\nasync def test_good(tmc_stage):\n    await tmc_stage.start()\n\n'
#: The clause below is broken whenever a client connects.
BAD = '@case("HSK-3")\nasync def test_bad(tmc_stage):\n    await tmc_stage.start()\n\n'
UNSUPPORTED = '@case("HSK-1", needs=("poll",))\nasync def test_polls(tmc_stage): ...\n\n'


def raising(error: str) -> str:
    return f'@case("HSK-1")\nasync def test_raises(tmc_stage):\n    await tmc_stage.start()\n    raise {error}\n\n'


INTERRUPTED = """
import signal

@case("HSK-1")
async def test_is_interrupted(tmc_stage):
    signal.raise_signal(signal.SIGINT)
    await tmc_stage.start()

"""


def guilty(history: History) -> Iterator[Finding]:
    yield Finding(held=False, evidence=(history.trace.entries[0],), message="it connected")


class Runs:
    """Runs cases that a test has written, and remembers what was told."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.report = tmp_path
        self.told: list[RunEvent] = []
        self._monkeypatch = monkeypatch

    def __call__(
        self,
        text: str,
        *,
        known: KnownFailing | None = None,
        selection: Selection | None = None,
        listeners: tuple[Callable[[RunEvent], Any], ...] = (),
        arguments: tuple[str, ...] = (),
        world: WorldName = "simulated",
        jobs: int = 1,
    ) -> ExitStatus:
        self.told.clear()
        folder = self.report / f"cases{next(NUMBER)}"
        folder.mkdir()
        (folder / "pytest.ini").write_text((session_module.CASES / "pytest.ini").read_text())
        # A name of its own: pytest imports test modules by their names.
        (folder / f"test_made_{next(NUMBER)}.py").write_text(HEAD + text)
        self._monkeypatch.setattr(session_module, "CASES", folder)
        chosen = selection or Selection()
        clauses = tuple(replace(each, judge=guilty) if each.id == "HSK-3" else each for each in chosen.judges)
        setting = Setting(
            world=world,
            subject=lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng),
            clauses=clauses,
            seed=3,
            jobs=jobs,
        )
        info = ClientInfo(
            name="c", version="1", language="python", transport="in-process", capabilities=frozenset({"push"})
        )
        run = Session(
            setting=setting,
            info=info,
            selection=chosen,
            known=known or KnownFailing(),
            listeners=[self.told.append, *listeners],
        )
        return run.run(report=self.report, pytest_arguments=arguments)

    @property
    def finished(self) -> RunFinished:
        (event,) = (event for event in self.told if isinstance(event, RunFinished))
        return event

    def junit(self) -> ElementTree.Element:
        suite = ElementTree.parse(self.report / "junit.xml").getroot().find("testsuite")
        assert suite is not None
        return suite


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(sys, "path", sys.path[:])
    return Runs(tmp_path, monkeypatch)


def only(*clauses: str) -> Selection:
    return Selection(clauses=clauses)


NOT_BAD = only("HSK-1", "HSK-2")


# What is told


def test_listeners_are_told_everything_in_order(runs: Runs) -> None:
    assert runs(GOOD, selection=NOT_BAD) is ExitStatus.OK
    assert [type(event) for event in runs.told] == [RunStarted, CaseStarted, CaseFinished, RunFinished]
    started = runs.told[0]
    assert isinstance(started, RunStarted)
    assert (started.cases, started.world, started.seed) == (1, "simulated", 3)
    assert [clause.id for clause in started.clauses] == ["HSK-1", "HSK-2"]
    (result,) = runs.finished.results
    assert (result.verdict, result.clauses, result.area) == (Verdict.PASS, ("HSK-1", "HSK-2"), "HSK")


def test_clauses_are_added_up_over_all_cases(runs: Runs) -> None:
    second = GOOD.replace("test_good", "test_good_again")
    runs(GOOD + second + UNSUPPORTED, selection=only("HSK-1", "HSK-2", "LID-1"))
    found = {each.clause.id: (each.result, each.exercised) for each in runs.finished.clauses}
    assert found == {"HSK-1": ("pass", 2), "HSK-2": ("pass", 2), "LID-1": ("not_exercised", 0)}


def test_a_clause_is_unsupported_when_all_cases_about_it_are(runs: Runs) -> None:
    assert runs(UNSUPPORTED, selection=only("HSK-1", "LID-1")) is ExitStatus.NOTHING_RAN
    assert [each.result for each in runs.finished.clauses] == ["unsupported", "not_exercised"]


def test_a_clause_about_handlers_is_unsupported_where_only_the_wire_is_seen() -> None:
    clauses = (CLAUSES["HSK-1"], CLAUSES["ACK-2"])
    results = {
        bare: [each.result for each in Tally(clauses=clauses, bare=bare).clause_results()] for bare in (False, True)
    }
    assert results == {False: ["not_exercised", "not_exercised"], True: ["not_exercised", "unsupported"]}


# What a run ends with


@pytest.mark.parametrize(
    ("error", "verdict", "status"),
    [
        ('LookupError("ours")', Verdict.SUITE_FAULT, ExitStatus.SUITE_FAULT),
        ('AdapterFault("theirs")', Verdict.ADAPTER_FAULT, ExitStatus.NOT_MEASURED),
        ('Crashed("fell", status="exit 1")', Verdict.CRASHED, ExitStatus.NOT_MEASURED),
        ('Hung("sleeps", op="start", deadline=1.0)', Verdict.HUNG, ExitStatus.NOT_MEASURED),
        ('Unsupported("no")', Verdict.UNSUPPORTED, ExitStatus.OK),
    ],
)
def test_the_worst_verdict_decides(runs: Runs, error: str, verdict: Verdict, status: ExitStatus) -> None:
    assert runs(GOOD + raising(error), selection=NOT_BAD) is status
    assert [result.verdict for result in runs.finished.results] == [Verdict.PASS, verdict]
    assert runs.finished.exit_status is status


def test_a_broken_must_fails_the_run(runs: Runs) -> None:
    assert runs(BAD, selection=only("HSK-3")) is ExitStatus.FAILURE
    (result,) = runs.finished.results
    assert (result.verdict, result.message) == (Verdict.FAIL, "HSK-3: it connected")


def test_an_expected_failure_does_not(runs: Runs) -> None:
    known = KnownFailing([Expectation(clause="HSK-3", reason="it does")])
    assert runs(BAD, known=known, selection=only("HSK-3")) is ExitStatus.OK
    assert runs.finished.results[0].expected == "it does"
    assert runs.finished.complaints == ()


STALE = [Expectation(clause="HSK-3", reason="it does"), Expectation(clause="LID-1", reason="was so once")]


def test_a_stale_entry_fails_a_run_in_which_all_else_is_expected(runs: Runs) -> None:
    assert runs(BAD, known=KnownFailing(STALE)) is ExitStatus.FAILURE
    assert [result.bad for result in runs.finished.results] == [False]
    assert [each.entry.clause for each in runs.finished.complaints] == ["LID-1"]


def test_a_run_of_some_cases_does_not_know_what_is_stale(runs: Runs) -> None:
    assert runs(BAD, known=KnownFailing(STALE), arguments=("-k", "bad")) is ExitStatus.OK
    assert runs.finished.complaints == ()


def test_nothing_is_judged_when_no_case_is_left(runs: Runs) -> None:
    assert runs(GOOD, selection=only("LID-1")) is ExitStatus.NOTHING_RAN
    assert runs.finished.results == ()


def test_ctrl_c_ends_the_run_and_what_is_known_is_told(runs: Runs) -> None:
    known = KnownFailing([Expectation(clause="LID-1", reason="nobody got there")])
    assert runs(GOOD + INTERRUPTED + BAD, known=known) is ExitStatus.INTERRUPTED
    assert len(runs.finished.results) == 1
    assert runs.finished.complaints == ()


# Faults of the suite beside the cases


def test_a_module_that_cannot_be_imported_is_a_fault_of_the_suite(runs: Runs) -> None:
    assert runs("import no_such_module_at_all") is ExitStatus.SUITE_FAULT
    (fault,) = runs.finished.faults
    assert "no_such_module_at_all" in fault


def test_a_test_that_is_no_case_is_named(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs("async def test_stray(tmc_stage): ...") is ExitStatus.USAGE
    assert "test_stray is no case: it must be declared with @case" in capsys.readouterr().err
    assert runs.told == []


def test_a_case_that_asks_for_an_unknown_fixture_is_a_fault_of_the_suite(runs: Runs) -> None:
    text = GOOD + '@case("HSK-1")\nasync def test_odd(tmc_stage, no_such_fixture): ...\n'
    assert runs(text, selection=NOT_BAD) is ExitStatus.SUITE_FAULT
    assert "no_such_fixture" in runs.finished.faults[0]


def test_a_listener_that_fails_is_a_fault_of_the_suite_even_when_all_cases_pass(runs: Runs) -> None:
    def full(event: RunEvent) -> None:
        if isinstance(event, CaseFinished):
            raise OSError("no space left on device")

    assert runs(GOOD, selection=NOT_BAD, listeners=(full,)) is ExitStatus.SUITE_FAULT
    assert [result.verdict for result in runs.finished.results] == [Verdict.PASS]
    assert "OSError: no space left on device" in runs.finished.faults[0]


def test_an_internal_error_of_pytest_is_a_fault_of_the_suite(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(event: RunEvent) -> None:
        if isinstance(event, RunStarted):
            raise LookupError("in a listener")

    assert runs(GOOD, selection=NOT_BAD, listeners=(broken,)) is ExitStatus.SUITE_FAULT
    assert runs.finished.faults == ("LookupError: in a listener",)
    assert "INTERNALERROR" in capsys.readouterr().err


# pytest


def test_arguments_go_to_pytest(runs: Runs) -> None:
    second = GOOD.replace("test_good", "test_other")
    assert runs(GOOD + second, selection=NOT_BAD, arguments=("-k", "other")) is ExitStatus.OK
    (result,) = runs.finished.results
    assert result.id.endswith("::test_other")


def test_an_argument_that_pytest_does_not_know_is_wrong_usage(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(GOOD, arguments=("--no-such-option",)) is ExitStatus.USAGE
    assert "--no-such-option" in capsys.readouterr().err


def test_what_the_environment_tells_pytest_is_not_for_us(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    assert runs(GOOD, selection=NOT_BAD) is ExitStatus.OK
    # The client's own tests may want it after us.
    assert session_module.os.environ["PYTEST_ADDOPTS"] == "--no-such-option"


def test_parameters_of_a_case_are_bound(runs: Runs) -> None:
    text = (
        '@case("HSK-1")\n@pytest.mark.parametrize("name", ["a", "b"])\n'
        "async def test_with(tmc_stage, name):\n    await tmc_stage.start()\n    tmc_stage.record(Fault(name=name))\n"
    )
    assert runs(text, selection=NOT_BAD) is ExitStatus.OK
    assert [result.id.partition("::")[2] for result in runs.finished.results] == ["test_with[a]", "test_with[b]"]
    for result, name in zip(runs.finished.results, "ab", strict=True):
        assert result.trace is not None
        assert [entry.event.name for entry in result.trace.entries if isinstance(entry.event, Fault)] == [name]


def test_junit_tells_failed_from_expected_and_unsupported(runs: Runs) -> None:
    bad = BAD.replace("test_bad", "test_other_bad")
    runs(GOOD + BAD + bad + UNSUPPORTED + raising('Crashed("fell", status="exit 1")'))
    suite = runs.junit()
    assert suite.get("name") == "tmcspec"
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "5", "failures": "4", "errors": "0", "skipped": "1"}
    texts = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert texts["test_polls"] == ["skipped"]
    assert texts["test_other_bad"] == ["failure"]


def test_junit_shows_an_expected_failure_as_one(runs: Runs) -> None:
    known = KnownFailing([Expectation(clause="HSK-3", reason="it does")])
    runs(BAD, known=known, selection=only("HSK-3"))
    (skipped,) = runs.junit().iter("skipped")
    assert skipped.get("type") == "pytest.xfail"  # JUnit has no word of its own for it, and this one is pytest's
    assert "FAIL, as expected: it does" in str(skipped.get("message"))


# Side by side

EVERYTHING = (
    GOOD
    + BAD
    + UNSUPPORTED
    + raising('Crashed("fell", status="exit 1")')
    + raising('LookupError("ours")').replace("test_raises", "test_ours")
)


def test_side_by_side_ends_as_one_after_the_other(runs: Runs) -> None:
    known = [Expectation(clause="HSK-3", reason="it does"), Expectation(clause="HSK-4", reason="was so once")]
    ends = []
    for jobs in (1, 3):
        status = runs(EVERYTHING, known=KnownFailing(known), world="live", jobs=jobs)
        results = [
            (result.id.partition("::")[2], result.verdict, result.message, result.expected, result.clauses)
            for result in runs.finished.results
        ]
        worlds = {result.trace.world for result in runs.finished.results if result.trace is not None}
        clauses = [(each.clause, each.result) for each in runs.finished.clauses]
        junit = {case.get("name"): [child.tag for child in case] for case in runs.junit().iter("testcase")}
        counts = sorted(type(event).__name__ for event in runs.told)
        ends.append((status, results, worlds, clauses, runs.finished.complaints, junit, counts))
    assert ends[0] == ends[1]
    assert ends[0][0] is ExitStatus.SUITE_FAULT
    assert [verdict for _, verdict, *_ in ends[0][1]] == [
        Verdict.FAIL,
        Verdict.FAIL,
        Verdict.UNSUPPORTED,
        Verdict.CRASHED,
        Verdict.SUITE_FAULT,
    ]


def test_what_may_wait_longest_begins_first_and_is_told_in_its_place(runs: Runs) -> None:
    text = "".join(
        f'@case("HSK-1", waits={waits})\nasync def test_{name}(tmc_stage):\n    await tmc_stage.start()\n\n'
        for name, waits in (("quick", 0), ("long", 120), ("pull", 15.0), ("last", 0))
    )
    assert runs(text, selection=NOT_BAD, world="live", jobs=2) is ExitStatus.OK
    began = [event.id.rpartition("_")[2] for event in runs.told if isinstance(event, CaseStarted)]
    assert began == ["long", "pull", "quick", "last"]
    assert [result.id.rpartition("_")[2] for result in runs.finished.results] == ["quick", "long", "pull", "last"]


def test_a_case_whose_process_dies_is_a_fault_of_the_suite_and_the_rest_is_played(runs: Runs) -> None:
    dies = '@case("HSK-1", waits=1)\nasync def test_dies(tmc_stage):\n    import os\n    os.kill(os.getpid(), 9)\n\n'
    assert runs(dies + GOOD, selection=NOT_BAD, world="live", jobs=2) is ExitStatus.SUITE_FAULT
    lost, good = runs.finished.results
    assert (lost.verdict, lost.clauses) == (Verdict.SUITE_FAULT, ("HSK-1",))
    assert lost.message == "the process that played the case ended by itself (signal SIGKILL)"
    assert good.verdict is Verdict.PASS


def test_when_no_process_is_left_the_run_ends_as_a_fault_of_the_suite(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    dies = '@case("HSK-1", waits=1)\nasync def test_dies(tmc_stage):\n    import os\n    os.kill(os.getpid(), 9)\n\n'
    two = dies + dies.replace("test_dies", "test_dies_too")
    assert runs(two + GOOD, selection=NOT_BAD, world="live", jobs=2) is ExitStatus.SUITE_FAULT
    assert len(runs.finished.results) == 2
    assert "cases not played: 1" in runs.finished.faults[0]
    assert "INTERNALERROR" in capsys.readouterr().err


def test_an_end_at_the_first_failure_is_one_side_by_side_as_well(runs: Runs) -> None:
    hangs = '@case("HSK-1")\nasync def test_hangs(tmc_stage):\n    await tmc_stage.wait(60)\n\n'
    assert runs(BAD + hangs, world="live", jobs=2, arguments=("-x",)) is ExitStatus.FAILURE
    assert [result.id.partition("::")[2] for result in runs.finished.results] == ["test_bad"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_faults_beside_the_cases_are_the_same_side_by_side(runs: Runs, jobs: int) -> None:
    odd = '@case("HSK-1")\nasync def test_odd(tmc_stage, no_such_fixture): ...\n'
    assert runs(GOOD + odd, selection=NOT_BAD, world="live", jobs=jobs) is ExitStatus.SUITE_FAULT
    assert "no_such_fixture" in runs.finished.faults[0]
    assert runs("import no_such_module_at_all", world="live", jobs=jobs) is ExitStatus.SUITE_FAULT
    assert "no_such_module_at_all" in runs.finished.faults[-1]
    assert runs(GOOD, selection=only("LID-1"), world="live", jobs=jobs) is ExitStatus.NOTHING_RAN


def test_simulated_time_waits_for_nothing_and_so_for_no_other_process(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "Workers", None)
    assert runs(GOOD + UNSUPPORTED, selection=NOT_BAD, jobs=4) is ExitStatus.OK
