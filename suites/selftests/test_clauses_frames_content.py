"""FRM judged: what the handler is shown is what was sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from odd_frames import CHINESE, gzip, trailing_bytes, unreadable, with_field
from proofs import Evidence, leaves_open, passes, violates
from stories import Story

from tmcspec.clauses.content import same_content
from tmcspec.frame import byte, encode, int16, int32, void

LARGE = '{"text": "' + "x" * 100_000 + '"}'


# FRM-2: Int64


@passes("FRM-2", times=1)
def test_a_long_data_id_that_is_shown_exactly(story: Story) -> None:
    story.connect()
    story.push(7, data_id=-5)
    story.received(7, data_id=-5)


@violates("FRM-2", "dataid -5 reached the handler as 18446744073709551611")
def test_a_data_id_without_its_sign_is_another(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, data_id=-5)
    return pushed, story.received(7, data_id=2**64 - 5)


@leaves_open("FRM-2")
def test_a_data_id_that_nobody_loses_shows_nothing(story: Story) -> None:
    story.connect()
    story.push(7, data_id=5)
    story.received(7, data_id=5)
    story.push(8, data_id=-5)
    story.received(8)
    story.push(9, data_id=-5)
    story.push(10)
    story.received(10)


@leaves_open("FRM-2")
def test_a_data_id_of_a_message_that_cannot_be_told_from_its_neighbour_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(2**53, data_id=-5)
    story.push(2**53 + 1, data_id=-6)
    story.received(2**53, data_id=-6)


@leaves_open("FRM-2")
def test_a_smaller_data_id_is_the_business_of_another_clause(story: Story) -> None:
    story.connect()
    story.push(7, wire=with_field(int32("dataid", -5)))
    story.received(7, data_id=2**32 - 5)


# FRM-3: smaller integers


@passes("FRM-3", times=3)
def test_a_small_data_id_that_keeps_its_sign(story: Story) -> None:
    story.connect()
    for id, make in ((7, byte), (8, int16), (9, int32)):
        story.push(id, wire=with_field(make("dataid", -5)))
        story.received(id, data_id=-5)


@violates("FRM-3", "dataid -5 reached the handler as 251")
def test_a_byte_without_its_sign(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=with_field(byte("dataid", -5)))
    return pushed, story.received(7, data_id=251)


@leaves_open("FRM-3")
def test_what_has_no_sign_or_is_long_or_not_shown_tells_nothing_of_small_integers(story: Story) -> None:
    story.connect()
    story.push(7, wire=with_field(int32("dataid", 5)))
    story.received(7, data_id=5)
    story.push(8, data_id=-5)
    story.received(8, data_id=2**64 - 5)
    story.push(9, wire=with_field(int32("dataid", -5)))
    story.received(9)
    story.push(10, wire=with_field(void("dataid")))
    story.received(10, data_id=0)
    story.push(11)
    story.received(11, data_id=0)


# FRM-4: Date


@passes("FRM-4", times=1)
def test_a_date_that_is_shown_in_epoch_milliseconds(story: Story) -> None:
    story.connect()
    story.push(7, time=1_767_225_600_123)
    story.received(7, publish_time=1_767_225_600_123)


@violates("FRM-4", "time 1767225600123 reached the handler as 1767254400000")
def test_a_date_in_local_time_is_another(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, time=1_767_225_600_123)
    return pushed, story.received(7, publish_time=1_767_254_400_000)


@leaves_open("FRM-4")
def test_a_date_that_is_not_shown_or_not_sent_shows_nothing(story: Story) -> None:
    story.connect()
    story.push(7)
    story.received(7)
    story.push(8, time=None)
    story.received(8, publish_time=1)


@leaves_open("FRM-4")
def test_a_date_of_a_message_that_cannot_be_told_from_its_neighbour_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(2**53)
    story.push(2**53 + 1)
    story.received(2**53, publish_time=1)


# FRM-5: gzip


@passes("FRM-5", times=1)
def test_gzip_that_reaches_the_handler_as_text(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, wire=gzip)
    story.received(7, '{"title":"棉质连衣裙 😀"}')


@violates(
    "FRM-5",
    "the content of 7 reached the handler as '\\x1f\\x8b' instead of '{\"title\": \"棉质连衣裙 😀\"}'",
)
def test_gzip_that_reaches_the_handler_as_bytes_was_not_unzipped(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, CHINESE, wire=gzip)
    return pushed, story.received(7, "\x1f\x8b")


@leaves_open("FRM-5")
def test_text_is_not_gzip(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE)
    story.takes(7)


# FRM-6: no content


@passes("FRM-6", times=3)
def test_messages_without_content_that_are_confirmed(story: Story) -> None:
    story.connect()
    story.push(7, "")
    story.takes(7)
    story.push(8, None)
    story.takes(8)
    story.push(9, "", wire=lambda push: encode(replace(push, content=None, extras=(void("content"),)).to_frame()))
    story.takes(9)


@passes("FRM-6", times=2, world="live")
def test_a_confirm_behind_the_next_push_of_a_message_without_content_counts(story: Story) -> None:
    story.connect()
    story.push(7, "")
    story.advance(360)
    story.push(7)
    story.takes(7)
    story.wait(60)


@violates("FRM-6", "7, which has no content, was not confirmed; 60.0 s passed")
def test_a_message_without_content_that_is_dropped(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, "")
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-6")
def test_a_message_with_content_has_some(story: Story) -> None:
    story.connect()
    story.push(7)
    story.push(8, "", wire=trailing_bytes)
    story.push(9, "", wire=unreadable)
    story.wait(60)


@leaves_open("FRM-6")
def test_a_message_without_content_whose_id_was_lost_or_that_came_just_now_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(2**53 + 1, "")
    story.confirm(2**53)
    story.wait(50)
    story.push(7, "")
    story.wait(10)


# FRM-7: text


@passes("FRM-7", times=1)
def test_chinese_and_emoji_that_survive(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE)
    story.takes(7)


@violates("FRM-7", 'the content of 7 reached the handler as \'{"title": "\' instead of \'{"title": "棉质连衣裙 😀"}\'')
def test_chinese_that_is_cut(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, CHINESE)
    return pushed, story.received(7, '{"title": "')


@leaves_open("FRM-7")
def test_ascii_and_gzip_show_nothing_of_text(story: Story) -> None:
    story.connect()
    story.push(7, '{"title": "\\u68c9"}')
    story.takes(7)
    story.push(8, CHINESE, wire=gzip)
    story.takes(8)


# FRM-12: large


@passes("FRM-12", times=1)
def test_a_large_message_that_arrives(story: Story) -> None:
    story.connect()
    story.push(7, LARGE)
    story.takes(7)


@violates(
    "FRM-12",
    f"the content of 7 reached the handler as {LARGE[:40]!r}… (65536 characters) instead of {LARGE[:40]!r}… "
    f"({len(LARGE)} characters)",
)
def test_a_large_message_that_is_cut(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, LARGE)
    return pushed, story.received(7, LARGE[:65536])


@leaves_open("FRM-12")
def test_a_large_message_that_was_made_small_is_not_large(story: Story) -> None:
    story.connect()
    story.push(7)
    story.push(8, LARGE, wire=gzip)
    story.wait(60)


# Content


def test_content_is_the_same_when_its_json_is() -> None:
    assert same_content('{"a": 1}', '{"a":1}')
    assert same_content("", None)
    assert same_content("text", "text")
    assert same_content('{"a": [1, 2.50], "b": null}', '{"b":null,"a":[1,2.5]}')
    assert same_content('"\\u68c9"', '"棉"')
    assert same_content('{"a": 1, "a": 2, "b": 3}', '{"a":1,"a":2,"b":3}')


def test_content_that_is_no_json_must_be_the_same_text() -> None:
    assert not same_content("text", "text ")
    assert not same_content("{", "{}")
    assert not same_content("[" * 100_000, "[" * 99_999)


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 0}', '{"a": false}'),
        ('{"a": 1}', '{"a": 1.0}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": null}', "{}"),
        ('{"a": 9007199254740993}', '{"a": 9007199254740992}'),
        ('{"a": 9007199254740993}', '{"a": 9007199254740993.0}'),
        ('{"a": 9007199254740993.0}', '{"a": 9007199254740992.0}'),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ('{"a": 1, "a": 2}', '{"a": 2, "a": 1}'),
        ("[1, 2]", "[2, 1]"),
        ("1" * 5000, "2" * 5000),
    ],
)
def test_json_of_another_value_is_other_content(sent: str, got: str) -> None:
    assert not same_content(sent, got)
    assert not same_content(got, sent)
    assert same_content(sent, sent + " ")


def test_a_number_beyond_all_bounds_is_only_like_itself() -> None:
    beyond = "1e" + "9" * 30
    assert same_content(beyond, beyond)
    assert not same_content(beyond, beyond + " ")
