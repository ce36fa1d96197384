"""The life of one message: the table has an answer for everything, and each rule of the service is in it."""

from __future__ import annotations

import doctest
import itertools

import pytest

import tmcspec.delivery
from tmcspec.delivery import SETTLED, TABLE, Effect, Input, Model, State, changes, step
from tmcspec.timing import Timing

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
def test_the_end_of_retention_drops_every_unsettled_message(state: State) -> None:
    assert step(state, Input.RETENTION_OVER) == (State.EXPIRED, (Effect.REPORT_EXPIRED,))


@pytest.mark.parametrize("state", [State.CONFIRMED, State.EXPIRED])
@pytest.mark.parametrize("happened", Input)
def test_nothing_brings_a_settled_message_back(state: State, happened: Input) -> None:
    reported = (Effect.REPORT_UNKNOWN,) if happened in (Input.CONFIRM, Input.FAIL) else ()
    assert step(state, happened) == (state, reported)


def test_every_state_is_reached_and_every_unsettled_one_left_when_its_timers_run_out() -> None:
    assert {after for after, _ in TABLE.values()} == set(State)
    for state in UNSETTLED:
        assert any(changes(state, timer) for timer in TIMERS)


# The model: the same with time. Message 1 is in queue "q".


@pytest.fixture
def model() -> Model:
    model = Model(timing=Timing(retention=1000.0))
    model.connect("q")
    model.produce(1, "q")
    return model


def test_an_unconfirmed_message_comes_again_six_minutes_after_each_push(model: Model) -> None:
    for now, pushes in ((359.9, 1), (360.0, 2), (719.9, 2), (720.0, 3)):
        model.advance(now)
        assert model.lives[1].pushes == pushes


def test_a_failed_message_comes_again_six_minutes_after_the_failed(model: Model) -> None:
    model.advance(100.0)
    assert model.fail(1, "q")
    model.advance(459.9)
    assert model.lives[1].state is State.FAILED
    model.advance(460.0)
    assert model.lives[1].pushes == 2


def test_a_confirm_within_the_minute_and_one_after_it_settle(model: Model) -> None:
    model.produce(2, "q")
    model.advance(59.9)
    assert model.lives[1].state is State.PUSHED
    assert model.confirm(1, "q")
    model.advance(60.0)
    assert model.lives[2].state is State.OVERDUE
    assert model.confirm(2, "q")
    model.advance(5000.0)
    assert [life.pushes for life in model.lives.values()] == [1, 1]
    assert [life.state for life in model.lives.values()] == [State.CONFIRMED, State.CONFIRMED]


def test_the_retention_ends_a_message_that_waits_and_one_that_was_pushed(model: Model) -> None:
    model.produce(2, "nobody listens")
    model.advance(1000.0)
    assert {life.state for life in model.lives.values()} == {State.EXPIRED}
    assert model.lives[1].pushes == 1
    assert not model.confirm(1, "q")


def test_what_was_pushed_on_a_connection_that_went_away_comes_again_to_the_next(model: Model) -> None:
    model.disconnect("q")
    model.advance(400.0)
    assert model.lives[1].state is State.WAITING
    assert model.lives[1].pushes == 1
    model.connect("q")
    assert model.lives[1].pushes == 2


def test_a_message_that_does_not_wait_is_not_pushed_again(model: Model) -> None:
    model.push(1)
    assert model.lives[1].pushes == 1


def test_the_deadline_is_that_of_the_next_timer_that_changes_something(model: Model) -> None:
    assert model.deadline() == 60.0
    model.advance(60.0)
    assert model.deadline() == 360.0
    model.fail(1, "q")
    assert model.deadline() == 420.0
    model.confirm(1, "q")
    assert model.deadline() is None


@pytest.mark.parametrize(("message", "queue"), [(2, "q"), (1, "another")])
def test_a_report_about_an_unknown_id_or_from_another_queue_does_nothing(
    model: Model, message: int, queue: str
) -> None:
    assert not model.confirm(message, queue)
    assert not model.fail(message, queue)
    assert model.lives[1].state is State.PUSHED


def test_an_id_is_used_once(model: Model) -> None:
    with pytest.raises(ValueError, match="message 1 was produced before"):
        model.produce(1, "q")


def test_time_does_not_go_back(model: Model) -> None:
    model.advance(5.0)
    with pytest.raises(ValueError, match=r"from 5\.0 to 4\.0"):
        model.advance(4.0)
