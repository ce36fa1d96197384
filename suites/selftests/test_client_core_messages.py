"""The client's protocol, without sockets: messages and their answers, and frames that cannot be used."""

from __future__ import annotations

import pytest
from core_by_hand import FAILED, delivered, new_core, odd, online, push, receive, sent
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tmcspec.client.connection import Accepted, Deliver, State
from tmcspec.client.message import OK, Message, Outcome, Stats
from tmcspec.frame import Field, Frame, MessageType, ValueType, byte, decode, encode, int64, string
from tmcspec.messages import Confirm, Connect, ConnectAck, Fail, PullRequest, SendAck, gzipped

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


# In any order


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


LONG = "x" * 1_000_000


@pytest.mark.parametrize(
    "frame",
    [
        push(None, topic=LONG).to_frame(),
        SendAck(flag=3, status_code=1, status_phrase=LONG).to_frame(),
        Frame(type=MessageType.SEND, status_phrase=LONG),
        Frame(type=MessageType.SEND, content=(string("id", LONG),)),
        Frame(type=MessageType.SEND, content=(string(LONG, "x"), string("content", "x"), byte("topic", 1))),
    ],
)
def test_no_text_of_the_service_makes_a_long_line_in_the_log(frame: Frame) -> None:
    assert len(odd(online().received(encode(frame), now=0.0))) < 200


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
