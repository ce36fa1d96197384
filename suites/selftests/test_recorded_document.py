"""docs/recorded.md: its example is a trace, and is judged as it says; its tables have the events as files do."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from harness import tmcspec

from tmcspec import trace_file
from tmcspec.clauses import CLAUSES
from tmcspec.events import EVENTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "recorded.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL))

#: The id that the example confirms, as it goes over the wire, and what is left of it in a double.
ID, ROUNDED = ((4160600490938325004).to_bytes(8, "little").hex(), (4160600490938324992).to_bytes(8, "little").hex())


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "session.jsonl"
    path.write_text(BLOCKS["jsonl"], encoding="utf-8")
    return path


def test_the_example_is_judged_as_the_document_shows(example: Path) -> None:
    ended = tmcspec("check", str(example))
    assert ended.status == 0
    assert ended.out == BLOCKS["text"]
    assert f"of {len(CLAUSES)} clauses" in BLOCKS["text"]


def test_the_same_client_is_accused_when_it_rounds_the_id(example: Path) -> None:
    before, _, after = example.read_text(encoding="utf-8").rpartition(ID)
    example.write_text(before + ROUNDED + after, encoding="utf-8")
    ended = tmcspec("check", str(example))
    assert ended.status == 1
    assert "4160600490938325004 became 4160600490938324992 (read as double)" in ended.out


def test_a_sign_is_masked_in_what_is_saved_anew(example: Path) -> None:
    sign = b"0B2B9D0163A30084311EB514ECECF284".hex()
    example.write_text(BLOCKS["jsonl"].replace((b"*" * 32).hex(), sign), encoding="utf-8")
    trace_file.save(trace_file.load(example), example)
    assert sign not in example.read_text(encoding="utf-8")


def test_the_table_has_the_members_of_each_event() -> None:
    rows = re.findall(r"^\| (`[^|]*) \| (`connection`[^|]*) \|", TEXT, re.MULTILINE)
    documented = {
        word: re.findall(r"`(\w+)`", members) for words, members in rows for word in re.findall(r"\w+", words)
    }
    assert set(documented) == {"opened", "frame_in", "frame_out", "ws_in", "ws_out", "closed"}
    for word, members in documented.items():
        of_event = {each.name for each in fields(EVENTS[word]) if each.name != "_frame"}
        assert {"data" if name == "hex" else name for name in members} == of_event, word
    assert {json.loads(line).get("event") for line in BLOCKS["jsonl"].splitlines()[1:]} <= documented.keys()
