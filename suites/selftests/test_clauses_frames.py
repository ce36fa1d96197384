"""FRM judged: hand-written deliveries of odd and ordinary frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stories import TOKEN, Evidence, Story, judged, leaves_open, passes, violates

from tmcspec.clauses.history import same_content
from tmcspec.events import Id, Pushed
from tmcspec.frame import Field, Frame, MessageType, encode, int16, raw, string, void
from tmcspec.messages import Confirm, Push, gzipped

CHINESE = '{"title": "棉质连衣裙 😀"}'
LARGE = '{"text": "' + "x" * 100_000 + '"}'


def with_field(field: Field) -> Callable[[Push], bytes]:
    """A push with one more field."""
    return lambda push: encode(replace(push, extras=(field,)).to_frame())


def plain(push: Push) -> bytes:
    return encode(push.to_frame())


def gzip(push: Push) -> bytes:
    return encode(replace(push, content=gzipped(push.content if isinstance(push.content, str) else "")).to_frame())


def reversed_fields(push: Push) -> bytes:
    frame = push.to_frame()
    return encode(replace(frame, content=(frame.content or ())[::-1]))


def unknown_header(push: Push) -> bytes:
    data = plain(push)
    return data[:2] + b"\x09\x00" + data[2:]


def unknown_format(push: Push) -> bytes:
    data = with_field(string("novelty", "x"))(push)
    at = data.index(b"novelty") + len(b"novelty")
    return data[:at] + b"\x09" + data[at + 1 :]


def trailing_bytes(push: Push) -> bytes:
    return plain(push) + b"\xde\xad"


def unreadable(push: Push) -> bytes:
    return plain(push)[:-4]


rare = with_field(void("spec_void"))
unknown = with_field(string("token", "mine"))


# FRM-1: formats. What all clauses about delivery have in common is told of this one.


@passes("FRM-1", times=1)
def test_a_push_with_a_rare_field_that_reaches_the_handler_was_decoded(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.received(7)


@passes("FRM-1", times=1, handlers=False)
def test_on_the_wire_alone_an_answer_shows_that_a_push_was_decoded(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.confirm(7)


@passes("FRM-1", times=2, handlers=False, world="live")
def test_an_answer_behind_the_next_push_of_a_message_may_be_that_to_the_first(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.advance(360)
    story.push(7)
    story.fail(7)
    story.wait(60)


@violates("FRM-1", "7 did not reach the handler; 60.0 s passed")
def test_a_push_that_never_reaches_the_handler_was_not_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(60)
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; 420.0 s passed", handlers=False)
def test_an_answer_to_the_second_delivery_does_not_show_that_the_first_was_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    story.wait(60)
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; the client died (exit status 1)")
def test_a_push_that_kills_the_client_was_not_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(1)
    story.died()
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; 60.0 s passed")
def test_a_client_that_closes_upon_a_push_is_not_excused_by_that(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.close("client")
    story.connect()
    story.wait(60)
    return (pushed,)


@violates("FRM-1", "7 did not reach the handler; 420.0 s passed")
def test_a_first_delivery_that_was_dropped_is_not_made_good_by_the_second(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    story.wait(360)
    story.push(7)
    story.takes(7)
    story.wait(60)
    return (pushed,)


@violates(
    "FRM-1", "the content of 7 reached the handler as '{}' instead of '{\"tid\": 1}'", handlers=True, world="live"
)
def test_a_push_that_reaches_the_handler_with_the_wrong_content_was_not_decoded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, '{"tid": 1}', wire=rare)
    return pushed, story.received(7, "{}")


@violates("FRM-1", "the content of 7 reached the handler as nothing instead of '{}'")
def test_lost_content_is_told_as_nothing(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, wire=rare)
    return pushed, story.received(7, None)


@passes("FRM-1", times=1)
def test_a_duplicate_that_is_recognised_and_confirmed_need_not_reach_the_handler(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.handles(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    story.wait(60)


@passes("FRM-1", times=2, world="live")
def test_two_deliveries_that_are_under_way_at_once_reach_the_handler_one_by_one(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.advance(360)
    story.push(7)
    story.received(7)
    story.received(7)
    story.wait(60)


@leaves_open("FRM-1")
def test_a_push_on_a_connection_that_the_service_ends_need_not_arrive(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.wait(1)
    story.close("fault")
    story.wait(60)


@leaves_open("FRM-1")
def test_a_client_that_is_asked_to_stop_need_not_take_more(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.stopped()
    story.close("client")
    story.wait(60)


@leaves_open("FRM-1")
def test_a_client_that_dies_after_the_connection_was_cut_did_not_die_of_the_push(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.close("fault")
    story.died()


@leaves_open("FRM-1")
def test_a_push_that_came_just_now_may_still_be_handled(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.wait(59)


@leaves_open("FRM-1", handlers=False)
def test_seconds_that_the_service_clock_was_moved_are_not_the_clients(story: Story) -> None:
    story.connect()
    story.push(7, wire=rare)
    story.advance(3600)
    story.wait(1)


@leaves_open("FRM-1")
def test_an_ordinary_push_shows_nothing_of_rare_formats(story: Story) -> None:
    story.connect()
    story.push(7, data_id=4, wire=plain)
    story.takes(7)


@leaves_open("FRM-1")
def test_a_push_without_id_topic_or_token_or_that_nobody_can_read_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(1, wire=lambda push: rare(replace(push, id=None)))
    story.push(2, wire=lambda push: rare(replace(push, topic=None)))
    story.push(3, wire=lambda push: rare(replace(push, token=None)))
    story.push(4, wire=lambda push: rare(replace(push, token="of another app")))
    story.push(5, wire=unreadable)
    story.wait(60)


@leaves_open("FRM-1")
def test_a_push_whose_frame_is_not_in_the_trace_is_not_judged(story: Story) -> None:
    story.produce(7, wire=rare)
    story.record(Pushed(message=Id(7), connection="c9", attempt=1))
    story.wait(60)


@leaves_open("FRM-1", handlers=False)
def test_an_id_that_was_lost_in_rounding_is_a_matter_of_lid(story: Story) -> None:
    story.connect()
    story.push(2**53 + 1, wire=rare)
    story.confirm(2**53)
    story.wait(60)


@leaves_open("FRM-1")
def test_what_a_rounding_client_shows_of_two_neighbours_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(2**53, '{"it": 1}', wire=rare)
    story.push(2**53 + 1, '{"it": 2}', wire=rare)
    story.received(2**53, '{"it": 2}')
    story.confirm(2**53)
    story.received(2**53, '{"it": 1}')
    story.confirm(2**53)
    story.wait(60)


@passes("FRM-1", times=1)
def test_a_rounding_client_is_still_held_to_the_content(story: Story) -> None:
    story.connect()
    story.push(2**53 + 1, wire=rare)
    story.received(2**53, "{}")
    story.confirm(2**53)


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


# FRM-11: malformed frames


@passes("FRM-11", times=1)
def test_a_client_that_confirms_the_next_message_survived(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.push(7)
    story.takes(7)


@passes("FRM-11", times=1)
def test_a_text_message_is_survived_too(story: Story) -> None:
    story.connect()
    story.hears_text()
    story.push(7)
    story.takes(7)


@passes("FRM-11", times=3)
def test_frames_of_no_meaning_or_with_wrong_lengths_are_malformed(story: Story) -> None:
    story.connect()
    story.hears(Frame(type=9))
    story.hears(Frame(type=MessageType.SEND, content=(string("id", "7"),)))
    story.hears(bytes.fromhex("02020100010000006b07ffffffff0000"))
    story.push(7)
    story.takes(7)


@passes("FRM-11", times=1)
def test_a_client_may_reconnect_upon_a_malformed_frame(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.push(7)
    story.close("client")
    story.wait(10)
    story.connect()
    story.wait(350)
    story.push(7)
    story.takes(7)


@passes("FRM-11", times=1)
def test_a_client_that_confirms_a_wrong_id_survived_too(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.push(2**53 + 1)
    story.confirm(2**53)


@passes("FRM-11", times=1)
def test_one_confirmed_message_is_enough_though_others_are_pushed_until_the_end(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.push(7)
    story.wait(60)
    story.push(8)
    story.takes(8)
    story.push(9)


@violates("FRM-11", "the client died (exit status 1)")
def test_a_client_that_dies_of_a_malformed_frame(story: Story) -> Evidence:
    story.connect()
    bad = story.hears(b"\x02")
    return bad, story.died()


@violates("FRM-11", "nothing was confirmed after a malformed frame; 65.0 s passed")
def test_a_client_that_goes_deaf_upon_a_malformed_frame(story: Story) -> Evidence:
    story.connect()
    bad = story.hears(b"\x02")
    pushed = story.push(7)
    story.wait(60)
    # One more just before the end does not excuse it.
    story.push(8)
    story.wait(5)
    return bad, pushed


@violates("FRM-11", "the client closed the connection and did not come back; 30.0 s passed")
def test_a_client_that_leaves_for_good_upon_a_malformed_frame(story: Story) -> Evidence:
    story.connect()
    bad = story.hears(b"\x02")
    closed = story.close("client")
    story.wait(30)
    return bad, closed


@leaves_open("FRM-11")
def test_messages_that_say_nothing_about_survival(story: Story) -> None:
    story.connect()
    story.push(5)
    story.hears(b"\x02")
    # A client is still at the malformed frame, or gave this one up with its connection.
    story.push(7)
    story.close("client")
    story.wait(10)
    story.connect()
    story.push(8, wire=trailing_bytes)
    story.wait(60)


@leaves_open("FRM-11")
def test_a_death_long_after_a_malformed_frame_is_another_matter(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.wait(600)
    story.died()


@leaves_open("FRM-11")
def test_a_connection_that_others_end_after_a_malformed_frame_is_another_matter(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.close("service")
    story.wait(60)
    story.hears(b"\x02")


@leaves_open("FRM-11")
def test_a_client_that_was_just_closed_may_still_come_back(story: Story) -> None:
    story.connect()
    story.hears(b"\x02")
    story.close("client")
    story.wait(20)


@leaves_open("FRM-11")
def test_oddities_with_a_clause_of_their_own_are_not_malformed(story: Story) -> None:
    story.connect()
    story.push(7, wire=unknown_header)
    story.push(8, wire=trailing_bytes)
    story.died()


def test_three_thousand_malformed_frames_are_judged_one_by_one() -> None:
    story = Story()
    story.connect()
    for _ in range(3000):
        story.hears(b"\x02")
    for id in range(1000):
        story.push(id)
    story.wait(60)
    judgement = judged("FRM-11", story)
    assert (judgement.exercised, len(judgement.violations)) == (3000, 3000)


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


# FRM-13: what the client writes


@passes("FRM-13", times=2)
def test_frames_that_decode_strictly(story: Story) -> None:
    story.connect()
    story.confirm(7)


@violates(
    "FRM-13", "a frame from the client is malformed: offset 2: truncated: a header type needs 2 bytes, 0 are left"
)
def test_a_frame_that_is_cut(story: Story) -> Evidence:
    return (story.says(b"\x02\x02"),)


@violates(
    "FRM-13",
    "a frame from the client is malformed: offset 77: trailing-bytes: 1 bytes after the end of the headers",
)
def test_a_frame_that_only_a_lenient_reader_understands(story: Story) -> Evidence:
    return (story.says(encode(Confirm(token=TOKEN, id=7).to_frame()) + b"\x00"),)


@leaves_open("FRM-13")
def test_what_the_service_writes_is_not_the_clients(story: Story) -> None:
    story.open()
    story.hears(b"\x02\x02")
    story.says_text()


# FRM-15: fragments


@passes("FRM-15", times=1)
def test_fragments_that_are_joined(story: Story) -> None:
    story.connect()
    story.push(7, fragments=3)
    story.takes(7)


@violates("FRM-15", "7 did not reach the handler; 60.0 s passed")
def test_fragments_that_are_not_joined(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, fragments=2)
    story.close("client")
    story.wait(60)
    return (pushed,)


@leaves_open("FRM-15")
def test_a_message_in_one_piece_has_no_fragments(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(60)


# Content


def test_content_is_the_same_when_its_json_is() -> None:
    assert same_content('{"a": 1}', '{"a":1}')
    assert same_content("", None)
    assert same_content("text", "text")


def test_content_that_is_no_json_must_be_the_same_text() -> None:
    assert not same_content("text", "text ")
    assert not same_content("{", "{}")
    assert not same_content('{"tid": 9007199254740993}', '{"tid": 9007199254740992}')
    assert not same_content("[" * 100_000, "[" * 99_999)
    assert not same_content("1" * 5000, "2" * 5000)
