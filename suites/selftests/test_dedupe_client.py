"""The client with a handler that handles each key once, against the fake service: what the service sees."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from tmcfakes.fake import FakeTmc
from tmcfakes.simulation import simulate
from tmcspec.client import FailMessage, Handler, Message, TmcClient
from tmcspec.client.dedupe import Deduplicated, MemoryStore, Store
from tmcspec.client.dedupe_keys import Key, by_content_fields, by_id
from tmcspec.client.dedupe_sqlite import SqliteStore
from tmcspec.events import Confirmed, Event, Failed
from tmcspec.timing import CONFIRM_TIMEOUT, REDELIVERY_DELAY

TRADE = {"topic": "taobao_trade_TradeCreate", "content": '{"tid": 4160600490938325004, "oid": 4160600490939325004}'}


def now() -> float:
    return asyncio.get_running_loop().time()


class Shop:
    """An application: each message takes it 20 seconds, and the first ones fail, as often as it is told."""

    def __init__(self, *, failures: int = 0) -> None:
        self.failures = failures
        self.handled: list[tuple[float, int]] = []

    async def __call__(self, message: Message) -> None:
        await asyncio.sleep(20.0)
        if self.failures:
            self.failures -= 1
            raise FailMessage("no stock")
        self.handled.append((now(), message.id))


by_trade = by_content_fields("tid", "oid")


def once(shop: Shop, store: Store, key: Key = by_trade) -> Deduplicated:
    return Deduplicated(shop, store, key=key, wall_clock=now)


def consumer(tmc: FakeTmc, handler: Handler) -> TmcClient:
    return TmcClient(
        app_key="test",
        app_secret="test-secret",
        url=tmc.url,
        handler=handler,
        rng=random.Random(1),
        wall_clock=lambda: 1_767_225_600.0 + now(),
    )


def times(tmc: FakeTmc, kind: type[Event]) -> dict[int, list[float]]:
    """When that happened to each message, to the second."""
    found: dict[int, list[float]] = {}
    for entry in tmc.trace().entries:
        if isinstance(entry.event, kind):
            found.setdefault(entry.event.message, []).append(round(entry.time))  # type: ignore[attr-defined]
    return found


def run(shop: Shop, *, count: int, confirmed: int, clients: int = 1) -> tuple[FakeTmc, Sequence[int]]:
    """Produces the same trade under so many ids at once, and waits for so many confirms."""

    async def world() -> tuple[FakeTmc, Sequence[int]]:
        store = MemoryStore()
        async with FakeTmc(seed=1, epoch_ms=0) as tmc:
            consumers = [consumer(tmc, once(shop, store)) for _ in range(clients)]
            for client in consumers:
                await client.start()
            ids = [tmc.produce(**TRADE) for _ in range(count)]
            await tmc.wait_for_async(Confirmed, count=confirmed, timeout=3600.0)
            for client in consumers:
                await client.stop()
        return tmc, ids

    return simulate(world)


# S41: 务必要在业务层面进行去重处理
def test_one_trade_under_two_ids_is_handled_once_and_both_are_confirmed_after_that() -> None:
    shop = Shop()
    tmc, ids = run(shop, count=2, confirmed=2)
    assert shop.handled == [(20.0, ids[0])]
    assert times(tmc, Confirmed) == {ids[0]: [20], ids[1]: [20]}
    confirms = [entry.time for entry in tmc.trace().entries if isinstance(entry.event, Confirmed)]
    assert min(confirms) >= 20.0
    assert times(tmc, Failed) == {}


def test_one_trade_at_two_clients_is_handled_once_and_both_copies_are_confirmed_after_that() -> None:
    shop = Shop()
    tmc, ids = run(shop, count=10, confirmed=10, clients=2)
    assert len(shop.handled) == 1
    assert sorted(times(tmc, Confirmed)) == sorted(ids)
    assert all(20 <= when <= 21 for (when,) in times(tmc, Confirmed).values())


def test_when_the_first_copy_fails_the_second_is_handled_and_the_first_is_confirmed_when_it_comes_again() -> None:
    shop = Shop(failures=1)
    tmc, (first, second) = run(shop, count=2, confirmed=2)
    assert shop.handled == [(40.0, second)]
    assert times(tmc, Failed) == {first: [20]}
    assert times(tmc, Confirmed) == {second: [40], first: [20 + REDELIVERY_DELAY]}


def test_when_both_copies_fail_neither_is_confirmed_until_one_was_handled() -> None:
    shop = Shop(failures=2)
    tmc, (first, second) = run(shop, count=2, confirmed=2)
    assert times(tmc, Failed) == {first: [20], second: [40]}
    assert shop.handled == [(40.0 + REDELIVERY_DELAY, first)]
    # The second comes again while the first is handled.
    assert times(tmc, Confirmed) == {first: [40 + REDELIVERY_DELAY], second: [40 + REDELIVERY_DELAY]}


def test_a_copy_that_loses_patience_is_confirmed_when_it_comes_again() -> None:
    class Slow(Shop):
        async def __call__(self, message: Message) -> None:
            await asyncio.sleep(30.0)
            await super().__call__(message)

    shop = Slow()
    tmc, (first, second) = run(shop, count=2, confirmed=2)
    assert shop.handled == [(50.0, first)]
    assert times(tmc, Failed) == {second: [30]}
    assert times(tmc, Confirmed) == {first: [50], second: [30 + REDELIVERY_DELAY]}


def test_trades_without_a_tid_are_all_handled() -> None:
    async def world() -> None:
        shop = Shop()
        async with FakeTmc(seed=1, epoch_ms=0) as tmc, consumer(tmc, once(shop, MemoryStore())):
            ids = [tmc.produce(topic="taobao_trade_TradeCreate", content='{"oid": 1}') for _ in range(3)]
            await tmc.wait_for_async(Confirmed, count=3, timeout=60.0)
            assert sorted(id for _, id in shop.handled) == sorted(ids)

    simulate(world)


def test_after_a_restart_what_was_handled_is_not_handled_again(tmp_path: Path) -> None:
    """The first client is stopped when it has handled the message and before it confirms."""

    async def world() -> None:
        shop = Shop()
        async with FakeTmc(seed=1, epoch_ms=0) as tmc:
            async with (
                SqliteStore(tmp_path / "tmc.db") as store,
                consumer(tmc, Unconfirmed(once(shop, store))) as client,
            ):
                first = tmc.produce(**TRADE)
                await asyncio.sleep(CONFIRM_TIMEOUT)
                await client.stop(grace=0.0)
            assert shop.handled == [(20.0, first)]
            assert times(tmc, Confirmed) == {}
            async with SqliteStore(tmp_path / "tmc.db") as store, consumer(tmc, once(shop, store)):
                second = tmc.produce(**TRADE)
                await tmc.wait_for_async(Confirmed, count=2, timeout=600.0)
            assert times(tmc, Confirmed) == {second: [CONFIRM_TIMEOUT], first: [REDELIVERY_DELAY]}
            assert len(shop.handled) == 1

    simulate(world)


class Unconfirmed:
    """Handles a message, and never comes back to say so."""

    def __init__(self, handler: Deduplicated) -> None:
        self.handler = handler

    async def __call__(self, message: Message) -> None:
        await self.handler(message)
        await asyncio.Event().wait()


def test_a_client_that_is_stopped_while_it_handles_leaves_no_claim_behind(tmp_path: Path) -> None:
    async def world() -> None:
        shop = Shop()
        async with FakeTmc(seed=1, epoch_ms=0) as tmc:
            async with (
                SqliteStore(tmp_path / "tmc.db") as store,
                consumer(tmc, once(shop, store, by_id)) as client,
            ):
                message = tmc.produce(**TRADE)
                await asyncio.sleep(10.0)
                await client.stop(grace=1.0)
            assert shop.handled == []
            async with SqliteStore(tmp_path / "tmc.db") as store, consumer(tmc, once(shop, store, by_id)):
                await tmc.wait_for_async(Confirmed, timeout=600.0)
            # Six minutes after its push, and the twenty seconds it takes; the lease of ten minutes is not waited for.
            assert shop.handled == [(REDELIVERY_DELAY + 20.0, message)]

    simulate(world)
