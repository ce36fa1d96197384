"""Whether two contents are the same: what was sent, and what a handler was shown of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def same_content(sent: str | None, got: str | None) -> bool:
    """Whether a client was given the content that was sent.

    A library may hand JSON over parsed, and its adapter writes it down again: then the value counts, not the text. It
    counts exactly. A library that makes 1 of `true`, a double of a long number, or one member of two of the same name
    has lost something, though many languages call the results equal.

    Absent and empty content are not told apart on the wire (the official codec reads an empty string as null).

    Example:
        >>> same_content('{"a": 1, "b": 2.50}', '{"b":2.5,"a":1}')
        True
        >>> same_content('{"a": 1}', '{"a": true}')
        False
    """
    if (sent or "") == (got or ""):
        return True
    try:
        return bool(_value(sent or "") == _value(got or ""))
    except (ValueError, ArithmeticError, RecursionError):
        return False


def _value(text: str) -> Any:
    """A JSON value whose equality is exact. Raises ValueError, ArithmeticError or RecursionError."""
    return json.loads(text, parse_int=_integer, parse_float=_fraction, object_pairs_hook=_members)


# A number is a tuple, which no other JSON value is, so that 1 is not true. A decimal is as exact as its text, and takes
# ten thousand digits as well.
def _integer(digits: str) -> tuple[str, Decimal]:
    return "integer", Decimal(digits)


def _fraction(digits: str) -> tuple[str, Decimal]:
    return "fraction", Decimal(digits)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any] | tuple[tuple[str, Any], ...]:
    """The order of members does not count, unless one is there twice: readers differ in which one they take."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else tuple(pairs)
