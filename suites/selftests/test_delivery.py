"""The life of one message: the table has an answer for everything, and each rule of the service is in it."""

from __future__ import annotations

import doctest
import itertools

import pytest

import tmcspec.delivery
from tmcspec.delivery import SETTLED, TABLE, Effect, Input, State, changes, step

UNSETTLED = [state for state in State if state not in SETTLED]
TIMERS = [Input.CONFIRM_TIMEOUT, Input.REDELIVERY_DUE, Input.RETENTION_OVER]


def test_the_table_has_every_state_with_every_input_and_nothing_else() -> None:
    assert list(TABLE) == list(itertools.product(State, Input))


def test_the_examples_in_the_documentation_are_right() -> None:
    assert doctest.testmod(tmcspec.delivery).failed == 0


def test_a_push_starts_the_time_to_confirm_and_the_time_to_redelivery() -> None:
    assert step(State.WAITING, Input.PUSH) == (State.PUSHED, (Effect.TIME_CONFIRM, Effect.TIME_REDELIVERY))


@pytest.mark.parametrize("state", [state for state in State if state is not State.WAITING])
def test_only_a_waiting_message_can_be_pushed(state: State) -> None:
    assert step(state, Input.PUSH) == (state, ())


@pytest.mark.parametrize("state", UNSETTLED)
def test_a_confirm_settles_every_unsettled_message(state: State) -> None:
    assert step(state, Input.CONFIRM) == (State.CONFIRMED, (Effect.REPORT_CONFIRMED,))


@pytest.mark.parametrize("state", [State.WAITING, State.PUSHED, State.OVERDUE])
def test_a_failed_starts_the_time_to_redelivery_anew(state: State) -> None:
    assert step(state, Input.FAIL) == (State.FAILED, (Effect.REPORT_FAILED, Effect.TIME_REDELIVERY))


def test_a_second_failed_changes_nothing() -> None:
    assert step(State.FAILED, Input.FAIL) == (State.FAILED, ())


def test_the_confirm_timeout_makes_a_pushed_message_overdue_and_sends_nothing() -> None:
    assert step(State.PUSHED, Input.CONFIRM_TIMEOUT) == (State.OVERDUE, ())
    assert [state for state in State if changes(state, Input.CONFIRM_TIMEOUT)] == [State.PUSHED]


@pytest.mark.parametrize("state", [State.PUSHED, State.OVERDUE, State.FAILED])
def test_a_message_that_is_due_again_waits_in_the_queue(state: State) -> None:
    assert step(state, Input.REDELIVERY_DUE) == (State.WAITING, (Effect.QUEUE,))


@pytest.mark.parametrize("state", UNSETTLED)
def test_the_messages_of_a_deleted_group_are_lost(state: State) -> None:
    assert step(state, Input.GROUP_DELETED) == (State.DROPPED, (Effect.REPORT_DROPPED,))


@pytest.mark.parametrize("state", UNSETTLED)
def test_the_end_of_retention_drops_every_unsettled_message(state: State) -> None:
    assert step(state, Input.RETENTION_OVER) == (State.EXPIRED, (Effect.REPORT_EXPIRED,))


@pytest.mark.parametrize("state", sorted(SETTLED, key=lambda state: state.name))
@pytest.mark.parametrize("happened", Input)
def test_nothing_brings_a_settled_message_back(state: State, happened: Input) -> None:
    reported = (Effect.REPORT_UNKNOWN,) if happened in (Input.CONFIRM, Input.FAIL) else ()
    assert step(state, happened) == (state, reported)


def test_every_state_is_reached_and_every_unsettled_one_left_when_its_timers_run_out() -> None:
    assert {after for after, _ in TABLE.values()} == set(State)
    for state in UNSETTLED:
        assert any(changes(state, timer) for timer in TIMERS)
