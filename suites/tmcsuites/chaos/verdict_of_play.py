"""What a clause says of a plan, by playing it."""

from __future__ import annotations

from collections.abc import Callable

from tmcspec.clauses import CLAUSES, judge_trace
from tmcsuites.chaos.plan import Plan
from tmcsuites.chaos.play import play
from tmcsuites.worlds import SubjectFactory


def breaks(clause_id: str, subject: SubjectFactory) -> Callable[[Plan], bool]:
    """Whether a client breaks a clause when a plan is played, by whatever evidence: what shrinking asks of each plan.

    Args:
        clause_id: as `ACK-2`.
        subject: makes the client.

    Raises:
        ValueError: there is no such clause.
    """
    if clause_id not in CLAUSES:
        raise ValueError(f"there is no clause {clause_id!r}; valid: {', '.join(CLAUSES)}")
    clause = CLAUSES[clause_id]

    def broken(plan: Plan) -> bool:
        (judgement,) = judge_trace(play(plan, subject), [clause])
        return bool(judgement.violations)

    return broken
