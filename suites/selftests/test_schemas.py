"""The JSON Schemas say what is so: what we write is valid, and what a reader of ours refuses is not."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from harness import CHINESE, LIARS, results, tmcspec
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from schema_values import Json, complaint, spoiled, validator

from tmcfakes.fake import FakeTmc
from tmcfakes.faults import FAULTS, FaultError, Schedule, fault_from_json
from tmcspec import strategies
from tmcspec.events import EVENTS, Event, Id
from tmcspec.frame import Frame
from tmcspec.frame_json import FrameJsonError, from_json, to_json
from tmcspec.instruction import Instruction
from tmcspec.trace import Entry, TraceError
from tmcspec.trace_file import entry_from_json, entry_to_json
from tmcsuites.adapters import process, protocol
from tmcsuites.adapters.contract import ClientEvent, ClientHandled, StartOptions
from tmcsuites.adapters.protocol import LineError, command_line, parse_line
from tmcsuites.chaos.plan import Plan, PlanError
from tmcsuites.chaos.storm import MEMBERS
from tmcsuites.chaos.strategies import plans
from tmcsuites.schemas import NAMES, adapters, parts, schema, text
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


FRAME = {
    "protocolVersion": 2,
    "messageType": 2,
    "statusCode": 0,
    "statusPhrase": "p",
    "flag": 0,
    "token": "t",
    "content": [["id", {"t": "int64", "v": "9007199254740993"}], [None, {"t": "byte", "v": -1}]],
}


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


# The adapter contract


COMMANDS: tuple[Json, ...] = (
    {"op": "hello", "protocol": 1},
    {
        "op": "start",
        "url": "ws://127.0.0.1:1/",
        "gateway_url": "http://127.0.0.1:1/router/rest",
        "app_key": "1",
        "app_secret": "s",
        "group": "default",
        "mode": "push",
        "options": {},
    },
    {"op": "publish", "topic": "t", "content": "订单", "session": None},
    {"op": "stop"},
    {"op": "decode", "hex": "0201"},
    {"op": "encode", "frame": FRAME},
    {"op": "bye"},
    {"op": "tmcspec-probe"},
)


def command(members: Json) -> Json:
    op, *_ = members.values()
    rest = {name: value for name, value in members.items() if name != "op"}
    sent: Json = json.loads(command_line(id="7", op=op, deadline=1.0, members=rest))
    return sent


@pytest.mark.parametrize("members", COMMANDS, ids=lambda members: members["op"])
def test_a_command_is_valid_and_none_of_its_members_may_be_missing(members: Json) -> None:
    sent = command(members)
    assert complaint(validator("adapter-command", strictly=True), sent) is None
    for name in sent:
        assert not validator("adapter-command").is_valid({other: each for other, each in sent.items() if other != name})


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "hello", "protocol": 2},
        COMMANDS[1] | {"mode": "pull"},
        COMMANDS[1] | {"options": None},
        COMMANDS[2] | {"content": 5},
        {"op": "decode", "hex": "0"},
        {"op": "encode", "frame": {}},
        {"op": 7},
    ],
    ids=str,
)
def test_another_command_is_refused(wrong: Json) -> None:
    assert not validator("adapter-command").is_valid({"id": "7", "deadline_ms": 1000} | wrong)


LINES: tuple[Json, ...] = (
    {"id": "7", "status": "result", "error": None, "code": None},
    {"id": "7", "status": "raised", "error": "no", "code": "isv.x"},
    {"id": "7", "status": "unsupported"},
    {"id": "7", "status": "fault", "error": "broken"},
    {
        "event": "received",
        "message_id": "9007199254740993",
        "topic": "t",
        "content": "{}",
        "user_id": None,
        "nick": "n",
        "publisher": "p",
        "data_id": "7",
        "publish_time": "1395000000000",
        "outgoing_time": "1395000000000",
    },
    {"event": "handled", "message_id": "-1", "outcome": "ok"},
    {"event": "online"},
    {"event": "offline", "error": "reset"},
)


@pytest.mark.parametrize("said", LINES, ids=lambda said: said.get("event", said.get("status")))
def test_schema_and_reader_take_and_refuse_the_same_lines_of_an_adapter(said: Json) -> None:
    assert complaint(validator("adapter-line", strictly=True), said) is None
    wrong = [each for _, each in spoiled(said)]
    wrong += [said | {"more": 1}, said | {"id": "1"}, said | {"event": "online"}, said | {"event": "teleported"}]
    wrong += [said | {"message_id": each} for each in ("1" * 20, "1" * 21, "007", "+1", "1e3", "0x1", "٣")]
    for each in wrong:
        try:
            parse_line(json.dumps(each).encode(), number=1)
        except LineError:
            assert not validator("adapter-line").is_valid(each), each
        else:
            assert validator("adapter-line").is_valid(each), each


def test_every_event_that_an_adapter_may_report_has_its_schema() -> None:
    assert set(adapters.EVENTS) == protocol._EVENTS
    assert set(adapters.EVENTS.values()) == set(get_args(ClientEvent))


def test_a_conversation_with_an_adapter_is_valid_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, Json]] = []

    def telling(**members: Any) -> bytes:
        sent = command_line(**members)
        said.append(("adapter-command", json.loads(sent)))
        return sent

    def hearing(heard: bytes, *, number: int) -> Any:
        said.append(("adapter-line", json.loads(heard)))
        return parse_line(heard, number=number)

    monkeypatch.setattr(process, "command_line", telling)
    monkeypatch.setattr(process, "parse_line", hearing)
    asyncio.run(converse())

    ops = {each["id"]: each["op"] for name, each in said if name == "adapter-command"}
    for name, each in said:
        assert complaint(validator(name), each) is None, each
        if ops.get(each.get("id")) == "hello" and name == "adapter-line":
            part = "hello_answer"
        else:
            part = each["op"].replace("tmcspec-probe", "unknown") if "op" in each else each.get("event", "answer")
        assert complaint(validator(name, part=part, strictly=True), each) is None, each
    kinds = {each.get("op") or each.get("event") or each["status"] for _, each in said}
    assert kinds >= {"hello", "start", "publish", "stop", "tmcspec-probe", "bye"}
    assert kinds >= {"received", "handled", "online", "result", "raised", "unsupported"}


async def converse() -> None:
    """A whole life of an adapter with a real client."""
    subject = process.ProcessSubject([sys.executable, str(LIARS / "sound.py")], deadline_factor=6.0)
    async with FakeTmc(topics_to_taobao=["there"]) as tmc:
        handled = asyncio.Event()
        try:
            await subject.open(lambda event: handled.set() if isinstance(event, ClientHandled) else None)
            await subject.start(
                StartOptions(url=tmc.url, gateway_url=tmc.gateway_url, app_key="test", app_secret="test-secret")
            )
            tmc.produce(topic="taobao_trade_TradeCreate", content='{"text": "订单"}', id=2**53 + 1)
            await asyncio.wait_for(handled.wait(), 60)
            await subject.publish(topic="there", content="订单", session=None)
            await subject.publish(topic="nowhere", content="{}", session=None)
            await subject.stop()
        finally:
            await subject.close()


HELLO = {
    "id": "1",
    "status": "result",
    "protocol": 1,
    "client": {"name": "n", "version": "1", "language": "c"},
    "capabilities": ["push"],
}


@pytest.mark.parametrize(
    "change",
    [{"protocol": 2}, {"client": {"name": "n"}}, {"capabilities": ["fly"]}, {"capabilities": "push"}, {"status": "ok"}],
    ids=str,
)
def test_an_answer_to_hello_has_a_schema_of_its_own(change: Json) -> None:
    hello = validator("adapter-line", part="hello_answer")
    assert complaint(hello, HELLO) is None
    assert not hello.is_valid(HELLO | change)


def test_answers_of_a_codec_have_schemas_of_their_own() -> None:
    done = {"id": "7", "status": "result"}
    assert validator("adapter-line", part="decode_answer").is_valid(done | {"frame": FRAME})
    assert not validator("adapter-line", part="decode_answer").is_valid(done | {"frame": None})
    assert validator("adapter-line", part="encode_answer").is_valid(done | {"hex": "0201"})
    assert not validator("adapter-line", part="encode_answer").is_valid(done | {"hex": "02 01"})


# What is written in messages, and in files of plans


def test_an_instruction_is_valid_and_another_is_not() -> None:
    told = json.loads(Instruction(outcome="fail", delay_ms=5, reason="no stock").content(id=7))
    assert complaint(validator("instruction"), told) is None
    for wrong in ({"outcome": "explode"}, {"delay_ms": -1}, {"delay_ms": 1e12}, {"reason": 5}, "ok"):
        assert not validator("instruction").is_valid({"tmcspec": wrong})
    assert not validator("instruction").is_valid({})


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
