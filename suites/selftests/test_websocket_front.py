"""The WebSocket front by itself: deadlines of the engine, start, stop, and faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest
from scripted_engine import Engine, Raw, live, masked, simulated
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK
from websockets.frames import BINARY, CLOSE

from tmcfakes.clock import Clock
from tmcfakes.websocket import WebSocketFront

# Time


def test_a_deadline_is_kept_to_the_microsecond_and_never_missed_in_virtual_time() -> None:
    deadlines = (0.1, 0.1 + 0.2, 360.0, 360.0 + 1e-7, 86_400.123456, 7 * 86_400.0)

    async def story(engine: Engine, front: WebSocketFront) -> None:
        for count, engine.due in enumerate(deadlines, start=1):
            front.poke()
            await engine.until("tick", count)

    engine = simulated(story)
    assert engine.times == pytest.approx(deadlines, abs=1e-6)
    assert all(now >= due for now, due in zip(engine.times, deadlines, strict=True))


def test_a_deadline_that_comes_nearer_or_goes_away_is_followed() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        for due in (500.0, 360.0, 400.0):
            engine.due = due
            front.poke()
        await engine.until("tick")
        engine.due = 600.0
        front.poke()
        engine.due = None
        front.poke()
        await asyncio.sleep(1000.0)  # virtual

    engine = simulated(story)
    assert engine.times == [pytest.approx(400.0)]


def test_advancing_the_clock_brings_the_deadline_nearer() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.due = 360.0
        front.poke()
        front.clock.advance(300.0)
        assert engine.told == []
        await engine.until("tick")
        assert asyncio.get_running_loop().time() == pytest.approx(60.0)
        engine.due = 1000.0
        front.clock.advance(2000.0)
        assert engine.told == [("tick",), ("tick",)]

    simulated(story)


def test_on_a_manual_clock_nothing_is_due_until_it_is_advanced() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.due = 360.0
        front.poke()
        asked = engine.asked
        await asyncio.sleep(1000.0)  # virtual, and not the service's
        assert engine.told == []
        assert engine.asked == asked
        front.clock.advance(360.0)
        assert engine.told == [("tick",)]

    assert simulated(story, clock=Clock.manual()).times == [360.0]


def test_what_an_input_brings_about_happens_without_a_poke_from_outside() -> None:
    def start_timer(engine: Engine) -> None:
        engine.due = 30.0

    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.on_received = lambda name, data: start_timer(engine)
        async with connect(front.url, proxy=None) as client:
            await client.send(b"connect")
            await engine.until("tick")

    simulated(story)


# Start, stop, and faults of the fake itself


def test_stop_closes_what_is_open_without_waiting_for_anybody() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        loop = asyncio.get_running_loop()
        silent = await Raw.connect(front, b"")
        deaf = await Raw.upgraded(front)
        async with connect(front.url, proxy=None) as client:
            await engine.until("opened", 2)
            before = loop.time()
            await front.stop()
            assert loop.time() == before
            assert (await deaf.frame())[0] == CLOSE
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1001, "the service stops")
        for raw in (silent, deaf):
            assert await raw.rest() == b""
            await raw.close()
        with pytest.raises(RuntimeError, match="does not listen"):
            front.url  # noqa: B018
        await front.stop()

    assert simulated(story).told[2:] == [
        ("closed", "c1", "service", 1001, "the service stops"),
        ("closed", "c2", "service", 1001, "the service stops"),
    ]


def test_stop_is_quick_with_real_sockets_too() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        loop = asyncio.get_running_loop()
        clients = [await Raw.upgraded(front) for _ in range(20)]
        before = loop.time()
        await front.stop()
        assert loop.time() - before < 0.5  # takes 2 ms; a wait for anybody takes a second
        for client in clients:
            await client.close()

    assert [each[0] for each in live(story).told].count("closed") == 20


@pytest.mark.parametrize("turns", range(5))
def test_connections_that_arrive_while_it_stops_are_cut_and_not_leaked(turns: int) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        logged: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context))
        address = ("127.0.0.1", int(front.url.removesuffix("/").rsplit(":", 1)[1]))
        clients = [socket.create_connection(address, timeout=5) for _ in range(5)]  # wait to be accepted
        for _ in range(turns):
            await asyncio.sleep(0)
        await front.stop()
        for client in clients:
            with client, contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
        assert logged == []

    assert live(story).told == []


@pytest.mark.parametrize("name", ["max_size", "max_unread", "handshake_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_out_of_its_range_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be more than 0, not {value!r}"):
        WebSocketFront(Engine(), Clock.manual(), **{name: value})


def test_a_port_that_is_taken_is_an_error() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        port = int(front.url.removesuffix("/").rsplit(":", 1)[1])
        clock = Clock.manual()
        with pytest.raises(OSError, match="in use"):
            await WebSocketFront(Engine(), clock, port=port).start()
        assert clock.listeners == []

    live(story)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        assert front.url.startswith("ws://[::1]:")
        await (await Raw.upgraded(front)).close()

    live(story, host="::1")


def test_a_fault_of_the_engine_is_kept_and_cuts_the_connection() -> None:
    def fail(name: str, data: bytes) -> None:
        raise LookupError("the engine is broken")

    async def main() -> None:
        engine = Engine()
        engine.on_received = fail
        logged: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: logged.append(context))
        front = WebSocketFront(engine, Clock.of_loop(loop))
        await front.start()
        raw = await Raw.upgraded(front)
        raw.writer.write(masked(BINARY, b"x"))
        assert await raw.rest() == b""
        await raw.close()
        await front.stop()
        assert [str(error) for error in front.errors] == ["the engine is broken"]
        assert [context["exception"] for context in logged] == front.errors

    asyncio.run(main())
