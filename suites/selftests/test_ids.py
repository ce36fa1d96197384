"""64-bit ids and their lossy readings."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.ids import (
    MAXIMUM,
    MINIMUM,
    READINGS,
    as_double,
    as_int32,
    as_smallest,
    as_uint64,
    misreadings,
    neighbours,
    signed,
)
from tmcspec.ids import check as check_id

ids = st.integers(MINIMUM, MAXIMUM)


@given(ids)
def test_every_signed_64_bit_integer_is_an_id(value: int) -> None:
    assert check_id(value) == value


@pytest.mark.parametrize("value", [MINIMUM - 1, MAXIMUM + 1, 10**400, -(10**400)])
def test_a_number_outside_of_64_bits_is_no_id(value: int) -> None:
    with pytest.raises(ValueError, match=r"is not a signed 64-bit integer"):
        check_id(value)


@pytest.mark.parametrize(
    ("reading", "value", "read"),
    [
        # Of production's size: doubles there are 512 apart.
        ("double", 2**61 + 255, 2**61),
        ("double", 2**53 + 1, 2**53),
        ("double", -(2**53) - 1, -(2**53)),
        ("double", MAXIMUM, 2**63),
        ("int32", 2**32 + 5, 5),
        ("int32", 2**31, -(2**31)),
        ("uint64", -5, 18446744073709551611),
        ("udouble", -5, 2**64),
        ("udouble", 2**53 + 1, 2**53),
        ("wrapped", -5, 0),
        ("wrapped", 2**63 - 1, -(2**63)),
        ("smallest", 200, -56),
        ("smallest", 40000, 40000 - 2**16),
        ("smallest", 2**31, -(2**31)),
    ],
)
def test_a_lossy_reading_gives_what_was_seen(reading: str, value: int, read: int) -> None:
    assert READINGS[reading](value) == read
    assert misreadings(value)[reading] == read


@pytest.mark.parametrize("value", [0, 1, 127])
def test_small_ids_survive_every_reading(value: int) -> None:
    assert misreadings(value) == {}


@given(ids)
def test_misreadings_are_the_readings_that_differ(value: int) -> None:
    found = misreadings(value)
    assert value not in found.values()
    assert all(READINGS[name](value) == value for name in READINGS.keys() - found.keys())


@given(ids)
def test_readings_agree_with_the_machine(value: int) -> None:
    bits = struct.pack("<q", value)
    assert as_uint64(value) == struct.unpack("<Q", bits)[0]
    assert as_int32(value) == struct.unpack("<i", bits[:4])[0]
    assert as_double(value) == struct.unpack("<d", struct.pack("<d", value))[0]
    assert signed(value, 64) == value
    assert as_smallest(value) in {
        struct.unpack(form, bits[: struct.calcsize(form)])[0] for form in ("<b", "<h", "<i", "<q")
    }


@given(ids, st.sampled_from(sorted(READINGS)))
def test_neighbours_differ_and_both_are_valid(value: int, reading: str) -> None:
    other = READINGS[reading](value)
    if other == value or not MINIMUM <= other <= MAXIMUM:
        with pytest.raises(ValueError, match=r"survives being read as|is not a signed 64-bit integer"):
            neighbours(value, reading)
        return
    assert neighbours(value, reading) == (value, other)
    assert check_id(other) != check_id(value)


@given(ids)
def test_an_unsigned_reading_has_no_neighbours(value: int) -> None:
    with pytest.raises(ValueError, match=r"survives" if value >= 0 else "is not a signed"):
        neighbours(value, "uint64")


def test_an_unknown_reading_is_refused_with_the_valid_ones() -> None:
    with pytest.raises(ValueError, match=r"'float'; valid: double, int32, uint64, udouble, wrapped, smallest"):
        neighbours(1, "float")


def test_neighbours_of_a_number_that_is_no_id_are_refused() -> None:
    with pytest.raises(ValueError, match=r"is not a signed 64-bit integer"):
        neighbours(2**64, "double")
