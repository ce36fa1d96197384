"""The service pushes messages: what a push looks like, and to whom it goes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from service_by_hand import EPOCH_MS, ONE, TWO, World

from tmcfakes.service import App, Service
from tmcspec.delivery import State
from tmcspec.events import Closed, Id, Produced
from tmcspec.frame import MessageType, decode, encode
from tmcspec.messages import Push, from_service, gzipped
from tmcspec.trace import Recorder


@pytest.fixture
def world() -> World:
    return World()


# The push


def test_a_push_carries_the_fields_of_the_captured_ones_in_their_order(world: World) -> None:
    world.connected("c1")
    world.now = 2.5
    (ack,) = world.sends()
    message = world.service.produce(
        app_key="1",
        topic="taobao_trade_TradeCreate",
        content='{"tid":7}',
        now=2.5,
        user_id=2**60,
        nick="店铺",
        data_id=7,
    )
    (push,) = world.sends()
    frame = decode(push.data, strict=True)
    assert (frame.type, frame.flag, frame.token) == (MessageType.SEND, 0, decode(ack.data).token)
    assert [(key, value) for key, _, value in frame.content or ()] == [
        ("topic", "taobao_trade_TradeCreate"),
        ("userid", 2**60),
        ("__kind", 3),
        ("publisher", "12497914"),
        ("retried", 0),
        ("content", '{"tid":7}'),
        ("id", message),
        ("data_id", 7),
        ("time", EPOCH_MS + 2500),
        ("nick", "店铺"),
        ("dataid", 7),
        ("born_time", EPOCH_MS + 2500),
        ("outtime", EPOCH_MS + 2500),
    ]


def test_ids_rise_in_small_steps_above_what_a_double_can_hold(world: World) -> None:
    ids = [world.produce() for _ in range(50)]
    assert all(0 < after - before <= 16 for before, after in pairwise(ids))
    assert all(2**60 < each < 2**63 for each in ids)


def test_an_id_that_was_taken_by_hand_is_passed_over(world: World) -> None:
    first = world.produce()
    for taken in range(first + 1, first + 17):
        world.produce(id=taken)
    assert world.produce() > first + 16


def test_produced_tells_the_text_and_whose_message_it_is(world: World) -> None:
    message = world.service.produce(app_key="1", topic="t", content="text", user_id=5, now=0.0)
    assert world.events(Produced) == [
        Produced(
            message=Id(message),
            app_key="1",
            group="default",
            topic="t",
            user_id=Id(5),
            content="text",
            routed="default",
        )
    ]


def test_a_message_with_wire_goes_out_as_those_bytes_each_time(world: World) -> None:
    world.connected("c1")
    world.sends()
    seen: list[Push] = []

    def wire(push: Push) -> bytes:
        seen.append(push)
        return encode(replace(push, content=gzipped("long")).to_frame())

    world.service.produce(app_key="1", topic="t", content="long", now=0.0, wire=wire, fragments=3)
    world.at(360.0)
    pushes = world.sends()
    assert [effect.fragments for effect in pushes] == [3, 3]
    assert [push.retried for push in seen] == [0, 1]
    (again,) = [from_service(decode(pushes[1].data))]
    assert isinstance(again, Push)
    assert again.text() == "long"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"app_key": "3"}, "unknown app '3'; known: 1, 2"),
        ({"group": "x"}, "app '1' has no group 'x'; its groups: default, shop"),
        ({"id": 2**63}, "9223372036854775808 is not a signed 64-bit integer"),
        ({"id": 7}, "message 7 was produced before"),
        ({"user_id": 2**63}, "'userid'"),
        ({"content": "\ud800"}, "'content'"),
        ({"fragments": 0}, "fragments must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_produced_is_an_error_and_leaves_nothing_behind(
    world: World, wrong: dict[str, object], complaint: str
) -> None:
    world.produce(id=7)
    right: dict[str, object] = {"app_key": "1", "topic": "t", "content": "{}", "now": 0.0}
    with pytest.raises(ValueError, match=complaint):
        world.service.produce(**{**right, **wrong})  # type: ignore[arg-type]
    assert world.service.unsettled("1") == 1
    assert len(world.events(Produced)) == 1


def test_nothing_is_produced_for_an_app_without_a_subscription() -> None:
    app = App(key="3", secret="three", subscribed=False)
    service = Service(apps=[app], recorder=Recorder(), rng=random.Random(1))
    with pytest.raises(ValueError, match="app '3' has subscribed to nothing"):
        service.produce(app_key="3", topic="t", content=None, now=0.0)


# Routing


# S1: 为接入的appkey划分队列/分组, 把消息存储下来
def test_a_message_without_a_connection_waits_and_goes_out_oldest_first(world: World) -> None:
    ids = [world.produce() for _ in range(3)]
    assert world.service.effects() == []
    assert world.service.state(ids[0]) is State.WAITING
    world.connected("c1")
    assert [push.id for _, push in world.pushes()] == ids


def test_the_answer_to_connect_precedes_the_pushes(world: World) -> None:
    world.produce()
    world.connected("c1")
    kinds = [decode(effect.data).type for effect in world.sends()]
    assert kinds == [MessageType.CONNECTACK, MessageType.SEND]


# S1: 为接入的appkey划分队列/分组, 把消息存储下来
def test_a_message_goes_only_to_its_own_app_and_group(world: World) -> None:
    world.connected("other app", TWO)
    world.connected("other group", ONE, "shop")
    message = world.produce()
    assert world.pushes() == []
    world.connected("right")
    assert [(name, push.id) for name, push in world.pushes()] == [("right", message)]


# S59: 同一个组支持多个连接; S60: 随机发送到组内的某一个连接
def test_each_message_goes_to_one_connection_chosen_uniformly(world: World) -> None:
    names = [world.connected(f"c{number}") for number in range(4)]
    for _ in range(4000):
        world.produce()
    counts = Counter(name for name, _ in world.pushes())
    assert set(counts) == set(names)
    assert sum(counts.values()) == 4000
    # 1000 expected; the standard deviation is 27.
    assert all(880 < count < 1120 for count in counts.values())


def test_a_closed_connection_gets_nothing_more(world: World) -> None:
    world.connected("c1")
    world.service.closed("c1", now=0.0, by="client", code=1000, reason="bye")
    world.produce()
    assert world.pushes() == []
    assert world.service.connections("1") == ()
    assert world.events(Closed) == [Closed(connection="c1", by="client", code=1000, reason="bye")]


def test_what_was_pushed_on_a_lost_connection_comes_six_minutes_after_its_push_on_another(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.now = 10.0
    world.service.closed("c1", now=10.0, by="client", code=None, reason="")
    world.connected("c2")
    world.pushes()
    world.at(359.0)
    assert world.pushes() == []
    world.at(360.0)
    assert [(name, push.id) for name, push in world.pushes()] == [("c2", message)]
