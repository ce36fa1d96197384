"""FRM judged: malformed frames, of the service and of the client."""

from __future__ import annotations

from odd_frames import trailing_bytes, unknown_header
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import TOKEN, Story

from tmcspec.frame import Frame, MessageType, encode, string
from tmcspec.messages import Confirm

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
