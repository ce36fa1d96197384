"""The poller's protocol, without sockets: what it asks, when, and what it makes of the answers."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import pytest
from polling_by_hand import (
    FAILED,
    LIMITED,
    LOST,
    STEADY,
    WEAK,
    asked,
    confirmed,
    confirming,
    consume,
    consumed,
    delivered,
    handled,
    interrupted,
    new_polling,
    refused,
    settled,
    taken,
)

from tmcspec import top
from tmcspec.client.backoff import Backoff
from tmcspec.client.connection import Accepted
from tmcspec.client.core import SDK
from tmcspec.client.errors import ConnectFailed
from tmcspec.client.exchange import TRANSITIONS, CallRefused, Input, State
from tmcspec.client.message import Stats
from tmcspec.client.polling import CONFIRM, CONSUME

# What is asked


def test_a_consume_is_a_signed_call() -> None:
    form = taken(new_polling())
    assert form is not None
    assert {name: value for name, value in form.items() if name != "sign"} == {
        "method": CONSUME,
        "app_key": "1023",
        "timestamp": "2026-11-23 23:49:52",
        "v": "2.0",
        "format": "json",
        "sign_method": "hmac-sha256",
        "partner_id": SDK,
        "quantity": "100",
    }
    assert len(form["sign"]) == 64


def test_another_sign_method_may_be_chosen() -> None:
    form = taken(new_polling(sign_method="md5"))
    assert form is not None
    assert form["sign_method"] == "md5"
    assert len(form["sign"]) == 32


def test_the_default_group_is_not_named_because_an_app_without_groups_may_name_none() -> None:
    core = settled(7)
    assert "group_name" not in (taken(core) or {})


def test_another_group_is_named_in_every_call() -> None:
    core = new_polling(group="vip")
    form = taken(core)
    assert form is not None
    assert form["group_name"] == "vip"
    core.received(consumed(7), now=0.0)
    handled(core, 7)
    form = taken(core)
    assert form is not None
    assert form["method"] == CONFIRM
    assert form["group_name"] == "vip"


# S34: 尽量不要并发
def test_one_request_is_on_its_way_at_a_time() -> None:
    core = settled(7)
    assert confirming(core) == [7]
    assert taken(core, 100.0) is None
    assert core.deadline() is None


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Input)
def test_every_input_in_every_state_is_in_the_table_or_an_error(state: State, cause: Input) -> None:
    core = new_polling()
    core._state = state
    if (state, cause) in TRANSITIONS:
        core._step(cause)
        assert core._state is TRANSITIONS[state, cause]
    else:
        with pytest.raises(RuntimeError, match=f"{cause.value} while {state.value}"):
            core._step(cause)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"app_key": ""}, "app_key is empty"),
        ({"app_secret": ""}, "app_secret is empty"),
        ({"group": ""}, "group is empty"),
        ({"group": "\udcff"}, "group has a character that UTF-8 cannot write"),
        ({"quantity": 9}, "quantity must be 10 to 200 messages, not 9"),
        ({"quantity": 201}, "quantity must be 10 to 200 messages, not 201"),
        ({"capacity": 9}, "capacity must be 10 messages or more, not 9"),
        ({"idle_pause": 0.99}, "idle_pause must be 1 second or more, not 0.99"),
        ({"idle_pause": float("nan")}, "idle_pause must be 1 second or more, not nan"),
        ({"sign_method": "sha1"}, "unknown sign method 'sha1'; valid: md5, hmac, hmac-sha256"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        new_polling(**options)


def test_a_secret_that_cannot_be_used_is_not_shown() -> None:
    with pytest.raises(ValueError, match="app_secret has a character") as caught:
        new_polling(app_secret="hidden\udcff")
    assert "hidden" not in str(caught.value)


# When


# S35: 如拉取消息量为空时, 等待1秒以上再轮询
def test_an_empty_answer_is_followed_by_a_pause_of_a_second() -> None:
    core = new_polling()
    consume(core, now=5.0)
    assert core.deadline() == 6.0
    assert taken(core, 5.999) is None
    assert asked(core, 6.0) == 100


def test_an_answer_with_fewer_messages_than_asked_for_is_followed_by_a_pause() -> None:
    core = new_polling(idle_pause=3.0)
    consume(core, *range(99))
    assert core.deadline() == 3.0
    assert taken(core, 2.999) is None


def test_a_full_answer_is_followed_by_the_next_consume_at_once() -> None:
    core = new_polling()
    consume(core, *range(100))
    assert asked(core) == 100


def test_a_full_answer_with_nothing_new_is_no_reason_to_hurry() -> None:
    core = new_polling(quantity=10)
    consume(core, *range(10))
    consume(core, *range(10))
    assert core.deadline() == 1.0
    assert taken(core) is None


def test_no_more_is_asked_for_than_there_is_room_for() -> None:
    core = new_polling(capacity=115, quantity=100)
    consume(core, *range(100))
    assert asked(core) == 15
    core.received(consumed(*range(100, 115)), now=0.0)
    assert core.deadline() is None


def test_without_room_for_ten_nothing_is_asked_for() -> None:
    core = new_polling(capacity=20, quantity=20)
    consume(core, *range(20))
    handled(core, *range(9), outcome=FAILED)
    assert taken(core, 100.0) is None
    assert core.deadline() is None
    handled(core, 9, outcome=FAILED)
    assert asked(core, 100.0) == 10


def test_a_message_takes_up_room_until_its_confirm_is_answered() -> None:
    core = new_polling(capacity=20, quantity=20)
    consume(core, *range(20))
    handled(core, *range(20))
    assert confirming(core) == list(range(20))
    core.failed(LOST, now=0.0)
    assert len(confirming(core, 10.0)) == 20
    core.received(confirmed(), now=10.0)
    assert asked(core, 10.0) == 20


# Failures


def test_a_failure_is_followed_by_a_growing_pause_in_which_nothing_is_asked() -> None:
    core = new_polling(backoff=Backoff(minimum=2.0, base=2.0, cap=8.0), rng=random.Random(1))
    at, pauses = 0.0, []
    for _ in range(40):
        asked(core, at)
        pause = interrupted(core.failed(LOST, now=at)).pause
        assert core.deadline() == at + pause
        assert taken(core, at + pause - 0.001) is None
        at += pause
        pauses.append(pause)
    assert pauses[0] == 2.0
    assert min(pauses) >= 2.0
    assert 6.0 < max(pauses) <= 8.0
    consume(core, now=at)
    asked(core, at + 1.0)
    assert interrupted(core.failed(LOST, now=at)).pause == 2.0


def test_no_backoff_makes_a_pause_shorter_than_a_second() -> None:
    core = new_polling(backoff=Backoff(minimum=0.001, base=0.001, cap=0.001))
    asked(core)
    assert interrupted(core.failed(LOST, now=0.0)).pause == 1.0


def test_after_too_many_calls_the_pause_is_longer() -> None:
    core = new_polling(backoff=STEADY)
    asked(core)
    assert interrupted(core.received(refused(LIMITED), now=0.0)).pause == 11.0


def test_the_service_is_online_from_a_good_answer_to_the_next_failure() -> None:
    core = new_polling(backoff=STEADY)
    assert not core.online
    assert consume(core) == [Accepted()]
    assert core.online
    assert consume(core, now=1.0) == []
    asked(core, 2.0)
    assert interrupted(core.received(refused(WEAK), now=2.0))
    assert not core.online
    assert consume(core, now=3.0) == [Accepted()]


def test_an_error_of_the_gateway_says_what_and_of_which_call() -> None:
    core = settled(7)
    confirming(core)
    error = interrupted(core.received(refused(top.UNKNOWN_APP), now=0.0)).error
    assert isinstance(error, CallRefused)
    assert (error.code, error.phrase, error.api) == (29, "Invalid app Key", CONFIRM)
    text = f"the gateway refused {CONFIRM}: code 29 'Invalid app Key' ('isv.appkey-not-exists')"
    assert str(error) == text
    assert repr(error) == f"<CallRefused: {text}>"
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == text


def test_the_texts_of_an_error_are_short_however_long_the_gateway_s_are() -> None:
    long = "x" * 1_000_000
    error = CallRefused(CONSUME, top.Failure(code=15, msg=long, sub_code=long, sub_msg=long))
    assert error.phrase == long
    assert max(len(str(error)), len(repr(error))) < 400


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>502</html>",
        b"\xff\xfe",
        b"[]",
        b'"messages"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 100_000,
        b'{"tmc_messages_consume_response":7}',
        b'{"tmc_messages_consume_response":{"messages":"many"}}',
        b'{"tmc_messages_consume_response":{"messages":{"tmc_message":{"id":7}}}}',
        b'{"error_response":7}',
        b'{"error_response":{"code":"x"}}',
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_an_answer_that_cannot_be_used_is_a_failure_and_counted(answer: bytes) -> None:
    core = new_polling()
    asked(core)
    error = interrupted(core.received(answer, now=0.0)).error
    assert isinstance(error, ConnectFailed)
    assert str(error).startswith("the gateway's answer cannot be used: ")
    assert len(str(error)) < 400
    assert core.stats == Stats(bad_frames=1)
    assert [message.id for message in delivered(consume(core, 7, now=100.0))] == [7]


# The end


def test_a_draining_poller_takes_nothing_new_and_confirms_at_once_what_it_has() -> None:
    core = new_polling(quantity=10)
    consume(core, 1, 2)
    asked(core, 1.0)
    core.drain()
    assert core.received(consumed(3), now=1.0) == []
    assert taken(core, 100.0) is None
    assert core.deadline() is None
    handled(core, 1, now=100.0)
    assert confirming(core, 100.0) == [1]
    core.received(confirmed(), now=100.0)
    assert core.stats == Stats(received=2, confirmed=1)


def test_what_was_on_its_way_when_the_driver_left_may_be_asked_again() -> None:
    core = settled(7)
    confirming(core)
    core.abandon()
    assert not core.online
    assert confirming(core) == [7]


def test_the_secret_does_not_show() -> None:
    core = new_polling()
    form = taken(core)
    assert "9a7d1ba0aafe4ad6" not in repr(core)
    assert "9a7d1ba0aafe4ad6" not in repr(form)
