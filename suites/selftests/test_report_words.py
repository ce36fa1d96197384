"""What is broken is told in the same words wherever it is told."""

from __future__ import annotations

from harness import judgement

from tmcspec.clauses import CLAUSES, Binds
from tmcspec.events import Opened
from tmcspec.trace import Entry
from tmcsuites.report.words import describe_judgement


def test_a_broken_clause_is_told_with_its_source_and_what_happened_instead() -> None:
    clause = CLAUSES["ACK-2"]
    entry = Entry(seq=1, time=2.5, event=Opened(connection="c1"))
    first, source, *rest = describe_judgement(judgement("ACK-2", "too \x1b early", evidence=[entry]), indent="  ")
    assert first.plain == f"  ACK-2 MUST: {clause.statement}"
    assert source.plain == f"  source: {clause.source}"
    assert [each.plain for each in rest] == [r"     too \x1b early", "            2.500 s  opened connection 'c1'"]


def test_of_many_findings_some_are_told_or_all() -> None:
    many = judgement("ACK-2", *"abcde")
    assert [each.plain.strip() for each in describe_judgement(many)][2:] == ["a", "b", "c", "and 2 more"]
    assert [each.plain.strip() for each in describe_judgement(many, most=None)][2:] == list("abcde")


def test_where_the_service_is_to_blame_that_is_said() -> None:
    clause = next(each for each in CLAUSES.values() if each.binds is Binds.SERVICE)
    told = describe_judgement(judgement(clause, "wrong"))[0].plain
    assert told == f"{clause.id} {clause.level.value.upper()} (the service): {clause.statement}"
