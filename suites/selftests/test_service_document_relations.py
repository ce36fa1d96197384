"""Whose messages there are: broadcasts belong to users, messages from point to point to an app, and what happened
before an app took a user's messages, or after the grant ended, is nobody's (S9 to S11, S70).
"""

from __future__ import annotations

from service_by_hand import ONE, TWO, World

from tmcspec.events import Produced
from tmcspec.timing import Timing


def broadcast(world: World, nick: str = "seller") -> list[str]:
    """The apps that get it."""
    return list(world.service.broadcast(topic="trade", content="{}", nick=nick, now=world.now))


def kinds(world: World) -> list[tuple[str, str, int | None]]:
    return [
        (event.app_key, event.kind, event.user_id) for event in world.events(Produced) if isinstance(event, Produced)
    ]


def test_a_broadcast_is_of_a_user_and_goes_to_each_app_that_has_the_grant_and_takes_it() -> None:
    """S9: 需要卖家用户授权appkey 且 appkey添加卖家用户到分组; S10: 淘宝内部将消息广播给所有拥有用户授权的appkey."""
    world = World()
    world.console.authorise("1", "seller", user_id=7)
    told = [broadcast(world)]  # granted, and not added
    world.console.permit("1", "seller")
    told.append(broadcast(world))
    world.console.authorise("2", "seller")
    world.console.permit("2", "seller")
    told.append(broadcast(world))
    assert told == [[], ["1"], ["1", "2"]]
    assert kinds(world) == [("1", "broadcast", 7), ("1", "broadcast", 7), ("2", "broadcast", 7)]


def test_a_message_from_point_to_point_needs_no_user_and_no_grant() -> None:
    """S11: 内部应用自行向appkey发送消息; 消息属于appkey, 跟用户无关."""
    world = World(timing=Timing(retention=10_000.0, subscription_cache=0.0))
    world.console.authorise("1", "seller", user_id=7)
    world.console.permit("1", "seller")
    world.console.cancel("1", "seller")
    world.console.revoke("1", "seller")
    world.produce()
    world.produce(user_id=7)
    world.produce(TWO, user_id=8)
    assert kinds(world) == [
        ("1", "point_to_point", None),
        ("1", "point_to_point", 7),
        ("2", "point_to_point", 8),
    ]
    world.connected("c")
    assert len(world.pushes()) == 2


def test_only_what_happens_while_a_relation_holds_becomes_a_message() -> None:
    """S70: 确保订阅修改时间, 授权过期时间, 和预期产生消息的场景时间匹配(时序): nothing is made up for."""
    world = World(timing=Timing(retention=10_000.0, subscription_cache=0.0))
    world.connected("c")
    world.console.authorise("1", "seller", until=100.0)
    told = {}
    for world.now in (0.0, 20.0, 99.9, 100.0, 200.0):
        if world.now == 20.0:
            world.console.permit("1", "seller")
        if world.now == 200.0:
            world.console.authorise("1", "seller")  # anew
        told[world.now] = broadcast(world)
    assert told == {0.0: [], 20.0: ["1"], 99.9: ["1"], 100.0: [], 200.0: ["1"]}
    assert len(world.pushes()) == 3


def test_a_group_has_as_many_users_as_are_added() -> None:
    """S61: 每个分组用户数不限."""
    world = World()
    nicks = [f"seller {number}" for number in range(3000)]
    for nick in nicks:
        world.console.authorise("1", nick)
        world.console.permit("1", nick)
    world.console.add_to_group("1", "vip", nicks)
    world.connected("c", ONE, "vip")
    for nick in (nicks[0], nicks[-1]):
        broadcast(world, nick)
    assert [push.nick for _, push in world.pushes()] == [nicks[0], nicks[-1]]
