"""Faults of the frames that the service sends: they do what they say, on the frames that they say, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faults_by_hand import Day

from tmcfakes.faults import (
    CorruptField,
    Delay,
    Drop,
    Duplicate,
    Fragment,
    FrameFault,
    Garbage,
    MissingToken,
    Oversize,
    PublishFlag,
    Reorder,
    TextFrame,
    Truncate,
    UnknownFormat,
    UnknownHeader,
    UnknownType,
    WrongFlag,
    WrongToken,
)
from tmcspec.events import Event, Fault, FrameOut, Pushed, WsOut
from tmcspec.frame import Frame, FrameError, decode, encode, raw
from tmcspec.messages import Confirm, Push, SendAck, from_service


def pushes_of(day: Day) -> list[bytes]:
    """The frames of the pushes on `c1`, in the order in which they went out."""
    outs = [event for event in day.events(FrameOut) if isinstance(event, FrameOut) and event.connection == "c1"]
    return [event.data for event in outs if event.frame and event.frame.value("topic") is not None]


def pushed_ids(day: Day) -> list[int | None]:
    return [push.id for data in pushes_of(day) if isinstance(push := from_service(decode(data)), Push)]


def others(day: Day, *left_out: type[Event]) -> list[Event]:
    """All that happened, without what faults did and what went over the wire to `c1`."""
    kinds = (Fault, FrameOut, WsOut, *left_out)
    return [
        event
        for event in day.events(Event)
        if not isinstance(event, kinds) or getattr(event, "connection", None) == "c2"
    ]


def day_of(*faults: FrameFault) -> Day:
    day = Day(*faults)
    day.talk()
    return day


#: One of each kind, about the second push and the third.
ABOUT_TWO: list[FrameFault] = [
    Drop(frame="push", nth=2, count=2),
    Duplicate(frame="push", nth=2, count=2),
    Delay(frame="push", nth=2, count=2, delay=0.5),
    Reorder(frame="push", nth=2, count=2),
    Truncate(frame="push", nth=2, count=2),
    CorruptField(frame="push", nth=2, count=2),
    Garbage(nth=2, count=2),
    TextFrame(nth=2, count=2),
    Fragment(nth=2, count=2),
    Oversize(nth=2, count=2, size=10),
    UnknownHeader(nth=2, count=2),
    UnknownFormat(nth=2, count=2),
    UnknownType(nth=2, count=2),
    WrongToken(nth=2, count=2),
    MissingToken(nth=2, count=2),
    WrongFlag(nth=2, count=2),
    PublishFlag(nth=2, count=2),
]


@pytest.mark.parametrize("fault", ABOUT_TWO, ids=lambda fault: fault.name)
def test_a_fault_acts_on_the_nth_frame_of_its_kind_and_on_those_that_follow(fault: FrameFault) -> None:
    plain, day = day_of(), day_of(fault)
    ids = [event.message for event in day.events(Pushed) if isinstance(event, Pushed) and event.connection == "c1"]
    acted = [event for event in day.events(Fault) if isinstance(event, Fault)]
    assert [(event.name, event.target) for event in acted] == [(fault.name, "c1")] * 2
    assert [event.detail.split(",")[0] for event in acted] == [f"push {id}" for id in ids[1:3]]
    # The first and the last push are as they would have been.
    untouched = [pushes_of(plain)[0], pushes_of(plain)[3]]
    assert [data for data in pushes_of(day) if data in untouched] == untouched


@pytest.mark.parametrize("fault", ABOUT_TWO, ids=lambda fault: fault.name)
def test_nothing_else_changes(fault: FrameFault) -> None:
    assert others(day_of(fault)) == others(day_of())


@pytest.mark.parametrize("fault", ABOUT_TWO, ids=lambda fault: fault.name)
def test_a_fault_that_has_acted_often_enough_costs_nothing_any_more(fault: FrameFault) -> None:
    day = day_of(fault)
    day.live(20)
    day.forget()
    day.produce()
    day.produce()
    assert day.events(Fault) == []
    assert not day.service._outgoing.busy


def one(fault: FrameFault) -> list[Event]:
    """What goes out on `c1` for one push under a fault."""
    day = Day()
    day.begin(fault)
    day.forget()
    day.produce(id=7)
    return day.wire()


def test_any_number_of_faults_makes_a_frame_no_larger_than_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.interception.LETTER_LIMIT", 1_000_000)
    day = Day()
    for key in range(100):
        day.begin(Oversize(size=10_000), 2 * key)
        day.begin(Duplicate(frame="push"), 2 * key + 1)
    day.forget()
    day.produce(id=7)
    sent = sum(len(out_of(event)) for event in day.wire(FrameOut))
    assert 1_000_000 < sent < 1_500_000


def garbage_for_the_first(*, others: int) -> list[Event]:
    """What goes out on `c1` for one push with garbage, after so many pushes to somebody else."""
    day = Day()
    day.begin(Garbage(count=10, size=16))
    for _ in range(others):
        day.produce(group="shop")
    day.forget()
    day.produce(id=7)
    return day.wire(FrameOut)[:1]


def test_a_push_to_somebody_else_changes_nothing_of_what_is_drawn_by_chance() -> None:
    assert garbage_for_the_first(others=0) == garbage_for_the_first(others=3)


def out_of(event: Event) -> bytes:
    assert isinstance(event, FrameOut)
    return event.data


def the_push() -> bytes:
    (event,) = one(Drop(frame="connectack"))
    return out_of(event)


def frame_of(fault: FrameFault) -> Frame:
    told, event = one(fault)
    assert isinstance(told, Fault)
    return decode(out_of(event))


def test_a_dropped_frame_is_told_where_it_would_have_been() -> None:
    assert one(Drop(frame="push")) == [Fault(name="drop", target="c1", detail="push 7")]


def test_a_duplicate_comes_right_behind_the_first() -> None:
    told, first, second = one(Duplicate(frame="push"))
    assert told == Fault(name="duplicate", target="c1", detail="push 7, once more")
    assert out_of(first) == out_of(second) == the_push()


def test_garbage_comes_before_the_frame_in_a_message_of_its_own() -> None:
    told, garbage, push = one(Garbage(size=9))
    assert told == Fault(name="garbage", target="c1", detail="push 7, behind 9 bytes of garbage")
    assert len(out_of(garbage)) == 9
    assert out_of(push) == the_push()


def test_a_text_message_comes_before_the_frame() -> None:
    _, text, push = one(TextFrame(text="你"))
    assert text == WsOut(connection="c1", opcode="text", data="你".encode())
    assert out_of(push) == the_push()


def test_a_frame_comes_in_fragments() -> None:
    _, push = one(Fragment(fragments=4))
    assert push == FrameOut(connection="c1", data=the_push(), fragments=4)


@pytest.mark.parametrize(("keep", "left"), [(0, 0), (7, 7), (10**6, None)])
def test_of_a_truncated_frame_the_beginning_comes_and_of_a_shorter_one_all_but_the_last_byte(
    keep: int, left: int | None
) -> None:
    _, push = one(Truncate(frame="push", keep=keep))
    whole = the_push()
    assert out_of(push) == whole[: len(whole) - 1 if left is None else left]


@pytest.mark.parametrize("field", ["id", "topic", "content", "__kind", "time", "token"])
def test_a_corrupt_field_has_another_value_of_its_type_and_length(field: str) -> None:
    spoiled, whole = frame_of(CorruptField(frame="push", field=field)), decode(the_push())
    (told, event) = one(CorruptField(frame="push", field=field))
    assert told == Fault(name="corrupt_field", target="c1", detail=f"push 7, another {field}")
    assert len(out_of(event)) == len(the_push())
    differences = [
        (new[0], new[1] is old[1])
        for new, old in zip(spoiled.content or (), whole.content or (), strict=True)
        if new != old
    ]
    assert differences == ([] if field == "token" else [(field, True)])
    assert (spoiled.token == whole.token) is (field != "token")


@pytest.mark.parametrize("field", ["nick", "flag", "status_code", "no such"])
def test_what_is_not_there_cannot_be_corrupted(field: str) -> None:
    assert [out_of(event) for event in one(CorruptField(frame="push", field=field))] == [the_push()]


def test_the_flag_of_an_answer_can_be_corrupted() -> None:
    day = Day(CorruptField(frame="connectack", field="flag"))
    told, answer = day.wire()[:2]
    assert told == Fault(name="corrupt_field", target="c1", detail="connectack with flag 1, another flag")
    assert decode(out_of(answer)).flag not in (0, 1)


def test_bytes_can_be_corrupted() -> None:
    day = Day()
    day.begin(CorruptField(frame="push", field="zip"))
    day.forget()
    day.produce(wire=lambda push: encode(replace(push, extras=(raw("zip", b"12345"),)).to_frame()))
    _, event = day.wire()
    value = decode(out_of(event)).value("zip")
    assert isinstance(value, bytes)
    assert len(value) == 5
    assert value != b"12345"


def test_an_oversize_frame_has_a_field_more() -> None:
    frame = frame_of(Oversize(size=70_000))
    assert frame.value("added") == "x" * 70_000
    assert not frame.anomalies


@pytest.mark.parametrize(
    ("fault", "anomaly"), [(UnknownHeader(), "unknown-header"), (UnknownFormat(), "unknown-format")]
)
def test_what_nobody_knows_stands_among_what_they_know(fault: FrameFault, anomaly: str) -> None:
    frame, whole = frame_of(fault), decode(the_push())
    assert [found.kind for found in frame.anomalies] == [anomaly]
    assert (frame.content or ())[: len(whole.content or ())] == whole.content


def test_a_frame_can_be_of_a_type_that_nobody_knows() -> None:
    frame, whole = frame_of(UnknownType(type=77)), decode(the_push())
    assert frame.type == 77
    assert frame.content == whole.content


def test_a_wrong_token_has_the_form_of_a_right_one_and_differs_each_time() -> None:
    tokens = {frame_of(WrongToken()).token, decode(the_push()).token}
    assert None not in tokens
    assert len(tokens) == 2
    assert {len(token or "") for token in tokens} == {36}


def test_a_token_can_be_missing() -> None:
    assert frame_of(MissingToken()).token is None


def test_a_token_that_is_not_there_cannot_be_missing() -> None:
    day = Day()
    day.begin(MissingToken(frame="connectack"))
    day.forget()
    day.service.opened("c3", now=0.0)
    day.say("c3", Frame(type=0))  # refused: it has no fields
    assert day.events(Fault) == []


def test_a_wrong_flag_is_far_from_the_right_one() -> None:
    assert frame_of(WrongFlag()).flag == 1000
    day = Day(WrongFlag(frame="connectack"))
    assert decode(out_of(day.wire()[1])).flag == 1001


def test_without_a_publish_that_waits_a_push_has_the_flag_that_the_next_would_have() -> None:
    assert frame_of(PublishFlag()).flag == 1


@pytest.mark.parametrize(
    ("held", "flag"),
    [
        (Drop(frame="sendack"), 5),
        (Delay(frame="sendack", delay=2), 5),
        (Drop(frame="sendack", nth=2), 1),  # the answer to the first went out
    ],
)
def test_a_push_has_the_flag_of_a_publish_that_waits(held: FrameFault, flag: int) -> None:
    day = Day()
    day.begin(held, 1)
    day.begin(PublishFlag(), 2)
    day.publish("c1", 5)
    day.forget()
    day.produce()
    assert decode(out_of(day.wire()[-1])).flag == flag


def test_a_publish_whose_answer_came_late_does_not_wait_any_more() -> None:
    day = Day()
    day.begin(Delay(frame="sendack", delay=2), 1)
    day.publish("c1", 5)
    day.at(2)
    day.begin(PublishFlag(), 2)
    day.forget()
    day.produce()
    assert decode(out_of(day.wire()[-1])).flag == 1


def test_only_so_many_publishes_are_remembered_as_waiting() -> None:
    day = Day(Drop(frame="sendack", count=1000))
    for flag in range(1, 300):
        day.publish("c1", flag)
    assert len(day.service._connections.get("c1").unanswered) == 100


def test_a_delayed_frame_comes_so_many_seconds_later_and_those_behind_it_do_not_wait() -> None:
    day = Day()
    day.begin(Delay(frame="push", delay=30))
    day.forget()
    day.produce(id=7)
    day.at(1)
    day.produce(id=8)
    assert day.wire(Fault) == [Fault(name="delay", target="c1", detail="push 7, 30 s")]
    assert pushed_ids(day) == [8]
    assert day.service.deadline() == 30
    day.at(29.9)
    assert pushed_ids(day) == [8]
    day.at(30)
    assert pushed_ids(day) == [8, 7]


def test_a_delay_that_the_clock_cannot_tell_is_none() -> None:
    day = Day()
    day.at(1_000_000)
    day.begin(Delay(frame="push", delay=1e-12))
    day.produce(id=7)
    assert pushed_ids(day) == [7]


def test_a_reordered_frame_comes_behind_the_one_that_follows_it() -> None:
    day = Day()
    day.begin(Reorder(frame="push"))
    for id in (7, 8, 9):
        day.produce(id=id)
    assert pushed_ids(day) == [8, 7, 9]


def test_the_frame_that_follows_may_be_of_another_kind() -> None:
    day = Day()
    day.begin(Reorder(frame="push"))
    day.forget()
    day.produce(id=7)
    day.publish("c1", 5)
    _, first, second = day.wire()
    assert isinstance(from_service(decode(out_of(first))), SendAck)
    assert isinstance(from_service(decode(out_of(second))), Push)


def test_two_reordered_frames_each_come_behind_the_one_that_follows() -> None:
    day = Day()
    day.begin(Reorder(frame="push", count=2))
    for id in (7, 8, 9):
        day.produce(id=id)
    assert pushed_ids(day) == [9, 8, 7]


def test_a_reordered_frame_that_none_follows_comes_after_ten_seconds() -> None:
    day = Day()
    day.begin(Reorder(frame="push"))
    day.produce(id=7)
    day.produce(group="shop")  # on another connection
    day.at(9.9)
    assert pushed_ids(day) == []
    day.live(10)
    assert pushed_ids(day) == [7]
    assert not day.service._outgoing.busy


def test_a_frame_that_is_held_back_is_lost_with_its_connection() -> None:
    day = Day()
    day.begin(Delay(frame="push", delay=30), 1)
    day.begin(Reorder(frame="push", nth=2), 2)
    day.produce(id=7)
    day.produce(id=8)
    day.closed("c1")
    day.live(100)
    assert pushed_ids(day) == []
    assert not day.service._outgoing.busy


def test_a_frame_that_is_held_back_does_not_go_out_behind_a_close() -> None:
    day = Day()
    day.begin(Delay(frame="push", delay=30))
    day.produce(id=7)
    day.service.disconnect(now=0.0, connection="c1")
    day.at(30)
    assert pushed_ids(day) == []


def test_faults_count_on_all_connections_together() -> None:
    day = Day()
    day.begin(Drop(frame="push", nth=2))
    day.produce(id=7, group="shop")
    day.produce(id=8)
    assert day.events(Fault) == [Fault(name="drop", target="c1", detail="push 8")]


@pytest.mark.parametrize(("target", "hit"), [("client-2", "c2"), ("client-1", "c1")])
def test_a_fault_counts_the_frames_of_its_target_only(target: str, hit: str) -> None:
    day = Day()
    day.begin(Drop(frame="push", target=target))
    day.produce(id=7)
    day.produce(id=8, group="shop")
    assert [event.target for event in day.events(Fault) if isinstance(event, Fault)] == [hit]


def test_a_target_may_be_a_connection_whose_client_has_no_name() -> None:
    day = Day()
    day.closed("c1")
    day.connected("c3")
    day.begin(Drop(frame="push", target="c3"))
    day.produce(id=7)
    assert day.events(Fault) == [Fault(name="drop", target="c3", detail="push 7")]


def test_a_fault_that_has_ended_does_not_act() -> None:
    day = Day()
    day.begin(Drop(frame="push"))
    day.service.end(0, now=0.0)
    day.produce(id=7)
    assert day.events(Fault) == []


def test_faults_that_are_cleared_do_not_act_and_what_they_hold_comes_when_it_would_have() -> None:
    day = Day()
    day.begin(Delay(frame="push", delay=5), 1)
    day.begin(Drop(frame="push"), 2)
    day.begin(Drop(frame="confirm"), 3)
    day.produce(id=7)
    day.service.clear_faults(0.0)
    day.produce(id=8)
    day.confirm("c1", 8)
    assert [event.detail for event in day.events(Fault) if isinstance(event, Fault)] == ["push 7"]


def test_faults_on_one_frame_act_together() -> None:
    day = Day()
    day.begin(WrongFlag(), 1)
    day.begin(Duplicate(frame="push"), 2)
    day.begin(MissingToken(), 3)
    day.begin(Delay(frame="push", delay=4), 4)
    day.begin(Delay(frame="push", delay=5), 5)  # one that is held back is held back once
    day.forget()
    day.produce(id=7)
    day.at(4)
    names = [event.name for event in day.wire() if isinstance(event, Fault)]
    assert names == ["wrong_flag", "duplicate", "missing_token", "delay"]
    frames = [decode(event.data) for event in day.wire() if isinstance(event, FrameOut)]
    assert [(frame.flag, frame.token) for frame in frames] == [(1000, None)] * 2


def test_a_frame_that_is_lost_is_not_changed_before() -> None:
    day = Day()
    day.begin(WrongFlag(count=2), 1)
    day.begin(Drop(frame="push"), 2)
    day.forget()
    day.produce(id=7)
    assert day.wire() == [Fault(name="drop", target="c1", detail="push 7")]


def test_a_truncated_frame_can_be_spoiled_only_in_its_bytes() -> None:
    day = Day()
    day.begin(Truncate(frame="push", keep=20), 1)
    day.begin(WrongFlag(), 2)
    day.begin(UnknownType(), 3)
    day.forget()
    day.produce(id=7)
    assert [event.name for event in day.wire() if isinstance(event, Fault)] == ["truncate", "unknown_type"]
    (out,) = [event.data for event in day.wire() if isinstance(event, FrameOut)]
    assert len(out) == 20
    with pytest.raises(FrameError):
        decode(out)


def test_frames_are_lost_that_were_made_by_hand_too() -> None:
    day = Day()
    day.begin(Drop(frame="push"))
    day.forget()
    day.service.inject(the_push(), now=0.0, connection="c1", kind="odd")
    day.service.inject(b"", now=0.0, connection="c1", kind="empty")
    assert [type(event) for event in day.wire()] == [Fault, Fault, Fault, FrameOut]


def test_more_than_there_is_room_for_is_not_held_back() -> None:
    big = "x" * 2**20
    day = Day(Delay(frame="push", count=10**6, delay=100))
    day.forget()
    for _ in range(70):
        day.service.produce(app_key="1", topic="t", content=big, group="default", now=0.0)
    assert 0 < len(pushes_of(day)) < 10


def test_a_client_that_confirms_what_was_dropped_settles_it_all_the_same() -> None:
    day = Day()
    day.begin(Drop(frame="push"))
    day.produce(id=7)
    day.say("c1", Confirm(token=None, id=7).to_frame())
    assert day.service.unsettled("1") == 0
