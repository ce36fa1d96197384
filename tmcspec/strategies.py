"""Hypothesis strategies for frames, for fuzzing any TMC codec: yours, too.

    from hypothesis import given
    from tmcspec import strategies
    from tmcspec.frame import encode

    @given(strategies.frames())
    def test_my_codec_reads_what_the_official_one_writes(frame):
        assert my_decode(encode(frame)).token == frame.token

    @given(strategies.mutated())
    def test_my_codec_survives_damaged_frames(data):
        try:
            my_decode(data)
        except MyDecodeError:
            pass

`st.binary()` alone is a weak fuzzer of this format: nearly every random string fails at the second header. `mutated`
begins with real frames and damages them where it hurts: lengths, header types, formats, the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import pack
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tmcspec.frame import Field, FieldValue, Frame, ValueType, encode
from tmcspec.frame_values import INTEGER_RANGE

# Keys that the service and the clients use, so that drawn frames get past a reader's first look-ups.
PRODUCTION_KEYS: Final = (
    *("topic", "userid", "__kind", "publisher", "retried", "content", "id", "data_id", "time", "nick", "dataid"),
    *("born_time", "outtime", "app_key", "group_name", "timestamp", "sign", "msg"),
)

# What readers get wrong: beyond 2**53 doubles round, beyond 2**31 and 2**32 bitwise operators cut, negative is read
# unsigned.
_TELLING_INTEGERS: Final = tuple(
    sign * (2**power + step)
    for power in (0, 7, 8, 15, 16, 31, 32, 53, 62, 63)
    for step in (-1, 0, 1)
    for sign in (1, -1)
)

_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_PLAIN_TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def fields(*, types: Sequence[ValueType] = tuple(ValueType), regular: bool = True) -> SearchStrategy[Field]:
    """Custom fields, `(key, type, value)`.

    Args:
        types: the value types to draw from. Leave out `ValueType.BYTES` for protocol version 1, which has none.
        regular: only what survives a round trip: no empty or None key, no empty text. False: everything a `Frame` may
            hold.

    Example:
        >>> from hypothesis import find
        >>> find(fields(types=[ValueType.BYTE]), lambda field: field[2] < 0)[2]
        -1
    """
    text = _PLAIN_TEXT if regular else _TEXT
    keys: SearchStrategy[str | None] = st.sampled_from(PRODUCTION_KEYS) | text
    if not regular:
        keys = keys | st.none()
    return st.one_of([st.tuples(keys, st.just(type_), _values(type_, text)) for type_ in types])


def _values(type_: ValueType, text: SearchStrategy[str]) -> SearchStrategy[FieldValue]:
    if type_ in INTEGER_RANGE:
        low, high = INTEGER_RANGE[type_]
        telling = [number for number in _TELLING_INTEGERS if low <= number <= high]
        return st.sampled_from(telling) | st.integers(low, high)
    if type_ is ValueType.STRING:
        return text
    if type_ is ValueType.BYTES:
        return st.binary(max_size=60)
    return st.none()


def frames(*, versions: Sequence[int] = (2, 1), max_fields: int = 14, regular: bool = True) -> SearchStrategy[Frame]:
    """Frames.

    Args:
        versions: the protocol versions to draw from; shrinks to the first.
        max_fields: the most custom fields in a frame, at least 0.
        regular: only frames that a correct writer makes: known message type, no repeated or empty key, nothing that
            is not written. Those survive: `decode(encode(frame), strict=True) == frame`. False: everything a `Frame`
            may hold; some of those `encode` refuses (byte arrays in version 1).

    Example:
        >>> from hypothesis import find
        >>> find(frames(), lambda frame: frame.flag > 0).flag
        1
    """
    make = _regular_frames if regular else _any_frames
    return st.one_of([make(version, max_fields) for version in versions])


def _regular_frames(version: int, max_fields: int) -> SearchStrategy[Frame]:
    types = [type_ for type_ in ValueType if version != 1 or type_ is not ValueType.BYTES]
    return st.builds(
        Frame,
        type=st.integers(0, 3),
        version=st.just(version),
        status_code=st.integers(0, 2**31 - 1),
        status_phrase=st.none() | _PLAIN_TEXT,
        flag=st.integers(0, 2**31 - 1),
        token=st.none() | _PLAIN_TEXT,
        content=st.lists(fields(types=types), max_size=max_fields, unique_by=lambda field: field[0]).map(tuple),
        anomalies=st.just(()),
    )


def _any_frames(version: int, max_fields: int) -> SearchStrategy[Frame]:
    return st.builds(
        Frame,
        type=st.integers(-128, 255),
        version=st.just(version),
        status_code=st.integers(-(2**31), 2**31 - 1),
        status_phrase=st.none() | _TEXT,
        flag=st.integers(-(2**31), 2**31 - 1),
        token=st.none() | _TEXT,
        content=st.none() | st.lists(fields(regular=False), max_size=max_fields).map(tuple),
        anomalies=st.just(()),
    )


def mutated(base: SearchStrategy[Frame] | None = None, *, max_mutations: int = 3) -> SearchStrategy[bytes]:
    """Bytes of frames, damaged: cut short, lengths corrupted, bits flipped, header types and formats replaced, pieces
    repeated, removed, or taken from another frame.

    Args:
        base: the frames to damage; `encode` must take them. Small regular frames of both versions when not given.
        max_mutations: how many injuries at most, at least 1. Few are better: each tends to hide the next.

    Example:
        >>> from hypothesis import find
        >>> from tmcspec.frame import FrameError, decode
        >>> def refused(data):
        ...     try:
        ...         decode(data)
        ...     except FrameError:
        ...         return True
        >>> len(find(mutated(), refused)) < 8
        True
    """
    return _mutated(_SMALL_FRAMES if base is None else base, st.integers(1, max_mutations))


_SMALL_FRAMES: Final = frames(max_fields=4)


@st.composite
def _mutated(draw: DrawFn, whole: SearchStrategy[Frame], mutations: SearchStrategy[int]) -> bytes:
    frame = draw(whole)
    data = encode(frame)
    # Lengths first: their places are known only while the frame is whole.
    lengths = _length_offsets(frame)
    if lengths:
        mutate_length = draw(st.sampled_from([_keep_length, _corrupt_length, _hollow]))
        data = mutate_length(draw, data, draw(st.sampled_from(lengths)))
    for _ in range(draw(mutations)):
        mutate = draw(st.sampled_from(_MUTATIONS))
        data = mutate(draw, data, whole)
    return data


def _length_offsets(frame: Frame) -> list[int]:
    """Where the encoded frame has its lengths: of phrase, token, keys, texts and byte arrays."""
    found = []
    pos = 2
    for text, written in (
        (None, frame.status_code > 0),
        (frame.status_phrase, bool(frame.status_phrase)),
        (None, frame.flag > 0),
        (frame.token, bool(frame.token)),
    ):
        if written and text is not None:
            found.append(pos + 2)
        if written:
            pos += 6 + len((text or "").encode())
    for key, type_, value in frame.content or ():
        found.append(pos + 2)
        pos += 7 + len((key or "").encode())
        if isinstance(value, str | bytes):
            found.append(pos)
            pos += 4 + len(value.encode() if isinstance(value, str) else value)
        elif type_ is not ValueType.VOID:
            pos += INTEGER_RANGE[type_][1].bit_length() // 8 + 1
    return found


def _keep_length(draw: DrawFn, data: bytes, at: int) -> bytes:
    return data


def _hollow(draw: DrawFn, data: bytes, at: int) -> bytes:
    """Length 0, and what had that length is gone: an empty key, token, text."""
    old = int.from_bytes(data[at : at + 4], "little")
    return data[:at] + bytes(4) + data[at + 4 + old :]


def _corrupt_length(draw: DrawFn, data: bytes, at: int) -> bytes:
    left = len(data) - at - 4
    old = int.from_bytes(data[at : at + 4], "little", signed=True)
    length = draw(st.sampled_from([0, -1, -(2**31), 2**31 - 1, 2**30, left, left + 1, old + 1, old - 1, old + 256]))
    order = draw(st.sampled_from("<>"))
    return data[:at] + pack(f"{order}i", max(-(2**31), min(length, 2**31 - 1))) + data[at + 4 :]


_Whole = SearchStrategy[Frame]


def _truncate(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _flip_bit(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    at = draw(st.integers(0, max(0, 8 * len(data) - 1)))
    return data[: at // 8] + bytes(byte ^ 1 << at % 8 for byte in data[at // 8 : at // 8 + 1]) + data[at // 8 + 1 :]


def _small_number(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    """Another header type or value format, if it hits one: those are small numbers."""
    at = draw(st.integers(0, len(data)))
    return data[:at] + bytes([draw(st.integers(0, 9))]) + data[at + 1 :]


def _splice(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    other = encode(draw(whole))
    return data[: draw(st.integers(0, len(data)))] + other[draw(st.integers(0, len(other))) :]


def _repeat(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
    return data[:end] + data[start:]


def _remove(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    start, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
    return data[:start] + data[end:]


def _append(draw: DrawFn, data: bytes, whole: _Whole) -> bytes:
    return data + draw(st.binary(min_size=1, max_size=20))


_MUTATIONS: Final[tuple[Callable[[DrawFn, bytes, _Whole], bytes], ...]] = (
    _truncate,
    _flip_bit,
    _small_number,
    _splice,
    _repeat,
    _remove,
    _append,
)
