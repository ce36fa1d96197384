"""How the HTTP gateway writes points in time."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmcspec.top import read_timestamp, timestamp

# The first and the last second that four digits of year can name, in GMT+8.
FIRST = -62135596800000 - 8 * 3600 * 1000
LAST = 253402300799000 - 8 * 3600 * 1000


def test_the_time_zone_is_eight_hours_ahead_of_greenwich() -> None:
    assert timestamp(0) == "1970-01-01 08:00:00"
    assert read_timestamp("1970-01-01 08:00:00") == 0


def test_the_recorded_request_of_the_official_client_was_made_when_it_says() -> None:
    assert read_timestamp("2026-11-23 23:49:52") == 1795448992000


@given(st.integers(FIRST, LAST + 999))
@example(FIRST)
@example(LAST + 999)
@example(-1)
def test_what_is_written_is_read_as_the_second_that_had_begun(now_ms: int) -> None:
    assert read_timestamp(timestamp(now_ms)) == now_ms // 1000 * 1000


@pytest.mark.parametrize("now_ms", [FIRST - 1, LAST + 1000, 2**63, -(2**300)])
def test_other_years_cannot_be_written(now_ms: int) -> None:
    with pytest.raises(ValueError, match="must be in the years 1 to 9999, not "):
        timestamp(now_ms)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T23:49:52",
        "2026-11-23 23:49",
        "2026-11-23 23:49:52.0",
        "2026-11-23 23:49:52 ",
        " 2026-11-23 23:49:52",
        "2026-11-23 23:49:52\n",
        "2026-11-23  23:49:52",
        "2026-11-23 23:49:52+08:00",
        "2026-11-23 3:49:52",
        "20261123234952",
        "26-11-23 23:49:52",
        "1795448992000",
        "２０２６-11-23 23:49:52",
    ],
)
def test_another_spelling_is_no_timestamp(text: str) -> None:
    assert read_timestamp(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29 00:00:00",
        "2026-13-01 00:00:00",
        "2026-00-01 00:00:00",
        "2026-01-00 00:00:00",
        "0000-01-01 00:00:00",
        "2026-01-01 24:00:00",
        "2026-01-01 00:60:00",
        "2026-01-01 00:00:60",
    ],
)
def test_a_day_or_time_that_does_not_exist_is_no_timestamp(text: str) -> None:
    assert read_timestamp(text) is None


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", fullmatch=True))
def test_what_is_read_is_written_alike(text: str) -> None:
    read = read_timestamp(text)
    assert read is None or timestamp(read) == text
