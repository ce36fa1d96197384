"""Odd frames: pushes that no healthy service of today sends, and that a client has to cope with.

Each is a function from the ordinary push to the bytes that go out instead of it, for the `wire` of `Service.produce`.
The malformed ones, which no client can make sense of, are bytes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from tmcspec.frame import Field, Frame, byte, encode, int16, int32, raw, string, void
from tmcspec.messages import Push, gzipped

Wire: TypeAlias = Callable[[Push], bytes]

UNKNOWN_HEADER = bytes.fromhex("0900")
UNKNOWN_FORMAT = 9


def _written(push: Push, *, front: tuple[Field, ...] = (), without: str | None = None) -> Frame:
    """The frame of a push with more fields in front, and without one."""
    frame = push.to_frame()
    content = tuple(field for field in frame.content or () if field[0] != without)
    return replace(frame, content=(*front, *content))


def with_field(field: Field) -> Wire:
    """An additional field in front of all others, so that a client that loses its place there loses everything."""
    return lambda push: encode(_written(push, front=(field,)))


def small_data_id(make: Callable[[str, int], Field]) -> Wire:
    """The field `dataid` in a narrower format than an id has."""

    def wire(push: Push) -> bytes:
        assert push.data_id is not None
        frame, small = push.to_frame(), make("dataid", push.data_id)
        content = tuple(small if field[0] == "dataid" else field for field in frame.content or ())
        return encode(replace(frame, content=content))

    return wire


def gzip_content(push: Push) -> bytes:
    """Content as a ByteArray that is gzip of UTF-8."""
    assert isinstance(push.content, str)
    return encode(replace(push, content=gzipped(push.content)).to_frame())


def void_content(push: Push) -> bytes:
    """A field `content` whose value is Void."""
    return encode(_written(push, front=(void("content"),), without="content"))


def without_content(push: Push) -> bytes:
    """No field `content` at all."""
    return encode(_written(push, without="content"))


def without_id(push: Push) -> bytes:
    """No field `id`, so that the message has no name to confirm it by."""
    return encode(_written(push, without="id"))


def fields_reversed(push: Push) -> bytes:
    """The same fields, the last one first."""
    frame = push.to_frame()
    return encode(replace(frame, content=(frame.content or ())[::-1]))


def unknown_header(push: Push) -> bytes:
    """A header of an unknown type, without a body, before all others."""
    data = encode(push.to_frame())
    return data[:2] + UNKNOWN_HEADER + data[2:]


def unknown_format(push: Push) -> bytes:
    """A field in an unknown format, whose value is a counted string, in front of all others."""
    data = encode(_written(push, front=(string("novelty", "of tomorrow"),)))
    at = data.index(b"novelty") + len(b"novelty")
    return data[:at] + bytes([UNKNOWN_FORMAT]) + data[at + 1 :]


def trailing_bytes(push: Push) -> bytes:
    """Bytes behind the end of headers."""
    return encode(push.to_frame()) + b"\xde\xad\xbe\xef"


#: By name, what writes a field in a format that is smaller than an id.
SMALL_INTEGERS: dict[str, Callable[[str, int], Field]] = {"byte": byte, "int16": int16, "int32": int32}

#: A field for each format that production pushes do not use.
RARE_FIELDS: dict[str, Field] = {
    "void": void("spec_void"),
    "int16": int16("spec_int16", -258),
    "int32": int32("spec_int32", -70_000),
    "bytes": raw("spec_bytes", b"\x00\x01\xff"),
    "no_bytes": raw("spec_bytes", b""),
}

#: Fields that nobody knows, two of them named like parts of the envelope.
UNKNOWN_FIELDS: dict[str, Field] = {
    "string": string("spec_novelty", "of tomorrow"),
    "named_flag": string("flag", "7"),
    "named_messageType": string("messageType", "1"),
}

#: What no client can make sense of. The official client closes the connection on each and comes back.
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "one_byte": b"\x02",
    "garbage": bytes(range(1, 64)),
    "no_end_of_headers": bytes.fromhex("0202040001000000"),
    "truncated_key": bytes.fromhex("02020100050000006162"),
    "string_longer_than_frame": bytes.fromhex("02020100010000006b01640000006162630000"),
    "string_of_1_gib": bytes.fromhex("02020100010000006b0100000040610000"),
    "bytes_of_negative_length": bytes.fromhex("02020100010000006b07ffffffff0000"),
}
