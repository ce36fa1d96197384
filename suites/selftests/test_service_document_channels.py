"""Two channels to one queue: a long connection on which messages are pushed, and polling the API (S2, S3)."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from gateway_by_hand import GatewayWorld

from tmcfakes.fake import FakeTmc
from tmcfakes.simulated_http import SimulatedConnector
from tmcfakes.simulation import EPOCH_MS, simulate
from tmcspec.client import Message, TmcClient, TmcPoller
from tmcspec.events import Confirmed, Consumed, HttpIn, Pushed

TOPIC = "taobao_trade_TradeCreate"


def now() -> float:
    return asyncio.get_running_loop().time()


def wall_clock() -> float:
    return EPOCH_MS / 1000 + now()


class Machine:
    """A machine of an application: what it was given, and when."""

    def __init__(self) -> None:
        self.given: dict[int, float] = {}
        self.twice: list[int] = []

    async def __call__(self, message: Message) -> None:
        if message.id in self.given:
            self.twice.append(message.id)
        self.given[message.id] = now()
        await asyncio.sleep(0.5)


@asynccontextmanager
async def pushed_to(tmc: FakeTmc) -> AsyncIterator[Machine]:
    """A machine with a long connection."""
    machine = Machine()
    async with TmcClient(
        app_key="test",
        app_secret="test-secret",
        url=tmc.url,
        handler=machine,
        workers=50,
        rng=random.Random(1),
        wall_clock=wall_clock,
    ):
        yield machine


@asynccontextmanager
async def polling(tmc: FakeTmc, connector: aiohttp.BaseConnector) -> AsyncIterator[Machine]:
    """A machine that polls the API, ten messages at a time."""
    machine = Machine()
    async with TmcPoller(
        app_key="test",
        app_secret="test-secret",
        url=tmc.gateway_url,
        handler=machine,
        quantity=10,
        workers=50,
        rng=random.Random(1),
        wall_clock=wall_clock,
        connector=connector,
    ):
        yield machine


def produce(tmc: FakeTmc, count: int) -> list[int]:
    return [tmc.produce(topic=TOPIC, content="{}") for _ in range(count)]


def test_machines_with_a_connection_and_machines_that_poll_share_one_queue_and_more_may_be_added() -> None:
    """S2: tmcClient长连接(websocket)监听消息, api轮询消息; S3: 多种消费方式协作消费同一个队列, 可按需扩容机器数."""

    async def main() -> None:
        async with FakeTmc(seed=1, epoch_ms=EPOCH_MS) as tmc, SimulatedConnector() as connector:
            gathered = produce(tmc, 40)
            async with polling(tmc, connector) as polls:
                await tmc.wait_for_async(Confirmed, count=20, timeout=60)
                async with pushed_to(tmc) as one, pushed_to(tmc) as another:
                    later = produce(tmc, 200)
                    await tmc.wait_for_async(Confirmed, count=240, timeout=60)
            machines = [polls, one, another]
            assert Counter(id for each in machines for id in each.given) == Counter(gathered + later)
            assert [each.twice for each in machines] == [[], [], []]
            assert min(len(each.given) for each in machines) >= 20
            assert tmc.do(lambda service, now: service.unsettled("test")) == 0

    simulate(main)


def test_on_a_connection_a_message_comes_at_once_and_over_the_api_with_the_next_poll() -> None:
    """S36: API使用存在实时性不是很高的情况. The reference core polls again after a second (S35)."""

    async def waited(*, over_http: bool) -> list[float]:
        async with FakeTmc(seed=1, epoch_ms=EPOCH_MS) as tmc, SimulatedConnector() as connector:
            async with polling(tmc, connector) if over_http else pushed_to(tmc) as machine:
                for _ in range(10):
                    await asyncio.sleep(7.3)
                    (message,), born = produce(tmc, 1), now()
                    await asyncio.sleep(2.0)
                    machine.given[message] -= born
            return list(machine.given.values())

    at_once, late = simulate(lambda: waited(over_http=False)), simulate(lambda: waited(over_http=True))
    assert max(at_once) < 0.01
    assert 0.3 < sum(late) / 10 < 0.7
    assert max(late) <= 1.0


def test_a_backlog_is_pushed_without_a_word_and_over_the_api_each_200_take_a_request() -> None:
    """S8: 调用api消费消息(低性能) 或 编码tmcClient长连接消费消息(高性能)."""
    polled = GatewayWorld()
    messages = [polled.produce() for _ in range(1000)]
    for start in range(0, 1000, 200):
        batch = polled.consume(quantity=200)
        assert [each["id"] for each in batch] == messages[start : start + 200]
    assert polled.consume(quantity=200) == []
    assert (len(polled.events(HttpIn)), len(polled.events(Consumed))) == (6, 1000)
    world = GatewayWorld()
    messages = [world.produce() for _ in range(1000)]
    world.connected("c")
    assert [push.id for _, push in world.pushes()] == messages
    assert len(world.events(Pushed)) == 1000


@pytest.mark.parametrize("first", ["pushed", "polled"])
def test_what_one_channel_has_the_other_does_not_get_until_it_is_due_again(first: str) -> None:
    """S37: 消息消费后,指针自动后移, whichever channel moved it (S3); S39: 约6分钟重发, over whichever is there."""
    world = GatewayWorld()
    world.connected("c")
    if first == "pushed":
        message = world.produce()
        world.closed("c")
    else:
        world.closed("c")
        message = world.produce()
        assert len(world.consume()) == 1
    world.pushes()
    world.at(359.9)
    world.connected("c")
    assert (world.consume(), world.pushes()) == ([], [])
    if first == "pushed":
        world.closed("c")
    world.at(360.0)
    assert [each["id"] for each in world.consume()] == ([message] if first == "pushed" else [])
    assert [push.id for _, push in world.pushes()] == ([] if first == "pushed" else [message])
