"""docs/faults.md has every fault, in the words of the vocabulary, and its examples are valid."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from faults_by_hand import Day

from tmcfakes.faults import (
    FAULTS,
    Abort,
    Close,
    FrameFault,
    LastingFault,
    LateConnectack,
    NoConnectack,
    Ping,
    PlannedFault,
    RedeliveryStorm,
    Refuse,
    Restart,
    Schedule,
    StreamFault,
)
from tmcspec.events import Fault
from tmcsuites.chaos.ending import CONNECTION_LIMIT, CONNECTIONS_AN_HOUR, MOST_CONNECTIONS
from tmcsuites.chaos.plan import Plan

TEXT = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")

#: Members that many faults have, and that the document describes once.
SHARED = {each.name for kind in (FrameFault, LastingFault, StreamFault) for each in fields(kind)}


def row(kind: type[PlannedFault]) -> str:
    """What the document says of a fault: its own members with their usual values, and what it does."""
    own = [
        each
        for each in fields(kind)
        if each.name not in SHARED
        or (each.name == "count" and not issubclass(kind, FrameFault))
        or (each.name == "duration" and kind is Restart)
    ]
    usual = {each.name: "" if each.default is MISSING else f" ({json.dumps(each.default)})" for each in own}
    members = ", ".join(f"`{name}`{value}" for name, value in usual.items())
    what, _, about = (inspect.getdoc(kind) or "").partition("\n\nArgs:\n")
    told = re.sub(r"^    (\w+):", r"`\1`:", about, flags=re.MULTILINE)
    return f"| `{kind.name}` | {members} | {' '.join(f'{what} {told}'.split())} |"


@pytest.mark.parametrize("kind", FAULTS.values(), ids=lambda kind: kind.name)
def test_every_fault_has_its_row(kind: type[PlannedFault]) -> None:
    assert row(kind) in TEXT


@pytest.mark.parametrize(
    "fault",
    [Close(), Abort(), Refuse(), LateConnectack(), NoConnectack(), Ping(), RedeliveryStorm()],
    ids=lambda fault: fault.name,
)
def test_what_a_fault_is_called_in_the_trace_is_said(fault: PlannedFault) -> None:
    others = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", TEXT, re.MULTILINE))
    day = Day()
    day.begin(fault)
    day.come("c3", "client-3")
    assert {event.name for event in day.events(Fault) if isinstance(event, Fault)} == {
        others.get(fault.name, fault.name)
    }


def test_there_are_no_other_rows() -> None:
    assert len(re.findall(r"^\| `\w+` \| .* \| ", TEXT, re.MULTILINE)) == len(FAULTS)


def test_the_members_that_many_have_are_described() -> None:
    for name in SHARED:
        assert f"`{name}`" in TEXT


def test_the_schedules_are_schedules_and_the_plans_are_plans() -> None:
    blocks = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for text in blocks:
        (Plan if '"plan"' in text else Schedule).loads(text)


def test_the_python_runs() -> None:
    for text in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(text, {})


def test_it_says_when_a_world_ends_early() -> None:
    words = " ".join(TEXT.split())
    limits = f"{CONNECTION_LIMIT:,} times, or {CONNECTIONS_AN_HOUR} times for each client and hour where that is more"
    assert f"{limits}, and at {MOST_CONNECTIONS:,} in any case" in words
