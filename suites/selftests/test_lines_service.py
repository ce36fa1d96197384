"""Faults of bytes between clients and the whole service, in both worlds."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

import aiohttp
import pytest
from lines_by_hand import timers
from test_fake import TOPIC, confirm_frame, connect_frame, id_in, token_in, virtually
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as connect_sync

from tmcfakes.fake import FakeTmc
from tmcfakes.faults import (
    Bandwidth,
    Corrupt,
    Down,
    Latency,
    LimitData,
    PlannedFault,
    RefuseUpgrade,
    ResetPeer,
    SilentAccept,
    Slicer,
    StopReading,
    Timeout,
)
from tmcfakes.simulated_http import connector_of
from tmcspec.client import Message, TmcClient
from tmcspec.events import Attempted, Closed, Confirmed, Opened


def clients(tmc: FakeTmc) -> list[str | None]:
    return [entry.event.client for entry in tmc.trace().entries if isinstance(entry.event, Opened)]


def ends(tmc: FakeTmc) -> list[Closed]:
    return [entry.event for entry in tmc.trace().entries if isinstance(entry.event, Closed)]


# Addresses of clients


def test_a_client_has_addresses_of_its_own_and_is_known_by_them() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            first, second = await tmc.listen_for("first"), await tmc.listen_for("second")
            assert await tmc.listen_for("first") == first
            assert len({tmc.url, tmc.gateway_url, *first, *second}) == 6
            assert first.url.startswith("ws://127.0.0.1:")
            assert first.gateway_url.endswith("/router/rest")
            for url in (second.url, tmc.url, first.url + "pre"):
                async with connect(url, proxy=None):
                    pass
            assert clients(tmc) == ["second", None, "first"]
        for url in (first.url, second.url):
            with pytest.raises(ConnectionRefusedError):
                await connect(url, proxy=None)

    virtually(story())
    asyncio.run(story())


def test_addresses_can_be_had_from_another_thread() -> None:
    with FakeTmc() as tmc:
        url, gateway_url = asyncio.run(tmc.listen_for("client-1"))
        with connect_sync(url, proxy=None):
            assert clients(tmc) == ["client-1"]
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(gateway_url.removesuffix("router/rest"), timeout=10)


def test_two_who_ask_at_once_get_the_same_addresses() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            one, other = await asyncio.gather(tmc.listen_for("a"), tmc.listen_for("a"))
            assert one == other

    asyncio.run(story())


@pytest.mark.parametrize("name", ["", "*"])
def test_a_name_that_would_mean_nobody_or_everybody_is_no_name(name: str) -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            with pytest.raises(ValueError, match="is not the name of a client"):
                await tmc.listen_for(name)

    virtually(story())


def test_nobody_is_listened_for_by_a_service_that_does_not_run() -> None:
    async def story() -> None:
        with pytest.raises(RuntimeError, match="does not run"):
            await FakeTmc().listen_for("a")

    virtually(story())


# In simulation


def test_a_half_open_connection_is_left_by_the_client_and_it_is_back_when_the_network_is() -> None:
    async def story() -> None:
        handled: list[int] = []

        async def handle(message: Message) -> None:
            handled.append(message.id)

        async with FakeTmc() as tmc:
            url, _ = await tmc.listen_for("client-1")
            loop = asyncio.get_running_loop()
            wall = loop.time
            async with TmcClient(
                app_key="test", app_secret="test-secret", handler=handle, url=url, silence_limit=60.0, wall_clock=wall
            ) as client:
                tmc.lines.begin(1, Timeout(target="client-1"))
                lost = tmc.produce(topic=TOPIC, content="{}")
                while client.online:  # noqa: ASYNC110, the client says nothing of it
                    await asyncio.sleep(1)
                assert 59 <= loop.time() <= 62
                assert clients(tmc) == ["client-1"]
                assert ends(tmc) == []
                await asyncio.sleep(300)
                tmc.lines.end(1)
                await tmc.wait_for_async(Confirmed, timeout=800)
                assert handled == [lost]
                assert client.stats.reconnects >= 1
            assert ends(tmc)[0] == Closed(connection="c1", by="fault", code=None, reason="timeout")
        await asyncio.sleep(0)
        assert timers() == []

    virtually(story())


def test_an_upgrade_is_refused_while_the_fault_lasts_and_the_attempt_is_in_the_trace() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            url, _ = await tmc.listen_for("client-1")
            for status in (401, 503, 499):
                tmc.lines.begin(1, RefuseUpgrade(status=status, target="client-1"))
                with pytest.raises(InvalidStatus) as refused:
                    await connect(url, proxy=None)
                assert refused.value.response.status_code == status
                tmc.lines.end(1)
            for each in (tmc.url, url):
                async with connect(each, proxy=None):
                    pass
            attempts = [entry.event for entry in tmc.trace().entries if isinstance(entry.event, Attempted)]
            assert attempts == [Attempted(client="client-1")] * 3

    virtually(story())


def test_a_connection_that_a_fault_cuts_was_ended_by_the_fault() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc, connect(tmc.url, proxy=None) as client:
            tmc.lines.begin(1, ResetPeer())
            with pytest.raises(ConnectionClosed):
                await client.recv()
            closed = await tmc.wait_for_async(Closed)
            assert closed.event == Closed(connection="c1", by="fault", code=None, reason="reset_peer")

    virtually(story())


def test_a_reset_ends_all_faults() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            tmc.lines.begin(1, Down())
            tmc.lines.begin(2, RefuseUpgrade())
            tmc.reset()
            async with connect(tmc.url, proxy=None):
                assert clients(tmc) == [None]

    virtually(story())


def test_http_is_as_slow_as_its_line_and_attempts_no_websocket() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            _, gateway_url = await tmc.listen_for("client-1")
            loop = asyncio.get_running_loop()
            async with connector_of(loop) as connector, aiohttp.ClientSession(connector=connector) as session:
                tmc.lines.begin(1, Latency(delay=2.0, target="client-1"))
                for url, took in ((tmc.gateway_url, 0), (gateway_url, 4), (gateway_url, 4)):
                    began = loop.time()
                    async with session.post(url, data={"method": "none"}) as response:
                        assert response.status == 200
                        await response.read()
                    assert loop.time() - began == pytest.approx(took, abs=0.01)
            tmc.lines.begin(2, Down(target="client-1"))
            host, port = gateway_url.removeprefix("http://").removesuffix("/router/rest").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            assert await reader.read() == b""
            writer.close()
            assert not [entry for entry in tmc.trace().entries if isinstance(entry.event, Attempted)]

    virtually(story())


@pytest.mark.parametrize(
    "fault",
    [Latency(delay=5.0), Timeout(), SilentAccept(), StopReading(), Bandwidth(rate=1), Slicer(average_size=1, delay=1)],
)
def test_a_service_stops_at_once_whatever_goes_on(fault: PlannedFault) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        async with FakeTmc() as tmc:
            host, port = tmc.url.removeprefix("ws://").removesuffix("/").split(":")
            _, early = await asyncio.open_connection(host, int(port))
            tmc.lines.begin(1, fault)
            _, late = await asyncio.open_connection(host, int(port))
            for writer in (early, late):
                writer.write(b"GET / HTTP/1.1\r\n")
            await asyncio.sleep(0.5)
            began = loop.time()
        assert loop.time() - began < 0.001
        for writer in (early, late):
            writer.close()
        for _ in range(3):
            await asyncio.sleep(0)
        assert timers() == []

    virtually(story())


# Live


def exchange(tmc: FakeTmc, url: str) -> None:
    """A client connects, is pushed a message, and confirms it."""
    with connect_sync(url, proxy=None) as client:
        client.send(connect_frame())
        token = token_in(client.recv(timeout=30))
        message = tmc.produce(topic=TOPIC, content="{}")
        assert id_in(client.recv(timeout=30)) == message
        client.send(confirm_frame(token, message))
        assert tmc.wait_for(Confirmed, timeout=30).event.message == message


@pytest.mark.parametrize(
    "faults",
    [
        (Latency(delay=0.02, jitter=0.01),),
        (Bandwidth(rate=20_000),),
        (Slicer(average_size=7, size_variation=3),),
        (Latency(delay=0.01), Slicer(average_size=50, delay=0.001), Bandwidth(rate=50_000)),
    ],
)
def test_a_bad_network_is_survived_live(faults: tuple[PlannedFault, ...]) -> None:
    with FakeTmc() as tmc:
        url, _ = asyncio.run(tmc.listen_for("client-1"))
        for key, fault in enumerate(faults):
            tmc.do(lambda service, now, key=key, fault=fault: tmc.lines.begin(key, fault))  # type: ignore[misc]
        exchange(tmc, url)


@pytest.mark.parametrize("fault", [ResetPeer(), Down(), LimitData(bytes=0), Timeout(timeout=1e-9)])
def test_a_connection_is_cut_live(fault: PlannedFault) -> None:
    with FakeTmc() as tmc, connect_sync(tmc.url, proxy=None) as client:
        tmc.do(lambda service, now: tmc.lines.begin(1, fault))
        with pytest.raises(ConnectionClosed):  # which of the two notices depends on the network
            _ = client.send(b"hello"), client.recv(timeout=30)
        ended = tmc.wait_for(Closed).event
        assert ended == Closed(connection="c1", by="fault", code=None, reason=fault.name)
        tmc.do(lambda service, now: tmc.lines.clear())
        exchange(tmc, tmc.url)


def test_a_reset_is_one_live() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            host, port = tmc.url.removeprefix("ws://").removesuffix("/").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET")
            await asyncio.sleep(0)
            tmc.lines.begin(1, ResetPeer())
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    asyncio.run(story())


def test_a_black_hole_live_loses_what_is_sent_into_it() -> None:
    with FakeTmc() as tmc, connect_sync(tmc.url, proxy=None) as client:
        tmc.do(lambda service, now: tmc.lines.begin(1, Timeout()))
        client.send(connect_frame())
        tmc.do(lambda service, now: tmc.lines.end(1))
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=30)
        assert tmc.wait_for(Closed).event == Closed(connection="c1", by="fault", code=None, reason="timeout")
        assert [entry.event.word for entry in tmc.trace().entries] == ["opened", "closed"]


def test_somebody_who_is_not_answered_is_answered_the_next_time_live() -> None:
    async def story() -> None:
        async with FakeTmc() as tmc:
            tmc.lines.begin(1, SilentAccept())
            silent = asyncio.create_task(connect(tmc.url, proxy=None).__aenter__())
            attempted = await tmc.wait_for_async(Attempted)
            assert attempted.event == Attempted(client=None)
            tmc.lines.end(1)
            async with connect(tmc.url, proxy=None):
                assert not silent.done()
            silent.cancel()
            await asyncio.gather(silent, return_exceptions=True)

    asyncio.run(story())


def test_corrupt_bytes_end_a_connection_and_break_nothing_in_the_service_live() -> None:
    with FakeTmc() as tmc, connect_sync(tmc.url, proxy=None) as client:
        tmc.do(lambda service, now: tmc.lines.begin(1, Corrupt(rate=1, stream="upstream")))
        client.send(connect_frame())
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=30)
        tmc.do(lambda service, now: tmc.lines.clear())
        exchange(tmc, tmc.url)
