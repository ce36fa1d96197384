"""The fake service in one object: engine, WebSocket front, HTTP gateway, clock and trace.

For tests of any style. In an asyncio test it lives in the test's own event loop, virtual or not; in any other test it
has a thread and an event loop of its own, and what is asked of it is handed over to that thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from websockets.frames import CloseCode

from tmcfakes.clock import Clock
from tmcfakes.faults import Schedule
from tmcfakes.injector import Injector
from tmcfakes.lines import Lines
from tmcfakes.service import App, Service
from tmcfakes.throttle import Throttle
from tmcfakes.watch import Wanted, Watch
from tmcfakes.websocket import WebSocketFront
from tmcspec.events import Advanced, Attempted, RetentionSet
from tmcspec.flow import Flow
from tmcspec.frame_values import show
from tmcspec.timing import CONFIRM_TIMEOUT, RETENTION, Timing
from tmcspec.trace import Entry, Recorder, Trace, World

if TYPE_CHECKING:
    from aiohttp.web import RouteDef

    from tmcfakes.gateway import Gateway
    from tmcfakes.http import HttpFront

T = TypeVar("T")

#: Entries of the trace that are kept of a service without end, at least.
KEPT: Final = 100_000

_GATEWAY: Final = "router/rest"


class Addresses(NamedTuple):
    """Where a client finds the service: its WebSockets, and its HTTP gateway."""

    url: str
    gateway_url: str


class FakeTmc:
    """The fake message service, listening while it is entered with `with` or `async with`.

    Everything may be called from any thread, except that `wait_for` would block the event loop the service lives in:
    there, `await wait_for_async(…)`.

    Args:
        apps: who may connect.
        seed: of everything the service draws by chance: tokens, ids, who gets a message.
        timing: the durations of the service.
        flow: its flow control.
        clock: service time; by default that of the event loop, so simulated in a virtual one and else real.
        epoch_ms: wall-clock time of service time 0, in epoch milliseconds; by default the time of this call. Requests
            to the gateway are dated by clients: it expects their clocks to show this time at the start, and to run with
            the event loop.
        host: address to listen on.
        port, http_port: ports to listen on, for WebSockets and for HTTP; 0 for any.
        server_ip: the address of the service in the tracks of messages.
        topics_to_taobao: the topics that apps may publish to Taobao; None for any.
        calls_per_second: how often an app may call one method of the gateway in a second; None for no limit (S33).
        routes: more routes for the HTTP port; called at the start, with this object, before it listens.
        endless: whether it is to go on for days. Then clients may send as much as they like, and what is old is
            forgotten: the trace has the latest entries only.

    Attributes:
        recorder: where the trace is written.
        apps: as they were given.
        lines: the faults of bytes that are active, on both ports.
        resets: called after each `reset`, in the thread of the service.
        service_type, gateway_type: what a subclass may replace, to see whether its defects are found; None for the
            gateway that there is.

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

    service_type: type[Service] = Service
    gateway_type: type[Gateway] | None = None

    def __init__(
        self,
        *,
        apps: Sequence[App] = (App(key="test", secret="test-secret"),),
        seed: int = 0,
        timing: Timing | None = None,
        flow: Flow | None = None,
        clock: Clock | None = None,
        epoch_ms: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        http_port: int = 0,
        server_ip: str = "127.0.0.1",
        topics_to_taobao: Iterable[str] | None = None,
        calls_per_second: int | None = None,
        routes: Callable[[FakeTmc], Iterable[RouteDef]] | None = None,
        endless: bool = False,
    ) -> None:
        self.apps = tuple(apps)
        self.recorder = Recorder(keep=KEPT if endless else None)
        self.resets: list[Callable[[], None]] = []
        self.lines = Lines(on_attempt=self._attempted)
        self._injector = Injector(self)
        self._addresses: dict[str, Addresses] = {}  # of clients that have their own
        self._seed = seed
        self._epoch_ms = time.time_ns() // 1_000_000 if epoch_ms is None else epoch_ms
        self._rng = random.Random(seed)
        self._timing = timing or Timing()
        self._flow = flow
        self._server_ip = server_ip
        self._topics_to_taobao = None if topics_to_taobao is None else frozenset(topics_to_taobao)
        self._service = self._new_service()
        self._clock = clock
        self._host, self._port, self._http_port = host, port, http_port
        self._throttle = Throttle(calls_per_second)
        self._routes = routes
        self._endless = endless
        self._front: WebSocketFront | None = None  # while it runs
        self._http: HttpFront  # since it ran
        self._gateway: Gateway
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
        # Here, because the HTTP library takes as long to import as all else together.
        from tmcfakes.gateway import Gateway
        from tmcfakes.http import HttpFront

        gateway_type = self.gateway_type or Gateway
        loop = self._loop = asyncio.get_running_loop()
        self._home = threading.get_ident()
        clock = self._clock or Clock.of_loop(loop)
        front = WebSocketFront(
            self._service, clock, host=self._host, port=self._port, lines=self.lines, endless=self._endless
        )
        began = loop.time()
        gateway = gateway_type(
            service=self._service,
            recorder=self.recorder,
            now=clock.now,
            wall_clock=lambda: self._epoch_ms + round((loop.time() - began) * 1000),
            poke=front.poke,
            server_ip=self._server_ip,
            throttle=self._throttle,
            endless=self._endless,
        )
        more = self._routes(self) if self._routes else ()
        routes = [*gateway.routes(), *more]
        http = HttpFront(routes=routes, host=self._host, port=self._http_port, lines=self.lines)
        # The trace says that the clock was moved before it says what that brought about: first in, first told.
        clock.listeners.append(self._advanced)
        try:
            await front.start()
            await http.start()
        except BaseException:
            clock.listeners.remove(self._advanced)
            await front.stop()
            raise
        self._clock, self._front, self._http, self._gateway = clock, front, http, gateway

    async def _stop(self) -> None:
        front, http = self._running(), self._http
        self._injector.clear()
        try:
            await http.stop()
        finally:
            try:
                await front.stop()
            finally:
                front.clock.listeners.remove(self._advanced)
                self._front = None
        if errors := front.errors + http.errors:
            raise ExceptionGroup("the fake service itself failed; what the client did is not the cause", errors)

    # What a test does with it

    @property
    def url(self) -> str:
        """The address for clients, `ws://127.0.0.1:port/`; that of the pre-release environment has `pre` behind it."""
        return self._running().url

    @property
    def http_url(self) -> str:
        """The root of the HTTP port, `http://127.0.0.1:port/`."""
        self._running()
        return self._http.url

    @property
    def gateway_url(self) -> str:
        """The address of the HTTP gateway, `http://127.0.0.1:port/router/rest`."""
        return self.http_url + _GATEWAY

    async def listen_for(self, client: str) -> Addresses:
        """Addresses of its own for a client: whoever connects there is known by this name, in the trace and to faults.
        The same name has the same addresses.

        Args:
            client: the name.

        Raises:
            ValueError: no client can have this name.
            OSError: there is no port left to listen on.
        """
        self._running()
        if threading.get_ident() == self._home:
            return await self._listen_for(client)
        listening = asyncio.run_coroutine_threadsafe(self._listen_for(client), self._loop)
        return await asyncio.wrap_future(listening)

    @property
    def conditions(self) -> Trace:
        """What the trace is recorded under: a trace without entries."""
        return Trace(
            entries=(),
            world="live",
            client_clock=self._clock is None or self._clock.runs,
            seed=self._seed,
            epoch_ms=self._epoch_ms,
        )

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
        key = self.apps[0].key if app_key is None else app_key
        return self.do(lambda service, now: service.produce(app_key=key, topic=topic, content=content, now=now, **more))

    def broadcast(self, *, topic: str, content: str | None, **more: Any) -> dict[str, int]:
        """Something happened to a user, and all apps that may know get a message; see `Service.broadcast`.

        Args:
            topic: as `taobao_trade_TradeCreate`.
            content: the text for the client's handler; None for none.
            more: user_id or nick, data_id, environment.

        Returns:
            The ids by app key.
        """
        return self.do(lambda service, now: service.broadcast(topic=topic, content=content, now=now, **more))

    def do(self, act: Callable[[Service, float], T]) -> T:
        """Calls `act` with the engine and the service time, and does what comes of it. Returns what `act` returns.

        Example:
            >>> with FakeTmc() as tmc:
            ...     shop = tmc.do(lambda service, now: service.console(now=now).authorise("test", "shop"))
            ...     tmc.do(lambda service, now: service.console(now=now).permit("test", "shop"))
            ...     list(tmc.broadcast(topic="taobao_trade_TradeCreate", content="{}", nick="shop"))
            ['test']
        """
        front = self._running()

        def acting() -> T:
            try:
                return act(self._service, front.clock.now())
            finally:
                front.poke()

        return self._call(acting)

    def trace(self, *, world: World = "live", patience: float = CONFIRM_TIMEOUT) -> Trace:
        """Everything that has happened so far. `world` and `patience` are what `Trace` says of them."""
        return replace(self.conditions, entries=tuple(self.recorder.entries), world=world, patience=patience)

    def inject(self, schedule: Schedule) -> None:
        """From now on these faults happen, beside those that there are; their times count from this moment, in seconds
        of the event loop's time. What concerns bytes does not concern the port of HTTP that is for anybody, since the
        control API is there, but that of each client with addresses of its own.

        Args:
            schedule: the faults, and the seed of their chance.

        Raises:
            TypeError: it is none.
        """
        if not isinstance(schedule, Schedule):
            raise TypeError(f"faults come in a schedule, as Schedule(faults=(Down(),)), not as {show(schedule)}")
        self._running()
        self._call(lambda: self._injector.inject(schedule))

    @property
    def faults(self) -> Injector:
        """The faults that are active, and those that wait for their time. For the thread of the service."""
        return self._injector

    @property
    def clients(self) -> tuple[str, ...]:
        """The names of the clients that have addresses of their own, in order."""
        return tuple(self._addresses)

    def heal(self) -> None:
        """All faults are over, and those that were still to come do not."""
        self._running()
        self._call(self._injector.clear)

    def reset(self) -> None:
        """All is as at the start, but for the clock: faults end, connections are closed, messages, users and settings
        forgotten, and the trace begins anew.
        """
        self._call(self._reset)

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
        watch = Watch(self.recorder, wanted, count)
        self._call(watch.begin)
        try:
            return watch.found.result(timeout)
        except TimeoutError:
            raise watch.missed(timeout) from None
        finally:
            self._call(watch.end)

    async def wait_for_async(self, wanted: Wanted, *, count: int = 1, timeout: float = 10.0) -> Entry:
        """As `wait_for`, for asyncio; `timeout` in seconds of the event loop's time."""
        watch = Watch(self.recorder, wanted, count)
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

    def _reset(self) -> None:
        front = self._running()
        self._injector.clear()
        self.lines.clear()  # of those that somebody began by hand
        front.dismiss(CloseCode.GOING_AWAY.value, "the service was reset")
        front.poke()
        listeners, watchers = self.recorder.listeners, self.recorder.watchers
        self.recorder = Recorder(keep=KEPT if self._endless else None)
        # The very lists: those who wait for an event take themselves off.
        self.recorder.listeners, self.recorder.watchers = listeners, watchers
        front.service = self._service = self._new_service()
        self._gateway.serve(self._service, self.recorder)
        for listener in tuple(self.resets):
            listener()
        front.poke()
        if self._endless:
            # The service before was a cycle, with a trace that may hold a hundred megabytes and that the collector does
            # not see.
            gc.collect()

    def _new_service(self) -> Service:
        service = self.service_type(
            apps=self.apps,
            recorder=self.recorder,
            rng=self._rng,  # goes on, so that no id comes twice (S42)
            timing=self._timing,
            flow=self._flow,
            epoch_ms=self._epoch_ms,
            server_ip=self._server_ip,
            topics_to_taobao=self._topics_to_taobao,
        )
        # Who judges the trace takes it for the usual one.
        if self._timing.retention != RETENTION:
            service.record(RetentionSet(seconds=self._timing.retention), now=0.0)
        return service

    def _advance(self, seconds: float) -> None:
        """Steps from deadline to deadline: in one jump, all that is due on the way would happen at its end."""
        front = self._running()
        clock, left, before = front.clock, seconds, None
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds must be 0 or more and finite, not {seconds!r}: service time never goes back")
        while (due := self._service.deadline()) not in (None, before) and (step := due - clock.now()) < left:
            if step > 0:
                clock.advance(step)
                left -= step
            else:
                front.poke()  # real time runs: it came to this deadline while the one before was dealt with
            before = due
        clock.advance(left)

    async def _listen_for(self, client: str) -> Addresses:
        url = await self._running().listen_for(client)
        found = self._addresses[client] = Addresses(url, await self._http.listen_for(client) + _GATEWAY)
        return found

    def _attempted(self, client: str | None) -> None:
        self.recorder.record(Attempted(client=client), now=self._running().clock.now())

    def _advanced(self, seconds: float) -> None:
        self.recorder.record(Advanced(seconds=seconds), now=self._running().clock.now())


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
