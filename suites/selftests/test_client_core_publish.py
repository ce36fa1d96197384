"""The client's protocol, without sockets: publishes, and what comes of them."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from core_by_hand import delivered, new_core, odd, online, push, receive, sent
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tmcspec.client import PublishFailed, PublishRefused, PublishTimeout, Stats, TmcError
from tmcspec.client.connection import Accepted, Event, GivenUp, NotPublished, Odd, Published, State
from tmcspec.client.core import Core
from tmcspec.client.message import OK
from tmcspec.frame import Frame, MessageType, byte, decode, encode, string
from tmcspec.messages import Confirm, Connect, ConnectAck, Publish, SendAck

SESSION = "6100e23f0c1f2a7"


def publish(core: Core, content: str = "{}", **options: Any) -> int:
    return core.publish("t", content, **{"now": 0.0} | options)


def publishing(count: int = 1, **options: Any) -> tuple[Core, list[int]]:
    """A core that has sent so many publishes, and waits."""
    core = online()
    flags = [publish(core, **options) for _ in range(count)]
    assert len(sent(core)) == count
    return core, flags


def failure(events: list[Event], flag: int) -> TmcError:
    (event,) = events
    assert isinstance(event, NotPublished)
    assert event.flag == flag
    return event.error


# What is sent


def test_a_publish_is_a_send_of_kind_3_with_the_token_and_the_next_flag() -> None:
    core = online()
    assert core.publish("taobao_erp_Order", '{"tid":1}', now=0.0, session=SESSION) == 2
    data = core.take(now=0.0)
    assert isinstance(data, bytes)
    assert decode(data, strict=True) == Frame(
        type=MessageType.SEND,
        token="t1",
        flag=2,
        content=(
            byte("__kind", 3),
            string("topic", "taobao_erp_Order"),
            string("content", '{"tid":1}'),
            string("session", SESSION),
        ),
    )
    assert sent(core) == []


def test_connects_and_publishes_count_their_flags_together() -> None:
    core = online()
    assert [publish(core), publish(core)] == [2, 3]
    assert sent(core) == [Publish(token="t1", flag=flag, topic="t", content="{}") for flag in (2, 3)]
    core.lost()
    core.opened(now=1.0, wall=1.0)
    (connect,) = sent(core)
    assert isinstance(connect, Connect)
    assert connect.flag == 4
    assert receive(core, ConnectAck(token="t2", flag=4)) == [Accepted()]
    assert publish(core) == 5


def test_after_the_largest_flag_comes_the_smallest_that_is_not_pending() -> None:
    core = online()
    core._flag = 0
    assert [publish(core), publish(core)] == [1, 2]
    core._flag = 2**31 - 2
    assert [publish(core), publish(core)] == [2**31 - 1, 3]


@pytest.mark.parametrize(
    ("topic", "content"),
    [("t", "c"), ("t" * 256, "c"), ("主" * 256, "😀" * 122_880)],
)
def test_texts_of_any_allowed_length_are_sent_whole(topic: str, content: str) -> None:
    core = online()
    flag = core.publish(topic, content, now=0.0)
    assert sent(core) == [Publish(token="t1", flag=flag, topic=topic, content=content)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topic": ""}, "topic must have 1 to 256 characters, not 0: ''"),
        ({"topic": "t" * 257}, "topic must have 1 to 256 characters, not 257: 'ttt"),
        ({"topic": "\ud800"}, "text that UTF-8 can write"),
        ({"topic": None}, "topic must be text of 1 to 256 characters, not None"),
        ({"content": ""}, "content must have 1 to 122880 characters, not 0: ''"),
        ({"content": "c" * 122_881}, "content must have 1 to 122880 characters, not 122881: 'ccc"),
        ({"content": b"{}"}, "content must be text of 1 to 122880 characters, not b'{}'"),
        ({"content": "\udfff"}, "text that UTF-8 can write"),
        ({"session": ""}, "session must be text that UTF-8 can write, and not empty; or None"),
        ({"session": SESSION + "\ud800"}, "session must be text that UTF-8 can write"),
        ({"session": SESSION.encode()}, "session must be text"),
        ({"timeout": 0}, "timeout must be more than 0 seconds, not 0"),
        ({"timeout": float("nan")}, "timeout must be more than 0 seconds, not nan"),
    ],
)
def test_what_is_out_of_its_range_is_refused_and_not_sent(options: dict[str, Any], message: str) -> None:
    core = online()
    with pytest.raises(ValueError, match=message) as caught:
        core.publish(**{"topic": "t", "content": "{}", "now": 0.0} | options)
    assert len(str(caught.value)) < 250
    assert SESSION not in str(caught.value)
    assert core.publishing == 0
    assert sent(core) == []


# What answers it


def test_a_publish_succeeds_with_the_sendack_that_has_its_flag_and_not_before() -> None:
    core, (first, second) = publishing(2)
    assert core.tick(now=1.0) == []
    assert receive(core, SendAck(token="t1", flag=second)) == [Published(flag=second)]
    assert core.publishing == 1
    assert receive(core, SendAck(token="t1", flag=first)) == [Published(flag=first)]
    assert core.publishing == 0
    assert core.stats == Stats(published=2)


@pytest.mark.parametrize(("code", "phrase"), [(41, "no such topic"), (41, None), (0, "isv.invalid-topic")])
def test_a_sendack_with_a_code_or_a_phrase_is_a_refusal(code: int, phrase: str | None) -> None:
    core, (flag,) = publishing()
    error = failure(receive(core, SendAck(token="t1", flag=flag, status_code=code, status_phrase=phrase)), flag)
    assert isinstance(error, PublishRefused)
    assert (error.code, error.phrase) == (code, phrase)
    assert core.publishing == 0
    assert core.stats == Stats()


@pytest.mark.parametrize("token", [None, "another"])
def test_the_flag_of_a_sendack_decides_and_not_its_token(token: str | None) -> None:
    core, (flag,) = publishing()
    assert receive(core, SendAck(token=token, flag=flag)) == [Published(flag=flag)]


@pytest.mark.parametrize("flag", [0, 1, 3, -2])
def test_a_sendack_with_another_flag_answers_nothing(flag: int) -> None:
    core, (ours,) = publishing()
    assert odd(receive(core, SendAck(token="t1", flag=flag))).startswith("a SENDACK that nothing asked for: flag ")
    assert core.stats.bad_frames == 1
    assert receive(core, SendAck(token="t1", flag=ours)) == [Published(flag=ours)]


def test_a_second_sendack_answers_nothing() -> None:
    core, (flag,) = publishing()
    receive(core, SendAck(token="t1", flag=flag))
    assert "nothing asked for" in odd(receive(core, SendAck(token="t1", flag=flag, status_code=1)))
    assert core.stats == Stats(published=1, bad_frames=1)


def test_a_sendack_for_what_was_not_sent_yet_answers_nothing() -> None:
    core = online()
    flag = publish(core)
    assert "nothing asked for" in odd(receive(core, SendAck(token="t1", flag=flag)))
    assert len(sent(core)) == 1
    assert receive(core, SendAck(token="t1", flag=flag)) == [Published(flag=flag)]


def test_a_push_with_the_flag_of_a_publish_is_a_push() -> None:
    core, (flag,) = publishing()
    frame = push(7).to_frame()
    flagged = Frame(type=frame.type, token=frame.token, flag=flag, content=frame.content)
    assert delivered(core.received(encode(flagged), now=0.0)).id == 7
    core.handled(7, OK)
    assert sent(core) == [Confirm(token="t1", id=7)]
    assert core.publishing == 1
    assert receive(core, SendAck(token="t1", flag=flag)) == [Published(flag=flag)]


@pytest.mark.parametrize("error", [{}, {"status_code": 5}, {"status_phrase": "no"}])
@pytest.mark.parametrize("type_", [MessageType.SEND, MessageType.CONNECTACK, MessageType.CONNECT, 9])
def test_no_other_frame_with_the_flag_of_a_publish_answers_it(type_: int, error: dict[str, Any]) -> None:
    core, (flag,) = publishing()
    odd(core.received(encode(Frame(type=type_, token="t1", flag=flag, **error)), now=0.0))
    assert core.publishing == 1
    assert receive(core, SendAck(token="t1", flag=flag)) == [Published(flag=flag)]


# What does not


def test_silence_past_the_timeout_is_a_failure_of_which_nobody_knows_the_outcome() -> None:
    core, (flag,) = publishing()
    assert core.deadline() == 2.0
    assert core.tick(now=1.999) == []
    error = failure(core.tick(now=2.0), flag)
    assert isinstance(error, PublishTimeout)
    assert error.may_have_arrived
    assert core.publishing == 0
    assert core.deadline() == 15.0
    assert core.tick(now=2.0) == []


def test_each_publish_has_its_own_timeout() -> None:
    core = online()
    slow, quick = publish(core, timeout=30.0), publish(core, timeout=0.5)
    sent(core)
    assert core.deadline() == 0.5
    assert str(failure(core.tick(now=0.5), quick)).startswith("no SENDACK within 0.5 s; ")
    core.tick(now=15.0)
    assert core.deadline() == 30.0
    assert str(failure(core.tick(now=30.0), slow)).startswith("no SENDACK within 30 s; ")


def test_a_late_sendack_is_counted_and_answers_no_other_publish() -> None:
    core, (flag,) = publishing()
    core.tick(now=2.0)
    publish(core, now=2.0)
    sent(core, 2.0)
    assert "nothing asked for" in odd(receive(core, SendAck(token="t1", flag=flag), 2.1))
    assert core.publishing == 1
    assert core.stats == Stats(bad_frames=1)


def test_a_publish_that_could_not_be_sent_in_time_is_never_sent() -> None:
    core = online()
    flag = publish(core)
    error = failure(core.tick(now=2.0), flag)
    assert isinstance(error, PublishTimeout)
    assert not error.may_have_arrived
    assert str(error) == "the connection was stuck for 2 s; the message was not sent"
    assert sent(core, 2.0) == []


def test_a_lost_connection_ends_all_publishes_and_tells_which_may_have_arrived() -> None:
    core, (flag,) = publishing()
    waiting = publish(core)
    lost, unsent = core.lost()
    assert isinstance(error := failure([lost], flag), PublishFailed)
    assert error.may_have_arrived
    assert str(error).startswith(
        "the connection ended before the SENDACK came; the message may or may not have arrived"
    )
    assert isinstance(error := failure([unsent], waiting), PublishFailed)
    assert not error.may_have_arrived
    assert str(error) == "the connection ended; the message was not sent"
    assert core.publishing == 0
    assert core.tick(now=10.0) == []


def test_a_sendack_on_another_connection_answers_nothing() -> None:
    core, (flag,) = publishing()
    core.lost()
    core.opened(now=1.0, wall=1.0)
    sent(core, 1.0)
    assert "nothing asked for" in odd(receive(core, SendAck(token="t1", flag=flag), 1.0))
    receive(core, ConnectAck(token="t2", flag=flag + 1), 1.0)
    assert "nothing asked for" in odd(receive(core, SendAck(token="t2", flag=flag), 1.0))
    assert core.stats.published == 0


def test_nothing_is_sent_on_a_connection_that_was_given_up_and_its_publishes_end_with_it() -> None:
    core = online(new_core(pull_interval=1000.0, heartbeat_interval=1000.0))
    flag = publish(core, timeout=100.0)
    assert core.tick(now=90.0) == [GivenUp(reason="nothing was heard for 90 s")]
    assert sent(core, 90.0) == []
    assert core.tick(now=100.0) == []
    assert isinstance(failure(core.lost(), flag), PublishFailed)


def test_a_publish_that_is_forgotten_before_it_was_sent_is_never_sent() -> None:
    core = online()
    core.forget(publish(core))
    assert core.publishing == 0
    assert sent(core) == []
    assert core.tick(now=2.0) == []


def test_what_comes_for_a_forgotten_publish_is_ignored() -> None:
    core, (flag,) = publishing()
    core.forget(flag)
    core.forget(flag)
    assert core.publishing == 0
    assert "nothing asked for" in odd(receive(core, SendAck(token="t1", flag=flag)))
    assert core.lost() == []


# When it cannot be


@pytest.mark.parametrize("state", [State.OFFLINE, State.CONNECTING, State.OVER])
def test_a_client_that_is_not_online_cannot_publish(state: State) -> None:
    core = new_core()
    core._state = state
    with pytest.raises(
        PublishFailed, match=rf"^the client is {state.value}, not online; the message was not sent$"
    ) as e:
        publish(core)
    assert not e.value.may_have_arrived
    assert core.publishing == 0


def test_a_thousand_publishes_may_be_pending_and_no_more() -> None:
    core, flags = publishing(1000)
    with pytest.raises(PublishFailed, match="1000 publishes are pending, and no more may be; the message was not sent"):
        publish(core)
    assert core.publishing == 1000
    receive(core, SendAck(token="t1", flag=flags[500]))
    publish(core)


# A full client


def test_a_full_client_reads_on_while_a_publish_waits_for_its_sendack() -> None:
    core = online(new_core(capacity=1))
    receive(core, push(7))
    assert core.full
    flag = publish(core)
    assert not core.full
    assert sent(core) == [Publish(token="t1", flag=flag, topic="t", content="{}")]
    assert delivered(receive(core, push(8))).id == 8
    assert not core.full
    receive(core, SendAck(token="t1", flag=flag))
    assert core.full


def test_even_then_there_is_a_bound() -> None:
    core = online(new_core(capacity=1))
    publish(core)
    for message_id in range(10_000):
        receive(core, push(message_id))
    assert not core.full
    receive(core, push(10_000))
    assert core.full


def test_a_full_client_that_begins_to_read_does_not_take_the_past_for_silence() -> None:
    core = online(new_core(capacity=1, pull_interval=1e6, heartbeat_interval=1e6))
    receive(core, push(7))
    flag = publish(core, now=500.0)
    sent(core, 500.0)
    assert core.tick(now=501.0) == []
    assert core.state is State.ONLINE
    assert receive(core, SendAck(token="t1", flag=flag), 501.0) == [Published(flag=flag)]


def test_a_draining_client_still_publishes() -> None:
    core = online()
    core.drain()
    flag = publish(core)
    assert len(sent(core)) == 1
    assert receive(core, SendAck(token="t1", flag=flag)) == [Published(flag=flag)]


# The errors


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PublishRefused(41, "no such topic"), "the service refused the message: code 41, 'no such topic'"),
        (PublishRefused(41, None), "the service refused the message: code 41, no phrase"),
        (
            PublishTimeout("no SENDACK within 2 s"),
            "no SENDACK within 2 s; the message may or may not have arrived, and publishing again may publish it twice",
        ),
        (
            PublishFailed("the client is offline", may_have_arrived=False),
            "the client is offline; the message was not sent",
        ),
    ],
)
def test_the_errors_say_what_is_known_also_in_another_process(error: TmcError, text: str) -> None:
    assert str(error) == text
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), text, vars(error))


def test_a_timeout_is_a_timeout_error_and_a_failure() -> None:
    assert issubclass(PublishTimeout, TimeoutError)
    assert issubclass(PublishTimeout, PublishFailed)
    assert not issubclass(PublishRefused, PublishFailed)


def test_the_texts_of_a_refusal_are_short_however_long_its_phrase_is() -> None:
    error = PublishRefused(41, "x" * 1_000_000)
    assert repr(error).startswith("PublishRefused(41, 'xxx")
    assert max(len(str(error)), len(repr(error))) < 300


# In any order


class PublishMachine(RuleBasedStateMachine):
    """Whatever comes in whatever order, a publish has one end, and succeeds only by its SENDACK on its connection."""

    numbers = st.integers(0, 40)

    def __init__(self) -> None:
        super().__init__()
        self.core = new_core(silence_limit=None)
        self.clock = 0.0
        self.used: set[int] = set()
        self.deadlines: dict[int, float] = {}
        self.on_wire: set[int] = set()

    @precondition(lambda self: self.core.state is State.OFFLINE)
    @rule()
    def connect(self) -> None:
        self.core.opened(now=self.clock, wall=0.0)
        (connect,) = sent(self.core, self.clock)
        assert isinstance(connect, Connect)
        self.use(connect.flag)
        assert receive(self.core, ConnectAck(token="t1", flag=connect.flag), self.clock) == [Accepted()]
        sent(self.core, self.clock)

    @precondition(lambda self: self.core.state is State.ONLINE)
    @rule(timeout=st.floats(0.1, 5.0))
    def publish(self, timeout: float) -> None:
        flag = publish(self.core, timeout=timeout, now=self.clock)
        self.use(flag)
        self.deadlines[flag] = self.clock + timeout

    @rule()
    def send(self) -> None:
        flags = {item.flag for item in sent(self.core, self.clock) if isinstance(item, Publish)}
        assert flags == self.deadlines.keys() - self.on_wire
        self.on_wire |= flags

    @precondition(lambda self: self.core.state is State.ONLINE)
    @rule(flag=numbers, code=st.sampled_from([0, 41]))
    def acknowledge(self, flag: int, code: int) -> None:
        (event,) = receive(self.core, SendAck(token="t1", flag=flag, status_code=code), self.clock)
        if flag not in self.on_wire:
            assert isinstance(event, Odd)
        elif code:
            assert isinstance(failure([event], flag), PublishRefused)
            self.ended(flag)
        else:
            assert event == Published(flag=flag)
            self.ended(flag)

    @precondition(lambda self: self.core.state is State.ONLINE)
    @rule(flag=numbers)
    def push(self, flag: int) -> None:
        frame = Frame(type=MessageType.SEND, token="t1", flag=flag, content=push(None).to_frame().content)
        odd(self.core.received(encode(frame), now=self.clock))

    @rule(seconds=st.floats(0.0, 3.0))
    def wait(self, seconds: float) -> None:
        self.clock += seconds
        late = {flag for flag, deadline in self.deadlines.items() if deadline <= self.clock}
        self.all_fail(self.core.tick(now=self.clock), late, PublishTimeout)

    @precondition(lambda self: self.core.state is State.ONLINE)
    @rule()
    def lose(self) -> None:
        self.all_fail(self.core.lost(), set(self.deadlines), PublishFailed)

    @rule(flag=numbers)
    def forget(self, flag: int) -> None:
        self.core.forget(flag)
        self.ended(flag)

    @invariant()
    def as_many_are_pending(self) -> None:
        assert self.core.publishing == len(self.deadlines)

    def use(self, flag: int) -> None:
        assert flag not in self.used
        self.used.add(flag)

    def ended(self, flag: int) -> None:
        self.deadlines.pop(flag, None)
        self.on_wire.discard(flag)

    def all_fail(self, events: list[Event], flags: set[int], kind: type[PublishFailed]) -> None:
        failed = {event.flag: event.error for event in events if isinstance(event, NotPublished)}
        assert len(failed) == len(events)
        assert failed.keys() == flags
        for flag, error in failed.items():
            assert isinstance(error, kind)
            assert error.may_have_arrived == (flag in self.on_wire)
            self.ended(flag)


PublishMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
test_in_any_order_of_events_each_publish_ends_once_and_rightly = PublishMachine.TestCase
