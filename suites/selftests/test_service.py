"""The service as a whole: time, what else clients say to it, and what its driver and the trace are told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_by_hand import ONE, TWO, World

from tmcfakes.service import Effect
from tmcspec.delivery import State
from tmcspec.events import Expired, FrameIn, FrameOut, Id, Opened, WsIn
from tmcspec.frame import Frame, MessageType, byte, decode, encode, string
from tmcspec.messages import Confirm, Publish, PullRequest, SendAck, from_service
from tmcspec.trace import Recorder


@pytest.fixture
def world() -> World:
    return World()


# Time


def test_the_end_of_retention_drops_what_is_not_settled(world: World) -> None:
    waiting, pushed = world.produce(), world.produce(group="shop")
    world.connected("c1", ONE, "shop")
    world.at(9_999.0)
    world.pushes()
    assert world.events(Expired) == []
    world.at(10_000.0)
    assert {world.service.state(waiting), world.service.state(pushed)} == {State.EXPIRED}
    assert world.events(Expired) == [Expired(message=Id(waiting)), Expired(message=Id(pushed))]
    world.at(20_000.0)
    world.connected("c2")
    assert world.pushes() == []


def test_the_deadline_is_when_something_happens_next(world: World) -> None:
    assert world.service.deadline() is None
    message = world.produce()
    assert world.service.deadline() == 10_000.0
    world.now = 1.0
    world.connected("c1")
    assert world.service.deadline() == 61.0
    world.at(61.0)
    assert world.service.deadline() == 361.0
    world.confirm("c1", message)
    assert world.service.deadline() is None


def test_what_is_due_happens_before_any_other_input(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.now = 360.0
    world.confirm("c1", message)
    assert [push.retried for _, push in world.pushes()] == [0, 1]
    assert world.service.state(message) is State.CONFIRMED


def test_time_never_goes_back(world: World) -> None:
    world.at(5.0)
    for now in (4.0, float("nan")):
        with pytest.raises(ValueError, match=rf"cannot go back from 5\.0 to {now} seconds"):
            world.service.tick(now=now)


# What else clients do


def test_a_publish_is_acknowledged_with_its_flag(world: World) -> None:
    world.connected("c1")
    (ack,) = world.sends()
    world.say("c1", Publish(token="x", flag=9, topic="t", content="c").to_frame())
    (answer,) = world.sends()
    assert from_service(decode(answer.data)) == SendAck(token=decode(ack.data).token, flag=9)


def test_a_publish_without_a_flag_or_without_a_connect_is_not_answered(world: World) -> None:
    world.service.opened("c1", now=0.0)
    world.say("c1", Publish(token="x", flag=9, topic="t", content="c").to_frame())
    world.connected("c2")
    world.sends()
    world.say("c2", Publish(token="x", flag=0, topic="t", content="c").to_frame())
    assert world.sends() == []


def test_a_pull_request_is_not_answered(world: World) -> None:
    world.connected("c1")
    world.sends()
    world.say("c1", PullRequest(token=None).to_frame())
    assert world.sends() == []


def test_pings_and_text_are_traced_and_not_answered(world: World) -> None:
    world.service.opened("c1", now=0.0)
    world.service.observed("c1", "ping", b"", now=0.0)
    assert world.events(Opened, WsIn) == [Opened(connection="c1"), WsIn(connection="c1", opcode="ping", data=b"")]
    assert world.service.effects() == []


ODD = {
    "nothing": b"",
    "garbage": bytes(range(256)),
    "truncated": encode(Confirm(token="t", id=7).to_frame())[:-3],
    "a message type of the service": encode(Frame(type=MessageType.CONNECTACK)),
    "an unknown message type": encode(Frame(type=4)),
    "an unknown kind": encode(Frame(type=MessageType.SEND, content=(byte("__kind", 9),))),
    "an id that is text": encode(Frame(type=MessageType.SEND, content=(byte("__kind", 2), string("id", "7")))),
    "a publish with a topic that is no text": encode(
        Frame(type=MessageType.SEND, content=(byte("__kind", 3), byte("topic", 1)))
    ),
}


@pytest.mark.parametrize("data", ODD.values(), ids=ODD)
def test_a_frame_that_makes_no_sense_is_traced_and_disturbs_nobody(world: World, data: bytes) -> None:
    world.connected("c1")
    world.connected("c2", TWO)
    world.sends()
    world.service.received("c1", data, now=0.0)
    assert world.service.effects() == []
    assert isinstance(world.recorder.entries[-1].event, FrameIn)
    world.produce(TWO)
    assert [name for name, _ in world.pushes()] == ["c2"]


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from(sorted(ODD.values())))))
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_the_service_raise(frames: list[bytes]) -> None:
    world = World()
    world.connected("c1")
    for data in frames:
        world.service.received("c1", data, now=0.0)
    world.produce()
    assert len(world.pushes()) == 1


def test_the_driver_is_told_about_a_connection_that_is_not_open(world: World) -> None:
    with pytest.raises(ValueError, match="connection 'c1' is not open; open are: none"):
        world.service.received("c1", b"", now=0.0)
    world.service.opened("c1", now=0.0)
    with pytest.raises(ValueError, match="'c1' is open already"):
        world.service.opened("c1", now=0.0)
    with pytest.raises(ValueError, match="connection 'c2' is not open; open are: c1"):
        world.service.closed("c2", now=0.0, by="client", code=None, reason="")


def test_the_state_of_an_unknown_id_is_an_error(world: World) -> None:
    with pytest.raises(ValueError, match="message 5 was never produced"):
        world.service.state(5)


def test_every_effect_is_handed_out_once(world: World) -> None:
    world.connected("c1")
    assert len(world.service.effects()) == 1
    assert world.service.effects() == []


def test_frames_in_the_trace_are_what_their_bytes_decode_to(world: World) -> None:
    world.connected("c1")
    world.service.produce(app_key="1", topic="", content="", now=0.0)
    frames = [event for event in world.events(FrameIn, FrameOut) if isinstance(event, FrameIn | FrameOut)]
    assert len(frames) == 3
    assert all(event.frame == decode(event.data) for event in frames)


def test_the_same_inputs_give_the_same_effects_and_the_same_trace() -> None:
    def run(seed: int) -> tuple[list[Effect], Recorder]:
        world = World(seed)
        for name in ("c1", "c2", "c3"):
            world.connected(name)
        for _ in range(20):
            world.confirm("c1", world.produce())
            world.produce()
        world.at(400.0)
        return world.service.effects(), world.recorder

    first, second, third = run(1), run(1), run(2)
    assert first[0] == second[0]
    assert first[1].entries == second[1].entries
    assert first[0] != third[0]


def test_a_long_backlog_is_no_burden(world: World) -> None:
    # A second, because nothing looks through the backlog: a scan for each confirm would take minutes.
    ids = [world.produce() for _ in range(20_000)]
    for message in ids[::2]:
        world.service.confirm(message, app_key="1", group="default", now=1.0, via="http")
    assert world.service.unsettled("1") == 10_000
    assert world.service.deadline() == 10_000.0
    world.at(10_000.0)
    assert world.service.unsettled("1") == 0
