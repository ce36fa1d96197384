"""What a bad network does to the bytes of one direction of a connection: a chain of stages, one for each fault.

A stage takes items, which are bytes or an end, and hands them onward, later or changed. It never changes their order.
What it holds back flows on at once when its fault is over, through the stages behind it.
"""

from __future__ import annotations

import asyncio
import math
import random
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tmcfakes.faults import Bandwidth, Corrupt, HalfOpen, Latency, LimitData, PlannedFault, Slicer, SlowClose, Timeout

#: Seconds between two portions of a slow stream: Bandwidth lets through what has come together in this time.
PORTION = 0.1

#: Seconds; a virtual clock knows no shorter times.
INSTANT = 1e-6


@dataclass(frozen=True, slots=True)
class End:
    """The end of a stream, on its way behind the bytes before it.

    Attributes:
        how: `eof` of one direction only, `close` of both when all is written, `abort`, or `cut` by a fault.
        error: what the other side is told, if anything.
    """

    how: Literal["eof", "close", "abort", "cut"]
    error: Exception | None = None


class Cut(ConnectionAbortedError):
    """A fault cut the connection."""

    def __init__(self, fault: str) -> None:
        super().__init__(f"cut by the fault {fault!r}")
        self.fault = fault


Item: TypeAlias = bytes | End
Onward: TypeAlias = Callable[[Item], None]


class Stage:
    """One fault in one direction."""

    held = 0  # bytes that it holds back
    onward: Onward  # set by the stream

    def feed(self, item: Item) -> None:
        """An item comes."""
        raise NotImplementedError

    def drain(self) -> None:
        """All that it holds back flows on."""

    def drop(self) -> None:
        """All that it holds back is lost."""


class Stream:
    """One direction of a connection.

    Args:
        deliver: given what has come through.
        moved: called when the stages hold fewer bytes than before.

    Attributes:
        held: bytes on their way.
        stopped: whether the receiver takes nothing for now; what comes through waits.
    """

    def __init__(self, deliver: Onward, moved: Callable[[], None]) -> None:
        self.stopped = False
        self._deliver = deliver
        self._moved = moved
        self._stages: dict[int, Stage] = {}
        self._waiting: deque[Item] = deque()

    @property
    def held(self) -> int:
        return sum(stage.held for stage in self._stages.values()) + sum(map(_size, self._waiting))

    @property
    def idle(self) -> bool:
        """Whether it does nothing to what comes."""
        return not self._stages and not self._waiting

    def feed(self, item: Item) -> None:
        """An item comes from the sender."""
        first = next(iter(self._stages.values()), None)
        (first.feed if first else self._out)(item)

    def add(self, key: int, fault: PlannedFault, rng: random.Random, loop: asyncio.AbstractEventLoop) -> None:
        """A fault begins; it is the last on the way."""
        stage = _stage(fault, rng, _Timer(loop, self._moved))
        stage.onward = self._out
        if self._stages:
            self._stages[next(reversed(self._stages))].onward = stage.feed
        self._stages[key] = stage

    def remove(self, key: int) -> None:
        """A fault is over, if there was one of this key."""
        if (stage := self._stages.get(key)) is None:
            return
        stage.drain()
        keys = list(self._stages)
        place = keys.index(key)
        if place:
            self._stages[keys[place - 1]].onward = stage.onward
        del self._stages[key]
        self._moved()

    def resume(self) -> None:
        """The receiver takes again what comes through."""
        self.stopped = False
        self._flush()

    def drop(self) -> None:
        """All that is on its way is lost."""
        self._waiting.clear()
        for stage in self._stages.values():
            stage.drop()

    def _out(self, item: Item) -> None:
        self._waiting.append(item)
        self._flush()

    def _flush(self) -> None:
        while self._waiting and not self.stopped:
            self._deliver(self._waiting.popleft())


def ring_at(loop: asyncio.AbstractEventLoop, due: float, call: Callable[..., object], *args: object) -> TimerHandle:
    """`loop.call_at`, for times that may be too near to be told from now."""
    now = loop.time()
    return loop.call_at(due if due - now >= INSTANT else now, call, *args)


class _Timer:
    """The one timer of a stage. Event loops may ring a little early; what was due counts as due then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, moved: Callable[[], None]) -> None:
        self.time = loop.time
        self._loop = loop
        self._moved = moved
        self._handle: TimerHandle | None = None

    @property
    def runs(self) -> bool:
        return self._handle is not None

    def set(self, due: float, call: Callable[[], None]) -> None:
        self._handle = ring_at(self._loop, due, self._ring, call)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, call: Callable[[], None]) -> None:
        self._handle = None
        call()
        self._moved()


class _Delayed(Stage):
    """Items come later, each by a time of its own. One that is due before the one before it comes together with it."""

    def __init__(self, timer: _Timer, delay: Callable[[Item], float]) -> None:
        self._timer = timer
        self._delay = delay
        self._queue: deque[tuple[float, Item]] = deque()

    def feed(self, item: Item) -> None:
        now = self._timer.time()
        due = now + self._delay(item)
        if due <= now and not self._queue:
            self.onward(item)
            return
        self._queue.append((due, item))
        self.held += _size(item)
        self._wait()

    def drain(self) -> None:
        self._release(math.inf)
        self._timer.stop()

    def drop(self) -> None:
        self._timer.stop()
        self._queue.clear()
        self.held = 0

    def _wait(self) -> None:
        if self._queue and not self._timer.runs:
            due = self._queue[0][0]
            self._timer.set(due, lambda: self._release(due))

    def _release(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            _, item = self._queue.popleft()
            self.held -= _size(item)
            self.onward(item)
        self._wait()


class _Paced(Stage):
    """Bytes come in portions, and every portion takes its time. Subclasses say how large, and how long."""

    def __init__(self, timer: _Timer) -> None:
        self._timer = timer
        self._queue: deque[memoryview | End] = deque()
        self._free = 0.0  # when the next portion may begin

    def portion(self) -> int:
        """Bytes of the next portion, at most."""
        raise NotImplementedError

    def before(self, size: int) -> float:
        """Seconds until a portion of this size comes."""
        return 0.0

    def after(self) -> float:
        """Seconds until the next one may begin."""
        return 0.0

    def feed(self, item: Item) -> None:
        self._queue.append(item if isinstance(item, End) else memoryview(item))
        self.held += _size(item)
        self._wait()

    def drain(self) -> None:
        while self._queue:
            item = self._queue.popleft()
            self.held -= _size(item)
            self.onward(item if isinstance(item, End) else bytes(item))
        self._timer.stop()

    def drop(self) -> None:
        self._timer.stop()
        self._queue.clear()
        self.held = 0

    def _wait(self) -> None:
        if not self._queue or self._timer.runs:
            return
        size = min(_size(self._queue[0]), self.portion())
        due = max(self._timer.time(), self._free) + self.before(size)
        self._free = due + self.after()
        self._timer.set(due, lambda: self._release(size))

    def _release(self, size: int) -> None:
        item = self._queue.popleft()
        if isinstance(item, End):
            self.onward(item)
        else:
            if rest := item[size:]:
                self._queue.appendleft(rest)
            self.held -= size
            self.onward(bytes(item[:size]))
        self._wait()


class _Slow(_Paced):
    def __init__(self, fault: Bandwidth, timer: _Timer) -> None:
        super().__init__(timer)
        self._rate = fault.rate

    def portion(self) -> int:
        return max(1, int(self._rate * PORTION))

    def before(self, size: int) -> float:
        return size / self._rate


class _Sliced(_Paced):
    def __init__(self, fault: Slicer, rng: random.Random, timer: _Timer) -> None:
        super().__init__(timer)
        self._fault = fault
        self._rng = rng

    def portion(self) -> int:
        variation = self._fault.size_variation
        return self._fault.average_size + (self._rng.randint(-variation, variation) if variation else 0)

    def after(self) -> float:
        return self._fault.delay


class _Limited(Stage):
    """So many more bytes, and then the end."""

    def __init__(self, fault: LimitData) -> None:
        self._fault = fault
        self._left = fault.bytes
        self._over = False

    def feed(self, item: Item) -> None:
        if self._over:
            return
        if isinstance(item, End):
            self.onward(item)
            return
        piece = item[: self._left]
        self._left -= len(piece)
        self._over = not self._left
        if piece:
            self.onward(piece)
        if self._over:
            self.onward(End("cut", Cut(self._fault.name)))


class _Hole(Stage):
    """Whatever comes is lost, ends too: nobody is told."""

    def feed(self, item: Item) -> None:
        pass


class _Corrupted(Stage):
    """Some bytes are others. How far it is to the next one is drawn, so what becomes of a stream does not depend on the
    pieces that it comes in.
    """

    def __init__(self, fault: Corrupt, rng: random.Random) -> None:
        self._rate = fault.rate
        self._rng = rng
        self._next = self._distance()

    def feed(self, item: Item) -> None:
        if isinstance(item, bytes) and self._next < len(item):
            changed = bytearray(item)
            while self._next < len(changed):
                changed[self._next] ^= self._rng.randint(1, 255)
                self._next += 1 + self._distance()
            item = bytes(changed)
        self._next -= _size(item)
        self.onward(item)

    def _distance(self) -> int:
        if self._rate == 1:
            return 0
        return int(min(math.log1p(-self._rng.random()) / math.log1p(-self._rate), 2.0**62))


def _stage(fault: PlannedFault, rng: random.Random, timer: _Timer) -> Stage:
    match fault:
        case Latency(delay=delay, jitter=jitter):
            return _Delayed(timer, lambda item: delay + (rng.uniform(-jitter, jitter) if jitter else 0.0))
        case SlowClose(delay=delay):
            return _Delayed(timer, lambda item: delay if isinstance(item, End) else 0.0)
        case Bandwidth():
            return _Slow(fault, timer)
        case Slicer():
            return _Sliced(fault, rng, timer)
        case LimitData():
            return _Limited(fault)
        case Timeout() | HalfOpen():
            return _Hole()
        case Corrupt():
            return _Corrupted(fault, rng)
        case _:
            raise TypeError(f"{fault.name!r} does nothing to a stream")


def _size(item: bytes | memoryview | End) -> int:
    return 0 if isinstance(item, End) else len(item)
