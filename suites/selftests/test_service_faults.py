"""What may be done to a client on purpose, and that each such thing is in the trace."""

from __future__ import annotations

import random

import pytest

from tmcfakes.service import Abort, App, Close, Send, Service
from tmcspec.delivery import State
from tmcspec.events import Accepted, Confirmed, Event, Fault, FrameIn, FrameOut, UnknownConfirm, WsOut
from tmcspec.frame import Frame, MessageType, encode
from tmcspec.messages import Confirm, Connect, Publish
from tmcspec.signing import sign_connect
from tmcspec.trace import Recorder

APP = App(key="1", secret="one")
SIGN = sign_connect(app_key="1", group="default", timestamp="1", secret="one")
CONNECT = encode(Connect(app_key="1", group="default", timestamp="1", sign=SIGN, flag=1).to_frame())


class World:
    """A service; connections `c1` and `c2` are accepted, `c3` is only open. What led to that is drained."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.service = Service(apps=[APP], recorder=self.recorder, rng=random.Random(1))
        for name in ("c1", "c2", "c3"):
            self.service.opened(name, now=0.0)
        for name in ("c1", "c2"):
            self.service.received(name, CONNECT, now=0.0)
        self.service.effects()
        self.recorder.entries.clear()

    def events(self, *kinds: type[Event]) -> list[Event]:
        return [entry.event for entry in self.recorder.entries if isinstance(entry.event, kinds)]

    def produce(self) -> int:
        return self.service.produce(app_key="1", topic="t", content="{}", now=0.0)

    def confirm(self, message: int | None, connection: str = "c1") -> None:
        self.service.received(connection, encode(Confirm(token=None, id=message).to_frame()), now=0.0)


@pytest.fixture
def world() -> World:
    return World()


def test_lost_confirms_arrive_in_the_trace_and_settle_nothing(world: World) -> None:
    messages = [world.produce() for _ in range(3)]
    world.service.lose_confirms(2)
    for message in messages:
        world.confirm(message)
    states = [world.service.state(message) for message in messages]
    assert states == [State.PUSHED, State.PUSHED, State.CONFIRMED]
    assert len(world.events(FrameIn)) == 3
    assert len(world.events(Confirmed)) == 1
    assert world.events(Fault) == [
        Fault(name="lose_confirm", target="c1", detail=f"id {message}") for message in messages[:2]
    ]


def test_a_lost_confirm_is_not_unknown_either(world: World) -> None:
    world.service.lose_confirms(1)
    world.confirm(None)
    assert world.events(UnknownConfirm) == []


def test_confirms_on_connections_that_were_never_accepted_are_not_counted_as_lost(world: World) -> None:
    message = world.produce()
    world.service.lose_confirms(1)
    world.confirm(message, "c3")
    world.confirm(message, "c1")
    assert world.service.state(message) is State.PUSHED


def test_a_negative_number_of_confirms_to_lose_is_an_error(world: World) -> None:
    with pytest.raises(ValueError, match="at least 0, not -1"):
        world.service.lose_confirms(-1)


def test_anything_can_be_sent_to_all_accepted_connections(world: World) -> None:
    data = encode(Frame(type=MessageType.SEND))
    world.service.inject(data, now=0.0, kind="empty_push", fragments=2)
    assert world.service.effects() == [
        Send(connection="c1", data=data, fragments=2),
        Send(connection="c2", data=data, fragments=2),
    ]
    assert [type(event) for event in world.events(Event)] == [Fault, FrameOut, Fault, FrameOut]


def test_bytes_that_are_no_frame_are_traced_without_one(world: World) -> None:
    world.service.inject(b"\x02", now=0.0, connection="c3", kind="truncated")
    assert world.events(Event) == [
        Fault(name="truncated", target="c3"),
        FrameOut(connection="c3", data=b"\x02"),
    ]


def test_other_opcodes_are_traced_as_websocket_traffic(world: World) -> None:
    world.service.inject(b"hello", now=0.0, connection="c1", opcode="ping", kind="ping")
    assert world.service.effects() == [Send(connection="c1", data=b"hello", opcode="ping")]
    assert world.events(WsOut) == [WsOut(connection="c1", opcode="ping", data=b"hello")]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"opcode": "close"}, "unknown opcode 'close'; valid: binary, text, ping, pong"),
        ({"fragments": 0}, "fragments must be at least 1, not 0"),
        ({"connection": "c9"}, "connection 'c9' is not open"),
    ],
)
def test_what_cannot_be_sent_is_an_error_and_not_traced(world: World, wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        world.service.inject(b"", now=0.0, kind="x", **wrong)  # type: ignore[arg-type]
    assert world.events(Event) == []


def test_a_disconnect_closes_one_connection_and_pushes_nothing_more_on_it(world: World) -> None:
    world.service.disconnect(now=0.0, connection="c1", code=1011, reason="reach max idle time")
    assert world.service.effects() == [Close(connection="c1", code=1011, reason="reach max idle time")]
    assert world.events(Event) == [Fault(name="disconnect", target="c1", detail="1011 reach max idle time")]
    assert world.service.connections("1") == ("c2",)


def test_all_connections_can_be_closed_at_once_those_that_are_closing_left_out(world: World) -> None:
    world.service.disconnect(now=0.0, connection="c2")
    world.service.disconnect(now=0.0)
    names = [effect.connection for effect in world.service.effects() if isinstance(effect, Close)]
    assert names == ["c2", "c1", "c3"]


def test_an_abort_breaks_the_transport(world: World) -> None:
    world.service.abort(now=0.0)
    assert world.service.effects() == [Abort(connection=name) for name in ("c1", "c2", "c3")]
    assert world.events(Fault) == [Fault(name="abort", target=name) for name in ("c1", "c2", "c3")]
    world.produce()
    assert world.service.effects() == []


def test_a_closing_connection_can_still_be_aborted_and_ends_once(world: World) -> None:
    world.service.disconnect(now=0.0, connection="c1")
    world.service.abort(now=0.0, connection="c1")
    world.service.closed("c1", now=0.0, by="service", code=None, reason="")
    with pytest.raises(ValueError, match="connection 'c1' is not open"):
        world.service.abort(now=0.0, connection="c1")


def test_on_a_closing_connection_confirms_count_and_questions_are_not_answered(world: World) -> None:
    message = world.produce()
    world.service.disconnect(now=0.0, connection="c1")
    world.service.effects()
    world.confirm(message, "c1")
    world.service.received("c1", encode(Publish(token="t", flag=3, topic="t", content="c").to_frame()), now=0.0)
    world.service.received("c1", CONNECT, now=0.0)
    assert world.service.state(message) is State.CONFIRMED
    assert world.service.effects() == []
    assert world.events(Accepted) == []


def test_nothing_is_injected_into_a_closing_connection_unless_it_is_named(world: World) -> None:
    world.service.disconnect(now=0.0, connection="c1")
    world.service.effects()
    world.service.inject(b"", now=0.0, kind="x")
    assert [effect.connection for effect in world.service.effects()] == ["c2"]


@pytest.mark.parametrize(("code", "reason"), [(999, ""), (1005, ""), (1006, ""), (5000, ""), (1000, "界" * 42)])
def test_a_close_that_cannot_be_sent_is_refused_and_changes_nothing(world: World, code: int, reason: str) -> None:
    with pytest.raises(ValueError, match="close"):
        world.service.disconnect(now=0.0, code=code, reason=reason)
    assert world.service.connections("1") == ("c1", "c2")
    assert world.service.effects() == []


def test_a_ping_that_cannot_be_sent_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="a ping carries at most 125 bytes, not 126"):
        world.service.inject(bytes(126), now=0.0, opcode="ping", kind="ping")
    assert world.events(Fault) == []
