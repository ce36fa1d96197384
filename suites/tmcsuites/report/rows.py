"""What was judged, as rows for machines: the same members wherever one stands."""

from __future__ import annotations

from typing import Any

from tmcspec.clauses import Finding, Judgement
from tmcsuites.progress import ClauseResult


def clause_row(judged: Judgement | ClauseResult) -> dict[str, Any]:
    """A clause and what is said of it; how it was violated is for the report to add, which may count or tell."""
    return {
        "id": judged.clause.id,
        "level": judged.clause.level.value,
        "binds": judged.clause.binds.value,
        "result": judged.result,
        "exercised": judged.exercised,
    }


def finding_row(finding: Finding) -> dict[str, Any]:
    """What was wrong, and the entries of the trace that prove it."""
    return {"message": finding.message, "seq": [entry.seq for entry in finding.evidence]}
