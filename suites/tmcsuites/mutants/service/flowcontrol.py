"""Services that control flow wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tmcspec.flow import IDLE_LIMIT, LATENCY, Flow, Valve
from tmcsuites.mutants.base import ServiceCatalogue

MUTANTS = ServiceCatalogue()
mutant = MUTANTS.mutant

#: Longer than any case takes.
NEVER = 1e9


# FLW-1


@mutant("ignores-the-flow-value", "FLW-1")
class IgnoresTheFlowValue(Valve):
    """Pushes everything at once."""

    def admits(self, **now: Any) -> bool:
        super().admits(**now)
        return True


@mutant("pushes-half-as-fast", "FLW-1")
class PushesHalfAsFast(Valve):
    """Multiplies the flow value by 12."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, factor=flow.factor // 2))


@mutant("pushes-twice-as-fast", "FLW-1")
class PushesTwiceAsFast(Valve):
    """Multiplies the flow value by 48."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, factor=flow.factor * 2))


@mutant("does-not-count-the-clients", "FLW-1")
class DoesNotCountTheClients(Valve):
    """Gives a group as much as one client may get, however many it has."""

    def admits(self, *, clients: int, **now: Any) -> bool:
        return super().admits(clients=1, **now)


@mutant("has-no-smallest-slot", "FLW-1")
class HasNoSmallestSlot(Valve):
    """Pushes one by one where a slot has 32 messages."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, unit=1))


# FLW-2


@mutant("is-slow-to-take-a-new-value", "FLW-2")
class IsSlowToTakeANewValue(Valve):
    """Goes by a new flow value a minute after it was set."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, latency=6 * LATENCY))


# FLW-3


@mutant("does-not-mind-a-backlog", "FLW-3")
class DoesNotMindABacklog(Valve):
    """Pushes as fast as ever when more than 10,000 messages wait."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, backlog_limit=10**9))


@mutant("does-not-mind-neglect", "FLW-3")
class DoesNotMindNeglect(Valve):
    """Pushes as fast as ever what gathered while nobody was there."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, idle_limit=NEVER * IDLE_LIMIT))


# FLW-4


@mutant("does-not-mind-failures", "FLW-4")
class DoesNotMindFailures(Valve):
    """Pushes as fast as ever to who confirms nothing."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(replace(flow, confirm_ratio=0.0))
