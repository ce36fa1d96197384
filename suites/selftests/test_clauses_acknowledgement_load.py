"""ACK judged: slow handlers and bursts, where one message waits for others."""

from __future__ import annotations

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import Story
from story_values import HANG, LONG, NEIGHBOUR, SLOW

from tmcspec.frame import encode
from tmcspec.instruction import Instruction
from tmcspec.timing import CLIENT_QUEUE_SIZE
from tmcspec.trace import Entry

# ACK-9: slow handlers


@passes("ACK-9", times=1)
def test_a_message_that_is_handled_beside_a_slow_one(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.push(8)
    story.received(8)
    story.wait(2)
    story.handled(7)


@passes("ACK-9", times=1)
def test_a_message_that_is_handled_beside_a_hanging_one(story: Story) -> None:
    story.connect()
    story.push(7, told=HANG)
    story.received(7)
    story.wait(600)
    story.push(8)
    story.takes(8)


@violates("ACK-9", "8 waited until the handler of 7 was done")
def test_a_message_that_waits_behind_a_slow_one(story: Story) -> Evidence:
    story.connect()
    slow = story.push(7, told=SLOW)
    story.received(7)
    story.push(8)
    story.wait(2)
    story.handled(7)
    return slow, story.received(8)


@violates("ACK-9", "8 was not handled while the handler of 7 works; 60.0 s passed")
def test_a_message_that_waits_behind_a_hanging_one(story: Story) -> Evidence:
    story.connect()
    slow = story.push(7, told=HANG)
    story.received(7)
    behind = story.push(8)
    story.wait(60)
    return slow, behind


@leaves_open("ACK-9")
def test_several_slow_handlers_may_use_up_all_there_are(story: Story) -> None:
    story.connect()
    story.push(5, told=HANG)
    story.received(5)
    story.push(6, told=HANG, wire=lambda push: encode(push.to_frame()) + b"\x00")
    story.received(6)
    story.push(7)
    story.wait(60)


@leaves_open("ACK-9", client_clock=False)
def test_where_no_seconds_were_measured_a_slow_handler_may_have_been_nearly_done(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.push(8)
    story.handled(7)
    story.received(8)


@leaves_open("ACK-9")
def test_several_slow_handlers_of_a_connection_before_may_use_up_all_there_are(story: Story) -> None:
    story.connect()
    story.push(5, told=HANG)
    story.received(5)
    story.close()
    story.connect()
    story.push(6, told=HANG)
    story.received(6)
    story.push(7)
    story.wait(60)


@passes("ACK-9", times=1)
def test_a_message_that_came_twice_while_the_clock_jumped_is_handled_once(story: Story) -> None:
    story.connect()
    story.push(7, told=HANG)
    story.received(7)
    story.push(8)
    story.advance(360)
    story.push(8)
    story.takes(8)
    story.wait(600)


@leaves_open("ACK-9")
def test_a_message_that_was_handled_before_needs_no_handler_beside_a_slow_one(story: Story) -> None:
    story.connect()
    story.push(8)
    story.received(8)
    story.close()
    story.handled(8)
    story.advance(360)
    story.connect()
    story.push(7, told=HANG)
    story.push(8)
    story.received(7)
    story.confirm(8)
    story.wait(600)


@leaves_open("ACK-9")
def test_messages_that_prove_nothing_about_a_slow_one(story: Story) -> None:
    story.connect()
    story.push(1, told=Instruction(delay_ms=500))
    story.received(1)
    story.push(2)
    story.received(2)
    # It came when the slow one was nearly done.
    story.push(3, told=SLOW)
    story.received(3)
    story.wait(1.5)
    story.push(4)
    story.wait(0.5)
    story.handled(3)
    story.received(4)
    # It is the slow one itself, again.
    story.push(5, told=SLOW)
    story.received(5)
    story.advance(360)
    story.push(5)
    story.wait(2)
    story.handled(5)
    # It was on another connection.
    story.push(6, told=HANG)
    story.received(6)
    story.connect()
    story.push(7)
    # The slow one never began, or the other one has only come.
    story.push(8, told=HANG)
    story.push(9)
    story.wait(100)
    story.push(10, told=HANG)
    story.received(10)
    story.push(11)
    story.wait(3)


# ACK-11: bursts


def burst(story: Story, size: int = CLIENT_QUEUE_SIZE + 1, *, told: Instruction | None = None) -> list[Entry]:
    """So many messages at once: 1, 2, 3 …"""
    return [story.push(id, told=told) for id in range(1, size + 1)]


@passes("ACK-11", times=1)
def test_a_burst_that_is_answered_to_the_last(story: Story) -> None:
    story.connect()
    burst(story)
    for id in range(1, CLIENT_QUEUE_SIZE + 2):
        story.takes(id)
    # The connection may go when nothing is in hand.
    story.close("client")
    story.wait(60)


@passes("ACK-11", times=1)
def test_a_burst_of_which_one_comes_again_loses_nothing(story: Story) -> None:
    story.connect()
    burst(story)
    for id in range(2, CLIENT_QUEUE_SIZE + 2):
        story.confirm(id)
    story.wait(360)
    story.push(1)
    story.confirm(1)
    story.wait(60)


@violates("ACK-11", f"1 of {CLIENT_QUEUE_SIZE + 1} messages of a burst were never answered; 60.0 s passed", times=1)
def test_a_burst_of_which_one_is_lost(story: Story) -> Evidence:
    story.connect()
    pushed = burst(story)
    for id in range(2, CLIENT_QUEUE_SIZE + 2):
        story.takes(id)
    story.wait(60)
    return (pushed[0],)


@violates("ACK-11", f"the client closed the connection with {CLIENT_QUEUE_SIZE} messages in hand")
def test_a_burst_that_makes_the_client_close(story: Story) -> Evidence:
    story.connect()
    pushed = burst(story)
    story.confirm(1)
    return pushed[1], story.close("client")


@leaves_open("ACK-11")
def test_as_many_as_a_queue_holds_are_no_burst(story: Story) -> None:
    story.connect()
    burst(story, CLIENT_QUEUE_SIZE)
    for id in range(1, CLIENT_QUEUE_SIZE + 1):
        story.confirm(id)
    story.push(CLIENT_QUEUE_SIZE + 1)
    story.wait(60)


@leaves_open("ACK-11")
def test_a_burst_on_a_connection_that_is_cut_comes_again(story: Story) -> None:
    story.connect()
    burst(story)
    story.close("fault")
    story.wait(60)


@leaves_open("ACK-11")
def test_a_burst_that_the_client_is_still_at_work_on(story: Story) -> None:
    story.connect()
    burst(story)
    story.wait(100)
    story.confirm(1)
    story.wait(59)


@passes("ACK-11", times=1)
def test_a_burst_of_hanging_handlers_and_lost_ids_cannot_be_answered(story: Story) -> None:
    story.connect()
    burst(story, told=HANG)
    story.push(LONG)
    story.confirm(NEIGHBOUR)
    story.wait(60)


def test_a_busy_time_ends_when_nothing_is_in_hand() -> None:
    story = Story()
    story.connect()
    burst(story)
    for id in range(1, CLIENT_QUEUE_SIZE + 2):
        story.confirm(id)
    story.push(9999)
    story.close("client")
    story.wait(60)
    judgement = judged("ACK-11", story)
    assert (judgement.result, judgement.exercised) == ("pass", 1)
