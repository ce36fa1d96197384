"""The life of a message as the official document tells it: how long it is kept, when it comes again and how often,
under which ids, and in which order its tracks are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from service_by_hand import ONE, TWO, World

from tmcfakes.queues import Outcome
from tmcspec import ids
from tmcspec.delivery import State
from tmcspec.events import Confirmed, Expired, FrameIn, FrameOut, Id, Produced, Pushed, UnknownConfirm
from tmcspec.frame import string
from tmcspec.timing import Timing

DAY = 24 * 3600.0


Answer: TypeAlias = Callable[[World, str, int], None]


def answered(world: World, until: float, answer: Answer) -> list[float]:
    """Time passes, and a client answers each push. Returns when there were any."""
    times = []
    while True:
        for name, push in world.pushes():
            times.append(world.now)
            assert push.id is not None
            answer(world, name, push.id)
        deadline = world.service.deadline()
        if deadline is None or deadline > until:
            return times
        world.at(deadline)


def say_nothing(world: World, name: str, message: int) -> None:
    """Neither confirms nor fails."""


def fail(world: World, name: str, message: int) -> None:
    world.fail(name, message)


def confirm(world: World, name: str, message: int) -> None:
    world.confirm(name, message)


# How long


@pytest.mark.parametrize(("retention", "hours"), [(None, 24), (8 * 3600.0, 8)], ids=["by default", "another cluster"])
def test_a_message_is_kept_for_24_hours_or_as_long_as_its_cluster_keeps_it(retention: float | None, hours: int) -> None:
    """S7: 消息存储时间仅最多24小时; S53: 消息最多保留8至24小时(不同集群有差异), 不论发没发, 有没有重发."""
    world = World(timing=Timing() if retention is None else Timing(retention=retention))
    world.connected("c")
    pushed, waiting = world.produce(), world.produce(group="shop")
    end = hours * 3600.0
    answered(world, end - 0.001, say_nothing)
    assert world.events(Expired) == []
    world.at(end)
    assert world.events(Expired) == [Expired(message=Id(pushed)), Expired(message=Id(waiting))]


# When, and how often


@pytest.mark.parametrize("answer", [say_nothing, fail], ids=["not confirmed", "failed"])
@pytest.mark.parametrize("delay", [360.0, 300.0])
def test_a_message_comes_again_after_the_interval_of_its_cluster(delay: float, answer: Answer) -> None:
    """S25: 约6分钟后重新加入消费队列待消费; S26: 重试时间 6分钟不等. Comments in older SDK samples say five minutes."""
    world = World(timing=Timing(redelivery_delay=delay))
    world.connected("c")
    world.produce()
    assert answered(world, 3 * delay, answer) == [0.0, delay, 2 * delay, 3 * delay]


@pytest.mark.parametrize("answer", [say_nothing, fail], ids=["not confirmed", "failed"])
def test_what_is_never_confirmed_comes_again_and_again_until_its_day_is_over(answer: Answer) -> None:
    """S27: 否则消息会一直重发; S39: 重发次数由消息服务控制: no number is named, and there is none here; S52a:
    消费了不确认, 每间隔约6分钟重发一次.
    """
    world = World(timing=Timing())
    world.connected("c")
    message = world.produce()
    assert answered(world, 2 * DAY, answer) == [360.0 * number for number in range(240)]
    assert world.service.state(message) is State.EXPIRED


@pytest.mark.parametrize(
    ("blocked", "tracks"),
    [
        (59.9, [(0.0, "confirmed")]),
        (60.0, [(0.0, "confirmed late")]),
        (359.9, [(0.0, "confirmed late")]),
        (400.0, [(0.0, "missed"), (360.0, "confirmed")]),
    ],
)
def test_a_handler_that_blocks_for_a_minute_has_missed_its_time(
    blocked: float, tracks: list[tuple[float, Outcome]]
) -> None:
    """S24: 若阻塞1分钟仍未处理完毕, 将导致确认超时, 会导致重发消息: when it blocks on, the message comes again. What is
    confirmed before that is late, and settles it all the same.
    """
    world = World()
    world.connected("c")
    message = world.produce()
    world.live(until=blocked)
    world.confirm("c", message)
    world.live(until=1000.0)
    assert [(each.time, each.outcome) for each in world.service.message(message).handed] == tracks


# Twice


def test_a_confirm_that_is_lost_on_the_way_makes_a_duplicate() -> None:
    """S40: MQ无法避免消息重复(Exactly-Once)."""
    world = World()
    world.connected("c")
    message = world.produce()
    world.service.lose_confirms(1)
    assert answered(world, 1000.0, confirm) == [0.0, 360.0]
    assert world.events(Confirmed) == [Confirmed(message=Id(message), via="ws", connection="c")]


def test_an_id_is_that_of_one_message_and_one_message_may_have_two_ids() -> None:
    """S42: msgId一定是全局唯一标识符, 但可能会存在相同的消息有两个不同msgId的情况."""
    world = World()
    world.connected("c")
    first, second = (world.produce(topic="taobao_trade_TradeCreate", data_id=9) for _ in range(2))
    assert first != second
    one, other = (push for _, push in world.pushes())
    assert (one.topic, one.content, one.data_id) == (other.topic, other.content, other.data_id)
    world.confirm("c", first)
    assert world.service.state(second) is State.PUSHED
    for app, environment in ((ONE, "production"), (TWO, "production"), (ONE, "pre-release")):
        with pytest.raises(ValueError, match=f"message {first} was produced before"):
            world.produce(app, id=first, environment=environment)


def test_a_confirm_whose_id_lost_precision_settles_nothing_and_the_message_comes_again() -> None:
    """S62: 确认消息outgoingId long型精度丢失, 导致无法正常确认, 确认后还反复重发消息."""
    world = World()
    world.connected("c")
    message = world.produce(id=4160600490938325004)
    rounded = ids.as_double(message)
    assert rounded != message
    times = answered(world, 1000.0, lambda world, name, message: world.confirm(name, ids.as_double(message)))
    assert times == [0.0, 360.0, 720.0]
    assert world.events(UnknownConfirm) == 3 * [UnknownConfirm(id=Id(rounded), via="ws", connection="c")]


# The tracks


def test_the_tracks_are_in_the_order_of_the_way_that_a_message_goes() -> None:
    """S68: 消息产生->(消息记录)->tmc服务器ip->(发送记录)->tmcClient的公网ip->tmcClient的内网ip ->确认消息->(确认记录);
    S67: 三个ip 分别对应 tmcClient的内网ip、tmcClient的公网ip、tmc服务器ip.
    """
    world = World(server_ip="11.8.4.163")
    world.now = 1.0
    message = world.produce()
    world.now = 2.0
    world.connected("c", peer="42.120.74.122", extras=(string("intranet_ip", "30.7.202.155"),))
    world.now = 3.0
    world.confirm("c", message)
    found = world.service.message(message)
    (push,) = found.handed
    assert found.confirmed is not None
    assert (found.born, push.time, found.confirmed.time) == (1.0, 2.0, 3.0)
    assert push.ip == "30.7.202.155:42.120.74.122:11.8.4.163"
    way = [type(each) for each in world.events(Produced, Pushed, FrameOut, FrameIn, Confirmed)]
    # The frame of the CONNECT, its answer, then the push.
    assert way == [Produced, FrameIn, FrameOut, Pushed, FrameOut, FrameIn, Confirmed]
