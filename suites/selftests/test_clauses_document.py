"""`docs/clauses.md` is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import tmcspec

from tmcspec.clauses import CLAUSES

DOCUMENT = Path(__file__).parents[2] / "docs" / "clauses.md"


def test_the_document_is_up_to_date() -> None:
    written = tmcspec("clauses", "--markdown").out
    assert DOCUMENT.read_text(encoding="utf-8") == written, (
        "write it anew: tmcspec clauses --markdown > docs/clauses.md"
    )


def test_every_clause_has_its_place_once_in_the_order_of_the_catalogue() -> None:
    headings = re.findall(r"^### (\S+)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(CLAUSES)


@pytest.mark.parametrize("id", CLAUSES)
def test_a_clause_says_why_and_where_it_comes_from(id: str) -> None:
    clause = CLAUSES[id]
    assert len(clause.rationale.split()) > 5
    assert re.search(r"S\d+|observed|inferred|captured|page|codes", clause.source), clause.source


def test_one_area_can_be_written_alone() -> None:
    written = tmcspec("clauses", "--area", "LID", "--markdown").out
    assert re.findall(r"^## (\S+):", written, re.MULTILINE) == ["LID"]


def test_two_ways_to_write_it_at_once_are_refused() -> None:
    ended = tmcspec("clauses", "--json", "--markdown")
    assert (ended.status, "choose one" in ended.err) == (4, True)
