"""What machines read of a run: results.json and the traces beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from harness import judgement, tmcspec

from tmcspec import __version__, trace_file
from tmcspec.clauses import CLAUSES
from tmcspec.events import Advanced
from tmcspec.trace import Entry, Trace
from tmcsuites.adapters.contract import ClientInfo
from tmcsuites.known_failing import Complaint, Expectation, Trouble
from tmcsuites.progress import CaseFinished, ClauseResult, RunFinished, RunStarted
from tmcsuites.report.results import ResultsReport, trace_name
from tmcsuites.verdict import CaseResult, ExitStatus, Verdict

TRACE = Trace(entries=(Entry(seq=1, time=0.0, event=Advanced(seconds=360)),), world="live", seed=7)
FAILED = CaseResult(
    id="test_lid.py::test_ids[largest]",
    area="LID",
    verdict=Verdict.FAIL,
    clauses=("LID-1",),
    judgements=(judgement("LID-1", "rounded"), judgement("LID-4", "rounded, too")),
    message="LID-1: rounded",
    duration=0.12345,
    trace=TRACE,
    expected="reads ids through doubles",
)
PASSED = CaseResult(id="test_hsk.py::test_a", area="HSK", verdict=Verdict.PASS, clauses=("HSK-1", "HSK-2"))
STARTED = RunStarted(
    client=ClientInfo(
        name="acme", version="1.2", language="go", transport="process", capabilities=frozenset({"push", "fail"})
    ),
    cases=2,
    clauses=(CLAUSES["LID-1"],),
    world="live",
    seed=7,
    started=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
)


def written(directory: Path, *results: CaseResult) -> Any:
    report = ResultsReport(directory)
    report(STARTED)
    for result in results:
        report(CaseFinished(result=result))
    clause = ClauseResult(clause=CLAUSES["LID-1"], exercised=3, violations=1, result="violated")
    entry = Expectation(clause="LID-3", reason="was so once")
    report(
        RunFinished(
            results=results,
            clauses=(clause,),
            complaints=(Complaint(trouble=Trouble.STALE, entry=entry, advice="remove it"),),
            duration=1.23456,
            exit_status=ExitStatus.FAILURE,
        )
    )
    return json.loads((directory / "results.json").read_text(encoding="utf-8"))


def test_results_have_the_published_shape(tmp_path: Path) -> None:
    assert written(tmp_path, PASSED, FAILED) == {
        "schema": 1,
        "tmcspec": __version__,
        "client": {
            "name": "acme",
            "version": "1.2",
            "language": "go",
            "transport": "process",
            "capabilities": ["fail", "push"],
        },
        "world": "live",
        "seed": 7,
        "started": "2026-01-01T12:30:00+00:00",
        "duration_s": 1.235,
        "cases": [
            {
                "id": "test_hsk.py::test_a",
                "area": "HSK",
                "verdict": "PASS",
                "expected": None,
                "clauses": ["HSK-1", "HSK-2"],
                "broken": [],
                "fingerprints": [],
                "duration_s": 0.0,
                "message": "",
                "trace": None,
                "log": None,
            },
            {
                "id": "test_lid.py::test_ids[largest]",
                "area": "LID",
                "verdict": "FAIL",
                "expected": "reads ids through doubles",
                "clauses": ["LID-1"],
                "broken": ["LID-1"],
                "fingerprints": ["LID-1: rounded"],
                "duration_s": 0.12345,
                "message": "LID-1: rounded",
                "trace": "traces/test_lid.py.test_ids-largest.jsonl",
                "log": None,
            },
        ],
        "clauses": [
            {"id": "LID-1", "level": "must", "binds": "client", "result": "violated", "exercised": 3, "violations": 1}
        ],
        "stale_known_failing": ["LID-3: was so once"],
        "known_failing_complaints": ["Stale known-failing entry: LID-3: was so once; remove it"],
        "faults": [],
        "summary": {verdict.value: int(verdict in ("PASS", "FAIL")) for verdict in Verdict},
        "exit_status": 1,
    }


def test_the_trace_of_a_case_lies_where_its_result_says(tmp_path: Path) -> None:
    _, failed = written(tmp_path, PASSED, FAILED)["cases"]
    assert trace_file.load(tmp_path / failed["trace"]) == TRACE
    assert [path.name for path in (tmp_path / "traces").iterdir()] == [Path(failed["trace"]).name]


def test_results_of_an_earlier_run_are_gone_before_a_new_one_ends(tmp_path: Path) -> None:
    written(tmp_path, PASSED)
    ResultsReport(tmp_path)
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("text", ["库存不足 😀", "lone \ud800", "\x1b[2J\x00", "</testcase>"])
def test_whatever_a_client_says_the_file_is_json_in_utf_8(tmp_path: Path, text: str) -> None:
    (case,) = written(tmp_path, replace(FAILED, message=text))["cases"]
    assert case["message"] == text


@pytest.mark.parametrize("id", ["../../etc/passwd", "a::b[/../x]", "a::b[\x00]", "a::b[购]", "/abs"])
def test_no_id_leads_out_of_the_traces(id: str) -> None:
    name = trace_name(replace(PASSED, id=id))
    assert name.startswith("traces/")
    assert name.count("/") == 1
    assert name.isascii()
    assert name.isprintable()


def test_two_runs_agree_in_all_but_time(tmp_path: Path) -> None:
    runs = []
    for name in ("one", "two"):
        directory = tmp_path / name
        assert tmcspec("run", "--area", "HSK", "--seed", "7", "--report", str(directory)).status == 0
        results = json.loads((directory / "results.json").read_text(encoding="utf-8"))
        for timed in (results, *results["cases"]):
            assert timed.pop("duration_s") > 0
        assert results.pop("started")
        traces = {path.name: path.read_bytes() for path in (directory / "traces").iterdir()}
        assert {f"traces/{name}" for name in traces} == {case["trace"] for case in results["cases"]}
        runs.append((results, traces))
    assert runs[0] == runs[1]


def test_what_a_client_wrote_is_kept_beside_its_trace(tmp_path: Path) -> None:
    loud = replace(FAILED, log="connecting \ud800\n")
    (_, case) = written(tmp_path, PASSED, loud)["cases"]
    assert case["log"] == "traces/test_lid.py.test_ids-largest.log"
    assert (tmp_path / case["log"]).read_text(encoding="utf-8") == "connecting \\ud800\n"


def test_traces_and_logs_of_an_earlier_run_go(tmp_path: Path) -> None:
    (tmp_path / "traces").mkdir()
    for name in ("old.jsonl", "old.log"):
        (tmp_path / "traces" / name).write_text("old")
    written(tmp_path, FAILED)
    assert [path.name for path in (tmp_path / "traces").iterdir()] == ["test_lid.py.test_ids-largest.jsonl"]
