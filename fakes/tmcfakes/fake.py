"""The fake service in one object: engine, WebSocket front, clock and trace.

For tests of any style. In an asyncio test it lives in the test's own event loop, virtual or not; in any other test it
has a thread and an event loop of its own, and what is asked of it is handed over to that thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from tmcfakes.clock import Clock
from tmcfakes.service import App, Service
from tmcfakes.websocket import WebSocketFront
from tmcspec.events import Advanced, Event
from tmcspec.timing import CONFIRM_TIMEOUT, Timing
from tmcspec.trace import Entry, Recorder, Trace, World

T = TypeVar("T")
Wanted = type[Event] | Callable[[Event], bool]
"""Which events are waited for: all of a class, or those that a predicate is true of."""


class FakeTmc:
    """The fake message service, listening while it is entered with `with` or `async with`.

    Everything may be called from any thread, except that `wait_for` would block the event loop the service lives in:
    there, `await wait_for_async(…)`.

    Args:
        apps: who may connect.
        seed: of everything the service draws by chance: tokens, ids, who gets a message.
        timing: the durations of the service.
        clock: service time; by default that of the event loop, so simulated in a virtual one and else real.
        epoch_ms: wall-clock time of service time 0, in epoch milliseconds; by default the time of this call.
        host: address to listen on.
        port: port to listen on, 0 for any.

    Example:
        >>> from tmcspec.events import Advanced, Produced
        >>> with FakeTmc(seed=7) as tmc:
        ...     tmc.url.startswith("ws://127.0.0.1:")
        ...     message = tmc.produce(topic="taobao_trade_TradeCreate", content="{}")
        ...     tmc.wait_for(Produced).event.message == message
        ...     tmc.advance(360)
        ...     tmc.do(lambda service, now: service.unsettled("test"))
        True
        True
        1
        >>> [type(entry.event).__name__ for entry in tmc.trace().entries]
        ['Produced', 'Advanced']
    """

    def __init__(
        self,
        *,
        apps: Sequence[App] = (App(key="test", secret="test-secret"),),
        seed: int = 0,
        timing: Timing | None = None,
        clock: Clock | None = None,
        epoch_ms: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.recorder = Recorder()
        self._seed = seed
        self._epoch_ms = time.time_ns() // 1_000_000 if epoch_ms is None else epoch_ms
        self._apps = tuple(apps)
        self._service = Service(
            apps=self._apps,
            recorder=self.recorder,
            rng=random.Random(seed),
            timing=timing or Timing(),
            epoch_ms=self._epoch_ms,
        )
        self._clock = clock
        self._host, self._port = host, port
        self._front: WebSocketFront | None = None  # while it runs
        self._home = 0  # the thread it lives in
        self._own: tuple[threading.Thread, asyncio.Event] | None = None  # its own thread, and what ends it

    # Start and stop

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stop()

    def __enter__(self) -> Self:
        started: concurrent.futures.Future[asyncio.Event] = concurrent.futures.Future()
        thread = threading.Thread(target=lambda: asyncio.run(self._live(started)), name="FakeTmc", daemon=True)
        thread.start()
        try:
            self._own = thread, started.result()
        except BaseException:
            thread.join()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        assert self._own is not None
        thread, leave = self._own
        try:
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(leave.set)
            thread.join()

    async def _live(self, started: concurrent.futures.Future[asyncio.Event]) -> None:
        try:
            await self._start()
        except BaseException as error:
            started.set_exception(error)
            return
        leave = asyncio.Event()
        started.set_result(leave)
        await leave.wait()

    async def _start(self) -> None:
        if self._front is not None:
            raise RuntimeError("this FakeTmc runs already; make another one")
        self._loop = asyncio.get_running_loop()
        self._home = threading.get_ident()
        clock = self._clock or Clock.of_loop(self._loop)
        front = WebSocketFront(self._service, clock, host=self._host, port=self._port)
        # The trace says that the clock was moved before it says what that brought about: first in, first told.
        clock.listeners.append(self._advanced)
        try:
            await front.start()
        except BaseException:
            clock.listeners.remove(self._advanced)
            raise
        self._clock, self._front = clock, front

    async def _stop(self) -> None:
        front = self._running()
        await front.stop()
        front.clock.listeners.remove(self._advanced)
        self._front = None
        if front.errors:
            raise ExceptionGroup("the fake service itself failed; what the client did is not the cause", front.errors)

    # What a test does with it

    @property
    def url(self) -> str:
        """The address for clients, `ws://127.0.0.1:port/`."""
        return self._running().url

    def now(self) -> float:
        """Service time: seconds since the start, plus those it was advanced by."""
        return self._call(self._running().clock.now)

    def advance(self, seconds: float) -> None:
        """Moves service time on at once; everything due by then happens, each at its own time. The client's time stays.

        Args:
            seconds: how far, >= 0 and finite.

        Raises:
            ValueError: `seconds` is negative, infinite or not a number.
        """
        self._call(lambda: self._advance(seconds))

    def produce(self, *, topic: str, content: str | None, app_key: str | None = None, **more: Any) -> int:
        """Puts a message into the queue of a group; see `Service.produce` for what else it takes and raises.

        Args:
            topic: as `taobao_trade_TradeCreate`.
            content: the text for the client's handler; None for none.
            app_key: whose message it is, by default that of the first app.
            more: group, user_id, nick, id, …

        Returns:
            The id.
        """
        key = self._apps[0].key if app_key is None else app_key
        return self.do(lambda service, now: service.produce(app_key=key, topic=topic, content=content, now=now, **more))

    def do(self, act: Callable[[Service, float], T]) -> T:
        """Calls `act` with the engine and the service time, and does what comes of it. Returns what `act` returns."""
        front = self._running()

        def acting() -> T:
            try:
                return act(self._service, front.clock.now())
            finally:
                front.poke()

        return self._call(acting)

    def trace(self, *, world: World = "live", patience: float = CONFIRM_TIMEOUT) -> Trace:
        """Everything that has happened so far. `world` and `patience` are what `Trace` says of them."""
        return Trace(
            entries=tuple(self.recorder.entries),
            world=world,
            client_clock=self._clock is None or self._clock.runs,
            patience=patience,
            seed=self._seed,
            epoch_ms=self._epoch_ms,
        )

    def wait_for(self, wanted: Wanted, *, count: int = 1, timeout: float = 10.0) -> Entry:
        """Waits for an event, one that is in the trace already included.

        Args:
            wanted: a class of events, or a predicate over an event.
            count: for how many of them, >= 1.
            timeout: for how long, in seconds of real time.

        Returns:
            The entry of the last of them.

        Raises:
            TimeoutError: they did not happen in time.
            RuntimeError: called in an event loop, which then could do nothing else: neither could the service if it
                lives there, nor a client.
        """
        self._running()
        if _in_event_loop():
            raise RuntimeError("wait_for would stop the event loop it is called in: await wait_for_async(…)")
        watch = _Watch(self.recorder, wanted, count)
        self._call(watch.begin)
        try:
            return watch.found.result(timeout)
        except TimeoutError:
            raise watch.missed(timeout) from None
        finally:
            self._call(watch.end)

    async def wait_for_async(self, wanted: Wanted, *, count: int = 1, timeout: float = 10.0) -> Entry:
        """As `wait_for`, for asyncio; `timeout` in seconds of the event loop's time."""
        watch = _Watch(self.recorder, wanted, count)
        self._call(watch.begin)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(watch.found), timeout)
        except TimeoutError:
            raise watch.missed(timeout) from None
        finally:
            self._call(watch.end)

    def _running(self) -> WebSocketFront:
        if self._front is None:
            raise RuntimeError("this FakeTmc does not run: it runs inside `with FakeTmc() as tmc:` or `async with`")
        return self._front

    def _call(self, act: Callable[[], T]) -> T:
        """Calls `act` in the thread of the service."""
        self._running()
        if threading.get_ident() == self._home:
            return act()
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def acting() -> None:
            try:
                done.set_result(act())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(acting)
        return done.result()

    def _advance(self, seconds: float) -> None:
        """Steps from deadline to deadline: in one jump, all that is due on the way would happen at its end."""
        clock = self._running().clock
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds must be 0 or more and finite, not {seconds!r}: service time never goes back")
        left = seconds
        while (due := self._service.deadline()) is not None and 0 < (step := due - clock.now()) < left:
            clock.advance(step)
            left -= step
        clock.advance(left)

    def _advanced(self, seconds: float) -> None:
        self.recorder.record(Advanced(seconds=seconds), now=self._running().clock.now())


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Watch:
    """Waits until an event was recorded a number of times; used in the thread of the recorder."""

    def __init__(self, recorder: Recorder, wanted: Wanted, count: int) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count!r}")
        self.found: concurrent.futures.Future[Entry] = concurrent.futures.Future()
        self._recorder = recorder
        self._wanted = wanted
        self._count = count
        self._seen = 0

    def begin(self) -> None:
        for entry in self._recorder.entries:
            self._look(entry)
        self._recorder.listeners.append(self._look)

    def end(self) -> None:
        self._recorder.listeners.remove(self._look)

    def missed(self, timeout: float) -> TimeoutError:
        name = getattr(self._wanted, "__name__", repr(self._wanted))
        last = "".join(f"\n  {entry.time:.6f} {entry.event}" for entry in self._recorder.entries[-5:])
        return TimeoutError(
            f"waited {timeout} s for {self._count} x {name}, saw {self._seen}; the last events:{last or ' none'}"
        )

    def _look(self, entry: Entry) -> None:
        if self.found.done():
            return
        try:
            self._seen += self._is_wanted(entry.event)
        except Exception as error:
            self.found.set_exception(error)  # to whoever waits, not to the engine that recorded the event
            return
        if self._seen == self._count:
            self.found.set_result(entry)

    def _is_wanted(self, event: Event) -> bool:
        return isinstance(event, self._wanted) if isinstance(self._wanted, type) else bool(self._wanted(event))
