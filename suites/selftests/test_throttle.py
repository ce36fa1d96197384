"""The call limit of the gateway."""

from __future__ import annotations

import doctest

import pytest

import tmcfakes.throttle
from tmcfakes.throttle import Throttle


def test_the_example_of_the_docstring_runs() -> None:
    assert doctest.testmod(tmcfakes.throttle).failed == 0


def test_a_call_too_many_is_banned_until_the_second_is_over() -> None:
    throttle = Throttle(2)
    moments = (10.0, 10.9, 10.99, 11.0, 11.5, 11.5, 12.0)
    assert [throttle.ban("a", "m", now=now) for now in moments] == [0, 0, 1, 0, 0, 1, 0]


def test_each_app_and_each_method_is_counted_by_itself() -> None:
    throttle = Throttle(1)
    calls = [("a", "m"), ("b", "m"), ("a", "n"), ("a", "m")]
    assert [throttle.ban(app, method, now=0.0) for app, method in calls] == [0, 0, 0, 1]


def test_without_a_limit_nobody_is_banned() -> None:
    throttle = Throttle(None)
    assert {throttle.ban("a", "m", now=0.0) for _ in range(1000)} == {0}


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_1_or_more(limit: int) -> None:
    with pytest.raises(ValueError, match=f"calls_per_second must be 1 or more, or None for no limit, not {limit}"):
        Throttle(limit)
