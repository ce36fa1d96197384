"""Who consumes: whose messages a connection or a request may have, and when somebody was there for a queue."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from math import inf

from tmcspec.clauses.conversation import QueueName, Taking, queue_of
from tmcspec.clauses.deliveries import Delivery, Handing
from tmcspec.clauses.history import History
from tmcspec.events import Consumed
from tmcspec.trace import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A connection or a request that got a message. `queue` is what it was accepted for or asked for, None when the
    service had not accepted it; `entry` says so.
    """

    name: str
    queue: QueueName | None
    entry: Entry


class Consumers:
    """Everybody who got a message."""

    def __init__(self, history: History) -> None:
        self._history = history
        # By connection: what the service answered on it, in order.
        self._answers: dict[str, list[Consumer]] = {}
        for name, conversation in history.conversations.items():
            answers = [Consumer(name=name, queue=queue_of(at.event), entry=at.entry) for at in conversation.accepted]
            refusals = [handshake.refused.entry for handshake in conversation.handshakes if handshake.refused]
            answers += [Consumer(name=name, queue=None, entry=entry) for entry in refusals]
            self._answers[name] = sorted(answers, key=lambda answer: answer.entry.seq)

    def of(self, handing: Handing) -> Consumer | None:
        """Who got a message; None when the trace does not show it, because it begins later."""
        if isinstance(handing, Delivery):
            return self._connection(handing.connection, handing.entry)
        assert isinstance(handing.entry.event, Consumed)
        number = handing.entry.event.request
        request = self._history.requests.get(number, handing.entry.seq)
        if request is None or request.queue is None:
            return None
        return Consumer(name=f"request {number}", queue=request.queue, entry=request.at.entry)

    def _connection(self, name: str, push: Entry) -> Consumer | None:
        # A connection is what the service last answered on it.
        index = bisect_left(self._answers[name], push.seq, key=lambda answer: answer.entry.seq)
        if index:
            return self._answers[name][index - 1]
        opened = self._history.conversations[name].opened
        return Consumer(name=name, queue=None, entry=opened.entry) if opened else None


class Gate:
    """When somebody was there who took the messages of a queue.

    Args:
        stay: seconds that somebody must be there, in push mode and without flow value, to be pushed what waits.
    """

    def __init__(self, history: History, queue: QueueName, stay: float) -> None:
        takings = history.takings[queue]
        self._starts = [taking.accepted.seq for taking in takings]
        # Until where one of those so far took it.
        self._reach = list(accumulate((taking.over.seq if taking.over else inf for taking in takings), max))
        end = history.trace.entries[-1].time
        self._lasting: list[Taking] = []
        for taking in takings:
            start, over = taking.accepted.time, taking.over.time if taking.over else end
            if over >= start + stay and history.settings.pushes(queue.app_key, queue.group, start, start + stay):
                self._lasting.append(taking)

    def open_at(self, entry: Entry) -> bool:
        """Whether somebody took the queue at an entry."""
        index = bisect_left(self._starts, entry.seq)
        return index > 0 and self._reach[index - 1] > entry.seq

    def opens_after(self, entry: Entry) -> Taking | None:
        """Who next came after an entry, and stayed."""
        index = bisect_left(self._lasting, entry.seq, key=lambda taking: taking.accepted.seq)
        return self._lasting[index] if index < len(self._lasting) else None
