"""The parameters of API methods: declared once, read from text, and refused with words that help.

All arguments come as text (files as bytes). One with an empty value counts as absent, because it is not signed. What
comes beside the declared ones is not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tmcspec import ids, top
from tmcspec.frame_values import show

#: Values of a list that an error message shows.
SHOWN = 10

_WHOLE = re.compile(r"-?[0-9]{1,19}")


class Refused(Exception):
    """A call is refused; `failure` says why."""

    def __init__(self, failure: top.Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class _Wrong(ValueError):
    """A value is not a valid one; the text shows what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What the value of a parameter may be.

    Args:
        valid: the valid values, in words.
        read: makes of the text what the method works with; raises _Wrong.
        file: whether it is a file, and `read` gets its bytes.
    """

    valid: str
    read: Callable[[Any], Any]
    file: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a method.

    Args:
        name: as the page of the API calls it.
        kind: what its value may be.
        required: whether a call without it is refused.
        default: what the method works with when it is absent.
    """

    name: str
    kind: Kind
    required: bool = False
    default: Any = None


def read(parameters: Sequence[Parameter], texts: Mapping[str, str], files: Mapping[str, bytes]) -> dict[str, Any]:
    """The arguments of a method, each as its kind makes it, or its default.

    Raises:
        Refused: a required one is missing (told before any that is wrong, inferred), or the first that is wrong.

    Example:
        >>> read([Parameter(name="quantity", kind=whole(10, 200), default=100)], {}, {})
        {'quantity': 100}
    """
    for parameter in parameters:
        if parameter.required and not texts.get(parameter.name):
            raise Refused(top.missing(parameter.name))
    return {parameter.name: _value(parameter, texts, files) for parameter in parameters}


def refusal(name: str, told: str) -> Refused:
    """The argument `name` is not valid, which `told` says in full."""
    # The same codes as `top.invalid`, which has other words.
    return Refused(top.failure(41, f"isv.invalid-parameter:{name}", told, about=name))


def _value(parameter: Parameter, texts: Mapping[str, str], files: Mapping[str, bytes]) -> Any:
    name, kind = parameter.name, parameter.kind
    if kind.file:
        if texts.get(name):
            raise refusal(name, f"{name} is text; valid: {kind.valid}")
        value: str | bytes | None = files.get(name)
    else:
        value = texts.get(name)
    if not value:
        return parameter.default
    try:
        return kind.read(value)
    except _Wrong as wrong:
        raise refusal(name, f"{name} is {wrong}; valid: {kind.valid}") from None


# Kinds


def text(limit: int) -> Kind:
    """Text of at most so many characters."""

    def read(value: str) -> str:
        if len(value) > limit:
            raise _Wrong(f"{show(value[:20])}… of {len(value)} characters")
        # Out of JSON, half of a surrogate pair may come.
        if not _is_text(value):
            raise _Wrong(f"{show(value)}, which UTF-8 cannot write")
        return value

    return Kind(valid=f"1 to {limit} characters", read=read)


def whole(low: int, high: int) -> Kind:
    """A whole number."""

    def read(value: str) -> int:
        # int() alone would take underscores, blanks and the digits of other scripts.
        if not _WHOLE.fullmatch(value) or not low <= int(value) <= high:
            raise _Wrong(show(value))
        return int(value)

    return Kind(valid=f"a whole number from {low} to {high}", read=read)


def names(limit: int, *, each: int = 256) -> Kind:
    """Names, joined by commas: at most `limit`, of at most `each` characters."""

    def read(value: str) -> tuple[str, ...]:
        found = _split(value, limit)
        for name in found:
            if not 1 <= len(name) <= each:
                raise _Wrong(f"a list with {show(name)} in it")
        return found

    return Kind(valid=f"1 to {limit} names of 1 to {each} characters, joined by commas", read=read)


def message_ids(limit: int) -> Kind:
    """Ids of messages, joined by commas: decimal digits, and a minus sign where one belongs. What else there is, is
    what a reader makes of an id that it lost digits of (S62), and each of those is shown.
    """

    def read(value: str) -> tuple[int, ...]:
        found = _split(value, limit)
        wrong = [id for id in found if not _WHOLE.fullmatch(id) or not ids.MINIMUM <= int(id) <= ids.MAXIMUM]
        if wrong:
            more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            raise _Wrong(f"a list with {', '.join(map(show, wrong[:SHOWN]))}{more} in it")
        return tuple(map(int, found))

    return Kind(valid=f"1 to {limit} signed 64-bit integers in decimal digits, joined by commas", read=read)


def one_of(*choices: str) -> Kind:
    """One of these."""

    def read(value: str) -> str:
        if value not in choices:
            raise _Wrong(show(value))
        return value

    return Kind(valid=", ".join(choices), read=read)


def flag() -> Kind:
    """True or false."""

    def read(value: str) -> bool:
        if value not in ("true", "false"):
            raise _Wrong(show(value))
        return value == "true"

    return Kind(valid="true, false", read=read)


def file(limit: int) -> Kind:
    """A file of at most so many bytes. What is in it is not looked at."""

    def read(value: bytes) -> bytes:
        if len(value) > limit:
            raise _Wrong(f"a file of {len(value)} bytes")
        return value

    return Kind(valid=f"a file of 1 to {limit} bytes", read=read, file=True)


def objects(limit: int) -> Kind:
    """A JSON array of objects, at most `limit`. Their members come as text, as arguments do."""

    def read(value: str) -> tuple[dict[str, str], ...]:
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            raise _Wrong(f"{show(value)}, which is not JSON") from None
        if not isinstance(found, list) or not 1 <= len(found) <= limit:
            raise _Wrong(f"{show(found)} in JSON")
        return tuple(_members(each) for each in found)

    return Kind(valid=f"a JSON array of 1 to {limit} objects, whose members are text or whole numbers", read=read)


def _members(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _Wrong(f"an array with {show(value)} in it")
    members = {}
    for name, member in value.items():
        if isinstance(member, bool) or not isinstance(member, str | int | None):
            raise _Wrong(f"an array with an object in it whose {show(name)} is {show(member)}")
        members[name] = "" if member is None else str(member)
    return members


def _split(value: str, limit: int) -> tuple[str, ...]:
    count = value.count(",") + 1
    if count > limit:
        raise _Wrong(f"a list of {count}")
    return tuple(value.split(","))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


#: Where a nick is from. The page of the API names these three.
PLATFORMS: Final = one_of("tbUIC", "icbu", "ae")
