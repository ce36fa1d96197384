"""`tmcspec check`: traces judged by the specification."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import CONNECTS, GARBLING, results, tmcspec

from tmcspec.clauses import CLAUSES, Finding, judge_trace
from tmcspec.clauses.history import History
from tmcsuites import check_command


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trace_of(*words: str) -> str:
    tmcspec(*words)
    (case,) = results()["cases"]
    return f"tmcspec-report/{case['trace']}"


def test_a_sound_trace_is_judged_with_0() -> None:
    path = trace_of("run", "--case", CONNECTS)
    ended = tmcspec("check", path)
    assert ended.status == 0
    assert f"{'HSK-1':7} {'pass':9} 1\n" in ended.out
    rows = {row["id"]: row for row in json.loads(tmcspec("check", path, "--json").out)}
    assert list(rows) == list(CLAUSES)
    assert rows["HSK-1"] == {
        "id": "HSK-1",
        "level": "must",
        "binds": "client",
        "result": "pass",
        "exercised": 1,
        "violations": [],
    }
    assert rows["LID-1"]["result"] == "not_exercised"


def test_a_trace_may_come_by_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(trace_of("run", "--case", CONNECTS)).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert f"{'HSK-1':7} {'pass':9} 1\n" in tmcspec("check", "-").out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    ended = tmcspec("check", "-")
    assert ended.status == 4
    assert "standard input: line 1: " in ended.err


def test_a_trace_that_shows_nothing_is_judged_with_5() -> None:
    Path("empty.jsonl").write_text('{"trace": 1, "world": "recorded"}\n', encoding="utf-8")
    ended = tmcspec("check", "empty.jsonl")
    assert ended.status == 5
    assert ended.out == f"0 of {len(CLAUSES)} clauses exercised, 0 broken\n"


def test_a_trace_with_a_broken_must_is_judged_with_1() -> None:
    path = trace_of(*GARBLING)
    ended = tmcspec("check", path)
    assert ended.status == 1
    assert f"{'FRM-7':7} {'violated':9} " in ended.out
    as_json = tmcspec("check", path, "--json")
    assert as_json.status == 1
    (row,) = (row for row in json.loads(as_json.out) if row["violations"])
    assert row["id"] == "FRM-7"
    assert all(violation["message"] and violation["seq"] for violation in row["violations"])


def test_a_trace_with_a_broken_should_is_judged_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    path = trace_of("run", "--case", CONNECTS)

    def judge(history: History) -> Iterator[Finding]:
        yield Finding(held=False, evidence=(history.trace.entries[0],), message="[/]\x1b[2J \ud800")

    clause = replace(CLAUSES["HSK-4"], judge=judge)
    monkeypatch.setattr(check_command, "judge_trace", lambda trace: judge_trace(trace, [clause]))
    ended = tmcspec("check", path)
    assert ended.status == 0
    assert r"     [/]\x1b[2J \ud800" in ended.out
    assert json.loads(tmcspec("check", path, "--json").out)[0]["violations"][0]["message"] == "[/]\x1b[2J \ud800"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (None, "No such file or directory"),
        (b"", "the file is empty"),
        (b"\x00\xff\xfe", "line 1: "),
        (b"{}\n", "not a trace header"),
        (b"[" * 100_000, "line 1: not JSON"),
        (b'{"trace": 1}\n{"seq": 1, "time": NaN, "event": "opened", "connection": "c"}\n', "line 2: "),
        (b'{"trace": 1}\n{"seq": 1, "time": 0, "event": "\\u001b[2J"}\n', "line 2: "),
    ],
)
def test_what_is_no_trace_ends_with_4(data: bytes | None, complaint: str) -> None:
    if data is not None:
        Path("odd.jsonl").write_bytes(data)
    ended = tmcspec("check", "odd.jsonl")
    assert ended.status == 4
    assert "odd.jsonl: " in ended.err
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert "\x1b" not in ended.err


def test_a_directory_is_no_trace_either() -> None:
    Path("folder").mkdir()
    ended = tmcspec("check", "folder")
    assert ended.status == 4
    assert "folder: Is a directory" in ended.err
