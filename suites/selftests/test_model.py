"""The model of the service: lives of messages in time, who takes them, and how fast."""

from __future__ import annotations

import doctest
from collections.abc import Sequence

import pytest

import tmcspec.model
from tmcspec.delivery import State
from tmcspec.flow import PULL_CREDIT, Flow
from tmcspec.model import Model
from tmcspec.timing import Timing


def test_the_examples_in_the_documentation_are_right() -> None:
    assert doctest.testmod(tmcspec.model).failed == 0


# Message 1 is in queue "q", and connection "c" takes it.


@pytest.fixture
def model() -> Model:
    model = Model(timing=Timing(retention=1000.0))
    model.connect("c", "q")
    model.produce(1, "q")
    return model


def test_an_unconfirmed_message_comes_again_six_minutes_after_each_push(model: Model) -> None:
    for now, pushes in ((359.9, 1), (360.0, 2), (719.9, 2), (720.0, 3)):
        model.advance(now)
        assert model.lives[1].deliveries == pushes


def test_a_failed_message_comes_again_six_minutes_after_the_failed(model: Model) -> None:
    model.advance(100.0)
    assert model.fail(1, "q")
    model.advance(459.9)
    assert model.lives[1].state is State.FAILED
    model.advance(460.0)
    assert model.lives[1].deliveries == 2


def test_a_confirm_within_the_minute_and_one_after_it_settle(model: Model) -> None:
    model.produce(2, "q")
    model.advance(59.9)
    assert model.lives[1].state is State.PUSHED
    assert model.confirm(1, "q")
    model.advance(60.0)
    assert model.lives[2].state is State.OVERDUE
    assert model.confirm(2, "q")
    model.advance(5000.0)
    assert [life.deliveries for life in model.lives.values()] == [1, 1]
    assert [life.state for life in model.lives.values()] == [State.CONFIRMED, State.CONFIRMED]


def test_the_retention_ends_a_message_that_waits_and_one_that_was_pushed(model: Model) -> None:
    model.produce(2, "nobody listens")
    model.advance(1000.0)
    assert {life.state for life in model.lives.values()} == {State.EXPIRED}
    assert model.lives[1].deliveries == 1
    assert not model.confirm(1, "q")


def test_what_was_pushed_on_a_connection_that_went_away_comes_again_to_the_next(model: Model) -> None:
    model.disconnect("c")
    model.advance(400.0)
    assert model.lives[1].state is State.WAITING
    assert model.lives[1].deliveries == 1
    model.connect("c", "q")
    assert model.lives[1].deliveries == 2


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


# Who takes them


def test_a_message_goes_to_one_of_those_that_take_its_queue() -> None:
    asked: list[tuple[int, Sequence[str]]] = []

    def choose(message: int, takers: Sequence[str]) -> str:
        asked.append((message, tuple(takers)))
        return takers[-1]

    model = Model(choose=choose)
    model.connect("c1", "q")
    model.connect("c2", "q")
    model.connect("c3", "another")
    model.produce(1, "q")
    assert asked == [(1, ("c1", "c2"))]


def test_what_is_consumed_over_http_is_handed_out_the_oldest_first_and_comes_again() -> None:
    model = Model()
    for message in (5, 3, 4):
        model.produce(message, "q")
    assert model.consume("q", 2) == [5, 3]
    assert model.consume("q", 2) == [4]
    assert model.consume("q", 2) == []
    assert model.consume("another", 2) == []
    assert model.confirm(3, "q")
    model.advance(360.0)
    assert model.consume("q", 10) == [5, 4]


def test_in_pull_mode_a_connection_gets_no_more_than_it_pulled() -> None:
    model = Model()
    model.set_mode("q", "pull")
    model.connect("c", "q")
    for message in range(PULL_CREDIT + 10):
        model.produce(message, "q")

    def deliveries() -> int:
        return sum(life.deliveries for life in model.lives.values())

    assert deliveries() == 0
    model.pull("c")
    model.pull("c")
    assert deliveries() == PULL_CREDIT + 10
    assert model.takers["c"].credit == PULL_CREDIT - 10
    model.set_mode("q", "push")
    model.produce(1000, "q")
    assert deliveries() == PULL_CREDIT + 11


def test_credit_ends_with_the_mode_of_its_own_queue_alone() -> None:
    model = Model(flow=Flow(pull_credit=5))
    for connection, queue in (("c1", "q"), ("c2", "another")):
        model.set_mode(queue, "pull")
        model.connect(connection, queue)
        model.pull(connection)
    model.set_mode("q", "pull")
    assert {name: taker.credit for name, taker in model.takers.items()} == {"c1": 0, "c2": 5}


def test_a_pull_where_messages_are_pushed_changes_nothing(model: Model) -> None:
    model.pull("c")
    assert model.takers["c"].credit == 0


# How fast


def test_flow_control_holds_messages_back_and_the_deadline_tells_until_when() -> None:
    model = Model(flow=Flow(value=1, small_values="literal"))
    model.connect("c", "q")
    for message in range(40):
        model.produce(message, "q")
    assert sum(life.deliveries for life in model.lives.values()) == 32
    assert model.deadline() == 32.0
    model.advance(31.9)
    assert sum(life.deliveries for life in model.lives.values()) == 32
    model.advance(32.0)
    assert sum(life.deliveries for life in model.lives.values()) == 40


def test_a_flow_value_is_in_force_ten_seconds_after_it_was_set() -> None:
    model = Model()
    model.connect("c", "q")
    model.set_flow("q", 0)
    model.produce(1, "q")
    model.advance(10.0)
    model.produce(2, "q")
    assert [life.deliveries for life in model.lives.values()] == [1, 0]
    assert model.deadline() == 60.0
    model.set_flow("q", None)
    assert model.deadline() == 20.0
    model.advance(20.0)
    assert [life.deliveries for life in model.lives.values()] == [1, 1]


# Endings


def test_a_shorter_retention_ends_what_is_older_and_a_longer_one_revives_nothing(model: Model) -> None:
    model.advance(100.0)
    model.produce(2, "q")
    model.set_retention(100.0)
    assert [life.state for life in model.lives.values()] == [State.EXPIRED, State.PUSHED]
    model.set_retention(5000.0)
    model.produce(3, "q")
    assert [life.expires_at for life in model.lives.values()] == [100.0, 200.0, 5100.0]


def test_the_messages_of_a_deleted_group_are_lost_and_others_are_not(model: Model) -> None:
    model.produce(2, "another")
    model.set_mode("q", "pull")
    model.delete("q")
    assert [life.state for life in model.lives.values()] == [State.DROPPED, State.WAITING]
    model.produce(3, "q")
    assert model.lives[3].state is State.PUSHED
