"""The kill matrix as a document and as data: which clause finds which mutant, by which case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

INTRODUCTION = """\
# Kill matrix

A suite that cannot fail is worthless. So each clause that binds the client is put to the proof by clients with exactly
one seeded defect, and each that binds the service by services with one: the reference core and the fake, with one step
replaced. Every mutant is found by the clause that names its defect, and accused by no other, but for what is listed
here with its reason. The tests that hold this write this file, too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A mutant and what was found of it.

    Args:
        mutant: its name.
        clause: the clause that names its defect.
        defect: one sentence.
        published: published clients that have it.
        found: by clause, the case that first showed it.
        accepted: why other clauses accuse it, too.
    """

    mutant: str
    clause: str
    defect: str
    published: tuple[str, ...] = ()
    found: Mapping[str, str]
    accepted: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The row as data."""
        return {
            "mutant": self.mutant,
            "clause": self.clause,
            "defect": self.defect,
            "published": list(self.published),
            "found": dict(self.found),
            "accepted": dict(self.accepted),
        }


def markdown(clients: Iterable[Row], services: Iterable[Row]) -> str:
    """The document."""
    parts = ((f"## {title}", rows) for title, rows in (("Clients", clients), ("Services", services)))
    return "\n".join([INTRODUCTION, *(line for title, rows in parts for line in [title, "", *_table(rows), ""])])


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield "| clause | mutant | defect | seen in | found by | also |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        also = "; ".join(f"{clause}: {why}" for clause, why in sorted(row.accepted.items()))
        cells = (
            row.clause,
            f"`{row.mutant}`",
            row.defect,
            ", ".join(row.published),
            f"`{row.found[row.clause]}`",
            also,
        )
        yield f"| {' | '.join(cells)} |"
