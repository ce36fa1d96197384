"""The codec against what the official Java codec was recorded to do (tmcspec/vectors)."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from importlib.resources import files
from typing import Any

import pytest

from tmcspec.frame import Field, Frame, FrameError, byte, decode, encode, int16, int32, int64, string, void
from tmcspec.frame import date as date_field
from tmcspec.frame_json import FrameJsonError, from_json, to_json

Row = dict[str, Any]


def rows(name: str) -> list[Row]:
    text = files("tmcspec").joinpath("vectors", name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


ENCODE = rows("official-java-encode.jsonl")
DECODE = rows("official-java-decode.jsonl")

# Where the official encoder raises, and what is done here instead.
NOT_ENCODED = {
    "value-bytes-empty/v1": (FrameError, "no byte array"),
    "value-bytes-256/v1": (FrameError, "no byte array"),
    "data-gzip-content/v1": (FrameError, "no byte array"),
    # Java types without a counterpart on the wire: there is no frame with such a field to begin with.
    "value-boolean-unsupported/v1": (FrameJsonError, "java:java.lang.Boolean"),
    "value-boolean-unsupported/v2": (FrameJsonError, "java:java.lang.Boolean"),
    "value-double-unsupported/v1": (FrameJsonError, "java:java.lang.Double"),
    "value-double-unsupported/v2": (FrameJsonError, "java:java.lang.Double"),
}


def test_all_recorded_rows_are_there() -> None:
    assert (len(ENCODE), len(DECODE)) == (164, 48)
    assert {row["name"] for row in ENCODE if "error" in row} == set(NOT_ENCODED)


@pytest.mark.parametrize("row", [row for row in ENCODE if "hex" in row], ids=lambda row: row["name"])
def test_a_frame_is_encoded_byte_for_byte_like_the_official_encoder(row: Row) -> None:
    assert encode(from_json(row["message"])).hex() == row["hex"]


@pytest.mark.parametrize("row", [row for row in ENCODE if "error" in row], ids=lambda row: row["name"])
def test_what_the_official_encoder_refuses_is_refused(row: Row) -> None:
    error, words = NOT_ENCODED[row["name"]]
    with pytest.raises(error, match=words):
        encode(from_json(row["message"]))


@pytest.mark.parametrize("row", [row for row in DECODE if "message" in row], ids=lambda row: row["name"])
def test_a_frame_is_decoded_like_the_official_decoder(row: Row) -> None:
    data = bytes.fromhex(row["hex"])
    for _ in range(2):  # the second time it may be a frame of known shape, which the quick decoder reads
        frame = decode(data)
        assert as_hash_map(to_json(frame)) == row["message"]
        left = [anomaly for anomaly in frame.anomalies if anomaly.kind == "trailing-bytes"]
        assert [anomaly.offset for anomaly in left] == ([row["consumed"]] if row["remaining"] else [])


def as_hash_map(form: dict[str, Any]) -> dict[str, Any]:
    """As the official decoder's map was recorded: of a repeated key only the last, sorted by key, null first."""
    last = {key: [key, value] for key, value in form["content"]}
    return form | {"content": sorted(last.values(), key=lambda pair: (pair[0] is not None, pair[0]))}


@pytest.mark.parametrize("row", [row for row in DECODE if "error" in row], ids=lambda row: row["name"])
def test_where_the_official_decoder_raises_or_runs_out_of_memory_the_bytes_are_refused(row: Row) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="truncated") as raised:
            decode(bytes.fromhex(row["hex"]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 <= raised.value.offset <= len(row["hex"]) // 2
    assert peak < 2**20  # two of the rows name lengths of 1 and 2 GiB


@pytest.mark.parametrize("row", [*ENCODE, *DECODE], ids=lambda row: row["name"])
def test_every_prefix_of_a_recorded_frame_is_a_frame_or_refused(row: Row) -> None:
    data = bytes.fromhex(row.get("hex", ""))
    ends = range(len(data)) if len(data) < 600 else [*range(300), *range(300, len(data), 4999), len(data) - 1]
    for end in ends:
        with suppress(FrameError):
            decode(data[:end])  # any other exception is a failure


# One frame with a field before and after every kind of number, in both versions, as the official encoder wrote it. It
# shows the quirk of version 1: after `i`, the first number of more than a byte, header types and lengths are
# big-endian.
MIXED = (
    string("s", "A"),
    byte("b", 7),
    int32("i", 0x11223344),
    string("s2", "B"),
    void("v"),
    int64("l", 0x1122334455667788),
    string("e", ""),
)
MIXED_HEX = {
    2: "0202020004030201030002000000706804000d0c0b0a050002000000746b"
    "01000100000073010100000041010001000000620207010001000000690444332211"
    "010002000000733201010000004201000100000076000100010000006c0588776655443322110100010000006501000000000000",
    1: "0102020004030201030002000000706804000d0c0b0a050002000000746b"
    "01000100000073010100000041010001000000620207010001000000690444332211"
    "000100000002733201000000014200010000000176000001000000016c0588776655443322110001000000016501000000000000",
}


@pytest.mark.parametrize("version", [1, 2])
def test_a_frame_of_all_kinds_is_encoded_in_both_versions_and_read_back(version: int) -> None:
    envelope: dict[str, Any] = {"status_code": 0x01020304, "status_phrase": "ph", "flag": 0x0A0B0C0D, "token": "tk"}
    data = encode(Frame(type=2, version=version, content=MIXED, **envelope))
    assert data.hex() == MIXED_HEX[version]
    assert decode(data) == Frame(type=2, version=version, content=(*MIXED[:-1], void("e")), **envelope)


@pytest.mark.parametrize(
    ("content", "end"),
    [
        ((string("a", "x"), int16("n", 258)), "010001000000610101000000780100010000006e0302010000"),
        ((date_field("d", 1), byte("z", 1)), "01000100000064060100000000000000" + "0001000000017a02010000"),
    ],
    ids=["text then int16", "date then byte"],
)
def test_version_1_switches_byte_order_after_a_number_of_more_than_one_byte(
    content: tuple[Field, ...], end: str
) -> None:
    data = encode(Frame(type=2, version=1, content=content))
    assert data.hex() == "0102" + end
    assert decode(data).content == content


def test_version_1_misreads_a_little_endian_header_after_a_number_as_the_official_decoder_does() -> None:
    # Flag 1 in little-endian after an Int32: 04 00 is read as header 0x0400, 01 00 as 0x0100, then 00 00 ends the
    # frame.
    frame = decode(bytes.fromhex("0102" + "0100010000006e0401000000" + "040001000000" + "0000"))
    assert frame.flag == 0
    assert [anomaly.kind for anomaly in frame.anomalies] == ["unknown-header", "unknown-header", "trailing-bytes"]
