"""A run of `tmcspec run`: pytest collects and calls the cases, each is played in its world, and subscribers report.

The run has a pytest of its own: other plugins, the user's configuration and the terminal report of pytest stay out, so
that a verdict never depends on what else is installed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tmcsuites.adapters.contract import ClientInfo
from tmcsuites.casebook import MARK, Case, CaseFunction
from tmcsuites.known_failing import Complaint, KnownFailing
from tmcsuites.progress import CaseFinished, CaseStarted, Listener, RunEvent, RunFinished, RunStarted, Tally
from tmcsuites.selection import Selection, SelectionError
from tmcsuites.stage import Stage
from tmcsuites.verdict import CaseResult, ExitStatus, Verdict
from tmcsuites.workers import Begun, Workers
from tmcsuites.worlds import Setting, run_case, unsupported

CASES = Path(__file__).parent / "cases"


class CaseFailed(Exception):
    """What pytest is told of a case that did not end well."""


class Session:
    """One run over the cases, as a pytest plugin.

    Args:
        setting: the world and the client.
        info: who the client is.
        selection: which cases run.
        known: the known-failing list.
        listeners: told everything, in order.
    """

    def __init__(
        self,
        *,
        setting: Setting,
        info: ClientInfo,
        selection: Selection,
        known: KnownFailing,
        listeners: Sequence[Listener],
    ) -> None:
        self._setting = setting
        self._info = info
        self._selection = selection
        self._known = known
        self._listeners = listeners
        self._played: dict[str, CaseResult] = {}
        self._tally = Tally(clauses=setting.clauses, bare=info.bare)
        self._known_cases: list[str] = []
        self._started = False
        self._faults: list[str] = []

    def run(self, *, report: Path, pytest_arguments: Sequence[str] = ()) -> ExitStatus:
        """Runs the cases. `report` is a directory that exists.

        Returns:
            The exit status; USAGE when pytest refuses its arguments.
        """
        began = time.perf_counter()
        arguments = [
            str(CASES),
            "-c",
            str(CASES / "pytest.ini"),
            "--disable-plugin-autoload",
            "-p",
            "no:cacheprovider",
            # Console output of ours goes on while a case is captured.
            "--capture=sys",
            f"--junitxml={report / 'junit.xml'}",
            *pytest_arguments,
        ]
        with _environment_of_its_own():
            status = ExitStatus(pytest.main(arguments, plugins=[self]))
        if not self._started:
            return status
        # Cases that run side by side end in any order.
        self._tally.results.sort(key=lambda result: self._known_cases.index(result.id))
        ended = status in (ExitStatus.OK, ExitStatus.FAILURE) and not self._faults
        complaints = self._known.complaints(
            clauses=[clause.id for clause in self._setting.clauses],
            cases=[result.id for result in self._tally.results],
            # What goes to pytest may keep it from looking at all cases, and so may a module that cannot be imported.
            known_cases=None if pytest_arguments or self._faults else self._known_cases,
            whole=ended and self._selection.whole and not pytest_arguments,
        )
        finished = RunFinished(
            results=tuple(self._tally.results),
            clauses=self._tally.clause_results(),
            complaints=complaints,
            faults=tuple(dict.fromkeys(self._faults)),
            duration=time.perf_counter() - began,
            exit_status=self._exit_status(status, complaints),
        )
        self._tell(finished)
        return finished.exit_status

    def _exit_status(self, status: ExitStatus, complaints: Sequence[Complaint]) -> ExitStatus:
        if self._faults or status is ExitStatus.SUITE_FAULT:
            return ExitStatus.SUITE_FAULT
        return status if status is ExitStatus.INTERRUPTED else self._tally.exit_status(complaints)

    # pytest calls these

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")

    @pytest.fixture
    def tmc_stage(self) -> None:
        """The stage of a case is made in the event loop of its world; pytest only has to know the name."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self._known_cases = [item.nodeid for item in items]
        try:
            self._selection.check_cases(self._known_cases)
        except SelectionError as error:
            raise pytest.UsageError(str(error)) from None
        chosen = [item for item in items if self._selection.takes(item.nodeid, _case(item))]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        self._started = True
        items = [item for item in session.items if isinstance(item, pytest.Function)]
        # Simulated time does not wait for anything.
        jobs = min(self._setting.jobs, len(items)) if self._setting.world == "live" else 1
        if jobs <= 1 or session.testsfailed or session.config.option.collectonly:
            self._tell(self._beginning(session))
            return None  # pytest does it
        # Before listeners hear of anything: they may have threads, which no fork takes along.
        with Workers(jobs, play=lambda number: self._play(items[number]), clauses=self._setting.clauses) as workers:
            self._tell(self._beginning(session))
            self._side_by_side(session, items, workers)
        return True

    def _beginning(self, session: pytest.Session) -> RunStarted:
        return RunStarted(
            client=self._info,
            cases=len(session.items),
            clauses=tuple(self._setting.clauses),
            world=self._setting.world,
            seed=self._setting.seed,
            started=datetime.now(UTC),
        )

    def _side_by_side(self, session: pytest.Session, items: Sequence[pytest.Function], workers: Workers) -> None:
        """Has the cases played by workers, and lets pytest do all else about each as soon as it has ended."""
        order = sorted(range(len(items)), key=lambda number: -_case(items[number]).waits)
        for event in workers.play(order):
            item = items[event.number]
            if isinstance(event, Begun):
                self._tell(CaseStarted(id=item.nodeid))
                continue
            self._played[item.nodeid] = event.result or self._lost(item, event.how)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    def _play(self, item: pytest.Function) -> CaseResult:
        case = _case(item)
        declined = unsupported(item.nodeid, case, self._info, self._setting.clauses)
        return declined or run_case(item.nodeid, case, _function(item), self._setting)

    def _lost(self, item: pytest.Function, how: str) -> CaseResult:
        case = _case(item)
        message = f"the process that played the case ended by itself ({how})"
        return CaseResult(
            id=item.nodeid, area=case.area, verdict=Verdict.SUITE_FAULT, clauses=case.clauses, message=message
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool:
        result = self._played.pop(pyfuncitem.nodeid, None)
        if result is None:
            self._tell(CaseStarted(id=pyfuncitem.nodeid))
            result = self._play(pyfuncitem)
        result = replace(result, expected=self._known.expects(result))
        self._tally.results.append(result)
        self._tell(CaseFinished(result=result))
        _end(result)
        return True

    def pytest_exception_interact(self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[object]) -> None:
        """Whatever fails in pytest's eyes and is no verdict of ours failed in collecting or in reporting."""
        if call.excinfo is not None and not isinstance(call.excinfo.value, CaseFailed):
            self._faults.append(f"{node.nodeid}: {call.excinfo.typename}: {call.excinfo.value}")

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._faults.append(f"{excinfo.typename}: {excinfo.value}")

    def _tell(self, event: RunEvent) -> None:
        for listener in self._listeners:
            listener(event)


@contextmanager
def _environment_of_its_own() -> Iterator[None]:
    """What the environment tells every pytest is meant for another one."""
    kept = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _case(item: pytest.Item) -> Case:
    mark = item.get_closest_marker(MARK)
    if mark is None:
        raise pytest.UsageError(f"{item.nodeid} is no case: it must be declared with @case(…)")
    case = mark.args[0]
    assert isinstance(case, Case)
    return case


def _function(item: pytest.Function) -> CaseFunction:
    """The case with its parameters bound, waiting for its stage."""
    # What a case gets beside its stage is drawn for it; fixtures would be of another process.
    parameters = item.callspec.params if hasattr(item, "callspec") else {}

    async def play(stage: Stage) -> None:
        await item.obj(tmc_stage=stage, **parameters)

    return play


def _end(result: CaseResult) -> None:
    """Tells pytest, and so JUnit. The verdict is counted already: skipping here hides nothing from the exit status."""
    if result.verdict is Verdict.UNSUPPORTED:
        pytest.skip(result.message)  # a column of its own, never green: the tally has it as UNSUPPORTED
    if result.expected is not None:
        # Listed as known to fail, and it did: one that passes instead is stale, and fails the run.
        pytest.xfail(f"{result.verdict}, as expected: {result.expected}")
    if result.bad:
        raise CaseFailed(f"{result.verdict}: {result.message}")
