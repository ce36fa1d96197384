"""The client's protocol, without sockets: what it sends, when, and what it makes of what it gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tmcspec.client.connection import TRANSITIONS, Accepted, Deliver, Event, GivenUp, Input, Odd, Ping, Refused, State
from tmcspec.client.core import SDK, Core
from tmcspec.client.message import OK, Message, Outcome, Stats
from tmcspec.frame import Field, Frame, MessageType, ValueType, byte, decode, encode, int64, string
from tmcspec.messages import (
    ClientMessage,
    Confirm,
    Connect,
    ConnectAck,
    Fail,
    PullRequest,
    Push,
    SendAck,
    from_client,
    gzipped,
)
from tmcspec.signing import sign_connect

FAILED = Outcome(kind="fail", reason="no stock")


def new_core(**options: Any) -> Core:
    return Core(app_key="1023", app_secret="secret", **options)


def online(core: Core | None = None, *, now: float = 0.0, token: str = "t1") -> Core:
    """A core whose connection is accepted, and which has nothing more to send."""
    core = core or new_core()
    core.opened(now=now, wall=1_795_447_615.402)
    connect = sent(core, now)[0]
    assert isinstance(connect, Connect)
    assert receive(core, ConnectAck(token=token, flag=connect.flag), now) == [Accepted()]
    assert sent(core, now) == [PullRequest(token=token)]
    return core


def receive(core: Core, message: ConnectAck | Push | SendAck, now: float = 0.0) -> list[Event]:
    return core.received(encode(message.to_frame()), now=now)


def push(message_id: int | None = 7, **fields: Any) -> Push:
    return Push(**{"token": "t1", "id": message_id, "topic": "taobao_trade_TradeCreate", "content": "{}"} | fields)


def sent(core: Core, now: float = 0.0) -> list[ClientMessage | Ping]:
    """Everything there is to send, read strictly: what the client writes is written well."""
    items: list[ClientMessage | Ping] = []
    while (item := core.take(now=now)) is not None:
        items.append(item if isinstance(item, Ping) else from_client(decode(item, strict=True)))
    return items


def delivered(events: list[Event]) -> Message:
    (event,) = events
    assert isinstance(event, Deliver)
    return event.message


def odd(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, Odd)
    return event.reason


# CONNECT


def test_connect_is_the_first_frame_and_is_signed_over_what_it_carries() -> None:
    core = new_core(group="vip")
    core.opened(now=5.0, wall=1_795_447_615.4029, intranet_ip="10.1.2.3")
    (connect,) = sent(core)
    assert connect == Connect(
        app_key="1023",
        group="vip",
        timestamp="1795447615402",
        sign=sign_connect(app_key="1023", group="vip", timestamp="1795447615402", secret="secret"),
        flag=1,
        extras=(string("sdk", SDK), string("intranet_ip", "10.1.2.3")),
    )
    assert SDK.startswith("tmcspec-python/")


def test_connect_of_the_published_vector() -> None:
    core = new_core()
    core.opened(now=0.0, wall=1_795_447_615.402)
    (connect,) = sent(core)
    assert isinstance(connect, Connect)
    assert connect.sign == "0B2B9D0163A30084311EB514ECECF284"


def test_nothing_is_sent_between_connect_and_connectack() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    core.tick(now=29.9)
    assert sent(core) == []


def test_each_connection_has_a_flag_of_its_own_and_a_fresh_sign() -> None:
    core = new_core()
    connects = []
    for number in range(3):
        core.opened(now=float(number), wall=1000.0 + number)
        connects += sent(core)
        core.lost()
    assert [c.flag for c in connects if isinstance(c, Connect)] == [1, 2, 3]
    assert len({c.sign for c in connects if isinstance(c, Connect)}) == 3
    assert [c.timestamp for c in connects if isinstance(c, Connect)] == ["1000000", "1001000", "1002000"]


def test_the_flag_stays_a_positive_int32() -> None:
    core = new_core()
    core._flag = 2**31 - 1
    core.opened(now=0.0, wall=0.0)
    (connect,) = sent(core)
    assert isinstance(connect, Connect)
    assert connect.flag == 1


# CONNECTACK


def test_a_connectack_with_a_token_brings_the_client_online_and_a_pull_goes_out() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    assert receive(core, ConnectAck(token="t9", flag=1)) == [Accepted()]
    assert core.state is State.ONLINE
    assert sent(core) == [PullRequest(token="t9")]


@pytest.mark.parametrize("flag", [0, 2])
def test_a_connectack_with_another_flag_or_none_is_not_ours(flag: int) -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    assert f"a CONNECTACK with flag {flag} while connecting" in odd(receive(core, ConnectAck(token="t", flag=flag)))
    assert core.state is State.CONNECTING
    assert receive(core, ConnectAck(token="t", flag=1)) == [Accepted()]


@pytest.mark.parametrize(("code", "phrase"), [(41, "no such group"), (41, None), (0, "sign error")])
def test_a_code_or_a_phrase_is_a_refusal_and_the_connection_is_not_used(code: int, phrase: str | None) -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    # Even with a token.
    ack = ConnectAck(token="t", flag=1, status_code=code, status_phrase=phrase)
    assert receive(core, ack) == [Refused(code=code, phrase=phrase)]
    assert core.tick(now=1000.0) == []
    assert core.deadline() is None
    assert sent(core, 1000.0) == []


def test_a_connectack_without_a_token_is_not_success() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    (event,) = receive(core, ConnectAck(flag=1))
    assert event == GivenUp(reason="the CONNECTACK has neither a token nor an error")
    assert core.state is State.OVER


def test_a_connectack_that_does_not_come_is_given_up() -> None:
    core = new_core()
    core.opened(now=100.0, wall=0.0)
    assert core.deadline() == 110.0
    assert core.tick(now=109.9) == []
    assert core.tick(now=110.0) == [GivenUp(reason="no CONNECTACK within 10 s")]
    assert sent(core, 110.0) == []


def test_a_second_connectack_changes_nothing() -> None:
    core = online()
    assert "a CONNECTACK with flag 1 while online" in odd(receive(core, ConnectAck(token="other", flag=1)))
    receive(core, push(7))
    core.handled(7, OK)
    assert sent(core) == [Confirm(token="t1", id=7)]


# Messages


def test_a_push_is_delivered_with_all_its_fields() -> None:
    core = online()
    events = receive(
        core,
        push(
            2**62 + 1,
            content='{"tid":1}',
            user_id=2**53 + 1,
            nick="商家测试😀",
            publisher="12497914",
            data_id=-5,
            time=1_795_447_615_402,
            out_time=1_795_447_615_999,
            retried=3,
            extras=(string("notify", "?"), int64("later", 1)),
        ),
    )
    assert delivered(events) == Message(
        id=2**62 + 1,
        topic="taobao_trade_TradeCreate",
        content='{"tid":1}',
        user_id=2**53 + 1,
        nick="商家测试😀",
        publisher="12497914",
        data_id=-5,
        time=1_795_447_615_402,
        out_time=1_795_447_615_999,
        retried=3,
    )


def test_a_push_with_little_in_it_is_delivered() -> None:
    assert delivered(receive(online(), push(7, topic=None, content=None))) == Message(id=7, topic="")


@pytest.mark.parametrize("field", [("content", ValueType.VOID, None), string("content", "")])
def test_void_and_empty_content_are_delivered_and_confirmed(field: Field) -> None:
    core = online()
    frame = Frame(type=MessageType.SEND, token="t1", content=(byte("__kind", 3), int64("id", 7), field))
    assert delivered(core.received(encode(frame), now=0.0)).content is None
    core.handled(7, OK)
    assert sent(core) == [Confirm(token="t1", id=7)]


def test_gzip_content_is_delivered_as_text() -> None:
    assert delivered(receive(online(), push(7, content=gzipped("中文😀")))).content == "中文😀"


@pytest.mark.parametrize("content", [b"no gzip", gzipped("x")[:-3], b""])
def test_content_that_cannot_be_unpacked_is_reported_as_failed(content: bytes) -> None:
    core = online()
    reason = odd(receive(core, push(7, content=content)))
    assert reason.startswith(("message 7: content of ", "message 7: content is "))
    (fail,) = sent(core)
    assert isinstance(fail, Fail)
    assert fail.id == 7
    assert fail.reason
    assert fail.reason in reason
    assert core.stats == Stats(received=1, failed=1)


@pytest.mark.parametrize("message_id", [1, -5, 200, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)])
def test_the_confirm_has_the_exact_id_as_an_int64(message_id: int) -> None:
    core = online()
    receive(core, push(message_id))
    core.handled(message_id, OK)
    data = core.take(now=0.0)
    assert isinstance(data, bytes)
    assert decode(data).content == (("__kind", ValueType.BYTE, 2), ("id", ValueType.INT64, message_id))


def test_nothing_is_confirmed_before_the_handler_is_done() -> None:
    core = online()
    receive(core, push(7))
    core.tick(now=10.0)
    assert sent(core, 10.0) == []
    core.handled(7, OK)
    assert sent(core, 10.0) == [Confirm(token="t1", id=7)]


def test_a_failure_is_a_send_of_kind_20_and_no_confirm() -> None:
    core = online()
    receive(core, push(7))
    core.handled(7, FAILED)
    data = core.take(now=0.0)
    assert isinstance(data, bytes)
    assert decode(data) == Frame(
        type=MessageType.SEND, token="t1", content=(byte("__kind", 20), int64("id", 7), string("msg", "no stock"))
    )
    assert sent(core) == []


@pytest.mark.parametrize(
    ("reason", "on_the_wire"),
    [
        ("", None),
        ("x" * 200, "x" * 128),
        ("😀" * 200, "😀" * 128),
        ("库存\ud83d不足", "库存?不足"),
        ("a\x00b", "a\x00b"),
    ],
)
def test_a_reason_is_cut_to_128_characters_and_is_always_utf8(reason: str, on_the_wire: str | None) -> None:
    core = online()
    receive(core, push(7))
    core.handled(7, Outcome(kind="raise", reason=reason))
    assert sent(core) == [Fail(token="t1", id=7, reason=on_the_wire)]


def test_one_delivery_has_one_answer() -> None:
    core = online()
    receive(core, push(7))
    core.handled(7, FAILED)
    core.handled(7, OK)
    assert sent(core) == [Fail(token="t1", id=7, reason="no stock")]
    core.handled(7, OK)
    core.handled(8, OK)
    assert sent(core) == []


def test_a_second_delivery_of_a_message_in_hand_is_dropped() -> None:
    core = online()
    receive(core, push(7))
    assert receive(core, push(7, retried=1)) == []
    core.handled(7, OK)
    assert receive(core, push(7, retried=2)) == []
    assert sent(core) == [Confirm(token="t1", id=7)]
    assert core.stats == Stats(received=1, confirmed=1)


def test_a_redelivery_after_the_answer_is_handled_and_answered_again() -> None:
    core = online()
    for _ in range(2):
        delivered(receive(core, push(7)))
        core.handled(7, OK)
        assert sent(core) == [Confirm(token="t1", id=7)]


def test_an_outcome_of_an_old_connection_is_answered_on_the_new_one_with_the_new_token() -> None:
    core = online()
    receive(core, push(7))
    receive(core, push(8))
    core.handled(7, OK)
    core.lost()
    core.handled(8, FAILED)
    assert sent(core) == []
    assert core.unsent == 2
    core.opened(now=1.0, wall=1.0)
    (connect,) = sent(core)
    assert isinstance(connect, Connect)
    receive(core, ConnectAck(token="t2", flag=connect.flag))
    assert sent(core) == [
        PullRequest(token="t2"),
        Confirm(token="t2", id=7),
        Fail(token="t2", id=8, reason="no stock"),
    ]


# What cannot be used


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "FrameError"),
        (b"\x02", "FrameError"),
        (b"\xff" * 40, "FrameError"),
        (encode(push().to_frame())[:-9], "FrameError"),
        (b"\x02\x04\x00\x00", "MessageError: the service does not send message type 4"),
        (encode(Connect(app_key="", group="", timestamp="", sign="").to_frame()), "MessageError"),
        (encode(Frame(type=MessageType.SEND, content=(string("id", "7"),))), "MessageError: id is '7'"),
        (encode(push(None).to_frame()), "a push without id, topic 'taobao_trade_TradeCreate'"),
        (encode(SendAck(flag=3, status_code=1).to_frame()), "a SENDACK that nothing asked for: flag 3, code 1"),
        (
            encode(Frame(type=MessageType.SEND, status_code=5, content=(int64("id", 7),))),
            "a push with an error: code 5",
        ),
        (encode(Frame(type=MessageType.SEND, status_phrase="no")), "a push with an error: code 0, phrase 'no'"),
    ],
)
def test_a_frame_that_cannot_be_used_is_counted_and_left_alone(data: bytes, reason: str) -> None:
    core = online()
    assert odd(core.received(data, now=0.0)).startswith(reason)
    assert core.stats.bad_frames == 1
    assert core.state is State.ONLINE
    assert sent(core) == []
    assert delivered(receive(core, push(8))).id == 8


def test_text_is_counted_and_left_alone() -> None:
    core = online()
    assert odd(core.text_received(5, now=60.0)) == "a text message of 5 bytes; binary messages are expected"
    assert core.stats.bad_frames == 1
    assert core.deadline() == 15.0  # the next pull, as before


def test_a_push_before_the_connectack_is_neither_handled_nor_confirmed() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    assert odd(receive(core, push(7))) == "a push while connecting; it is left unconfirmed"
    receive(core, ConnectAck(token="t1", flag=1))
    assert sent(core) == [PullRequest(token="t1")]
    assert delivered(receive(core, push(7))).id == 7


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"\x02\x02" + tail))
def test_no_bytes_whatever_are_an_exception_or_an_answer(data: bytes) -> None:
    core = online()
    events = core.received(data, now=0.0)
    if not any(isinstance(event, Deliver) for event in events):
        assert all(isinstance(item, Fail) for item in sent(core))


# Time


def test_a_pull_goes_out_every_fifteen_seconds() -> None:
    core = online(now=100.0)
    assert core.deadline() == 115.0
    assert core.tick(now=114.9) == []
    assert sent(core, 114.9) == []
    core.tick(now=115.0)
    core.tick(now=115.0)
    assert sent(core, 115.0) == [PullRequest(token="t1")]
    assert core.deadline() == 130.0


def test_a_ping_goes_out_after_forty_five_seconds_without_traffic() -> None:
    core = online(new_core(pull_interval=1000.0, silence_limit=None))
    assert core.deadline() == 45.0
    core.heard(now=20.0)
    core.tick(now=45.0)
    assert sent(core, 45.0) == []
    assert core.deadline() == 65.0
    core.tick(now=65.0)
    core.tick(now=65.0)
    assert sent(core, 65.0) == [Ping()]
    assert core.deadline() == 110.0


def test_a_connection_silent_for_ninety_seconds_is_given_up() -> None:
    core = online(new_core(pull_interval=1000.0, heartbeat_interval=1000.0))
    core.heard(now=10.0)
    assert core.deadline() == 100.0
    assert core.tick(now=99.9) == []
    assert core.tick(now=100.0) == [GivenUp(reason="nothing was heard for 90 s")]
    assert core.state is State.OVER


def test_silence_may_be_allowed_for_ever() -> None:
    core = online(new_core(silence_limit=None, pull_interval=1e6, heartbeat_interval=1e6))
    assert core.tick(now=1e5) == []
    assert core.state is State.ONLINE


def test_a_client_that_does_not_listen_does_not_take_that_for_silence() -> None:
    core = online(new_core(capacity=1, pull_interval=1e6, heartbeat_interval=1e6))
    receive(core, push(7))
    assert core.full
    assert core.deadline() == 1e6
    assert core.tick(now=500.0) == []
    core.handled(7, OK)
    assert sent(core, 500.0) == [Confirm(token="t1", id=7)]
    assert core.deadline() == 590.0
    assert core.tick(now=589.0) == []


class ClientMachine(RuleBasedStateMachine):
    """Connections come and go, messages come and are handled in any order: each delivery has exactly one answer."""

    ids = st.integers(1, 4)

    def __init__(self) -> None:
        super().__init__()
        self.core = new_core()
        self.clock = 0.0
        self.connections = 0
        self.open: set[int] = set()
        self.owed: dict[int, Outcome] = {}

    @precondition(lambda self: self.core.state is State.OFFLINE)
    @rule()
    def connect(self) -> None:
        self.connections += 1
        self.core.opened(now=self.clock, wall=0.0)
        assert [type(item) for item in sent(self.core, self.clock)] == [Connect]
        assert receive(self.core, ConnectAck(token=f"t{self.connections}", flag=self.connections)) == [Accepted()]

    @precondition(lambda self: self.core.state is not State.OFFLINE)
    @rule()
    def lose(self) -> None:
        self.core.lost()

    @precondition(lambda self: self.core.state is State.ONLINE)
    @rule(message_id=ids)
    def push(self, message_id: int) -> None:
        events = receive(self.core, push(message_id), self.clock)
        if message_id in self.open or message_id in self.owed:
            assert events == []
        else:
            assert delivered(events).id == message_id
            self.open.add(message_id)

    @rule(message_id=ids, outcome=st.sampled_from([OK, FAILED]))
    def handle(self, message_id: int, outcome: Outcome) -> None:
        self.core.handled(message_id, outcome)
        if message_id in self.open:
            self.open.discard(message_id)
            self.owed[message_id] = outcome

    @rule(seconds=st.floats(0.0, 100.0))
    def wait(self, seconds: float) -> None:
        self.clock += seconds
        self.core.tick(now=self.clock)

    @rule()
    def send(self) -> None:
        answers = [item for item in sent(self.core, self.clock) if isinstance(item, Confirm | Fail)]
        if self.core.state is State.ONLINE:
            token = f"t{self.connections}"
            assert answers == [
                Confirm(token=token, id=id_) if outcome is OK else Fail(token=token, id=id_, reason="no stock")
                for id_, outcome in self.owed.items()
            ]
            self.owed.clear()
        else:
            assert answers == []


ClientMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
test_in_any_order_of_events_each_delivery_has_exactly_one_answer = ClientMachine.TestCase


# Bounds, and the end


def test_the_client_is_full_while_so_many_messages_are_open_or_settled() -> None:
    core = online(new_core(capacity=2))
    receive(core, push(7))
    assert not core.full
    receive(core, push(8))
    assert core.full
    core.handled(7, OK)
    assert core.full
    sent(core)
    assert not core.full


def test_a_draining_client_takes_nothing_new_and_answers_what_it_has() -> None:
    core = online(new_core(capacity=1))
    receive(core, push(7))
    core.drain()
    assert not core.full
    assert receive(core, push(8)) == []
    core.tick(now=15.0)
    assert sent(core, 15.0) == []
    assert core.deadline() == 45.0
    core.handled(7, OK)
    assert sent(core, 15.0) == [Confirm(token="t1", id=7)]
    assert core.stats == Stats(received=1, confirmed=1)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Input)
def test_every_input_in_every_state_is_in_the_table_or_an_error(state: State, cause: Input) -> None:
    core = new_core()
    core._state = state
    if (state, cause) in TRANSITIONS:
        core._step(cause)
        assert core.state is TRANSITIONS[state, cause]
    else:
        with pytest.raises(RuntimeError, match=f"{cause.value} while {state.value}"):
            core._step(cause)


def test_nothing_is_left_to_send_when_a_connection_is_lost() -> None:
    core = online()
    core.tick(now=15.0)
    core.lost()
    assert core.deadline() is None
    assert core.tick(now=100.0) == []
    assert sent(core, 100.0) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"app_key": ""}, "app_key is empty"),
        ({"app_secret": ""}, "app_secret is empty"),
        ({"group": ""}, "group is empty"),
        ({"capacity": 0}, "capacity must be 1 message or more, not 0"),
        ({"pull_interval": 0}, "pull_interval must be more than 0 seconds, not 0"),
        ({"heartbeat_interval": -1}, "heartbeat_interval must be"),
        ({"connectack_timeout": 0}, "connectack_timeout must be"),
        ({"silence_limit": 0}, "silence_limit must be"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Core(**({"app_key": "1023", "app_secret": "secret"} | options))


def test_the_secret_does_not_show() -> None:
    assert "secret" not in repr(new_core())
