"""docs/peers.md says what is on record of the published clients, and the records agree with each other.

The clients themselves are run by suites/peers.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from harness import collected

from tmcspec.clauses import CLAUSES
from tmcsuites.verdict import Verdict

ROOT = Path(__file__).parents[2]


def _module() -> ModuleType:
    """The scoreboard's module, which belongs to no package."""
    name = "scoreboard"
    spec = importlib.util.spec_from_file_location(name, ROOT / "suites" / "peers" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


scoreboard = _module()
RECORDS = scoreboard.records()
CASES = {id: case for id, (case, _) in collected().items()}

every_peer = pytest.mark.parametrize("peer", RECORDS, ids=lambda peer: peer.name)


def test_the_document_is_what_the_scoreboard_writes() -> None:
    text = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    assert scoreboard.renewed(text, RECORDS) == text, "run: python suites/peers/scoreboard.py"


def test_both_peers_are_on_it() -> None:
    assert [peer.name for peer in RECORDS] == ["jyh-taobao-topsdk", "tmcpy"]


@every_peer
def test_a_verdict_is_on_record_for_every_case(peer: Any) -> None:
    assert sorted(peer.verdicts) == sorted(CASES)


@every_peer
def test_a_known_defect_is_found_by_a_case_about_its_clause(peer: Any) -> None:
    for defect in peer.defects:
        if defect.case:
            assert defect.clause in CASES[defect.case].clauses, defect


@every_peer
def test_a_known_defect_is_found_by_a_case_that_the_peer_does_not_pass(peer: Any) -> None:
    for defect in peer.defects:
        if defect.case and not defect.adapter:
            assert peer.verdicts[defect.case] not in scoreboard.FINE, defect


@every_peer
def test_every_case_that_goes_wrong_has_an_entry_that_may_expect_it(peer: Any) -> None:
    for case, verdict in peer.verdicts.items():
        if verdict in (Verdict.PASS, Verdict.UNSUPPORTED):
            continue
        about = CASES[case].clauses
        named = {entry.clause for entry in peer.failing if entry.case in (None, case)}
        assert named & {*about, *(id for id in CLAUSES if CLAUSES[id].level == "must")}, case


@every_peer
def test_every_reason_of_a_known_failure_names_file_and_line(peer: Any) -> None:
    for entry in peer.failing:
        assert re.search(r"\w\.(js|py):\d", entry.reason), entry


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"clause": "ACK-2"},
        {"case": "test_ack.py::test_x"},
        {"clause": "ACK-2", "case": "test_ack.py::test_x", "unseen": "why"},
        {"unseen": "why", "clause": "ACK-2"},
        {"unseen": "why", "adapter": "--dates"},
        {"clause": "ACK-99", "case": "test_ack.py::test_x"},
    ],
)
def test_a_defect_is_either_found_or_excused(members: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"client\.py:1: "):
        scoreboard.Defect(where="client.py:1", what="x", **members)


def test_a_document_without_marks_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="has no"):
        scoreboard.renewed("no marks", RECORDS)
