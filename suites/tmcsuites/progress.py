"""What a run tells while it goes on: events for whoever reports it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from tmcspec.clauses import Clause
from tmcsuites.adapters.contract import ClientInfo
from tmcsuites.known_failing import Complaint
from tmcsuites.verdict import CaseResult, ExitStatus, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The client said who it is, and the cases are collected."""

    client: ClientInfo
    cases: int
    clauses: tuple[Clause, ...]
    world: str
    seed: int
    started: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseStarted:
    """A case begins."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFinished:
    """A case is judged."""

    result: CaseResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """All cases are judged.

    Args:
        results: of all cases, in order.
        clauses: what came of each clause.
        complaints: entries of the known-failing list that fail the run.
        faults: what went wrong in the suite beside the cases: in collecting, in reporting.
        duration: seconds.
        exit_status: of the run.
    """

    results: tuple[CaseResult, ...]
    clauses: tuple[ClauseResult, ...]
    complaints: tuple[Complaint, ...] = ()
    faults: tuple[str, ...] = ()
    duration: float
    exit_status: ExitStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseResult:
    """What a whole run says of one clause.

    Args:
        exercised, violations: over all cases.
        result: `unsupported` when every case about it was, or when it asks for what a bare program cannot show.
    """

    clause: Clause
    exercised: int
    violations: int
    result: Literal["pass", "violated", "not_exercised", "unsupported"]


RunEvent: TypeAlias = RunStarted | CaseStarted | CaseFinished | RunFinished
Listener: TypeAlias = Callable[[RunEvent], None]


@dataclass(slots=True)
class Tally:
    """Adds up the results of a run; of a `bare` program, when the client is one."""

    clauses: Sequence[Clause]
    bare: bool = False
    results: list[CaseResult] = field(default_factory=list)

    def clause_results(self) -> tuple[ClauseResult, ...]:
        """What came of each clause, in order."""
        exercised = dict.fromkeys((clause.id for clause in self.clauses), 0)
        violations = dict(exercised)
        for result in self.results:
            for judgement in result.judgements:
                exercised[judgement.clause.id] += judgement.exercised
                violations[judgement.clause.id] += len(judgement.violations)
        return tuple(
            ClauseResult(
                clause=clause,
                exercised=exercised[clause.id],
                violations=violations[clause.id],
                result=self._result(clause, exercised[clause.id], violations[clause.id]),
            )
            for clause in self.clauses
        )

    def _result(
        self, clause: Clause, exercised: int, violations: int
    ) -> Literal["pass", "violated", "not_exercised", "unsupported"]:
        if violations:
            return "violated"
        if exercised:
            return "pass"
        if self.bare and clause.needs_handlers:
            return "unsupported"
        about = [result for result in self.results if clause.id in result.clauses]
        if about and all(result.verdict is Verdict.UNSUPPORTED for result in about):
            return "unsupported"
        return "not_exercised"

    def exit_status(self, complaints: Sequence[Complaint]) -> ExitStatus:
        """The worst that happened. A run that judged nothing did not end well."""
        bad = {result.verdict for result in self.results if result.bad}
        if Verdict.SUITE_FAULT in bad:
            return ExitStatus.SUITE_FAULT
        if bad & {Verdict.CRASHED, Verdict.HUNG, Verdict.ADAPTER_FAULT}:
            return ExitStatus.NOT_MEASURED
        if bad or complaints:
            return ExitStatus.FAILURE
        if not any(result.verdict is not Verdict.UNSUPPORTED for result in self.results):
            return ExitStatus.NOTHING_RAN
        return ExitStatus.OK
