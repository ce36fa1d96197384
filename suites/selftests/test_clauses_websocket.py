"""CON-5 and FRM-16 judged: what went over a WebSocket beside TMC frames."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import Story

from tmcspec.events import WsIn, WsOut
from tmcspec.trace import Entry

# CON-5: signs of life


def sends(story: Story, opcode: str, data: bytes = b"") -> Entry:
    """The client sends something beside TMC frames."""
    return story.record(WsIn(connection=story.connection, opcode=opcode, data=data))


def is_pinged(story: Story, data: bytes = b"") -> Entry:
    return story.record(WsOut(connection=story.connection, opcode="ping", data=data))


@passes("CON-5", times=3)
def test_a_ping_that_is_answered_and_a_client_that_pulls(story: Story) -> None:
    story.connect()
    is_pinged(story, b"1")
    story.hears_text()
    story.wait(50)
    sends(story, "pong", b"1")
    story.wait(60)
    story.pull()


@passes("CON-5", times=4)
def test_pings_of_the_same_bytes_are_answered_one_by_one(story: Story) -> None:
    story.connect()
    for _ in range(2):
        is_pinged(story)
        sends(story, "pong")


@violates("CON-5", "a PING was answered 2 times", times=3)
def test_a_ping_that_is_answered_twice(story: Story) -> Evidence:
    story.connect()
    asked = is_pinged(story)
    story.close("client", on="c9")
    answers = sends(story, "pong"), sends(story, "pong")
    story.close()
    return asked, *answers


@violates("CON-5", "a PING was not answered; 10.0 s passed")
def test_a_ping_that_is_not_answered(story: Story) -> Evidence:
    story.connect()
    asked = is_pinged(story)
    sends(story, "ping")
    sends(story, "pong", b"another")
    story.wait(10)
    return (asked,)


@violates("CON-5", "61 s without a sign of life", times=1)
def test_a_client_that_is_silent_for_more_than_a_minute(story: Story) -> Evidence:
    first = story.connect()
    story.wait(61)
    return first, story.pull()


@leaves_open("CON-5")
def test_a_client_that_is_not_read_from_is_heard_of_late(story: Story) -> None:
    story.connect(client="client")
    story.fault("stop_reading", "client")
    story.wait(61)
    story.heals("stop_reading", "client")
    story.pull()


@violates("CON-5", "61 s without a sign of life", times=1)
def test_another_client_that_is_not_read_from_excuses_nobody(story: Story) -> Evidence:
    first = story.connect(client="client")
    story.fault("stop_reading", "other")
    story.wait(61)
    return first, story.pull()


@leaves_open("CON-5")
def test_what_is_still_to_come_or_on_no_accepted_connection_counts_for_nothing(story: Story) -> None:
    story.connects()
    story.wait(100)
    story.pull()
    story.connects()
    story.pings()
    story.accepts()
    is_pinged(story)
    story.wait(9)


# FRM-16: control frames


@passes("FRM-16", times=5)
def test_pings_a_pong_for_a_ping_and_an_ordinary_close(story: Story) -> None:
    story.connect()
    story.pings()
    is_pinged(story)
    sends(story, "pong")
    sends(story, "pong")
    sends(story, "close", b"\x03\xe8bye")
    story.connect()
    sends(story, "close")


@violates("FRM-16", "a PONG without a PING")
def test_a_pong_that_nobody_asked_for(story: Story) -> Evidence:
    story.connect()
    return (sends(story, "pong"),)


@violates("FRM-16", "a Close of 302 bytes")
def test_a_close_with_a_whole_exception_in_it(story: Story) -> Evidence:
    story.connect()
    return (sends(story, "close", b"\x03\xe8" + b"x" * 300),)


@violates("FRM-16", "a Close with the code 1005")
def test_a_close_with_a_code_that_is_none(story: Story) -> Evidence:
    story.connect()
    return (sends(story, "close", b"\x03\xed"),)


@violates("FRM-16", "a text message")
def test_a_text_message(story: Story) -> Evidence:
    story.connect()
    return (story.says_text(),)


@leaves_open("FRM-16")
def test_tmc_frames_are_another_matter(story: Story) -> None:
    story.connect()
    story.pull()
