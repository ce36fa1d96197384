"""The kill matrix as a document: which defect was found by which clauses, and by which case first.

    python -m tmcsuites.mutants.report docs

plays every mutant, which takes a few minutes, and writes `kill-matrix.md` and `kill-matrix.json` into a folder. They
tell nothing but names, so the same code makes the same files.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tmcspec.clauses import CLAUSES
from tmcsuites.mutants import MUTANTS
from tmcsuites.mutants.accepted import ACCEPTED, SERVICE_ACCEPTED
from tmcsuites.mutants.base import Defect
from tmcsuites.mutants.matrix import (
    accusations,
    perform,
    perform_service,
    plays_for,
    service_accusations,
    service_plays_for,
)
from tmcsuites.mutants.service import SERVICE_MUTANTS
from tmcsuites.verdict import CaseResult

MARKDOWN, JSON = "kill-matrix.md", "kill-matrix.json"

_HEAD = """# Kill matrix

A suite that cannot fail is worthless. So each clause that somebody MUST keep has at least one mutant here: a client, or
a fake service, that is right but for one step. The clause that names its defect finds it, and no other accuses it, but
for the side effects that are listed with a reason. Tests hold this page to that; it is written, together with
`kill-matrix.json`, by

    python -m tmcsuites.mutants.report docs

"Found by" is the first case, of those in `suites/tmcsuites/cases`, whose trace shows the defect to its clause; services
also meet the encounters in `suites/tmcsuites/mutants/service/encounters.py`.
"""

_CLIENTS = """
## Clients

The reference core with one defect each. The fourth column names published clients that have it, or one that comes to
the same.

| mutant | clause | defect | published clients | found by | accepted side effects |
|---|---|---|---|---|---|
"""

_SERVICES = """
## Services

The fake service with one defect each.

| mutant | clause | defect | found by | accepted side effects |
|---|---|---|---|---|
"""


@cache
def results_of(name: str) -> tuple[CaseResult, ...]:
    """A mutant of the client through its cases, once."""
    mutant = MUTANTS[name]
    return perform(mutant.subject, plays_for(mutant))


@cache
def service_results_of(name: str) -> tuple[CaseResult, ...]:
    """A mutant of the service through its cases, once."""
    mutant = SERVICE_MUTANTS[name]
    return perform_service(mutant.fake, service_plays_for(mutant))


def found(name: str) -> dict[str, str]:
    """What accuses a mutant of the client: by clause, in the order of the clauses, the first case."""
    return _cases(accusations(results_of(name)))


def service_found(name: str) -> dict[str, str]:
    """As `found`, of a mutant of the service."""
    return _cases(service_accusations(service_results_of(name)))


def row(name: str) -> str:
    """The line of a mutant of the client."""
    mutant = MUTANTS[name]
    published = ", ".join(mutant.published)
    return _row(mutant, found(name), ACCEPTED, published)


def service_row(name: str) -> str:
    """The line of a mutant of the service."""
    return _row(SERVICE_MUTANTS[name], service_found(name), SERVICE_ACCEPTED)


def document(rows: Iterable[str], service_rows: Iterable[str]) -> str:
    """The whole page."""
    return _HEAD + _CLIENTS + "".join(rows) + _SERVICES + "".join(service_rows)


def entry(name: str) -> dict[str, Any]:
    """A mutant of the client as data."""
    return _entry(MUTANTS[name], found(name), ACCEPTED)


def service_entry(name: str) -> dict[str, Any]:
    """As `entry`, of a mutant of the service."""
    return _entry(SERVICE_MUTANTS[name], service_found(name), SERVICE_ACCEPTED)


def write(folder: Path) -> None:
    """Plays every mutant, and writes both files."""
    page = document(map(row, MUTANTS), map(service_row, SERVICE_MUTANTS))
    (folder / MARKDOWN).write_text(page, encoding="utf-8")
    data: dict[str, Any] = {
        "schema": 1,
        "clients": {name: entry(name) for name in MUTANTS},
        "services": {name: service_entry(name) for name in SERVICE_MUTANTS},
    }
    (folder / JSON).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _cases(accused: Mapping[str, str]) -> dict[str, str]:
    return {id: accused[id].partition(": ")[0] for id in CLAUSES if id in accused}


def _entry(mutant: Defect, cases: Mapping[str, str], accepted: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "clause": mutant.clause,
        "defect": " ".join(mutant.defect.split()),
        "published": list(mutant.published),
        "found": dict(cases),
        "accepted": {clause: accepted[mutant.name, clause] for clause in cases if (mutant.name, clause) in accepted},
    }


def _row(mutant: Defect, cases: Mapping[str, str], accepted: Mapping[tuple[str, str], str], *more: str) -> str:
    by = cases.get(mutant.clause)
    reasons = [(id, accepted[mutant.name, id]) for id in cases if (mutant.name, id) in accepted]
    cells = [
        f"`{mutant.name}`",
        mutant.clause,
        " ".join(mutant.defect.split()),
        *more,
        f"`{by}`" if by else "",
        "; ".join(f"{id}: {why}" for id, why in reasons),
    ]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def main() -> None:
    """Writes the files into the folder that is named."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python -m tmcsuites.mutants.report FOLDER, a folder that is there, as docs")
    # Mutants log a lot.
    logging.disable(logging.CRITICAL)
    write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
