"""The client stops: what it still answers, how long it waits, and how it leaves."""

from __future__ import annotations

import asyncio

import pytest
from scripted_service import Gate, Service, client, now, simulated

from tmcspec.client import FailMessage, Message, TmcClient
from tmcspec.messages import Confirm, Fail


@simulated
async def test_a_graceful_stop_confirms_what_was_handled_and_nothing_else() -> None:
    gate = Gate()
    async with Service() as service:
        tmc = client(gate, workers=2)
        await tmc.start()
        await (await service.online()).push(1, 2, 3, 4)
        await asyncio.sleep(1)
        stopping = asyncio.create_task(tmc.stop())
        await asyncio.sleep(1)
        await service.peer.push(5)
        await asyncio.sleep(1)
        gate.open.set()
        await stopping
        assert now() == pytest.approx(3.0, abs=0.1)
        await service.until(lambda: service.closes)
        assert service.closes == [(1000, "client closed")]
        assert gate.started == [1, 2]
        assert {m.id for m in service.answers if isinstance(m, Confirm)} == {1, 2}
        assert len(service.inbox) == 2
        assert not tmc.online


@simulated
async def test_handlers_that_outlast_the_grace_are_cancelled_and_not_answered() -> None:
    ends: list[str] = []

    async def handle(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append(f"{message.id} cancelled")
            if message.id == 1:
                raise
            if message.id == 4:
                await asyncio.sleep(3)  # longer than anybody waits
            if message.id == 3:
                await asyncio.sleep(0.5)
                raise FailMessage("interrupted") from None

    async with Service() as service:
        tmc = client(handle)
        await tmc.start()
        await (await service.online()).push(1, 2, 3, 4)
        await asyncio.sleep(1)
        await tmc.stop(grace=4)
        assert now() == pytest.approx(6.0, abs=0.1)
        assert ends == ["1 cancelled", "2 cancelled", "3 cancelled", "4 cancelled"]
        assert service.answers == [Confirm(token="token-1", id=2), Fail(token="token-1", id=3, reason="interrupted")]
        await asyncio.sleep(3)


async def offline_with_an_outcome(service: Service) -> TmcClient:
    """A client whose service went down before it could confirm message 1."""
    gate = Gate()
    tmc = client(gate)
    await tmc.start()
    await (await service.online()).push(1)
    await asyncio.sleep(1)
    await service.down()
    gate.open.set()
    return tmc


@simulated
async def test_a_stop_while_offline_waits_for_a_connection_no_longer_than_the_grace() -> None:
    async with Service() as service:
        tmc = await offline_with_an_outcome(service)
        await asyncio.sleep(1)
        stopping = now()
        await tmc.stop(grace=20)
        assert now() - stopping == pytest.approx(20, abs=0.1)
        assert service.inbox == []


@simulated
async def test_a_stop_while_offline_still_answers_when_the_service_comes_back_in_time() -> None:
    async with Service() as service:
        tmc = await offline_with_an_outcome(service)
        stopping = asyncio.create_task(tmc.stop(grace=60))
        await asyncio.sleep(5)
        await service.up()
        await stopping
        assert service.answers == [Confirm(token="token-2", id=1)]


@simulated
async def test_run_forever_ends_on_cancel_with_a_graceful_stop() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(5)

    async with Service() as service:
        tmc = client(handle)
        running = asyncio.create_task(tmc.run_forever())
        await (await service.online()).push(1)
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert service.answers == [Confirm(token="token-1", id=1)]
        assert service.closes == [(1000, "client closed")]


@simulated
async def test_run_forever_ends_when_the_client_is_stopped() -> None:
    async with Service(), client() as tmc:
        running = asyncio.create_task(tmc.run_forever())
        await asyncio.sleep(1)
        await tmc.stop()
        await running
        await tmc.wait_closed()


@simulated
async def test_a_wire_that_cannot_even_take_the_close_is_ended() -> None:
    async with Service() as service:
        tmc = client(pull_interval=0.0005, silence_limit=None)
        await tmc.start()
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(20)
        stopping = now()
        await tmc.stop()
        assert now() - stopping < 10
        peer.transport.abort()


@simulated
async def test_a_stop_while_a_dead_connection_is_being_closed_is_quick_and_complete() -> None:
    async with Service() as service:
        tmc = client(silence_limit=10.0)
        await tmc.start()
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(10.5)
        assert not tmc.online
        await tmc.stop()
        assert now() == pytest.approx(10.5)
        peer.transport.abort()
