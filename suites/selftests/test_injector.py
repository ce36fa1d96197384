"""Schedules become faults at their times, and the trace says when each began and when it was over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from test_fake import connect_frame
from websockets.asyncio.client import connect

from tmcfakes import faults
from tmcfakes.fake import FakeTmc
from tmcfakes.faults import PlannedFault, Schedule
from tmcfakes.injector import detail
from tmcfakes.simulation import simulate
from tmcspec.events import Advanced, Fault, FlowSet, Healed
from tmcspec.trace import Entry

Told = list[tuple[float, str, str]]


def injected(*planned: PlannedFault, then: Callable[[FakeTmc], Awaitable[None]] | None = None) -> list[Entry]:
    """The trace of a service on which these faults are, for a minute or for as long as `then` takes."""

    async def scenario() -> list[Entry]:
        async with FakeTmc() as tmc:
            tmc.inject(Schedule(faults=planned))
            await (then(tmc) if then else asyncio.sleep(60))
            return list(tmc.recorder.entries)

    return simulate(scenario)


def told(entries: list[Entry]) -> Told:
    """When faults began and were over."""
    return [
        (entry.time, entry.event.word, f"{entry.event.name} {entry.event.target or '*'} {entry.event.detail}".rstrip())
        for entry in entries
        if isinstance(entry.event, Fault | Healed)
    ]


def test_a_fault_that_lasts_begins_and_ends_at_its_times() -> None:
    entries = injected(faults.Latency(at=10, duration=20, delay=0.5, target="client-1"))
    assert told(entries) == [
        (10, "fault", "latency client-1 duration=20 delay=0.5"),
        (30, "healed", "latency client-1 duration=20 delay=0.5"),
    ]


def test_faults_happen_in_the_order_of_their_times_whatever_that_of_the_schedule() -> None:
    entries = injected(faults.Down(at=20, duration=5), faults.StopReading(at=10, duration=30), faults.SilentAccept())
    assert told(entries) == [
        (0, "fault", "silent_accept *"),
        (10, "fault", "stop_reading * duration=30"),
        (20, "fault", "down * duration=5"),
        (25, "healed", "down * duration=5"),
        (40, "healed", "stop_reading * duration=30"),
    ]


def test_a_jump_of_the_service_clock_moves_no_fault() -> None:
    entries = injected(faults.ClockJump(at=10, seconds=1000), faults.Down(at=20, duration=5))
    assert told(entries) == [
        (10, "fault", "clock_jump * seconds=1000"),
        (1020, "fault", "down * duration=5"),
        (1025, "healed", "down * duration=5"),
    ]
    assert [entry.event.seconds for entry in entries if isinstance(entry.event, Advanced)] == [1000]


def test_what_degrades_the_service_is_told_and_taken_back() -> None:
    entries = injected(faults.Degrade(at=10, duration=20, flow=2))
    values = [(entry.time, entry.event.value) for entry in entries if isinstance(entry.event, FlowSet)]
    assert values == [(10, 2), (30, None)]
    assert [word for _, word, _ in told(entries)] == ["fault", "healed"]


def jitter(schedule: Schedule, *, seed: int = 0, before: int = 0) -> float:
    """How long it takes to connect by a slow network, after so many times that it was slow before."""

    async def scenario() -> float:
        async with FakeTmc(seed=seed) as tmc:
            for _ in range(before):
                tmc.inject(schedule)
                tmc.heal()
            tmc.inject(schedule)
            loop = asyncio.get_running_loop()
            began = loop.time()
            async with connect(tmc.url, proxy=None):
                return loop.time() - began

    return simulate(scenario)


SLOW = faults.Latency(delay=1.0, jitter=0.9)


def test_what_a_fault_draws_by_chance_follows_from_the_seed_of_its_schedule_alone() -> None:
    one, two = Schedule(faults=(SLOW,), seed=1), Schedule(faults=(SLOW,), seed=2)
    assert jitter(one) == jitter(one, seed=7) == jitter(one, before=3)
    assert jitter(one) != jitter(two)


def test_what_is_no_schedule_is_refused_and_one_is_shown() -> None:
    with FakeTmc() as tmc, pytest.raises(TypeError, match=r"as Schedule\(faults=\(Down\(\),\)\), not as "):
        tmc.inject([faults.Down()])  # type: ignore[arg-type]


def test_what_has_acted_for_the_last_time_is_not_there_any_more() -> None:
    async def story(tmc: FakeTmc) -> None:
        assert [fault.name for fault in tmc.faults.active] == ["drop", "no_connectack", "down"]
        async with connect(tmc.url, proxy=None) as client:
            await client.send(connect_frame())
            await asyncio.sleep(1)
        assert [fault.name for fault in tmc.faults.active] == ["drop", "down"]

    injected(faults.Drop(frame="push"), faults.NoConnectack(), faults.Down(target="client-9"), then=story)


def test_healing_ends_what_lasts_and_lets_nothing_more_begin() -> None:
    async def heal(tmc: FakeTmc) -> None:
        await asyncio.sleep(15)
        assert [fault.name for fault in tmc.faults.active] == ["drop", "down"]
        assert [fault.name for fault in tmc.faults.waiting] == ["abort", "latency"]
        tmc.heal()
        assert (tmc.faults.active, tmc.faults.waiting) == ((), ())
        await asyncio.sleep(100)

    planned = [faults.Down(at=10), faults.Drop(frame="push"), faults.Abort(at=20), faults.Latency(at=30, delay=1)]
    assert told(injected(*planned, then=heal)) == [(10, "fault", "down *"), (15, "healed", "down *")]


def test_a_service_that_stops_ends_its_faults() -> None:
    async def scenario() -> Told:
        async with FakeTmc() as tmc:
            tmc.inject(Schedule(faults=(faults.Down(duration=100), faults.Abort(at=50))))
            await asyncio.sleep(1)
        await asyncio.sleep(100)
        return told(list(tmc.recorder.entries))

    assert simulate(scenario) == [(0, "fault", "down * duration=100"), (1, "healed", "down * duration=100")]


def test_a_fake_in_a_thread_of_its_own_takes_faults_from_any_thread() -> None:
    with FakeTmc() as tmc:
        tmc.inject(Schedule(faults=(faults.Down(),)))
        assert tmc.wait_for(Fault).event.name == "down"
        tmc.heal()
        assert tmc.wait_for(Healed).event.name == "down"


def test_there_are_no_faults_for_a_service_that_does_not_run() -> None:
    with pytest.raises(RuntimeError, match="does not run"):
        FakeTmc().inject(Schedule())
    with pytest.raises(RuntimeError, match="does not run"):
        FakeTmc().heal()


def test_the_detail_of_a_fault_has_what_is_not_as_usual() -> None:
    assert detail(faults.Abort(at=5, target="client-1")) == ""
    assert detail(faults.Drop(frame="push", count=3)) == "frame=push count=3"
