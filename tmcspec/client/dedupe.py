"""Handles once what comes twice: a wrapper around a handler, and what it asks of a store.

Theory
------
The service does not deliver exactly once: MQ无法避免消息重复 (S40). The same message comes again when a confirm was
late or lost, and even under another id (S42), so the application says which messages are the same, by a *key*:
务必要在业务层面进行去重处理 (S41). The document's way is an insert, and who meets a key conflict skips:
可以尝试插入,如果报主键冲突,则插入失败,直接跳过 (S41). Taken literally that loses messages: the first copy inserts and
then fails, the second finds the key, is confirmed, and nobody has handled anything. (Observed: the official Java
client confirms a duplicate before the first copy has been handled.) So a key is inserted as a *claim*, which becomes
*done* when the handler has returned. A copy is confirmed when the key is done, and not before.

A claim has an owner, which is one call of the handler, and a lease: when that ends, its owner is taken for dead.
What is done is kept for longer than the service keeps messages (S53), then forgotten. A key whose time is over is
absent, whether a store has removed it yet or not:

    a key is          claim by A             done by A     release by A     its time is over
    absent            WON, claimed by A      done          -                -
    claimed by A      BUSY                   done          absent           absent
    claimed by B      BUSY                   -             -                absent
    done              DONE                   -             -                absent

("-": nothing changes.) Each step is atomic in the store, so any number of processes may share one. What the table says
of owners who come too late: a claim that somebody else has taken over is not theirs any more; but what was handled is
done, unless somebody else is at it again.

What happens to a message follows:

    the claim is won    the handler is called. It returns: done. It raises, or is cancelled: released, so that the
                        message is handled when it comes again, or by a copy that is waiting.
    the key is done     return: the message is confirmed, the handler is not called.
    it is claimed       wait until it is done or absent, with patience; after that `FailMessage`, so the message comes
                        again in about six minutes (S25).
    the store fails     raise. Never skip what may not have been handled.

That is at-least-once: a process that dies between the end of its handler and `done` has handled the message, and
another will handle it again. Only a handler that writes its own results and the key in one transaction does better.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from enum import Enum
from math import inf
from typing import Any, Protocol, Self, TypeVar

from tmcspec import timing
from tmcspec.client.dedupe_keys import Key, bounded
from tmcspec.client.errors import FailMessage
from tmcspec.client.message import Handler, Message
from tmcspec.client.pool import is_async
from tmcspec.frame_values import show

log = logging.getLogger("tmcspec.client")

T = TypeVar("T")

#: Keys whose time is over are removed by the way, at most so many for each claim: more than it adds.
PRUNE = 4


class StoreError(Exception):
    """The store could not do a step. Its text is for the service's records, the cause is for the log."""


class Claim(Enum):
    """How a claim ended: it was won, or the key is somebody else's claim, or done."""

    WON = "won"
    BUSY = "busy"
    DONE = "done"


class Store(Protocol):
    """Where keys are kept. Each step is atomic, does what the table above says, and raises when it cannot.

    Args:
        key: at most KEY_LIMIT characters.
        owner: names one attempt to handle a message, in all processes.
        now: seconds since the epoch.
        until: when the time of the claim, or of what is done, is over; likewise.
    """

    async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
        """Absent -> claimed. BUSY also when it was absent and somebody else was faster."""

    async def done(self, key: str, *, owner: str, now: float, until: float) -> bool:
        """Absent, or claimed by this owner -> done. Returns whether it was."""

    async def release(self, key: str, *, owner: str) -> None:
        """Claimed by this owner -> absent."""


class Deduplicated:
    """A handler that handles each key once. For everything that takes a handler, as `TmcClient`.

    A copy that waits holds one of the client's workers meanwhile. In one process it is woken, between processes it
    asks again and again.

    A store (a table of it) belongs to one purpose: two applications that both shall see a message need two.

    Args:
        handler: `async def handle(message)`.
        store: where keys are kept; see `MemoryStore`, `SqliteStore`, `SqlStore`.
        key: what a message is about, as `by_id`, `by_content_fields("tid", "oid")`, or a function of yours. It must
            name the event, not the object: a trade is paid once, and changed many times.
        lease: seconds after which the owner of a claim is taken for dead, > 0 and finite. A handler that takes
            longer may run twice.
        patience: seconds to wait for a copy that is being handled, >= 0 and less than the minute after which the
            service sends again what is not confirmed (S24). Leave the handler enough of it.
        keep: seconds for which a key stays done, > 0 and finite. The service keeps messages for up to a day (S53).
        poll_interval: seconds between two looks at somebody else's claim, > 0 and finite.
        wall_clock: seconds since the epoch. The clocks of all who share a store must agree much better than a lease
            is long.
        new_owner: a text of at most 64 characters that no other call gets, in any process.

    Raises:
        TypeError: the handler is not a coroutine function.
        ValueError: an argument is out of its range.

    Example:
        async with SqliteStore("tmc.db") as store:
            handler = Deduplicated(handle, store, key=by_content_fields("tid", "oid"))
            async with TmcClient(app_key="1023", app_secret=secret, handler=handler) as client:
                await client.wait_closed()
    """

    def __init__(
        self,
        handler: Handler,
        store: Store,
        *,
        key: Key,
        lease: float = 600.0,
        patience: float = 30.0,
        keep: float = 2 * timing.RETENTION,
        poll_interval: float = 1.0,
        wall_clock: Callable[[], float] = time.time,
        new_owner: Callable[[], str] = secrets.token_hex,
    ) -> None:
        if not is_async(handler):
            raise TypeError(f"the handler must be an `async def` function, not {handler!r}")
        if not hasattr(store, "claim"):
            raise TypeError(f'the store must be one, as SqliteStore("handled.sqlite"), not {store!r}')
        if not callable(key):
            raise TypeError(f'key must be a function of a message, as by_content_fields("tid"), not {key!r}')
        for name, seconds in (("lease", lease), ("keep", keep), ("poll_interval", poll_interval)):
            if not 0 < seconds < inf:
                raise ValueError(f"{name} must be more than 0 seconds and finite, not {seconds!r}")
        if not 0 <= patience < timing.CONFIRM_TIMEOUT:
            raise ValueError(
                f"patience must be 0 seconds or more and less than {timing.CONFIRM_TIMEOUT:g}, not {patience!r}: a "
                "message that is not confirmed by then comes again"
            )
        self._handler = handler
        self._store = store
        self._key = key
        self._lease = lease
        self._patience = patience
        self._keep = keep
        self._poll_interval = poll_interval
        self._wall_clock = wall_clock
        self._new_owner = new_owner
        # One call for each key deals with the store; the others of this process wait for what it finds.
        self._first: dict[str, asyncio.Future[bool]] = {}

    async def __call__(self, message: Message) -> None:
        """Returns when the message was handled, by this call or by another.

        Raises:
            FailMessage: a copy is still being handled.
            StoreError: or what else a store raises.
            Exception: what the handler raises.
        """
        key = self._key(message)
        if key is None:
            await self._handler(message)
            return
        key = bounded(key)
        give_up_at = _now() + self._patience
        while (first := self._first.get(key)) is not None:
            await asyncio.wait({first}, timeout=give_up_at - _now())
            if not first.done():
                raise _a_copy_is_being_handled()
            if first.result():
                _log_skipped(message, key)
                return
        first = self._first[key] = asyncio.get_running_loop().create_future()
        handled = False
        try:
            await self._handle_once(message, key, give_up_at)
            handled = True
        finally:
            del self._first[key]
            first.set_result(handled)

    async def _handle_once(self, message: Message, key: str, give_up_at: float) -> None:
        owner = self._new_owner()
        try:
            if not await self._claimed(key, owner, give_up_at):
                _log_skipped(message, key)
                return
            await self._handler(message)
            await self._mark_done(message, key, owner)
        except BaseException:
            # Whatever it was, and wherever: nobody may wait for this owner. A step that raised may have been done.
            await self._release(key, owner)
            raise

    async def _claimed(self, key: str, owner: str, give_up_at: float) -> bool:
        """Whether the claim is won; if not, the key is done."""
        while True:
            now = self._wall_clock()
            answer = await _to_its_end(self._store.claim(key, owner=owner, now=now, until=now + self._lease))
            if answer is not Claim.BUSY:
                return answer is Claim.WON
            left = give_up_at - _now()
            if left <= 0:
                raise _a_copy_is_being_handled()
            await asyncio.sleep(min(self._poll_interval, left))

    async def _mark_done(self, message: Message, key: str, owner: str) -> None:
        now = self._wall_clock()
        if not await _to_its_end(self._store.done(key, owner=owner, now=now, until=now + self._keep)):
            log.warning(
                "message %d took longer than the lease of %g s, and somebody else has claimed %s meanwhile: it may be "
                "handled twice",
                message.id,
                self._lease,
                show(key),
            )

    async def _release(self, key: str, owner: str) -> None:
        try:
            await _to_its_end(self._store.release(key, owner=owner))
        except Exception as error:  # what led here matters more, and the lease ends by itself
            log.warning("the claim of %s may last for %g s: %r", show(key), self._lease, error)


class MemoryStore:
    """A store that lives as long as this object, for one process.

    Args:
        capacity: keys, >= 1. Beyond that the oldest of what is done is forgotten, a claim never.

    Raises:
        ValueError: capacity is out of its range.
    """

    def __init__(self, *, capacity: int = 100_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be 1 key or more, not {capacity!r}")
        self._capacity = capacity
        self._claims: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._done: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._claims) + len(self._done)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Does nothing; other stores have something to close."""

    async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
        """As `Store` says. Raises StoreError when all keys are claims."""
        self._prune(now)
        if self._done.get(key, -inf) > now:
            return Claim.DONE
        if self._claims.get(key, ("", -inf))[1] > now:
            return Claim.BUSY
        self._forget(key)
        self._make_room()
        self._claims[key] = owner, until
        return Claim.WON

    async def done(self, key: str, *, owner: str, now: float, until: float) -> bool:
        """As `Store` says. Raises StoreError when there is no claim any more, and all keys are claims."""
        holder, claimed_until = self._claims.get(key, ("", -inf))
        if self._done.get(key, -inf) > now or (holder != owner and claimed_until > now):
            return False
        self._forget(key)
        self._make_room()
        self._done[key] = until
        return True

    async def release(self, key: str, *, owner: str) -> None:
        """As `Store` says."""
        if self._claims.get(key, ("", -inf))[0] == owner:
            del self._claims[key]

    def _forget(self, key: str) -> None:
        self._claims.pop(key, None)
        self._done.pop(key, None)

    def _make_room(self) -> None:
        if len(self) < self._capacity:
            return
        if not self._done:
            raise StoreError(
                f"all {self._capacity} keys of the memory store are being handled; its capacity must be well above the "
                "number of handlers"
            )
        self._done.popitem(last=False)

    def _prune(self, now: float) -> None:
        for _ in range(PRUNE):
            if self._done and next(iter(self._done.values())) <= now:
                self._done.popitem(last=False)
            if self._claims and next(iter(self._claims.values()))[1] <= now:
                self._claims.popitem(last=False)


def _a_copy_is_being_handled() -> FailMessage:
    return FailMessage("a copy of this message is still being handled")


def _log_skipped(message: Message, key: str) -> None:
    log.info("message %d (%s) is a copy of one that was handled: %s", message.id, show(message.topic), show(key))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _to_its_end(step: Coroutine[Any, Any, T]) -> T:
    """Does a step of the store to its end, even when cancelled meanwhile.

    The thread that is at it goes on anyway, and it must be over before the next step begins: a claim that is won after
    it was released stays until its lease ends.
    """
    task = asyncio.create_task(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
