"""The WebSocket front of the fake service: sockets on one side, the inputs and effects of the engine on the other.

It is a shell of asyncio around the sans-I/O protocol in `leniency`, not `websockets.asyncio.server`: so every byte that
goes out is asked for by the engine, and every byte that comes in is reported to it. It decides nothing but these:

- A connection gets its name, c1, c2, …, when its upgrade is answered; before that the engine does not know of it.
- Its end is reported once, with who began it. What a client sends before it answers a Close of the service is still
  reported; after a Close of the client nothing is.
- Nobody can hold it up or fill its memory: a client that says nothing, answers no Close, or does not read is cut off,
  and one that sends without end (see `intake`) is closed with 1008 and not listened to any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Literal, NamedTuple, Protocol, assert_never

from websockets.frames import BINARY, CLOSE, CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import OPEN

from tmcfakes.clock import Clock
from tmcfakes.intake import Flood, Intake
from tmcfakes.leniency import MAX_MESSAGE_SIZE, LenientServer, close_meaning
from tmcfakes.lines import Lines
from tmcfakes.listening import Ports
from tmcfakes.service import Abort, Close, Effect, Send
from tmcfakes.streams import Cut
from tmcspec.frame_values import show
from tmcspec.routing import Environment, environment_of

HANDSHAKE_TIMEOUT = 10.0  # seconds until a connection has to be upgraded
LINGER = 1.0  # seconds that TCP may outlive the closing handshake
LONGEST_WAIT = 12 * 3600.0  # seconds a timer is set for at most: virtual loops take 24 h for "never"
MAX_UNREAD = 64 * 2**20  # bytes that wait for a client that does not read
MAX_ERRORS = 100  # kept of the fake's own; when it fails for each of many connections, the first ones say why

By = Literal["client", "service", "fault"]
Upgrade = Callable[[Request], tuple[int, str] | None]
"""Asked about each upgrade request: None lets it pass, (HTTP status, text) refuses it."""


class Engine(Protocol):
    """What the front needs of the service; `tmcfakes.service.Service` is the one there is."""

    def opened(
        self, connection: str, *, now: float, environment: Environment, peer: str | None, client: str | None
    ) -> None: ...
    def received(self, connection: str, data: bytes, *, now: float) -> None: ...
    def observed(self, connection: str, opcode: str, data: bytes, *, now: float) -> None: ...
    def closed(self, connection: str, *, now: float, by: By, code: int | None, reason: str) -> None: ...
    def tick(self, *, now: float) -> None: ...
    def deadline(self) -> float | None: ...
    def effects(self) -> Sequence[Effect]: ...


class WebSocketFront:
    """Serves an engine on a TCP port.

    Call everything in the thread of the event loop that `start` ran in. Whoever calls the engine calls `poke` after it.

    Args:
        service: the engine.
        clock: service time. The front acts on `clock.advance` by itself.
        host: address to listen on.
        port: port to listen on, 0 for any.
        max_size: largest message taken, in bytes, > 0; a larger one is answered with Close 1009.
        max_unread: bytes that may wait for a client that does not read, > 0; then its connection is cut.
        handshake_timeout: seconds of the event loop's time until a connection has to be upgraded, > 0.
        upgrade: asked about each upgrade request; None lets it pass, (HTTP status, text) refuses it.
        lines: what lies between the sockets and the front, with the faults of bytes; by default without any.
        endless: whether clients may go on for days. Then what they send in all is not limited: the trace of such a
            service must forget what is old.

    Raises:
        ValueError: a limit is out of its range.

    Attributes:
        errors: exceptions that the engine raised while it was fed, the first MAX_ERRORS. There should be none: they are
            faults of the fake.
    """

    def __init__(
        self,
        service: Engine,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        max_size: int = MAX_MESSAGE_SIZE,
        max_unread: int = MAX_UNREAD,
        handshake_timeout: float = HANDSHAKE_TIMEOUT,
        upgrade: Upgrade | None = None,
        lines: Lines | None = None,
        endless: bool = False,
    ) -> None:
        limits = {"max_size": max_size, "max_unread": max_unread, "handshake_timeout": handshake_timeout}
        for name, limit in limits.items():
            if not limit > 0:
                raise ValueError(f"{name} must be more than 0, not {limit!r}")
        self.service = service
        self.clock = clock
        self.max_size = max_size
        self.max_unread = max_unread
        self.handshake_timeout = handshake_timeout
        self.upgrade = upgrade
        self.endless = endless
        self.errors: list[Exception] = []
        self.lines = lines or Lines()
        self._port = port
        self._ports = Ports("ws", host, self.lines, lambda client: _Connection(self, self._loop, client))
        self._timer: asyncio.TimerHandle | None = None
        self._timed = 0.0  # service time that the timer is set for
        self._poking = False
        self._count = 0
        self._connections: dict[str, _Connection] = {}  # by name, until their end is reported
        self._transports: dict[_Connection, None] = {}  # until TCP is done; in order, as no set is

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._loop = asyncio.get_running_loop()
        await self._ports.start(self._port)
        self.clock.listeners.append(self._advanced)
        self.poke()

    @property
    def url(self) -> str:
        """The address to connect to, `ws://host:port/`.

        Raises:
            RuntimeError: the front does not listen.
        """
        return self._ports.url

    async def listen_for(self, client: str) -> str:
        """One more address, for a client of this name: the engine is told it of all who connect there.

        Raises:
            ValueError: no client can have this name.
            RuntimeError: the front does not run.
            OSError: there is no port left to listen on.
        """
        return await self._ports.listen_for(client)

    async def stop(self) -> None:
        """Closes all connections with Close 1001 and stops listening. Waits for no client."""
        if not self._ports.open:
            return
        self._ports.shut()
        self.clock.listeners.remove(self._advanced)
        for connection in tuple(self._connections.values()):
            connection.close(CloseCode.GOING_AWAY.value, "the service stops")
        self._set_timer(None)
        await self._ports.stop_listening()
        leaving = tuple(self._transports)
        for connection in leaving:
            connection.cut()
        await asyncio.gather(*(connection.gone for connection in leaving))
        await self._ports.wait_closed()

    def dismiss(self, code: int, reason: str) -> None:
        """Closes all connections. The engine is told at once, and knows of none of them any more."""
        for connection in tuple(self._connections.values()):
            connection.dismiss(code, reason)

    def poke(self) -> None:
        """Lets everything happen that is due: ticks, effects, and the timer for the next deadline."""
        if self._poking:
            return  # the call this one came out of goes on until nothing is left
        self._poking = True
        try:
            deadline = self.service.deadline()
            due = deadline is not None and self.clock.reached(deadline)
            if due:
                self.service.tick(now=self.clock.now())
            effects = self.service.effects()
            moved = due or bool(effects)  # else the deadline is what it was
            while effects:
                self._apply(effects)
                effects = self.service.effects()
            if self._ports.open:
                self._set_timer(self.service.deadline() if moved else deadline)
        finally:
            self._poking = False

    def _apply(self, effects: Sequence[Effect]) -> None:
        written: dict[_Connection, None] = {}
        for effect in effects:
            connection = self._connections.get(effect.connection)
            if connection is None:
                continue  # it ended while the effect was on its way; the engine has been told
            match effect:
                case Send():
                    connection.send(effect)
                    written[connection] = None
                case Close():
                    connection.close(effect.code, effect.reason)
                case Abort():
                    connection.abort()
        for connection in written:
            connection.flush()

    def _set_timer(self, deadline: float | None) -> None:
        """A timer that is set for earlier stays: it finds nothing due and sets itself anew. That is cheaper."""
        if self._timer is not None and deadline is not None and self._timed <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if deadline is not None and self.clock.runs:
            wait = min(max(0.0, deadline - self.clock.now()), LONGEST_WAIT)
            self._timed = self.clock.now() + wait
            self._timer = self._loop.call_later(wait, self._due)

    def _due(self) -> None:
        self._timer = None
        with self.keeping_errors():
            self.poke()

    def _advanced(self, seconds: float) -> None:
        self._set_timer(None)  # it was set for a time that is nearer now
        self.poke()

    @contextlib.contextmanager
    def keeping_errors(self) -> Iterator[None]:
        """Around what the event loop calls: an error there reaches no caller but the loop's log, so it is kept too."""
        try:
            yield
        except Exception as error:
            if len(self.errors) < MAX_ERRORS:
                self.errors.append(error)
            raise

    # What connections report.

    def arrived(self, connection: _Connection) -> bool:
        """A TCP connection came; False when it is too late for any."""
        self._transports[connection] = None
        return self._ports.open

    def opened(self, connection: _Connection, environment: Environment) -> str:
        """The upgrade of a connection to an environment was answered; returns the name it gets."""
        self._count += 1
        name = f"c{self._count}"
        self._connections[name] = connection
        now, peer, client = self.clock.now(), connection.peer, connection.client
        self.service.opened(name, now=now, environment=environment, peer=peer, client=client)
        return name

    def closed(self, name: str, end: _End) -> None:
        """A connection ended."""
        del self._connections[name]
        self.service.closed(name, now=self.clock.now(), by=end.by, code=end.code, reason=end.reason)

    def left(self, connection: _Connection) -> None:
        """A TCP connection is done."""
        del self._transports[connection]


class _End(NamedTuple):
    """Who ended a connection, and how."""

    by: By
    code: int | None
    reason: str


_LEFT = _End("client", None, "")


class _Connection(asyncio.Protocol):
    """One TCP connection: from the upgrade request to the last byte."""

    def __init__(self, front: WebSocketFront, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        self.client = client  # the name of who connects
        self.gone = loop.create_future()  # done when TCP is
        self._front = front
        self._loop = loop
        self._wire = LenientServer(max_size=front.max_size)
        self._name: str | None = None  # while the engine knows of it
        self._intake = Intake(endless=front.endless)
        self._begun: _End | None = None  # when the service began to close and the client has not answered

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=self._front.max_unread)
        self._timer = self._loop.call_later(self._front.handshake_timeout, self.cut)
        if not self._front.arrived(self):
            self.cut()

    def data_received(self, data: bytes) -> None:
        with self._front.keeping_errors():
            self._wire.receive_data(data)
            now = self._front.clock.now()  # what came together came at one time
            while events := self._wire.events_received():
                for event in events:
                    if isinstance(event, Frame):
                        self._take(event, now)
                    elif isinstance(event, Request):
                        self._upgrade(event)
            if self._wire.eof_sent and (sent := self._wire.close_sent):
                self._end(_End("service", int(sent.code), sent.reason))  # the client broke the WebSocket protocol
            self.flush()
            self._front.poke()

    def pause_writing(self) -> None:
        """Called when more than `max_unread` bytes wait."""
        limit = self._front.max_unread
        self._end(_End("service", None, f"more than {limit} bytes wait for a client that does not read"))
        self.cut()

    def eof_received(self) -> None:
        self._broken(_LEFT)
        self._linger()  # asyncio ends TCP when all is written, and that may be never

    def connection_lost(self, error: Exception | None) -> None:
        self._timer.cancel()
        self._front.left(self)
        self.gone.set_result(None)
        self._broken(_End("fault", None, error.fault) if isinstance(error, Cut) else _LEFT)

    # What the front calls.

    @property
    def peer(self) -> str | None:
        """The address that the client connects from."""
        address = self._transport.get_extra_info("peername")
        return str(address[0]) if address else None

    def send(self, effect: Send) -> None:
        """Queues what is to be sent, if it still can be; `flush` sends it."""
        if self._wire.state is not OPEN:
            return
        if effect.opcode == "binary" and effect.fragments == 1:
            self._wire.send_binary(effect.data)
            return
        match effect.opcode:
            case "ping":
                self._wire.send_ping(effect.data)
            case "pong":
                self._wire.send_pong(effect.data)
            case "text" | "binary":
                size = math.ceil(len(effect.data) / effect.fragments)
                parts = [effect.data[size * part : size * (part + 1)] for part in range(effect.fragments)]
                first = self._wire.send_text if effect.opcode == "text" else self._wire.send_binary
                first(parts[0], fin=len(parts) == 1)
                for place, part in enumerate(parts[1:], start=2):
                    self._wire.send_continuation(part, fin=place == len(parts))
            case _:
                assert_never(effect.opcode)

    def flush(self) -> None:
        """Writes all that is queued in one piece: a burst of small frames then costs one system call."""
        chunks = self._wire.data_to_send()
        if self._transport.is_closing() or not chunks:
            return
        self._transport.write(b"".join(chunks))
        if self._wire.eof_sent:
            self._transport.write_eof()
            self._linger()

    def close(self, code: int, reason: str) -> None:
        """Begins the closing handshake, if nobody has."""
        if self._wire.state is not OPEN:
            return
        self._wire.send_close(code, reason)
        self._begun = _End("service", code, reason)
        self.flush()
        self._linger()

    def dismiss(self, code: int, reason: str) -> None:
        """Begins the closing handshake, if nobody has, and waits for nothing."""
        self.close(code, reason)
        self._end(_End("service", code, reason))

    def abort(self) -> None:
        """Ends TCP without a Close frame, behind what was to be sent before."""
        self.flush()
        self._end(_End("service", None, ""))
        self.cut()

    def cut(self) -> None:
        """Ends TCP."""
        self._transport.abort()

    def _upgrade(self, request: Request) -> None:
        environment = environment_of(request.path)
        refusal = self._front.upgrade(request) if self._front.upgrade else None
        if status := self._front.lines.refusal_for(self.client):
            refusal = status, "the service is not available\n"
            self._front.lines.on_attempt(self.client)
        elif environment is None:
            refusal = 404, f"nobody is at {show(request.path)}; production is at /, pre-release at /pre\n"
        response = self._wire.accept(request) if refusal is None else self._wire.reject(*refusal)
        if environment and response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._timer.cancel()
            self._name = self._front.opened(self, environment)
        self._wire.send_response(response)

    def _take(self, frame: Frame, now: float) -> None:
        if self._name is None:
            return
        try:
            message = self._intake.take(frame)
        except Flood as flood:
            self.close(CloseCode.POLICY_VIOLATION.value, str(flood))
            self._end(_End("service", CloseCode.POLICY_VIOLATION.value, str(flood)))
            return
        if message is None:
            return
        opcode, data = message
        service = self._front.service
        if opcode is BINARY:
            service.received(self._name, data, now=now)
        else:
            service.observed(self._name, opcode.name.lower(), data, now=now)
        if opcode is CLOSE:
            self._end(_End("client", *close_meaning(data)))

    def _end(self, end: _End) -> None:
        """Reports the end of the connection, once. Whoever began to close it ended it."""
        if self._name is not None:
            name, self._name = self._name, None
            self._front.closed(name, self._begun or end)

    def _broken(self, end: _End) -> None:
        with self._front.keeping_errors():
            self._end(end)
            self._front.poke()

    def _linger(self) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER, self.cut)
