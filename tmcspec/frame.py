"""The frame codec: bytes to `Frame` and back, protocol versions 1 and 2.

Layout of version 2, all integers little-endian. One frame is one WebSocket binary message:

    version (1 byte) | message type (1 byte) | header* | 00 00

    header          type (2)   body
    END             0          none; what follows it is ignored
    CUSTOM          1          key (counted string), format (1 byte, `ValueType`), value
    STATUS_CODE     2          int32
    STATUS_PHRASE   3          counted string
    FLAG            4          int32
    TOKEN           5          counted string

    counted string: int32 length in bytes, then that much UTF-8. A byte array: the same, not text.

Version 1 has no byte array, and a quirk: its codec starts little-endian, and the first multi-byte number among the
custom values (Int16, Int32, Int64, Date) switches header types, lengths, status code and flag to big-endian for the
rest of the frame. The custom numbers themselves stay little-endian. (Observed: official Java codec of 2021.)

`decode` takes what the official Java decoder takes, and yields what it yields. Where that one raises, or allocates
whatever length the frame names, `decode` raises `FrameError`. What only a faulty writer writes is accepted and named in
`Frame.anomalies` (table `ANOMALY_KINDS`), and is refused when `strict`.

Why it is fast. A peer writes the same few kinds of frame over and over: same keys, same types, same order, only the
values differ. So the decoder learns shapes. From the end of one text to the length of the next, the bytes of a shape
are constants (headers, keys, formats) and numbers of known size: a stretch, which one precompiled Struct reads in one
call. When all constants are where they should be, the frame has that shape, and the values are at hand. Any doubt at
all, and the careful decoder (`frame_reader`) reads the frame from its first byte. So this decoder handles no errors
and finds no oddities, and a wrong guess costs time but never truth: wherever it answers, the careful one must answer
the same, and tests hold them together. What is learned comes from outside, so its number, fields and key lengths are
bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from struct import Struct
from struct import error as StructError
from typing import Any, Final, TypeAlias

from tmcspec.frame_reader import (
    ANOMALY_KINDS,
    ANOMALY_LIMIT,
    CUSTOM,
    FLAG,
    INT,
    NUMBERS,
    SHORT,
    STATUS_CODE,
    STATUS_PHRASE,
    TOKEN,
    FrameReader,
    make_frame,
)
from tmcspec.frame_values import (
    Anomaly,
    Field,
    FieldValue,
    Frame,
    FrameError,
    MessageType,
    ValueType,
    byte,
    date,
    int16,
    int32,
    int64,
    raw,
    show,
    string,
    void,
)

__all__ = [
    "ANOMALY_KINDS",
    "ANOMALY_LIMIT",
    "Anomaly",
    "Field",
    "FieldValue",
    "Frame",
    "FrameError",
    "MessageType",
    "ValueType",
    "byte",
    "date",
    "decode",
    "encode",
    "field_head",
    "int16",
    "int32",
    "int64",
    "raw",
    "string",
    "void",
]

_VOID, _STRING, _BYTES = ValueType.VOID, ValueType.STRING, ValueType.BYTES

# Bounds of what is remembered about frames: a few megabytes at the very worst. The key length is in characters.
_KEY_LENGTH: Final = 64
_KEYS: Final = 256
_SHAPES: Final = 64
_SHAPES_ALIKE: Final = 4
_SHAPE_FIELDS: Final = 32

_unpack_envelope: Final = Struct("<Hi").unpack_from
_pack_envelope: Final = Struct("<Hi").pack
_pack_start: Final = Struct("<BB").pack
_Unpack: TypeAlias = Callable[[bytes, int], tuple[Any, ...]]


def decode(data: bytes | bytearray | memoryview, *, strict: bool = False) -> Frame:
    """The frame in these bytes.

    Args:
        data: one whole frame: the payload of one WebSocket message. Any length; time and memory are linear in it.
        strict: refuse every anomaly (`ANOMALY_KINDS`), that is, whatever a correct writer does not write.

    Returns:
        The frame, with `anomalies` naming what was odd, in the order found, the first `ANOMALY_LIMIT` of them. A text
        value of length 0 becomes a void field, as in the official decoder; `content` is never None.

    Raises:
        FrameError: the bytes are not a frame; or, when strict, not one that a correct writer writes. Nothing else is
            raised, whatever the bytes.

    Example:
        >>> decode(bytes.fromhex("0201 0400 05000000 0000")).flag
        5
    """
    if type(data) is not bytes:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a frame is bytes, bytearray or memoryview, not {type(data).__name__}")
        data = bytes(data)
    try:
        frame = _decode_quick(data)
    except (IndexError, StructError, UnicodeDecodeError):  # shorter than any frame it knows, or not text
        frame = None
    if frame is None:
        frame = FrameReader(data, strict=strict).decode()
        if frame.version == 2 and not frame.anomalies:
            _learn(frame.content or ())
    return frame


def _decode_quick(data: bytes) -> Frame | None:
    """The frame, if it is one of version 2 with nothing odd, its envelope first, and custom fields of a known shape."""
    type_ = data[1]
    if data[0] != 2 or type_ > 3:
        return None
    status_code = flag = 0
    status_phrase = token = None
    pos = 2
    end = len(data) - 2
    while pos < end:
        header, number = _unpack_envelope(data, pos)
        if header == CUSTOM:
            break
        if number <= 0:
            return None
        pos += 6
        if header == TOKEN and token is None:
            token = data[pos : pos + number].decode()
            pos += number
        elif header == FLAG and not flag:
            flag = number
        elif header == STATUS_CODE and not status_code:
            status_code = number
        elif header == STATUS_PHRASE and status_phrase is None:
            status_phrase = data[pos : pos + number].decode()
            pos += number
        else:
            return None
    if pos == end and data[pos:] == b"\0\0":
        return make_frame(type_, 2, status_code, status_phrase, flag, token, (), ())
    # The first field's header, key and format in one slice. Only the low byte of the key's length is looked at: a
    # longer key makes a slice that no shape begins with.
    start = data[pos : pos + 7 + data[pos + 2]]
    for shape in _shapes.get(start, ()):
        values = _read_shape(shape, data, pos)
        if values is not None:
            # strict=True would double the time of this; _learn makes all three equally long
            content = tuple(zip(shape.keys, shape.types, values))  # noqa: B905
            return make_frame(type_, 2, status_code, status_phrase, flag, token, content, ())
    return None


@dataclass(frozen=True, slots=True)
class _Shape:
    """Custom fields without their values. A stretch is its reader, its size, and whether text follows it, or else
    bytes; it unpacks to constant, number, constant, number ... of which the last is the length of what follows. The
    tail is the stretch after the last text; it ends with one more constant, the end of the headers, and there the
    frame ends.
    """

    keys: tuple[str | None, ...]
    types: tuple[ValueType, ...]
    constants: list[bytes]
    stretches: tuple[tuple[_Unpack, int, bool], ...]
    tail: tuple[_Unpack, int]


# First bytes of the first field -> shapes that begin with it, the last learned first.
_shapes: Final[dict[bytes, tuple[_Shape, ...]]] = {}


def _read_shape(shape: _Shape, data: bytes, pos: int) -> list[Any] | None:
    """The values of custom fields of this shape, or None if they are not. Constants are compared last, all at once:
    until then numbers and lengths may be anything, but slices and Structs stay within the data.
    """
    items: list[Any] = []  # constant, value, constant, value ... constant
    try:
        for unpack, size, is_text in shape.stretches:
            items += unpack(data, pos)
            length = items[-1]
            if length <= 0:
                return None
            pos += size
            items[-1] = data[pos : pos + length].decode() if is_text else data[pos : pos + length]
            pos += length
        unpack, size = shape.tail
        items += unpack(data, pos)
    except (StructError, UnicodeDecodeError):
        return None
    if items[::2] != shape.constants or pos + size != len(data):
        return None
    return items[1::2]


def _learn(content: tuple[Field, ...]) -> None:
    """Remembers the shape of these fields, if it is one to remember. Void fields are not: no value stands in their
    place.
    """
    if not content or len(content) > _SHAPE_FIELDS:
        return
    if any(type_ is _VOID or len(key or "") > _KEY_LENGTH for key, type_, _ in content):
        return
    heads = [field_head(key, type_) for key, type_, _ in content]
    stretches = []
    format_ = "<"
    for head, (_, type_, _) in zip(heads, content, strict=True):
        format_ += f"{len(head)}s"
        if type_ in NUMBERS:
            format_ += NUMBERS[type_].format[1:]
        else:
            stretch = Struct(format_ + "i")
            stretches.append((stretch.unpack_from, stretch.size, type_ is _STRING))
            format_ = "<"
    tail = Struct(format_ + "2s")
    keys, types, _ = zip(*content, strict=True)
    shape = _Shape(keys, types, [*heads, b"\0\0"], tuple(stretches), (tail.unpack_from, tail.size))
    alike = _shapes.get(heads[0], ())
    if not alike and len(_shapes) >= _SHAPES:
        _shapes.clear()
    _shapes[heads[0]] = (shape, *alike[: _SHAPES_ALIKE - 1])


def field_head(key: str | None, type_: ValueType) -> bytes:
    """The first bytes of a field of version 2, up to its value: header type, key, format."""
    text = (key or "").encode()
    return _pack_envelope(CUSTOM, len(text)) + text + bytes([type_])


class _Writers(dict["str | None", Callable[..., bytes]]):
    """Key -> what packs the beginning of its field, for one value type: up to and with the number, or the length of
    what follows. Void fields have neither.
    """

    def __init__(self, type_: ValueType) -> None:
        self.type = type_
        self.number = NUMBERS[type_].format[1:] if type_ in NUMBERS else "" if type_ is _VOID else "i"

    def __missing__(self, key: str | None) -> Callable[..., bytes]:
        head = field_head(key, self.type)
        writer = partial(Struct(f"<{len(head)}s{self.number}").pack, head)
        if key is None or len(key) <= _KEY_LENGTH:
            if len(self) >= _KEYS:
                self.clear()
            self[key] = writer
        return writer


_WRITERS: Final = {type_: _Writers(type_) for type_ in ValueType}


def encode(frame: Frame) -> bytes:
    """The bytes of this frame, exactly as the official Java encoder writes them.

    Order: version, message type, status code (if greater than 0), status phrase (if not empty), flag (if greater than
    0), token (if not empty), custom fields in the order of `content`, end. Every version but 1 is written as 2.

    Raises:
        FrameError: a byte array in a frame of version 1, which has none.

    Example:
        >>> encode(Frame(type=MessageType.CONNECTACK, flag=5)).hex(" ", 2)
        '0201 0400 0500 0000 0000'
    """
    if frame.version == 1:
        return _encode_version_1(frame)
    parts = _encode_envelope(frame, 2)
    writers = _WRITERS
    strings = _WRITERS[_STRING]
    value: Any  # fits its type: the frame was checked when made
    for key, type_, value in frame.content or ():
        if type_ is _STRING:
            text = value.encode()
            parts.append(strings[key](len(text)))
            parts.append(text)
        elif type_ is _VOID:
            parts.append(writers[_VOID][key]())
        elif type_ is _BYTES:
            parts.append(writers[_BYTES][key](len(value)))
            parts.append(value)
        else:
            parts.append(writers[type_][key](value))
    parts.append(b"\0\0")
    return b"".join(parts)


def _encode_envelope(frame: Frame, version: int) -> list[bytes]:
    parts = [_pack_start(version, frame.type & 0xFF)]
    if frame.status_code > 0:
        parts.append(_pack_envelope(STATUS_CODE, frame.status_code))
    if frame.status_phrase:
        text = frame.status_phrase.encode()
        parts += _pack_envelope(STATUS_PHRASE, len(text)), text
    if frame.flag > 0:
        parts.append(_pack_envelope(FLAG, frame.flag))
    if frame.token:
        text = frame.token.encode()
        parts += _pack_envelope(TOKEN, len(text)), text
    return parts


def _encode_version_1(frame: Frame) -> bytes:
    parts = _encode_envelope(frame, 1)
    order = "<"
    value: Any
    for key, type_, value in frame.content or ():
        text = (key or "").encode()
        parts += SHORT[order].pack(CUSTOM), INT[order].pack(len(text)), text, bytes([type_])
        if type_ is _STRING:
            text = value.encode()
            parts += INT[order].pack(len(text)), text
        elif type_ is _BYTES:
            at = sum(map(len, parts)) - 1
            raise FrameError(at, f"field {show(key)}: protocol version 1 has no byte array; use version 2, or text")
        elif type_ is not _VOID:
            parts.append(NUMBERS[type_].pack(value))
            if type_ is not ValueType.BYTE:
                order = ">"
    parts.append(b"\0\0")
    return b"".join(parts)
