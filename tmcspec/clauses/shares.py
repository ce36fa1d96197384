"""How the pushes of a queue were shared out among the connections that took it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tmcspec.clauses.chi_square import survival
from tmcspec.clauses.conversation import QueueName, Taking
from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.events import Pushed
from tmcspec.trace import Entry

#: Fewer pushes for each connection are not looked at: the chi-square distribution would be too rough.
LEAST_EXPECTED = 5


@dataclass(slots=True, kw_only=True, eq=False)
class Stretch:
    """A time in which the same connections took a queue; `counts` are the pushes on each of them."""

    queue: QueueName
    counts: dict[str, int]
    first: Entry | None = None
    last: Entry | None = None

    def count(self, push: At[Pushed]) -> None:
        """One more push on one of the connections."""
        self.counts[push.event.connection] += 1
        self.first, self.last = self.first or push.entry, push.entry

    def joined_by(self, connection: str) -> Stretch:
        """The stretch that follows when one more connection takes the queue."""
        return Stretch(queue=self.queue, counts=dict.fromkeys([*self.counts, connection], 0))

    def without(self, connection: str) -> Stretch:
        """The stretch that follows when a connection takes the queue no more."""
        return Stretch(queue=self.queue, counts=dict.fromkeys(self.counts.keys() - {connection}, 0))

    @property
    def pushes(self) -> int:
        return sum(self.counts.values())

    @property
    def telling(self) -> bool:
        """Whether there was something to choose, often enough."""
        return len(self.counts) > 1 and self.pushes >= LEAST_EXPECTED * len(self.counts)

    @property
    def freedom(self) -> int:
        return len(self.counts) - 1

    @property
    def statistic(self) -> float:
        """Pearson's chi-square, for equal shares."""
        expected = self.pushes / len(self.counts)
        return sum((count - expected) ** 2 for count in self.counts.values()) / expected

    @property
    def chance(self) -> float:
        """The probability that chance alone shares out so unevenly."""
        return survival(self.statistic, self.freedom)


def stretches(history: History) -> Iterator[Stretch]:
    """All stretches of all queues. Pushes that a flow value or pull mode may have had a part in are not counted."""
    moves: list[tuple[int, Taking | At[Pushed]]] = [(at.seq, at) for at in history.events(Pushed)]
    for taking in (taking for takings in history.takings.values() for taking in takings):
        moves.append((taking.accepted.seq, taking))
        if taking.over:
            moves.append((taking.over.seq, taking))
    taken: dict[str, QueueName] = {}  # by connection
    running: dict[QueueName, Stretch] = {}
    for seq, move in sorted(moves, key=lambda each: each[0]):
        if isinstance(move, At):
            queue = taken.get(move.event.connection)
            if queue and history.settings.pushes(queue.app_key, queue.group, move.time, move.time):
                running[queue].count(move)
            continue
        connection = move.accepted.event.connection
        if left := taken.pop(connection, None):
            yield running[left]
            running[left] = running[left].without(connection)
        if seq == move.accepted.seq:
            taken[connection] = move.queue
            before = running.get(move.queue, Stretch(queue=move.queue, counts={}))
            yield before
            running[move.queue] = before.joined_by(connection)
    yield from running.values()
