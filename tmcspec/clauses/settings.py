"""What the operator of a service had set, as the trace tells it: flow values, modes, and how long messages are kept.

In a run, what was in force before the first event about it is what the official document describes without saying
more: no flow value, push mode, and 24 hours. Where a trace begins later than what it tells of, that is not known, and
messages may have been held back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import inf
from typing import TypeAlias

from tmcspec.clauses.timeline import At, Timeline
from tmcspec.events import FlowSet, GroupDeleted, ModeSet, RetentionSet
from tmcspec.flow import LATENCY
from tmcspec.timing import RETENTION
from tmcspec.trace import Entry

_Setting: TypeAlias = At[FlowSet] | At[ModeSet] | At[GroupDeleted]

#: An app and one of its groups: settings are shared by all environments (S18: 分组配置公用).
Group = tuple[str, str]


class Settings:
    """The settings of all groups, at any time."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        # By group: from when messages were held back, in order, and until when they were, of those times so far.
        self._held_back: dict[Group, tuple[list[float], list[float]]] = {}
        self._known = timeline.complete
        for group, spans in _Reader(timeline).spans.items():
            spans.sort()
            self._held_back[group] = [start for start, _ in spans], list(accumulate((end for _, end in spans), max))

    def pushes(self, app_key: str, group: str, start: float, end: float) -> bool:
        """Whether a group was pushed to as soon as it could be, all the way from service time `start` to `end`: no flow
        value was in force, and it was not pulled.
        """
        starts, ends = self._held_back.get((app_key, group), ([], []))
        index = bisect_right(starts, end)
        return ends[index - 1] < start if index else self._known

    def retention_ends(self, births: Sequence[Entry]) -> list[float]:
        """When the retention of each message is over, in service time.

        A new retention holds for what is produced from then on; what is there is kept no longer than it was to be (S53:
        紧急情况下会进一步减少保留时间).

        Args:
            births: where the messages were produced, in order. So their ends are in order, too: whoever was born later
                has lived under fewer retentions, and not under shorter ones.
        """
        chosen = [(0, 0.0, RETENTION)]
        chosen += [(at.seq, at.time, at.event.seconds) for at in self._timeline.events(RetentionSet)]
        places = [seq for seq, _, _ in chosen]
        # Of what was set so far, what nothing later undercuts: its index, and the seconds. Both rise.
        least: list[tuple[int, float]] = []
        ends: list[float] = []
        for index, (_, time, seconds) in enumerate(chosen):
            while least and least[-1][1] >= seconds:
                least.pop()
            least.append((index, seconds))
            following, until = chosen[index + 1][:2] if index + 1 < len(chosen) else (inf, inf)
            while len(ends) < len(births) and (birth := births[len(ends)]).seq < following:
                in_force = bisect_right(places, birth.seq) - 1
                kept = least[bisect_left(least, in_force, key=lambda each: each[0])][1]
                end = max(birth.time + kept, time)
                if end >= until:
                    break  # what is set next may still shorten it
                ends.append(end)
        return ends


class _Reader:
    """Collects when each group was held back."""

    def __init__(self, timeline: Timeline) -> None:
        self.spans: dict[Group, list[tuple[float, float]]] = {}
        # Since when groups have had a flow value, and been pulled.
        self._limited: dict[Group, float] = {}
        self._pulled: dict[Group, float] = {}
        moments: list[_Setting] = [*timeline.events(FlowSet), *timeline.events(ModeSet), *timeline.events(GroupDeleted)]
        if not timeline.complete:
            for at in moments:
                self._limited.setdefault((at.event.app_key, at.event.group), 0.0)
                self._pulled.setdefault((at.event.app_key, at.event.group), 0.0)
        for at in sorted(moments, key=lambda at: at.seq):
            self._read(at.event, at.time)
        for since in (self._limited, self._pulled):
            for group in tuple(since):
                self._end(since, group, inf)

    def _read(self, event: FlowSet | ModeSet | GroupDeleted, time: float) -> None:
        group = event.app_key, event.group
        match event:
            case FlowSet(value=None):
                # What was let through last may still be on its way when the value is gone (S45: 实时(10s)生效).
                self._end(self._limited, group, time + LATENCY)
            case FlowSet():
                self._limited.setdefault(group, time)
            case ModeSet(mode="pull"):
                self._pulled.setdefault(group, time)
            case ModeSet():
                self._end(self._pulled, group, time)
            case _:
                # A group that is created under the name of one that was deleted begins anew.
                self._end(self._limited, group, time)
                self._end(self._pulled, group, time)

    def _end(self, since: dict[Group, float], group: Group, time: float) -> None:
        if group in since:
            self.spans.setdefault(group, []).append((since.pop(group), time))
