"""What the service remembers of messages, what it forgets, and that it takes no more memory than that."""

from __future__ import annotations

import tracemalloc
from functools import partialmethod

import pytest
from service_by_hand import ONE, World

from tmcfakes import backlog
from tmcfakes.backlog import REMEMBERED, Backlog
from tmcfakes.service import Service
from tmcspec.delivery import State
from tmcspec.events import Expired
from tmcspec.timing import Timing


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> World:
    """A service that remembers three settled messages, and a client on it."""
    monkeypatch.setattr(Backlog, "__init__", partialmethod(Backlog.__init__, remembered=3))
    world = World()
    world.connected("c")
    return world


def settled(world: World, count: int) -> list[int]:
    """So many new messages, confirmed."""
    messages = [world.produce() for _ in range(count)]
    for message in messages:
        world.confirm("c", message)
    return messages


FORGOTTEN = "message {} was never produced, or settled so long ago that 3 others were settled since"


# Settled messages


def test_the_latest_settled_messages_are_remembered_and_older_ones_are_not(forgetful: World) -> None:
    messages = settled(forgetful, 5)
    for message in messages[:2]:
        with pytest.raises(ValueError, match=f"^{FORGOTTEN.format(message)}$"):
            forgetful.service.message(message)
    assert [forgetful.service.state(message) for message in messages[2:]] == 3 * [State.CONFIRMED]
    assert REMEMBERED == 200_000


def test_they_are_forgotten_in_the_order_in_which_they_were_settled(forgetful: World) -> None:
    messages = [forgetful.produce() for _ in range(4)]
    for message in reversed(messages):
        forgetful.confirm("c", message)
    assert [forgetful.service.state(message) for message in messages[:3]] == 3 * [State.CONFIRMED]
    with pytest.raises(ValueError, match="was never produced"):
        forgetful.service.state(messages[3])


def test_what_is_not_settled_is_never_forgotten(forgetful: World) -> None:
    message = forgetful.produce()
    settled(forgetful, 100)
    assert forgetful.service.state(message) is State.PUSHED
    forgetful.confirm("c", message)
    assert forgetful.service.state(message) is State.CONFIRMED


@pytest.mark.parametrize("how", ["confirmed", "expired", "dropped"])
def test_however_they_were_settled(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(Backlog, "__init__", partialmethod(Backlog.__init__, remembered=1))
    world = World(timing=Timing(retention=10.0))
    messages = [world.produce(ONE, "shop") for _ in range(2)]
    if how == "expired":
        world.at(10.0)
    elif how == "dropped":
        world.console.delete_group("1", "shop")
    else:
        for message in messages:
            world.service.confirm(message, app_key="1", group="shop", now=0.0, via="http")
    assert world.service.state(messages[1]) is State[how.upper()]
    with pytest.raises(ValueError, match="was never produced"):
        world.service.state(messages[0])


def test_the_id_of_a_message_that_is_remembered_is_taken(forgetful: World) -> None:
    first, *_, last = settled(forgetful, 4)
    with pytest.raises(ValueError, match=f"message {last} was produced before; ids are unique"):
        forgetful.produce(id=last)
    waiting = forgetful.produce()
    with pytest.raises(ValueError, match=f"message {waiting} was produced before; ids are unique"):
        forgetful.produce(id=waiting)
    # Nobody could tell any more.
    assert forgetful.produce(id=first) == first


def test_a_report_of_what_was_forgotten_is_unknown_as_of_what_is_remembered(forgetful: World) -> None:
    for message in settled(forgetful, 5):
        for report in (forgetful.service.confirm, forgetful.service.fail):
            assert not report(message, app_key="1", group="default", now=0.0, via="http")


def test_timers_of_a_forgotten_message_do_nothing_to_another_of_its_id(forgetful: World) -> None:
    (message, *_) = settled(forgetful, 4)
    forgetful.now = 30.0
    forgetful.produce(id=message)
    forgetful.live(until=89.9)
    assert forgetful.service.state(message) is State.PUSHED
    forgetful.live(until=389.9)
    assert forgetful.service.state(message) is State.OVERDUE
    assert [push.retried for _, push in forgetful.pushes() if push.id == message] == [0, 0]
    forgetful.live(until=20_000.0)
    assert [entry.time for entry in forgetful.recorder.entries if isinstance(entry.event, Expired)] == [10_030.0]


# Queues


def test_the_oldest_waiting_message_goes_first_even_when_it_comes_again() -> None:
    world = World()
    world.connected("c")
    old = world.produce()
    world.closed("c")
    world.now = 100.0
    young = [world.produce(), world.produce()]
    world.live(until=360.0)
    world.connected("c")
    assert [push.id for _, push in world.pushes()] == [old, old, *young]


def test_what_was_settled_while_it_waited_is_passed_over() -> None:
    world = World()
    messages = [world.produce() for _ in range(6)]
    for message in (messages[0], messages[3], messages[5]):
        world.service.confirm(message, app_key="1", group="default", now=0.0, via="http")
    world.service.fail(messages[1], app_key="1", group="default", now=0.0, via="http")
    world.connected("c")
    assert [push.id for _, push in world.pushes()] == [messages[2], messages[4]]
    assert (world.service.queue("1").waiting, world.service.unsettled("1")) == (0, 3)


def test_a_message_that_waits_again_is_pushed_once() -> None:
    world = World()
    message = world.produce()
    for _ in range(5):
        # Behind every Failed it is queued anew.
        world.service.fail(message, app_key="1", group="default", now=world.now, via="http")
        world.live(until=world.now + 360.0)
    world.connected("c")
    assert [push.id for _, push in world.pushes()] == [message]
    assert world.service.queue("1").waiting == 0


def test_timers_that_run_out_together_do_so_in_the_order_of_a_life() -> None:
    world = World(timing=Timing(confirm_timeout=60.0, redelivery_delay=60.0, retention=180.0))
    world.connected("c")
    message = world.produce()
    seen = []
    for world.now in (60.0, 120.0, 180.0):
        world.at(world.now)
        seen.append((world.service.state(message), [each.outcome for each in world.service.message(message).handed]))
    assert seen == [
        (State.PUSHED, ["missed", "pending"]),
        (State.PUSHED, ["missed", "missed", "pending"]),
        (State.EXPIRED, ["missed", "missed", "missed"]),
    ]


def test_messages_about_a_business_object_are_found_settled_or_not(forgetful: World) -> None:
    def about(topic: str = "t", data_id: int = 7, group: str = "default") -> list[int]:
        queue = forgetful.service.queue("1", group)
        return [message.id for message in forgetful.service.about(queue, topic, data_id)]

    waiting = forgetful.produce(data_id=7)
    done = forgetful.produce(data_id=7)
    for more in ({"topic": "u"}, {"data_id": 8}, {"group": "shop"}):
        forgetful.produce(**{"data_id": 7} | more)
    forgetful.confirm("c", done)
    assert about() == [done, waiting]
    assert [len(about(**each)) for each in ({"topic": "u"}, {"data_id": 8}, {"group": "shop"})] == [1, 1, 1]
    assert about("u", 8) == []
    settled(forgetful, 3)
    assert about() == [waiting]


# Memory

PIECE = 1000


def grown(service: Service, world: World, *, content: str) -> int:
    """Bytes of memory that stay when some messages were produced, pushed and confirmed."""
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(PIECE):
        message = service.produce(app_key="1", topic="t", content=content, now=world.now)
        world.confirm("c", message)
        service.effects()
        world.live(until=world.now + 1.0)
    return tracemalloc.get_traced_memory()[0] - before


@pytest.fixture
def traced() -> object:
    tracemalloc.start()
    yield None
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_a_settled_message_lets_go_of_its_content() -> None:
    world = World(keep=1)
    world.connected("c")
    assert grown(world.service, world, content="x" * 10_000) < PIECE * 2000


@pytest.mark.usefixtures("traced")
def test_a_service_that_has_forgotten_enough_grows_no_more(forgetful: World) -> None:
    world = World(keep=1)
    world.connected("c")
    world.now = 20_000.0
    grown(world.service, world, content="x")
    assert grown(world.service, world, content="x") < PIECE * 20


@pytest.mark.usefixtures("traced", "forgetful")
def test_behind_a_message_that_nobody_takes_no_timers_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SPARE_TIMERS", 50)
    world = World(keep=1)
    world.connected("c")
    waiting = world.produce(ONE, "shop")
    grown(world.service, world, content="x")
    assert grown(world.service, world, content="x") < PIECE * 20
    world.live(until=9_999.9)
    assert world.service.state(waiting) is State.WAITING
    world.live(until=10_000.0)
    assert world.service.state(waiting) is State.EXPIRED
