"""The fault vocabulary: values that are checked when they are made, and that survive a file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcfakes import faults
from tmcfakes.faults import FAULTS, FaultError, PlannedFault, Schedule, fault_from_json, luck
from tmcsuites.chaos.storm import MEMBERS, draw_faults


@pytest.mark.parametrize("kind", FAULTS.values(), ids=lambda kind: kind.name)
@given(seed=st.integers())
def test_every_fault_survives_its_json_form(kind: type[PlannedFault], seed: int) -> None:
    fault = kind(**MEMBERS[kind](luck(seed)))
    assert fault_from_json(json.loads(json.dumps(fault.to_json()))) == fault


@pytest.mark.parametrize("kind", FAULTS.values(), ids=lambda kind: kind.name)
def test_every_fault_says_what_it_does(kind: type[PlannedFault]) -> None:
    assert kind.__doc__
    assert not kind.__doc__.startswith(kind.__name__ + "(")


def test_members_that_are_as_usual_are_left_out() -> None:
    assert faults.Abort().to_json() == {"fault": "abort"}
    assert faults.Latency(delay=0.5).to_json() == {"fault": "latency", "delay": 0.5}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ([], 'a fault is an object with a member "fault", its name; not a list of 0'),
        ({}, 'a fault is an object with a member "fault", its name; this one has none'),
        ({"Fault": "down"}, "a fault is an object with a member \"fault\", its name; this one has 'Fault'"),
        ({"fault": "lag"}, "unknown fault 'lag'; valid: abort, bandwidth, "),
        ({"fault": ["drop"]}, "unknown fault a list of 1; valid: "),
        ({"fault": "latency"}, "fault 'latency' needs a member 'delay'"),
        ({"fault": "latency", "delay": 1, "lag": 2}, "fault 'latency' has no member 'lag'; valid: 'at', 'target', "),
        ({"fault": "latency", "delay": "1"}, "delay of 'latency' is '1'; valid: a number"),
        ({"fault": "latency", "delay": True}, "delay of 'latency' is True; valid: a number"),
        ({"fault": "latency", "delay": -1}, "delay of 'latency' is -1; valid: a number, 0 or more, at most 3600"),
        (
            {"fault": "latency", "delay": 1, "jitter": 2},
            "jitter of 'latency' is 2; valid: a number, 0 or more, at most 1",
        ),
        ({"fault": "latency", "delay": 1, "at": -1}, "at of 'latency' is -1; valid: a number, 0 or more"),
        ({"fault": "latency", "delay": 1, "duration": 0}, "duration of 'latency' is 0; valid: a number, more than 0"),
        (
            {"fault": "latency", "delay": 1, "stream": "up"},
            "stream of 'latency' is 'up'; valid: 'upstream', 'downstream'",
        ),
        (
            {"fault": "latency", "delay": 1, "target": ""},
            "target of 'latency' is ''; valid: the name of a client, or '*'",
        ),
        ({"fault": "down", "toxicity": 2}, "toxicity of 'down' is 2; valid: a number, 0 or more, at most 1"),
        ({"fault": "bandwidth", "rate": 0}, "rate of 'bandwidth' is 0; valid: an integer, 1 or more"),
        ({"fault": "bandwidth", "rate": 1.5}, "rate of 'bandwidth' is 1.5; valid: an integer"),
        ({"fault": "slicer", "average_size": 5, "size_variation": 5}, "size_variation of 'slicer' is 5; valid: "),
        ({"fault": "corrupt", "rate": 0}, "rate of 'corrupt' is 0; valid: a number, more than 0, at most 1"),
        ({"fault": "drop", "frame": "psh"}, "frame of 'drop' is 'psh'; valid: 'connect', 'confirm', "),
        ({"fault": "drop", "frame": "push", "nth": 0}, "nth of 'drop' is 0; valid: an integer, 1 or more"),
        (
            {"fault": "garbage", "frame": "confirm"},
            "frame of 'garbage' is 'confirm'; valid: 'connectack', 'push', 'sendack'",
        ),
        ({"fault": "publish_flag", "frame": "sendack"}, "frame of 'publish_flag' is 'sendack'; valid: 'push'"),
        ({"fault": "corrupt_field", "frame": "push", "field": ""}, "field of 'corrupt_field' is ''; valid: "),
        ({"fault": "text_frame", "text": "x" * 65_537}, "text of 'text_frame' is "),
        (
            {"fault": "refuse", "code": 0, "phrase": None},
            "phrase of 'refuse' is None; valid: a text, when the code is 0",
        ),
        (
            {"fault": "refuse_upgrade", "status": 200},
            "status of 'refuse_upgrade' is 200; valid: an integer, 400 or more",
        ),
        ({"fault": "close", "code": 1005}, "code of 'close' is 1005; valid: 1000 to 1003"),
        ({"fault": "close", "reason": "x" * 124}, "reason of 'close' is "),
        ({"fault": "restart", "target": "client-1"}, "target of 'restart' is 'client-1'; valid: '*'"),
        ({"fault": "restart", "duration": None}, "duration of 'restart' is None; valid: a number of seconds"),
        ({"fault": "clock_jump", "seconds": 1e9}, "seconds of 'clock_jump' is 1000000000.0; valid: "),
        ({"fault": "ping", "text": "x" * 126}, "text of 'ping' is "),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict | list) else "",
)
def test_what_is_no_fault_is_refused_with_the_value_and_what_is_valid(members: Any, text: str) -> None:
    with pytest.raises(FaultError) as error:
        fault_from_json(members)
    assert str(error.value).startswith(text)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_none_is_refused(number: float) -> None:
    with pytest.raises(FaultError, match="delay of 'latency'"):
        faults.Latency(delay=number)


HALF = "\ud800"


@pytest.mark.parametrize(
    ("make", "member"),
    [
        (lambda: faults.Close(reason=HALF), "reason of 'close'"),
        (lambda: faults.Refuse(phrase=HALF), "phrase of 'refuse'"),
        (lambda: faults.Ping(text=HALF), "text of 'ping'"),
        (lambda: faults.TextFrame(text=HALF), "text of 'text_frame'"),
        (lambda: faults.CorruptField(frame="push", field=HALF), "field of 'corrupt_field'"),
        (lambda: faults.Abort(target=HALF), "target of 'abort'"),
    ],
)
def test_a_text_that_no_frame_can_hold_is_refused(make: Callable[[], PlannedFault], member: str) -> None:
    with pytest.raises(FaultError, match=f"{member} is .*; valid: text that UTF-8 can write"):
        make()


def test_a_text_is_as_long_as_its_bytes() -> None:
    faults.Ping(text="字" * 41)
    with pytest.raises(FaultError, match="valid: at most 125 bytes, and these are 126"):
        faults.Ping(text="字" * 42)


@pytest.mark.parametrize("listed", [faults.Down(), [faults.Down()], ("down",)])
def test_a_schedule_is_made_of_faults(listed: Any) -> None:
    with pytest.raises(FaultError, match="the faults of a schedule are a tuple of faults, as"):
        Schedule(faults=listed)


@pytest.mark.parametrize("kind", [faults.Restart, faults.ClockJump, faults.Degrade, faults.SecondId])
def test_what_concerns_everybody_has_no_other_target(kind: type[PlannedFault]) -> None:
    members = MEMBERS[kind](luck(1)) | {"target": "client-1"}
    with pytest.raises(FaultError, match=f"target of '{kind.name}' is 'client-1'; valid: '\\*': it concerns everybody"):
        kind(**members)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "a schedule is JSON; "),
        ("[" * 100_000, "a schedule is JSON; "),
        ("7", 'a schedule is {"seed": 0, "faults": '),
        ('{"seed": 1, "seed": 2}', "a schedule is JSON; the member 'seed' is there 2 times"),
        ('{"faults": 7}', 'a schedule is {"seed": 0, "faults": '),
        ('{"seeds": 7}', "a schedule has no member 'seeds'; valid: 'seed', 'faults'"),
        ('{"seed": "7"}', "the seed of a schedule must be a signed 64-bit integer, not '7'"),
        ('{"seed": 9223372036854775808}', "the seed of a schedule must be a signed 64-bit integer, not "),
        ('[{"fault": "abort"}, {"fault": "abrt"}]', "fault 2: unknown fault 'abrt'"),
        (json.dumps([{"fault": "abort"}] * 10_001), "a schedule has at most 10000 faults, not 10001"),
    ],
    ids=lambda value: value[:40],
)
def test_what_is_no_schedule_is_refused(text: str, expected: str) -> None:
    with pytest.raises(FaultError) as error:
        Schedule.loads(text)
    assert str(error.value).startswith(expected)


@given(seed=st.integers(-(2**63), 2**63 - 1))
def test_a_schedule_survives_its_text(seed: int) -> None:
    schedule = Schedule(faults=draw_faults(luck(seed), ["client-1"], 36_000), seed=seed)
    assert Schedule.loads(schedule.dumps()) == schedule
    assert all(each.end <= 36_000 for each in schedule.faults)


def test_a_list_of_faults_is_a_schedule() -> None:
    assert Schedule.loads('[{"fault": "abort"}]') == Schedule(faults=(faults.Abort(),))


def test_a_fault_without_a_duration_has_no_end() -> None:
    assert faults.Down(at=5).end == math.inf
    assert faults.Down(at=5, duration=10).end == 15
    assert faults.Abort(at=5).end == 5


def test_a_fault_concerns_its_target_or_everybody() -> None:
    assert faults.Abort().concerns("client-1")
    assert faults.Abort(target="client-1").concerns("client-1")
    assert not faults.Abort(target="client-1").concerns("client-2")


def test_two_faults_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="fault 'abort' is declared twice"):
        faults.base.fault(faults.Abort)


def test_the_luck_of_one_is_of_no_concern_to_another() -> None:
    before = luck(7, "latency", "client-1").random()
    luck(7, "latency", "client-2").random()
    assert luck(7, "latency", "client-1").random() == before
