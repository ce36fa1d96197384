"""Who is who, where several clients run: whose a connection is, and what happened to that client.

A service only sees connections. Where a run knows whose one is, `Opened.client` says so. What nobody is named for may
be anybody's: where only one client shows it is that one's, and where several do it proves nothing against any of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from tmcspec.clauses.conversation import Conversation
from tmcspec.clauses.timeline import At, E, Timeline, following
from tmcspec.events import Event, Fault
from tmcspec.trace import Entry


class Fleet:
    """The clients of a trace.

    Attributes:
        names: the clients that show, in order of their names.
        several: whether there are more than one, so that it cannot be told whose a connection is unless that is said.

    Args:
        anybody: there may be clients that nothing in the trace names.
    """

    def __init__(self, timeline: Timeline, conversations: Mapping[str, Conversation], *, anybody: bool = False) -> None:
        self._timeline = timeline
        openings = ((name, conversation.opened) for name, conversation in conversations.items())
        self._owners = {name: opened.event.client if opened else None for name, opened in openings}
        found = {getattr(entry.event, "client", None) for entry in timeline.trace.entries}
        self.names: Sequence[str] = sorted(name for name in found if name is not None)
        self.several = len(self.names) > 1 or (anybody and None in self._owners.values())
        # By kind: by client, the events that name it; those of nobody are anybody's.
        self._events: dict[type[Event], dict[str | None, list[Entry]]] = {}

    def owner(self, connection: str) -> str | None:
        """Whose a connection is; None when that is not known."""
        return self._owners.get(connection)

    def of(self, event: Event) -> str | None:
        """Whose an event is, by the client or by the connection that it names, or by the target of a fault."""
        if isinstance(event, Fault):
            target = None if event.target == "*" else event.target
            return self._owners.get(target, target) if target is not None else None
        name: str | None = getattr(event, "client", None)
        connection: str | None = getattr(event, "connection", None)
        return name if name is not None or connection is None else self.owner(connection)

    def events(self, kind: type[E], client: str | None) -> Iterator[At[E]]:
        """All events of one kind that are a client's, or may be; of anybody's when it is None."""
        for at in self._timeline.events(kind):
            if client is None or self.of(at.event) in (client, None):
                yield at

    def first_after(self, kind: type[E], entry: Entry, client: str | None) -> At[E] | None:
        """The first event of one kind after `entry` that is a client's, or may be; anybody's when it is None."""
        if client is None:
            return self._timeline.first_after(kind, entry)
        nexts = [following(entries, entry) for entries in self._lists(kind, client)]
        found = min((each for each in nexts if each), key=lambda each: each.seq, default=None)
        return _at(kind, found)

    def last_before(self, kind: type[E], entry: Entry, client: str | None) -> At[E] | None:
        """The last event of one kind up to `entry` that is a client's, or may be; anybody's when it is None."""
        if client is None:
            return self._timeline.last_before(kind, entry)
        lists = self._lists(kind, client)
        befores = [(entries, bisect_right(entries, entry.seq, key=lambda each: each.seq)) for entries in lists]
        found = max(
            (entries[index - 1] for entries, index in befores if index), key=lambda each: each.seq, default=None
        )
        return _at(kind, found)

    def _lists(self, kind: type[E], client: str) -> list[list[Entry]]:
        if kind not in self._events:
            by_client: dict[str | None, list[Entry]] = {}
            for at in self._timeline.events(kind):
                by_client.setdefault(self.of(at.event), []).append(at.entry)
            self._events[kind] = by_client
        return [self._events[kind].get(name, []) for name in (client, None)]


def _at(kind: type[E], entry: Entry | None) -> At[E] | None:
    if entry is None:
        return None
    assert isinstance(entry.event, kind)
    return At(entry=entry, event=entry.event)
