"""The end of what nobody confirmed, and how an emergency brings it nearer (S53: 消息最多保留8至24小时…
紧急情况下会进一步减少保留时间).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_by_hand import ONE, World

from tmcspec.delivery import State
from tmcspec.events import Expired, Id, RetentionSet
from tmcspec.timing import Timing


@pytest.fixture
def world() -> World:
    return World(timing=Timing(retention=1000.0))


def expiries(world: World) -> dict[int, float]:
    """When messages expired, as the trace tells."""
    return {entry.event.message: entry.time for entry in world.recorder.entries if isinstance(entry.event, Expired)}


@pytest.mark.parametrize("state", [State.WAITING, State.PUSHED, State.OVERDUE, State.FAILED])
def test_a_message_that_is_not_confirmed_ends_with_its_retention_in_any_state(world: World, state: State) -> None:
    # 不论发没发, 有没有重发
    world.connected("c")
    message = world.produce()
    if state in (State.WAITING, State.PUSHED):
        world.closed("c")
    world.live(until=990.0)
    if state is State.PUSHED:
        world.connected("c")
    elif state is State.FAILED:
        world.fail("c", message)
    world.live(until=999.9)
    assert world.service.state(message) is state
    assert expiries(world) == {}
    world.live(until=2000.0)
    assert expiries(world) == {message: 1000.0}
    assert world.service.state(message) is State.EXPIRED
    assert world.service.unsettled("1") == 0


def test_a_confirmed_message_does_not_expire(world: World) -> None:
    world.connected("c")
    world.confirm("c", world.produce())
    world.live(until=2000.0)
    assert expiries(world) == {}


def test_an_emergency_ends_at_once_what_is_older_and_soon_what_is_not(world: World) -> None:
    old = world.produce()
    world.at(50.0)
    young = world.produce()
    world.at(100.0)
    world.console.set_retention(100.0)
    assert [world.service.state(each) for each in (old, young)] == [State.EXPIRED, State.WAITING]
    assert world.events(RetentionSet, Expired) == [RetentionSet(seconds=100.0), Expired(message=Id(old))]
    assert world.service.deadline() == 150.0
    new = world.produce()
    world.live(until=500.0)
    assert expiries(world) == {old: 100.0, young: 150.0, new: 200.0}


def test_a_longer_retention_counts_for_new_messages_alone(world: World) -> None:
    messages = [world.produce()]
    world.console.set_retention(100.0)
    messages.append(world.produce())
    world.console.set_retention(5000.0)
    messages.append(world.produce())
    world.live(until=9000.0)
    assert expiries(world) == dict(zip(messages, (100.0, 100.0, 5000.0), strict=True))
    assert [world.service.message(each).expires_at for each in messages] == [100.0, 100.0, 5000.0]


def test_it_counts_for_all_apps_groups_and_environments(world: World) -> None:
    two = world.service.directory.app("2").key
    messages = [
        world.produce(),
        world.produce(ONE, "shop", environment="pre-release"),
        world.service.produce(app_key=two, topic="t", content="{}", now=0.0),
    ]
    world.at(200.0)
    world.console.set_retention(200.0)
    assert sorted(expiries(world)) == sorted(messages)


def test_what_a_client_confirms_after_an_emergency_is_unknown_to_the_service(world: World) -> None:
    world.connected("c")
    message = world.produce()
    world.at(5.0)
    world.console.set_retention(5.0)
    world.confirm("c", message)
    assert world.service.state(message) is State.EXPIRED


def test_messages_that_flow_control_holds_back_expire_too_and_others_are_pushed_in_their_place() -> None:
    world = World(timing=Timing(retention=40.0))
    world.console.set_flow("1", "default", 0)
    world.connected("c")
    world.at(10.0)
    held = world.produce()
    world.at(45.0)
    kept = world.produce()
    world.console.set_flow("1", "default", 64)
    world.pushes()
    world.live(until=54.9)
    assert expiries(world) == {held: 50.0}
    world.live(until=55.0)
    assert [push.id for _, push in world.pushes()] == [kept]


@given(
    script=st.lists(
        st.tuples(st.sampled_from([0.0, 1.0, 5.0, 40.0]), st.sampled_from([None, None, 1.0, 10.0, 50.0, 200.0])),
        max_size=15,
    )
)
def test_a_message_ends_with_the_shortest_retention_that_was_in_force_in_its_life(
    script: list[tuple[float, float | None]],
) -> None:
    """Each step lets time pass, then sets a retention or produces a message."""
    world = World(timing=Timing(retention=100.0))
    retention, ends = 100.0, {}
    for pause, seconds in script:
        now = world.now + pause
        world.live(until=now)
        if seconds is None:
            ends[world.produce()] = now, now + retention
            continue
        world.console.set_retention(seconds)
        retention = seconds
        for message, (born, end) in ends.items():
            if end > now:
                ends[message] = born, max(now, min(end, born + seconds))
    world.live(until=world.now + 1000.0)
    assert expiries(world) == {message: end for message, (_, end) in ends.items()}
