"""Clauses and their catalogue."""

from __future__ import annotations

import doctest
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stories import Story

import tmcspec.clauses
from tmcspec.clauses import AREAS, CLAUSES, Binds, Clause, Level, judge, judge_trace
from tmcspec.clauses.base import Catalogue, Finding, broken, held
from tmcspec.clauses.history import History
from tmcspec.trace import Trace


def empty(*, handlers: bool = True) -> History:
    return History(Trace(entries=(), handlers=handlers))


def clause_with(judge: Callable[[History], list[Finding]], **more: Any) -> Clause:
    return Clause(
        id="ABC-1", level=Level.MUST, binds=Binds.CLIENT, statement="s", source="s", rationale="r", judge=judge, **more
    )


def test_a_judge_that_finds_nothing_leaves_its_clause_not_exercised() -> None:
    judgement = judge(clause_with(lambda history: []), empty())
    assert (judgement.result, judgement.exercised, judgement.violations) == ("not_exercised", 0, ())


def test_a_judge_that_only_finds_what_held_passes() -> None:
    judgement = judge(clause_with(lambda history: [held(), held()]), empty())
    assert (judgement.result, judgement.exercised) == ("pass", 2)


def test_one_violation_among_others_counts() -> None:
    wrong = broken("no")
    judgement = judge(clause_with(lambda history: [held(), wrong]), empty())
    assert (judgement.result, judgement.exercised, judgement.violations) == ("violated", 2, (wrong,))


def test_a_clause_that_needs_handlers_is_not_judged_on_the_wire_alone() -> None:
    clause = clause_with(lambda history: [broken("no")], needs_handlers=True)
    assert judge(clause, empty(handlers=False)).result == "not_exercised"
    assert judge(clause, empty()).result == "violated"


def test_a_catalogue_takes_the_rationale_from_the_judge() -> None:
    catalogue = Catalogue()

    @catalogue.clause("ABC-1", Level.SHOULD, Binds.SERVICE, "It does.", source="S1", capability="fail")
    def it_does(history: History) -> Iterator[Finding]:
        """Because.

        And why not.
        """
        yield held()

    clause = catalogue["ABC-1"]
    assert clause.rationale == "Because.\n\nAnd why not."
    assert (clause.area, clause.capability, clause.judge) == ("ABC", "fail", it_does)


def test_a_clause_cannot_be_declared_twice() -> None:
    catalogue = Catalogue()
    declare = catalogue.clause("ABC-1", Level.MUST, Binds.CLIENT, "s", source="s")
    declare(lambda history: [])
    with pytest.raises(ValueError, match="clause ABC-1 is declared twice"):
        declare(lambda history: [])


@pytest.mark.parametrize("id", ["ABC1", "abc-1", "ABCD-1", "ABC-0", "ABC-01", ""])
def test_a_clause_id_that_is_malformed_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match=r"three capital letters, a dash and a number, as ACK-2; not"):
        Catalogue().clause(id, Level.MUST, Binds.CLIENT, "s", source="s")(lambda history: [])


@pytest.mark.parametrize("clause", CLAUSES.values(), ids=list(CLAUSES))
def test_every_clause_says_what_it_wants_where_it_comes_from_and_why(clause: Clause) -> None:
    assert clause.statement.endswith(".")
    assert clause.source
    assert clause.rationale
    assert clause.area in AREAS
    assert "  " not in clause.statement


def test_every_area_has_clauses_in_their_order() -> None:
    areas = [clause.area for clause in CLAUSES.values()]
    assert list(dict.fromkeys(areas)) == list(AREAS)
    numbers = [int(id[4:]) for id in CLAUSES]
    assert all(a < b for a, b, x, y in zip(numbers, numbers[1:], areas, areas[1:], strict=False) if x == y)


def test_the_examples_in_the_documentation_are_right() -> None:
    assert doctest.testmod(tmcspec.clauses).failed == 0


def test_a_trace_can_be_judged_by_some_clauses() -> None:
    story = Story()
    story.connect()
    chosen = [CLAUSES["HSK-1"], CLAUSES["ACK-1"]]
    assert [(each.clause.id, each.result) for each in judge_trace(story.trace(), chosen)] == [
        ("HSK-1", "pass"),
        ("ACK-1", "not_exercised"),
    ]
