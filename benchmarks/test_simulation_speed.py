"""How long a simulated day takes, and how that grows: four clients, random faults, all clauses judged.

Seconds of CPU, since the machine does other things, too; beside them, as a reference in the same run, those of a fixed
piece of Python that does nothing of ours.
"""

from __future__ import annotations

import itertools
import logging
import time
from math import log

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tmcfakes.collector import calm
from tmcspec.clauses import judge_trace
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.play import play

#: Messages of a day: a quarter, the usual number, and four times that.
SIZES = (1_200, 4_800, 19_200)
SEED = 7


def reference() -> float:
    """Seconds of CPU for a million turns of a loop that calls and adds."""
    began = time.process_time()
    total = 0
    for number in range(1_000_000):
        total += abs(number)
    return time.process_time() - began


def day(messages: int) -> tuple[float, float, int]:
    """Seconds of CPU to play a day, and to judge it; and its events."""
    plan = draw_plan(SEED, hours=24, clients=4, messages=messages)
    began = time.process_time()
    trace = play(plan, subject_of("reference"))
    played = time.process_time()
    judge_trace(trace)
    return played - began, time.process_time() - played, len(trace.entries)


@pytest.mark.benchmark(group="simulation")
def test_a_simulated_day(benchmark: BenchmarkFixture) -> None:
    logging.getLogger("tmcspec").addHandler(logging.NullHandler())
    calm()  # as the command does
    took: dict[int, float] = {}

    def days() -> None:
        for size in SIZES:
            unit = reference()
            played, judged, events = day(size)
            took[size] = played + judged
            print(
                f"\n{size:6} messages: {played:.1f} s played and {judged:.1f} s judged of CPU, {events} events; "
                f"{took[size] / unit:.0f} times a million calls"
            )

    benchmark.pedantic(days, rounds=1)
    for small, large in itertools.pairwise(SIZES):
        linear = large / small
        print(
            f"from {small} to {large} messages: {took[large] / took[small]:.2f} times; n log n is "
            f"{linear * log(large) / log(small):.2f}"
        )
