"""Frames as JSON: the form, both ways, and what is said about everything that is not it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec import strategies
from tmcspec.frame import Frame, MessageType, byte, date, int16, int32, int64, raw, string, void
from tmcspec.frame_json import FrameJsonError, from_json, to_json

FRAME = Frame(
    type=MessageType.SEND,
    token="t",
    content=(
        int64("id", 9007199254740993),
        string("topic", "商家"),
        void("v"),
        byte("b", -128),
        int16("s", 300),
        int32("i", -5),
        date("time", -1),
        raw("gz", b"\x1f\x8b"),
        void(None),
        int64("id", -7),
    ),
)
FORM = {
    "protocolVersion": 2,
    "messageType": 2,
    "statusCode": 0,
    "statusPhrase": None,
    "flag": 0,
    "token": "t",
    "content": [
        ["id", {"t": "int64", "v": "9007199254740993"}],
        ["topic", {"t": "string", "v": "商家"}],
        ["v", {"t": "void", "v": None}],
        ["b", {"t": "byte", "v": -128}],
        ["s", {"t": "int16", "v": 300}],
        ["i", {"t": "int32", "v": -5}],
        ["time", {"t": "date", "v": "-1"}],
        ["gz", {"t": "bytes", "v": "1f8b"}],
        [None, {"t": "void", "v": None}],
        ["id", {"t": "int64", "v": "-7"}],
    ],
}


def test_a_frame_and_its_form_become_each_other_with_order_and_repeated_keys_kept() -> None:
    assert to_json(FRAME) == FORM
    assert from_json(FORM) == FRAME


def test_members_that_are_not_there_have_their_defaults() -> None:
    assert from_json({"messageType": 2}) == Frame(type=2)
    assert to_json(Frame(type=2))["content"] is None


@given(strategies.frames(regular=False))
def test_every_frame_survives_json(frame: Frame) -> None:
    assert from_json(json.loads(json.dumps(to_json(frame)))) == frame


def field(form: object, key: object = "k") -> dict[str, object]:
    return {"messageType": 2, "content": [[key, form]]}


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        ([], "a frame must be an object with the members protocolVersion, messageType, .*, not a list of 0"),
        ("frame", "a frame must be an object .*, not 'frame'"),
        ({}, "the member messageType is missing"),
        ({"messageType": 2, "statuscode": 1}, "unknown member 'statuscode'; valid are protocolVersion, .*statusCode"),
        ({"messageType": 256}, "^messageType must be an integer from -128 to 255, not 256"),
        ({"messageType": "2"}, "^messageType must be an integer"),
        ({"messageType": 2.0}, "^messageType must be an integer"),
        ({"messageType": 2, "protocolVersion": -1}, "^protocolVersion must be an integer from 0 to 255, not -1"),
        ({"messageType": 2, "statusCode": None}, "^statusCode must be .* not null$"),
        ({"messageType": 2, "statusPhrase": 5}, "^statusPhrase must be text that UTF-8 can write, or null, not 5"),
        ({"messageType": 2, "flag": 2**31}, "^flag must be an integer from -2147483648 to 2147483647, not 2147483648"),
        ({"messageType": 2, "token": "\ud800"}, "^token must be text"),
        ({"messageType": 2, "content": {}}, "^content must be null or a list of pairs .*, not a dict of 0"),
        ({"messageType": 2, "content": [[]]}, r"^content\[0\] must be a pair .*, not a list of 0"),
        (field({"t": "byte"}), r"^content\[0\] must be a pair"),
        (field({"t": "byte", "v": 1, "w": 1}), r"^content\[0\] must be a pair"),
        (field({"t": "void", "v": None}, key=5), r"^content\[0\] must be a pair"),
        (field({"t": "INT64", "v": "7"}), r"^content\[0\].t must be one of void, string, byte, .*, not 'INT64'"),
        (field({"t": [], "v": "7"}), r"^content\[0\].t must be one of .*, not a list of 0"),
        (field({"t": "java:java.lang.Boolean", "v": "true"}), "not 'java:java.lang.Boolean'"),
        (field({"t": "int64", "v": 7}), r"^content\[0\].v must be a decimal string .*, not 7"),
        (field({"t": "int64", "v": "+7"}), "decimal string"),
        (field({"t": "int64", "v": "-0"}), "decimal string"),
        (field({"t": "int64", "v": "٧"}), "decimal string"),
        (field({"t": "date", "v": "1e3"}), "decimal string"),
        (field({"t": "int64", "v": "9" * 5000}), "decimal string"),
        (
            field({"t": "int64", "v": "9223372036854775808"}),
            r"^content\[0\]: field 'k'.*to 9223372036854775807, not 92",
        ),
        (field({"t": "byte", "v": 128}), r"^content\[0\]: field 'k'.* from -128 to 127, not 128"),
        (field({"t": "byte", "v": True}), "from -128 to 127, not True"),
        (field({"t": "bytes", "v": "1F"}), r"^content\[0\].v must be lower-case hex"),
        (field({"t": "bytes", "v": "1"}), "lower-case hex"),
        (field({"t": "bytes", "v": None}), "lower-case hex"),
        (field({"t": "string", "v": None}), "type STRING must be text that UTF-8 can write, not null$"),
        (field({"t": "void", "v": 0}), "type VOID must be null, not 0"),
        (field({"t": "void", "v": None}, key="\udfff"), "the key of a field must be text .* or null, not"),
    ],
)
def test_json_that_is_not_a_frame_is_refused_with_member_value_and_what_is_valid(obj: object, words: str) -> None:
    with pytest.raises(FrameJsonError, match=words) as raised:
        from_json(obj)
    assert len(str(raised.value)) < 400


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*FORM, "t", "v"]) | st.text(max_size=3), inner, max_size=8)
        | st.tuples(
            st.text(max_size=2), st.fixed_dictionaries({"t": st.sampled_from(["byte", "date", "bytes"]), "v": inner})
        ).map(list)
    ),
    max_leaves=20,
)


@given(JSON | st.fixed_dictionaries({"messageType": st.integers(0, 3), "content": st.lists(JSON, max_size=3)}))
def test_any_json_is_a_frame_or_refused(obj: Any) -> None:
    try:
        frame = from_json(obj)
    except FrameJsonError as error:
        refusal = str(error)
        assert refusal
    else:
        assert from_json(to_json(frame)) == frame
