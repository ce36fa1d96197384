"""Runs the application's handler, for at most so many messages at a time.

Each call is a task of its own. So whatever a handler does to itself (cancel itself, raise a BaseException) ends that
task and nothing else, and a handler that hangs holds one place, not the others'.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections import deque
from collections.abc import Callable

from tmcspec.client.errors import FailMessage
from tmcspec.client.message import OK, Handler, Message, Outcome

# A handler that is cancelled gets so long to clean up.
_CANCEL_PATIENCE = 1.0


class Pool:
    """Handler calls, queued and running. The queue is bounded by whoever puts messages in.

    Args:
        handler: `async def handle(message)`.
        workers: calls at a time, >= 1.
        starting: called with the message before its handler is.
        done: called with message, outcome, and what the handler raised. Not called for a handler that `cancel` ended.

    Raises:
        TypeError: the handler is not a coroutine function.
        ValueError: workers is out of its range.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        workers: int,
        starting: Callable[[Message], None],
        done: Callable[[Message, Outcome, BaseException | None], None],
    ) -> None:
        if not is_async(handler):
            raise TypeError(
                f"the handler must be an `async def` function, not {handler!r}: a plain one stops the whole client "
                "while it runs. Wrap blocking work: async def handle(message): await asyncio.to_thread(work, message)"
            )
        if workers < 1:
            raise ValueError(f"workers must be 1 or more, not {workers!r}")
        self._handler = handler
        self._workers = workers
        self._starting = starting
        self._done = done
        self._queue: deque[Message] = deque()
        self._running: dict[asyncio.Task[None], Message] = {}
        self._cancelled = False

    def put(self, message: Message) -> None:
        """Handles a message as soon as there is a place."""
        self._queue.append(message)
        self._fill()

    def drop_queued(self) -> None:
        """Forgets what was not started."""
        self._queue.clear()

    async def idle(self) -> None:
        """Waits until nothing runs."""
        while self._running:
            await asyncio.wait(self._running)

    async def cancel(self) -> list[Message]:
        """Cancels what runs, and waits a moment for it to end. Returns the messages whose handlers were running."""
        self._cancelled = True
        messages = list(self._running.values())
        for task in self._running:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_PATIENCE):
                await self.idle()
        return messages

    def _fill(self) -> None:
        while self._queue and len(self._running) < self._workers:
            message = self._queue.popleft()
            self._starting(message)
            task = asyncio.get_running_loop().create_task(self._call(message), name=f"tmc-message-{message.id}")
            self._running[task] = message
            task.add_done_callback(self._finished)

    async def _call(self, message: Message) -> None:
        await self._handler(message)

    def _finished(self, task: asyncio.Task[None]) -> None:
        message = self._running.pop(task)
        if not (self._cancelled and task.cancelled()):
            error = asyncio.CancelledError("the handler was cancelled") if task.cancelled() else task.exception()
            self._done(message, outcome_of(error), error)
        self._fill()


def is_async(handler: object) -> bool:
    """A coroutine function, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(handler) or (
        callable(handler) and inspect.iscoroutinefunction(type(handler).__call__)
    )


def outcome_of(error: BaseException | None) -> Outcome:
    """What a handler's end means: it returned (None), or raised this."""
    if error is None:
        return OK
    try:
        text = str(error)
    except Exception:  # an exception whose text cannot be made still needs an answer
        text = ""
    if isinstance(error, FailMessage):
        return Outcome(kind="fail", reason=text)
    return Outcome(kind="raise", reason=text or type(error).__name__)
