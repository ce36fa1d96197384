"""Decoding: what is odd, what is refused, and that nothing else can happen, whatever the bytes."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tmcspec.frame
from tmcspec import strategies
from tmcspec.frame import (
    ANOMALY_KINDS,
    ANOMALY_LIMIT,
    Anomaly,
    Field,
    Frame,
    FrameError,
    ValueType,
    byte,
    date,
    decode,
    encode,
    int32,
    int64,
    raw,
    string,
    void,
)
from tmcspec.frame_reader import FrameReader

KEY = "0100 01000000 6b"  # a custom header with the key "k"; the format is next
PUSH = Frame(
    type=2,
    token="5b1e0f3a-2c1d-4e5f-8a9b-0c1d2e3f4a5b",
    content=(
        string("topic", "taobao_trade_TradeCreate"),
        int64("id", 4160600490938325004),
        byte("__kind", 3),
        date("time", 1),
    ),
)

ODD = [
    ("unknown-version", "03 02 0000", 0, Frame(type=2, content=())),
    ("unknown-version", "00 02 0000", 0, Frame(type=2, content=())),
    ("unknown-type", "02 04 0000", 1, Frame(type=4, content=())),
    ("unknown-type", "02 ff 0000", 1, Frame(type=-1, content=())),
    ("unknown-header", "02 02 0600 0000", 2, Frame(type=2, content=())),
    ("unknown-format", f"02 02 {KEY} 08 01000000 76 0000", 9, Frame(type=2, content=(string("k", "v"),))),
    ("unknown-format", f"01 02 {KEY} 07 01000000 76 0000", 9, Frame(type=2, version=1, content=(string("k", "v"),))),
    ("non-positive-length", f"02 02 {KEY} 01 ffffffff 0000", 10, Frame(type=2, content=(void("k"),))),
    ("non-positive-length", "02 02 0100 ffffffff 00 0000", 4, Frame(type=2, content=(void(None),))),
    ("non-positive-length", "02 01 0500 00000000 0000", 4, Frame(type=1, content=())),
    ("non-positive-length", "02 01 0300 ffffffff 0000", 4, Frame(type=1, content=())),
    ("non-positive-number", "02 01 0400 00000000 0000", 2, Frame(type=1, content=())),
    ("non-positive-number", "02 01 0200 ffffffff 0000", 2, Frame(type=1, status_code=-1, content=())),
    ("invalid-utf8", "02 01 0500 02000000 61ff 0000", 9, Frame(type=1, token="a\ufffd", content=())),
    ("invalid-utf8", f"02 02 {KEY} 01 01000000 ff 0000", 14, Frame(type=2, content=(string("k", "\ufffd"),))),
    ("duplicate", f"02 02 {KEY} 00 {KEY} 00 0000", 10, Frame(type=2, content=(void("k"), void("k")))),
    ("duplicate", "02 01 0400 01000000 0400 02000000 0000", 8, Frame(type=1, flag=2, content=())),
    ("duplicate", "02 01 0200 01000000 0200 02000000 0000", 8, Frame(type=1, status_code=2, content=())),
    ("duplicate", "02 01 0300 01000000 61 0300 00000000 0000", 9, Frame(type=1, content=())),
    ("duplicate", "02 01 0500 01000000 61 0500 01000000 62 0000", 9, Frame(type=1, token="b", content=())),
    ("empty-key", "02 02 0100 00000000 00 0000", 2, Frame(type=2, content=(void(None),))),
    ("trailing-bytes", "02 02 0000 00", 4, Frame(type=2, content=())),
]


@pytest.mark.parametrize(("kind", "data", "offset", "frame"), ODD)
def test_what_the_official_decoder_accepts_is_accepted_named_and_refused_when_strict(
    kind: str, data: str, offset: int, frame: Frame
) -> None:
    decoded = decode(bytes.fromhex(data))
    assert decoded == frame
    assert [(anomaly.kind, anomaly.offset) for anomaly in decoded.anomalies] == [(kind, offset)]
    with pytest.raises(FrameError, match=kind) as raised:
        decode(bytes.fromhex(data), strict=True)
    assert raised.value.offset == offset


def test_every_kind_of_anomaly_has_a_case_above() -> None:
    assert {kind for kind, *_ in ODD} == set(ANOMALY_KINDS)


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        ("02 01 0500 01000000 74 0400 01000000 0000", Frame(type=1, flag=1, token="t", content=())),
        (f"02 02 {KEY} 00 0400 01000000 0000", Frame(type=2, flag=1, content=(void("k"),))),
        (f"02 02 {KEY} 01 00000000 0000", Frame(type=2, content=(void("k"),))),
        (f"02 02 {KEY} 07 00000000 0000", Frame(type=2, content=(raw("k", b""),))),
        ("02 01 0300 00000000 0000", Frame(type=1, content=())),
        ("01 02 0000", Frame(type=2, version=1, content=())),
    ],
    ids=["any order", "custom first", "empty text", "empty bytes", "empty phrase", "version 1"],
)
def test_what_a_correct_writer_may_write_is_not_odd(data: str, frame: Frame) -> None:
    decoded = decode(bytes.fromhex(data), strict=True)
    assert decoded == frame
    assert decoded.anomalies == ()


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        ("", 0, "truncated: the version needs 1 bytes, 0 are left"),
        ("02", 1, "truncated: the message type needs 1 bytes, 0 are left"),
        ("02 02 00", 2, "truncated: a header type needs 2 bytes, 1 are left"),
        ("02 01 0400 0100", 4, "truncated: the flag needs 4 bytes, 2 are left"),
        ("02 01 0500 0100", 4, "truncated: the length of the token needs 4 bytes, 2 are left"),
        ("02 01 0500 05000000 61", 8, "truncated: the token needs 5 bytes, 1 are left"),
        (f"02 02 {KEY}", 9, "truncated: a value format needs 1 bytes, 0 are left"),
        (f"02 02 {KEY} 05 00000000", 10, "truncated: the value of 'k' needs 8 bytes, 4 are left"),
        (f"02 02 {KEY} 07 ffffffff 0000", 10, "the value of 'k' is a byte array of negative length -1"),
    ],
)
def test_bytes_that_are_not_a_frame_are_refused_with_offset_and_reason(data: str, offset: int, reason: str) -> None:
    with pytest.raises(FrameError) as raised:
        decode(bytes.fromhex(data))
    assert (raised.value.offset, raised.value.reason) == (offset, reason)


# What JDK 17 makes of bytes that are not UTF-8, R standing for U+FFFD. The lines with ed a0 to ed bf (encoded
# surrogates) are where Python's own replacement gives more of them.
@pytest.mark.parametrize(
    ("data", "text"),
    [
        *[
            ("ff", "R"),
            ("c080", "RR"),
            ("c341", "RA"),
            ("e080", "RR"),
            ("e0a0", "R"),
            ("e4b841", "RA"),
            ("f4908080", "RRRR"),
        ],
        *[("f09f98", "R"), ("f09f41", "RA"), ("f0808080", "RRRR"), ("f580", "RR"), ("ed9f", "R"), ("ed", "R")],
        *[
            ("eda080", "R"),
            ("edbfbf", "R"),
            ("eda080edb080", "RR"),
            ("eda0", "R"),
            ("eda041", "RA"),
            ("eda0c3a9", "Ré"),
        ],
    ],
)
def test_bytes_that_are_not_utf8_are_replaced_as_java_replaces_them(data: str, text: str) -> None:
    piece = bytes.fromhex(data)
    frame = decode(b"\x02\x02\x05\0" + len(piece).to_bytes(4, "little") + piece + b"\0\0")
    assert frame.token == text.replace("R", "\ufffd")


def test_bytes_bytearray_and_memoryview_are_decoded_alike_and_nothing_else() -> None:
    data = encode(PUSH)
    assert decode(data) == decode(bytearray(data)) == decode(memoryview(data)) == PUSH
    with pytest.raises(TypeError, match="not str"):
        decode("0202")  # type: ignore[arg-type]


Outcome = tuple[Frame, tuple[Anomaly, ...]] | tuple[int, str]


def outcome(decoder: Callable[[], Frame]) -> Outcome:
    """The frame and what is odd about it, or where and why it was refused. Any other exception is a failure."""
    try:
        frame = decoder()
    except FrameError as error:
        return error.offset, error.reason
    return replace(frame), frame.anomalies  # replace() checks the frame as if made by hand; decoding leaves that out


def check(data: bytes) -> None:
    """Whatever the careful decoder says, which is the specification, `decode` says too. It is asked twice, because the
    second time it may know the shape of the frame.
    """
    for strict in (False, False, True):
        expected = outcome(FrameReader(data, strict=strict).decode)
        assert outcome(partial(decode, data, strict=strict)) == expected
        if isinstance(expected[0], int):
            assert 0 <= expected[0] <= len(data)


@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_are_a_frame_or_a_frame_error(data: bytes) -> None:
    check(data)


@settings(max_examples=200)
@given(strategies.mutated())
def test_damaged_frames_are_a_frame_or_a_frame_error_and_both_decoders_agree(data: bytes) -> None:
    check(data)


def test_ten_thousand_damaged_pushes_are_a_frame_or_a_frame_error_and_both_decoders_agree() -> None:
    rng = random.Random(20140301)
    bases = [
        encode(PUSH),
        encode(
            Frame(type=2, token="t", content=(raw("content", b"\x1f\x8b\0"), int64("id", 7), string("nick", "商家")))
        ),
        encode(Frame(type=1, status_code=401, status_phrase="bad sign", flag=1)),
        encode(Frame(type=2, version=1, token="t", content=(int32("n", 1), string("s", "v"), int64("id", 7)))),
    ]
    for _ in range(10_000):
        data = bytearray(rng.choice(bases))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data) + 1)
            match rng.randrange(5):
                case 0:
                    del data[at:]
                case 1:
                    data[at : at + 1] = bytes([rng.randrange(256)])
                case 2:
                    data[at : at + 4] = rng.choice([0, 1, 2**30, 2**31 - 1, 2**32 - 1, len(data) - at]).to_bytes(
                        4, "little"
                    )
                case 3:
                    data[at:at] = rng.choice(bases)[rng.randrange(20) :]
                case _:
                    data[at : at + rng.randrange(8)] = rng.randbytes(rng.randrange(8))
        check(bytes(data))


@given(strategies.frames())
def test_what_encode_writes_of_a_regular_frame_decodes_strictly_to_the_same_frame(frame: Frame) -> None:
    data = encode(frame)
    for _ in range(2):
        assert decode(data, strict=True) == frame
    check(data)
    assert encode(decode(data)) == data


def as_read(frame: Frame) -> Frame:
    """What becomes of a frame that is not regular: what is not written is gone, empty is null, the type is a signed
    byte.
    """
    content = []
    for key, type_, value in frame.content or ():
        content.append((key or None, ValueType.VOID, None) if value == "" else (key or None, type_, value))
    return Frame(
        type=frame.type - 256 if frame.type > 127 else frame.type,
        version=frame.version,
        status_code=max(0, frame.status_code),
        status_phrase=frame.status_phrase or None,
        flag=max(0, frame.flag),
        token=frame.token or None,
        content=tuple(content),
    )


@given(strategies.frames(regular=False))
def test_any_other_frame_is_read_back_as_it_was_but_for_what_cannot_be_written(frame: Frame) -> None:
    if frame.version == 1 and any(type_ is ValueType.BYTES for _, type_, _ in frame.content or ()):
        with pytest.raises(FrameError, match="version 1 has no byte array"):
            encode(frame)
    else:
        assert decode(encode(frame)) == as_read(frame)
        check(encode(frame))


def test_the_place_of_a_byte_array_that_version_1_cannot_write_is_told() -> None:
    with pytest.raises(FrameError, match="field 'b'") as raised:
        encode(Frame(type=2, version=1, content=(int32("n", 1), raw("b", b"x"))))
    assert raised.value.offset == len(bytes.fromhex("0102 0100 01000000 6e 04 01000000 0001 00000001 62"))


def test_a_frame_of_oddities_does_not_cost_a_multiple_of_its_size() -> None:
    data = b"\x02\x02" + b"\x09\0" * 50_000 + b"\0\0"
    tracemalloc.start()
    try:
        frame = decode(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(frame.anomalies) == ANOMALY_LIMIT
    assert peak < len(data) * 2


def test_twenty_thousand_fields_keep_their_order() -> None:
    fields = tuple(byte(str(number), number % 100) for number in range(20_000))
    assert decode(encode(Frame(type=2, content=fields))).content == fields


def test_what_is_remembered_about_frames_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: dict[bytes, tuple[object, ...]] = {}
    monkeypatch.setattr(tmcspec.frame, "_shapes", shapes)
    for first in range(200):
        for second in range(8):
            content: tuple[Field, ...] = (byte(f"first{first}", 1), string(f"second{second}", "v"))
            assert decode(encode(Frame(type=2, content=content))).content == content
    assert 0 < len(shapes) <= 64
    assert max(map(len, shapes.values())) == 4
    shapes.clear()
    forgettable: list[tuple[Field, ...]] = [
        (byte("k" * 65, 1),),
        tuple(byte(str(n), 1) for n in range(33)),
        (byte("a", 1), void("b")),
    ]
    for content in forgettable:
        assert decode(encode(Frame(type=2, content=content))).content == content
    assert not shapes  # keys too long, too many fields, a void field
    for type_, writers in tmcspec.frame._WRITERS.items():
        assert len(writers) <= 256, type_


def test_a_shape_that_is_known_is_read_by_the_quick_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(PUSH)
    decode(data)
    monkeypatch.setattr(tmcspec.frame, "FrameReader", None)
    assert decode(data) == PUSH
    assert decode(encode(Frame(type=1, flag=5))) == Frame(type=1, flag=5, content=())


def test_a_million_fields_are_refused_before_they_fill_the_memory() -> None:
    one = b"\x01\x00\x00\x00\x00\x00\x00"  # a custom field with an empty key and no value
    with pytest.raises(FrameError, match="more than 50000 custom fields"):
        decode(b"\x02\x02" + one * 1_000_000 + b"\0\0")
