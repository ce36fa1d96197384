"""Keys: what is the same, what is not, and what is like no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec.client.dedupe_keys import KEY_LIMIT, bounded, by_content_fields, by_id
from tmcspec.client.message import Message

TRADE = "taobao_trade_TradeCreate"
key = by_content_fields("tid", "oid")


def message(content: Any, *, topic: str = TRADE, id: int = 1) -> Message:
    return Message(id=id, topic=topic, content=content if content is None else json.dumps(content))


values = st.one_of(st.integers(), st.text(min_size=1), st.booleans())


@given(st.tuples(st.sampled_from(["a", "b"]), values, values), st.tuples(st.sampled_from(["a", "b"]), values, values))
def test_messages_are_the_same_when_topic_and_all_fields_are(
    one: tuple[str, Any, Any], other: tuple[str, Any, Any]
) -> None:
    def key_of(topic: str, tid: Any, oid: Any, id: int) -> str | None:
        return key(message({"oid": oid, "noise": id, "tid": tid}, topic=topic, id=id))

    assert key_of(*one, id=1) == key_of(*one, id=2)
    # In Python, True is 1.
    same = [(type(part), part) for part in one] == [(type(part), part) for part in other]
    assert (key_of(*one, id=1) == key_of(*other, id=2)) is same
    assert key_of(*one, id=1) is not None


def test_ids_that_are_one_double_are_two_keys() -> None:
    tids = [4160600490938325004, 4160600490938325003, 2**63 - 1, 2**63, 10**40, 10**40 + 1]
    assert len({key(message({"tid": tid, "oid": 1})) for tid in tids}) == len(tids)


def test_the_same_value_in_other_fields_is_another_key() -> None:
    content = {"tid": 1, "oid": 1, "refund_id": 1}
    fields = (["tid"], ["oid"], ["tid", "oid"], ["refund_id"])
    assert len({by_content_fields(*names)(message(content)) for names in fields}) == 4


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"tid": 1},
        {"tid": 1, "oid": None},
        {"tid": 1, "oid": ""},
        {"tid": 1, "oid": 4160600490938325004.0},
        {"tid": 1, "oid": float("nan")},
        {"tid": 1, "oid": [7]},
        {"tid": 1, "oid": {"id": 7}},
        [{"tid": 1, "oid": 7}],
        "tid oid",
        None,
    ],
    ids=str,
)
def test_a_message_that_lacks_a_field_is_like_no_other(content: Any) -> None:
    assert key(message(content)) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "tid=1&oid=7", '{"tid": 1, "oid": ' + 5000 * "9" + "}", 100_000 * "[", '\ufeff{"tid": 1, "oid": 7}'],
    ids=lambda text: text[:9],
)
def test_a_message_whose_content_cannot_be_read_is_like_no_other(text: str) -> None:
    assert key(Message(id=1, topic=TRADE, content=text)) is None


def test_the_id_of_a_message_is_exact() -> None:
    assert by_id(Message(id=-5, topic=TRADE)) == "id:-5"
    assert by_id(Message(id=2**62 + 1, topic=TRADE)) != by_id(Message(id=2**62, topic=TRADE))


@pytest.mark.parametrize("fields", [(), ("",), ("tid", ""), (7,), (None,)])
def test_fields_have_names(fields: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="fields must be names of members of the content, at least one, not"):
        by_content_fields(*fields)


# Bounds

any_text = st.text(st.characters(exclude_categories=[]), min_size=1)


@given(st.lists(st.one_of(any_text, any_text.map(lambda text: text * 100)), unique=True))
def test_bounded_keys_are_short_printable_and_as_different_as_they_were(keys: list[str]) -> None:
    short = [bounded(key) for key in keys]
    assert all(0 < len(key) <= KEY_LIMIT and key.isprintable() for key in short)
    assert len(set(short)) == len(keys)


def test_plain_keys_stay_as_they_are() -> None:
    for plain in ("tid:7", "库 存", KEY_LIMIT * "x"):
        assert bounded(plain) == plain


def test_no_key_can_be_chosen_that_is_the_digest_of_another() -> None:
    long = 1000 * "x"
    assert bounded(bounded(long)) != bounded(long)


@pytest.mark.parametrize("bad", [7, b"tid", None, ("tid",)])
def test_a_key_is_a_text(bad: Any) -> None:
    with pytest.raises(TypeError, match="the key of a message must be a text or None, not"):
        bounded(bad)


def test_an_empty_key_is_an_error_since_it_would_be_that_of_many() -> None:
    with pytest.raises(ValueError, match="the key of a message is empty; None says that it has none"):
        bounded("")
