"""The kill matrix, as the tests of the mutants find it. Run as a program, it writes the document."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import test_mutants
import test_service_mutants

from tmcsuites.mutants import MUTANTS
from tmcsuites.mutants.matrix import accusations, charges
from tmcsuites.mutants.services import SERVICE_MUTANTS
from tmcsuites.report.killmatrix import Row, markdown

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT, DATA = DOCS / "kill-matrix.md", DOCS / "kill-matrix.json"


def rows() -> tuple[list[Row], list[Row]]:
    """Of the clients and of the services, in the order of their declaration."""
    clients = [
        Row(
            mutant=mutant.name,
            clause=mutant.clause,
            defect=mutant.defect,
            published=mutant.published,
            found=_cases(accusations(test_mutants.results_of(mutant.name))),
            accepted=_of(test_mutants.ACCEPTED, mutant.name),
        )
        for mutant in MUTANTS.values()
    ]
    services = [
        Row(
            mutant=mutant.name,
            clause=mutant.clause,
            defect=mutant.defect,
            found=_cases(charges(test_service_mutants.results_of(mutant.name))),
            accepted=_of(test_service_mutants.ACCEPTED, mutant.name),
        )
        for mutant in SERVICE_MUTANTS.values()
    ]
    return clients, services


def texts() -> tuple[str, str]:
    """The document, and the same as JSON."""
    clients, services = rows()
    data = {"clients": [row.to_json() for row in clients], "services": [row.to_json() for row in services]}
    return markdown(clients, services), json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _cases(found: Mapping[str, str]) -> dict[str, str]:
    """By clause, the case alone: what a clause says of it may have times in it."""
    return {clause: told.partition(": ")[0] for clause, told in sorted(found.items())}


def _of(accepted: Mapping[tuple[str, str], str], name: str) -> dict[str, str]:
    return {clause: why for (mutant, clause), why in accepted.items() if mutant == name}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    for path, text in zip((DOCUMENT, DATA), texts(), strict=True):
        path.write_text(text, encoding="utf-8")
