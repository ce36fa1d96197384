"""What every consumer of messages is to its application: something to start, to watch and to stop.

A consumer is one task that stays connected, and a `pool` of handlers that it feeds. All state is touched by one event
loop only, and the clock is the loop's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from tmcspec import timing
from tmcspec.client.errors import ConnectFailed
from tmcspec.client.loglimit import LogLimit
from tmcspec.client.message import Handled, Handler, Message, Observation, Observer, Online, Outcome, Received
from tmcspec.client.pool import Pool
from tmcspec.client.session import end
from tmcspec.frame_values import show

log = logging.getLogger("tmcspec.client")

# Between two warnings about what cannot be used, in seconds: a service gone mad shall not fill the disk.
_ODD_LOG_INTERVAL = 10.0

# The answers of handlers that ended at the last moment get so long to be sent, in seconds.
_FLUSH_PATIENCE = 1.0


class Consumer(ABC):
    """The frame of a consumer; a subclass talks to the service.

    Args:
        handler: `async def handle(message: Message) -> None`.
        workers: handlers at a time, >= 1.
        observer: called with each `Online`, `Offline`, `Received` and `Handled`. What it raises is logged.
    """

    def __init__(self, handler: Handler, *, workers: int, observer: Observer | None) -> None:
        self._pool = Pool(handler, workers=workers, starting=self._starting, done=self._handled)
        self._observer = observer
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._accepted = 0
        self._odd_log = LogLimit(interval=_ODD_LOG_INTERVAL)
        self._started = asyncio.Event()
        self._closed = asyncio.Event()

    # For the application

    @property
    @abstractmethod
    def online(self) -> bool:
        """The service accepts this consumer, as far as is known."""

    async def start(self) -> None:
        """Connects, and returns when the service has accepted.

        From then on the client reconnects by itself, for ever: 第一次正常连接后…会自动重连 (S22).

        Raises:
            ConnectRefused: the service refused. 连接失败时会抛出异常, 请不要捕获 (S21): a wrong secret or group does
                not mend itself.
            ConnectFailed: the address does not answer, or with something else. May be tried again.
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

    async def stop(self, grace: float = 30.0) -> None:
        """Ends gracefully.

        No message is lost: what is not handled is not answered, so the service sends it again, to whoever is there.
        No new messages are taken. Handlers that run may finish within `grace` seconds, and their answers are sent;
        after that they are cancelled. Messages that were not started are neither handled nor answered. Then the
        connection is closed. To stop a stopped client does nothing.
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

    # For the subclass to fill in

    @abstractmethod
    async def _stay_connected(self) -> None:
        """Talks to the service until cancelled. Raises only when the service never accepted."""

    @abstractmethod
    def _settle(self, message: Message, outcome: Outcome) -> None:
        """A handler is done."""

    @abstractmethod
    def _drain(self) -> None:
        """No new messages, from now on."""

    @abstractmethod
    def _unsent(self) -> int:
        """Answers that the service was not sent yet."""

    @abstractmethod
    async def _flushed(self) -> None:
        """Waits until there are none."""

    # What the service says

    def _went_online(self, where: str) -> None:
        self._accepted += 1
        self._started.set()
        log.info("online: %s", where)
        self._notify(Online())

    def _log_odd(self, reason: str) -> None:
        unlogged = self._odd_log.admit(self._now())
        if unlogged is not None:
            log.warning("ignored %s%s", reason, f" ({unlogged} more since the last warning)" if unlogged else "")

    # What the handlers say

    def _starting(self, message: Message) -> None:
        self._notify(Received(message=message))

    def _handled(self, message: Message, outcome: Outcome, error: BaseException | None) -> None:
        if outcome.kind == "fail":
            reason = outcome.reason[: timing.FAIL_REASON_LIMIT]
            log.warning("message %d (%s) failed: %s", message.id, show(message.topic), reason)
        elif error is not None:
            log.error("the handler raised for message %d (%s)", message.id, show(message.topic), exc_info=error)
        self._settle(message, outcome)
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
        self._drain()
        self._pool.drop_queued()
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
                await self._flushed()
        if unsent := self._unsent():
            log.warning("%d answers could not be sent; their messages come again", unsent)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
