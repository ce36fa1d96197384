"""The careful frame decoder: everything the official decoder accepts, and what is odd about it.

This is the specification of decoding. `tmcspec.frame` has a quicker decoder before it, for frames like those it has
seen.
"""

from __future__ import annotations

import codecs
from struct import Struct
from typing import Any, Final

from tmcspec.frame_values import Anomaly, Field, Frame, FrameError, ValueType, show

# What `decode` accepts because the official decoder does, and refuses when strict because no correct writer writes it.
# These are not odd:
# - headers in any order: the official writers put custom fields last, PHP ones before status and flag;
# - a text value of length 0: how the official writers write "";
# - a status phrase of length 0: how the official Java writer writes an empty phrase that was computed (it compares by
#   reference).
ANOMALY_KINDS: Final = {
    "unknown-version": "the version byte is neither 1 nor 2; read as version 2",
    "unknown-type": "the message type is not 0 to 3; kept",
    "unknown-header": "the header type is not 0 to 5; its two bytes are skipped, a body it may have is read as headers",
    "unknown-format": "the format byte of a custom field is none of its version's; read as a counted string",
    "non-positive-length": "a length is negative, or a token has length 0; read as null",
    "non-positive-number": "a status code or flag is written though it is not greater than 0; kept",
    "invalid-utf8": "text is not UTF-8; the faulty bytes are replaced by U+FFFD",
    "duplicate": "a key or an envelope header comes twice; the later one counts (`Frame.content` keeps both)",
    "empty-key": "the key of a custom field has length 0; read as null",
    "trailing-bytes": "bytes follow the end of the headers; ignored",
}

# A frame of nothing but oddities would otherwise cost a hundred times its size in memory. The first ones tell enough.
ANOMALY_LIMIT: Final = 100

# A million fields fit into a few megabytes of frame, and take up a few hundred of memory. The official decoder takes
# them; no service or client writes more than some twenty.
FIELD_LIMIT: Final = 50_000

CUSTOM, STATUS_CODE, STATUS_PHRASE, FLAG, TOKEN = 1, 2, 3, 4, 5
_ENVELOPE: Final = {STATUS_CODE: "status code", STATUS_PHRASE: "status phrase", FLAG: "flag", TOKEN: "token"}

# Value types with a number in them. Always little-endian, in both versions.
NUMBERS: Final = {
    ValueType.BYTE: Struct("<b"),
    ValueType.INT16: Struct("<h"),
    ValueType.INT32: Struct("<i"),
    ValueType.INT64: Struct("<q"),
    ValueType.DATE: Struct("<q"),
}
# Header types and 32-bit integers by byte order, which version 1 switches.
SHORT: Final = {"<": Struct("<H"), ">": Struct(">H")}
INT: Final = {"<": Struct("<i"), ">": Struct(">i")}


class FrameReader:
    """The decoder that knows everything. `pos` is always the first byte not yet read."""

    def __init__(self, data: bytes, *, strict: bool) -> None:
        self.data = data
        self.strict = strict
        self.pos = 0
        self.order = "<"
        self.version = 2
        self.anomalies: list[Anomaly] = []
        self.fields: list[Field] = []
        self.envelope: dict[int, Any] = {}

    def decode(self) -> Frame:
        version = self.take(1, "the version")[0]
        type_ = NUMBERS[ValueType.BYTE].unpack(self.take(1, "the message type"))[0]
        self.version = 1 if version == 1 else 2
        if version not in (1, 2):
            self.odd("unknown-version", 0, f"version {version}, known are 1 and 2")
        if not 0 <= type_ <= 3:
            self.odd("unknown-type", 1, f"message type {type_}, known are 0 to 3")
        keys: set[str | None] = set()
        while header := self.header_type():
            start = self.pos - 2
            if header == CUSTOM:
                key = self.custom_field(start)
                if key in keys:
                    self.odd("duplicate", start, f"the key {show(key)} comes again")
                keys.add(key)
            elif header in _ENVELOPE:
                self.envelope_header(header, start)
            else:
                self.odd("unknown-header", start, f"header type {header}, known are 0 to 5")
        if self.pos < len(self.data):
            self.odd("trailing-bytes", self.pos, f"{len(self.data) - self.pos} bytes after the end of the headers")
        return make_frame(
            type_,
            self.version,
            self.envelope.get(STATUS_CODE, 0),
            self.envelope.get(STATUS_PHRASE),
            self.envelope.get(FLAG, 0),
            self.envelope.get(TOKEN),
            tuple(self.fields),
            tuple(self.anomalies),
        )

    def odd(self, kind: str, offset: int, detail: str) -> None:
        if self.strict:
            raise FrameError(offset, f"{kind}: {detail}")
        if len(self.anomalies) < ANOMALY_LIMIT:
            self.anomalies.append(Anomaly(kind=kind, offset=offset, detail=detail))

    def take(self, count: int, what: str) -> bytes:
        """The next bytes. The only place where bytes are read, so the only one that can run out of them."""
        piece = self.data[self.pos : self.pos + count]
        if len(piece) < count:
            raise FrameError(self.pos, f"truncated: {what} needs {count} bytes, {len(piece)} are left")
        self.pos += count
        return piece

    def header_type(self) -> int:
        number: int = SHORT[self.order].unpack(self.take(2, "a header type"))[0]
        return number

    def int32(self, what: str) -> int:
        number: int = INT[self.order].unpack(self.take(4, what))[0]
        return number

    def counted_string(self, what: str) -> tuple[str | None, int]:
        """Text and its length; None for every length up to 0, as in the official decoder."""
        start = self.pos
        length = self.int32(f"the length of {what}")
        if length < 0:
            self.odd("non-positive-length", start, f"{what} has length {length}")
        if length <= 0:
            return None, length
        piece = self.take(length, what)
        try:
            return piece.decode(), length
        except UnicodeDecodeError as error:
            self.odd("invalid-utf8", start + 4 + error.start, f"{what}: {error.reason}")
            return piece.decode(errors=_LIKE_JAVA), length

    def envelope_header(self, header: int, start: int) -> None:
        what = f"the {_ENVELOPE[header]}"
        if header in self.envelope:
            self.odd("duplicate", start, f"{what} comes again")
        if header in (STATUS_CODE, FLAG):
            number = self.envelope[header] = self.int32(what)
            if number <= 0:
                self.odd("non-positive-number", start, f"{what} is {number}, written only when greater than 0")
        else:
            self.envelope[header], length = self.counted_string(what)
            if header == TOKEN and length == 0:
                self.odd("non-positive-length", start + 2, f"{what} has length 0, written only when it is not empty")

    def custom_field(self, start: int) -> str | None:
        if len(self.fields) >= FIELD_LIMIT:
            raise FrameError(start, f"more than {FIELD_LIMIT} custom fields")
        key, length = self.counted_string("a key")
        if length == 0:
            self.odd("empty-key", start, "the key has length 0")
        what = f"the value of {show(key)}"
        format_ = self.take(1, "a value format")[0]
        number = NUMBERS.get(format_)  # type: ignore[call-overload]  # members equal and hash like their numbers
        if number is not None:
            self.fields.append((key, ValueType(format_), number.unpack(self.take(number.size, what))[0]))
            if self.version == 1 and number.size > 1:
                self.order = ">"
        elif format_ == ValueType.VOID:
            self.fields.append((key, ValueType.VOID, None))
        elif format_ == ValueType.BYTES and self.version == 2:
            at = self.pos
            length = self.int32(f"the length of {what}")
            if length < 0:
                # The official decoder raises here too, unlike for a negative length of text.
                raise FrameError(at, f"{what} is a byte array of negative length {length}")
            self.fields.append((key, ValueType.BYTES, self.take(length, what)))
        else:
            if format_ != ValueType.STRING:
                self.odd("unknown-format", self.pos - 1, f"{what} has format {format_}")
            text, _ = self.counted_string(what)
            self.fields.append((key, ValueType.VOID if text is None else ValueType.STRING, text))
        return key


# Bytes that are not UTF-8 become U+FFFD. Python and Java agree on how many, except for an encoded surrogate (ED
# A0..BF): one replacement in Java, which takes it for one bad character, and one a byte in Python. (Observed: JDK 17.)
_LIKE_JAVA: Final = "tmcspec.replace-like-java"


def _replace_like_java(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    rest = error.object[error.start : error.start + 3]
    if rest[0] == 0xED and len(rest) > 1 and 0xA0 <= rest[1] <= 0xBF:
        return "\ufffd", error.start + (3 if len(rest) == 3 and 0x80 <= rest[2] <= 0xBF else 2)
    return "\ufffd", error.end


codecs.register_error(_LIKE_JAVA, _replace_like_java)


class _Draft:
    """A frame that can still be written to, for decoders: what they make is valid by construction."""

    __slots__ = tuple(Frame.__slots__)
    type: int
    version: int
    status_code: int
    status_phrase: str | None
    flag: int
    token: str | None
    content: tuple[Field, ...]
    anomalies: tuple[Anomaly, ...]


def make_frame(
    type_: int,
    version: int,
    status_code: int,
    status_phrase: str | None,
    flag: int,
    token: str | None,
    content: tuple[Field, ...],
    anomalies: tuple[Anomaly, ...],
) -> Frame:
    """A Frame without its checks. Python lets an object change to a class with the same slots, and that is five times
    as fast as setting the members of a frozen one.
    """
    draft = _Draft()
    draft.type = type_
    draft.version = version
    draft.status_code = status_code
    draft.status_phrase = status_phrase
    draft.flag = flag
    draft.token = token
    draft.content = content
    draft.anomalies = anomalies
    draft.__class__ = Frame  # type: ignore[assignment]
    return draft  # type: ignore[return-value]
