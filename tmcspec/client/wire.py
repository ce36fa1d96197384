"""The WebSocket under the client: the websockets library, with the habits that TMC needs.

- No compression: the official service negotiates none (observed: official clients offer none).
- No keep-alive: the library's own waits for pongs, and the service never pongs.
- No proxy, no redirect: a CONNECT goes where the application said, or nowhere.
- No text: the library ends a connection for text that is not UTF-8. TMC is binary, so text is counted and dropped.
- Bounded: messages up to `max_size`; with 16 frames buffered the socket is not read any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidURI
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import Event, State
from websockets.uri import parse_uri

from tmcspec.client.core import SDK

# At its debug level the library prints frames, and a CONNECT has the sign in it.
_LOG = logging.getLogger("tmcspec.client.websocket")
_LOG.setLevel(logging.INFO)

# A service that is gone does not answer a Close; there is no point in waiting long for it.
CLOSE_TIMEOUT = 2.0


def _nobody(*_: object) -> None:
    """Nobody watches yet."""


class Wire(ClientConnection):
    """One WebSocket connection. `watch` it as soon as it is there."""

    _heard: Callable[[], None] = staticmethod(_nobody)
    _text: Callable[[int], None] = staticmethod(_nobody)
    _ending: Callable[[], None] = staticmethod(_nobody)
    _text_length: int | None = None

    def watch(self, *, heard: Callable[[], None], text: Callable[[int], None], ending: Callable[[], None]) -> None:
        """Calls `heard` for any bytes, `text` for a text message with its length in bytes, `ending` when it ends."""
        self._heard, self._text, self._ending = heard, text, ending

    @property
    def writable(self) -> bool:
        """What is sent now goes out, as far as this side can know."""
        return self.state is State.OPEN

    @property
    def gone(self) -> bool:
        """The TCP connection is closed; messages may still be buffered."""
        return self.state is State.CLOSED

    @property
    def local_ip(self) -> str:
        """This machine's address on the connection."""
        address = self.local_address
        return str(address[0]) if address else "127.0.0.1"

    async def heartbeat(self) -> None:
        """Sends an empty PING, as the official Java client does. No pong is waited for: the service sends none."""
        await self.ping(b"")
        self.pending_pings.clear()

    async def end(self) -> None:
        """Closes the connection (1000), in bounded time, whatever the other end does."""
        try:
            # The library's own limit begins when its Close is written; a service that stopped reading never lets it be.
            async with asyncio.timeout(2 * CLOSE_TIMEOUT):
                await self.close(CloseCode.NORMAL_CLOSURE, "client closed")
        except TimeoutError:
            pass
        finally:
            self.transport.abort()  # also when this is cancelled; does nothing to what is closed
        await self.wait_closed()

    def data_received(self, data: bytes) -> None:
        self._heard()
        super().data_received(data)

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and self._is_text(event):
            return
        super().process_event(event)
        if not self.writable:
            self._ending()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._ending()

    def _is_text(self, frame: Frame) -> bool:
        """A text frame, or the continuation of one. It is dropped; only the length of the message is kept."""
        if frame.opcode is Opcode.TEXT:
            self._text_length = 0
        if frame.opcode not in DATA_OPCODES or self._text_length is None:
            return False
        self._text_length += len(frame.data)
        if frame.fin:
            self._text(self._text_length)
            self._text_length = None
        return True


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def open_wire(url: str, *, open_timeout: float, max_size: int, wire_type: type[Wire] = Wire) -> Wire:
    """A WebSocket connection to the service.

    Raises:
        OSError: the address does not answer, or not in time.
        websockets.exceptions.InvalidHandshake: it refuses the upgrade.
    """
    wire = await _Connect(
        url,
        create_connection=wire_type,
        compression=None,
        proxy=None,
        open_timeout=open_timeout,
        ping_interval=None,
        close_timeout=CLOSE_TIMEOUT,
        max_size=max_size,
        user_agent_header=SDK,
        logger=_LOG,
    )
    assert isinstance(wire, Wire)
    return wire


def check_url(url: str) -> str:
    """Gives back a usable address. Raises ValueError."""
    example = "expected is one as ws://mc.api.taobao.com/"
    try:
        parsed = parse_uri(url)
        parsed.host.encode("idna")  # what the resolver will do with it
    except (InvalidURI, UnicodeError) as error:
        raise ValueError(f"{url!r} is not an address of the service ({error}); {example}") from None
    if parsed.username is not None:
        # It would end up in logs, and TMC has no use for it.
        raise ValueError(f"the url must not contain a user name or password; {example}")
    return url
