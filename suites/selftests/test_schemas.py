"""The JSON Schemas say what is so: what we write is valid, and what a reader of ours refuses is not."""

from __future__ import annotations

import json
import random
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from harness import CHINESE, results, tmcspec
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from schema_values import FRAME, Json, complaint, spoiled, validator

from tmcfakes.faults import FAULTS, FaultError, Schedule, fault_from_json
from tmcspec import strategies
from tmcspec.events import EVENTS, Event, Id
from tmcspec.frame import Frame
from tmcspec.frame_json import FrameJsonError, from_json, to_json
from tmcspec.trace import Entry, TraceError
from tmcspec.trace_file import entry_from_json, entry_to_json
from tmcsuites.chaos.plan import Plan, PlanError
from tmcsuites.chaos.storm import MEMBERS
from tmcsuites.chaos.strategies import plans
from tmcsuites.schemas import NAMES, parts, schema, text
from tmcsuites.schemas.source import SOURCES, written

# The files


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_schema_is_what_the_code_says(name: str) -> None:
    assert text(name) == written(name), "out of date; `python -m tmcsuites.schemas` writes it anew"


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$id"] == f"urn:tmcspec:schema:{name}"


def test_every_schema_is_listed_and_shipped() -> None:
    shipped = {path.stem for path in Path(parts.__file__).parent.glob("*.json")}
    assert shipped == set(NAMES) == set(SOURCES)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no schema '\.\./verdict'; valid: adapter-command, "):
        text("../verdict")


def test_a_type_of_which_nobody_has_said_how_it_is_written_is_noticed() -> None:
    with pytest.raises(TypeError, match="no schema says how a <class 'complex'> is written"):
        parts.of_type(complex | None, {})


# Trace lines

TRACE_LINE = validator("trace-line")


def example(hint: Any) -> Any:
    """Some value of this type."""
    values: dict[Any, Any] = {
        str: "text",
        int: 3,
        float: 2.5,
        bool: True,
        Id: Id(9007199254740993),
        bytes: b"\x02\x01\0\0",
        type(None): None,
    }
    if hint in values:
        return values[hint]
    if get_origin(hint) in (Union, UnionType):
        return example(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return get_args(hint)[0]
    return tuple(example(each) for each in get_args(hint) if each is not Ellipsis)


def event(kind: type[Event]) -> Event:
    """An event of this kind, with all its members."""
    hints = get_type_hints(kind)
    return kind(**{each.name: example(hints[each.name]) for each in fields(kind) if each.init})


def line(kind: type[Event]) -> Json:
    made: Json = json.loads(json.dumps(entry_to_json(Entry(seq=1, time=0.5, event=event(kind)))))
    return made


def test_every_event_has_its_schema() -> None:
    assert set(schema("trace-line")["$defs"]) == {"header", "frame", *EVENTS}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_valid_with_every_member_that_it_has(name: str) -> None:
    assert complaint(validator("trace-line", part=name, strictly=True), line(EVENTS[name])) is None
    assert TRACE_LINE.is_valid(line(EVENTS[name]))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_valid_without_the_members_that_have_defaults(name: str) -> None:
    optional = {each.name for each in fields(EVENTS[name]) if each.default is not MISSING or not each.init}
    least = {member: value for member, value in line(EVENTS[name]).items() if member not in optional - {"_frame"}}
    least.pop("frame", None)
    assert entry_from_json(least)
    assert complaint(TRACE_LINE, least) is None


@pytest.mark.parametrize("name", EVENTS)
def test_schema_and_reader_take_and_refuse_the_same_lines(name: str) -> None:
    refused = 0
    for what, wrong in spoiled(line(EVENTS[name])):
        if what.startswith("frame"):
            continue  # written for people, not read
        valid = TRACE_LINE.is_valid(wrong)
        try:
            entry_from_json(wrong)
        except TraceError:
            refused += 1
            assert not valid, what
        else:
            assert valid, what
    assert refused


def test_an_event_of_another_vocabulary_is_refused() -> None:
    assert not TRACE_LINE.is_valid({"seq": 1, "time": 0.0, "event": "teleported", "connection": "c1"})


@given(strategies.frames(regular=False))
@settings(max_examples=50)
def test_every_frame_is_valid(frame: Frame) -> None:
    assert complaint(validator("frame", strictly=True), to_json(frame)) is None


def test_schema_and_reader_take_and_refuse_the_same_frames() -> None:
    contents: list[Any] = [[["k", {"t": kind, "v": value}]] for kind in TYPES for value in VALUES]
    contents += [[["k", {"t": "void"}]], [["k"]], [["k", {"t": "void", "v": None}, 1]], [[1, {"t": "void", "v": None}]]]
    wrong = [frame for _, frame in spoiled(FRAME)] + [FRAME | {"content": content} for content in contents]
    wrong += [FRAME | {"extra": 1}, FRAME | {"flag": 2**31}, FRAME | {"messageType": 256}]
    verdicts = set()
    for form in wrong:
        try:
            from_json(form)
        except FrameJsonError:
            read = False
        else:
            read = True
        assert validator("frame").is_valid(form) == read, form
        verdicts.add(read)
    assert verdicts == {True, False}


TYPES = ("void", "string", "byte", "int16", "int32", "int64", "date", "bytes", "double", None)
VALUES: tuple[Any, ...] = (None, "", "7", "-0", "07", "ab", "AB", "abc", 7, -129, 128, 2**15, 2**31, 1.5, True, [])


# Real traffic of ours


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run of one case, with a client that passes it."""
    directory: Path = tmp_path_factory.mktemp("schemas") / "report"
    ended = tmcspec("run", "--case", CHINESE, "--report", str(directory))
    assert ended.status == 0, ended.out
    return directory


def test_the_report_of_a_run_is_valid(report: Path) -> None:
    assert complaint(validator("results", strictly=True), results(str(report))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"client": "node"},
        {"summary": {"PASS": 1}},
        {"cases": [{"id": "a"}]},
        {"exit_status": 7},
        {"world": "dreamt"},
        {"seed": "0"},
    ],
    ids=str,
)
def test_another_report_is_refused(report: Path, change: Json) -> None:
    assert not validator("results").is_valid(results(str(report)) | change)


def test_a_report_without_a_member_or_with_a_strange_verdict_is_refused(report: Path) -> None:
    whole = results(str(report))
    for name in whole:
        assert not validator("results").is_valid({other: each for other, each in whole.items() if other != name})
    whole["cases"][0]["verdict"] = "FINE"
    assert complaint(validator("results"), whole).startswith("$.cases[0].verdict: 'FINE' is not one of")  # type: ignore[union-attr]


def strictly_valid(path: Path) -> set[str]:
    """The kinds of lines in a trace file, all of which are valid and have no member that the schema does not know."""
    lines = [json.loads(each) for each in path.read_text(encoding="utf-8").splitlines()]
    kinds = {each.get("event", "header"): each for each in lines}
    strict = {kind: validator("trace-line", part=kind, strictly=True) for kind in kinds}
    assert [complaint(strict[each.get("event", "header")], each) for each in lines] == [None] * len(lines)
    assert all(TRACE_LINE.is_valid(each) for each in kinds.values())
    return set(kinds)


def test_the_trace_of_a_run_is_valid(report: Path) -> None:
    (path,) = (report / "traces").glob("*.jsonl")
    kinds = {"header", "accepted", "frame_in", "frame_out", "pushed", "confirmed", "received", "handled"}
    assert strictly_valid(path) >= kinds


def test_the_trace_of_a_bad_day_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    words = ["--seed", "3", "--hours", "0.5", "--clients", "2", "--messages", "40", "--faults", "random"]
    assert tmcspec("simulate", *words, "--trace", str(path)).status == 0
    assert "fault" in strictly_valid(path)


# Schedules and plans


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_valid_and_what_is_refused_as_none_of_its_kind_is_not_read_either(name: str) -> None:
    kind = FAULTS[name]
    fault = kind(at=5.0, **MEMBERS[kind](random.Random(0))).to_json()
    schedule = json.loads(Schedule(faults=(fault_from_json(fault),), seed=7).dumps())
    assert complaint(validator("faults"), schedule) is None
    assert complaint(validator("faults"), [fault]) is None
    refused = 0
    for what, wrong in spoiled(fault | {"colour": "red"}):
        if not validator("faults").is_valid([wrong]):
            refused += 1
            with pytest.raises(FaultError):
                Schedule.from_json([wrong])
        else:
            assert what == "without colour", what
    assert refused


@given(plans())
@settings(max_examples=20)
def test_every_plan_is_valid(plan: Plan) -> None:
    assert complaint(validator("plan"), json.loads(plan.dumps())) is None


PLAN: Json = {
    "plan": 1,
    "seconds": 600.0,
    "clients": [{"name": "client-1", "restarts": [5.0]}],
    "users": [{"nick": "shop-1"}],
    "messages": [{"at": 1.0, "id": "9007199254740993", "nick": "shop-1", "outcome": "fail", "reason": "no stock"}],
    "faults": [{"fault": "abort", "at": 1.0}],
}


@pytest.mark.parametrize("member", ["clients", "users", "messages", "faults"])
def test_what_is_no_part_of_a_plan_is_refused_by_schema_and_reader(member: str) -> None:
    assert complaint(validator("plan"), PLAN) is None
    assert Plan.from_json(PLAN)
    (part,) = PLAN[member]
    refused = 0
    for what, wrong in spoiled(part | {"colour": "red"}):
        if not validator("plan").is_valid(PLAN | {member: [wrong]}):
            refused += 1
            with pytest.raises(PlanError):
                Plan.from_json(PLAN | {member: [wrong]})
        else:
            assert what == "without colour", what
    assert refused
