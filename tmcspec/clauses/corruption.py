"""Where the bytes that one side read may be others than those that the other had written.

What such bytes say is held against nobody, on their connection and in their direction. That lasts until the connection
ends: when the length of a WebSocket frame is another, everything behind it is read at the wrong place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from math import inf
from typing import Literal, TypeAlias

from tmcspec.clauses.conversation import Conversation
from tmcspec.clauses.fleet import Fleet
from tmcspec.clauses.hindrance import Lasting
from tmcspec.clauses.timeline import Timeline
from tmcspec.events import Fault, FrameIn, Handled, Healed, Received
from tmcspec.trace import Entry

#: From the client, and to it.
Direction: TypeAlias = Literal["upstream", "downstream"]

#: A message may wait for a handler so many times as long as a handler may take.
IN_HAND = 10


class Corruption:
    """All of it in one trace; false when there is none."""

    def __init__(self, timeline: Timeline, conversations: Mapping[str, Conversation], fleet: Fleet) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._fleet = fleet
        self._faults: dict[Direction, Lasting] = {
            "upstream": Lasting(timeline, conversations, fleet, _corrupts("downstream")),
            "downstream": Lasting(timeline, conversations, fleet, _corrupts("upstream")),
        }
        self._since: dict[tuple[Direction, str], float] = {}
        # By client: from which places in the trace on it was told others, and until which, of those so far.
        self._misled: dict[str, tuple[list[float], list[float]]] = {}

    def __bool__(self) -> bool:
        return any(self._faults.values())

    def of(self, connection: str, entry: Entry, direction: Direction) -> bool:
        """Whether it concerns a connection at an entry."""
        return bool(self._faults[direction]) and entry.seq >= self._first(connection, direction)

    def ever(self, connection: str, until: Entry | None = None) -> bool:
        """Whether it ever concerned a connection, either way; up to an entry or to the end."""
        if not self:
            return False
        first = min(self._first(connection, way) for way in self._faults)
        return first < inf if until is None else first <= until.seq

    def anybody(self, entry: Entry) -> bool:
        """Whether it concerned somebody at an entry, for whoever is on no WebSocket."""
        return any(faults.hindered(entry, 0.0) for faults in self._faults.values())

    def misled(self, entry: Entry) -> bool:
        """Whether a client may have said something, or shown it, because it had been told others than the service
        said.
        """
        if not self._faults["downstream"]:
            return False
        match entry.event:
            case FrameIn(connection=connection):
                client = self._fleet.owner(connection)
                # What had come on another connection it may still have in hand.
                elsewhere = client is not None and self._told_others(client, entry)
                return self.of(connection, entry, "downstream") or elsewhere
            case Received(client=client) | Handled(client=client):
                return self._told_others(client, entry)
        return False

    def _told_others(self, client: str, entry: Entry) -> bool:
        """Whether one of its connections was concerned, then or so short before that it may still have in hand what had
        come.
        """
        if client not in self._misled:
            spans = []
            for name, conversation in self._conversations.items():
                since = self._first(name, "downstream")
                if since < inf and self._fleet.owner(name) in (client, None):
                    spans.append((since, conversation.closed))
            spans.sort(key=lambda span: span[0])
            held = IN_HAND * self._timeline.trace.patience
            ends = [self._timeline.client_time(closed.entry) + held if closed else inf for _, closed in spans]
            self._misled[client] = [since for since, _ in spans], list(accumulate(ends, max))
        begins, ends = self._misled[client]
        index = bisect_right(begins, entry.seq)
        return index > 0 and self._timeline.client_time(entry) <= ends[index - 1]

    def _first(self, connection: str, direction: Direction) -> float:
        key = direction, connection
        if key not in self._since:
            self._since[key] = self._faults[direction].first(connection)
        return self._since[key]


def _corrupts(other: Direction) -> Callable[[Fault | Healed], bool]:
    """Which faults corrupt bytes in the direction that is not this one; those that name none do both ways."""
    return lambda fault: fault.name == "corrupt" and f"stream={other}" not in fault.detail.split()
