"""What is told of a bad day: the clause that says most, and the command that shows the defect, if there is one."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from harness import judgement

from tmcspec.clauses import CLAUSES, Binds, Judgement, Level
from tmcspec.instruction import Instruction
from tmcsuites.adapters.contract import Subject
from tmcsuites.chaos.cases import shown_by
from tmcsuites.chaos.counterexample import CounterExample, load
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan
from tmcsuites.chaos.reduce import reduce, telling, worst
from tmcsuites.chaos.shrink import Cut
from tmcsuites.mutants import MUTANTS

PLAN = Plan(
    seconds=5.0,
    clients=(ClientPlan(name="client-1"),),
    messages=tuple(MessagePlan(at=1.0, id=id, told=Instruction(delay_ms=5)) for id in range(1, 9)),
)


def found(clause: str, broken: int, exercised: int) -> Judgement:
    return judgement(clause, *(str(number) for number in range(broken)), exercised=exercised)


def test_the_most_telling_clause_is_broken_most_of_the_times_that_it_comes_to_bear() -> None:
    day = [found("ACK-7", 2, 2), found("ACK-9", 99, 99), found("LID-1", 700, 701), found("QUE-2", 90, 7000)]
    assert [each.clause.id for each in telling(day)] == ["LID-1", "ACK-7", "QUE-2"]


def test_of_two_that_say_as_much_the_first_is_told() -> None:
    assert [each.clause.id for each in telling([found("ACK-7", 3, 5), found("LID-1", 3, 5)])] == ["ACK-7", "LID-1"]


def test_a_clause_that_binds_the_service_is_told_when_the_client_keeps_its_own() -> None:
    of_service = next(each.id for each in CLAUSES.values() if each.binds is Binds.SERVICE and each.level is Level.MUST)
    day = [found(of_service, 9, 9), found("QUE-2", 1, 1000)]
    assert [each.clause.id for each in telling(day)] == ["QUE-2", of_service]
    assert worst(day[:1]) == day[0]
    assert worst([found("ACK-2", 0, 5)]) is None


def hasty(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return MUTANTS["confirms-first"].subject(wall_clock, rng)


class Interrupted:
    """As `hasty`; Ctrl-C comes when it is made for the third time."""

    made: ClassVar[int] = 0


def interrupted(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    Interrupted.made += 1
    if Interrupted.made == 3:
        signal.raise_signal(signal.SIGINT)
    return hasty(wall_clock=wall_clock, rng=rng)


def test_a_clause_whose_cases_fail_is_shown_by_them_and_one_whose_cases_pass_is_not() -> None:
    subject = MUTANTS["confirms-first"].subject
    assert shown_by(["ACK-2"], subject) == "ACK-2"
    assert shown_by(["LID-1"], subject) is None
    assert shown_by(["LID-1", "ACK-2"], subject) == "ACK-2"
    assert shown_by(["ACK-2"], subject_of("reference")) is None


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("ACK-2", f"  tmcspec run --python {__name__}:hasty --clause ACK-2"),
        ("LID-1", "The cases about ACK-2 pass with this client; those about LID-1 do not."),
        (None, "No case of tmcspec run about ACK-2 shows it, only the plan does."),
    ],
)
def test_the_story_ends_with_the_cases_that_show_it(
    says: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr("tmcsuites.chaos.reduce.shown_by", lambda clauses, subject: asked.append(clauses) or says)
    cause = reduce(PLAN, "ACK-2", f"python:{__name__}:hasty", folder=tmp_path, others=["LID-1"])
    assert asked == [("ACK-2", "LID-1")]
    assert cause.story[-1] == told
    assert any(line.startswith("  tmcspec run ") for line in cause.story) is (says is not None)
    assert load(cause.file.read_text(encoding="utf-8")) == cause.example


def test_what_is_found_until_ctrl_c_is_kept_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interrupted, "made", 0)
    kept: list[str] = []
    cause = reduce(
        PLAN,
        "ACK-2",
        f"python:{__name__}:interrupted",
        folder=tmp_path,
        interrupted=lambda file: kept.append(file.read_text(encoding="utf-8")),
    )
    assert (cause.cut, cause.exhausted) == (Cut.INTERRUPTED, True)
    (example,) = map(load, kept)
    assert isinstance(example, CounterExample)
    assert example.plan == cause.example.plan
    assert "What happened:" in cause.story
    assert f"  tmcspec run --python {__name__}:interrupted --clause ACK-2" in cause.story
