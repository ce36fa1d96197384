"""Faults of the frames that clients send: the trace shows what a client sent, and what came of it follows from the
fault.
"""

from __future__ import annotations

import pytest
from faults_by_hand import Day
from service_by_hand import ONE

from tmcfakes.faults import CorruptField, Delay, Drop, Duplicate, FrameFault, FrameKind, Reorder, Truncate
from tmcspec.delivery import State
from tmcspec.events import (
    Accepted,
    Confirmed,
    Event,
    Failed,
    Fault,
    FrameIn,
    FrameOut,
    Published,
    Refused,
    Signed,
    UnknownConfirm,
)
from tmcspec.frame import Frame


def day_with(*faults: FrameFault) -> Day:
    """`c1` has been pushed 7, 8 and 9."""
    day = Day()
    for id in (7, 8, 9):
        day.produce(id=id)
    day.forget()
    for key, fault in enumerate(faults):
        day.begin(fault, key)
    return day


def states(day: Day) -> list[State]:
    return [day.service.state(id) for id in (7, 8, 9)]


def kinds(day: Day) -> list[str]:
    return [event.word for event in day.events(Event)]


PUSHED, CONFIRMED = State.PUSHED, State.CONFIRMED


def test_a_dropped_frame_is_in_the_trace_and_the_service_does_not_know_of_it() -> None:
    day = day_with(Drop(frame="confirm", nth=2))
    for id in (7, 8, 9):
        day.confirm("c1", id)
    assert states(day) == [CONFIRMED, PUSHED, CONFIRMED]
    assert kinds(day) == ["frame_in", "confirmed", "frame_in", "fault", "frame_in", "confirmed"]
    assert day.events(Fault) == [Fault(name="drop", target="c1", detail="confirm 8")]


def test_a_frame_in_the_trace_is_as_the_client_sent_it() -> None:
    plain, day = day_with(), day_with(CorruptField(frame="confirm"))
    for each in (plain, day):
        each.confirm("c1", 7)
    assert day.events(FrameIn) == plain.events(FrameIn)


def test_a_duplicate_is_acted_on_twice() -> None:
    day = day_with(Duplicate(frame="confirm"))
    day.confirm("c1", 7)
    assert kinds(day) == ["frame_in", "fault", "confirmed", "unknown_confirm"]


def test_a_delayed_frame_is_acted_on_later() -> None:
    day = day_with(Delay(frame="confirm", delay=30))
    day.confirm("c1", 7)
    day.confirm("c1", 8)
    assert states(day) == [PUSHED, CONFIRMED, PUSHED]
    assert day.service.deadline() == 30
    day.at(30)
    assert states(day) == [CONFIRMED, CONFIRMED, PUSHED]
    assert [event.detail for event in day.events(Fault) if isinstance(event, Fault)] == ["confirm 7, 30 s"]


def test_a_delayed_frame_is_lost_with_its_connection() -> None:
    day = day_with(Delay(frame="confirm", delay=30), Reorder(frame="failed"))
    day.confirm("c1", 7)
    day.fail("c1", 8)
    day.closed("c1")
    day.at(30)
    assert states(day) == [PUSHED, PUSHED, PUSHED]


def test_a_reordered_frame_is_acted_on_behind_the_one_that_follows() -> None:
    day = day_with(Reorder(frame="confirm"))
    day.confirm("c1", 7)
    assert states(day) == [PUSHED, PUSHED, PUSHED]
    day.confirm("c1", 8)
    settled = [int(event.message) for event in day.events(Confirmed) if isinstance(event, Confirmed)]
    assert settled == [8, 7]


def test_a_reordered_frame_that_none_follows_is_acted_on_after_ten_seconds() -> None:
    day = day_with(Reorder(frame="confirm"))
    day.confirm("c1", 7)
    day.live(10)
    assert states(day) == [CONFIRMED, PUSHED, PUSHED]


def test_a_truncated_frame_is_none() -> None:
    day = day_with(Truncate(frame="confirm"))
    day.confirm("c1", 7)
    assert kinds(day) == ["frame_in", "fault"]


def test_a_corrupt_id_confirms_something_else() -> None:
    day = day_with(CorruptField(frame="confirm"))
    day.confirm("c1", 7)
    (unknown,) = day.events(UnknownConfirm)
    assert isinstance(unknown, UnknownConfirm)
    assert unknown.id not in (None, 7)
    assert day.events(Fault) == [Fault(name="corrupt_field", target="c1", detail="confirm 7, another id")]


def test_a_corrupt_sign_is_a_wrong_sign() -> None:
    day = day_with(CorruptField(frame="connect", field="sign"))
    day.come("c3", "client-3")
    assert day.events(Signed) == [Signed(connection="c3", app_key="1", sign="wrong")]
    assert len(day.events(Refused)) == 1


def test_a_dropped_connect_is_not_answered() -> None:
    day = day_with(Drop(frame="connect"))
    day.come("c3", "client-3")
    assert kinds(day) == ["opened", "frame_in", "fault"]
    day.connect("c3")
    assert len(day.events(Accepted)) == 1


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        ("connect", "connect with flag 1"),
        ("confirm", "confirm 7"),
        ("failed", "failed 8"),
        ("pull_request", "pull_request"),
        ("publish", "publish with flag 5"),
    ],
)
def test_each_kind_of_frame_is_known(frame: FrameKind, detail: str) -> None:
    day = day_with(Drop(frame=frame))
    day.confirm("c1", 7)
    day.fail("c1", 8)
    day.pull("c1")
    day.publish("c1", 5)
    day.connect("c1", ONE)
    assert day.events(Fault) == [Fault(name="drop", target="c1", detail=detail)]
    outcome = {
        "confirm": len(day.events(Confirmed)),
        "failed": len(day.events(Failed)),
        "publish": len(day.events(Published)),
        "connect": len(day.events(Accepted)),
    }
    assert outcome == {kind: kind != frame for kind in outcome}


def test_frames_that_make_no_sense_are_of_no_kind() -> None:
    day = day_with(*(Drop(frame=frame) for frame in ("connect", "confirm", "failed", "pull_request", "publish")))  # type: ignore[arg-type]
    day.say("c1", Frame(type=3))  # a SENDACK
    day.say("c1", Frame(type=2))  # a SEND of no kind
    day.service.received("c1", b"\x02", now=0.0)
    assert day.events(Fault) == []
    assert len(day.events(FrameIn)) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Drop(frame="confirm", target="client-2"),
        Drop(frame="confirm", nth=100),
        CorruptField(frame="confirm", field="none"),
        Truncate(frame="failed", target="client-2"),
    ],
    ids=repr,
)
def test_a_fault_that_does_not_act_changes_nothing(fault: FrameFault) -> None:
    plain, day = Day(), Day(fault)
    for each in (plain, day):
        each.talk()
    assert day.events(Event) == plain.events(Event)


def test_the_answer_to_a_delayed_publish_comes_later() -> None:
    day = day_with(Delay(frame="publish", delay=3))
    day.publish("c1", 5)
    assert day.events(FrameOut, Published) == []
    day.at(3)
    assert [type(event) for event in day.events(FrameOut, Published)] == [Published, FrameOut]
