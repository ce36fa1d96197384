"""Production and pre-release: messages are kept apart, the configuration of groups is shared (S18:
各个环境消息隔离 但分组配置公用).
"""

from __future__ import annotations

from itertools import product

import pytest
from service_by_hand import ONE, World

from tmcspec.delivery import State
from tmcspec.events import Accepted, Dropped, Id, Produced, UnknownConfirm
from tmcspec.flow import Flow
from tmcspec.frame import decode
from tmcspec.messages import ConnectAck, from_service
from tmcspec.routing import Environment

ENVIRONMENTS: tuple[Environment, Environment] = ("production", "pre-release")
PAIRS = list(product(ENVIRONMENTS, repeat=2))


@pytest.fixture
def world() -> World:
    """A client of the same group in each environment, named after it."""
    world = World()
    for environment in ENVIRONMENTS:
        world.connected(environment, ONE, "shop", environment=environment)
    world.sends()
    return world


def produce(world: World, environment: Environment, group: str | None = "shop") -> int:
    return world.produce(ONE, group, environment=environment)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_message_goes_to_clients_of_its_environment_alone(world: World, environment: Environment) -> None:
    message = produce(world, environment)
    world.live(until=720.0)
    assert [(name, push.id) for name, push in world.pushes()] == 3 * [(environment, message)]
    assert [event.environment for event in world.events(Produced) if isinstance(event, Produced)] == [environment]


def test_the_trace_tells_who_was_accepted_where(world: World) -> None:
    accepted = [event for event in world.events(Accepted) if isinstance(event, Accepted)]
    assert [(event.connection, event.environment) for event in accepted] == [(each, each) for each in ENVIRONMENTS]


def test_each_has_a_token_of_its_own() -> None:
    world = World()
    tokens = []
    for number, environment in enumerate(ENVIRONMENTS * 2):
        world.connected(f"c{number}", environment=environment)
        (ack,) = [from_service(decode(effect.data)) for effect in world.sends()]
        assert isinstance(ack, ConnectAck)
        tokens.append(ack.token)
    assert tokens[:2] == tokens[2:]
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_a_report_counts_in_its_own_environment_alone(world: World, here: Environment, there: Environment) -> None:
    message = produce(world, there)
    world.fail(here, message)
    assert (world.service.state(message) is State.FAILED) is (here == there)
    world.confirm(here, message)
    assert (world.service.state(message) is State.CONFIRMED) is (here == there)
    unknown = UnknownConfirm(id=Id(message), via="ws", connection=here)
    assert world.events(UnknownConfirm) == ([] if here == there else [unknown, unknown])


@pytest.mark.parametrize(("here", "there"), PAIRS)
def test_over_http_too(here: Environment, there: Environment) -> None:
    world = World()
    message = produce(world, there)
    taken = world.service.consume(5, app_key="1", group="shop", environment=here, now=0.0, request=1)
    assert [each.id for each in taken] == ([message] if here == there else [])
    for report in (world.service.fail, world.service.confirm):
        assert report(message, app_key="1", group="shop", environment=here, now=0.0, via="http") is (here == there)


def test_they_are_counted_and_looked_up_apart(world: World) -> None:
    produce(world, "pre-release")
    produce(world, "pre-release")
    produce(world, "production")
    assert [world.service.unsettled("1", "shop", each) for each in ENVIRONMENTS] == [1, 2]
    assert [world.service.connections("1", "shop", each) for each in ENVIRONMENTS] == [(each,) for each in ENVIRONMENTS]
    assert {queue.key.environment: queue.counts.produced for queue in world.service.queues()} == {
        "production": 1,
        "pre-release": 2,
    }


def test_a_broadcast_is_of_one_environment(world: World) -> None:
    world.console.authorise("1", "u", user_id=7)
    world.console.permit("1", "u")
    world.console.add_to_group("1", "shop", ["u"])
    world.service.broadcast(topic="t", content="{}", user_id=7, now=0.0, environment="pre-release")
    assert [name for name, _ in world.pushes()] == ["pre-release"]


# What is shared


def test_routing_is_the_same_in_both(world: World) -> None:
    world.console.bind_topics("1", "shop", ["t"])
    for environment in ENVIRONMENTS:
        produce(world, environment, None)
    assert [name for name, _ in world.pushes()] == list(ENVIRONMENTS)


def test_a_flow_value_is_that_of_each(world: World) -> None:
    world.console.set_flow("1", "shop", 1)
    world.at(10.0)
    for environment in ENVIRONMENTS:
        for _ in range(40):
            produce(world, environment)
    # Each has a quota of its own.
    pushed = [name for name, _ in world.pushes()]
    assert {name: pushed.count(name) for name in ENVIRONMENTS} == {"production": 32, "pre-release": 32}


def test_a_flow_value_counts_for_an_environment_that_nobody_has_used_yet() -> None:
    world = World(flow=Flow(latency=0.0))
    world.console.set_flow("1", "shop", 0)
    world.console.set_mode("1", "default", "pull")
    for group in ("shop", "default"):
        world.connected(group, ONE, group, environment="pre-release")
        produce(world, "pre-release", group)
    assert world.pushes() == []


def test_a_group_is_pulled_in_each(world: World) -> None:
    world.console.set_mode("1", "shop", "pull")
    messages = {environment: produce(world, environment) for environment in ENVIRONMENTS}
    assert world.pushes() == []
    world.pull("pre-release")
    assert [push.id for _, push in world.pushes()] == [messages["pre-release"]]
    world.pull("production")
    assert [push.id for _, push in world.pushes()] == [messages["production"]]


def test_a_group_is_deleted_in_each(world: World) -> None:
    messages = [produce(world, environment) for environment in ENVIRONMENTS]
    world.console.delete_group("1", "shop")
    assert world.events(Dropped) == [Dropped(message=Id(message)) for message in messages]
