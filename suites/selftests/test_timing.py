"""What a cluster may be configured with."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from math import inf, nan

import pytest

from tmcspec import timing
from tmcspec.timing import Timing


def test_the_defaults_are_those_of_the_official_document() -> None:
    assert Timing() == Timing(confirm_timeout=60.0, redelivery_delay=360.0, retention=86400.0)


def test_the_official_limits_fit_each_other() -> None:
    assert timing.CONFIRM_TIMEOUT < timing.REDELIVERY_DELAY - timing.REDELIVERY_TOLERANCE
    assert timing.REDELIVERY_DELAY < timing.RETENTION


@pytest.mark.parametrize("bad", [0, -1.0, nan, inf, -inf])
@pytest.mark.parametrize("name", ["confirm_timeout", "redelivery_delay", "retention"])
def test_a_duration_that_is_not_positive_and_finite_is_refused_by_name(name: str, bad: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .*, not {bad!r}"):
        Timing(**{name: bad})


@pytest.mark.parametrize("bad", [-1.0, nan, inf])
def test_a_cache_that_lasts_for_ever_or_less_than_not_at_all_is_refused(bad: float) -> None:
    assert Timing(subscription_cache=0.0).subscription_cache == 0.0
    with pytest.raises(ValueError, match=rf"^subscription_cache must be 0 seconds or more and finite, not {bad!r}"):
        Timing(subscription_cache=bad)


def test_redelivery_before_the_confirm_timeout_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least confirm_timeout \(60\.0 seconds\) and finite, not 59\.9:"):
        Timing(redelivery_delay=59.9)


def test_the_shortest_allowed_durations() -> None:
    assert Timing(confirm_timeout=1e-9, redelivery_delay=1e-9, retention=1e-9).retention == 1e-9


def test_a_timing_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Timing().retention = 1.0  # type: ignore[misc]
