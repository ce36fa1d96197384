"""The consumer for applications that poll: `TmcPoller`, the core of `polling` on asyncio and aiohttp.

调用api消费消息(低性能) 或 编码tmcClient长连接消费消息(高性能) (S8): over HTTP messages come later (S36), and calls are
limited (S33). It is for those who cannot keep a connection open; both may consume one queue together (S3).

One task asks the core what to post, posts it through a `top_session`, and tells the core what came of it. Messages go
from there to the `pool` of handlers, and outcomes back to the core. With `rng`, `wall_clock`, `connector` and a loop of
virtual time a run is deterministic.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, NoReturn

import aiohttp

from tmcspec.client.backoff import Backoff
from tmcspec.client.connection import Deliver, Odd
from tmcspec.client.consumer import Consumer
from tmcspec.client.errors import TmcError
from tmcspec.client.exchange import Event, Interrupted
from tmcspec.client.message import Handler, Message, Observer, Offline, Outcome, Stats
from tmcspec.client.polling import MIN_PAUSE, Polling
from tmcspec.client.top_session import TopSession, check_gateway_url
from tmcspec.signing import SignMethod

log = logging.getLogger("tmcspec.client")

# No wait is shorter, in seconds: event loops cannot tell such times apart.
_CLOCK_TICK = 0.00001


class TmcPoller(Consumer):
    """Polls the messages of one group, for as long as the application runs.

    Args:
        app_key, app_secret: credentials of the application.
        handler: `async def handle(message: Message) -> None`. Returning confirms the message. After `FailMessage` or
            any other exception, which is logged, it is not confirmed, and so comes again in about six minutes (S39).
            No reason is passed on: over HTTP there is no place for one. A handler that cancels itself or
            raises some BaseException counts as failed and the client goes on; KeyboardInterrupt and SystemExit do, and
            then, as everywhere in asyncio, end the event loop. It has a minute, less the time that the message waits
            for a worker: after that the service sends the message again (S24), which is ignored here while the handler
            still runs. Nothing limits its time, so use `asyncio.timeout` for work that may hang.
        group: whose messages to consume.
        url: of the gateway, `http://` or `https://`.
        quantity: messages to ask for at a time, 10 to 200.
        workers: handlers at a time, >= 1.
        queue_size: messages in hand (queued, running, or handled and not confirmed yet), >= 10. Messages that wait
            here grow old, and come again (S29); and unlike a service that pushes, one that is polled keeps for later
            what it is not asked for.
        idle_pause: seconds to wait after an answer with fewer messages than asked for, >= 1 (S35).
        timeout: seconds for one exchange with the gateway, > 0. Confirms wait for a consume that hangs, so it must
            leave enough of their minute.
        sign_method: `md5`, `hmac` or `hmac-sha256`.
        max_size: bytes of one answer, > 0. 100 messages of the longest allowed content (122,880 characters) can be 37
            MB.
        backoff: how long to wait after a request that failed; never less than a second.
        rng: for the backoff.
        wall_clock: seconds since the epoch, for the timestamps of the calls.
        observer: called with each `Online`, `Offline`, `Received` and `Handled`. What it raises is logged.
        connector: what connects, one of aiohttp's; None for TCP. It stays the caller's to close.

    Raises:
        TypeError: the handler is not an `async def` function.
        ValueError: an argument is out of its range, or the url is not one.

    Example:
        async def handle(message: Message) -> None:
            await store(message.topic, message.content)

        async with TmcPoller(app_key="1023", app_secret=secret, handler=handle) as poller:
            await poller.wait_closed()
    """

    #: The protocol; a subclass may put another in its place.
    core_type: ClassVar[type[Polling]] = Polling
    #: What talks to the gateway; likewise.
    session_type: ClassVar[type[TopSession]] = TopSession

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        handler: Handler,
        group: str = "default",
        url: str = "http://gw.api.taobao.com/router/rest",
        quantity: int = 100,
        workers: int = 8,
        queue_size: int = 200,
        idle_pause: float = MIN_PAUSE,
        timeout: float = 15.0,
        sign_method: SignMethod = "hmac-sha256",
        max_size: int = 64 * 1024 * 1024,
        backoff: Backoff | None = None,
        rng: random.Random | None = None,
        wall_clock: Callable[[], float] = time.time,
        observer: Observer | None = None,
        connector: aiohttp.BaseConnector | None = None,
    ) -> None:
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
        if not max_size > 0:
            raise ValueError(f"max_size must be more than 0 bytes, not {max_size!r}")
        super().__init__(handler, workers=workers, observer=observer)
        self.url = check_gateway_url(url)
        self._core = self.core_type(
            app_key=app_key,
            app_secret=app_secret,
            group=group,
            quantity=quantity,
            capacity=queue_size,
            idle_pause=idle_pause,
            sign_method=sign_method,
            backoff=backoff,
            rng=rng,
        )
        self._session = self.session_type(url=url, timeout=timeout, max_size=max_size, connector=connector)
        self._wall_clock = wall_clock
        self._wake = asyncio.Event()  # for the task: look at the core
        self._moved = asyncio.Event()  # for who waits for the task: a request has ended

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} app_key={self._core.app_key!r} group={self._core.group!r} url={self.url!r} "
            f"{'online' if self.online else 'offline'}>"
        )

    @property
    def online(self) -> bool:
        """The last request was answered, without an error."""
        return self._core.online

    @property
    def stats(self) -> Stats:
        """Counts since the client was made.

        `confirmed` are those of which the gateway said so, `failed` those that were left unconfirmed, `reconnects` the
        times that it answered again, `bad_frames` messages, answers and confirms that came to nothing.
        """
        return replace(self._core.stats, reconnects=max(0, self._accepted - 1))

    # Staying connected

    async def _stay_connected(self) -> None:
        try:
            async with self._session:
                await self._poll()
        finally:
            self._core.abandon()

    async def _poll(self) -> NoReturn:
        now = self._now()
        while True:
            self._wake.clear()
            events = await self._exchange(now)
            if events is None:
                now = await self._until(self._core.deadline())
                continue
            for event in events:
                self._heed(event)
            self._moved.set()
            now = self._now()

    async def _exchange(self, now: float) -> list[Event] | None:
        """One request, from its form to what the core makes of its answer; None when there is nothing to ask for."""
        try:
            form = self._core.take(now=now, wall=self._wall_clock())
            if form is None:
                return None
            body = await self._session.post(form)
            return self._core.received(body, now=self._now())
        except TmcError as error:
            return self._core.failed(error, now=self._now())
        except Exception as error:
            # A fault of ours. It must not end what the application relies on.
            log.exception("unexpected error in the client")
            return self._core.failed(error, now=self._now())

    def _heed(self, event: Event) -> None:
        match event:
            case Deliver(message=message):
                self._pool.put(message)
            case Odd(reason=reason):
                self._log_odd(reason)
            case Interrupted(error=error, pause=pause):
                if not self._started.is_set():
                    raise error
                log.warning("offline: %s; next request in %.1f s", error, pause)
                self._notify(Offline(error=error))
            case _:
                self._went_online(f"group {self._core.group} at {self.url}")

    async def _until(self, deadline: float | None) -> float:
        """Waits for something to happen, or the deadline. Returns the time."""
        if deadline is not None:
            deadline = max(deadline, self._now() + _CLOCK_TICK)
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            assert deadline is not None
            return max(self._now(), deadline)
        return self._now()

    # What the handlers say, and the end

    def _settle(self, message: Message, outcome: Outcome) -> None:
        self._core.handled(message.id, outcome, now=self._now())
        self._wake.set()

    def _drain(self) -> None:
        self._core.drain()
        self._wake.set()

    def _unsent(self) -> int:
        return self._core.unsent

    async def _flushed(self) -> None:
        while self._core.unsent:
            self._moved.clear()
            await self._moved.wait()
