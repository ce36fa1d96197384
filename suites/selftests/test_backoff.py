"""How long the client waits before it tries to connect again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.client.backoff import Backoff


@given(failures=st.integers(0, 10_000), seed=st.integers())
def test_a_wait_is_never_shorter_than_the_minimum_nor_longer_than_its_ceiling(failures: int, seed: int) -> None:
    backoff = Backoff(minimum=1.0, base=2.0, cap=30.0)
    assert 1.0 <= backoff.delay(failures, random.Random(seed)) <= backoff.ceiling(failures) <= 30.0


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(minimum=1.0, base=2.0, cap=30.0)
    assert [backoff.ceiling(failures) for failures in range(7)] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_waits_are_spread_over_the_whole_range() -> None:
    rng = random.Random(7)
    waits = sorted(Backoff().delay(10, rng) for _ in range(1000))
    assert waits[0] < 2.0
    assert waits[-1] > 29.0
    assert 14.0 < waits[500] < 17.0


def test_the_same_seed_gives_the_same_waits() -> None:
    first, second = random.Random(3), random.Random(3)
    assert [Backoff().delay(n, first) for n in range(9)] == [Backoff().delay(n, second) for n in range(9)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"minimum": 0.0}, "minimum must be more than 0 seconds, not 0.0"),
        ({"minimum": float("nan")}, "minimum must be more than 0"),
        ({"minimum": 3.0}, r"base must be at least minimum \(3.0 seconds\), not 2.0"),
        ({"cap": 1.0}, r"cap must be at least base \(2.0 seconds\), not 1.0"),
        ({"settled": -1.0}, "settled must be 0 seconds or more, not -1.0"),
    ],
)
def test_durations_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Backoff(**arguments)
