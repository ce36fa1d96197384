"""A whole world in one deterministic event loop: service, client and network, with virtual time and in-memory sockets.

Nobody waits: when all tasks sleep, time jumps to the next timer. The real `websockets` library runs on both sides, over
sockets that are queues in memory. A run is a function of its seed as long as nothing in it asks the machine for time or
chance: clocks and random sources are parameters everywhere. The library has none for the keys and masks of WebSockets,
so it is given one here: of bytes that a fault has corrupted, those would decide what becomes of a connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Iterator
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from types import SimpleNamespace
from typing import Any, TypeAlias, TypeVar

import async_solipsism
import websockets.frames
import websockets.utils
from async_solipsism.selector import Selector

T = TypeVar("T")

_Ready: TypeAlias = Callable[[], bool]

#: Wall-clock time of simulated time 0, in epoch milliseconds: 2026-01-01, so that timestamps look like timestamps.
EPOCH_MS = 1_767_225_600_000

#: Seconds of sleep that are taken for ever: event loops do not sleep longer at a time.
NEVER = 24 * 3600.0


def simulate(main: Callable[[], Coroutine[Any, Any, T]], *, seed: int = 0) -> T:
    """Runs `main()` in a world of its own, from virtual time 0, and returns what it returns.

    A loop whose next timer is a day away or more sleeps for ever, says `async_solipsism`: pass longer times in pieces.

    Args:
        main: makes what happens in it.
        seed: of the keys and masks of WebSockets.

    Raises:
        RuntimeError: called from within an event loop; a world has a loop of its own.
        Exception: whatever `main` raises; `async_solipsism.SleepForeverError` when everybody waits for somebody else.

    Example:
        >>> async def an_hour() -> float:
        ...     await asyncio.sleep(3600)
        ...     return asyncio.get_running_loop().time()
        >>> simulate(an_hour)
        3600.0
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("simulate() makes an event loop of its own; call it from outside of any")
    found: list[T] = []

    async def keeping() -> None:
        # Not as the result of the task: the runner has Python print its handler of SIGINT, the task and all, and where
        # that holds a day's trace it is seconds of work for a text that nobody sees.
        found.append(await main())

    with _websockets_drawing_from(random.Random(seed)), asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(keeping())
    return found[0]


@contextlib.contextmanager
def _websockets_drawing_from(rng: random.Random) -> Iterator[None]:
    """Lets the `websockets` library draw from `rng`, and not from the operating system."""
    places: Any = (websockets.frames, websockets.utils)
    before = [place.secrets for place in places]
    try:
        for place in places:
            place.secrets = SimpleNamespace(token_bytes=rng.randbytes)
        yield
    finally:
        for place, secrets in zip(places, before, strict=True):
            place.secrets = secrets


class SimulatedLoop(async_solipsism.EventLoop):  # type: ignore[misc]
    """The event loop of a simulation."""

    def __init__(self) -> None:
        super().__init__()
        clock = self._selector.clock  # type: ignore[has-type]
        self._selector = _QuickSelector(clock)


class _QuickSelector(Selector):  # type: ignore[misc]
    """Looks at all sockets as the library's own does, and in the same order, without a look-up for each of them: that
    is a tenth of the time of a simulated day.
    """

    def __init__(self, clock: object) -> None:
        super().__init__(clock)
        self._watched: dict[object, tuple[SelectorKey, _Ready | None, _Ready | None]] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        return self._watch(super().register(fileobj, events, data))

    def unregister(self, fileobj: Any) -> SelectorKey:
        key: SelectorKey = super().unregister(fileobj)
        del self._watched[key.fd]
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        return self._watch(super().modify(fileobj, events, data))

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready = []
        for key, readable, writable in self._watched.values():
            events = EVENT_READ if readable is not None and readable() else 0
            if writable is not None and writable():
                events |= EVENT_WRITE
            if events:
                ready.append((key, events))
        if not ready:
            self._let_time_pass(timeout)
        return ready

    def _watch(self, key: SelectorKey) -> SelectorKey:
        socket: Any = key.fd.socket  # type: ignore[attr-defined]
        self._watched[key.fd] = (
            key,
            socket.read_ready if key.events & EVENT_READ else None,
            socket.write_ready if key.events & EVENT_WRITE else None,
        )
        return key

    def _let_time_pass(self, timeout: float | None) -> None:
        if timeout is None or timeout >= NEVER:
            raise async_solipsism.SleepForeverError("select with no timeout and no ready events")
        if timeout > 0:
            # Nearer than one tick of the clock is one tick, else time would stand still.
            self.clock.advance(max(timeout, self.clock.resolution))
