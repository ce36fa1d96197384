"""Verdicts: what one case says of a client, and what a run says with its exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from tmcspec.clauses import Binds, Judgement, Level
from tmcspec.trace import Trace
from tmcsuites.adapters.contract import AdapterFault, Crashed, Hung, SubjectError, Unsupported
from tmcsuites.stage import CannotStart, NeverReady


class Verdict(StrEnum):
    """What a case ends with, the best first."""

    PASS = "PASS"
    INFO = "INFO"
    NON_STRICT = "NON_STRICT"
    UNSUPPORTED = "UNSUPPORTED"
    FAIL = "FAIL"
    HUNG = "HUNG"
    CRASHED = "CRASHED"
    ADAPTER_FAULT = "ADAPTER_FAULT"
    SUITE_FAULT = "SUITE_FAULT"


#: Verdicts that keep a run from ending well, unless a known-failing list expects them.
BAD = frozenset({Verdict.FAIL, Verdict.HUNG, Verdict.CRASHED, Verdict.ADAPTER_FAULT, Verdict.SUITE_FAULT})


class ExitStatus(IntEnum):
    """What `tmcspec run` ends with; 0 to 5 mean what they mean in pytest."""

    OK = 0
    FAILURE = 1
    INTERRUPTED = 2
    SUITE_FAULT = 3
    USAGE = 4
    NOTHING_RAN = 5
    NOT_MEASURED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What became of one case.

    Args:
        id: the pytest node id, relative to the cases.
        area: three letters.
        verdict: see `Verdict`.
        clauses: ids of the clauses the case is about.
        judgements: of all selected clauses over the trace of the case; empty when there is no trace.
        message: why the verdict is not PASS; empty when it is.
        duration: real seconds.
        log: what the client wrote on stderr.
        trace: what happened; None when the client never came to life.
        expected: why a known-failing list expects this verdict; None when none does.
        set_up: whether the client never got as far as the case: it could not be brought to life, or never connected.
            No list can excuse that, since nothing was measured.
    """

    id: str
    area: str
    verdict: Verdict
    clauses: tuple[str, ...]
    judgements: tuple[Judgement, ...] = ()
    message: str = ""
    duration: float = 0.0
    log: str = ""
    trace: Trace | None = None
    expected: str | None = None
    set_up: bool = False

    @property
    def bad(self) -> bool:
        """Whether it keeps the run from ending well."""
        return self.verdict in BAD and self.expected is None

    def violated(self) -> tuple[Judgement, ...]:
        """The judgements that found the client guilty and count for this case."""
        return guilty_of(self.judgements, self.clauses)

    def explained(self) -> tuple[Judgement, ...]:
        """The judgements that explain the verdict: those violated; of a failure without any, those unproved."""
        found = self.violated()
        return unproved_of(self.judgements, self.clauses) if not found and self.verdict is Verdict.FAIL else found

    @property
    def broken(self) -> tuple[str, ...]:
        """The clauses that explain the verdict."""
        return tuple(judgement.clause.id for judgement in self.explained())


def guilty_of(judgements: Sequence[Judgement], clauses: Sequence[str]) -> tuple[Judgement, ...]:
    """The judgements that count against a client in a case: every broken MUST, and whatever the case is about."""
    return tuple(
        each
        for each in judgements
        if each.violations
        and each.clause.binds is Binds.CLIENT
        and (each.clause.level is Level.MUST or each.clause.id in clauses)
    )


def unproved_of(judgements: Sequence[Judgement], clauses: Sequence[str]) -> tuple[Judgement, ...]:
    """The judgements that a case is about and that found nothing to judge the client by."""
    return tuple(
        each
        for each in judgements
        if each.clause.id in clauses and each.clause.binds is Binds.CLIENT and not each.exercised
    )


def decide(
    *,
    clauses: Sequence[str],
    judgements: Sequence[Judgement],
    error: BaseException | None,
    may_be_silent: bool = False,
) -> tuple[Verdict, str]:
    """The verdict of a case, and why.

    Args:
        clauses: what the case is about.
        judgements: over its trace.
        error: what ended it early, None when nothing did.
        may_be_silent: whether a client may give nothing to judge a MUST by. Else that is a failure: what the case
            needs was declared, so silence is not a way around it.
    """
    ours = [each for each in judgements if each.violations and each.clause.binds is Binds.SERVICE]
    theirs = guilty_of(judgements, clauses)
    if ours:
        return Verdict.SUITE_FAULT, f"the fake service itself broke {_listed(ours)}"
    if error is not None:
        return _of_error(error, theirs)
    for level, verdict in (
        (Level.MUST, Verdict.FAIL),
        (Level.SHOULD, Verdict.NON_STRICT),
        (Level.INFO, Verdict.INFO),
    ):
        if found := [each for each in theirs if each.clause.level is level]:
            return verdict, _listed(found)
    if unproved := unproved_of(judgements, clauses):
        names = ", ".join(each.clause.id for each in unproved)
        must = any(each.clause.level is Level.MUST for each in unproved)
        silent = Verdict.FAIL if must and not may_be_silent else Verdict.UNSUPPORTED
        return silent, f"the client gave nothing to judge {names} by"
    return Verdict.PASS, ""


def _of_error(error: BaseException, guilty: Sequence[Judgement]) -> tuple[Verdict, str]:
    because = f"; broken: {_listed(guilty)}" if guilty else ""
    must = [each for each in guilty if each.clause.level is Level.MUST]
    match error:
        case Crashed():
            return Verdict.CRASHED, f"{_first_line(error)}{because}"
        case Hung():
            return Verdict.HUNG, f"{_first_line(error)}{because}"
        case Unsupported() if must:
            # Whoever breaks a rule and then says that this is not supported has broken it all the same.
            return Verdict.FAIL, _listed(must)
        case Unsupported():
            return Verdict.UNSUPPORTED, _first_line(error)
        case AdapterFault():
            return Verdict.ADAPTER_FAULT, _first_line(error)
        case SubjectError():
            return Verdict.CRASHED, f"{_first_line(error)}{because}"
        case NeverReady() if must:
            # The trace says why.
            return Verdict.FAIL, _listed(must)
        case CannotStart():
            return Verdict.FAIL, f"{_first_line(error)}{because}"
        case NeverReady():
            return Verdict.HUNG, f"{_first_line(error)}{because}"
    return Verdict.SUITE_FAULT, f"{type(error).__name__}: {error}"


def _listed(judgements: Sequence[Judgement]) -> str:
    return "; ".join(f"{each.clause.id}: {each.violations[0].message}" for each in judgements)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
