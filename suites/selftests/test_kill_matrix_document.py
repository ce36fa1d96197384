"""docs/kill-matrix.md and docs/kill-matrix.json say what the mutants are found by, and nothing else."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest

from tmcsuites.mutants import MUTANTS
from tmcsuites.mutants.report import (
    JSON,
    MARKDOWN,
    document,
    entry,
    main,
    row,
    service_entry,
    service_row,
)
from tmcsuites.mutants.service import SERVICE_MUTANTS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / MARKDOWN).read_text(encoding="utf-8")
DATA = json.loads((DOCS / JSON).read_text(encoding="utf-8"))

WRITE = "python -m tmcsuites.mutants.report docs"


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Mutants log a lot, and pytest keeps it all."""
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_documents_have_what_a_client_is_found_by(name: str) -> None:
    assert row(name) in PAGE.splitlines(keepends=True), f"write it anew: {WRITE}"
    assert DATA["clients"][name] == entry(name), f"write it anew: {WRITE}"


@pytest.mark.parametrize("name", SERVICE_MUTANTS)
def test_the_documents_have_what_a_service_is_found_by(name: str) -> None:
    assert service_row(name) in PAGE.splitlines(keepends=True), f"write it anew: {WRITE}"
    assert DATA["services"][name] == service_entry(name), f"write it anew: {WRITE}"


def test_the_documents_have_nothing_else() -> None:
    rows = [line for line in PAGE.splitlines(keepends=True) if line.startswith("| `")]
    split = len(MUTANTS)
    assert document(rows[:split], rows[split:]) == PAGE
    assert re.findall(r"^\| `([^`]+)`", PAGE, re.MULTILINE) == [*MUTANTS, *SERVICE_MUTANTS]
    assert list(DATA) == ["schema", "clients", "services"]
    assert (list(DATA["clients"]), list(DATA["services"])) == (list(MUTANTS), list(SERVICE_MUTANTS))


def test_the_page_says_how_it_is_written() -> None:
    assert f"    {WRITE}\n" in PAGE


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["no such folder"]])
def test_who_names_no_folder_is_told_how(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["report", *arguments])
    with pytest.raises(SystemExit, match="usage: python -m tmcsuites"):
        main()
