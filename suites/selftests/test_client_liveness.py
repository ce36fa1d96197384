"""The client pulls and pings so that a connection lives, and leaves one that is dead."""

from __future__ import annotations

import asyncio

import pytest
from scripted_service import Service, client, now, simulated


@simulated
async def test_an_idle_connection_is_pulled_every_fifteen_seconds_and_never_pinged() -> None:
    async with Service() as service, client(silence_limit=None):
        peer = await service.online()
        await asyncio.sleep(61)
        assert service.pulls == pytest.approx([0.0, 15.0, 30.0, 45.0, 60.0])
        assert peer.pings == 0


@simulated
async def test_a_connection_without_traffic_is_pinged_every_forty_five_seconds() -> None:
    async with Service() as service, client(silence_limit=None, pull_interval=100_000.0):
        peer = await service.online()
        await asyncio.sleep(136)
        assert peer.pings == 3


@simulated
async def test_pings_go_on_though_the_service_never_answers_them() -> None:
    async with Service() as service, client(silence_limit=None, pull_interval=100_000.0):
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(136)
        peer.transport.resume_reading()
        await asyncio.sleep(1)
        assert peer.pings == 3
        assert len(service.peers) == 1


@simulated
async def test_a_sign_of_life_of_any_kind_keeps_a_connection() -> None:
    async with Service() as service, client(silence_limit=60.0):
        peer = await service.online()
        for sign_of_life in (peer.ping, peer.pong) * 3:
            await asyncio.sleep(50)
            await sign_of_life()
        assert len(service.peers) == 1


@simulated
async def test_a_service_that_takes_no_bytes_is_left() -> None:
    async with Service() as service, client(pull_interval=0.001, silence_limit=30.0, connectack_timeout=5.0):
        peer = await service.online()
        peer.transport.pause_reading()

        async def chatter() -> None:
            while len(service.peers) == 1:
                await peer.pong(b"I am alive")
                await asyncio.sleep(1)

        talking = asyncio.create_task(chatter())
        await service.online(2)
        await talking
        assert now() < 60


@simulated
async def test_a_connection_lost_in_the_middle_of_a_write_is_replaced() -> None:
    async with Service() as service, client(pull_interval=0.001):
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(10)
        peer.transport.abort()
        await service.online(2)
        assert now() < 14


@simulated
async def test_a_service_that_closes_by_half_is_left() -> None:
    async with Service() as service, client():
        peer = await service.online()
        peer.transport.pause_reading()  # so it never sees our Close, and never ends the TCP connection
        peer.protocol.send_close(1001, "restart")
        peer.send_data()
        await service.online(2)
        assert now() < 10
        peer.transport.abort()
