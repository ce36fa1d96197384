"""What the poller makes of the messages in the answer to a consume, good and bad."""

from __future__ import annotations

import pytest
from polling_by_hand import asked, confirming, consumed, consumed_raw, delivered, handled, new_polling, odd, raw

from tmcspec.client.message import Message, Stats


def test_a_message_has_everything_that_the_gateway_says() -> None:
    core = new_polling()
    asked(core)
    answer = (
        b'{"tmc_messages_consume_response":{"messages":{"tmc_message":[{"user_id":2074082786,"user_nick":"\xe5\xa4\xa7",'
        b'"content":"{\\"tid\\":1}","id":7231501860781299789,"pub_time":"2013-10-05 10:55:58","pub_app_key":"12497914",'
        b'"topic":"taobao_trade_TradeCreate"}]},"request_id":"r"}}'
    )
    assert delivered(core.received(answer, now=0.0)) == [
        Message(
            id=7231501860781299789,
            topic="taobao_trade_TradeCreate",
            content='{"tid":1}',
            user_id=2074082786,
            nick="大",
            publisher="12497914",
            time=1380941758000,
        )
    ]


def test_a_message_may_have_nothing_but_an_id() -> None:
    core = new_polling()
    asked(core)
    assert delivered(core.received(consumed_raw({"id": 7}), now=0.0)) == [Message(id=7, topic="")]


def test_a_user_id_may_be_text_and_beyond_doubles() -> None:
    core = new_polling()
    asked(core)
    (message,) = delivered(core.received(consumed_raw(raw(7, user_id="-9007199254740993")), now=0.0))
    assert message.user_id == -9007199254740993


@pytest.mark.parametrize("time", ["yesterday", "2013-02-30 10:55:58", "0000-01-01 00:00:00", 1380941758000, True])
def test_a_message_with_a_time_that_is_none_is_delivered_without(time: object) -> None:
    core = new_polling()
    asked(core)
    (message,) = delivered(core.received(consumed_raw(raw(7, pub_time=time)), now=0.0))
    assert message.time is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, "a message must be an object, not 7"),
        ({"topic": "t"}, "a message without id, topic 't'; it cannot be confirmed"),
        (raw(""), "`id` must be a signed 64-bit integer, not ''"),
        (raw("7 "), "`id` must be a signed 64-bit integer, not '7 '"),
        (raw("٧"), "`id` must be a signed 64-bit integer, not '٧'"),
        (raw(True), "`id` must be a signed 64-bit integer, not True"),
        (raw({"low": 1}), "`id` must be a signed 64-bit integer, not a dict of 1"),
        (raw(2**63), "`id` must be a signed 64-bit integer, not 9223372036854775808"),
        (raw(-(2**63) - 1), "`id` must be a signed 64-bit integer, not -9223372036854775809"),
        (raw("9" * 19), "`id` must be a signed 64-bit integer, not 9999999999999999999"),
        (raw("9" * 100_000), "`id` must be a signed 64-bit integer, not '999"),
        (raw(7, user_id="seller"), "`user_id` must be a signed 64-bit integer, not 'seller'"),
        (raw(7, content={"tid": 1}), "`content` must be text, not a dict of 1"),
        (raw(7, topic=7), "`topic` must be text, not 7"),
        (raw(7, user_nick=False), "`user_nick` must be text, not False"),
        (raw(7, pub_app_key=12497914), "`pub_app_key` must be text, not 12497914"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_message_that_cannot_be_used_is_counted_and_does_not_stop_the_others(bad: object, reason: str) -> None:
    core = new_polling()
    asked(core)
    events = core.received(consumed_raw(raw(1), bad, raw(2)), now=0.0)
    assert [message.id for message in delivered(events)] == [1, 2]
    (told,) = odd(events)
    assert told.startswith(reason)
    assert len(told) < 200
    assert core.stats == Stats(received=2, bad_frames=1)
    handled(core, 1, 2)
    assert confirming(core) == [1, 2]


def test_an_id_that_has_been_a_double_is_not_believed() -> None:
    core = new_polling()
    asked(core)
    answer = b'{"r":{"messages":{"tmc_message":[{"id":7.2315018607813E+18},{"id":7.0}]}}}'
    assert len(odd(core.received(answer, now=0.0))) == 2


def test_messages_that_were_not_asked_for_are_left_alone() -> None:
    core = new_polling(quantity=10, capacity=10)
    asked(core)
    events = core.received(consumed(*range(1000)), now=0.0)
    assert [message.id for message in delivered(events)] == list(range(10))
    assert odd(events) == ["1000 messages where 10 were asked for; the others are left unconfirmed"]
    assert core.stats == Stats(received=10, bad_frames=1)
