"""ACK judged: answers one by one, to what they answer, how often, and in what types."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import TOKEN, Story
from story_values import FAIL, LONG, NEIGHBOUR

from tmcspec.events import Id, Pushed
from tmcspec.frame import Frame, MessageType, byte, int16, int64, string
from tmcspec.instruction import Instruction

# ACK-6: one answer


@passes("ACK-6", times=2)
def test_one_answer_for_each_delivery(story: Story) -> None:
    story.connect()
    story.push(7)
    story.takes(7)
    story.push(8)
    story.fail(8)
    story.wait(360)
    story.push(8)
    story.confirm(8)


@passes("ACK-6", times=1)
def test_two_answers_behind_two_pushes_are_one_for_each(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    story.confirm(7)


@violates("ACK-6", "7 was pushed 1 time and answered 2 times (Fail, Confirm)")
def test_a_failed_and_a_confirm_for_one_delivery(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    return story.fail(7), story.confirm(7)


@violates("ACK-6", "7 was pushed 1 time and answered 2 times (Confirm, Confirm)", times=1)
def test_a_second_push_does_not_make_up_for_two_answers_before_it(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    evidence = story.confirm(7, lost=True), story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    return evidence


@violates("ACK-6", "7 was pushed 2 times and answered 3 times (Fail, Confirm, Confirm)")
def test_two_answers_to_the_second_delivery(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    failed = story.fail(7)
    story.wait(360)
    story.push(7)
    return failed, story.confirm(7), story.confirm(7)


@passes("ACK-6", times=1)
def test_a_stray_confirm_is_no_second_answer(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR)
    story.confirm(NEIGHBOUR)
    story.push(LONG)
    story.confirm(NEIGHBOUR)


@leaves_open("ACK-6")
def test_a_message_that_nobody_answers_was_not_answered_twice(story: Story) -> None:
    story.connect()
    story.push(7)
    story.produce(8)
    story.confirm(9)
    story.confirm(8)


# ACK-7: only what was delivered


@passes("ACK-7", times=1)
def test_a_confirm_of_what_was_pushed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7)


@passes("ACK-7", times=1)
def test_a_message_that_was_produced_before_the_trace_begins_may_be_confirmed(story: Story) -> None:
    story.connect()
    story.record(Pushed(message=Id(7), connection=story.connection, attempt=1))
    story.confirm(7)


@violates("ACK-7", "8 was confirmed and had not been pushed", times=2)
def test_a_confirm_of_what_was_never_pushed(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.confirm(7)
    return (story.confirm(8),)


@violates("ACK-7", "7 was confirmed and had not been pushed")
def test_a_confirm_before_the_push_is_a_guess(story: Story) -> Evidence:
    story.connect()
    story.produce(7)
    confirm = story.confirm(7)
    story.push(7)
    return (confirm,)


@violates("ACK-7", "a Confirm without an id")
def test_a_confirm_without_an_id_names_nothing(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    return (story.confirm(None),)


@leaves_open("ACK-7")
def test_a_rounded_id_is_a_matter_of_lid_1(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.confirm(NEIGHBOUR)
    story.fail(8)


@leaves_open("ACK-7")
def test_a_trace_that_begins_in_the_middle_does_not_show_what_was_pushed(story: Story) -> None:
    story.confirm(7)


# ACK-8: confirmed again


@passes("ACK-8", times=1)
def test_a_lost_confirm_that_is_repeated(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    story.confirm(7)


@passes("ACK-8", times=2, world="live")
def test_confirms_behind_the_third_push_count_for_the_second_too(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7, lost=True)
    story.advance(360)
    story.push(7)
    story.confirm(7, lost=True)
    story.advance(360)
    story.push(7)
    story.confirm(7)
    story.wait(60)


@violates("ACK-8", "7 came again after its confirm was lost and was not confirmed; 60.0 s passed")
def test_a_repetition_that_is_thrown_away(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    lost = story.confirm(7, lost=True)
    story.wait(360)
    pushed = story.push(7)
    story.wait(60)
    return lost, pushed


@leaves_open("ACK-8")
def test_a_repetition_may_take_as_long_as_its_handler(story: Story) -> None:
    story.connect()
    story.push(7, told=Instruction(delay_ms=30_000))
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    story.wait(89)


@leaves_open("ACK-8")
def test_nothing_was_confirmed_and_came_again(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    story.push(8, told=FAIL)
    story.confirm(8, lost=True)
    story.wait(360)
    story.push(8)
    story.wait(60)


# ACK-10: types


@passes("ACK-10", times=2)
def test_answers_with_a_byte_and_an_int64(story: Story) -> None:
    story.connect()
    story.push(7)
    story.fail(7)
    story.confirm(7)


@violates("ACK-10", "id is INT16, not INT64")
def test_an_id_in_a_width_of_its_own(story: Story) -> Evidence:
    return (story.says(Frame(type=MessageType.SEND, token=TOKEN, content=(byte("__kind", 2), int16("id", 7)))),)


@violates("ACK-10", "id is missing, not INT64")
def test_an_id_that_is_not_there(story: Story) -> Evidence:
    return (story.says(Frame(type=MessageType.SEND, token=TOKEN, content=(byte("__kind", 2),))),)


@violates("ACK-10", "__kind is STRING, not BYTE")
def test_a_kind_as_a_string(story: Story) -> Evidence:
    return (story.says(Frame(type=MessageType.SEND, token=TOKEN, content=(string("__kind", "2"), int64("id", 7)))),)


@leaves_open("ACK-10")
def test_pulls_carry_no_id(story: Story) -> None:
    story.connect()
    story.pull()
    story.says(b"\x02")
