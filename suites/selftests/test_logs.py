"""What a service says of itself: readable, never a secret, and never at the cost of the service."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

import pytest

from tmcfakes import logs
from tmcspec.events import (
    EVENTS,
    Accepted,
    Closed,
    Confirmed,
    Event,
    Failed,
    FrameIn,
    HttpIn,
    Id,
    Permitted,
    Published,
    Refused,
    WsIn,
)
from tmcspec.trace import Entry

TOKEN = "86344cd0-d0cd-4359-993c-038753ee1fd7"
SIGN = "0B2B9D0163A30084311EB514ECECF284"
SESSION = "00c0ffee" * 5
FRAME = b"\x02\x02\x00\x00"


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What is logged, at every level."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = found.append  # type: ignore[method-assign]
    before = logs.log.level
    logs.log.addHandler(handler)
    logs.log.setLevel(logging.DEBUG)
    yield found
    logs.log.removeHandler(handler)
    logs.log.setLevel(before)


def logged(records: list[logging.LogRecord], event: Event, formatter: logging.Formatter) -> str:
    logs.log_event(Entry(seq=1, time=1.5, event=event))
    return formatter.format(records[-1])


def as_json(records: list[logging.LogRecord], event: Event) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(logged(records, event, logs.JsonLines()))
    return line


# Lines


def test_a_line_for_people_names_what_happened_and_its_members(records: list[logging.LogRecord]) -> None:
    line = logged(records, Refused(connection="c1", code=25, phrase="Invalid signature"), logs.HumanLines())
    _, rest = line.split(" ", 1)
    assert rest == 'warning refused time=1.5 connection=c1 code=25 phrase="Invalid signature"'


def test_a_line_for_machines_is_a_json_object(records: list[logging.LogRecord]) -> None:
    line = as_json(records, Permitted(app_key="test", user_id=Id(7), topics=("a", "b")))
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "permitted",
        "time": 1.5,
        "app_key": "test",
        "user_id": "7",
        "topics": ["a", "b"],
    }


def test_what_happens_for_every_message_is_for_those_who_want_to_see_everything(
    records: list[logging.LogRecord],
) -> None:
    assert as_json(records, Confirmed(message=Id(7), via="ws", connection="c1"))["level"] == "debug"
    logs.log.setLevel(logging.INFO)
    logs.log_event(Entry(seq=1, time=0.0, event=Confirmed(message=Id(7), via="ws", connection="c1")))
    assert len(records) == 1


def test_a_frame_that_nobody_can_read_is_a_warning_and_others_are_not(records: list[logging.LogRecord]) -> None:
    odd = as_json(records, FrameIn(connection="c1", data=b"\x02\x02\x05\x00\xff\x00\x00\x00"))
    assert (odd["event"], odd["level"], odd["connection"]) == ("unreadable", "warning", "c1")
    assert "255 bytes, 0 are left" in odd["why"]
    trailing = as_json(records, FrameIn(connection="c1", data=b"\x02\x02\x00\x00\x00"))
    assert trailing["event"] == "unreadable"
    assert "trailing" in trailing["why"]
    assert as_json(records, FrameIn(connection="c1", data=FRAME))["event"] == FrameIn.word


def test_every_event_has_a_line_that_can_be_written(records: list[logging.LogRecord]) -> None:
    examples = {"int": 1, "Id": Id(1), "float": 1.0, "bool": True, "bytes": FRAME, "tuple[tuple[str, str], ...]": ()}
    for kind in EVENTS.values():
        needed = [each for each in fields(kind) if each.init and each.default is MISSING]
        event = kind(**{each.name: examples.get(str(each.type), "x") for each in needed})
        assert as_json(records, event)["event"] == kind.word


# Secrets


@pytest.mark.parametrize(
    "event",
    [
        Accepted(connection="c1", app_key="test", group="default", token=TOKEN),
        Closed(connection="c1", by="client", code=1000, reason=f"unknown message: token={TOKEN}, sign={SIGN}"),
        Failed(message=Id(1), reason=f"session {SESSION} has expired, {TOKEN.upper()}"),
        Published(app_key="test", topic="t", content=f"{SESSION}", accepted=False, via="ws", phrase=f"no {SESSION}"),
        FrameIn(connection="c1", data=SIGN.encode()),
        WsIn(connection="c1", opcode="text", data=TOKEN.encode()),
        HttpIn(request=1, method="m", app_key="test", sign="right", arguments=(("session", SESSION),)),
    ],
    ids=lambda event: event.word,
)
def test_no_secret_and_no_content_gets_into_a_line(records: list[logging.LogRecord], event: Event) -> None:
    for formatter in (logs.HumanLines(), logs.JsonLines()):
        line = logged(records, event, formatter)
        for secret in (TOKEN, SIGN, SESSION):
            assert secret.lower() not in line.lower()


def test_what_a_client_says_is_cut_and_no_terminal_obeys_it(records: list[logging.LogRecord]) -> None:
    reason = 'a\x1b[2J\n"level=error" \u202e' + "x" * 1000
    line = logged(records, Failed(message=Id(1), reason=reason), logs.HumanLines())
    assert line.isprintable()
    assert len(line) < 400


def test_an_error_of_our_own_is_named_by_its_place_and_not_by_its_text(records: list[logging.LogRecord]) -> None:
    try:
        raise LookupError(f"no app with secret {SESSION}")
    except LookupError:
        logs.log.exception("a call failed")
    line = json.loads(logs.JsonLines().format(records[-1]))
    assert (line["event"], line["error"]) == ("a call failed", "LookupError")
    assert line["where"].startswith("test_logs.py:")
    assert SESSION not in json.dumps(line)


# Whoever reads, or does not


def test_a_pipe_that_nobody_reads_stops_nobody_and_what_is_dropped_is_counted() -> None:
    reading, writing = os.pipe()
    handler = logs.PatientHandler(writing)
    handler.setFormatter(logs.JsonLines())
    line = logging.makeLogRecord({"msg": "x" * 190})
    emitted = 0
    while not handler.dropped:  # which would never end if anybody waited for a reader
        handler.emit(line)
        emitted += 1

    lines: list[Any] = []

    def read() -> None:
        with open(reading, "rb") as file:
            lines.extend(map(json.loads, file))

    reader = threading.Thread(target=read)
    reader.start()
    while handler.dropped:
        handler.emit(line)
        emitted += 1
    handler.leave(30)
    os.close(writing)
    reader.join(30)
    dropped = [each["count"] for each in lines if each["event"] == "lines_dropped"]
    assert dropped
    assert len(lines) - len(dropped) + sum(dropped) == emitted


def test_the_end_is_not_put_off_for_somebody_who_does_not_read() -> None:
    reading, writing = os.pipe()
    handler = logs.PatientHandler(writing)
    while not handler.dropped:
        handler.emit(logging.makeLogRecord({"msg": "x" * 190}))
    handler.leave(0.01)
    os.close(reading)
    os.close(writing)


def test_a_pipe_that_is_closed_at_the_other_end_stops_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    handler = logs.PatientHandler(writing)
    handler.emit(logging.makeLogRecord({"msg": "x"}))
    handler.leave(30)
    os.close(writing)
