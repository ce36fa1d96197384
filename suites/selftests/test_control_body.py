"""What the control API reads: every malformed body is refused with a reason, whoever sends it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcfakes.control_body import (
    BOOL,
    CONTENT,
    COUNT,
    DURATION,
    ENVIRONMENT,
    FLOW,
    ID,
    MODE,
    NAME,
    SECONDS,
    SEQUENCE,
    TOPIC,
    TOPICS,
    Complaint,
    Kind,
    check,
    parse,
    value_of,
)

KINDS = {
    "name": NAME,
    "topic": TOPIC,
    "topics": TOPICS,
    "content": CONTENT,
    "id": ID,
    "count": COUNT,
    "broadcast": BOOL,
    "environment": ENVIRONMENT,
    "mode": MODE,
    "value": FLOW,
    "seconds": SECONDS,
    "duration": DURATION,
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def complaint_about(body: bytes) -> str:
    with pytest.raises(Complaint) as complained:
        parse(body)
    assert complained.value.status == 400
    return str(complained.value)


# Bodies


def test_a_body_is_one_json_object_and_an_empty_one_has_no_members() -> None:
    assert parse(b'{"topic": "t", "id": 9007199254740993}') == {"topic": "t", "id": 9007199254740993}
    assert parse(b"") == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "the body is not JSON in UTF-8: Expecting property name"),
        (b'{"a": "\xff"}', "the body is not JSON in UTF-8: 'utf-8' codec"),
        ('{"a": 1}'.encode("utf-16"), "the body is not JSON in UTF-8"),
        (b"[1]", "the body must be a JSON object, not [1]"),
        (b"null", "the body must be a JSON object, not null"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": -Infinity}', "-Infinity is no JSON"),
        (b'{"a": 1e999}', "1e999 is too large a number"),
        (b'{"a": 1, "a": 2}', "the member 'a' is there 2 times"),
        (b'{"content": {"a": 1, "a": 2}}', "the member 'a' is there 2 times"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the body is not JSON in UTF-8"),
        (b'{"a": ' + b"[" * 100_000, "the body is nested too deep"),
    ],
    ids=lambda case: case[:20] if isinstance(case, bytes) else "",
)
def test_what_is_no_json_object_is_refused(body: bytes, text: str) -> None:
    assert text in complaint_about(body)


def test_a_complaint_shows_little_of_what_came() -> None:
    assert len(complaint_about(b"[" + b"1," * 100_000 + b"1]")) < 300
    with pytest.raises(Complaint) as complained:
        check({"x" * 100_000: 1}, KINDS)
    assert len(str(complained.value)) < 400


# Members


def test_unknown_members_are_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(Complaint, match='unknown member "tpoic"; valid: topic, count'):
        check({"tpoic": "t"}, {"topic": TOPIC, "count": COUNT})
    with pytest.raises(Complaint, match='unknown member "now"; valid: none'):
        check({"now": 1}, {})


def test_a_member_that_is_needed_and_missing_is_named() -> None:
    with pytest.raises(Complaint, match='"topic" is missing; valid: a string of 1 to 256 characters'):
        check({}, KINDS, needed=("topic",))


def test_what_may_be_left_out_may_be_null_and_what_is_needed_may_not() -> None:
    assert check({"count": None}, {"count": COUNT, "id": ID}) == {"count": None, "id": None}
    with pytest.raises(Complaint, match='"count" is null; valid: an integer from 1 to 100000'):
        check({"count": None}, {"count": COUNT}, needed=("count",))


def test_null_can_be_a_value_of_a_needed_member() -> None:
    members = check({"topics": None, "value": None, "content": None}, KINDS, needed=("topics", "value", "content"))
    assert (members["topics"], members["value"], members["content"]) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (ID, "9223372036854775807", 2**63 - 1),
        (ID, "-9223372036854775808", -(2**63)),
        (ID, 4611686018427387905, 4611686018427387905),
        (CONTENT, "", ""),
        (CONTENT, "中文", "中文"),
        (CONTENT, {"tid": 4611686018427387905, "nick": "中文"}, '{"tid":4611686018427387905,"nick":"中文"}'),
        (CONTENT, [1, None], "[1,null]"),
        (COUNT, 100_000, 100_000),
        (SECONDS, 0, 0.0),
        (SECONDS, 0.5, 0.5),
        (TOPICS, [], []),
        (TOPICS, ["a", "b"], ["a", "b"]),
        (FLOW, 0, 0),
        (SEQUENCE, "17", 17),
        (ENVIRONMENT, "pre-release", "pre-release"),
        (MODE, "pull", "pull"),
        (BOOL, False, False),
    ],
)
def test_a_value_is_read_as_what_it_stands_for(kind: Kind, value: Any, read: Any) -> None:
    assert value_of("x", value, kind) == read


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ID, "9223372036854775808"),
        (ID, "1_000"),
        (ID, "١"),
        (ID, "--1"),
        (ID, ""),
        (ID, "1" * 100_000),
        (ID, 2**63),
        (ID, 1.0),
        (ID, True),
        (NAME, ""),
        (NAME, "x" * 257),
        (NAME, "\ud800"),
        (NAME, 1),
        (CONTENT, "\ud800"),
        (CONTENT, {"a": "\ud800"}),
        (CONTENT, 1),
        (CONTENT, True),
        (COUNT, 0),
        (COUNT, 100_001),
        (COUNT, True),
        (COUNT, 1.0),
        (COUNT, "1"),
        (SECONDS, -0.001),
        (SECONDS, 31 * 24 * 3600 + 1),
        (SECONDS, "360"),
        (SECONDS, False),
        (DURATION, 0),
        (TOPICS, "a"),
        (TOPICS, [""]),
        (TOPICS, [1]),
        (TOPICS, ["t"] * 1001),
        (FLOW, -1),
        (FLOW, 2**31),
        (SEQUENCE, "-1"),
        (SEQUENCE, "1.5"),
        (SEQUENCE, "9" * 19),
        (ENVIRONMENT, ["production"]),
        (MODE, "Pull"),
        (BOOL, 0),
    ],
)
def test_what_a_member_cannot_be_is_refused(kind: Kind, value: Any) -> None:
    with pytest.raises(Complaint, match='"x" is ') as complained:
        value_of("x", value, kind)
    assert str(complained.value).endswith(f"valid: {kind.valid}")


def test_content_that_is_nested_too_deep_to_be_written_is_refused() -> None:
    content: list[Any] = []
    for _ in range(100_000):
        content = [content]
    with pytest.raises(Complaint, match="something nested too deep"):
        value_of("content", content, CONTENT)


@given(body=st.dictionaries(st.sampled_from(sorted(KINDS)) | st.text(), JSON))
def test_any_object_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        given = check(parse(json.dumps(body).encode()), KINDS)
    except Complaint as complaint:
        str(complaint).encode()
    else:
        assert list(given) == list(KINDS)
        assert all(value is None for name, value in given.items() if name not in body)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parse(body)
    except Complaint as complaint:
        str(complaint).encode()
