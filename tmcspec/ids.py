"""64-bit ids, and what careless readers make of them.

Outgoing ids (the field `id` of a push) are signed 64-bit integers; production's have 19 digits, above 2^60. Readers
that lose part of one then confirm a message that does not exist, or somebody else's:
确认消息outgoingId long型精度丢失, 导致无法正常确认 (S62).

Each reading below is a loss seen in a published client:

    double      a JSON number, or two 32-bit halves summed in floating point (JavaScript, PHP 32-bit): 53 bits of
                precision
    int32       truncated to the low 32 bits, signed
    uint64      the bits are right, the sign is not: -5 becomes 18446744073709551611
    udouble     both at once, as the handler sees it: -5 becomes 18446744073709551616 (the Node SDK)
    wrapped     the same, when it is written back as 64 bits: -5 becomes 0
    smallest    written back in the smallest width that holds the value without its sign, then read as signed there:
                200 goes out as a Byte and comes back as -56
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

MINIMUM = -(2**63)
MAXIMUM = 2**63 - 1


def check(value: int) -> int:
    """Gives back a valid id. Raises ValueError for a number outside the signed 64-bit range."""
    if not MINIMUM <= value <= MAXIMUM:
        raise ValueError(f"{value} is not a signed 64-bit integer ({MINIMUM} to {MAXIMUM})")
    return value


def signed(value: int, bits: int) -> int:
    """The low `bits` bits of `value`, read as two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def as_double(value: int) -> int:
    """Through an IEEE 754 double."""
    return int(float(value))


def as_int32(value: int) -> int:
    """Through a signed 32-bit integer."""
    return signed(value, 32)


def as_uint64(value: int) -> int:
    """Through an unsigned 64-bit integer."""
    return value & (2**64 - 1)


def as_udouble(value: int) -> int:
    """Without its sign, through an IEEE 754 double."""
    return int(float(as_uint64(value)))


def as_wrapped(value: int) -> int:
    """Without its sign, through an IEEE 754 double, and back into 64 bits."""
    return signed(as_udouble(value), 64)


def as_smallest(value: int) -> int:
    """Written in the smallest width that holds the unsigned value, read back signed."""
    value = as_uint64(value)
    bits = next(width for width in (8, 16, 32, 64) if value < 1 << width)
    return signed(value, bits)


READINGS: dict[str, Callable[[int], int]] = {
    "double": as_double,
    "int32": as_int32,
    "uint64": as_uint64,
    "udouble": as_udouble,
    "wrapped": as_wrapped,
    "smallest": as_smallest,
}


# Many judges ask it of the same ids, one after the other.
@lru_cache(maxsize=16_384)
def misreadings(value: int) -> Mapping[str, int]:
    """The lossy readings of `value` that differ from it, by name.

    Example:
        >>> misreadings(2**53 + 1)["double"]
        9007199254740992
    """
    return MappingProxyType({name: read for name, reading in READINGS.items() if (read := reading(value)) != value})


def neighbours(value: int, reading: str) -> tuple[int, int]:
    """`value` and the id that a client with this `reading` confirms instead; both are valid ids, and they differ.

    The harm of a lossy reading needs both to be pending: then the confirm settles a message that nobody handled. There
    are none for `uint64`: what it makes of a negative id is outside the signed range, of any other id the id itself.

    Raises:
        ValueError: unknown reading, or `value` survives it, or what it becomes is not a valid id.
    """
    if reading not in READINGS:
        raise ValueError(f"unknown reading {reading!r}; valid: {', '.join(READINGS)}")
    other = READINGS[reading](check(value))
    if other == value:
        raise ValueError(f"{value} survives being read as {reading}")
    return value, check(other)
