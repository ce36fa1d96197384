"""Whether the cases show what a plan has shown: `tmcspec run` is what people repeat while they mend a client.

A case cannot have seen everything. A command that passes proves nothing, so it is played before it is told.
"""

from __future__ import annotations

from collections.abc import Iterable

from tmcspec.clauses import CLAUSES
from tmcsuites.adapters.contract import SubjectError
from tmcsuites.verdict import Verdict
from tmcsuites.worlds import Setting, SubjectFactory, look_at, run_case


def shown_by(clauses: Iterable[str], subject: SubjectFactory) -> str | None:
    """The first of some clauses that a client is found to break by the cases about it; None when all of them pass.

    Args:
        clauses: ids.
        subject: makes the client, which goes through them as in `tmcspec run --clause ID`: in simulation, with seed 0.
    """
    # With all cases and their mutants, so only when they are needed.
    from tmcsuites.mutants.matrix import plays

    for id in clauses:
        setting = Setting(world="simulated", subject=subject, clauses=(CLAUSES[id],), seed=0)
        try:
            able = look_at(setting).capabilities
        except SubjectError:
            return None
        about = [each for each in plays() if id in each.case.clauses and each.case.needs <= able]
        for each in sorted(about, key=lambda play: play.long):
            if run_case(each.id, each.case, each.function, setting).verdict is Verdict.FAIL:
                return id
    return None
