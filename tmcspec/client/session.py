"""Talks over one connection: between the core, which knows what to say, and the wire, which carries it.

- The reader: wire -> core -> events. When the client is full it stops, so TCP holds the service back. It never sends,
  so a service that does not read cannot stop the client from reading.
- The writer: core -> wire, and the core's clock. It wakes for a deadline, and whenever something happened.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tmcspec.client.connection import Event, GivenUp, News, Ping, Refused
from tmcspec.client.core import Core
from tmcspec.client.errors import ConnectFailed, ConnectRefused
from tmcspec.client.wire import Wire, open_wire

# Event loops wake up to a clock tick early, so a deadline so near has come, in seconds.
_CLOCK_TICK = 0.001


class Session:
    """Connections of one core, one after another.

    Args:
        core: the protocol.
        url: of the service.
        open_timeout: seconds for the TCP connection and the upgrade together.
        write_timeout: seconds for the service to take a frame.
        max_size: bytes of one message.
        wall_clock: seconds since the epoch.
        heed: called with what the core says, unless it ends the connection.
    """

    #: The WebSocket under it; a subclass may put another in its place.
    wire_type: ClassVar[type[Wire]] = Wire

    def __init__(
        self,
        core: Core,
        *,
        url: str,
        open_timeout: float,
        write_timeout: float,
        max_size: int,
        wall_clock: Callable[[], float],
        heed: Callable[[News], None],
    ) -> None:
        self._core = core
        self._url = url
        self._open_timeout = open_timeout
        self._write_timeout = write_timeout
        self._max_size = max_size
        self._wall_clock = wall_clock
        self._heed = heed
        self._wake = asyncio.Event()  # for the writer: look at the core
        self._moved = asyncio.Event()  # for who waits for the writer: it took something, or the wire is gone

    async def run(self) -> NoReturn:
        """Opens a connection, and talks until it ends.

        Raises:
            ConnectRefused: the service refused the CONNECT.
            ConnectFailed: the address does not answer, or the connection ended for any other reason.
        """
        wire = await self._open()
        try:
            self._core.opened(now=_now(), wall=self._wall_clock(), intranet_ip=wire.local_ip)
            await self._converse(wire)
        finally:
            self._apply(self._core.lost())
            await wire.end()

    def wake(self) -> None:
        """Something happened that changes what the core has to say."""
        self._wake.set()
        self._moved.set()

    async def flushed(self) -> None:
        """Waits until the core has no more answers to send, and none to get."""
        while self._core.unsent or self._core.publishing:
            self._moved.clear()
            await self._moved.wait()

    async def _open(self) -> Wire:
        try:
            wire = await open_wire(
                self._url, open_timeout=self._open_timeout, max_size=self._max_size, wire_type=self.wire_type
            )
        except InvalidStatus as error:
            raise ConnectFailed(f"{self._url} refuses the upgrade: HTTP {error.response.status_code}") from error
        except (OSError, WebSocketException) as error:
            raise ConnectFailed(f"{self._url} does not answer: {error}") from error
        wire.watch(heard=self._on_bytes, text=self._on_text, ending=self.wake)
        return wire

    async def _converse(self, wire: Wire) -> NoReturn:
        reader = asyncio.create_task(self._read(wire), name="tmc-reader")
        writer = asyncio.create_task(self._write(wire), name="tmc-writer")
        try:
            # When the wire breaks the writer just ends; the reader reads what is still buffered, and then raises.
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_EXCEPTION)
            if writer.done():
                await writer
            await reader
        finally:
            await end(reader, writer)

    async def _read(self, wire: Wire) -> NoReturn:
        while True:
            while self._core.full:
                if wire.gone:
                    raise ConnectFailed("the connection was closed while the client was full")
                self._moved.clear()
                await self._moved.wait()
            try:
                data = await wire.recv(decode=False)
            except ConnectionClosed as error:
                raise ConnectFailed(f"the connection was closed: {error}") from error
            self._apply(self._core.received(data, now=_now()))
            self._wake.set()

    async def _write(self, wire: Wire) -> None:
        now = _now()
        while True:
            self._wake.clear()
            self._apply(self._core.tick(now=now))
            while wire.writable and (item := self._core.take(now=now)) is not None:
                await self._send(wire, item)
                now = _now()
            self._moved.set()
            if not wire.writable:
                # The other end closes: the library sets it a time limit only if we close, too.
                await wire.end()
                return
            now = await self._until(self._core.deadline())

    async def _send(self, wire: Wire, item: bytes | Ping) -> None:
        try:
            async with asyncio.timeout(self._write_timeout):
                await (wire.heartbeat() if isinstance(item, Ping) else wire.send(item))
        except TimeoutError:
            raise ConnectFailed(f"the service took nothing for {self._write_timeout:g} s") from None
        except ConnectionClosed:
            pass  # the caller sees that it is not writable any more

    async def _until(self, deadline: float | None) -> float:
        """Waits for something to happen, or the deadline. Returns the time."""
        due = math.inf if deadline is None else deadline
        if _now() < due - _CLOCK_TICK:
            # Not `asyncio.timeout_at`, which costs more: to wait here is most of what an idle client does.
            timer = asyncio.get_running_loop().call_at(due, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
        now = _now()
        return max(now, due) if now >= due - _CLOCK_TICK else now

    def _on_bytes(self) -> None:
        self._core.heard(now=_now())

    def _on_text(self, length: int) -> None:
        self._apply(self._core.text_received(length, now=_now()))

    def _apply(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Refused(code=code, phrase=phrase):
                    raise ConnectRefused(code, phrase)
                case GivenUp(reason=reason):
                    raise ConnectFailed(reason)
                case _:
                    self._heed(event)


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits until they have ended; what they raise is of no interest any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
