"""Faults that did nothing are told: of each kind it is known by the trace whether one has acted."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tmcfakes.faults import Abort, Close, CorruptField, Down, Drop, LastingFault, PlannedFault, Refuse
from tmcspec.events import Fault, Opened
from tmcspec.trace import Entry, Trace
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.idle import NAMES_LIMIT, idle, told_idle
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan
from tmcsuites.chaos.play import play
from tmcsuites.chaos.storm import MEMBERS

#: A client that connects, is sent a message, and answers it.
DAY = Plan(
    seconds=60.0,
    quiet=0.0,
    clients=(ClientPlan(name="client-1", starts=1.0), ClientPlan(name="client-2", group="vip", starts=1.0)),
    messages=(MessagePlan(at=9.0, id=1),),
)

#: What needs a frame that this day has: kinds as they are drawn at random may wait for another.
AT = {"frame": "push", "field": "id", "nth": 1}


def every_kind() -> list[PlannedFault]:
    found = []
    for kind, draw in MEMBERS.items():
        members = {"at": 5.0} | draw(random.Random(1))
        members |= {name: value for name, value in AT.items() if name in members}
        if issubclass(kind, LastingFault):
            members["duration"] = 5.0
        if kind.name in ("refuse", "late_connectack", "no_connectack"):
            members["at"] = 0.0
        if kind.name == "second_id":
            members["at"] = 20.0
        found.append(kind(**members))
    return found


@pytest.mark.parametrize("fault", every_kind(), ids=lambda fault: fault.name)
def test_what_has_acted_is_not_told(fault: PlannedFault) -> None:
    plan = replace(DAY, faults=(fault,))
    assert idle(plan, play(plan, subject_of("reference"))) == ()


def test_what_waited_in_vain_is_told() -> None:
    never = (
        Drop(frame="failed"),
        CorruptField(frame="push", target="client-2"),
        Refuse(at=30.0),
        Drop(frame="push", at=30.0),
        Close(at=0.5, target="client-1"),
    )
    plan = replace(DAY, faults=(Drop(frame="confirm", target="client-1"), *never, Abort(at=20.0, target="client-1")))
    trace = play(plan, subject_of("reference"))
    assert idle(plan, trace) == never


def trace_of(*events: Opened | Fault, time: float = 5.0) -> Trace:
    return Trace(entries=tuple(Entry(seq=seq, time=time, event=event) for seq, event in enumerate(events, 1)))


OPENED = Opened(connection="c1", client="client-1")


@pytest.mark.parametrize(
    ("fault", "event", "acted"),
    [
        (Close(target="client-1"), Fault(name="disconnect", target="c1"), True),
        (Close(target="client-2"), Fault(name="disconnect", target="c1"), False),
        (Close(), Fault(name="disconnect", target="c1"), True),
        (Close(at=5.5), Fault(name="disconnect", target="c1"), False),
        (Refuse(), Fault(name="connectack", target="c1"), True),
        (Drop(frame="push"), Fault(name="drop", target="c1", detail="push 7"), True),
        (Drop(frame="push"), Fault(name="drop", target="c1", detail="pull_request"), False),
        (Drop(frame="connect"), Fault(name="drop", target="c1", detail="connectack"), False),
        (CorruptField(frame="connectack"), Fault(name="corrupt_field", target="c1", detail="connectack, more"), True),
        (Down(duration=1.0, target="client-1"), Fault(name="down", target="client-1"), True),
        (Down(duration=1.0, target="client-2"), Fault(name="down", target="client-1"), False),
    ],
)
def test_a_fault_has_acted_when_the_trace_has_it_for_its_client_and_its_frame(
    fault: PlannedFault, event: Fault, acted: bool
) -> None:
    plan = replace(DAY, faults=(fault,))
    assert idle(plan, trace_of(OPENED, event)) == (() if acted else (fault,))


def test_it_is_told_in_a_sentence() -> None:
    faults = (Abort(), Drop(frame="failed", target="client-2"), Close())
    plan = replace(DAY, faults=faults)
    told = told_idle(plan, trace_of(OPENED, Fault(name="abort", target="c1")))
    assert told == "of 3 faults, 2 never acted: drop for client-2, close for everybody"
    many = replace(DAY, faults=tuple(Close(at=float(time)) for time in range(NAMES_LIMIT + 3)))
    assert (told_idle(many, trace_of()) or "").endswith("close for everybody, and 3 more")
    assert told_idle(DAY, trace_of()) is None
