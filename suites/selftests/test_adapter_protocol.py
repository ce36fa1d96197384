"""Lines of the adapter contract: what is read from a good one, and what a bad one is told."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcsuites.adapters.contract import (
    Answer,
    ClientHandled,
    ClientInfo,
    ClientOffline,
    ClientOnline,
    ClientReceived,
    StartOptions,
)
from tmcsuites.adapters.protocol import MAX_LINE, LineError, Reply, command_line, parse_hello, parse_line

RECEIVED = {"event": "received", "message_id": "1", "topic": "t", "content": "{}"}


def line(**members: Any) -> bytes:
    return json.dumps(members).encode()


# Commands.


def test_a_command_is_one_line_of_ascii() -> None:
    sent = command_line(id="7", op="publish", deadline=10.0, members={"content": "订单\n\ud800"})
    assert sent.isascii()
    assert sent.index(b"\n") == len(sent) - 1
    assert json.loads(sent) == {"id": "7", "op": "publish", "deadline_ms": 10000, "content": "订单\n\ud800"}


def test_a_deadline_is_never_nothing() -> None:
    assert json.loads(command_line(id="1", op="stop", deadline=0.0001, members={}))["deadline_ms"] == 1


def test_a_value_that_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        command_line(id="1", op="start", deadline=1.0, members={"options": {"pace": float("nan")}})


# Answers.


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (line(id="1", status="result"), Answer(status="result")),
        (
            line(id="1", status="result", hex="00", deep=[1]),
            Answer(status="result", members={"hex": "00", "deep": [1]}),
        ),
        (line(id="1", status="raised", error="no", code=4), Answer(status="raised", error="no", code=4)),
        (line(id="1", status="raised", error="no", code="isv.x"), Answer(status="raised", error="no", code="isv.x")),
        (line(id="1", status="unsupported", error=None), Answer(status="unsupported")),
        (line(id="1", status="fault", error="broken"), Answer(status="fault", error="broken")),
        (b' {"id": "1", "status": "result"} \r', Answer(status="result")),
    ],
)
def test_an_answer_is_read(sent: bytes, answer: Answer) -> None:
    assert parse_line(sent, number=1) == Reply(id="1", answer=answer)


# Events.


def test_every_member_of_a_received_message_is_read() -> None:
    sent = line(
        **RECEIVED,
        user_id="-9223372036854775808",
        nick="买家",
        publisher="12497914",
        data_id="77",
        publish_time="1395000000000",
        outgoing_time="18446744073709551615",
    )
    assert parse_line(sent, number=1) == ClientReceived(
        message_id=1,
        topic="t",
        content="{}",
        user_id=-(2**63),
        nick="买家",
        publisher="12497914",
        data_id="77",
        publish_time=1395000000000,
        outgoing_time=2**64 - 1,
    )


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (line(**RECEIVED | {"message_id": None, "topic": None, "content": None}, more=1), (None, None, None)),
        (line(**RECEIVED), (1, "t", "{}")),
    ],
)
def test_what_a_library_does_not_show_is_none(sent: bytes, event: tuple[int | None, str | None, str | None]) -> None:
    message_id, topic, content = event
    assert parse_line(sent, number=1) == ClientReceived(message_id=message_id, topic=topic, content=content)


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (line(event="handled", message_id="5", outcome="raise"), ClientHandled(message_id=5, outcome="raise")),
        (line(event="online"), ClientOnline()),
        (line(event="offline"), ClientOffline(error=None)),
        (line(event="offline", error="reset"), ClientOffline(error="reset")),
    ],
)
def test_an_event_is_read(sent: bytes, event: object) -> None:
    assert parse_line(sent, number=1) == event


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud800", "\ufffd"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", "\\\ufffd"),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced_because_no_trace_could_hold_it(escaped: str, text: str) -> None:
    sent = b'{"event": "offline", "error": "%s"}' % escaped.encode()
    assert parse_line(sent, number=1) == ClientOffline(error=text)


# Complaints.


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"", "not JSON: Expecting value.*write logs to standard error"),
        (b"connected!", "not JSON: Expecting value"),
        (b'{"id": "1", "status": NaN}', "not JSON: NaN is no JSON number"),
        (b"[" * 100_000, "not JSON: maximum recursion depth"),
        (b"1" * 5000, "not JSON: Exceeds the limit"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b"[]", "a JSON list; it must be an object with 'id' and 'status', or with 'event'"),
        (b'{"event": "online", "event": "offline"}', "member 'event' is there twice"),
        (line(status="result"), "member 'id' is null; an answer repeats the id of its command"),
        (line(id=1, status="result"), "member 'id' is 1; an answer repeats"),
        (line(id="1"), "member 'status' is null; valid: 'fault', 'raised', 'result', 'unsupported'"),
        (line(id="1", status="ok"), "member 'status' is \"ok\"; valid: 'fault', 'raised', 'result', 'unsupported'"),
        (line(id="1", status=["result"]), r"member 'status' is \[\"result\"\]; valid"),
        (line(id="1", status="raised"), "member 'error' is missing; an answer with status 'raised' says"),
        (line(id="1", status="raised", error=5), "member 'error' is 5; it must be a string or null"),
        (line(id="1", status="raised", error="", code=True), "member 'code' is true; it must be an integer"),
        (line(id="1", status="raised", error="", code=1.5), "member 'code' is 1.5; it must be an integer"),
        (line(id="1", event="online"), "has both 'id' and 'event'"),
        (line(event="recieved"), "member 'event' is \"recieved\"; valid: 'handled', 'offline', 'online', 'received'"),
        (line(event=None), "member 'event' is null; valid: 'handled'"),
        (line(event="received", topic="t", content=""), "member 'message_id' is missing; it is null when"),
        (line(**RECEIVED | {"message_id": 1}), "member 'message_id' is 1; 64-bit integers and dates are decimal"),
        (line(**RECEIVED | {"message_id": "1e3"}), "member 'message_id' is \"1e3\"; it must be a decimal integer"),
        (line(**RECEIVED | {"message_id": "٣"}), "it must be a decimal integer of at most 20 digits"),
        (line(**RECEIVED | {"message_id": "1" * 21}), "it must be a decimal integer of at most 20 digits"),
        (line(**RECEIVED | {"content": {}}), "member 'content' is {}; it must be a string or null"),
        (line(**RECEIVED | {"nick": ["x" * 500]}), "member 'nick' is .{120}…; it must be a string"),
        (line(event="handled", message_id="1", outcome="done"), "'outcome' is \"done\"; valid: 'fail', 'ok', 'raise'"),
        (line(event="handled", outcome="ok"), "member 'message_id' is missing"),
    ],
)
def test_a_bad_line_is_told_what_is_wrong_with_it(sent: bytes, complaint: str) -> None:
    with pytest.raises(LineError, match=f"^line 12 of the adapter's standard output: .*{complaint}"):
        parse_line(sent, number=12)


def test_a_line_may_have_eight_mebibytes_and_no_more() -> None:
    longest = b'{"event":"online"}'.ljust(MAX_LINE)
    assert parse_line(longest, number=1) == ClientOnline()
    with pytest.raises(LineError, match=r"8388609 bytes; at most 8388608 \(8 MiB\) are allowed"):
        parse_line(longest + b" ", number=1)


def test_a_complaint_quotes_the_beginning_of_the_line() -> None:
    with pytest.raises(LineError) as caught:
        parse_line(b"x" * 1000, number=1)
    assert str(caught.value).endswith("\nThe line: " + "x" * 200 + "…")


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\ud8idstaeven01').map(str.encode))
def test_no_line_does_worse_than_a_complaint(sent: bytes) -> None:
    with contextlib.suppress(LineError):
        parse_line(sent, number=1)


@given(st.integers(-(2**63), 2**64 - 1))
def test_every_64_bit_id_keeps_its_digits(message_id: int) -> None:
    sent = line(event="handled", message_id=str(message_id), outcome="ok")
    assert parse_line(sent, number=1) == ClientHandled(message_id=message_id, outcome="ok")


# Hello.

HELLO = {
    "protocol": 1,
    "client": {"name": "n", "version": "v", "language": "l"},
    "capabilities": ["push", "codec", "push"],
}


def test_hello_tells_who_the_client_is() -> None:
    assert parse_hello(Answer(status="result", members=HELLO)) == ClientInfo(
        name="n", version="v", language="l", transport="process", capabilities=frozenset({"push", "codec"})
    )


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"protocol": 2}, "member 'protocol' is 2; this runner speaks 1 only"),
        ({"protocol": True}, "member 'protocol' is true; this runner speaks 1 only"),
        ({"client": "node"}, "member 'client' is \"node\"; it must be an object with name, version and language"),
        ({"client": {"name": "n", "version": "", "language": "l"}}, "member 'client' has no 'version'"),
        ({"client": {"name": 5}}, "member 'name' is 5; it must be a string or null"),
        ({"capabilities": "push"}, "member 'capabilities' is \"push\"; it must be an array of: 'codec'"),
        ({"capabilities": [["push"]]}, r"member 'capabilities' is \[\[\"push\"\]\]; it must be an array of"),
        ({"capabilities": ["fly"]}, r"member 'capabilities' holds \[\"fly\"\]; valid: 'codec', 'dedupe', 'fail'"),
    ],
)
def test_a_bad_hello_is_told_what_is_wrong_with_it(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(LineError, match=f"^the answer to 'hello': {complaint}"):
        parse_hello(Answer(status="result", members=HELLO | changed))


def test_hello_cannot_be_declined() -> None:
    with pytest.raises(LineError, match=r"status is 'raised' \(no\); the only valid one is 'result'"):
        parse_hello(Answer(status="raised", error="no"))


# The values themselves.


def test_values_are_validated_when_made() -> None:
    with pytest.raises(ValueError, match="client version is empty; use 'unknown'"):
        ClientInfo(name="n", version="", language="l", transport="bare", capabilities=frozenset())
    with pytest.raises(ValueError, match=r"unknown capabilities \['fly'\]; valid: 'codec'"):
        ClientInfo(name="n", version="v", language="l", transport="bare", capabilities=frozenset({"fly"}))
    with pytest.raises(ValueError, match="transport is 'pigeon'; valid: 'bare', 'bare-container', 'container'"):
        ClientInfo(name="n", version="v", language="l", transport="pigeon", capabilities=frozenset())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode is 'pull'; valid: 'poll', 'push'"):
        StartOptions(url="", gateway_url="", app_key="", app_secret="", mode="pull")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="status is 'ok'; valid: 'fault', 'raised', 'result', 'unsupported'"):
        Answer(status="ok")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outcome is 'done'; valid: 'fail', 'ok', 'raise'"):
        ClientHandled(message_id=1, outcome="done")  # type: ignore[arg-type]


def test_the_secret_is_not_in_the_repr() -> None:
    options = StartOptions(url="u", gateway_url="g", app_key="k", app_secret="hush", options={"a": 1})
    assert "hush" not in repr(options)
    assert options.members()["app_secret"] == "hush"
    assert options.members()["options"] == {"a": 1}
