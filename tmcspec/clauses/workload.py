"""How much a client has in hand, and whether it goes on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from math import inf

from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History
from tmcspec.timing import CLIENT_QUEUE_SIZE
from tmcspec.trace import Entry

#: A handler that works shorter than this is not slow, in seconds: on a busy machine, others may come to theirs no
#: sooner.
SLOW = 1.0


class Workload:
    """What a client had to do at once."""

    def __init__(self, history: History) -> None:
        self._history = history
        # By client: its deliveries, last first, and for each where it first shows that it took it or a later one.
        self._deliveries: dict[str | None, list[int]] = {}
        self._taken: dict[str | None, list[float]] = {}
        for delivery in reversed(history.deliveries):
            for client in {history.fleet.owner(delivery.connection), None}:
                taken = self._taken.setdefault(client, [])
                taken.append(min(_taken(delivery), taken[-1] if taken else inf))
                self._deliveries.setdefault(client, []).append(-delivery.pushed.seq)

    def went_on(self, client: str | None, since: Entry, until: Entry) -> bool:
        """Whether a client, or any when it is None, took a message between two entries that was pushed between them."""
        index = bisect_left(self._deliveries.get(client, []), -since.seq)
        return index > 0 and self._taken[client][index - 1] < until.seq

    def behind_one_slow(self) -> Iterator[tuple[Delivery, Delivery]]:
        """A delivery whose handler is slow, and the next one on the same connection, when no other slow handler of the
        client is at work, be it on a message of a connection before.
        """
        last: dict[str, Delivery] = {}
        # By client, the slow handlers at work: where each ends, and where its message was pushed.
        working: dict[str, list[tuple[float, int]]] = {}
        for delivery in self._history.deliveries:
            at_work = working.setdefault(self._client(delivery), [])
            before = last.get(delivery.connection)
            while at_work and at_work[0][0] < delivery.pushed.seq:
                heappop(at_work)
            if before and len(at_work) == 1 and at_work[0][1] == before.pushed.seq and before.life != delivery.life:
                yield before, delivery
            last[delivery.connection] = delivery
            if delivery.received and (delivery.instruction.delay >= SLOW or delivery.instruction.outcome == "hang"):
                heappush(at_work, (delivery.handled.seq if delivery.handled else inf, delivery.pushed.seq))

    def _client(self, delivery: Delivery) -> str:
        """Who a delivery went to; the connection, when it may be anybody's."""
        fleet = self._history.fleet
        return fleet.owner(delivery.connection) or (delivery.connection if fleet.several else "")

    def bursts(self) -> Iterator[Sequence[Delivery]]:
        """The deliveries of each time in which a connection was never without unanswered ones, and had more of them at
        once than a queue holds.
        """
        moves = [(delivery.pushed.seq, 1, delivery) for delivery in self._history.deliveries]
        moves += [(each.answers[0].entry.seq, -1, each) for each in self._history.deliveries if each.answers]
        pending: dict[str, int] = {}
        peak: dict[str, int] = {}
        busy: dict[str, list[Delivery]] = {}
        for _, step, delivery in sorted(moves, key=lambda move: move[0]):
            name = delivery.connection
            if step > 0:
                busy.setdefault(name, []).append(delivery)
            pending[name] = pending.get(name, 0) + step
            peak[name] = max(peak.get(name, 0), pending[name])
            if not pending[name]:
                done, most = busy.pop(name), peak.pop(name)
                if most > CLIENT_QUEUE_SIZE:
                    yield done
        for name, unfinished in busy.items():
            if peak[name] > CLIENT_QUEUE_SIZE:
                yield unfinished


def in_hand(deliveries: Sequence[Delivery], end: Entry) -> list[Delivery]:
    """Those that were pushed before an entry and should have been answered before it, and were not."""
    return [
        each
        for each in deliveries
        if each.instruction.outcome != "hang"
        and each.pushed.seq < end.seq
        and not any(answer.entry.seq < end.seq for answer in each.answers[:1])
    ]


def last_work(deliveries: Sequence[Delivery]) -> Entry:
    """The last entry that shows the client working on these."""
    signs = [each.pushed.entry for each in deliveries]
    signs += [each.handled.entry for each in deliveries if each.handled]
    signs += [each.answers[-1].entry for each in deliveries if each.answers]
    return max(signs, key=lambda entry: entry.seq)


def _taken(delivery: Delivery) -> float:
    signs = [delivery.received.seq] if delivery.received else []
    signs += [answer.entry.seq for answer in delivery.answers[:1]]
    return min(signs, default=inf)
