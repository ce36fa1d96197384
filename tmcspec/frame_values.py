"""The values a frame is made of: `Frame`, its fields, and what can be wrong with one.

A TMC frame is one WebSocket binary message: a protocol version, a message type, an envelope (status code, status
phrase, flag, token) and custom fields. The codec between these values and bytes is in `tmcspec.frame`, which also
exports every name here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias


class MessageType(IntEnum):
    """The second byte of a frame: what the frame is for."""

    CONNECT = 0
    CONNECTACK = 1
    SEND = 2
    SENDACK = 3

    # A member equals its number, so it must hash like it: Frame(type=MessageType.SEND) and Frame(type=2) are one value.
    __hash__ = int.__hash__


class ValueType(IntEnum):
    """The format byte before the value of a custom field."""

    VOID = 0
    STRING = 1
    BYTE = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    DATE = 6
    BYTES = 7

    # As above; and the encoder looks members up in dictionaries for every field, where the enum's own hash is slow.
    __hash__ = int.__hash__


FieldValue: TypeAlias = "str | int | bytes | None"

# A plain triple, because a frame of production has thirteen of them and a named tuple takes five times as long to make.
# The type is part of it: a Byte 3 and an Int64 3 are different fields, and clients do depend on the difference (the
# official Java client casts: an `id` sent as Int32 is refused).
Field: TypeAlias = "tuple[str | None, ValueType, FieldValue]"

# All integers on the wire are signed (observed: official Java codec 2021; unsigned readers get negative ids wrong).
# Dates are epoch milliseconds in 64 bits.
INTEGER_RANGE: Final = {
    ValueType.BYTE: (-(2**7), 2**7 - 1),
    ValueType.INT16: (-(2**15), 2**15 - 1),
    ValueType.INT32: (-(2**31), 2**31 - 1),
    ValueType.INT64: (-(2**63), 2**63 - 1),
    ValueType.DATE: (-(2**63), 2**63 - 1),
}


class FrameError(ValueError):
    """Bytes that are not a frame, or a frame that its protocol version cannot write.

    Attributes:
        offset: where in the bytes it went wrong, counted from 0; when encoding, where the byte would have been written.
        reason: what is wrong there, in one line.
    """

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(offset, reason)
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"offset {self.offset}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something in the bytes of a frame that the official decoder accepts and a correct writer never writes.

    Attributes:
        kind: one of `ANOMALY_KINDS` in `tmcspec.frame`.
        offset: where it begins, counted in bytes from 0.
        detail: one line for people.
    """

    kind: str
    offset: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One TMC frame. Checked when made, frozen, hashable.

    Args:
        type: the message type, -128 to 255. Known ones are `MessageType`. One byte on the wire: 128 to 255 are
            written as such and, because the official decoder reads the byte signed, come back as -128 to -1.
        version: the protocol version, 0 to 255. 1 selects the old layout; all others are written as version 2
            (observed: official Java encoder 2021).
        status_code: a signed 32-bit integer. Written only when greater than 0.
        status_phrase: text, or None. Written unless it is empty.
        flag: a signed 32-bit integer that pairs an acknowledgement with its request. Written only when greater than 0.
        token: text, or None. Written unless it is empty.
        content: the custom fields in wire order, as a tuple of `(key, type, value)` made by `string()`, `int64()` and
            so on. Repeated keys and a None key are allowed. None means the same on the wire as an empty tuple.
        anomalies: what `decode` found odd. Not part of the comparison.

    Raises:
        ValueError: a member is out of its range or of a wrong type.

    Example:
        >>> frame = Frame(type=MessageType.SEND, token="t", content=(int64("id", 7), string("topic", "some_topic")))
        >>> frame.value("id")
        7
    """

    type: int
    version: int = 2
    status_code: int = 0
    status_phrase: str | None = None
    flag: int = 0
    token: str | None = None
    content: tuple[Field, ...] | None = None
    anomalies: tuple[Anomaly, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name, low, high in _MEMBER_RANGE:
            value = getattr(self, name)
            if not _is_integer(value) or not low <= value <= high:
                raise ValueError(f"{name} must be an integer from {low} to {high}, not {show(value)}")
        for name in ("status_phrase", "token"):
            value = getattr(self, name)
            if value is not None and not _is_text(value):
                raise ValueError(f"{name} must be text that UTF-8 can write, or None, not {show(value)}")
        if self.content is not None:
            if not isinstance(self.content, tuple):
                raise ValueError(f"content must be a tuple of fields, or None, not {show(self.content)}")
            for item in self.content:
                check_field(item)
        if not isinstance(self.anomalies, tuple) or not all(isinstance(anomaly, Anomaly) for anomaly in self.anomalies):
            raise ValueError(f"anomalies must be a tuple of Anomaly, not {show(self.anomalies)}")

    def get(self, key: str | None) -> Field | None:
        """The field with this key, or None. Of a repeated key the last one, as in the official decoder."""
        for item in reversed(self.content or ()):
            if item[0] == key:
                return item
        return None

    def value(self, key: str | None, default: FieldValue = None) -> FieldValue:
        """The value of the field with this key, or `default` when there is none. A void field has the value None."""
        item = self.get(key)
        return default if item is None else item[2]


_MEMBER_RANGE: Final = (
    ("type", -128, 255),
    ("version", 0, 255),
    ("status_code", -(2**31), 2**31 - 1),
    ("flag", -(2**31), 2**31 - 1),
)


def void(key: str | None) -> Field:
    """A field without a value: what the official client writes for null."""
    return check_field((key, ValueType.VOID, None))


def string(key: str | None, value: str) -> Field:
    """A text field. Empty text is written with length 0, which every reader takes for null."""
    return check_field((key, ValueType.STRING, value))


def byte(key: str | None, value: int) -> Field:
    """A signed 8-bit field, -128 to 127."""
    return check_field((key, ValueType.BYTE, value))


def int16(key: str | None, value: int) -> Field:
    """A signed 16-bit field."""
    return check_field((key, ValueType.INT16, value))


def int32(key: str | None, value: int) -> Field:
    """A signed 32-bit field."""
    return check_field((key, ValueType.INT32, value))


def int64(key: str | None, value: int) -> Field:
    """A signed 64-bit field.

    Raises:
        ValueError: the value is not an integer from -2**63 to 2**63 - 1.

    Example:
        >>> int64("id", 2**63 - 1)[2]
        9223372036854775807
    """
    return check_field((key, ValueType.INT64, value))


def date(key: str | None, epoch_ms: int) -> Field:
    """A point in time, in milliseconds since 1970-01-01T00:00Z; signed, 64 bits."""
    return check_field((key, ValueType.DATE, epoch_ms))


def raw(key: str | None, value: bytes) -> Field:
    """A byte-array field. Production sends long `content` so, compressed. Protocol version 1 has none."""
    return check_field((key, ValueType.BYTES, value))


def check_field(item: Field) -> Field:
    """Gives the field back, or says in a ValueError what is wrong with it."""
    if not isinstance(item, tuple) or len(item) != 3:
        raise ValueError(f"a field must be a tuple (key, type, value), not {show(item)}")
    key, type_, value = item
    if key is not None and not _is_text(key):
        raise ValueError(f"the key of a field must be text that UTF-8 can write, or None, not {show(key)}")
    if not isinstance(type_, ValueType):
        raise ValueError(f"field {show(key)}: the type must be a ValueType, not {show(type_)}")
    if type_ in INTEGER_RANGE:
        low, high = INTEGER_RANGE[type_]
        valid = _is_integer(value) and low <= value <= high  # type: ignore[operator]  # an integer, says the first half
        expected = f"an integer from {low} to {high}"
    elif type_ is ValueType.STRING:
        valid, expected = _is_text(value), "text that UTF-8 can write"
    elif type_ is ValueType.BYTES:
        valid, expected = isinstance(value, bytes), "bytes"
    else:
        valid, expected = value is None, "None"
    if not valid:
        raise ValueError(f"field {show(key)}: the value of type {type_.name} must be {expected}, not {show(value)}")
    return item


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    """Text without lone surrogates. The official Java encoder writes a question mark for those; silent damage is
    refused here.
    """
    if not isinstance(value, str):
        return False
    try:
        value.isascii() or value.encode()
    except UnicodeEncodeError:
        return False
    return True


def show(value: object, limit: int = 80) -> str:
    """The value for an error message, cut to `limit` characters: what is shown may be hostile, and long."""
    if isinstance(value, (str, bytes)):
        value = value[:limit]
    elif isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    elif isinstance(value, (list, tuple, dict, set)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
