"""A world in one event loop: time that costs nothing, and runs that are a function of their seed."""

from __future__ import annotations

import asyncio
import time

import async_solipsism
import pytest

from tmcfakes.simulation import EPOCH_MS, simulate


def test_time_begins_at_zero_and_costs_nothing() -> None:
    async def a_year() -> tuple[float, float]:
        began = asyncio.get_running_loop().time()
        for _ in range(365 * 24):
            await asyncio.sleep(3600)
        return began, asyncio.get_running_loop().time()

    assert simulate(a_year) == (0.0, 365 * 24 * 3600)


def test_what_is_due_first_happens_first() -> None:
    async def race() -> list[float]:
        order: list[float] = []

        async def runner(delay: float) -> None:
            await asyncio.sleep(delay)
            order.append(delay)

        await asyncio.gather(*(runner(delay) for delay in (3.0, 0.001, 86_000.0, 1.0)))
        return order

    assert simulate(race) == [0.001, 1.0, 3.0, 86_000.0]


def test_a_sleep_of_a_day_with_nothing_else_to_do_is_for_ever() -> None:
    async def a_day() -> None:
        await asyncio.sleep(24 * 3600)

    with pytest.raises(async_solipsism.SleepForeverError):
        simulate(a_day)


def test_an_exception_comes_out_of_the_world() -> None:
    async def fall() -> None:
        await asyncio.sleep(1)
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        simulate(fall)


def test_a_world_in_which_everybody_waits_for_ever_ends_with_an_error() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(async_solipsism.SleepForeverError):
        simulate(wait)


def test_tasks_that_are_left_over_end_with_their_world() -> None:
    ended = []

    async def leave() -> None:
        async def linger() -> None:
            try:
                await asyncio.sleep(1e6)
            finally:
                ended.append(True)

        task = asyncio.create_task(linger())
        await asyncio.sleep(1)
        assert not task.done()

    simulate(leave)
    assert ended == [True]


def test_no_world_within_a_world() -> None:
    async def outer() -> None:
        async def inner() -> None: ...

        with pytest.raises(RuntimeError, match="call it from outside"):
            simulate(inner)

    simulate(outer)


def test_wall_clock_times_of_a_simulated_run_look_like_times() -> None:
    assert time.gmtime(EPOCH_MS / 1000)[:6] == (2026, 1, 1, 0, 0, 0)


def test_what_a_world_gives_back_is_never_printed_on_the_way() -> None:
    printed = []

    class WholeTrace:
        def __repr__(self) -> str:
            printed.append(self)
            return "seconds of work"

    async def work() -> WholeTrace:
        return WholeTrace()

    simulate(work)
    assert not printed
