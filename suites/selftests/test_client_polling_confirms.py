"""What the poller confirms, and when: over HTTP nobody is told anything else."""

from __future__ import annotations

import pytest
from polling_by_hand import (
    FAILED,
    LIMITED,
    LOST,
    RAISED,
    STEADY,
    WEAK,
    asked,
    confirmed,
    confirming,
    consume,
    consumed,
    consumed_raw,
    delivered,
    handled,
    interrupted,
    new_polling,
    odd,
    raw,
    refused,
    settled,
    taken,
)

from tmcspec import top
from tmcspec.client.message import Outcome, Stats


def test_a_message_is_confirmed_when_it_was_handled_and_not_before() -> None:
    core = new_polling()
    consume(core, 7)
    assert taken(core, 0.5) is None
    handled(core, 7, now=0.6)
    assert confirming(core, 0.6) == [7]
    core.received(confirmed(), now=0.6)
    assert core.stats == Stats(received=1, confirmed=1)
    assert core.unsent == 0
    assert asked(core, 1.0) == 100


@pytest.mark.parametrize("outcome", [FAILED, RAISED], ids=lambda outcome: outcome.kind)
def test_a_message_that_was_not_handled_is_never_confirmed_and_may_come_again(outcome: Outcome) -> None:
    core = new_polling()
    consume(core, 7)
    handled(core, 7, outcome=outcome)
    assert core.unsent == 0
    assert core.stats == Stats(received=1, failed=1)
    assert [message.id for message in delivered(consume(core, 7, now=360.0))] == [7]


def test_ids_share_a_confirm_for_half_a_second() -> None:
    core = new_polling()
    consume(core, 1, 2, 3)
    handled(core, 2, now=0.1)
    handled(core, 1, now=0.3)
    assert core.deadline() == 0.6
    assert taken(core, 0.5) is None
    assert confirming(core, 0.6) == [2, 1]


def test_200_ids_are_confirmed_at_once_and_no_more_than_200_together() -> None:
    core = new_polling(quantity=200, capacity=500)
    consume(core, *range(200))
    consume(core, *range(200, 400))
    handled(core, *range(199))
    assert core.deadline() == 0.0
    assert asked(core) == 100
    handled(core, *range(199, 399))
    core.received(consumed(), now=0.0)
    assert confirming(core) == list(range(200))
    core.received(confirmed(), now=0.0)
    assert core.deadline() == 0.5
    assert confirming(core, 0.5) == list(range(200, 399))


def test_200_ids_are_enough() -> None:
    core = new_polling(quantity=200, capacity=400)
    consume(core, *range(200))
    consume(core, *range(200, 400))
    handled(core, *range(199), now=1.0)
    assert core.deadline() == 1.5
    handled(core, 199, now=1.0)
    assert confirming(core, 1.0) == list(range(200))


def test_an_id_is_confirmed_as_it_came_whether_it_came_as_number_or_text() -> None:
    ids = [2**63 - 1, 2**53 + 1, -(2**63), -5, 0]
    core = new_polling()
    asked(core)
    core.received(consumed_raw(raw(ids[0]), raw(str(ids[1])), raw(ids[2]), raw(str(ids[3])), raw(ids[4])), now=0.0)
    handled(core, *ids)
    assert confirming(core) == ids


def test_a_second_delivery_of_what_is_in_hand_is_dropped_whatever_has_become_of_it() -> None:
    core = new_polling(backoff=STEADY)
    consume(core, 1, 2)
    handled(core, 1, now=0.8)
    assert delivered(consume(core, 1, 2, 1, now=1.0)) == []
    assert confirming(core, 2.0) == [1]
    core.failed(LOST, now=2.0)
    handled(core, 2, now=2.0)
    assert confirming(core, 3.0) == [1, 2]
    core.received(confirmed(), now=3.0)
    assert [message.id for message in delivered(consume(core, 1, now=4.0))] == [1]
    assert core.stats == Stats(received=3, confirmed=2)


def test_only_the_first_outcome_of_a_delivery_counts() -> None:
    core = new_polling()
    consume(core, 1)
    handled(core, 1, outcome=FAILED)
    handled(core, 1, 99)
    assert core.unsent == 0
    assert core.stats == Stats(received=1, failed=1)


@pytest.mark.parametrize(
    "trouble", [None, WEAK, LIMITED, top.Failure(code=7, msg="App Call Limited")], ids=["lost", "isp", "limit", "bare"]
)
def test_a_confirm_that_may_succeed_later_is_repeated(trouble: top.Failure | None) -> None:
    core = settled(7, 8)
    assert confirming(core) == [7, 8]
    events = core.failed(LOST, now=0.0) if trouble is None else core.received(refused(trouble), now=0.0)
    assert odd(events) == []
    assert confirming(core, interrupted(events).pause) == [7, 8]


def test_a_confirm_that_fails_again_and_again_is_given_up_when_its_messages_come_by_themselves() -> None:
    core = settled(7)
    for at in range(361):
        assert core.unsent == 1
        assert confirming(core, at) == [7]
        events = core.failed(LOST, now=at)
    assert core.unsent == 0
    assert odd(events) == ["the confirm of 1 messages was given up; they come again"]
    assert [message.id for message in delivered(consume(core, 7, now=400.0))] == [7]


def test_what_was_tried_goes_behind_what_was_not() -> None:
    core = new_polling(quantity=200, capacity=400, backoff=STEADY)
    consume(core, *range(200))
    consume(core, *range(200, 300))
    handled(core, *range(300))
    assert confirming(core) == list(range(200))
    core.failed(LOST, now=0.0)
    assert confirming(core, 1.0) == [*range(200, 300), *range(100)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (confirmed(False), "is_success False for the confirm of 2 messages; they come again"),
        (b"{}", "is_success None for the confirm of 2 messages; they come again"),
        (refused(top.invalid("s_message_ids", "7", "ids")), "the confirm of 2 messages was given up; they come again"),
    ],
    ids=["no success", "empty", "refused"],
)
def test_a_confirm_that_is_refused_is_not_repeated(answer: bytes, reason: str) -> None:
    core = settled(7, 8)
    confirming(core)
    assert odd(core.received(answer, now=0.0)) == [reason]
    assert core.unsent == 0
    assert core.stats == Stats(received=2, bad_frames=1)
    assert [message.id for message in delivered(consume(core, 7, now=10.0))] == [7]


def test_the_success_of_a_confirm_may_be_text() -> None:
    core = settled(7)
    confirming(core)
    assert core.received(confirmed("true"), now=0.0) == []
    assert core.stats == Stats(received=1, confirmed=1)


def test_while_a_confirm_fails_nothing_is_consumed() -> None:
    core = settled(7)
    for at in range(5):
        assert confirming(core, at) == [7]
        core.failed(LOST, now=at)
