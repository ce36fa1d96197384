"""`tmcspec replay`: a counter-example is played again, told, and found broken or fixed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from harness import tmcspec

from tmcspec import trace_file
from tmcspec.instruction import Instruction
from tmcsuites import files
from tmcsuites.chaos.counterexample import CounterExample, Drawn
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan

PLAN = Plan(
    seconds=5.0,
    quiet=0.0,
    clients=(ClientPlan(name="client-1"),),
    messages=(MessagePlan(at=0.0, id=1, told=Instruction(delay_ms=1000)),),
)
EXAMPLE = CounterExample(
    clause="ACK-2",
    client="mutant:confirms-first",
    plan=PLAN,
    drawn=Drawn(seed=7, hours=2, clients=3, messages=60),
)


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ACK-2.json").write_text(EXAMPLE.dumps(), encoding="utf-8")


def test_a_clause_that_is_still_broken_ends_with_1_and_the_story() -> None:
    ended = tmcspec("replay", "ACK-2.json")
    assert ended.status == 1, ended.err
    lines = ended.out.splitlines()
    assert "    0.000 s  message 1 is produced; its handler works for 1 s" in lines
    assert "    0.000 s  c1 from client: Confirm, __kind BYTE 2, id INT64 1" in lines
    assert "ACK-2 MUST: A message is never confirmed before its handler is done." in lines
    assert lines[-5:] == [
        "Again:",
        "  tmcspec replay ACK-2.json",
        "  tmcspec simulate --seed 7 --hours 2 --clients 3 --messages 60 --faults random "
        "--client mutant:confirms-first",
        "",
        "ACK-2 is still broken (mutant:confirms-first).",
    ]


def test_it_is_told_in_the_same_words_every_time() -> None:
    assert tmcspec("replay", "ACK-2.json") == tmcspec("replay", "ACK-2.json")


def test_a_clause_that_is_not_broken_any_more_ends_with_0() -> None:
    ended = tmcspec("replay", "ACK-2.json", "--client", "reference")
    assert ended.status == 0, ended.err
    assert ended.out.splitlines()[-4:] == [
        "Again:",
        "  tmcspec replay ACK-2.json --client reference",
        "",
        "ACK-2 is fixed: not broken any more (reference).",
    ]


def test_a_client_that_never_connects_has_fixed_nothing() -> None:
    ended = tmcspec("replay", "ACK-2.json", "--client", "python:test_in_process:Raises")
    assert ended.status == 6
    assert "fixed" not in ended.out
    assert "The client could not be measured: the client never connected in 5 s: " in ended.err


def test_only_the_clause_of_the_file_counts() -> None:
    Path("other.json").write_text(replace(EXAMPLE, clause="LID-1").dumps(), encoding="utf-8")
    ended = tmcspec("replay", "other.json")
    assert ended.status == 0
    assert "ACK-2 MUST" not in ended.out


def test_a_plan_alone_is_judged_by_every_clause() -> None:
    Path("plan.json").write_text(PLAN.dumps(), encoding="utf-8")
    ended = tmcspec("replay", "plan.json")
    assert (ended.status, ended.out.splitlines()[-1]) == (0, "reference breaks no MUST.")
    ended = tmcspec("replay", "plan.json", "--client", "mutant:confirms-first")
    assert (ended.status, ended.out.splitlines()[-1]) == (1, "mutant:confirms-first breaks a MUST.")
    assert "ACK-2 MUST" in ended.out


def test_what_is_no_must_breaks_a_counter_example_and_not_a_plan() -> None:
    client = "mutant:sends-no-flag"  # HSK-5 is a SHOULD
    Path("plan.json").write_text(PLAN.dumps(), encoding="utf-8")
    Path("HSK-5.json").write_text(CounterExample(clause="HSK-5", client=client, plan=PLAN).dumps(), encoding="utf-8")
    assert tmcspec("replay", "plan.json", "--client", client).status == 0
    assert tmcspec("replay", "HSK-5.json").status == 1


def test_the_trace_can_be_kept() -> None:
    assert tmcspec("replay", "ACK-2.json", "--trace", "trace.jsonl").status == 1
    assert trace_file.load(Path("trace.jsonl")).world == "simulated"
    assert tmcspec("check", "trace.jsonl").status == 1


def test_machines_are_told_the_same() -> None:
    ended = tmcspec("replay", "ACK-2.json", "--json")
    assert ended.status == 1
    told = json.loads(ended.out)
    assert (told["clause"], told["client"], told["broken"]) == ("ACK-2", "mutant:confirms-first", True)
    (violation,) = told["violations"]
    assert violation["clause"] == "ACK-2"
    assert violation["message"]
    assert all(isinstance(seq, int) for seq in violation["seq"])
    assert Plan.from_json(told["plan"]) == PLAN
    assert told["story"] == tmcspec("replay", "ACK-2.json").out.splitlines()[:-2]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (None, "bad.json: No such file or directory"),
        (b"\xff\xfe", "bad.json: no UTF-8 text: invalid start byte at byte 0"),
        (b"", "bad.json: a counter-example is JSON; "),
        (b"[" * 100_000, "bad.json: a counter-example is JSON; "),
        (b'{"plan": 2}', 'bad.json: a plan is an object with "plan": 1'),
        (b'{"counterexample": 1}', "bad.json: a counter-example needs a member 'clause'"),
        (EXAMPLE.dumps().replace("mutant:confirms-first", "node x.js").encode(), "bad.json: the client is 'node x.js'"),
        (EXAMPLE.dumps().replace("confirms-first", r"\u001b[2J").encode(), "there is no mutant"),
    ],
)
def test_a_bad_file_ends_with_4(data: bytes | None, complaint: str) -> None:
    if data is not None:
        Path("bad.json").write_bytes(data)
    ended = tmcspec("replay", "bad.json")
    assert ended.status == 4
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert "\x1b" not in ended.err


def test_a_file_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_LIMIT", 100)
    ended = tmcspec("replay", "ACK-2.json")
    assert ended.status == 4
    assert "ACK-2.json: larger than" in ended.err


def test_a_trace_that_cannot_be_written_ends_with_4() -> None:
    ended = tmcspec("replay", "ACK-2.json", "--trace", "nowhere/trace.jsonl")
    assert ended.status == 4
    assert "--trace nowhere/trace.jsonl: No such file or directory" in ended.err


def test_an_unknown_client_ends_with_4() -> None:
    ended = tmcspec("replay", "ACK-2.json", "--client", "mutant:confirms-frist")
    assert ended.status == 4
    assert "confirms-first" in ended.err
