"""Pull mode: a connection is given no more than it asked for (S20: 拉模式能有效避免流量高峰期消息消费不均)."""

from __future__ import annotations

from collections import Counter

import pytest
from service_by_hand import ONE, World

from tmcspec.flow import PULL_CREDIT, Flow


@pytest.fixture
def world() -> World:
    """A group that is pulled, and a client on it."""
    world = World(flow=Flow(pull_credit=3))
    world.console.set_mode("1", "default", "pull")
    world.connected("c")
    return world


def given(world: World) -> dict[str, int]:
    """How many messages each connection was given since last asked."""
    return dict(Counter(name for name, _ in world.pushes()))


def produce(world: World, count: int) -> list[int]:
    return [world.produce() for _ in range(count)]


def test_nothing_is_pushed_until_the_client_pulls_and_then_the_oldest(world: World) -> None:
    messages = produce(world, 5)
    world.live(until=100.0)
    assert given(world) == {}
    world.pull("c")
    assert [push.id for _, push in world.pushes()] == messages[:3]
    world.pull("c")
    assert [push.id for _, push in world.pushes()] == messages[3:]


def test_one_request_brings_320_messages() -> None:
    world = World()
    world.console.set_mode("1", "default", "pull")
    world.connected("c")
    produce(world, PULL_CREDIT + 1)
    world.pull("c")
    assert given(world) == {"c": 320}


def test_a_request_that_found_too_little_waits_for_the_rest(world: World) -> None:
    produce(world, 1)
    world.pull("c")
    produce(world, 5)
    assert given(world) == {"c": 3}


def test_what_is_left_of_a_request_does_not_add_up(world: World) -> None:
    for _ in range(10):
        world.pull("c")
    produce(world, 10)
    assert given(world) == {"c": 3}


def test_each_client_is_given_what_it_pulled_itself(world: World) -> None:
    world.connected("d")
    world.connected("idle")
    produce(world, 10)
    world.pull("c")
    world.pull("d")
    assert given(world) == {"c": 3, "d": 3}
    world.pull("d")
    assert given(world) == {"d": 3}


def test_of_several_that_have_pulled_one_is_chosen_at_random() -> None:
    world = World(flow=Flow(pull_credit=1000))
    world.console.set_mode("1", "default", "pull")
    for name in ("a", "b", "idle"):
        world.connected(name)
    world.pull("a")
    world.pull("b")
    produce(world, 1000)
    told = given(world)
    assert set(told) == {"a", "b"}
    assert 400 < told["a"] < 600


def test_a_redelivery_needs_a_request_too(world: World) -> None:
    (message,) = produce(world, 1)
    world.pull("c")
    produce(world, 2)
    given(world)
    world.live(until=400.0)
    assert given(world) == {}
    world.pull("c")
    assert next(push.id for _, push in world.pushes()) == message


def test_what_one_did_not_confirm_another_may_pull(world: World) -> None:
    produce(world, 1)
    world.pull("c")
    world.closed("c")
    world.connected("d")
    given(world)
    world.live(until=360.0)
    world.pull("d")
    assert given(world) == {"d": 1}


def test_the_credit_of_a_connection_ends_with_it(world: World) -> None:
    world.pull("c")
    world.closed("c")
    world.connected("c")
    produce(world, 1)
    assert given(world) == {}


def test_the_credit_ends_when_the_client_connects_anew_on_its_connection(world: World) -> None:
    world.pull("c")
    world.connect("c")
    produce(world, 1)
    assert given(world) == {}


def test_a_connection_that_the_service_is_ending_pulls_nothing(world: World) -> None:
    produce(world, 1)
    world.service.disconnect(now=0.0, connection="c")
    world.pull("c")
    assert given(world) == {}


def test_a_request_before_the_client_is_accepted_is_for_nothing(world: World) -> None:
    # Observed: tmc.js sends one before it has a token.
    world.service.opened("early", now=0.0)
    world.pull("early")
    produce(world, 1)
    assert given(world) == {}


def test_over_http_no_request_is_needed_and_no_credit_used(world: World) -> None:
    messages = produce(world, 5)
    taken = world.service.consume(1, app_key="1", group="default", now=0.0, request=1)
    assert [each.id for each in taken] == messages[:1]
    world.pull("c")
    assert [push.id for _, push in world.pushes()] == messages[1:4]


# The mode changes


def test_other_groups_are_pushed_to(world: World) -> None:
    world.connected("s", ONE, "shop")
    world.produce(ONE, "shop")
    assert given(world) == {"s": 1}


def test_a_group_that_is_pushed_again_gets_what_waits_at_once(world: World) -> None:
    produce(world, 5)
    world.console.set_mode("1", "default", "push")
    assert given(world) == {"c": 5}
    produce(world, 1)
    assert given(world) == {"c": 1}


def test_a_request_of_a_time_before_the_mode_was_set_does_not_count(world: World) -> None:
    world.console.set_mode("1", "default", "push")
    world.pull("c")
    world.console.set_mode("1", "default", "pull")
    produce(world, 1)
    assert given(world) == {}
    world.pull("c")
    world.console.set_mode("1", "default", "pull")
    produce(world, 1)
    assert given(world) == {"c": 1}


# With flow control


def test_flow_control_holds_back_what_was_pulled() -> None:
    world = World(flow=Flow(value=1, small_values="literal", pull_credit=40))
    world.console.set_mode("1", "default", "pull")
    world.connected("c")
    produce(world, 100)
    world.pull("c")
    assert given(world) == {"c": 32}
    world.live(until=31.9)
    assert given(world) == {}
    # The credit is used up before the slot is.
    world.live(until=32.0)
    assert given(world) == {"c": 8}
    assert world.service.deadline() == 60.0
    world.pull("c")
    assert given(world) == {"c": 24}


def test_the_rate_is_that_of_all_clients_of_the_group_and_one_may_use_it() -> None:
    world = World(flow=Flow(value=1, small_values="literal", pull_credit=100))
    world.console.set_mode("1", "default", "pull")
    world.connected("c")
    world.connected("idle")
    produce(world, 100)
    world.pull("c")
    assert given(world) == {"c": 64}


def test_what_is_held_back_is_forgotten_when_nobody_pulls_any_more() -> None:
    world = World(flow=Flow(value=1, small_values="literal", pull_credit=40))
    world.console.set_mode("1", "default", "pull")
    world.connected("c")
    produce(world, 50)
    world.pull("c")
    assert world.service.deadline() == 32.0
    world.closed("c")
    assert world.service.deadline() == 60.0
