"""Services that control the flow wrongly."""

from __future__ import annotations

from tmcspec.flow import Valve
from tmcsuites.mutants.services.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("ignores-the-flow-value", "FLW-1")
class IgnoresTheFlowValue(Valve):
    """Pushes as fast as it can."""

    def admits(self, *, now: float, clients: int, waiting: int, oldest_since: float) -> bool:
        return True


@mutant("sets-a-flow-value-late", "FLW-2")
class SetsAFlowValueLate(Valve):
    """Puts a new flow value in force a minute later."""

    def set(self, value: int | None, *, now: float) -> None:
        super().set(value, now=now + 60.0)


@mutant("does-not-mind-what-has-gathered", "FLW-3")
class DoesNotMindWhatHasGathered(Valve):
    """Pushes a backlog at the full rate, however long it is and however long it has gathered."""

    def share(self, *, now: float, waiting: int, oldest_since: float) -> float:
        return super().share(now=now, waiting=0, oldest_since=now)


@mutant("does-not-mind-missed-confirms", "FLW-4")
class DoesNotMindMissedConfirms(Valve):
    """Takes every delivery for confirmed in time."""

    def answered(self, *, in_time: bool, now: float) -> None:
        super().answered(in_time=True, now=now)
