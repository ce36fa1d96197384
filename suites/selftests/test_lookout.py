"""The search for the smallest plan is seen, on a terminal and without one."""

from __future__ import annotations

import io

from rich.console import Console

from tmcfakes.faults import Abort
from tmcsuites.chaos.lookout import EVERY, looking
from tmcsuites.chaos.plan import MessagePlan, Plan


def plan(messages: int) -> Plan:
    found = tuple(MessagePlan(at=0.0, id=id) for id in range(1, messages + 1))
    return Plan(messages=found, faults=(Abort(),))


def test_without_a_terminal_there_is_a_line_when_it_got_smaller_and_none_came_for_a_while() -> None:
    now, lines = [0.0], list[str]()
    console = Console(file=io.StringIO(), force_terminal=False)
    with looking(console, write=lines.append, clock=lambda: now[0]) as progress:
        for time, messages in ((0.0, 9), (14.5, 8), (EVERY, 7), (16.0, 6), (29.5, 5), (2 * EVERY, 4), (99.0, 1)):
            now[0] = time
            progress(plan(messages))
    assert lines == [
        "looking for the smallest plan that does this: 1 fault, 7 messages so far",
        "looking for the smallest plan that does this: 1 fault, 4 messages so far",
        "looking for the smallest plan that does this: 1 fault, 1 message so far",
    ]


def test_on_a_terminal_it_is_shown_in_place() -> None:
    lines, out = list[str](), io.StringIO()
    with looking(Console(file=out, force_terminal=True, width=120), write=lines.append) as progress:
        progress(plan(2))
    assert "looking for the smallest plan" in out.getvalue()
    assert lines == []
