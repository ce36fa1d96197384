"""The filters of `tmcspec run`: which clauses judge, which cases run."""

from __future__ import annotations

from typing import Any

import pytest

from tmcspec.clauses import CLAUSES, Level
from tmcsuites.casebook import Case
from tmcsuites.selection import Selection, SelectionError

CASES = ["test_lid.py::test_ids_are_confirmed_exactly[largest]", "test_ack.py::test_a_long_reason_is_cut"]


def judges(**filters: Any) -> list[str]:
    return [clause.id for clause in Selection(**filters).judges]


def test_without_filters_every_clause_judges_every_case() -> None:
    assert judges() == list(CLAUSES)
    assert Selection().takes("anything", Case(clauses=("LID-1",)))
    assert Selection().whole


def test_areas_and_clauses_add_up() -> None:
    assert judges(areas=("LID",), clauses=("ACK-2",)) == ["ACK-2", "LID-1", "LID-2", "LID-3", "LID-4"]


def test_the_level_narrows_what_was_asked_for() -> None:
    assert judges(areas=("LID",), level="must") == ["LID-1", "LID-2", "LID-3"]
    assert set(judges(level="should")) == {id for id, clause in CLAUSES.items() if clause.level is not Level.INFO}


def test_a_case_runs_when_a_chosen_clause_is_among_its_own() -> None:
    selection = Selection(clauses=("ACK-4",))
    assert selection.takes("one", Case(clauses=("ACK-3", "ACK-4")))
    assert not selection.takes("one", Case(clauses=("ACK-3",)))


def test_a_case_that_was_not_asked_for_does_not_run() -> None:
    selection = Selection(cases=("one",))
    assert selection.takes("one", Case(clauses=("ACK-3",)))
    assert not selection.takes("another", Case(clauses=("ACK-3",)))


@pytest.mark.parametrize(
    "filters", [{"areas": ("LID",)}, {"clauses": ("LID-1",)}, {"cases": ("one",)}, {"level": "should"}], ids=str
)
def test_any_filter_makes_a_run_less_than_whole(filters: Any) -> None:
    assert not Selection(**filters).whole


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({"areas": ("XYZ",)}, "unknown area 'XYZ'; known: HSK, FRM"),
        ({"areas": ("lid",)}, "unknown area 'lid'; did you mean LID[?] known: HSK"),
        ({"clauses": ("LID-11",)}, "unknown clause 'LID-11'; did you mean LID-1[?] known: HSK-1"),
        ({"clauses": ("lid-1",)}, "unknown clause 'lid-1'; did you mean LID-1[?]"),
        ({"clauses": ("???",)}, "unknown clause '[?]{3}'; known: HSK-1"),
        ({"level": "may"}, "unknown level 'may'; .*known: must, should, info"),
        ({"clauses": ("LID-4",), "level": "must"}, "no clause of level must among those asked for"),
    ],
    ids=str,
)
def test_a_filter_that_matches_nothing_is_an_error(filters: Any, complaint: str) -> None:
    with pytest.raises(SelectionError, match=complaint):
        Selection(**filters)


def test_an_unknown_case_is_an_error_that_names_the_closest() -> None:
    selection = Selection(cases=("test_lid.py::test_ids_are_confirmed",))
    with pytest.raises(SelectionError, match=r"unknown case .*; the closest: test_lid.py::test_ids.*\[largest\]"):
        selection.check_cases(CASES)


def test_a_case_like_no_other_has_no_closest() -> None:
    with pytest.raises(SelectionError, match="unknown case '0'; the closest: none"):
        Selection(cases=("0",)).check_cases(CASES)


@pytest.mark.parametrize("asked", ["test_lid.py", "test_lid.py::test_ids_are_confirmed_exactly"])
def test_cases_can_be_asked_for_by_module_or_without_parameters(asked: str) -> None:
    selection = Selection(cases=(asked,))
    selection.check_cases(CASES)
    about = Case(clauses=("LID-1",))
    assert selection.takes("test_lid.py::test_ids_are_confirmed_exactly[largest]", about)
    assert not selection.takes("test_lid.py2::test_ids_are_confirmed_exactly_too", about)


def test_known_cases_are_fine() -> None:
    Selection(cases=tuple(CASES)).check_cases(CASES)
