"""What the tests of lines share: a server whose sockets have lines, and both sides of its connections, written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from tmcfakes.faults import PlannedFault, luck
from tmcfakes.lines import Line, Lines


class Side(asyncio.Protocol):
    """One side of a connection.

    Args:
        keeps: whether it goes on writing when the other side does not.

    Attributes:
        heard: the pieces that came, each with its time.
        happened: what else came, each with its time.
        error: of the loss of the connection.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.happened: list[tuple[float, str]] = []
        self.error: Exception | None = None
        self.transport: Any = None  # as it is the same for real ones and lines
        self._keeps = keeps
        self._news = asyncio.Event()

    @property
    def data(self) -> bytes:
        return b"".join(piece for _, piece in self.heard)

    @property
    def words(self) -> list[str]:
        return [word for _, word in self.happened]

    async def until(self, seen: Callable[[Side], object]) -> None:
        """Waits until it has seen something."""
        while not seen(self):
            self._news.clear()
            await self._news.wait()

    async def lost(self) -> float:
        """Waits for the loss of the connection; returns its time."""
        await self.until(lambda side: "lost" in side.words)
        return self.happened[-1][0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._happens("made")

    def data_received(self, data: bytes) -> None:
        self.heard.append((_now(), data))
        self._news.set()

    def eof_received(self) -> bool:
        self._happens("eof")
        return self._keeps

    def pause_writing(self) -> None:
        self._happens("paused")

    def resume_writing(self) -> None:
        self._happens("resumed")

    def connection_lost(self, error: Exception | None) -> None:
        self.error = error
        self._happens("lost")

    def _happens(self, word: str) -> None:
        self.happened.append((_now(), word))
        self._news.set()


class Network:
    """A server with lines, in any event loop.

    Attributes:
        lines: the registry.
        attempts: the clients that were kept away.
        served: the sides of the service, in order; those that never saw their connection too.
    """

    def __init__(self, seed: int = 1, *, host: str = "tmc", keeps: bool = False) -> None:
        self.attempts: list[str | None] = []
        self.lines = Lines(on_attempt=self.attempts.append)
        self._seed = seed
        self.served: list[Side] = []
        self._clients: list[Side] = []
        self._client: str | None = None
        self._host = host
        self._keeps = keeps

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._serve, self._host, 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.lines.close()
        for side in self.served + self._clients:
            if side.transport is not None:
                side.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)
        await self._server.wait_closed()
        assert timers() == []

    def begin(self, key: int, fault: PlannedFault) -> None:
        """A fault begins, with the seed of the network."""
        self.lines.begin(key, fault, chance=partial(luck, self._seed, fault.name, key))

    async def connect(self, client: str | None = "a", *, keeps: bool = False) -> tuple[Side, Side]:
        """A connection of a client: its side, and the service's."""
        self._client, count = client, len(self.served)
        address = self._server.sockets[0].getsockname()[:2]
        _, side = await asyncio.get_running_loop().create_connection(lambda: Side(keeps=keeps), *address)
        self._clients.append(side)
        while len(self.served) == count:  # noqa: ASYNC110, accepted as soon as the loop turns
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        return side, self.served[-1]

    def _serve(self) -> asyncio.Protocol:
        self.served.append(Side(keeps=self._keeps))
        return self.lines.wrap(self.served[-1], client=self._client)


def line(side: Side) -> Line:
    assert isinstance(side.transport, Line)
    return side.transport


def timers() -> list[asyncio.TimerHandle]:
    """The timers of the event loop that will ring."""
    scheduled: list[asyncio.TimerHandle] = getattr(asyncio.get_running_loop(), "_scheduled")  # noqa: B009
    return [timer for timer in scheduled if not timer.cancelled()]


def _now() -> float:
    return asyncio.get_running_loop().time()
