"""Counts what became of the messages of a run, as a total queue is counted: what went in, what came out, what was lost,
what came twice, and what came after all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from tmcspec.events import Attempted, Confirmed, Consumed, Dropped, Expired, Fault, Handled, Opened, Produced, Pushed
from tmcspec.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What became of the messages of a run.

    Args:
        produced: messages that went in.
        settled, expired, dropped: how they left.
        left: those that are still there, handlers that always fail among them.
        handed: how often one was handed out.
        handled: how often a handler succeeded.
        duplicated: messages that a handler succeeded with more than once.
        recovered: messages that were settled, and not at the first time that they were handed out.
        connections: how many were opened; `attempts` were in vain.
        faults: by name, how often each acted.
    """

    produced: int
    settled: int
    expired: int
    dropped: int
    left: int
    handed: int
    handled: int
    duplicated: int
    recovered: int
    connections: int
    attempts: int
    faults: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


def census(trace: Trace) -> Census:
    """Counts a trace."""
    handed: Counter[int] = Counter()
    succeeded: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    events: Counter[type] = Counter()
    produced: set[int] = set()
    ended: set[int] = set()
    recovered: set[int] = set()
    for entry in trace.entries:
        events[type(entry.event)] += 1
        match entry.event:
            case Produced(message=message):
                produced.add(message)
            case Pushed(message=message) | Consumed(message=message):
                handed[message] += 1
            case Confirmed(message=message):
                ended.add(message)
                if handed[message] > 1:
                    recovered.add(message)
            case Expired(message=message) | Dropped(message=message):
                ended.add(message)
            case Handled(message=int(message), outcome="ok"):
                succeeded[message] += 1
            case Fault(name=name):
                faults[name] += 1
    return Census(
        produced=len(produced),
        settled=events[Confirmed],
        expired=events[Expired],
        dropped=events[Dropped],
        left=len(produced - ended),
        handed=handed.total(),
        handled=succeeded.total(),
        duplicated=sum(count > 1 for count in succeeded.values()),
        recovered=len(recovered),
        connections=events[Opened],
        attempts=events[Attempted],
        faults=dict(sorted(faults.items())),
    )
