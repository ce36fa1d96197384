"""The JSON Schemas of the adapter contract: what runner and adapter say is valid, what the runner refuses is not."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, get_args

import pytest
from harness import LIARS
from schema_values import FRAME, Json, complaint, spoiled, validator

from tmcfakes.fake import FakeTmc
from tmcspec.instruction import Instruction
from tmcsuites.adapters import process, protocol
from tmcsuites.adapters.contract import ClientEvent, ClientHandled, StartOptions
from tmcsuites.adapters.protocol import LineError, command_line, parse_line
from tmcsuites.schemas import adapters

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


def test_an_instruction_is_valid_and_another_is_not() -> None:
    told = json.loads(Instruction(outcome="fail", delay_ms=5, reason="no stock").content(id=7))
    assert complaint(validator("instruction"), told) is None
    for wrong in ({"outcome": "explode"}, {"delay_ms": -1}, {"delay_ms": 1e12}, {"reason": 5}, "ok"):
        assert not validator("instruction").is_valid({"tmcspec": wrong})
    assert not validator("instruction").is_valid({})
