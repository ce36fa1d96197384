"""The messages that the service holds, ordered for speed.

What may happen to a message is said by the table in `tmcspec.delivery`; here is only how to find, among hundreds of
thousands, the ones that it happens to. Two observations keep that cheap. Time never goes back and every delay is
constant, so timers run out in the order in which they were started: a timer is an entry in a queue, first in, first
out. And a timer that lost its meaning (the message was confirmed, or pushed again) need not be searched for: it is
recognised and dropped when it comes to the front.

Retention may be changed on the way, and its timers still run out in their order: each message keeps the earlier of two
ends, and both rise with its time of birth.

A settled message is remembered for its tracks and its id, without its content, until so many others are settled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush

from tmcfakes.queues import Message, Packed, Queue, QueueKey, unpacked
from tmcspec.delivery import SETTLED, Effect, Input, State, changes, step
from tmcspec.timing import Timing

#: So many settled messages are remembered, the latest: some 100 MB at the most.
REMEMBERED = 200_000

#: So many timers may mean nothing any more before somebody looks.
SPARE_TIMERS = 10_000


class Backlog:
    """All messages of a service.

    Args:
        timing: the durations of the service.
        queues: all queues of the service.
        remembered: how many settled messages are remembered, >= 0.

    Attributes:
        retention: seconds that the next message is kept.
    """

    def __init__(self, timing: Timing, queues: Mapping[QueueKey, Queue], *, remembered: int = REMEMBERED) -> None:
        self.retention = timing.retention
        self._timing = timing
        self._queues = queues
        self._remembered = remembered
        self._unsettled: dict[int, Message] = {}
        self._settled: dict[int, Packed] = {}
        self._born = 0
        # In this order, what runs out at the same moment happens.
        self._timers = {
            timer: _Timers(timer, self._unsettled)
            for timer in (Input.CONFIRM_TIMEOUT, Input.REDELIVERY_DUE, Input.RETENTION_OVER)
        }

    def __contains__(self, message_id: int) -> bool:
        return message_id in self._unsettled or message_id in self._settled

    def add(self, message: Message) -> None:
        """A new message, which waits. Its id must be new."""
        self._born += 1
        message.age = self._born
        queue = message.queue
        self._unsettled[message.id] = message
        queue.unsettled += 1
        queue.waiting += 1
        self._timers[Input.RETENTION_OVER].start(message.expires_at, message)
        heappush(queue.heap, (message.age, message))

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        """Lets something happen to a message, as the table says. Returns the effects."""
        before = message.state
        state, effects = step(before, happened)
        message.state = state
        queue = message.queue
        for effect in effects:
            if effect is Effect.TIME_CONFIRM:
                message.confirm_by = now + self._timing.confirm_timeout
                self._timers[Input.CONFIRM_TIMEOUT].start(message.confirm_by, message)
            elif effect is Effect.TIME_REDELIVERY:
                message.due_again = now + self._timing.redelivery_delay
                self._timers[Input.REDELIVERY_DUE].start(message.due_again, message)
            elif effect is Effect.QUEUE:
                heappush(queue.heap, (message.age, message))
        if before is not state:
            queue.waiting += (state is State.WAITING) - (before is State.WAITING)
            if state in SETTLED:
                self._settle(message)
        return effects

    def advance(self, now: float) -> Iterator[tuple[Message, Input, tuple[Effect, ...]]]:
        """Lets every timer run out that is due by `now`. Tells what happened to which message, and what followed, one
        by one: what is written into the tracks of a message must be there before it is packed away.
        """
        for timer, timers in self._timers.items():
            while timers.dues and timers.dues[0] <= now:
                if (message := timers.stop()) is not None:
                    yield message, timer, self.happen(message, timer, now=now)

    def hasten(self, chosen: Callable[[Message], bool], *, now: float) -> list[Message]:
        """Messages that wait for nothing but time are due again at once, as far as they are chosen. Returns them. What
        their timers were set for means nothing any more.
        """
        aged = [message for message in self._unsettled.values() if message.handed and _ages(message)]
        hastened = [message for message in aged if chosen(message)]
        for message in hastened:
            message.due_again = now
            self.happen(message, Input.REDELIVERY_DUE, now=now)
        return hastened

    def deadline(self) -> float | None:
        """When the next timer runs out; None when none runs."""
        firsts = [due for timers in self._timers.values() if (due := timers.first()) is not None]
        return min(firsts, default=None)

    def set_retention(self, seconds: float) -> None:
        """Messages are kept so long from now on; those that are there, no longer than they were to be."""
        self.retention = seconds
        for message in self._unsettled.values():
            message.expires_at = min(message.expires_at, message.born + seconds)
        timers = self._timers[Input.RETENTION_OVER] = _Timers(Input.RETENTION_OVER, self._unsettled)
        for message in self._unsettled.values():
            timers.start(message.expires_at, message)

    def find(self, queue: Queue, message_id: int) -> Message | None:
        """The unsettled message of this queue with this id."""
        message = self._unsettled.get(message_id)
        return message if message is not None and message.queue is queue else None

    def oldest_waiting(self, queue: Queue) -> Message | None:
        """The message of this queue that has been waiting to be pushed since the earliest production."""
        entries = queue.heap
        while entries:
            message = entries[0][1]
            if message.state is State.WAITING:
                return message
            heappop(entries)
        return None

    def of(self, queue: Queue) -> list[Message]:
        """The unsettled messages of this queue, the earliest produced first."""
        return [message for message in self._unsettled.values() if message.queue is queue]

    def look_up(self, message_id: int) -> Message:
        """Any message that is remembered. Raises ValueError."""
        message = self._unsettled.get(message_id)
        if message is not None:
            return message
        packed = self._settled.get(message_id)
        if packed is None:
            raise ValueError(
                f"message {message_id} was never produced, or settled so long ago that {self._remembered} others were "
                "settled since"
            )
        return unpacked(message_id, packed, self._queues)

    def about(self, queue: Queue, topic: str, data_id: int) -> list[Message]:
        """The messages of this queue about a business object that are remembered, the settled ones first. It looks at
        every message there is.
        """
        wanted = topic, data_id
        found = [
            unpacked(message_id, packed, self._queues)
            for message_id, packed in self._settled.items()
            if packed[:2] == wanted and packed[-3:] == queue.key
        ]
        return found + [each for each in self.of(queue) if (each.topic, each.data_id) == wanted]

    def _settle(self, message: Message) -> None:
        message.queue.unsettled -= 1
        del self._unsettled[message.id]
        self._settled[message.id] = message.packed()
        if len(self._settled) > self._remembered:
            del self._settled[next(iter(self._settled))]


def _ages(message: Message) -> bool:
    """Whether a message is on its way back."""
    return changes(message.state, Input.REDELIVERY_DUE)


class _Timers:
    """The timers of one kind, in the order in which they run out: when, and of which message. Two queues of numbers
    side by side are nothing that the garbage collector has to look at, and hold on to no message.
    """

    __slots__ = ("_ids", "_kind", "_room", "_unsettled", "dues")

    def __init__(self, kind: Input, unsettled: Mapping[int, Message]) -> None:
        self.dues: deque[float] = deque()
        self._ids: deque[int] = deque()
        self._kind = kind
        self._room = SPARE_TIMERS
        self._unsettled = unsettled

    def start(self, due: float, message: Message) -> None:
        """One more, which runs out last."""
        if len(self._ids) >= self._room:
            self._compact()
        self.dues.append(due)
        self._ids.append(message.id)

    def stop(self) -> Message | None:
        """Takes the first away. Returns its message, None when the timer meant nothing to it any more."""
        message = self._meant()
        self.dues.popleft()
        self._ids.popleft()
        return message

    def first(self) -> float | None:
        """When the first one runs out that still means something; None when none does."""
        while self.dues and self._meant() is None:
            self.stop()
        return self.dues[0] if self.dues else None

    def _meant(self) -> Message | None:
        """The message that the first timer still means something to."""
        return self._meaning(self._ids[0], self.dues[0])

    def _meaning(self, message_id: int, due: float) -> Message | None:
        """The message that a timer still means something to. One that means nothing now never will again."""
        message = self._unsettled.get(message_id)
        if message is None or message.runs_out(self._kind) != due or not changes(message.state, self._kind):
            return None
        return message

    def _compact(self) -> None:
        """Drops what means nothing any more: behind one message that nobody settles, a day of timers would gather."""
        kept = [
            (number, due)
            for number, due in zip(self._ids, self.dues, strict=True)
            if self._meaning(number, due) is not None
        ]
        self._ids = deque(number for number, _ in kept)
        self.dues = deque(due for _, due in kept)
        self._room = 2 * len(kept) + SPARE_TIMERS
