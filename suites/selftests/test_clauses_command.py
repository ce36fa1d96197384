"""`tmcspec clauses`: the specification as a list."""

from __future__ import annotations

import json

from harness import tmcspec

from tmcspec.clauses import CLAUSES


def test_the_specification_is_a_list() -> None:
    ended = tmcspec("clauses", "--json")
    assert ended.status == 0
    rows = json.loads(ended.out)
    assert [row["id"] for row in rows] == list(CLAUSES)
    for row in rows:
        clause = CLAUSES[row["id"]]
        assert row == {
            "id": clause.id,
            "level": clause.level.value,
            "binds": clause.binds.value,
            "statement": clause.statement,
            "source": clause.source,
            "rationale": clause.rationale,
        }
        assert all(row.values())


def test_the_list_can_be_of_one_area_and_for_people() -> None:
    assert {row["id"][:3] for row in json.loads(tmcspec("clauses", "--json", "--area", "LID").out)} == {"LID"}
    ended = tmcspec("clauses", "--area", "LID")
    assert ended.status == 0
    assert "LID-1" in ended.out
    assert "HSK-1" not in ended.out
