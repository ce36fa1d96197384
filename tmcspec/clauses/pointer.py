"""Whether consuming over HTTP moves on through one queue, which it shares with all connections.

Nobody sees in which order a queue is. But what has just been handed out must not come, and what surely waits must come
to whoever asks for more than there is. In between, while a message may or may not wait again (S39: 约6分钟), either is
right.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from tmcspec.clauses.base import Finding, broken, held
from tmcspec.clauses.consumption import CONSUME, LEAST_QUANTITY, quantity
from tmcspec.clauses.conversation import QueueName, queue_of
from tmcspec.clauses.history import History
from tmcspec.clauses.requests import Request
from tmcspec.events import Confirmed, Consumed, Dropped, Expired, Failed, HttpIn, HttpOut, Produced, Pushed
from tmcspec.timing import REDELIVERY_DELAY, REDELIVERY_TOLERANCE
from tmcspec.trace import Entry

#: Seconds after which a message may wait again, and after which it surely does.
YOUNG = REDELIVERY_DELAY - REDELIVERY_TOLERANCE
RIPE = REDELIVERY_DELAY + REDELIVERY_TOLERANCE


@dataclass(slots=True, kw_only=True, eq=False)
class _Message:
    """An unsettled message.

    Attributes:
        moved: where it was produced, handed out or reported failed, whatever came last.
        handed: where it was last handed out.
        turn: another one whenever it moves or is settled; what was noted in an earlier turn means nothing any more.
    """

    id: int
    queue: _Queue
    moved: Entry
    handed: Entry | None = None
    turn: int = 0


@dataclass(slots=True, eq=False)
class _Queue:
    """A queue: when its messages surely wait, the earliest first, and which were handed out, the latest last."""

    waiting: list[tuple[float, int, int, _Message]] = field(default_factory=list)
    recent: deque[tuple[float, int, _Message]] = field(default_factory=deque)
    number: Iterator[int] = field(default_factory=count)

    def moves(self, message: _Message, entry: Entry, *, wait: float) -> None:
        message.moved = entry
        message.turn += 1
        heappush(self.waiting, (entry.time + wait, next(self.number), message.turn, message))

    def ripe(self, now: float) -> _Message | None:
        """One that surely waits."""
        waiting = self.waiting
        while waiting and waiting[0][2] != waiting[0][3].turn:
            heappop(waiting)
        return waiting[0][3] if waiting and waiting[0][0] <= now else None

    def any_young(self, now: float) -> bool:
        """Whether one was handed out a short while ago."""
        recent = self.recent
        while recent and (recent[0][0] <= now - YOUNG or recent[0][1] != recent[0][2].turn):
            recent.popleft()
        return bool(recent)


class Pointer:
    """Reads a history once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._queues: dict[QueueName, _Queue] = {}
        self._messages: dict[int, _Message] = {}
        answered = [request for request in history.requests.of(CONSUME) if request.answered]
        self._asked = {request.at.seq: request for request in answered}
        self._answers = {request.answered.seq: request for request in answered if request.answered}
        # By place of the request: how many messages it got, and whether it could have got one again.
        self._got: dict[int, int] = {}
        self._tempted: set[int] = set()

    def findings(self) -> Iterator[Finding]:
        for entry in self._history.trace.entries if self._answers else ():
            match entry.event:
                case Produced() as event:
                    self._produced(entry, event)
                case Pushed() | Consumed() as event:
                    self._count(entry)
                    if message := self._messages.get(event.message):
                        yield from self._handed_out(message, entry)
                case Failed() as event:
                    if message := self._messages.get(event.message):
                        message.queue.moves(message, entry, wait=RIPE)
                case Confirmed() | Expired() | Dropped() as event:
                    self._settled(event.message)
                case HttpIn() if request := self._asked.get(entry.seq):
                    if self._queue(request).any_young(entry.time):
                        self._tempted.add(entry.seq)
                case HttpOut(code=0) if request := self._answers.get(entry.seq):
                    yield from self._judged(request)

    def _produced(self, entry: Entry, event: Produced) -> None:
        self._settled(event.message)  # ids are unique, but a trace may be anybody's
        queue = self._queues.setdefault(queue_of(event), _Queue())
        message = self._messages[event.message] = _Message(id=event.message, queue=queue, moved=entry)
        queue.moves(message, entry, wait=0.0)

    def _settled(self, id: int) -> None:
        if message := self._messages.pop(id, None):
            message.turn += 1

    def _count(self, entry: Entry) -> None:
        """A request got a message, be it one of whose production the trace does not tell."""
        if isinstance(entry.event, Consumed):
            request = self._history.requests.get(entry.event.request, entry.seq)
            if request:
                self._got[request.at.seq] = self._got.get(request.at.seq, 0) + 1

    def _handed_out(self, message: _Message, entry: Entry) -> Iterator[Finding]:
        before, by_http = message.handed, isinstance(entry.event, Consumed)
        # Twice on connections is the matter of RDL-1 alone.
        if before and (by_http or isinstance(before.event, Consumed)) and entry.time < before.time + YOUNG:
            gap = entry.time - before.time
            yield broken(f"{message.id} was handed out again after {gap:.3f} s", before, entry)
        message.handed = entry
        message.queue.moves(message, entry, wait=RIPE)
        message.queue.recent.append((entry.time, message.turn, message))

    def _judged(self, request: Request) -> Iterator[Finding]:
        """A consume was answered."""
        asked, answer = request.at, request.answered
        got, wanted = self._got.get(asked.seq, 0), quantity(request)
        left = self._queue(request).ripe(asked.time)
        if left and left.moved.seq < asked.seq and got < (LEAST_QUANTITY if wanted is None else wanted):
            told = f"request {asked.event.request} got {got} messages, and {left.id} waited"
            yield broken(told, left.moved, asked.entry)
        elif answer and (got or asked.seq in self._tempted):
            yield held(asked.entry, answer.entry)

    def _queue(self, request: Request) -> _Queue:
        return self._queues.get(request.queue, _Queue()) if request.queue else _Queue()
