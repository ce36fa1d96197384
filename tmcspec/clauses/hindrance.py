"""When lasting faults were in force, and whom they concerned: above all those that keep bytes from passing in time.

A lasting fault is in force from its `Fault` to the `Healed` in the same words, else to the end of the trace. It
concerns everybody, a client, or a connection.

They excuse what was not done in time, and nothing else: that something was done which must never be, no slow network
explains. Bytes that were corrupted may (`corruption`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import TypeAlias

from tmcspec.clauses.conversation import Conversation
from tmcspec.clauses.fleet import Fleet
from tmcspec.clauses.timeline import At, Timeline
from tmcspec.events import Fault, Healed, Opened
from tmcspec.trace import Entry

#: What answers an upgrade with an HTTP error.
REFUSED_UPGRADE = "refuse_upgrade"

#: What concerns only the connections that are open when it begins.
HALF_OPEN = "half_open"

#: Faults while which nobody can connect.
BARRING = frozenset({"down", "restart", REFUSED_UPGRADE, "silent_accept", "unreachable"})

#: Faults by which bytes come later than they were sent, so that gaps between them are not the sender's.
DELAYING = frozenset({"latency", "bandwidth", "slicer", "slow_close", "stop_reading"})

#: All that keep bytes from passing in time.
HINDERING = BARRING | DELAYING | {"limit_data", "timeout", HALF_OPEN, "reset_peer", "corrupt"}

_Wanted = Callable[[Fault | Healed], bool]

#: Whom a fault concerns: everybody; a connection; a client, by its name; a client, by its name or by a connection of
#: its own; any client by its name; anybody.
_Group: TypeAlias = tuple[str, str]
_ALL, _NAMED, _ANY = ("all", ""), ("named", ""), ("any", "")


def hinders(fault: Fault | Healed) -> bool:
    """Whether a fault keeps bytes from passing in time."""
    return fault.name in HINDERING


def bars(fault: Fault | Healed) -> bool:
    """Whether it does so on connections that are opened later, too, if they can be opened."""
    return hinders(fault) and fault.name != HALF_OPEN


def refuses_upgrades(fault: Fault | Healed) -> bool:
    """Whether upgrades are refused while it lasts."""
    return fault.name == REFUSED_UPGRADE


def delays(fault: Fault | Healed) -> bool:
    """Whether bytes come later by it than they were sent."""
    return fault.name in DELAYING


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The time in which a fault was in force; `end` is None when it lasts."""

    begin: Entry
    end: Entry | None

    @property
    def over(self) -> float:
        """Its end, as a place in the trace."""
        return self.end.seq if self.end else inf


def _longer(one: _Span, other: _Span) -> _Span:
    return other if other.over > one.over else one


class _Spans:
    """Times in order of their beginning."""

    def __init__(self, timeline: Timeline, spans: Sequence[_Span]) -> None:
        self._timeline = timeline
        self._spans = spans
        self._begins = [timeline.client_time(span.begin) for span in spans]
        # How far those so far reach.
        self._reach = list(accumulate(spans, _longer))
        self._merged: dict[float, tuple[list[float], list[Entry | None]]] = {}

    def furthest(self, until: float) -> _Span | None:
        """Of those that began by a client time, the one that reaches furthest."""
        index = bisect_right(self._begins, until)
        return self._reach[index - 1] if index else None

    def first_open(self, place: float) -> _Span | None:
        """The first one that is not over at a place in the trace."""
        index = bisect_right(self._reach, place, key=lambda span: span.over)
        return self._spans[index] if index < len(self._spans) else None

    def calm(self, since: Entry, seconds: float) -> Entry | None:
        """The first place from an entry on behind which there is none for so many seconds; None when one lasts."""
        begins, ends = self._calm(seconds)
        index = bisect_right(begins, self._timeline.client_time(since) + seconds)
        end = ends[index - 1] if index else since
        return end if end is None or end.seq > since.seq else since

    def _calm(self, seconds: float) -> tuple[list[float], list[Entry | None]]:
        """Begin and end of the times that have so many seconds between them; those with less count as one."""
        if seconds not in self._merged:
            begins: list[float] = []
            ends: list[Entry | None] = []
            for begin, so_far, span in zip(self._begins, self._reach, self._spans, strict=True):
                before = ends[-1] if ends else None
                if not ends or (before and self._timeline.client_time(before) + seconds < begin):
                    begins.append(begin)
                    ends.append(span.end)
                else:
                    ends[-1] = so_far.end
            self._merged[seconds] = begins, ends
        return self._merged[seconds]


class Lasting:
    """When lasting faults of some kinds were in force.

    Args:
        wanted: which faults count.
    """

    def __init__(
        self, timeline: Timeline, conversations: Mapping[str, Conversation], fleet: Fleet, wanted: _Wanted
    ) -> None:
        self._timeline = timeline
        self._conversations = conversations
        self._fleet = fleet
        self._groups: dict[_Group, list[_Span]] = {}
        self._spans: dict[tuple[_Group, ...], _Spans] = {}
        for target, span in _lasting(timeline, wanted):
            for group, placed in self._placed(target, span):
                self._groups.setdefault(group, []).append(placed)

    def __bool__(self) -> bool:
        return bool(self._groups)

    @property
    def unending(self) -> bool:
        """Whether one of them lasts to the end of the trace."""
        return any(span.end is None for span in self._groups.get(_ANY, ()))

    def hindered(self, start: Entry, seconds: float, *, on: str | None = None, client: str | None = None) -> bool:
        """Whether any was in force within so many seconds of client time from `start`.

        Bytes that were sent during one may still be on their way when it is over, and a black hole cuts its
        connections only then. So one that ended up to the patience of the run before `start` counts, too, for a
        connection that was there.

        Args:
            on: the connection whose bytes count.
            client: whose bytes count, when that is not the owner of the connection; None for anybody's.
        """
        if not self._groups:
            return False
        until = self._timeline.client_time(start) + seconds
        opened = self._conversations[on].opened if on is not None else None
        for spans in self._concerning(on, client):
            span = spans.furthest(until)
            if span is None:
                continue
            if span.end is None or span.end.seq > start.seq:
                return True
            before = on is not None and (opened is None or opened.seq < span.end.seq)
            if before and self._timeline.between(span.end, start) <= self._timeline.trace.patience:
                return True
        return False

    def calm(self, since: Entry, seconds: float, client: str | None) -> Entry | None:
        """From where on nothing concerned a client for so many seconds: `since`, or the end of what did; None when that
        lasts.
        """
        if not self._groups:
            return since
        return self._together(*((_ANY,) if client is None else (_ALL, ("any", client)))).calm(since, seconds)

    def first(self, connection: str) -> float:
        """From which place in the trace on a connection was concerned; infinite when it never was."""
        if not self._groups:
            return inf
        conversation = self._conversations[connection]
        opened = conversation.opened.seq if conversation.opened else 0
        closed = conversation.closed.seq if conversation.closed else inf
        found = (spans.first_open(opened) for spans in self._concerning(connection, None))
        first = min((max(span.begin.seq, opened) for span in found if span), default=inf)
        return first if first < closed else inf

    def _concerning(self, on: str | None, client: str | None) -> Iterator[_Spans]:
        if client is None and on is not None:
            client = self._fleet.owner(on)
        if on is not None:
            groups = [_ALL, ("line", on), _NAMED if client is None else ("client", client)]
        else:
            groups = [_ANY] if client is None else [_ALL, ("any", client)]
        for group in groups:
            if group in self._groups:
                yield self._together(group)

    def _together(self, *groups: _Group) -> _Spans:
        if groups not in self._spans:
            spans = [span for group in groups for span in self._groups.get(group, ())]
            self._spans[groups] = _Spans(self._timeline, sorted(spans, key=lambda span: span.begin.seq))
        return self._spans[groups]

    def _placed(self, target: str | None, span: _Span) -> Iterator[tuple[_Group, _Span]]:
        if target in (None, "*"):
            yield _ALL, span
        elif target in self._conversations:
            # What was done to a connection is over with it.
            closed = self._conversations[target].closed
            if closed and span.begin.seq < closed.seq < span.over:
                span = _Span(begin=span.begin, end=closed.entry)
            yield ("line", target), span
            if (owner := self._fleet.owner(target)) is not None:
                yield ("any", owner), span
        else:
            assert target is not None
            yield ("client", target), span
            yield ("any", target), span
            yield _NAMED, span
        yield _ANY, span


def _lasting(timeline: Timeline, wanted: _Wanted) -> Iterator[tuple[str | None, _Span]]:
    """When each fault that counts was in force, and its target."""
    moments: list[At[Fault] | At[Healed]] = [*timeline.events(Fault), *timeline.events(Healed)]
    waiting: dict[tuple[str, str | None, str], deque[Entry]] = {}
    for at in sorted((at for at in moments if wanted(at.event)), key=lambda at: at.seq):
        event = at.event
        begun = waiting.setdefault((event.name, event.target, event.detail), deque())
        if isinstance(event, Fault):
            begun.append(at.entry)
        else:
            # One that is only over in this trace was there before it begins.
            begin = begun.popleft() if begun else timeline.trace.entries[0]
            yield event.target, _Span(begin=begin, end=at.entry)
    for (name, target, _), entries in waiting.items():
        for begin in entries:
            # The stage of a run takes the service away without saying when it is back: who connects shows it.
            back = timeline.first_after(Opened, begin) if name == "unreachable" else None
            yield target, _Span(begin=begin, end=back.entry if back else None)
