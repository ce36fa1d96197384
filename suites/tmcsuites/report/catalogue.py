"""The specification as a document: every clause with its level, whom it binds, where it comes from, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tmcspec.clauses import AREAS, Binds, Clause, Level

INTRODUCTION = """\
# Clauses

The specification, clause by clause. `tmcspec clauses --markdown` writes this file from the code that judges.

A **MUST** is what consuming messages reliably takes: a client that breaks one loses messages, settles what nobody
handled, or dies. A **SHOULD** is good practice, or something that published clients do differently and production is
not known to care about. An **INFO** only counts. S24 is a statement of the official document, numbered in its order
([service.md](service.md) has them all); *observed* says which published client does it, *captured* what production
was seen to send.
"""

BOUND = {Binds.CLIENT: "binds the client", Binds.SERVICE: "binds the service, and so the fake"}


def markdown(clauses: Iterable[Clause]) -> str:
    """The document.

    Example:
        >>> from tmcspec.clauses import CLAUSES
        >>> print(markdown([CLAUSES["ACK-2"]]).split("### ")[1].splitlines()[0])
        ACK-2
    """
    chosen = list(clauses)
    lines = [INTRODUCTION, *_overview(chosen)]
    for area, title in AREAS.items():
        inside = [clause for clause in chosen if clause.area == area]
        if inside:
            lines += [f"## {area}: {title}", ""]
            for clause in inside:
                lines += _entry(clause)
    return "\n".join(lines)


def _overview(clauses: list[Clause]) -> Iterator[str]:
    yield "| | MUST | SHOULD | INFO | |"
    yield "|---|---|---|---|---|"
    for binds in Binds:
        counts = [sum(each.binds is binds and each.level is level for each in clauses) for level in Level]
        yield f"| {BOUND[binds]} | {' | '.join(map(str, counts))} | {sum(counts)} |"
    yield ""


def _entry(clause: Clause) -> Iterator[str]:
    yield f"### {clause.id}"
    yield ""
    yield f"**{clause.level.value.upper()}**, {BOUND[clause.binds]}. {clause.statement}"
    yield ""
    yield " ".join(clause.rationale.split())
    yield ""
    yield f"Source: {clause.source}."
    needs = []
    if clause.needs_handlers:
        needs.append("an adapter, since the wire alone does not show it")
    if clause.capability:
        needs.append(f"a client that declares `{clause.capability}`")
    if needs:
        yield ""
        yield f"Takes {' and '.join(needs)}."
    yield ""
