"""When a world ends: with its plan, or before that, when its fleet has connected so often that there is nothing more to
learn from it.

A client that tries a thousand times a second would do so all day. What is said of a world that ended early must say
so: what the plan had for later did not happen, nor did the quiet in which all must come right.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from tmcspec.events import Accepted, Advanced, Attempted, ClientError, ClientStarted, Opened
from tmcspec.trace import Trace
from tmcsuites.chaos.plan import Plan

#: Connections, those in vain included, that any world may see.
CONNECTION_LIMIT: Final = 20_000

#: Those that a client may have in an hour. A careful one that is turned away all the time waits half a minute, on
#: average, and one whose connections are always cut is not much faster.
CONNECTIONS_AN_HOUR: Final = 200

#: And however many clients live for however long: a connection leaves some ten entries, and a trace holds 5,000,000.
MOST_CONNECTIONS: Final = 250_000

#: Seconds without faults in which anybody connects: applications try again after half a minute.
LONG_ENOUGH: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyEnd:
    """That a world ended before its plan did.

    Args:
        seconds: of run time, when that was.
        connections: how often the fleet had connected, in vain or not.
    """

    seconds: float
    connections: int

    def __str__(self) -> str:
        return f"ended after {_duration(self.seconds)}: the fleet connected {self.connections:,} times"

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return asdict(self)


def connection_limit(plan: Plan) -> int:
    """How often the fleet of a plan may connect until its world ends."""
    hours = (plan.seconds + plan.quiet) / 3600
    return min(MOST_CONNECTIONS, max(CONNECTION_LIMIT, int(CONNECTIONS_AN_HOUR * hours * len(plan.clients))))


def early_end(plan: Plan, trace: Trace) -> EarlyEnd | None:
    """When a plan was not played to its end, when that was; else None.

    Args:
        plan: what was to happen.
        trace: what happened, when it was played.
    """
    connections = sum(isinstance(entry.event, Opened | Attempted) for entry in trace.entries)
    if connections < connection_limit(plan):
        return None
    # The trace tells the time of the service, whose clock may have jumped.
    jumped = sum(entry.event.seconds for entry in trace.entries if isinstance(entry.event, Advanced))
    return EarlyEnd(seconds=round(trace.entries[-1].time - jumped, 3), connections=connections)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverConnected:
    """That the service accepted no client of the fleet, so that nothing is known of them.

    Args:
        seconds: of run time that they had.
        answer: what the last of them said when it was started.
        excused: whether faults may have kept them away all the time.
    """

    seconds: float
    answer: str
    excused: bool

    def __str__(self) -> str:
        return f"the client never connected in {_duration(self.seconds)}: {self.answer}"


def never_connected(plan: Plan, trace: Trace) -> NeverConnected | None:
    """When the service accepted no client of a fleet, that; else None. A fleet of nobody is not missed.

    Args:
        plan: what was to happen.
        trace: what happened, when it was played.
    """
    if not plan.clients:
        return None
    answer = "'start' never came to an end"
    for entry in trace.entries:
        match entry.event:
            case Accepted():
                return None
            case ClientError(op="start", error=error):
                answer = f"the last answer to 'start' was an error: {error}"
            case ClientStarted():
                answer = "the last answer to 'start' was that it has"
    early = early_end(plan, trace)
    seconds = early.seconds if early else plan.seconds + plan.quiet
    excused = bool(plan.faults) and seconds - plan.seconds < LONG_ENOUGH
    return NeverConnected(seconds=seconds, answer=answer, excused=excused)


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours >= 0.1 else f"{seconds:.0f} s"
