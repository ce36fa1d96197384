"""What a Frame and its fields may hold, and what they say when they may not."""

from __future__ import annotations

import copy
import doctest
import pickle
from typing import Any

import pytest

import tmcspec.frame
import tmcspec.frame_json
import tmcspec.frame_values
import tmcspec.strategies
from tmcspec.frame import (
    Anomaly,
    Frame,
    FrameError,
    MessageType,
    ValueType,
    byte,
    date,
    decode,
    encode,
    int16,
    int32,
    int64,
    raw,
    string,
    void,
)

INTEGERS = [(byte, 8), (int16, 16), (int32, 32), (int64, 64), (date, 64)]


@pytest.mark.parametrize("module", [tmcspec.frame, tmcspec.frame_json, tmcspec.frame_values, tmcspec.strategies])
def test_the_examples_in_the_documentation_are_right(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(("make", "bits"), INTEGERS)
def test_an_integer_field_takes_its_whole_signed_range(make: Any, bits: int) -> None:
    for value in (-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1):
        field = make("k", value)
        assert field[2] == value
        assert decode(encode(Frame(type=2, content=(field,)))).content == (field,)


@pytest.mark.parametrize(("make", "bits"), INTEGERS)
def test_an_integer_field_refuses_what_does_not_fit_and_names_key_value_and_range(make: Any, bits: int) -> None:
    high = 2 ** (bits - 1) - 1
    for value in (high + 1, -high - 2, 2**300, "7", 7.0, None, True):
        with pytest.raises(ValueError, match=rf"field 'amount'.*from {-high - 1} to {high}, not "):
            make("amount", value)


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (lambda: string("k", 5), "type STRING must be text that UTF-8 can write, not 5"),  # type: ignore[arg-type]
        (lambda: string("k", "\ud800"), "text that UTF-8 can write"),
        (lambda: string("\ud800", "v"), "key of a field must be text"),
        (lambda: void(5), "key of a field must be text"),  # type: ignore[arg-type]
        (lambda: raw("k", "text"), "type BYTES must be bytes, not 'text'"),  # type: ignore[arg-type]
        (lambda: raw("k", [1, 2]), "not a list of 2"),  # type: ignore[arg-type]
        (lambda: raw("k", "x" * 10**6), "xxx\\.\\.\\.$"),  # type: ignore[arg-type]
    ],
)
def test_a_field_refuses_a_value_of_another_type(field: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        field()
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"type": 256}, "type must be an integer from -128 to 255, not 256"),
        ({"type": -129}, "type must be an integer from -128 to 255, not -129"),
        ({"type": True}, "type must be an integer"),
        ({"version": 256}, "version must be an integer from 0 to 255, not 256"),
        ({"status_code": 2**31}, "status_code must be an integer from -2147483648 to 2147483647, not 2147483648"),
        ({"flag": None}, "flag must be an integer .* not None"),
        ({"token": b"t"}, "token must be text that UTF-8 can write, or None, not b't'"),
        ({"status_phrase": "\udfff"}, "status_phrase must be text"),
        ({"content": [("k", ValueType.VOID, None)]}, "content must be a tuple of fields, or None, not a list of 1"),
        ({"content": ("k",)}, r"a field must be a tuple \(key, type, value\), not 'k'"),
        ({"content": (("k", None),)}, r"a field must be a tuple \(key, type, value\), not a tuple of 2"),
        ({"content": (("k", 5, 7),)}, "field 'k': the type must be a ValueType, not 5"),
        ({"content": (("k", ValueType.VOID, 0),)}, "type VOID must be None, not 0"),
        ({"anomalies": ["odd"]}, "anomalies must be a tuple of Anomaly"),
        ({"anomalies": ("odd",)}, "anomalies must be a tuple of Anomaly"),
    ],
)
def test_a_frame_refuses_a_member_out_of_range_and_shows_it(members: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Frame(**({"type": 2} | members))


def test_fields_of_different_types_differ_even_when_the_numbers_are_equal() -> None:
    three_ways = {byte("k", 3), int16("k", 3), int32("k", 3), int64("k", 3), date("k", 3)}
    assert len(three_ways) == 5
    assert Frame(type=2, content=(byte("k", 3),)) != Frame(type=2, content=(int64("k", 3),))


def test_a_frame_is_equal_and_hashes_alike_whether_made_or_decoded() -> None:
    made = Frame(type=MessageType.SEND, token="t", content=(int64("id", 7), raw("b", b"\0")))
    decoded = decode(encode(made))
    assert {made: "found"}[decoded] == "found"
    assert type(decoded) is Frame
    assert copy.deepcopy(decoded) == pickle.loads(pickle.dumps(decoded)) == made


def test_anomalies_do_not_count_in_a_comparison() -> None:
    anomaly = Anomaly(kind="trailing-bytes", offset=4, detail="1 byte")
    assert Frame(type=2, anomalies=(anomaly,)) == Frame(type=2)


def test_a_frame_made_or_decoded_cannot_be_changed() -> None:
    for frame in (Frame(type=2), decode(b"\x02\x02\0\0")):
        with pytest.raises(AttributeError):
            frame.flag = 5  # type: ignore[misc]
        with pytest.raises((AttributeError, TypeError)):
            frame.other = 5  # type: ignore[attr-defined]


def test_the_last_field_with_a_key_is_found() -> None:
    frame = Frame(type=2, content=(int64("id", 1), string(None, "none"), int64("id", 2), void("v")))
    assert frame.get("id") == int64("id", 2)
    assert frame.value(None) == "none"
    assert frame.value("v", "default") is None
    assert frame.value("absent", "default") == "default"
    assert frame.get("absent") is None
    assert Frame(type=2).get("id") is None


def test_a_frame_error_shows_offset_and_reason_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(FrameError(3, "truncated")))
    assert (error.offset, error.reason, str(error)) == (3, "truncated", "offset 3: truncated")
