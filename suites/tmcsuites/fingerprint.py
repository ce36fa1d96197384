"""What went wrong in a case, in words that are the same in the next run.

A known-failing entry may hold the fingerprint of the failure that it expects, so that another failure of the same
clause is not taken for the known one. It is the clause and what its judge says, without the numbers: ids, times and
ports are others tomorrow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tmcspec.clauses import Judgement
from tmcsuites.report.words import visible
from tmcsuites.verdict import CaseResult, Verdict

#: Verdicts that clauses explain, one by one.
JUDGED = (Verdict.FAIL, Verdict.NON_STRICT)

#: Verdicts that explain themselves: what the dead have broken beside dying says little.
DEATHS = (Verdict.CRASHED, Verdict.HUNG)

#: Characters of a fingerprint.
WIDTH = 120

# How a process ended is the one number that stays; a long word of hexadecimal digits is a token or a digest.
_NUMBERS = re.compile(r"(\(exit \d+)|\b[0-9a-fA-F-]{16,}\b|[-+]?\d+(?:\.\d+)*(?:e[-+]?\d+)?")
_SERIES = re.compile(r"#(?:(?:, | and )#)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing about a case that has to be expected.

    Args:
        case: its id.
        verdict: of the case.
        clauses: an entry that names one of these is about it. Of a death: all that the case is about.
        fingerprints: at least one, the first found first. Which findings join a failure may depend on the hour, so an
            entry need hold one of them.
    """

    case: str
    verdict: Verdict
    clauses: tuple[str, ...]
    fingerprints: tuple[str, ...]


def failures(result: CaseResult) -> tuple[Failure, ...]:
    """What has to be expected before a result is. None when it is no failure, and when it must not be excused."""
    if result.set_up:
        return ()
    if result.verdict in DEATHS:
        how = result.message.partition("; ")[0]
        prints = (fingerprint(result.verdict, how),)
        return (Failure(case=result.id, verdict=result.verdict, clauses=result.clauses, fingerprints=prints),)
    if result.verdict not in JUDGED:
        return ()
    return tuple(
        Failure(case=result.id, verdict=result.verdict, clauses=(each.clause.id,), fingerprints=_prints(each))
        for each in result.explained()
    )


def fingerprint(what: str, message: str) -> str:
    """
    Example:
        >>> fingerprint("LID-1", "an id became 9007199254740992")
        'LID-1: an id became #'
        >>> fingerprint("CRASHED", "the client ended by itself (exit 3)")
        'CRASHED: the client ended by itself (exit 3)'
    """
    masked = _NUMBERS.sub(lambda number: number[1] or "#", visible(message))
    text = f"{what}: {_SERIES.sub('#', masked)}"
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _prints(judgement: Judgement) -> tuple[str, ...]:
    messages = [each.message for each in judgement.violations] or ["nothing to judge by"]
    return tuple(dict.fromkeys(fingerprint(judgement.clause.id, message) for message in messages))
