"""Lines: what lies between a socket of the fake service and the protocol that serves it, where faults of bytes act.

A line is a protocol to the transport of the socket, and a transport to the protocol that serves. To a client it is what
a proxy on the way would be: what the service wrote before it left is still on its way, and whoever sends into a black
hole learns nothing. It costs no second socket, and works for connections that are open already.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from tmcfakes.faults import (
    Chance,
    Down,
    HalfOpen,
    PlannedFault,
    RefuseUpgrade,
    ResetPeer,
    Restart,
    SilentAccept,
    SlowClose,
    StopReading,
    StreamFault,
    Timeout,
    WireFault,
    luck,
)
from tmcfakes.streams import Cut, End, Item, Stream, ring_at

#: Bytes of a client that may be on their way through a line; then it is not read from until there are fewer.
IN_FLIGHT: Final = 2**20

#: Seconds that a client which does not read can hold up the end of its connection, when nobody serves it any more.
LINGER: Final = 1.0

#: The faults that act in lines.
LINE_FAULTS: Final = (WireFault, SilentAccept, StopReading, Restart, RefuseUpgrade)

# Serves a line that nobody serves: takes everything, says nothing, and leaves when the client does.
_NOBODY: Final = asyncio.Protocol()


class Lines:
    """All lines of a service, and the faults that are active.

    Call everything in the thread of the event loop that the connections live in.

    Args:
        on_attempt: told the client's name, None for an unknown one, when a fault keeps it from being served at all.

    Example:
        >>> from tmcfakes.faults import Latency
        >>> lines = Lines()
        >>> lines.begin(1, Latency(delay=0.5, target="client-1"))
        >>> lines.end(1)
    """

    def __init__(self, *, on_attempt: Callable[[str | None], None] | None = None) -> None:
        self.on_attempt = on_attempt or (lambda client: None)
        self._faults: dict[int, PlannedFault] = {}
        self._chances: dict[int, Chance] = {}
        self._open: dict[Line, None] = {}  # in order, as no set is
        self._counts: Counter[str | None] = Counter()

    def wrap(
        self, protocol: asyncio.BaseProtocol, *, client: str | None = None, attempts: bool = True
    ) -> asyncio.Protocol:
        """A protocol to give to a server, with a line between the two.

        Args:
            protocol: what serves the connection.
            client: the name of who connects. One without a name is concerned by faults for everybody only.
            attempts: whether `on_attempt` is told of it.
        """
        return Line(self, protocol, client=client, attempts=attempts)

    def begin(self, key: int, fault: PlannedFault, *, chance: Chance | None = None) -> None:
        """A fault begins, for lines that are open and those that will be.

        Args:
            key: names it until its end.
            fault: one of `LINE_FAULTS`; its `at` and `duration` mean nothing here.
            chance: where it draws from; by default, that of the seed 0. Each line has luck of its own: one more line
                of another client changes nothing.

        Raises:
            ValueError: the fault does not act in lines, or the key is taken.
        """
        if not isinstance(fault, LINE_FAULTS):
            raise ValueError(f"{fault.name!r} is no fault of lines")
        if key in self._faults:
            raise ValueError(f"the fault {key!r} has begun already: {self._faults[key]!r}")
        self._faults[key] = fault
        self._chances[key] = chance or partial(luck, 0, fault.name, key)
        for line in tuple(self._open):
            if self._concerned(line, key, fault):
                line.begin(key, fault)

    def end(self, key: int) -> None:
        """A fault is over, if it is there. What it held back flows on; what it kept silent stays so."""
        if self._faults.pop(key, None) is not None:
            for line in tuple(self._open):
                line.end(key)
            del self._chances[key]

    def clear(self) -> None:
        """All faults are over."""
        for key in tuple(self._faults):
            self.end(key)

    def close(self) -> None:
        """All faults are over, and the lines that nobody serves end at once."""
        self.clear()
        for line in tuple(self._open):
            line.leave()

    def refusal_for(self, client: str | None) -> int | None:
        """The HTTP status that a client's upgrade is refused with; None when it is not."""
        for fault in self._faults.values():
            if isinstance(fault, RefuseUpgrade) and fault.concerns(client or ""):
                return fault.status
        return None

    # For lines

    def opened(self, line: Line) -> Iterable[tuple[int, PlannedFault]]:
        """There is a line more. Returns the faults that it begins with."""
        self._open[line] = None
        self._counts[line.client] += 1
        line.number = self._counts[line.client]
        return [(key, fault) for key, fault in self._faults.items() if self._awaits(line, key, fault)]

    def forget(self, line: Line) -> None:
        """A line is no more."""
        self._open.pop(line, None)

    def luck(self, line: Line, key: int, what: str) -> random.Random:
        """The random source of a line for a fault."""
        return self._chances[key](line.client or "", line.number, what)

    def _awaits(self, line: Line, key: int, fault: PlannedFault) -> bool:
        """Whether a fault that was there before a line concerns it."""
        return not isinstance(fault, HalfOpen) and self._concerned(line, key, fault)

    def _concerned(self, line: Line, key: int, fault: PlannedFault) -> bool:
        if not fault.concerns(line.client or ""):
            return False
        toxicity = fault.toxicity if isinstance(fault, WireFault) else 1.0
        return toxicity >= 1 or self.luck(line, key, "toxicity").random() < toxicity


class Line(asyncio.Protocol, asyncio.Transport):
    """One connection. `Lines.wrap` makes it.

    Each direction is a stream while faults concern it, and else None: then everything is forwarded at once.

    Attributes:
        client: the name of who connects.
        number: it is the n-th line of this client.
    """

    def __init__(self, lines: Lines, protocol: asyncio.BaseProtocol, *, client: str | None, attempts: bool) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.client = client
        self.number = 0
        self._lines = lines
        self._inner = protocol
        self._attempts = attempts
        self._up: Stream | None = None
        self._down: Stream | None = None
        self._faults: dict[int, PlannedFault] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._lingering: asyncio.TimerHandle | None = None
        self._paused = False  # the service does not want to read
        self._choked = False  # the service was told not to write
        self._no_more = False  # the client sends nothing any more
        self._closing = False  # nothing passes between the service and the line any more
        self._eof = False  # the service writes nothing any more
        self._over = False  # the socket is closed

    # What the transport of the socket calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._real = transport
        self._loop = asyncio.get_running_loop()
        faults = self._lines.opened(self)
        shut_out = next((fault for _, fault in faults if _shuts_out(fault)), None)
        if shut_out or any(isinstance(fault, SilentAccept) for _, fault in faults):
            self._inner = _NOBODY
            if self._attempts:
                self._lines.on_attempt(self.client)
        if shut_out:
            self._cut(shut_out)
            return
        for key, fault in faults:
            self.begin(key, fault)
        self._inner.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._up is None:
            self._inner.data_received(data)
        elif not self._closing:
            self._up.feed(data)
            self._choose_to_read()

    def eof_received(self) -> bool | None:
        self._no_more = True
        if self._up is None and self._down is None:
            return self._inner.eof_received()
        if not self._closing:
            self._from_client(End("eof"))
        return True  # the socket is closed when what is on its way has arrived

    def pause_writing(self) -> None:
        self._balance()

    def resume_writing(self) -> None:
        self._balance()

    def connection_lost(self, error: Exception | None) -> None:
        self._over = True
        if self._closing or self._up is None:
            inner, self._inner = self._inner, _NOBODY
            inner.connection_lost(error)
        else:
            self._up.feed(End("abort", error))
        self._clean_up()

    # What the protocol calls: a transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._real.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._inner = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._inner

    def is_closing(self) -> bool:
        return self._closing or self._real.is_closing()

    def is_reading(self) -> bool:
        return not self._paused and not self.is_closing()

    def pause_reading(self) -> None:
        self._paused = True
        if self._up is not None:
            self._up.stopped = True
        self._choose_to_read()

    def resume_reading(self) -> None:
        self._paused = False
        if self._up is not None:
            self._up.resume()
        self._settle()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._real.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._real.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return self._real.get_write_buffer_size() + (self._down.held if self._down is not None else 0)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._down is None:
            self._real.write(data)
        elif self._eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        elif data and not self.is_closing():
            self._down.feed(bytes(data))
            self._balance()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        if self._down is None:
            self._real.writelines(list_of_data)
        else:
            self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return self._real.can_write_eof()

    def write_eof(self) -> None:
        if self._down is None:
            self._end_real()
        elif not self.is_closing():
            self._down.feed(End("eof"))
        self._eof = True

    def close(self) -> None:
        self._part(End("close"))

    def abort(self) -> None:
        self._part(End("abort"))

    # What the registry calls

    def begin(self, key: int, fault: PlannedFault) -> None:
        """A fault begins to act on this line."""
        self._faults[key] = fault
        if isinstance(fault, Down | Restart):
            self._cut(fault)
        elif isinstance(fault, ResetPeer | Timeout) and (fault.timeout or isinstance(fault, ResetPeer)):
            self._timers[key] = ring_at(self._loop, self._loop.time() + fault.timeout, self._cut, fault)
        if isinstance(fault, StreamFault | SlowClose | HalfOpen):
            stream = fault.stream if isinstance(fault, StreamFault) else "both"
            if stream in ("upstream", "both"):
                self._up = self._up or Stream(self._to_service, self._choose_to_read)
                self._up.add(key, fault, self._lines.luck(self, key, "upstream"), self._loop)
            if stream in ("downstream", "both"):
                self._down = self._down or Stream(self._to_client, self._balance)
                self._down.add(key, fault, self._lines.luck(self, key, "downstream"), self._loop)
        self._choose_to_read()

    def end(self, key: int) -> None:
        """A fault is over, if it acted on this line."""
        fault = self._faults.pop(key, None)
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if isinstance(fault, Timeout | HalfOpen):
            self._cut(fault)
        elif fault is not None:
            for stream in (self._up, self._down):
                if stream is not None:
                    stream.remove(key)
            self._settle()

    def leave(self) -> None:
        """Ends at once if nobody serves it."""
        if self._inner is _NOBODY:
            self._real.abort()

    # On the way

    def _from_client(self, item: Item) -> None:
        (self._up.feed if self._up is not None else self._to_service)(item)

    def _to_service(self, item: Item) -> None:
        if not isinstance(item, End):
            self._inner.data_received(item)
        elif item.how == "eof":
            if not self._inner.eof_received():
                self.close()
        elif item.how == "abort":
            self._closing = True
            self._lose(item.error)
        else:
            self._run_out(item)

    def _to_client(self, item: Item) -> None:
        if self._real.is_closing():
            return
        if not isinstance(item, End):
            self._real.write(item)
        elif item.how == "eof":
            self._end_real()
        elif item.how == "abort":
            self._real.abort()
        elif item.how == "close":
            self._close_real()
        else:
            self._run_out(item)

    def _part(self, end: End) -> None:
        """The service leaves. For itself the connection is over; what it wrote is on its way, and then the end."""
        if self._up is None and self._down is None:
            (self._real.abort if end.how == "abort" else self._real.close)()
            return
        self._closing = True
        if self._up is not None:
            self._up.drop()
        (self._down.feed if self._down is not None else self._to_client)(end)
        self._lose(None)

    def _cut(self, fault: PlannedFault) -> None:
        """A fault cuts the connection, and all that is on its way is lost."""
        if isinstance(fault, ResetPeer):
            _reset_when_closed(self._real)
        self._closing = True
        self._real.abort()
        self._lose(Cut(fault.name))

    def _run_out(self, end: End) -> None:
        """A fault lets no more bytes through; those before were delivered, or are in the socket."""
        self._closing = True
        self._close_real()
        self._lose(end.error)

    def _end_real(self) -> None:
        # Whoever closes its socket right behind a Close resets what is then still sent to it, and the operating system
        # knows of no connection any more when its writing side is to be ended.
        with contextlib.suppress(OSError):
            self._real.write_eof()

    def _close_real(self) -> None:
        self._real.close()
        if not self._over and self._lingering is None:
            self._lingering = self._loop.call_later(LINGER, self._real.abort)

    def _lose(self, error: Exception | None) -> None:
        """The service learns that the connection is over: in a turn of its own, as with any transport."""
        if self._inner is not _NOBODY:
            self._loop.call_soon(self._inner.connection_lost, error)
            self._inner = _NOBODY
        self._clean_up()

    def _clean_up(self) -> None:
        if not self._over:
            return
        if self._lingering is not None:
            self._lingering.cancel()
        if self._inner is _NOBODY:
            for stream in (self._up, self._down):
                if stream is not None:
                    stream.drop()
            for timer in self._timers.values():
                timer.cancel()
            self._lines.forget(self)

    def _settle(self) -> None:
        """Streams that have nothing to do are no more."""
        if self._up is not None and self._up.idle:
            self._up = None
        if self._down is not None and self._down.idle:
            self._down = None
        self._choose_to_read()

    def _choose_to_read(self) -> None:
        """Reads from the client, or lets TCP hold it back."""
        if self._no_more:
            return  # a reader that is added again would be told of the end again
        full = self._up is not None and self._up.held > IN_FLIGHT
        if self._paused or full or any(isinstance(fault, StopReading) for fault in self._faults.values()):
            self._real.pause_reading()
        else:
            self._real.resume_reading()

    def _balance(self) -> None:
        """Tells the service when too much waits for the client, and when it may write again."""
        size, (low, high) = self.get_write_buffer_size(), self.get_write_buffer_limits()
        if not self._choked and size > high:
            self._choked = True
            self._inner.pause_writing()
        elif self._choked and size <= low:
            self._choked = False
            self._inner.resume_writing()


def _shuts_out(fault: PlannedFault) -> bool:
    return isinstance(fault, Down | Restart) or (isinstance(fault, ResetPeer) and not fault.timeout)


def _reset_when_closed(transport: asyncio.Transport) -> None:
    """Lets the client get a reset, and not an orderly end. Sockets in memory know only one kind of end."""
    it = transport.get_extra_info("socket")
    if isinstance(it.fileno(), int) and not transport.is_closing():
        it.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
