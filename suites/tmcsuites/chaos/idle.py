"""Which faults of a plan did nothing: those that waited for a frame that never came, or whose world had ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from tmcfakes.faults import EVERYBODY, AnswerFault, Close, FrameFault, PlannedFault
from tmcspec.events import Fault, Opened
from tmcspec.trace import Entry, Trace
from tmcsuites.chaos.plan import Plan
from tmcsuites.report.words import counted

#: Of so many the names are told.
NAMES_LIMIT: Final = 10


def idle(plan: Plan, trace: Trace) -> tuple[PlannedFault, ...]:
    """The faults of a plan that never began nor acted. Where another of its kind may have been what acted, a fault is
    not among them.

    Args:
        plan: what was to happen.
        trace: what happened, when it was played.
    """
    clients = {entry.event.connection: entry.event.client for entry in trace.entries if isinstance(entry.event, Opened)}
    traced: defaultdict[str, list[tuple[Entry, Fault]]] = defaultdict(list)
    for entry in trace.entries:
        if isinstance(entry.event, Fault):
            traced[entry.event.name].append((entry, entry.event))

    def may_be(fault: PlannedFault, entry: Entry, event: Fault) -> bool:
        target = clients.get(event.target, event.target) if event.target is not None else None
        # The service's clock jumps forwards only.
        late_enough = entry.time >= fault.at - 0.001
        kind = not isinstance(fault, FrameFault) or event.detail.replace(",", " ").split(" ")[0] == fault.frame
        return late_enough and kind and fault.target in (EVERYBODY, target)

    return tuple(fault for fault in plan.faults if not any(may_be(fault, *each) for each in traced[_traced_as(fault)]))


def told_idle(plan: Plan, trace: Trace) -> str | None:
    """A sentence about the faults that did nothing; None when there are none.

    Args:
        plan, trace: as of `idle`.
    """
    found: Sequence[PlannedFault] = idle(plan, trace)
    if not found:
        return None
    names = [f"{each.name} for {'everybody' if each.target == EVERYBODY else each.target}" for each in found]
    more = f", and {len(names) - NAMES_LIMIT} more" if len(names) > NAMES_LIMIT else ""
    return f"of {counted(len(plan.faults), 'fault')}, {len(found)} never acted: {', '.join(names[:NAMES_LIMIT])}{more}"


def _traced_as(fault: PlannedFault) -> str:
    """What the trace calls it: what can be done by hand as well is called the same."""
    if isinstance(fault, Close):
        return "disconnect"
    return "connectack" if isinstance(fault, AnswerFault) else fault.name
