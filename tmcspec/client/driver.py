"""The consumer for applications: `TmcClient`, the core on asyncio and websockets.

One task keeps the client connected: it runs a `session` until that ends, waits (see `backoff`), and begins again.
Messages go from the session to the `pool` of handlers, and outcomes from there to the core; the session sends what
the core makes of them. A publish goes to the core, too, and waits until the core knows what came of it.

All state is touched by one event loop only, and the clock is the loop's. With `rng`, `wall_clock` and a loop of
virtual time a run is deterministic.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from tmcspec import timing
from tmcspec.client.backoff import Backoff
from tmcspec.client.connection import Deliver, News, NotPublished, Odd, Published, PublishEnded, State
from tmcspec.client.consumer import Consumer
from tmcspec.client.core import SILENCE_LIMIT, Core
from tmcspec.client.errors import TmcError
from tmcspec.client.message import (
    Handler,
    Message,
    Observer,
    Offline,
    Outcome,
    Stats,
)
from tmcspec.client.session import Session
from tmcspec.client.wire import check_url

log = logging.getLogger("tmcspec.client")


class TmcClient(Consumer):
    """Consumes the messages of one group, and publishes to Taobao, for as long as the application runs.

    Have one per process, and keep it: 注意保障TmcClient单例,且实例不要被销毁 (S23).

    Args:
        app_key, app_secret: credentials of the application.
        handler: `async def handle(message: Message) -> None`. Returning confirms the message. `FailMessage` reports
            it as failed, so it comes again in about six minutes (S25); so does any other exception, which is logged,
            too. A handler that cancels itself or raises some BaseException is reported as failed and the client goes
            on; KeyboardInterrupt and SystemExit are reported, and then, as everywhere in asyncio, end the event loop.
            It has a minute: after that the service sends the message again (S24), which is ignored here while the
            handler still runs. Nothing limits its time, so use `asyncio.timeout` for work that may hang.
        group: whose messages to consume.
        url: of the service, `ws://` or `wss://`.
        workers: handlers at a time, >= 1.
        queue_size: messages in hand (queued, running, or handled and not answered yet), >= 1. Messages that wait here
            grow old, and come again (S29), so not too many.
        pull_interval, heartbeat_interval, connectack_timeout, silence_limit: see `Core`.
        open_timeout: seconds for the TCP connection and the upgrade together, > 0.
        max_size: bytes of one message, > 0; a longer one ends the connection.
        backoff: how long to wait between attempts to connect.
        rng: for the backoff.
        wall_clock: seconds since the epoch, for the timestamp of a CONNECT.
        observer: called with each `Online`, `Offline`, `Received` and `Handled`. What it raises is logged.

    Raises:
        TypeError: the handler is not an `async def` function.
        ValueError: an argument is out of its range, or the url is not one.

    Example:
        async def handle(message: Message) -> None:
            await store(message.topic, message.content)

        async with TmcClient(app_key="1023", app_secret=secret, handler=handle) as client:
            await client.wait_closed()
    """

    #: The protocol; a subclass may put another in its place.
    core_type: ClassVar[type[Core]] = Core
    #: What talks over a connection; likewise.
    session_type: ClassVar[type[Session]] = Session

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        handler: Handler,
        group: str = "default",
        url: str = "ws://mc.api.taobao.com/",
        workers: int = 8,
        queue_size: int = timing.CLIENT_QUEUE_SIZE,
        pull_interval: float = timing.PULL_INTERVAL,
        heartbeat_interval: float = timing.HEARTBEAT_INTERVAL,
        connectack_timeout: float = timing.CONNECTACK_TIMEOUT,
        silence_limit: float | None = SILENCE_LIMIT,
        open_timeout: float = 10.0,
        max_size: int = 8 * 1024 * 1024,
        backoff: Backoff | None = None,
        rng: random.Random | None = None,
        wall_clock: Callable[[], float] = time.time,
        observer: Observer | None = None,
    ) -> None:
        if not open_timeout > 0:
            raise ValueError(f"open_timeout must be more than 0 seconds, not {open_timeout!r}")
        if not max_size > 0:
            raise ValueError(f"max_size must be more than 0 bytes, not {max_size!r}")
        super().__init__(handler, workers=workers, observer=observer)
        self.url = check_url(url)
        self._core = self.core_type(
            app_key=app_key,
            app_secret=app_secret,
            group=group,
            capacity=queue_size,
            pull_interval=pull_interval,
            heartbeat_interval=heartbeat_interval,
            connectack_timeout=connectack_timeout,
            silence_limit=silence_limit,
        )
        self._session = self.session_type(
            self._core,
            url=url,
            open_timeout=open_timeout,
            # A connection that takes no bytes is as dead as one that gives none.
            write_timeout=silence_limit or SILENCE_LIMIT,
            max_size=max_size,
            wall_clock=wall_clock,
            heed=self._heed,
        )
        self._backoff = backoff or Backoff()
        self._rng = rng or random.Random()
        self._publishes: dict[int, asyncio.Future[PublishEnded]] = {}
        self._accepted_at: float | None = None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} app_key={self._core.app_key!r} group={self._core.group!r} url={self.url!r} "
            f"{'online' if self.online else 'offline'}>"
        )

    # For the application

    @property
    def online(self) -> bool:
        """A connection is accepted and not known to be lost."""
        return self._core.state is State.ONLINE

    @property
    def stats(self) -> Stats:
        """Counts since the client was made."""
        return replace(self._core.stats, reconnects=max(0, self._accepted - 1))

    async def publish(
        self, topic: str, content: str, *, session: str | None = None, timeout: float = timing.PUBLISH_TIMEOUT
    ) -> None:
        """Sends a message to Taobao (回流消息, S13), and returns when the service has acknowledged it.

        A client that stops waits for that no longer than its grace.

        Args:
            topic: 1 to 256 characters; it must have been created for this direction (S72).
            content: 1 to 122,880 characters, usually JSON.
            session: the key of a user who authorised the app, not empty; None for none.
            timeout: seconds for the acknowledgement to come, > 0.

        Raises:
            PublishRefused: the service answered with an error.
            PublishTimeout: it did not answer in time.
            PublishFailed: the client is not online, 1000 publishes are pending, or the connection ended meanwhile.
            ValueError: an argument is out of its range, or is no text that UTF-8 can write.

        Example:
            try:
                await client.publish("some_topic", json.dumps(order))
            except PublishFailed as error:
                outbox.keep(order, perhaps_sent=error.may_have_arrived)
        """
        now = self._now()
        flag = self._core.publish(topic, content, session=session, timeout=timeout, now=now)
        self._publishes[flag] = asyncio.get_running_loop().create_future()
        self._session.wake()
        try:
            ended = await self._publish_ended(flag, deadline=now + timeout)
        finally:
            del self._publishes[flag]
            self._core.forget(flag)  # when this task was cancelled
            self._session.wake()
        if isinstance(ended, NotPublished):
            raise ended.error

    # Staying connected

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            self._accepted_at = None
            error = await self._one_connection()
            if not self._started.is_set():
                raise error
            self._notify(Offline(error=error))
            lasted = self._accepted_at is not None and self._now() - self._accepted_at >= self._backoff.settled
            if lasted:
                failures = 0
            delay = self._backoff.delay(failures, self._rng)
            failures += 1
            # Every connection ends some day, an idle one even soon. What is alarming is that no other takes its place.
            log.log(logging.INFO if lasted else logging.WARNING, "offline: %s; next attempt in %.1f s", error, delay)
            await asyncio.sleep(delay)

    async def _one_connection(self) -> Exception:
        """One connection from its opening to its end. Returns why it ended."""
        try:
            await self._session.run()
        except TmcError as error:
            return error
        except Exception as error:
            log.exception("unexpected error in the client")
            return error

    # What the session says

    def _heed(self, event: News) -> None:
        match event:
            case Deliver(message=message):
                self._pool.put(message)
            case Odd(reason=reason):
                self._log_odd(reason)
            case Published() | NotPublished():
                self._publishes[event.flag].set_result(event)
            case _:
                self._accepted_at = self._now()
                self._went_online(f"group {self._core.group} at {self.url}")

    async def _publish_ended(self, flag: int, deadline: float) -> PublishEnded:
        """Waits for what comes of a publish."""
        ended = self._publishes[flag]
        await asyncio.wait({ended}, timeout=deadline - self._now())
        if not ended.done():
            # The session's clock stands still while the wire takes nothing.
            for event in self._core.overdue(now=max(deadline, self._now())):
                self._heed(event)
        return await ended

    # What the handlers say, and the end

    def _settle(self, message: Message, outcome: Outcome) -> None:
        self._core.handled(message.id, outcome)
        self._session.wake()

    def _drain(self) -> None:
        self._core.drain()
        self._session.wake()

    def _unsent(self) -> int:
        return self._core.unsent

    async def _flushed(self) -> None:
        await self._session.flushed()
