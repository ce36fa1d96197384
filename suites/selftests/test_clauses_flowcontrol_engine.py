"""FLW judges the engine of the fake service: it keeps to all of it, and engines with one defect are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_by_hand import World

from tmcspec.clauses import CLAUSES, judge_trace, meter
from tmcspec.events import Advanced
from tmcspec.flow import Flow, Valve
from tmcspec.timing import Timing
from tmcspec.trace import Trace

FLW = [clause for id, clause in CLAUSES.items() if id.startswith("FLW")]


class Run(World):
    """A service with clients that confirm everything, or nothing."""

    def __init__(self, flow: Flow | None = None, *, confirming: bool = True, **more: Any) -> None:
        super().__init__(flow=flow, timing=Timing(), **more)
        self.confirming = confirming

    def set_flow(self, value: int | None) -> None:
        """Sets a flow value and waits until it is in force."""
        self.console.set_flow("1", "default", value)
        self.until(self.now + 10.5)

    def put(self, count: int) -> None:
        for _ in range(count):
            self.produce()

    def until(self, end: float) -> None:
        """Lets time pass as a driver does, while the clients confirm what they get."""
        self.work()
        while (deadline := self.service.deadline()) is not None and deadline <= end:
            self.at(deadline)
            self.work()
        self.at(end)
        self.work()

    def work(self) -> None:
        for connection, push in self.pushes():
            if self.confirming:
                self.confirm(connection, push.id)

    def judged(self) -> dict[str, str]:
        """By clause, what it says of all that has happened."""
        return results(self)


def results(world: World) -> dict[str, str]:
    world.service.record(Advanced(seconds=0.0), now=world.now)
    trace = Trace(entries=tuple(world.recorder.entries), world="simulated")
    return {each.clause.id: each.result for each in judge_trace(trace, FLW)}


@contextmanager
def instead(**methods: Callable[..., Any]) -> Iterator[None]:
    """Valves that do something else."""
    with pytest.MonkeyPatch.context() as patch:
        for name, method in methods.items():
            patch.setattr(Valve, name, method)
        yield


# Scenes


def changing(flow: Flow | None = None) -> Run:
    """A backlog, and a flow value that is lowered, raised, and lifted."""
    run = Run(flow)
    for name in ("c1", "c2"):
        run.connected(name)
    run.set_flow(3)
    run.put(2500)
    run.until(run.now + 3)
    for value in (1, 4, None):
        run.set_flow(value)
        run.until(run.now + 4)
    return run


def steady(value: int, flow: Flow | None = None, *, clients: int = 1, seconds: float = 4.0) -> Run:
    """A backlog at one flow value."""
    run = Run(flow)
    for number in range(clients):
        run.connected(f"c{number}")
    run.set_flow(value)
    run.put(round((flow or Flow()).rate(value, clients=clients) * seconds) + 200)
    run.until(run.now + seconds)
    return run


def crowded() -> Run:
    run = Run()
    run.connected("c1")
    run.set_flow(1)
    run.put(10_400)
    run.until(run.now + 30)
    return run


def neglected() -> Run:
    run = Run()
    run.set_flow(1)
    run.put(400)
    run.until(run.now + 1900)
    run.connected("c1")
    run.until(run.now + 70)
    return run


def silent() -> Run:
    run = Run(confirming=False)
    run.connected("c1")
    run.set_flow(1)
    run.put(4000)
    run.until(run.now + 150)
    return run


# The engine as it is


@pytest.mark.parametrize("clients", [1, 3])
@pytest.mark.parametrize(("value", "seconds"), [(1, 12.0), (31, 1.5), (32, 1.5), (50, 1.5)])
def test_the_engine_keeps_its_rate(value: int, seconds: float, clients: int) -> None:
    assert steady(value, clients=clients, seconds=seconds).judged()["FLW-1"] == "pass"


@pytest.mark.parametrize(("value", "seconds"), [(1, 130.0), (20, 10.0), (32, 1.5)])
def test_the_engine_keeps_its_rate_in_the_literal_reading(value: int, seconds: float) -> None:
    assert steady(value, Flow(small_values="literal"), seconds=seconds).judged()["FLW-1"] == "pass"


def test_the_engine_holds_everything_back_with_value_0() -> None:
    run = Run()
    run.connected("c1")
    run.set_flow(0)
    run.put(10)
    run.until(run.now + 100)
    assert run.judged()["FLW-1"] == "pass"


@pytest.mark.parametrize(
    ("scene", "clause"), [(changing, "FLW-2"), (crowded, "FLW-3"), (neglected, "FLW-3"), (silent, "FLW-4")]
)
def test_the_engine_keeps_to_every_clause(scene: Callable[[], Run], clause: str) -> None:
    found = scene().judged()
    assert (found["FLW-1"], found[clause]) == ("pass", "pass")
    assert "violated" not in found.values()


def test_a_service_of_another_cluster_may_apply_values_sooner() -> None:
    assert "violated" not in changing(Flow(latency=1.0)).judged().values()


# Engines with one defect


def test_an_engine_without_a_limit_is_found() -> None:
    with instead(admits=lambda self, **at: True):
        assert steady(1).judged()["FLW-1"] == "violated"


@pytest.mark.parametrize("factor", [12, 36])
def test_an_engine_with_another_factor_is_found(factor: int) -> None:
    assert steady(4, Flow(factor=factor), seconds=20).judged()["FLW-1"] == "violated"


def test_an_engine_that_applies_values_too_late_is_found() -> None:
    assert changing(Flow(latency=12.0)).judged()["FLW-2"] == "violated"


def test_an_engine_that_never_applies_another_value_is_found() -> None:
    def set_once(self: Valve, value: int | None, *, now: float) -> None:
        if self.value(now=now) is None:
            self._changes.append((now, value))

    with instead(set=set_once):
        assert changing().judged()["FLW-2"] == "violated"


@pytest.mark.parametrize("scene", [crowded, neglected])
def test_an_engine_that_does_not_degrade_is_found(scene: Callable[[], Run]) -> None:
    with instead(share=lambda self, **at: 1.0):
        found = scene().judged()
    assert (found["FLW-1"], found["FLW-3"]) == ("pass", "violated")


def test_an_engine_that_does_not_throttle_is_found() -> None:
    with instead(share=lambda self, **at: 1.0):
        found = silent().judged()
    assert (found["FLW-1"], found["FLW-4"]) == ("pass", "violated")


def test_an_engine_that_degrades_for_no_reason_is_found() -> None:
    with instead(share=lambda self, **at: 0.3):
        assert steady(2, seconds=10).judged()["FLW-1"] == "violated"


# Any run

#: A backlog limit that a short run can exceed.
FEW = 60


@dataclass(frozen=True)
class Chance:
    """One step of a run, all of it in small numbers."""

    what: str
    number: int
    seconds: float


STEPS = st.builds(
    Chance,
    what=st.sampled_from(
        ["connect", "connect", "close", "put", "put", "put", "flow", "flow", "mode", "consume", "pull", "late", "drop"]
    ),
    number=st.integers(0, 9),
    seconds=st.sampled_from([0.0, 0.01, 0.5, 3.0, 10.0, 10.5, 30.0, 61.0, 100.0, 400.0, 1900.0]),
)


class AnyRun(World):
    """Whatever may happen to a queue. Clients confirm `share` of ten messages."""

    def __init__(self, flow: Flow, share: int) -> None:
        super().__init__(flow=flow, timing=Timing())
        self.share = share
        self.open: list[str] = []
        self.seen = 0
        self.unanswered: list[int] = []

    def play(self, step: Chance) -> None:
        getattr(self, f"do_{step.what}")(step.number)
        end = self.now + step.seconds
        self.work()
        while (deadline := self.service.deadline()) is not None and deadline <= end:
            self.at(deadline)
            self.work()
        self.at(end)
        self.work()

    def work(self) -> None:
        for connection, push in self.pushes():
            self.seen += 1
            if self.seen % 10 < self.share and connection in self.open:
                self.confirm(connection, push.id)
            elif self.seen % 10 == 9 and connection in self.open:
                self.fail(connection, push.id)
            else:
                self.unanswered.append(push.id or 0)

    def do_connect(self, number: int) -> None:
        self.open.append(self.connected(f"c{len(self.recorder.entries)}"))

    def do_close(self, number: int) -> None:
        if self.open:
            self.closed(self.open.pop(number % len(self.open)))

    def do_put(self, number: int) -> None:
        for _ in range((1, 5, 40, 150)[number % 4]):
            self.produce()

    def do_flow(self, number: int) -> None:
        self.console.set_flow("1", "default", (None, 0, 1, 1, 1, 2, 5, 31, 32, 40)[number])

    def do_mode(self, number: int) -> None:
        self.console.set_mode("1", "default", "pull" if number == 0 else "push")

    def do_consume(self, number: int) -> None:
        self.service.consume(10 * number + 10, app_key="1", group="default", now=self.now, request=1)

    def do_pull(self, number: int) -> None:
        if self.open:
            self.pull(self.open[number % len(self.open)])

    def do_late(self, number: int) -> None:
        if self.open:
            for message in self.unanswered[: 5 * number]:
                self.confirm(self.open[0], message)
            del self.unanswered[: 5 * number]

    def do_drop(self, number: int) -> None:
        if self.open:
            name = self.open.pop(number % len(self.open))
            self.service.disconnect(now=self.now, connection=name)
            self.closed(name)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=5, max_size=30),
    share=st.sampled_from([0, 1, 3, 9]),
    small_values=st.sampled_from(["formula", "literal"]),
    latency=st.sampled_from([0.0, 3.0, 10.0]),
)
def test_whatever_happens_the_engine_breaks_nothing(
    steps: list[Chance], share: int, small_values: Any, latency: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meter, "BACKLOG_LIMIT", FEW)
        run = AnyRun(Flow(small_values=small_values, latency=latency, backlog_limit=FEW), share)
        run.do_connect(0)
        run.do_flow(2)
        for step in steps:
            run.play(step)
        assert "violated" not in results(run).values()
