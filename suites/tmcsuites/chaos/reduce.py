"""From a bad day to its cause: a broken clause becomes the smallest plan that breaks it, its story, and a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tmcspec.clauses import CLAUSES, Binds, Judgement, Level, judge_trace
from tmcsuites.chaos.cases import shown_by
from tmcsuites.chaos.counterexample import CounterExample, Drawn, can_run
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.plan import Plan
from tmcsuites.chaos.play import play
from tmcsuites.chaos.shrink import TRIES, Cut, NotReproduced, shrink
from tmcsuites.chaos.story import story
from tmcsuites.worlds import SubjectFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A counter-example in its file, and what it tells."""

    file: Path
    example: CounterExample
    story: tuple[str, ...]
    tried: int
    cut: Cut | None = None

    @property
    def exhausted(self) -> bool:
        """Whether there may be a smaller one near by."""
        return self.cut is not None


def telling(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The broken MUSTs, the most telling first: those that bind the client, and of these the one that is broken most
    of the times that it comes to bear. What was broken twice in two times may be an accident, and counts as twice in
    three. Where they are equal the order stays.
    """
    broken = [each for each in judgements if each.violations and each.clause.level is Level.MUST]
    return sorted(
        broken,
        key=lambda each: (each.clause.binds is not Binds.CLIENT, -len(each.violations) / (each.exercised + 1)),
    )


def worst(judgements: Iterable[Judgement]) -> Judgement | None:
    """The broken MUST that is told of."""
    return next(iter(telling(judgements)), None)


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


def reduce(
    plan: Plan,
    clause: str,
    client: str,
    *,
    folder: Path,
    others: Sequence[str] = (),
    drawn: Drawn | None = None,
    limit: int = TRIES,
    seconds: float = math.inf,
    progress: Callable[[Plan], None] | None = None,
    interrupted: Callable[[Path], None] | None = None,
) -> Cause:
    """Makes a plan that breaks a clause as small as it gets, and writes it down.

    Args:
        plan: what the client breaks the clause with.
        clause: its id.
        client: a name as `subject_of` takes it.
        folder: where the file goes; made if it is not there. One that is there for the same clause is replaced.
        others: more clauses that the client breaks, whose cases may show it where those about this one do not.
        drawn: how the plan was drawn, so that the story can say so.
        limit, seconds, progress: as in `shrink`.
        interrupted: told of the file when Ctrl-C has ended the search; it is written then, and the story takes a while.

    Raises:
        NotReproduced: the client does not break the clause with it, or not each time.
        OSError: the file cannot be written.
    """
    subject = subject_of(client)
    found = shrink(plan, breaks(clause, subject), limit=limit, seconds=seconds, progress=progress)
    example = CounterExample(clause=clause, client=client, plan=found.plan, drawn=drawn)
    file = folder / f"{clause}.json"
    if found.cut is Cut.INTERRUPTED:
        _keep(example, file)
        if interrupted is not None:
            interrupted(file)
    trace = play(found.plan, subject)
    judgements = judge_trace(trace, [CLAUSES[clause]])
    if not any(each.violations for each in judgements):
        raise NotReproduced(f"{clause} was broken with the smallest plan, and not when that was played once more")
    if can_run(client):
        example = replace(example, shown_by=shown_by((clause, *others), subject))
    _keep(example, file)
    lines = story(found.plan, trace, judgements, again=example.commands(str(file)))
    if can_run(client) and example.shown_by != clause:
        lines.append(_otherwise(clause, example.shown_by))
    return Cause(file=file, example=example, story=tuple(lines), tried=found.tried, cut=found.cut)


def _keep(example: CounterExample, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(example.dumps(), encoding="utf-8")


def _otherwise(clause: str, shown: str | None) -> str:
    if shown is None:
        return f"No case of tmcspec run about {clause} shows it, only the plan does."
    return f"The cases about {clause} pass with this client; those about {shown} do not."
