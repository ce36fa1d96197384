"""What the tests of the WebSocket front share: an engine that writes down what it is told, and a client of raw bytes.

Real sockets on loopback where bytes and TCP matter; virtual time where something has to be waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import async_solipsism
import pytest
from websockets.frames import Frame, Opcode

from tmcfakes.clock import Clock
from tmcfakes.service import Effect
from tmcfakes.websocket import WebSocketFront

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: 127.0.0.1:8090\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Engine:
    """An engine that writes down what it is told, and hands out the effects and the deadline that a test gives it."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.opened_to: list[tuple[str, str | None]] = []
        self.times: list[float] = []
        self.pending: list[Effect] = []
        self.due: float | None = None
        self.asked = 0
        self.on_received: Callable[[str, bytes], None] = lambda connection, data: None
        self._news = asyncio.Event()

    def opened(self, connection: str, *, now: float, environment: str, peer: str | None, client: str | None) -> None:
        self._tell(now, "opened", connection)
        self.opened_to.append((environment, peer))

    def received(self, connection: str, data: bytes, *, now: float) -> None:
        self._tell(now, "received", connection, data)
        self.on_received(connection, data)

    def observed(self, connection: str, opcode: str, data: bytes, *, now: float) -> None:
        self._tell(now, "observed", connection, opcode, data)

    def closed(self, connection: str, *, now: float, by: str, code: int | None, reason: str) -> None:
        self._tell(now, "closed", connection, by, code, reason)

    def tick(self, *, now: float) -> None:
        self.due = None
        self._tell(now, "tick")

    def deadline(self) -> float | None:
        self.asked += 1
        return self.due

    def effects(self) -> list[Effect]:
        pending, self.pending = self.pending, []
        return pending

    def _tell(self, now: float, *what: object) -> None:
        self.told.append(what)
        self.times.append(now)
        self._news.set()

    async def until(self, what: str, count: int = 1) -> tuple[Any, ...]:
        """Waits until it was told `what` `count` times; returns the last of them."""
        virtual = isinstance(asyncio.get_running_loop(), async_solipsism.EventLoop)
        async with asyncio.timeout(1e6 if virtual else 30):
            while len(found := [each for each in self.told if each[0] == what]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


class Raw:
    """A client that sends bytes, legal or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, front: WebSocketFront, first: bytes = UPGRADE) -> Raw:
        host, port = front.url.removeprefix("ws://").removesuffix("/").rsplit(":", 1)
        raw = cls(*await asyncio.open_connection(host.strip("[]"), int(port)))
        raw.writer.write(first)
        return raw

    @classmethod
    async def upgraded(cls, front: WebSocketFront) -> Raw:
        raw = await cls.connect(front)
        assert (await raw.response()).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        return raw

    async def response(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def frame(self) -> tuple[Opcode, bool, bytes]:
        """The next frame of the service: opcode, FIN, payload."""
        frame = await self._parsed()
        return frame.opcode, frame.fin, bytes(frame.data)

    async def _parsed(self) -> Frame:
        head = await self.reader.readexactly(2)
        size = head[1]
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return Frame(Opcode(head[0] & 15), await self.reader.readexactly(size), fin=head[0] >= 128)

    async def rest(self) -> bytes:
        """Everything until the service ends TCP."""
        return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


Story = Callable[[Engine, WebSocketFront], Coroutine[Any, Any, None]]


async def told(story: Story, clock: Clock | None, **options: Any) -> Engine:
    """Lets a story happen on a front; returns the engine, which has been told everything."""
    engine = Engine()
    front = WebSocketFront(engine, clock or Clock.of_loop(asyncio.get_running_loop()), **options)
    await front.start()
    try:
        await story(engine, front)
    finally:
        await front.stop()
    assert front.errors == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return engine


def live(story: Story, *, clock: Clock | None = None, **options: Any) -> Engine:
    """With real sockets."""
    return asyncio.run(told(story, clock, **options))


def simulated(story: Story, *, clock: Clock | None = None, **options: Any) -> Engine:
    """With sockets in memory and virtual time."""
    loop: asyncio.AbstractEventLoop = async_solipsism.EventLoop()
    try:
        return loop.run_until_complete(told(story, clock, **options))
    finally:
        loop.close()


World = Callable[..., Engine]
both_worlds = pytest.mark.parametrize("world", [live, simulated])
