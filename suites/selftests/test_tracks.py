"""The three tracks of a message in the service's console: produced, handed out, confirmed (S64: 轨迹1 消息产生记录
轨迹2 消息消费记录 轨迹3 消息确认记录).
"""

from __future__ import annotations

from typing import Any

import pytest
from service_by_hand import ONE, World

from tmcfakes.connections import ADDRESS_LIMIT, chain
from tmcfakes.queues import Message, Outcome
from tmcspec.delivery import State
from tmcspec.frame import Field, int64, string
from tmcspec.timing import Timing

INTRANET = string("intranet_ip", "30.7.202.155")
NEW_SDK = (string("sdk", "top-sdk-java-20221229"), INTRANET)


@pytest.fixture
def world() -> World:
    world = World(server_ip="11.8.4.163")
    world.connected("c", peer="42.120.74.122", extras=NEW_SDK)
    return world


def handed(message: Message) -> list[tuple[Any, ...]]:
    return [(each.time, each.via, each.connection, each.outcome) for each in message.handed]


def outcomes(world: World, message: int) -> list[Outcome]:
    return [each.outcome for each in world.service.message(message).handed]


def confirmed(world: World, message: int) -> tuple[Any, ...] | None:
    found = world.service.message(message).confirmed
    return None if found is None else (found.time, found.via, found.connection)


def consume(world: World, quantity: int = 1, ip: str = "") -> list[Message]:
    return world.service.consume(quantity, app_key="1", group="default", now=world.now, request=1, ip=ip)


def test_the_three_tracks_of_a_message_that_is_confirmed_at_its_second_delivery(world: World) -> None:
    world.now = 1.5
    number = world.service.produce(app_key="1", topic="t", content="{}", user_id=7, data_id=9, now=1.5)
    world.live(until=400.0)
    world.confirm("c", number)
    message = world.service.message(number)
    # Track 1.
    assert (message.id, message.topic, message.user_id, message.data_id, message.born) == (number, "t", 7, 9, 1.5)
    assert (message.queue.key, message.kind) == (("1", "default", "production"), "point_to_point")
    assert message.expires_at == 10_001.5
    # Track 2. S65: 每一条均代表推送给了目标isvClient一次该消息
    assert handed(message) == [(1.5, "ws", "c", "missed"), (361.5, "ws", "c", "confirmed")]
    # Track 3.
    assert confirmed(world, number) == (400.0, "ws", "c")
    assert message.state is State.CONFIRMED


def test_a_message_that_nobody_took_has_the_first_track_alone(world: World) -> None:
    number = world.produce(group="shop")
    message = world.service.message(number)
    assert (message.born, message.handed, message.confirmed, message.state) == (0.0, (), None, State.WAITING)


@pytest.mark.parametrize("settled", [False, True])
def test_every_look_at_a_message_shows_the_same(world: World, settled: bool) -> None:
    number = world.produce()
    if settled:
        world.confirm("c", number)
    one, other = world.service.message(number), world.service.message(number)
    for name in ("id", "topic", "born", "expires_at", "user_id", "kind", "state", "confirmed", "queue"):
        assert getattr(one, name) == getattr(other, name)
    assert handed(one) == handed(other) == [(0.0, "ws", "c", "confirmed" if settled else "pending")]
    assert one.queue is world.service.queue("1")


# What came of a delivery


# S24: 若阻塞1分钟仍未处理完毕…将导致确认超时
def test_a_delivery_is_pending_for_a_minute_and_missed_then(world: World) -> None:
    number = world.produce()
    seen = {}
    for now in (0.0, 59.9, 60.0, 359.9, 360.0, 419.9, 420.0):
        world.at(now)
        seen[now] = outcomes(world, number)
    assert seen == {
        0.0: ["pending"],
        59.9: ["pending"],
        60.0: ["missed"],
        359.9: ["missed"],
        360.0: ["missed", "pending"],
        419.9: ["missed", "pending"],
        420.0: ["missed", "missed"],
    }


@pytest.mark.parametrize(
    ("now", "outcome"),
    [(0.0, "confirmed"), (59.9, "confirmed"), (60.0, "confirmed late"), (359.9, "confirmed late")],
)
def test_a_confirm_is_in_time_within_the_minute(world: World, now: float, outcome: Outcome) -> None:
    # S66: 代表 tmcClient已经收到了消息且按时确认了消息
    number = world.produce()
    world.live(until=now)
    world.confirm("c", number)
    assert outcomes(world, number) == [outcome]
    assert confirmed(world, number) == (now, "ws", "c")


@pytest.mark.parametrize("now", [0.0, 59.9, 60.0, 300.0])
def test_a_failed_delivery_is_a_failed_one_whenever_it_is_reported(world: World, now: float) -> None:
    number = world.produce()
    world.live(until=now)
    world.fail("c", number)
    world.fail("c", number)
    world.live(until=now + 400.0)
    assert outcomes(world, number) == ["failed", "pending"]
    assert confirmed(world, number) is None


def test_a_confirm_after_a_failed_is_late(world: World) -> None:
    number = world.produce()
    world.fail("c", number)
    world.confirm("c", number)
    assert outcomes(world, number) == ["confirmed late"]


def test_a_confirm_while_the_message_waits_to_be_pushed_again_is_one_of_the_last_delivery(world: World) -> None:
    number = world.produce()
    world.closed("c")
    world.live(until=500.0)
    assert world.service.state(number) is State.WAITING
    world.service.confirm(number, app_key="1", group="default", now=500.0, via="http")
    assert outcomes(world, number) == ["confirmed late"]
    assert confirmed(world, number) == (500.0, "http", None)


@pytest.mark.parametrize("failed", [False, True])
def test_a_report_of_what_was_never_delivered_has_no_second_track(failed: bool) -> None:
    world = World()
    number = world.produce()
    report = world.service.fail if failed else world.service.confirm
    assert report(number, app_key="1", group="default", now=0.0, via="http")
    assert world.service.message(number).handed == ()
    assert confirmed(world, number) == (None if failed else (0.0, "http", None))


@pytest.mark.parametrize("how", ["expired", "dropped"])
def test_what_ends_before_its_minute_is_over_stays_pending(how: str) -> None:
    world = World(timing=Timing(retention=30.0))
    world.console.create_group("1", "g")
    world.connected("c", ONE, "g")
    number = world.produce(group="g")
    if how == "dropped":
        world.console.delete_group("1", "g")
    world.live(until=1000.0)
    assert outcomes(world, number) == ["pending"]
    assert world.service.state(number) is State[how.upper()]
    assert confirmed(world, number) is None


def test_a_lost_confirm_leaves_no_track(world: World) -> None:
    number = world.produce()
    world.service.lose_confirms(1)
    world.confirm("c", number)
    assert outcomes(world, number) == ["pending"]
    assert confirmed(world, number) is None


# Over HTTP, and both ways on one queue (S3: 多种消费方式协作消费同一个队列)


def test_what_is_consumed_over_http_has_tracks_too() -> None:
    world = World()
    number = world.produce()
    (message,) = consume(world, ip="1.2.3.4:null:9.9.9.9")
    assert (message.id, handed(message)) == (number, [(0.0, "http", None, "pending")])
    assert [each.ip for each in message.handed] == ["1.2.3.4:null:9.9.9.9"]
    assert consume(world) == []
    world.live(until=360.0)
    world.connected("c")
    world.confirm("c", number)
    assert handed(world.service.message(number)) == [
        (0.0, "http", None, "missed"),
        (360.0, "ws", "c", "confirmed"),
    ]


def test_a_message_that_was_pushed_may_be_confirmed_over_http(world: World) -> None:
    number = world.produce()
    assert world.service.confirm(number, app_key="1", group="default", now=5.0, via="http")
    assert handed(world.service.message(number)) == [(0.0, "ws", "c", "confirmed")]
    assert confirmed(world, number) == (5.0, "http", None)


@pytest.mark.parametrize("quantity", [0, -1])
def test_who_asks_for_nothing_gets_nothing(quantity: int) -> None:
    world = World()
    world.produce()
    assert consume(world, quantity) == []
    assert world.service.queue("1").counts.pushed == 0


def test_a_queue_counts_what_happened_in_it(world: World) -> None:
    messages = [world.produce() for _ in range(4)]
    world.confirm("c", messages[0])
    world.fail("c", messages[1])
    world.fail("c", messages[1])
    world.confirm("c", messages[0])
    world.live(until=365.0)
    counts = world.service.queue("1").counts
    assert (counts.produced, counts.pushed, counts.confirmed, counts.failed) == (4, 7, 1, 1)
    world.live(until=10_000.0)
    assert (counts.expired, counts.dropped, counts.confirmed) == (3, 0, 1)
    assert world.service.unsettled("1") == 0


# Addresses on the way. S67: 三个ip 分别对应 tmcClient的内网ip、tmcClient的公网ip、tmc服务器ip


@pytest.mark.parametrize(
    ("intranet", "public", "shown"),
    [
        ("10.0.0.1", "1.2.3.4", "10.0.0.1:1.2.3.4:9.9.9.9"),
        ("10.0.0.1", None, "10.0.0.1:null:9.9.9.9"),
        (None, "1.2.3.4", "1.2.3.4:null:9.9.9.9"),
        (None, None, "null:null:9.9.9.9"),
    ],
)
def test_the_chain_of_addresses(intranet: str | None, public: str | None, shown: str) -> None:
    assert chain(intranet=intranet, public=public, server="9.9.9.9") == shown


# S67: 三个ip
@pytest.mark.parametrize(
    ("extras", "peer", "shown"),
    [
        (NEW_SDK, "42.120.74.122", "30.7.202.155:42.120.74.122:11.8.4.163"),
        (NEW_SDK, None, "30.7.202.155:null:11.8.4.163"),
        # 旧sdk中间ip为 null
        ((), "42.120.74.122", "42.120.74.122:null:11.8.4.163"),
        ((string("intranet_ip", ""),), "42.120.74.122", "42.120.74.122:null:11.8.4.163"),
        ((int64("intranet_ip", 5),), "42.120.74.122", "42.120.74.122:null:11.8.4.163"),
        ((string("intranet_ip", "x" * 1000),), "::1", "x" * ADDRESS_LIMIT + ":::1:11.8.4.163"),
    ],
)
def test_a_delivery_shows_the_addresses_on_its_way(extras: tuple[Field, ...], peer: str | None, shown: str) -> None:
    world = World(server_ip="11.8.4.163")
    world.connected("c", peer=peer, extras=extras)
    message = world.service.message(world.produce())
    assert [each.ip for each in message.handed] == [shown]


def test_each_delivery_shows_the_way_it_went(world: World) -> None:
    number = world.produce()
    world.closed("c")
    world.connected("old", peer="5.6.7.8")
    world.live(until=360.0)
    assert [(each.connection, each.ip) for each in world.service.message(number).handed] == [
        ("c", "30.7.202.155:42.120.74.122:11.8.4.163"),
        ("old", "5.6.7.8:null:11.8.4.163"),
    ]
