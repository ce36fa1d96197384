"""The consumer for applications: `TmcClient`, the core on asyncio and websockets.

One task keeps the client connected: it runs a `session` until that ends, waits (see `backoff`), and begins again.
Messages go from the session to the `pool` of handlers, and outcomes from there to the core; the session sends what
the core makes of them. A publish goes to the core, too, and waits until the core knows what came of it.

All state is touched by one event loop only, and the clock is the loop's. With `rng`, `wall_clock` and a loop of
virtual time a run is deterministic.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import ClassVar, Self

from tmcspec import timing
from tmcspec.client.backoff import Backoff
from tmcspec.client.connection import Deliver, News, NotPublished, Odd, Published, PublishEnded, State
from tmcspec.client.core import SILENCE_LIMIT, Core
from tmcspec.client.errors import ConnectFailed, TmcError
from tmcspec.client.loglimit import LogLimit
from tmcspec.client.message import (
    Handled,
    Handler,
    Message,
    Observation,
    Observer,
    Offline,
    Online,
    Outcome,
    Received,
    Stats,
)
from tmcspec.client.pool import Pool
from tmcspec.client.session import Session, end
from tmcspec.client.wire import check_url
from tmcspec.frame_values import show

log = logging.getLogger("tmcspec.client")

# Between two warnings about what cannot be used, in seconds: a service gone mad shall not fill the disk.
_ODD_LOG_INTERVAL = 10.0

# The answers of handlers that ended at the last moment get so long to be sent, in seconds.
_FLUSH_PATIENCE = 1.0


class TmcClient:
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
        self._pool = Pool(handler, workers=workers, starting=self._starting, done=self._handled)
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
        self._observer = observer

        self._task: asyncio.Task[None] | None = None
        self._publishes: dict[int, asyncio.Future[PublishEnded]] = {}
        self._stopping = False
        self._accepted = 0
        self._accepted_at: float | None = None
        self._odd_log = LogLimit(interval=_ODD_LOG_INTERVAL)
        self._started = asyncio.Event()
        self._closed = asyncio.Event()

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

    async def start(self) -> None:
        """Connects, and returns when the service has accepted.

        From then on the client reconnects by itself, for ever: 第一次正常连接后…会自动重连 (S22).

        Raises:
            ConnectRefused: the service refused the CONNECT. 连接失败时会抛出异常, 请不要捕获 (S21): a wrong secret or
                group does not mend itself.
            ConnectFailed: the address does not answer, refuses the upgrade (401, 503), or sends no CONNECTACK. May be
                tried again.
            RuntimeError: the client was started, or stopped, before.
        """
        if self._task is not None or self._stopping:
            raise RuntimeError(
                f"{self!r} cannot be started {'again' if self._task else 'after it was stopped'}; make a new one"
            )
        self._task = asyncio.create_task(self._stay_connected(), name="tmc-client")
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await end(self._task)
            self._task = None
            raise
        finally:
            await end(started)
        if self._task.done():
            if self._stopping:
                raise ConnectFailed("the client was stopped before it was connected")
            task, self._task = self._task, None
            await task

    async def publish(
        self, topic: str, content: str, *, session: str | None = None, timeout: float = timing.PUBLISH_TIMEOUT
    ) -> None:
        """Sends a message to Taobao (回流消息, S13), and returns when the service has acknowledged it.

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

    async def stop(self, grace: float = 30.0) -> None:
        """Ends gracefully.

        No message is lost: what is not handled is not answered, so the service sends it again, to whoever is there.
        No new messages are taken. Handlers that run may finish within `grace` seconds, and their answers are sent;
        after that they are cancelled. Messages that were not started are neither handled nor answered. Publishes are
        waited for as long, and then fail. Then the connection is closed (1000). To stop a stopped client does nothing.
        """
        self._stopping = True
        if self._task is not None and not self._closed.is_set():
            try:
                await self._finish(grace)
            finally:
                await end(self._task)
        self._closed.set()

    async def wait_closed(self) -> None:
        """Returns when the client was stopped."""
        await self._closed.wait()

    async def run_forever(self, grace: float = 30.0) -> None:
        """Starts, unless started, and runs until cancelled or stopped; then stops gracefully.

        Raises what `start` raises.
        """
        if self._task is None:
            await self.start()
        try:
            await self.wait_closed()
        finally:
            await self.stop(grace)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

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
                self._went_online()

    def _went_online(self) -> None:
        self._accepted += 1
        self._accepted_at = self._now()
        self._started.set()
        log.info("online: group %s at %s", self._core.group, self.url)
        self._notify(Online())

    def _log_odd(self, reason: str) -> None:
        unlogged = self._odd_log.admit(self._now())
        if unlogged is not None:
            log.warning("ignored %s%s", reason, f" ({unlogged} more since the last warning)" if unlogged else "")

    async def _publish_ended(self, flag: int, deadline: float) -> PublishEnded:
        """Waits for what comes of a publish."""
        ended = self._publishes[flag]
        await asyncio.wait({ended}, timeout=deadline - self._now())
        if not ended.done():
            # The session's clock stands still while the wire takes nothing.
            for event in self._core.overdue(now=max(deadline, self._now())):
                self._heed(event)
        return await ended

    # What the handlers say

    def _starting(self, message: Message) -> None:
        self._notify(Received(message=message))

    def _handled(self, message: Message, outcome: Outcome, error: BaseException | None) -> None:
        if outcome.kind == "fail":
            reason = outcome.reason[: timing.FAIL_REASON_LIMIT]
            log.warning("message %d (%s) failed: %s", message.id, show(message.topic), reason)
        elif error is not None:
            log.error(
                "the handler raised for message %d (%s); it is reported as failed",
                message.id,
                show(message.topic),
                exc_info=error,
            )
        self._core.handled(message.id, outcome)
        self._session.wake()
        self._notify(Handled(message=message, outcome=outcome))

    def _notify(self, event: Observation) -> None:
        if self._observer is None:
            return
        try:
            self._observer(event)
        except Exception:  # an observer is the application's, and must not stop the messages
            log.exception("the observer raised for %s", type(event).__name__)

    # Stopping

    async def _finish(self, grace: float) -> None:
        deadline = self._now() + grace
        self._core.drain()
        self._pool.drop_queued()
        self._session.wake()
        try:
            async with asyncio.timeout_at(deadline):
                await self._pool.idle()
        except TimeoutError:
            cancelled = await self._pool.cancel()
            log.warning(
                "%d handlers did not end within %g s and were cancelled; their messages come again",
                len(cancelled),
                grace,
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(max(deadline, self._now() + _FLUSH_PATIENCE)):
                await self._session.flushed()
        if self._core.unsent:
            log.warning("%d answers could not be sent; their messages come again", self._core.unsent)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
