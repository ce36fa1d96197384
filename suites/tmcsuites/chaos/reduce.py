"""From a bad day to its cause: a broken clause becomes the smallest plan that breaks it, its story, and a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tmcspec.clauses import CLAUSES, Binds, Judgement, Level, judge_trace
from tmcsuites.chaos.counterexample import CounterExample, Drawn
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.plan import Plan
from tmcsuites.chaos.play import play
from tmcsuites.chaos.shrink import TRIES, NotReproduced, shrink
from tmcsuites.chaos.story import story
from tmcsuites.worlds import SubjectFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A counter-example in its file, and what it tells."""

    file: Path
    example: CounterExample
    story: tuple[str, ...]
    tried: int
    exhausted: bool


def worst(judgements: Iterable[Judgement]) -> Judgement | None:
    """The broken MUST that is told of: the first that binds the client, else the first."""
    broken = [each for each in judgements if each.violations and each.clause.level is Level.MUST]
    return min(broken, key=lambda each: each.clause.binds is not Binds.CLIENT, default=None)


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
    drawn: Drawn | None = None,
    known: bool = False,
    limit: int = TRIES,
    progress: Callable[[Plan], None] | None = None,
) -> Cause:
    """Makes a plan that breaks a clause as small as it gets, and writes it down.

    Args:
        plan: what the client breaks the clause with.
        clause: its id.
        client: a name as `subject_of` takes it.
        folder: where the file goes; made if it is not there. One that is there for the same clause is replaced.
        drawn: how the plan was drawn, so that the story can say so.
        known, limit, progress: as in `shrink`.

    Raises:
        NotReproduced: the client does not break the clause with it, or not each time.
        OSError: the file cannot be written.
    """
    subject = subject_of(client)
    found = shrink(plan, breaks(clause, subject), known=known, limit=limit, progress=progress)
    trace = play(found.plan, subject)
    judgements = judge_trace(trace, [CLAUSES[clause]])
    if not any(each.violations for each in judgements):
        raise NotReproduced(f"{clause} was broken with the smallest plan, and not when that was played once more")
    example = CounterExample(clause=clause, client=client, plan=found.plan, drawn=drawn)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{clause}.json"
    file.write_text(example.dumps(), encoding="utf-8")
    lines = story(found.plan, trace, judgements, again=example.commands(str(file)))
    return Cause(file=file, example=example, story=tuple(lines), tried=found.tried, exhausted=found.exhausted)
