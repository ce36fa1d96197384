"""The service delivers messages: to whom, what a push looks like, and what it makes of the answers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmcfakes.service import App, Effect, Send, Service
from tmcspec.delivery import State
from tmcspec.events import (
    Closed,
    Confirmed,
    Event,
    Expired,
    Failed,
    FrameIn,
    FrameOut,
    Id,
    Opened,
    Produced,
    Pushed,
    UnknownConfirm,
    WsIn,
)
from tmcspec.frame import Field, Frame, MessageType, byte, decode, encode, int16, int32, int64, string, void
from tmcspec.messages import Confirm, Connect, Fail, Publish, PullRequest, Push, SendAck, from_service, gzipped
from tmcspec.signing import sign_connect
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

ONE = App(key="1", secret="one", groups=frozenset({"default", "shop"}))
TWO = App(key="2", secret="two")
EPOCH_MS = 1_700_000_000_000


class World:
    """A service, and clients on it. `now` is the time of whatever happens next."""

    def __init__(self, seed: int = 1) -> None:
        self.recorder = Recorder()
        self.service = Service(
            apps=[ONE, TWO],
            recorder=self.recorder,
            rng=random.Random(seed),
            timing=Timing(retention=10_000.0),
            epoch_ms=EPOCH_MS,
        )
        self.now = 0.0

    def connected(self, name: str, app: App = ONE, group: str = "default") -> str:
        self.service.opened(name, now=self.now)
        sign = sign_connect(app_key=app.key, group=group, timestamp="1", secret=app.secret)
        self.say(name, Connect(app_key=app.key, group=group, timestamp="1", sign=sign, flag=1).to_frame())
        return name

    def say(self, name: str, frame: Frame) -> None:
        self.service.received(name, encode(frame), now=self.now)

    def produce(self, app: App = ONE, group: str = "default", *, topic: str = "t", id: int | None = None) -> int:
        return self.service.produce(app_key=app.key, topic=topic, content="{}", group=group, now=self.now, id=id)

    def confirm(self, name: str, message: int | None) -> None:
        self.say(name, Confirm(token=None, id=message).to_frame())

    def fail(self, name: str, message: int | None) -> None:
        self.say(name, Fail(token=None, id=message, reason="no").to_frame())

    def at(self, now: float) -> None:
        self.now = now
        self.service.tick(now=now)

    def pushes(self) -> list[tuple[str, Push]]:
        """The pushes since last asked, and on which connection."""
        read = [(effect.connection, from_service(decode(effect.data))) for effect in self.sends()]
        return [(connection, message) for connection, message in read if isinstance(message, Push)]

    def sends(self) -> list[Send]:
        return [effect for effect in self.service.effects() if isinstance(effect, Send)]

    def events(self, *kinds: type[Event]) -> list[Event]:
        return [entry.event for entry in self.recorder.entries if isinstance(entry.event, kinds)]


@pytest.fixture
def world() -> World:
    return World()


# The push


def test_a_push_carries_the_fields_of_the_captured_ones_in_their_order(world: World) -> None:
    world.connected("c1")
    world.now = 2.5
    (ack,) = world.sends()
    message = world.service.produce(
        app_key="1",
        topic="taobao_trade_TradeCreate",
        content='{"tid":7}',
        now=2.5,
        user_id=2**60,
        nick="店铺",
        data_id=7,
    )
    (push,) = world.sends()
    frame = decode(push.data, strict=True)
    assert (frame.type, frame.flag, frame.token) == (MessageType.SEND, 0, decode(ack.data).token)
    assert [(key, value) for key, _, value in frame.content or ()] == [
        ("topic", "taobao_trade_TradeCreate"),
        ("userid", 2**60),
        ("__kind", 3),
        ("publisher", "12497914"),
        ("retried", 0),
        ("content", '{"tid":7}'),
        ("id", message),
        ("data_id", 7),
        ("time", EPOCH_MS + 2500),
        ("nick", "店铺"),
        ("dataid", 7),
        ("born_time", EPOCH_MS + 2500),
        ("outtime", EPOCH_MS + 2500),
    ]


def test_ids_rise_in_small_steps_above_what_a_double_can_hold(world: World) -> None:
    ids = [world.produce() for _ in range(50)]
    assert all(0 < after - before <= 16 for before, after in pairwise(ids))
    assert all(2**60 < each < 2**63 for each in ids)


def test_an_id_that_was_taken_by_hand_is_passed_over(world: World) -> None:
    first = world.produce()
    for taken in range(first + 1, first + 17):
        world.produce(id=taken)
    assert world.produce() > first + 16


def test_produced_tells_the_text_and_whose_message_it_is(world: World) -> None:
    message = world.service.produce(app_key="1", topic="t", content="text", user_id=5, now=0.0)
    assert world.events(Produced) == [
        Produced(message=Id(message), app_key="1", group="default", topic="t", user_id=Id(5), content="text")
    ]


def test_a_message_with_wire_goes_out_as_those_bytes_each_time(world: World) -> None:
    world.connected("c1")
    world.sends()
    seen: list[Push] = []

    def wire(push: Push) -> bytes:
        seen.append(push)
        return encode(replace(push, content=gzipped("long")).to_frame())

    world.service.produce(app_key="1", topic="t", content="long", now=0.0, wire=wire, fragments=3)
    world.at(360.0)
    pushes = world.sends()
    assert [effect.fragments for effect in pushes] == [3, 3]
    assert [push.retried for push in seen] == [0, 1]
    (again,) = [from_service(decode(pushes[1].data))]
    assert isinstance(again, Push)
    assert again.text() == "long"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"app_key": "3"}, "unknown app '3'; known: 1, 2"),
        ({"group": "x"}, "app '1' has no group 'x'; its groups: default, shop"),
        ({"id": 2**63}, "9223372036854775808 is not a signed 64-bit integer"),
        ({"id": 7}, "message 7 was produced before"),
        ({"user_id": 2**63}, "'userid'"),
        ({"content": "\ud800"}, "'content'"),
        ({"fragments": 0}, "fragments must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_produced_is_an_error_and_leaves_nothing_behind(
    world: World, wrong: dict[str, object], complaint: str
) -> None:
    world.produce(id=7)
    right: dict[str, object] = {"app_key": "1", "topic": "t", "content": "{}", "now": 0.0}
    with pytest.raises(ValueError, match=complaint):
        world.service.produce(**{**right, **wrong})  # type: ignore[arg-type]
    assert world.service.unsettled("1") == 1
    assert len(world.events(Produced)) == 1


def test_nothing_is_produced_for_an_app_without_a_subscription() -> None:
    app = App(key="3", secret="three", subscribed=False)
    service = Service(apps=[app], recorder=Recorder(), rng=random.Random(1))
    with pytest.raises(ValueError, match="app '3' has subscribed to nothing"):
        service.produce(app_key="3", topic="t", content=None, now=0.0)


# Routing


def test_a_message_without_a_connection_waits_and_goes_out_oldest_first(world: World) -> None:
    ids = [world.produce() for _ in range(3)]
    assert world.service.effects() == []
    assert world.service.state(ids[0]) is State.WAITING
    world.connected("c1")
    assert [push.id for _, push in world.pushes()] == ids


def test_the_answer_to_connect_precedes_the_pushes(world: World) -> None:
    world.produce()
    world.connected("c1")
    kinds = [decode(effect.data).type for effect in world.sends()]
    assert kinds == [MessageType.CONNECTACK, MessageType.SEND]


def test_a_message_goes_only_to_its_own_app_and_group(world: World) -> None:
    world.connected("other app", TWO)
    world.connected("other group", ONE, "shop")
    message = world.produce()
    assert world.pushes() == []
    world.connected("right")
    assert [(name, push.id) for name, push in world.pushes()] == [("right", message)]


def test_each_message_goes_to_one_connection_chosen_uniformly(world: World) -> None:
    names = [world.connected(f"c{number}") for number in range(4)]
    for _ in range(4000):
        world.produce()
    counts = Counter(name for name, _ in world.pushes())
    assert set(counts) == set(names)
    assert sum(counts.values()) == 4000
    # 1000 expected; the standard deviation is 27.
    assert all(880 < count < 1120 for count in counts.values())


def test_a_closed_connection_gets_nothing_more(world: World) -> None:
    world.connected("c1")
    world.service.closed("c1", now=0.0, by="client", code=1000, reason="bye")
    world.produce()
    assert world.pushes() == []
    assert world.service.connections("1") == ()
    assert world.events(Closed) == [Closed(connection="c1", by="client", code=1000, reason="bye")]


def test_what_was_pushed_on_a_lost_connection_comes_six_minutes_after_its_push_on_another(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.now = 10.0
    world.service.closed("c1", now=10.0, by="client", code=None, reason="")
    world.connected("c2")
    world.pushes()
    world.at(359.0)
    assert world.pushes() == []
    world.at(360.0)
    assert [(name, push.id) for name, push in world.pushes()] == [("c2", message)]


# Confirm and fail


def test_a_confirmed_message_never_comes_again(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.confirm("c1", message)
    assert world.service.state(message) is State.CONFIRMED
    assert world.service.unsettled("1") == 0
    assert world.service.deadline() is None
    world.pushes()
    world.at(9999.0)
    assert world.pushes() == []
    assert world.events(Confirmed) == [Confirmed(message=Id(message), via="ws", connection="c1")]


def test_an_unconfirmed_message_comes_again_with_its_attempt_showing(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.at(360.0)
    world.at(720.0)
    shown = [(push.id, push.retried, push.time, push.out_time) for _, push in world.pushes()]
    assert shown == [
        (message, 0, EPOCH_MS, EPOCH_MS),
        (message, 1, EPOCH_MS, EPOCH_MS + 360_000),
        (message, 2, EPOCH_MS, EPOCH_MS + 720_000),
    ]
    assert [event.attempt for event in world.events(Pushed) if isinstance(event, Pushed)] == [1, 2, 3]


def test_a_failed_message_comes_again_six_minutes_after_the_failed(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.now = 100.0
    world.fail("c1", message)
    world.pushes()
    assert world.service.state(message) is State.FAILED
    assert world.events(Failed) == [Failed(message=Id(message), reason="no", connection="c1")]
    world.at(459.0)
    assert world.pushes() == []
    world.at(460.0)
    assert [push.id for _, push in world.pushes()] == [message]


def test_a_second_failed_is_not_recorded_and_does_not_postpone_the_message(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.fail("c1", message)
    world.now = 300.0
    world.fail("c1", message)
    assert len(world.events(Failed)) == 1
    assert world.events(UnknownConfirm) == []
    assert world.service.deadline() == 360.0


def test_a_late_confirm_settles(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.at(100.0)
    assert world.service.state(message) is State.OVERDUE
    world.confirm("c1", message)
    assert world.service.state(message) is State.CONFIRMED


def test_a_confirm_after_a_failed_settles(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.fail("c1", message)
    world.confirm("c1", message)
    assert world.service.state(message) is State.CONFIRMED


def test_a_confirm_by_http_settles_a_message_that_waits_to_be_pushed_again(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.service.closed("c1", now=0.0, by="client", code=1000, reason="")
    world.at(400.0)
    assert world.service.state(message) is State.WAITING
    assert world.service.confirm(message, app_key="1", group="default", now=400.0, via="http")
    world.connected("c2")
    world.at(9999.0)
    assert [push.id for _, push in world.pushes()] == [message]
    assert world.events(Confirmed) == [Confirmed(message=Id(message), via="http", connection=None)]


def test_a_failed_by_http_makes_a_waiting_message_wait_six_minutes_more(world: World) -> None:
    message = world.produce()
    assert world.service.fail(message, app_key="1", group="default", now=0.0, via="http")
    world.at(360.0)
    world.connected("c1")
    assert [push.id for _, push in world.pushes()] == [message]
    assert not world.service.fail(5, app_key="1", group="default", now=360.0, via="http")


@pytest.mark.parametrize(
    ("number", "field"),
    [(5, byte("id", 5)), (-5, int16("id", -5)), (70_000, int32("id", 70_000)), (2**62, int64("id", 2**62))],
)
def test_ids_are_understood_in_every_integer_width(world: World, number: int, field: Field) -> None:
    world.connected("c1")
    world.produce(id=number)
    world.say("c1", Frame(type=MessageType.SEND, content=(field, byte("__kind", 2))))
    assert world.service.state(number) is State.CONFIRMED


def test_a_failed_may_come_on_a_sendack(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.say("c1", replace(Fail(token=None, id=message).to_frame(), type=MessageType.SENDACK))
    assert world.service.state(message) is State.FAILED


def test_a_confirm_on_a_sendack_is_no_confirm(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.say("c1", replace(Confirm(token=None, id=message).to_frame(), type=MessageType.SENDACK))
    assert world.service.state(message) is State.PUSHED


def test_an_error_sendack_to_a_push_is_tolerated(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.say("c1", SendAck(token="t", status_phrase="java.lang.ClassCastException").to_frame())
    assert world.service.state(message) is State.PUSHED


def unknown(world: World) -> list[int | None]:
    return [event.id for event in world.events(UnknownConfirm) if isinstance(event, UnknownConfirm)]


@pytest.mark.parametrize("settled", [True, False])
def test_a_confirm_of_what_is_not_unsettled_is_unknown(world: World, settled: bool) -> None:
    world.connected("c1")
    message = world.produce()
    if settled:
        world.confirm("c1", message)
    else:
        world.at(10_000.0)
    world.confirm("c1", message)
    world.fail("c1", message)
    world.confirm("c1", message + 1)
    assert unknown(world) == [message, message, message + 1]


def test_a_confirm_without_an_id_is_unknown(world: World) -> None:
    world.connected("c1")
    world.confirm("c1", None)
    world.say("c1", Frame(type=MessageType.SEND, content=(byte("__kind", 2),)))
    assert unknown(world) == [None, None]


def test_a_confirm_from_another_app_or_group_is_unknown(world: World) -> None:
    world.connected("right")
    message = world.produce()
    world.confirm(world.connected("other app", TWO), message)
    world.fail(world.connected("other group", ONE, "shop"), message)
    assert unknown(world) == [message, message]
    assert world.service.state(message) is State.PUSHED


def test_a_confirm_without_an_accepted_connection_is_unknown(world: World) -> None:
    message = world.produce()
    world.service.opened("c1", now=0.0)
    world.confirm("c1", message)
    assert world.events(UnknownConfirm) == [UnknownConfirm(id=Id(message), via="ws", connection="c1")]


def test_a_confirm_settles_on_any_connection_of_the_group(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.confirm(world.connected("c2"), message)
    assert world.service.state(message) is State.CONFIRMED


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
    "a publish without topic": encode(Frame(type=MessageType.SEND, content=(byte("__kind", 3), void("topic")))),
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
