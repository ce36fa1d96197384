"""What happened when, by two clocks.

The service clock can be moved by hand while the client's own timers stay real. A client's deadlines do not count those
seconds, so *client time* leaves them out.

Where the clock of a run moves only by hand, no client time was measured, and none is made up: all of it is 0. So nobody
is early or late there, and nobody's patience runs out; what came before what still counts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tmcspec.events import Advanced, Event
from tmcspec.trace import Entry, Trace

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class At(Generic[E]):
    """An event of a known kind in its place."""

    entry: Entry
    event: E

    @property
    def time(self) -> float:
        return self.entry.time

    @property
    def seq(self) -> int:
        return self.entry.seq


class Timeline:
    """The entries of a trace by kind of event, and the time between them."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._by_kind: dict[type[Event], list[Entry]] = {}
        for entry in trace.entries:
            self._by_kind.setdefault(type(entry.event), []).append(entry)
        self._advances: list[int] = []
        self._advanced = [0.0]
        for at in self.events(Advanced):
            self._advances.append(at.seq)
            self._advanced.append(self._advanced[-1] + at.event.seconds)

    def events(self, kind: type[E]) -> Iterator[At[E]]:
        """All events of one kind, in order."""
        for entry in self._by_kind.get(kind, ()):
            yield _at(kind, entry)

    def first_after(self, kind: type[E], entry: Entry) -> At[E] | None:
        """The first event of one kind after `entry`."""
        found = following(self._by_kind.get(kind, []), entry)
        return _at(kind, found) if found else None

    def last_before(self, kind: type[E], entry: Entry) -> At[E] | None:
        """The last event of one kind up to `entry`."""
        entries = self._by_kind.get(kind, [])
        index = bisect_right(entries, entry.seq, key=_seq)
        return _at(kind, entries[index - 1]) if index else None

    @property
    def measured(self) -> bool:
        """Whether seconds of client time were measured. Judges that compare them must ask; `left` never runs out."""
        return self.trace.client_clock

    @property
    def complete(self) -> bool:
        """Whether the trace shows all that happened, from the beginning of a run on."""
        return self.trace.world != "recorded" and bool(self.trace.entries) and self.trace.entries[0].seq == 1

    def client_time(self, entry: Entry) -> float:
        """When `entry` happened by the client's clock: service time without the seconds it was moved by hand; 0 where
        client time was not measured.
        """
        if not self.measured:
            return 0.0
        return entry.time - self._advanced[bisect_right(self._advances, entry.seq)]

    def between(self, before: Entry, after: Entry) -> float:
        """Seconds of client time from one entry to another."""
        return self.client_time(after) - self.client_time(before)

    def left(self, since: Entry) -> float:
        """Seconds of client time from `since` to the end of the trace."""
        return self.between(since, self.trace.entries[-1])


def following(entries: Sequence[Entry], entry: Entry) -> Entry | None:
    """The first of these entries, which are in order, after `entry`."""
    index = bisect_right(entries, entry.seq, key=_seq)
    return entries[index] if index < len(entries) else None


def _seq(entry: Entry) -> int:
    return entry.seq


def _at(kind: type[E], entry: Entry) -> At[E]:
    assert isinstance(entry.event, kind)
    return At(entry=entry, event=entry.event)
