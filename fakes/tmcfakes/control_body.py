"""What callers of the control API send: JSON objects and queries, bounded, and checked member by member.

Whatever is wrong is a `Complaint`, which names the member, shows its value and says what would be valid.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, get_args

from tmcspec.flow import VALUE_LIMIT, Mode
from tmcspec.json_text import unique
from tmcspec.routing import GROUP_NAME_LIMIT, TOPIC_NAME_LIMIT, Environment

#: Bytes of a body. Production takes contents of 122,880 characters, and JSON may make six bytes of one.
BODY_LIMIT = 4 * 2**20

#: Characters of an app key or a nick; production says nothing of them.
NAME_LIMIT = 256

#: Names in one list.
LIST_LIMIT = 1000

#: Messages that one call produces.
COUNT_LIMIT = 100_000

#: Seconds that one call may be about: a month. Every six minutes of it, each unconfirmed message is pushed again.
SECONDS_LIMIT = 31 * 24 * 3600

#: Characters that are shown of a value that is wrong.
SHOWN_LIMIT = 100

_WRONG: Final = object()


class Complaint(Exception):
    """Why a call is refused: an HTTP status, and the text for who called."""

    def __init__(self, text: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Kind:
    """What a member may be.

    Args:
        valid: the words for it.
        read: makes what the handler gets of what came; `_WRONG` when that is not valid.
    """

    valid: str
    read: Callable[[Any], Any]


def parse(body: bytes) -> dict[str, Any]:
    """The object in a body; that of an empty one is empty.

    Raises:
        Complaint: it is not one JSON object in UTF-8, a member is repeated, a number is none, or it is nested too deep.
    """
    if not body:
        return {}
    try:
        value = json.loads(body.decode(), object_pairs_hook=unique, parse_constant=_refuse, parse_float=_float)
    except RecursionError:
        raise Complaint("the body is nested too deep") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are some
        raise Complaint(f"the body is not JSON in UTF-8: {error}") from None
    if not isinstance(value, dict):
        raise Complaint(f"the body must be a JSON object, not {shown(value)}")
    return value


def check(given: Mapping[str, Any], kinds: Mapping[str, Kind], *, needed: Collection[str] = ()) -> dict[str, Any]:
    """The members of a body or a query, as the handler gets them. One that may be left out is None then, and may be
    null for that.

    Raises:
        Complaint: one is unknown, missing, or not what it must be.
    """
    for name in given:
        if name not in kinds:
            raise Complaint(f"unknown member {shown(name)}; valid: {', '.join(kinds) or 'none'}")
    return {name: _member(given, name, kind, needed=name in needed) for name, kind in kinds.items()}


def value_of(name: str, value: Any, kind: Kind) -> Any:
    """One value, as the handler gets it. Raises Complaint."""
    read = kind.read(value)
    if read is _WRONG:
        raise Complaint(f'"{name}" is {shown(value)}; valid: {kind.valid}')
    return read


def shown(value: Any) -> str:
    """The beginning of a value, as JSON has it."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return "something nested too deep"
    return text if len(text) <= SHOWN_LIMIT else f"{text[:SHOWN_LIMIT]}… ({len(text)} characters)"


def _member(given: Mapping[str, Any], name: str, kind: Kind, *, needed: bool) -> Any:
    if name in given and (needed or given[name] is not None):
        return value_of(name, given[name], kind)
    if needed:
        raise Complaint(f'"{name}" is missing; valid: {kind.valid}')
    return None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:SHOWN_LIMIT]} is too large a number")
    return number


# The readers


def _name(limit: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        return value if isinstance(value, str) and 1 <= len(value) <= limit and _is_text(value) else _WRONG

    return read


def _integer(low: int, high: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # For Python true is 1.
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        return _WRONG

    return read


def _id(value: Any) -> Any:
    """Ids are decimal strings, because JSON readers round numbers above 2^53 (S62); a writer that does not may write
    them as integers.
    """
    if isinstance(value, str):
        digits = value.removeprefix("-")
        # int() alone would accept underscores, spaces and other scripts' digits, and takes its time for long ones.
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            return _WRONG
        value = int(value)
    return _integer(-(2**63), 2**63 - 1)(value)


def _seconds(least: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= SECONDS_LIMIT:
            return _WRONG
        return _WRONG if value == 0 and least == "more than 0" else float(value)

    return read


def _one_of(*choices: str) -> Kind:
    valid = " or ".join(f'"{choice}"' for choice in choices)
    return Kind(valid, lambda value: value if value in choices else _WRONG)


def _bool(value: Any) -> Any:
    return value if isinstance(value, bool) else _WRONG


def _content(value: Any) -> Any:
    """Text as it is, and what is written compactly where JSON stands for it."""
    if isinstance(value, dict | list):
        try:
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except RecursionError:
            return _WRONG
    return value if value is None or (isinstance(value, str) and _is_text(value)) else _WRONG


def _topics(value: Any) -> Any:
    if value is None:
        return None
    names = [_TOPIC(name) for name in value] if isinstance(value, list) and len(value) <= LIST_LIMIT else [_WRONG]
    return _WRONG if _WRONG in names else names


def _flow(value: Any) -> Any:
    return None if value is None else _integer(0, VALUE_LIMIT)(value)


def _sequence(value: Any) -> Any:
    """Of a query, where all is text."""
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else _WRONG


def _is_text(value: str) -> bool:
    """Whether UTF-8 can write it: JSON lets in half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_TOPIC = _name(TOPIC_NAME_LIMIT)

NAME = Kind(f"a string of 1 to {NAME_LIMIT} characters", _name(NAME_LIMIT))
GROUP = Kind(f"a string of 1 to {GROUP_NAME_LIMIT} characters", _name(GROUP_NAME_LIMIT))
TOPIC = Kind(f"a string of 1 to {TOPIC_NAME_LIMIT} characters", _TOPIC)
TOPICS = Kind(f"an array of at most {LIST_LIMIT} names of topics, or null for all", _topics)
CONTENT = Kind("a string, an object or array that stands for its JSON, or null for none", _content)
ID = Kind("a signed 64-bit integer as a decimal string", _id)
COUNT = Kind(f"an integer from 1 to {COUNT_LIMIT}", _integer(1, COUNT_LIMIT))
BOOL = Kind("true or false", _bool)
ENVIRONMENT = _one_of(*get_args(Environment))
MODE = _one_of(*get_args(Mode))
FLOW = Kind(f"an integer from 0 to {VALUE_LIMIT}, or null for no limit", _flow)
FAULTS = Kind("an array of faults", lambda value: value if isinstance(value, list) else _WRONG)
SEED = Kind("a signed 64-bit integer", _integer(-(2**63), 2**63 - 1))
SECONDS = Kind(f"a number of seconds from 0 to {SECONDS_LIMIT}", _seconds("0"))
DURATION = Kind(f"a number of seconds, more than 0 and at most {SECONDS_LIMIT}", _seconds("more than 0"))
SEQUENCE = Kind("a whole number, 0 or more", _sequence)
