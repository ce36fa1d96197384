"""Phases of time in which nothing changed that flow control goes by, and what was pushed in each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple, TypeAlias

from tmcspec.trace import Entry

#: What is known of something that slows flow control down. A trace does not show all that the service knows: when a
#: message that was handed out waits again, it shows only about (S39: 约6分钟).
Certainty: TypeAlias = Literal["no", "maybe", "yes"]


@dataclass(slots=True, kw_only=True, eq=False)
class Setting:
    """A flow value that was set; None for no limit.

    Attributes:
        before: what was in force then; None when that is not known.
        held_back: whether messages waited for somebody just before it came into force.
    """

    entry: Entry
    value: int | None
    before: Setting | None
    held_back: bool = False


class Condition(NamedTuple):
    """What flow control goes by at a moment.

    Attributes:
        setting: what is certainly in force; None when that is not known.
        clients: how many connections take messages.
        pushed: messages are pushed as soon as they can be, and need not be pulled.
        backlog: something certainly waits.
        crowded: more messages wait than may.
        neglected: messages that gathered while nothing was consumed for a long time still wait.
        throttled: too few confirms came in.
    """

    setting: Setting | None = None
    clients: int = 0
    pushed: bool = True
    backlog: bool = False
    crowded: Certainty = "no"
    neglected: Certainty = "no"
    throttled: Certainty = "no"

    @property
    def held_back(self) -> bool:
        """Whether nothing but flow control kept something from being pushed."""
        return self.clients > 0 and self.pushed and self.backlog

    @property
    def free(self) -> bool:
        """Whether certainly nothing slows it down."""
        return self.crowded == self.neglected == self.throttled == "no"


@dataclass(slots=True, kw_only=True, eq=False)
class Phase:
    """A time, in seconds of service time, in which conditions stayed the same.

    Attributes:
        until: what was recorded when it was over, or next.
        pushes: where messages were pushed in it.
    """

    condition: Condition
    start: float
    end: float
    until: Entry
    pushes: list[Entry] = field(default_factory=list)


class Run(NamedTuple):
    """One phase, or several that follow one another."""

    parts: Sequence[Phase]

    @property
    def start(self) -> float:
        return self.parts[0].start

    @property
    def end(self) -> float:
        return self.parts[-1].end

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def condition(self) -> Condition:
        """That of its beginning."""
        return self.parts[0].condition

    @property
    def until(self) -> Entry:
        return self.parts[-1].until

    @property
    def pushes(self) -> list[Entry]:
        return [push for part in self.parts for push in part.pushes]

    def first(self, seconds: float) -> Run:
        """No more than its first seconds."""
        end = self.start + seconds
        parts = [part for part in self.parts if part.start <= end]
        last = parts[-1]
        if last.end > end:
            pushes = [push for push in last.pushes if push.time <= end]
            parts[-1] = Phase(condition=last.condition, start=last.start, end=end, until=last.until, pushes=pushes)
        return Run(parts)


def runs(parts: Sequence[Phase], key: Callable[[Condition], Hashable]) -> Iterator[Run]:
    """The longest runs over which a key of the conditions stays the same; where it is false, there is none."""
    for found, group in groupby(parts, key=lambda part: key(part.condition)):
        if found:
            yield Run(list(group))
