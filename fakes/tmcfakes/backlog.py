"""The messages that the service holds, ordered for speed.

What may happen to a message is said by the table in `tmcspec.delivery`; here is only how to find, among hundreds of
thousands, the ones that it happens to. Two observations keep that cheap. Time never goes back and every delay is
constant, so timers run out in the order in which they were started: a timer is an entry in a queue, first in, first
out. And a timer that lost its meaning (the message was confirmed, or pushed again) need not be searched for: it is
recognised and dropped when it comes to the front.

A settled message shrinks to its id and its last state, so that a late confirm is still recognised.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from tmcfakes.connections import Queue
from tmcspec.delivery import SETTLED, Effect, Input, State, changes, step
from tmcspec.messages import Push
from tmcspec.timing import Timing


@dataclass(slots=True, kw_only=True)
class Message:
    """An unsettled message.

    `letter` is the push as it goes out, without what differs from one delivery to the next. The times are seconds of
    service time; None as long as the timer was never started.
    """

    letter: Push
    id: int
    queue: Queue
    age: int
    expires_at: float
    wire: Callable[[Push], bytes] | None = None
    fragments: int = 1
    state: State = State.WAITING
    attempts: int = 0
    confirm_by: float | None = None
    due_again: float | None = None

    def runs_out(self, timer: Input) -> float | None:
        """When this timer of the message runs out."""
        if timer is Input.CONFIRM_TIMEOUT:
            return self.confirm_by
        return self.due_again if timer is Input.REDELIVERY_DUE else self.expires_at


class Backlog:
    """All messages of a service."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._unsettled: dict[int, Message] = {}
        self._settled: dict[int, State] = {}
        self._counts: Counter[Queue] = Counter()
        # Oldest first. An entry whose message is not waiting any more is stale.
        self._waiting: dict[Queue, list[tuple[int, int]]] = {}
        # In this order, what runs out at the same moment happens.
        self._timers: dict[Input, deque[tuple[float, int]]] = {
            Input.CONFIRM_TIMEOUT: deque(),
            Input.REDELIVERY_DUE: deque(),
            Input.RETENTION_OVER: deque(),
        }

    def __contains__(self, message_id: int) -> bool:
        return message_id in self._unsettled or message_id in self._settled

    def add(self, message: Message) -> None:
        """A new message, which waits. Its id must be new, its age higher than that of any before."""
        self._unsettled[message.id] = message
        self._counts[message.queue] += 1
        self._timers[Input.RETENTION_OVER].append((message.expires_at, message.id))
        heappush(self._waiting.setdefault(message.queue, []), (message.age, message.id))

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        """Lets something happen to a message, as the table says. Returns the effects."""
        message.state, effects = step(message.state, happened)
        for effect in effects:
            if effect is Effect.TIME_CONFIRM:
                message.confirm_by = now + self._timing.confirm_timeout
                self._timers[Input.CONFIRM_TIMEOUT].append((message.confirm_by, message.id))
            elif effect is Effect.TIME_REDELIVERY:
                message.due_again = now + self._timing.redelivery_delay
                self._timers[Input.REDELIVERY_DUE].append((message.due_again, message.id))
            elif effect is Effect.QUEUE:
                heappush(self._waiting[message.queue], (message.age, message.id))
        if message.state in SETTLED:
            del self._unsettled[message.id]
            self._settled[message.id] = message.state
            self._counts[message.queue] -= 1
        return effects

    def advance(self, now: float) -> list[tuple[Message, tuple[Effect, ...]]]:
        """Lets every timer run out that is due by `now`. Returns what followed from each."""
        followed = []
        for timer, entries in self._timers.items():
            while entries and entries[0][0] <= now:
                message = self._running(timer, *entries.popleft())
                if message is not None:
                    followed.append((message, self.happen(message, timer, now=now)))
        return followed

    def deadline(self) -> float | None:
        """When the next timer runs out; None when none runs."""
        first = None
        for timer, entries in self._timers.items():
            while entries and self._running(timer, *entries[0]) is None:
                entries.popleft()
            if entries and (first is None or entries[0][0] < first):
                first = entries[0][0]
        return first

    def find(self, queue: Queue, message_id: int) -> Message | None:
        """The unsettled message of this queue with this id."""
        message = self._unsettled.get(message_id)
        return message if message is not None and message.queue == queue else None

    def oldest_waiting(self, queue: Queue) -> Message | None:
        """The message of this queue that has been waiting to be pushed since the earliest production."""
        entries = self._waiting.get(queue, [])
        while entries:
            message = self._unsettled.get(entries[0][1])
            if message is not None and message.state is State.WAITING:
                return message
            heappop(entries)
        return None

    def state(self, message_id: int) -> State:
        """Raises ValueError for an id that was never produced."""
        message = self._unsettled.get(message_id)
        if message is not None:
            return message.state
        if message_id not in self._settled:
            raise ValueError(f"message {message_id} was never produced")
        return self._settled[message_id]

    def unsettled(self, queue: Queue) -> int:
        """How many messages of this queue are not settled."""
        return self._counts[queue]

    def _running(self, timer: Input, due: float, message_id: int) -> Message | None:
        """The message that this timer still means something to. A timer that means nothing now never will again."""
        message = self._unsettled.get(message_id)
        if message is not None and message.runs_out(timer) == due and changes(message.state, timer):
            return message
        return None
