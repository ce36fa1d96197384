"""Service time: what it runs with, how it is moved by hand, and the last microsecond before a moment."""

from __future__ import annotations

import math

import async_solipsism
import pytest

from tmcfakes.clock import RESOLUTION, Clock


class Ticking:
    """A source of time that a test moves."""

    def __init__(self, time: float) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


def test_a_clock_starts_at_0_whatever_its_source_says() -> None:
    source = Ticking(86_400.0)
    clock = Clock(source)
    assert clock.now() == 0.0
    source.time += 2.5
    assert clock.now() == 2.5


def test_advancing_adds_to_the_running_time() -> None:
    source = Ticking(10.0)
    clock = Clock(source)
    clock.advance(360)
    source.time += 1.0
    clock.advance(0.5)
    assert clock.now() == 361.5


def test_a_manual_clock_moves_only_by_hand() -> None:
    clock = Clock.manual()
    assert not clock.runs
    assert clock.now() == clock.now() == 0.0
    clock.advance(60)
    assert clock.now() == 60.0


def test_a_real_clock_runs() -> None:
    clock = Clock.real()
    before = clock.now()
    assert clock.runs
    while clock.now() == before:
        pass
    assert clock.now() > before


def test_the_clock_of_a_virtual_loop_runs_with_the_loop() -> None:
    loop = async_solipsism.EventLoop()
    clock = Clock.of_loop(loop)
    loop.call_later(3600.0, loop.stop)
    loop.run_forever()
    loop.close()
    assert clock.now() == pytest.approx(3600.0)


@pytest.mark.parametrize("seconds", [-1, -1e-9, math.nan, math.inf, -math.inf])
def test_a_clock_cannot_be_advanced_by_nonsense(seconds: float) -> None:
    clock = Clock.manual()
    with pytest.raises(ValueError, match=f"0 or more and finite, not {seconds!r}"):
        clock.advance(seconds)
    assert clock.now() == 0.0


def test_listeners_are_told_in_order_after_the_clock_moved() -> None:
    clock = Clock.manual()
    told: list[tuple[str, float, float]] = []
    clock.listeners.append(lambda seconds: told.append(("first", seconds, clock.now())))
    clock.listeners.append(lambda seconds: told.append(("second", seconds, clock.now())))
    clock.advance(60)
    clock.advance(0)
    assert told == [("first", 60, 60.0), ("second", 60, 60.0), ("first", 0, 60.0), ("second", 0, 60.0)]


def test_a_moment_nearer_than_a_loop_can_time_has_come_and_time_does_not_go_back_behind_it() -> None:
    source = Ticking(0.0)
    clock = Clock(source)
    source.time = 360.0 - RESOLUTION / 2
    assert clock.reached(360.0)
    assert clock.now() == 360.0
    clock.advance(1.0)
    assert clock.now() == 361.0
    assert clock.reached(5.0)
    assert clock.now() == 361.0


def test_a_later_moment_has_not_come() -> None:
    clock = Clock.manual()
    assert not clock.reached(2 * RESOLUTION)
    assert clock.now() == 0.0
