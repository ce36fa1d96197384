"""Who gets a message: a broadcast goes to every app that holds the user's grant, and each app has its groups."""

from __future__ import annotations

from typing import Any

import pytest
from service_by_hand import EPOCH_MS, World

from tmcfakes.service import App
from tmcspec.events import Id, Produced, Pushed
from tmcspec.routing import MessageKind, Routed
from tmcspec.timing import Timing

ONE = App(key="1", secret="one", groups=frozenset({"shop", "vip"}))
TWO = App(key="2", secret="two", topics=frozenset({"trade"}))
THREE = App(key="3", secret="three")
IDLE = App(key="4", secret="four", subscribed=False)
TIMING = Timing(retention=10_000.0)
NO_CACHE = Timing(retention=10_000.0, subscription_cache=0.0)


def new_world(timing: Timing = TIMING) -> World:
    """User 7, `u`, has granted the first two apps access, and both take all of this user's messages."""
    world = World(apps=[ONE, TWO, THREE, IDLE], timing=timing)
    for key in ("1", "2"):
        world.console.authorise(key, "u", user_id=7)
        world.console.permit(key, "u")
    return world


@pytest.fixture
def world() -> World:
    return new_world()


def broadcast(world: World, topic: str = "trade", **more: Any) -> list[str]:
    """The apps that get it."""
    more = more or {"user_id": 7}
    return list(world.service.broadcast(topic=topic, content="{}", now=world.now, **more))


def last(world: World) -> Produced:
    event = world.events(Produced)[-1]
    assert isinstance(event, Produced)
    return event


# Broadcasts. S10: 将消息广播给所有拥有用户授权的appkey


@pytest.mark.parametrize("whom", [{"nick": "u"}, {"user_id": 7}])
def test_a_broadcast_goes_to_every_app_that_holds_the_grant_under_an_id_of_its_own(
    world: World, whom: dict[str, Any]
) -> None:
    world.connected("c1", ONE)
    world.connected("c2", TWO)
    world.sends()
    world.now = 2.0
    ids = world.service.broadcast(topic="trade", content='{"tid":9}', data_id=9, now=2.0, **whom)
    assert list(ids) == ["1", "2"]
    assert len(set(ids.values())) == 2
    pushes = world.pushes()
    assert [(name, push.id) for name, push in pushes] == [("c1", ids["1"]), ("c2", ids["2"])]
    for _, push in pushes:
        assert (push.topic, push.content, push.user_id, push.nick, push.data_id, push.time) == (
            *("trade", '{"tid":9}', 7, "u", 9),
            EPOCH_MS + 2000,
        )
    assert world.events(Produced, Pushed) == [
        Produced(
            message=Id(ids["1"]),
            app_key="1",
            group="default",
            topic="trade",
            user_id=Id(7),
            content='{"tid":9}',
            kind="broadcast",
            routed="default",
        ),
        Pushed(message=Id(ids["1"]), connection="c1", attempt=1),
        Produced(
            message=Id(ids["2"]),
            app_key="2",
            group="default",
            topic="trade",
            user_id=Id(7),
            content='{"tid":9}',
            kind="broadcast",
            routed="default",
        ),
        Pushed(message=Id(ids["2"]), connection="c2", attempt=1),
    ]


# S9: 需要卖家用户授权appkey
def test_it_needs_the_subscription_of_the_app_and_its_permission(world: World) -> None:
    assert broadcast(world, "refund") == ["1"]
    world.console.authorise("3", "u")
    assert broadcast(world) == ["1", "2"]
    world.console.permit("3", "u", topics=["refund"])
    assert broadcast(world) == ["1", "2"]
    assert broadcast(world, "refund") == ["1", "3"]
    world.console.authorise("4", "u")
    world.console.permit("4", "u")
    assert broadcast(world) == ["1", "2"]


def test_it_goes_to_no_app_of_another_user(world: World) -> None:
    world.console.authorise("3", "v", user_id=8)
    world.console.permit("3", "v")
    assert broadcast(world, user_id=7) == ["1", "2"]
    assert broadcast(world, nick="v") == ["3"]


def test_a_user_whose_relations_are_all_over_is_told_of_to_nobody() -> None:
    world = new_world(NO_CACHE)
    for key in ("1", "2"):
        world.console.cancel(key, "u")
    assert broadcast(world) == []
    assert world.events(Produced) == []


@pytest.mark.parametrize(
    ("whom", "who"),
    [
        ({"user_id": 8}, "user_id 8"),
        ({"nick": "v"}, "nick 'v'"),
        ({"nick": None}, "nick None"),
        ({"user_id": 7, "nick": "v"}, "user_id 7 and nick 'v'"),
    ],
)
def test_a_user_that_nobody_knows_is_refused(world: World, whom: dict[str, Any], who: str) -> None:
    text = f"no user with {who} has ever granted an app access; authorise the user for an app first"
    with pytest.raises(ValueError, match=f"^{text}$"):
        broadcast(world, **whom)


SAID: dict[str, Any] = {"topic": "t", "content": "{}", "user_id": 7, "now": 0.0}


@pytest.mark.parametrize("wrong", [{"content": "\ud800"}, {"topic": "\ud800"}, {"data_id": 2**63}])
def test_what_cannot_be_written_goes_to_nobody(world: World, wrong: dict[str, Any]) -> None:
    world.console.subscribe("2", None)
    with pytest.raises(ValueError, match=r"field '(content|topic|data_id)'"):
        world.service.broadcast(**SAID | wrong)
    assert world.events(Produced) == []
    assert [queue.unsettled for queue in world.service.queues()] == [0] * len(world.service.queues())


# Relations that end. S55: 取消订阅, 授权过期, 删除用户; S54: 短时间(5分钟左右)可能会查出来缓存的关系


def end(world: World, how: str) -> None:
    """The relation of app 1 ends at 100 s."""
    if how == "the grant expires":
        world.console.authorise("1", "u", until=100.0)
    world.now = 100.0
    if how == "the grant is taken back":
        world.console.revoke("1", "u")
    elif how == "the user is deleted":
        world.console.cancel("1", "u")
    elif how == "the topic is permitted no more":
        world.console.permit("1", "u", topics=["refund"])
    elif how == "nothing is subscribed to any more":
        world.console.subscribe("1", [])
    elif how == "the topic is subscribed to no more":
        world.console.subscribe("1", ["refund"])


ENDS = [
    "the grant expires",
    "the grant is taken back",
    "the user is deleted",
    "the topic is permitted no more",
    "nothing is subscribed to any more",
    "the topic is subscribed to no more",
]


# S54: 短时间(5分钟左右)可能会查出来缓存的关系
@pytest.mark.parametrize("how", ENDS)
def test_a_relation_that_ended_is_found_in_the_cache_for_five_minutes(how: str) -> None:
    world = new_world()
    end(world, how)
    told = {}
    for world.now in (100.0, 399.9, 400.0, 9_000.0):
        told[world.now] = "1" in broadcast(world)
    assert told == {100.0: True, 399.9: True, 400.0: False, 9_000.0: False}


# S55: 取消订阅, 授权过期, 删除用户
@pytest.mark.parametrize("how", ENDS)
def test_without_a_cache_production_ends_at_once(how: str) -> None:
    world = new_world(NO_CACHE)
    assert broadcast(world) == ["1", "2"]
    end(world, how)
    assert broadcast(world) == ["2"]


@pytest.mark.parametrize("how", ENDS)
def test_what_is_queued_is_still_delivered(how: str) -> None:
    # S56: 不再产生新的消息, 但已产生的待消费堆积消息依然继续推送
    world = new_world(NO_CACHE)
    ids = world.service.broadcast(topic="trade", content="{}", user_id=7, now=0.0)
    end(world, how)
    if "subscribed" in how:
        world.console.subscribe("1", ["something"])  # else nobody could connect
    world.connected("c", ONE)
    assert [push.id for _, push in world.pushes()] == [ids["1"]]
    world.live(until=460.0)
    assert [push.id for _, push in world.pushes()] == [ids["1"]]


def test_a_relation_that_is_renewed_goes_on() -> None:
    world = new_world(NO_CACHE)
    end(world, "the user is deleted")
    end(world, "the grant is taken back")
    world.console.authorise("1", "u")
    assert broadcast(world) == ["2"]
    world.console.permit("1", "u", topics=["trade"])
    assert broadcast(world) == ["1", "2"]


# Groups


@pytest.mark.parametrize(
    ("user_grouped", "topic_bound", "group", "routed"),
    [
        (True, True, "vip", "user"),
        (True, False, "vip", "user"),
        (False, True, "shop", "topic"),
        (False, False, "default", "default"),
    ],
)
def test_a_broadcast_is_routed_by_its_user_and_else_by_its_topic(
    world: World, user_grouped: bool, topic_bound: bool, group: str, routed: Routed
) -> None:
    if user_grouped:
        world.console.add_to_group("1", "vip", ["u"])
    if topic_bound:
        world.console.bind_topics("1", "shop", ["trade"])
    ids = world.service.broadcast(topic="trade", content="{}", user_id=7, now=0.0)
    found = {event.app_key: event for event in world.events(Produced) if isinstance(event, Produced)}
    assert (found["1"].group, found["1"].routed, found["1"].kind) == (group, routed, "broadcast")
    # The other app is configured by itself.
    assert (found["2"].group, found["2"].routed) == ("default", "default")
    assert world.service.unsettled("1", group) == 1
    world.connected("c", ONE, group)
    assert [push.id for _, push in world.pushes()] == [ids["1"]]


@pytest.mark.parametrize(
    ("group", "user_id", "topic", "reached", "routed"),
    [
        ("shop", 7, "trade", "shop", "named"),
        ("default", 7, "trade", "default", "named"),
        (None, 7, "trade", "vip", "user"),
        (None, 8, "trade", "shop", "topic"),
        (None, None, "trade", "shop", "topic"),
        (None, 8, "refund", "default", "default"),
        (None, None, "refund", "default", "default"),
    ],
)
def test_a_message_of_an_app_goes_to_the_group_it_names_and_else_is_routed(
    world: World, group: str | None, user_id: int | None, topic: str, reached: str, routed: Routed
) -> None:
    # S12: 一般发往 appkey的 default 默认分组
    world.console.add_to_group("1", "vip", ["u"])
    world.console.bind_topics("1", "shop", ["trade"])
    world.produce(ONE, group, topic=topic, user_id=user_id)
    kind: MessageKind = "point_to_point"
    assert (last(world).group, last(world).routed, last(world).kind) == (reached, routed, kind)


@pytest.mark.parametrize("group", ["", "other"])
def test_a_group_that_is_named_must_be_there(world: World, group: str) -> None:
    with pytest.raises(ValueError, match=f"app '1' has no group '{group}'; its groups: default, shop, vip"):
        world.produce(ONE, group, topic="trade")
    assert world.events(Produced) == []


def test_a_group_of_another_app_does_not_count(world: World) -> None:
    world.console.add_to_group("1", "vip", ["u"])
    world.produce(TWO, None, topic="trade", user_id=7)
    assert (last(world).app_key, last(world).group) == ("2", "default")


def test_messages_of_a_group_go_to_connections_of_its_name_alone(world: World) -> None:
    # S58: 组内用户的消息只会发送到相同组名的连接上
    for name, group in (("c1", "default"), ("c2", "vip"), ("c3", "shop")):
        world.connected(name, ONE, group)
    world.console.add_to_group("1", "vip", ["u"])
    world.pushes()
    for _ in range(20):
        broadcast(world)
    assert {name for name, _ in world.pushes()} == {"c2"}
    assert world.service.unsettled("1", "vip") == 20
    assert world.service.unsettled("2") == 20


def test_an_app_is_sent_what_it_has_subscribed_to_and_nothing_else(world: World) -> None:
    world.produce(TWO, topic="trade")
    text = "app '2' has subscribed to topics, but not to 'refund', so it is not produced for it"
    with pytest.raises(ValueError, match=f"^{text}$"):
        world.produce(TWO, topic="refund")
    with pytest.raises(ValueError, match=r"^app '4' has subscribed to nothing, so it is not produced for it$"):
        world.produce(IDLE, topic="trade")
    world.console.subscribe("2", ["refund"])
    world.produce(TWO, topic="refund")
    for world.now, produced in ((299.9, True), (300.0, False)):
        if produced:
            world.produce(TWO, topic="trade")
            continue
        with pytest.raises(ValueError, match="but not to 'trade'"):
            world.produce(TWO, topic="trade")


@pytest.mark.parametrize(("now", "accepted"), [(299.9, True), (300.0, False)])
def test_who_has_subscribed_to_nothing_cannot_connect_when_the_cache_has_forgotten_it(
    world: World, now: float, accepted: bool
) -> None:
    world.console.subscribe("1", [])
    world.now = now
    world.connected("c", ONE)
    assert (world.service.connections("1") == ("c",)) is accepted


def test_a_broadcast_with_an_id_gives_it_to_the_first_app_and_the_next_to_the_next(world: World) -> None:
    ids = world.service.broadcast(topic="trade", content="{}", user_id=7, id=41, now=world.now)
    assert ids == {"1": 41, "2": 42}
