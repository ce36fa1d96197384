"""The client comes back after a lost connection, and with it what it has not said yet."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from scripted_service import EPOCH, Gate, Service, accept, answer, client, hang_up, now, silence, simulate, simulated

from tmcspec.client import Backoff, ConnectFailed, Core, Observation, Offline, TmcClient
from tmcspec.messages import Confirm


# S22: 第一次正常连接后, 后面断开连接 会自动重连
@pytest.mark.parametrize("how", ["close", "abort", "silence"])
def test_the_client_comes_back_after_a_lost_connection(how: str) -> None:
    async def scenario() -> None:
        async with Service() as service, client(silence_limit=60.0) as tmc:
            peer = await service.online()
            await asyncio.sleep(20)
            lost_at = now()
            if how == "close":
                await peer.close(1001)
            elif how == "abort":
                peer.transport.abort()
            await service.online(2)
            assert 1.0 <= now() - lost_at <= (60.0 if how == "silence" else 3.0)
            await service.peer.push(7)
            await service.until(lambda: service.inbox)
            assert service.answers == [Confirm(token="token-2", id=7)]
            assert tmc.stats.reconnects == 1

    simulate(scenario())


@simulated
async def test_each_reconnection_is_a_fresh_connect() -> None:
    async with Service() as service, client():
        for connections in (1, 2, 3):
            await asyncio.sleep(1)
            await (await service.online(connections)).close()
        await service.online(4)
    assert len({connect.sign for connect in service.connects}) == 4
    assert [connect.flag for connect in service.connects] == [1, 2, 3, 4]
    for connect, at in zip(service.connects, service.attempts, strict=True):
        assert int(connect.timestamp) == pytest.approx(1000 * (EPOCH + at), abs=10)


@simulated
async def test_an_outage_is_survived_with_attempts_at_least_a_second_apart() -> None:
    seen: list[Observation] = []
    async with Service() as service, client(observer=seen.append) as tmc:
        await service.online()
        await asyncio.sleep(15)
        await service.down()
        await asyncio.sleep(60)
        assert not tmc.online
        await service.up()
        await service.online(2)
        assert now() <= 75 + 31
    times = [event for event in seen if isinstance(event, Offline)]
    assert 5 <= len(times) <= 40
    assert all(isinstance(event.error, ConnectFailed) for event in times)


@simulated
async def test_attempts_that_are_refused_in_any_way_are_tried_again_at_least_a_second_apart() -> None:
    scripts = (accept, answer(status_code=41), answer(status_phrase="busy"), answer(), silence, hang_up, accept)
    async with Service(*scripts, upgrades=[101, 401, 503]) as service, client() as tmc:
        await (await service.online()).close()
        await service.online(2)
        assert tmc.online
        assert len(service.attempts) == 9
        gaps = [later - earlier for earlier, later in itertools.pairwise(service.attempts)]
        assert all(gap >= 1.0 for gap in gaps)
        assert tmc.stats.reconnects == 1


@simulated
async def test_the_backoff_begins_again_after_a_connection_that_lasted_and_not_after_one_that_did_not() -> None:
    class Ceiling(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    async with Service() as service, client(rng=Ceiling(), backoff=Backoff(base=2.0, cap=32.0, settled=10.0)):
        for connections, lasts in ((1, 0.0), (2, 0.0), (3, 0.0), (4, 11.0), (5, 0.0)):
            await service.online(connections)
            await asyncio.sleep(lasts)
            await service.peer.close()
        await service.online(6)
    opened = [round(at) for at in service.attempts]
    assert [later - earlier for earlier, later in itertools.pairwise(opened)] == [2, 4, 8, 11 + 2, 4]


@simulated
async def test_an_outcome_that_comes_after_a_reconnection_is_confirmed_there_with_the_new_token() -> None:
    gate = Gate()
    async with Service() as service, client(gate):
        await (await service.online()).push(7)
        await asyncio.sleep(1)
        service.peer.transport.abort()
        peer = await service.online(2)
        await peer.push(7)  # the service does not know better; it is in hand
        await asyncio.sleep(1)
        gate.open.set()
        await service.until(lambda: service.inbox)
        await asyncio.sleep(20)
        assert service.answers == [Confirm(token="token-2", id=7)]
        assert gate.started == [7]


@simulated
async def test_an_outcome_that_comes_while_offline_is_kept_for_the_next_connection() -> None:
    gate = Gate()
    async with Service() as service, client(gate) as tmc:
        await (await service.online()).push(7)
        await asyncio.sleep(1)
        await service.down()
        await asyncio.sleep(1)
        assert not tmc.online
        gate.open.set()
        await asyncio.sleep(1)
        await service.up()
        await service.until(lambda: service.inbox)
        assert service.answers == [Confirm(token="token-2", id=7)]


@simulated
async def test_a_connection_lost_while_the_client_is_full_is_replaced() -> None:
    gate = Gate()
    async with Service() as service, client(gate, queue_size=2) as tmc:
        peer = await service.online()
        await peer.push(1, 2, 3)
        await asyncio.sleep(1)
        peer.transport.abort()
        peer = await service.online(2)
        gate.open.set()
        await service.until(lambda: len(service.inbox) == 2)
        await peer.push(3)  # it was never read
        await service.until(lambda: len(service.inbox) == 3)
        assert {m.id for m in service.answers if isinstance(m, Confirm)} == {1, 2, 3}
        assert tmc.stats.received == 3


def test_a_defect_in_the_protocol_replaces_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Core):
        def sign(self, timestamp: str) -> str:
            if self._flag == 2:
                raise ZeroDivisionError
            return super().sign(timestamp)

    class BrokenClient(TmcClient):
        core_type = Broken

    async def scenario() -> None:
        async with Service() as service, client(of=BrokenClient) as tmc:
            await (await service.online()).close()
            await service.online(2)
            assert tmc.stats.reconnects == 1

    simulate(scenario())
    assert "unexpected error in the client" in caplog.text
    assert "ZeroDivisionError" in caplog.text
