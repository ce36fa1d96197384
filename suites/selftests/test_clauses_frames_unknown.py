"""FRM judged: pushes with fields, headers, formats and bytes that a client does not know."""

from __future__ import annotations

from odd_frames import (
    CHINESE,
    gzip,
    reversed_fields,
    trailing_bytes,
    unknown,
    unknown_format,
    unknown_header,
    unreadable,
    with_field,
)
from proofs import Evidence, leaves_open, passes, violates
from stories import Story

from tmcspec.frame import int16, raw

# FRM-8: unknown fields


@passes("FRM-8", times=2)
def test_unknown_fields_and_another_order_that_change_nothing(story: Story) -> None:
    story.connect()
    story.push(7, wire=unknown)
    story.takes(7)
    story.push(8, wire=reversed_fields)
    story.takes(8)


@violates("FRM-8", "7 did not reach the handler; 60.0 s passed")
def test_an_unknown_field_that_makes_the_client_drop_the_message(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=unknown)
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-8")
def test_frames_with_anything_rare_in_them_are_left_to_other_clauses(story: Story) -> None:
    story.connect()
    story.push(1, data_id=5)
    story.push(2, wire=with_field(int16("novelty", 1)))
    story.push(3, wire=with_field(raw("novelty", b"x")))
    story.push(4, "", wire=reversed_fields)
    story.push(5, CHINESE, wire=gzip)
    story.push(6, wire=unknown_format)
    story.wait(60)


# FRM-9, FRM-10, FRM-14: oddities with a clause of their own


@passes("FRM-9", times=1)
def test_an_unknown_header_that_is_skipped(story: Story) -> None:
    story.connect()
    story.push(7, wire=unknown_header)
    story.takes(7)


@violates("FRM-9", "7 did not reach the handler; the client died (exit status 1)")
def test_an_unknown_header_that_kills_the_client(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=unknown_header)
    story.died()
    return (pushed,)


@leaves_open("FRM-9")
def test_other_oddities_are_no_unknown_header(story: Story) -> None:
    story.connect()
    story.push(7)
    story.push(8, wire=unknown_format)
    story.push(9, wire=unreadable)
    story.died()


@passes("FRM-10", times=1)
def test_an_unknown_format_that_is_read_as_a_string(story: Story) -> None:
    story.connect()
    story.push(7, wire=unknown_format)
    story.takes(7)


@violates("FRM-10", "7 did not reach the handler; 60.0 s passed")
def test_an_unknown_format_that_makes_the_client_drop_the_message(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=unknown_format)
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-10")
def test_other_oddities_are_no_unknown_format(story: Story) -> None:
    story.connect()
    story.push(7, wire=unknown_header)
    story.wait(60)


@passes("FRM-14", times=1)
def test_trailing_bytes_that_are_ignored(story: Story) -> None:
    story.connect()
    story.push(7, wire=trailing_bytes)
    story.takes(7)


@violates("FRM-14", "7 did not reach the handler; 60.0 s passed")
def test_trailing_bytes_that_make_the_client_drop_the_message(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=trailing_bytes)
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-14")
def test_other_oddities_are_no_trailing_bytes(story: Story) -> None:
    story.connect()
    story.push(7, wire=unknown_header)
    story.wait(60)
