"""Faults judged: what was done to a frame on purpose excuses whom it befell, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from proofs import Evidence, leaves_open, passes, violates
from stories import APP, GROUP, TOKEN, USER, Story

from tmcspec.events import Accepted, Signed
from tmcspec.frame import encode
from tmcspec.instruction import Instruction
from tmcspec.messages import Confirm, Connect, ConnectAck, PullRequest, Push
from tmcspec.timing import CLIENT_QUEUE_SIZE

CHINESE = '{"title": "棉"}'
OTHER = "4c52a0b6-6ce7-4e2e-9c53-a2ad43a6a9b0"
HANG, FAIL = Instruction(outcome="hang"), Instruction(outcome="fail")


def with_id(id: int) -> Callable[[Push], bytes]:
    """What makes the frame of a push, with another id in it."""
    return lambda push: encode(replace(push, id=id).to_frame())


# What did not come, or came otherwise


@leaves_open("FRM-7")
def test_a_push_that_was_dropped_is_not_missed(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("drop",))
    story.wait(1000)


@violates("FRM-7", "8 did not reach the handler; 1000.0 s passed", times=1)
def test_the_push_behind_one_that_was_dropped_is_not_excused(story: Story) -> Evidence:
    story.connect()
    story.push(7, CHINESE, befell=("drop",))
    ignored = story.push(8, CHINESE)
    story.wait(1000)
    return (ignored,)


@passes("FRM-7", times=1)
def test_what_the_handler_gets_was_not_the_push_that_was_dropped(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("drop",))
    story.wait(30)
    story.push(7)
    story.takes(7)


@leaves_open("FRM-7")
def test_a_push_that_was_held_back_and_never_came_is_not_missed(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("delay",))
    story.push(8)
    story.wait(1000)


@passes("FRM-7", times=1)
def test_a_push_that_came_late_has_the_time_of_one_that_came_then(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("delay",))
    story.wait(1000)
    story.arrives(7)
    story.wait(30)
    story.takes(7)


@leaves_open("FRM-7")
def test_a_push_that_was_held_back_and_came_just_now_may_still_be_handled(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("reorder",))
    story.wait(1000)
    story.arrives(7)


@passes("FRM-7", times=2)
def test_a_push_that_came_late_and_the_next_are_told_apart(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("delay",))
    story.wait(355)
    story.arrives(7)
    story.wait(5)
    story.push(7)
    story.takes(7)
    story.takes(7)


@passes("FRM-7", times=1)
def test_a_push_that_came_after_the_next_need_not_be_taken(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("delay",))
    story.wait(360)
    story.push(7)
    story.takes(7)
    story.wait(10)
    story.hears(Push(token=TOKEN, id=7, topic="t", content=CHINESE))
    story.wait(1000)


@passes("FRM-7", times=2, handlers=False)
def test_an_answer_to_a_push_that_came_late_may_come_after_the_next(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("delay",))
    story.wait(355)
    story.arrives(7)
    story.wait(5)
    story.push(7)
    story.confirm(7)


@leaves_open("RDL-7")
def test_a_message_that_came_again_late_may_still_be_answered(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7, befell=("delay",))
    story.wait(300)
    story.arrives(7)
    story.wait(10)


@leaves_open("ACK-9")
def test_a_message_that_came_when_a_slow_handler_was_nearly_done_did_not_wait_for_it(story: Story) -> None:
    story.connect()
    story.push(7, told=Instruction(delay_ms=10_000))
    story.received(7)
    story.push(8, befell=("delay",))
    story.wait(9)
    story.arrives(8)
    story.wait(1)
    story.handled(7)
    story.takes(8)


@leaves_open("ACK-9")
def test_a_message_that_came_late_behind_a_slow_handler_may_still_be_handled(story: Story) -> None:
    story.connect()
    story.push(7, told=HANG)
    story.received(7)
    story.push(8, befell=("delay",))
    story.wait(100)
    story.arrives(8)
    story.wait(10)


@leaves_open("FRM-11")
def test_whoever_closes_soon_after_what_came_late_has_not_ignored_it(story: Story) -> None:
    story.connect()
    story.hears(b"")
    story.push(7, befell=("delay",))
    story.wait(100)
    story.arrives(7)
    story.wait(10)
    story.close("client")
    story.connect()
    story.wait(1000)


@violates("FRM-7", "7 did not reach the handler; 100.0 s passed")
def test_a_push_that_came_late_and_was_ignored(story: Story) -> Evidence:
    story.connect()
    ignored = story.push(7, CHINESE, befell=("delay",))
    story.wait(1000)
    story.arrives(7)
    story.wait(100)
    return (ignored,)


@violates("FRM-7", "8 did not reach the handler; 100.0 s passed", times=1)
def test_what_is_no_push_does_not_pass_for_one_that_was_held_back(story: Story) -> Evidence:
    story.connect()
    story.push(7, CHINESE, befell=("delay",))
    ignored = story.push(8, CHINESE)
    story.acknowledges()
    story.hears(b"")
    story.wait(100)
    return (ignored,)


@violates("FRM-7", "7 did not reach the handler; 100.0 s passed", times=1)
def test_garbage_before_a_push_is_not_taken_for_it(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, CHINESE, befell=("garbage",))
    story.wait(100)
    return (pushed,)


@violates("FRM-7", "8 did not reach the handler; 100.0 s passed", times=1)
def test_garbage_that_is_held_back_with_a_push_does_not_come_before_the_next(story: Story) -> Evidence:
    story.connect()
    story.push(7, CHINESE, befell=("garbage", "delay"))
    pushed = story.push(8, CHINESE)
    story.wait(100)
    return (pushed,)


@leaves_open("FRM-7")
def test_content_that_was_changed_on_the_way_is_not_missed(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("corrupt_field",))
    story.received(7, '{"title": "x"}')


@violates("FRM-7", "the content of 7 reached the handler as 'x' instead of '{\"title\": \"棉\"}'")
def test_content_that_was_not_changed_on_the_way_is(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, CHINESE, befell=("wrong_flag",))
    return pushed, story.received(7, "x")


@leaves_open("LID-4")
def test_a_user_id_that_was_changed_on_the_way_is_not_the_clients_doing(story: Story) -> None:
    story.connect()
    story.push(7, user_id=2**53 + 1, befell=("corrupt_field",))
    story.received(7, user_id=USER)


@leaves_open("FRM-7")
def test_more_than_a_client_must_take_need_not_be_taken(story: Story) -> None:
    story.connect()
    story.push(7, CHINESE, befell=("oversize",))
    story.wait(1000)


# Answers


@passes("ACK-2")
def test_whoever_was_not_told_to_hang_may_confirm(story: Story) -> None:
    story.connect()
    story.push(7, told=HANG, befell=("corrupt_field",))
    story.received(7, "other")
    story.handled(7)
    story.confirm(7)


@violates("ACK-2", "7 was confirmed while its handler hangs")
def test_whoever_was_told_to_hang_may_not_confirm_whatever_else_was_odd(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=HANG, befell=("wrong_flag",))
    story.received(7)
    return pushed, story.confirm(7)


@passes("ACK-6", times=1)
def test_a_push_that_came_twice_may_be_answered_twice(story: Story) -> None:
    story.connect()
    story.push(7, befell=("duplicate",))
    story.arrives(7)
    story.takes(7)
    story.confirm(7)


@violates("ACK-6", "7 was pushed 1 time and answered 3 times (Confirm, Confirm, Confirm)")
def test_a_push_that_came_twice_may_not_be_answered_three_times(story: Story) -> Evidence:
    story.connect()
    story.push(7, befell=("duplicate",))
    story.arrives(7)
    return story.takes(7), story.confirm(7), story.confirm(7)


@violates("ACK-6", "8 was pushed 1 time and answered 2 times (Confirm, Confirm)")
def test_a_copy_of_another_push_excuses_no_second_answer(story: Story) -> Evidence:
    story.connect()
    story.push(7, befell=("duplicate",))
    story.arrives(7)
    story.push(8)
    return story.takes(8), story.confirm(8)


@passes("ACK-6", times=1)
def test_a_push_may_come_late_and_twice(story: Story) -> None:
    story.connect()
    story.push(7, befell=("duplicate", "delay"))
    story.wait(10)
    story.arrives(7)
    story.arrives(7)
    story.takes(7)
    story.confirm(7)


@passes("ACK-7", times=1)
def test_an_id_that_was_changed_on_the_way_was_delivered(story: Story) -> None:
    story.connect()
    story.push(7, befell=("corrupt_field",), wire=with_id(99))
    story.confirm(99)


@passes("ACK-7", times=1)
def test_an_id_that_was_changed_on_the_way_and_came_late_was_delivered(story: Story) -> None:
    story.connect()
    story.push(7, befell=("corrupt_field", "delay"), wire=with_id(99))
    story.arrives(7)
    story.confirm(99)


@violates("ACK-7", "98 was confirmed and had not been pushed")
def test_an_id_that_was_changed_on_the_way_excuses_no_other(story: Story) -> Evidence:
    story.connect()
    story.push(7, befell=("corrupt_field",), wire=with_id(99))
    return (story.confirm(98),)


@violates("ACK-7", "99 was confirmed and had not been pushed")
def test_a_field_that_was_changed_on_the_way_does_not_make_another_id(story: Story) -> Evidence:
    story.connect()
    story.push(7, befell=("corrupt_field",))
    return (story.confirm(99),)


@leaves_open("ACK-8")
def test_a_message_that_should_have_come_again_and_was_dropped_is_not_missed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7, befell=("drop",))
    story.wait(100)


@leaves_open("ACK-8")
def test_a_message_that_came_again_and_could_not_be_read_is_not_missed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7, befell=("corrupt_field",))
    story.wait(100)


@violates("ACK-8", "7 came again after its confirm was lost and was not confirmed; 100.0 s passed")
def test_a_confirm_that_was_dropped_must_be_repeated(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    confirm = story.says(Confirm(token=TOKEN, id=7))
    story.fault("drop", "c1", "confirm 7")
    story.wait(360)
    again = story.push(7)
    story.wait(100)
    return confirm, again


@passes("ACK-11")
def test_in_a_burst_a_message_that_was_dropped_is_not_missed(story: Story) -> None:
    story.connect()
    count = CLIENT_QUEUE_SIZE + 2
    for id in range(1, count + 1):
        story.push(id, befell=("drop",) if id == 5 else ())
    for id in range(1, count + 1):
        if id != 5:
            story.takes(id)
    story.wait(1000)


# What the service did not act on


@leaves_open("RDL-6")
def test_a_late_confirm_that_was_held_back_settles_nothing(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(100)
    story.says(Confirm(token=TOKEN, id=7))
    story.fault("delay", "c1", "confirm 7, 30 s")
    story.wait(100)
    story.pull()


@violates("RDL-6", "7 was not settled by a confirm 100 s after its push")
def test_a_fault_of_what_the_service_sent_does_not_excuse_that_it_did_not_listen(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.wait(100)
    confirm = story.says(Confirm(token=TOKEN, id=7))
    story.push(8, befell=("drop",))
    story.wait(100)
    story.pull()
    return pushed, confirm


# Handshakes


@leaves_open("HSK-3")
def test_a_sign_that_was_changed_on_the_way_is_not_the_clients(story: Story) -> None:
    story.open()
    story.says(Connect(app_key=APP, group=GROUP, timestamp="1", sign="0B2B", flag=1))
    story.fault("corrupt_field", "c1", "connect with flag 1, another sign")
    story.record(Signed(connection="c1", app_key=APP, sign="wrong"))


@violates("HSK-3", "sign is not the expected digest")
def test_a_sign_that_was_changed_on_another_connection_excuses_nobody(story: Story) -> Evidence:
    story.connects(sign="wrong")
    signed = story.last(Signed)
    story.fault("drop", "c1", "connectack with flag 1")
    return (signed,)


def accepts_as(story: Story, token: str, told: str | None = None) -> None:
    """The service takes the connection for accepted, with a token, and the client is told one."""
    story.record(Accepted(connection=story.connection, app_key=APP, group=GROUP, token=token))
    story.hears(ConnectAck(token=told or token, flag=1))


@passes("HSK-8", times=1)
def test_a_token_that_was_changed_on_the_way_is_the_clients_token(story: Story) -> None:
    story.connects()
    accepts_as(story, TOKEN, told=OTHER)
    story.says(PullRequest(token=OTHER))


@violates("HSK-8", "PullRequest with a token that another one has replaced", times=3)
def test_a_token_of_before_is_no_good_after_a_service_has_forgotten_it(story: Story) -> Evidence:
    story.connects()
    accepts_as(story, TOKEN)
    story.pull()
    story.close()
    story.connects()
    accepts_as(story, OTHER)
    story.says(PullRequest(token=OTHER))
    return (story.says(PullRequest(token=TOKEN)),)


@passes("HSK-8", times=1)
def test_a_token_is_good_on_the_connection_that_it_was_given_on(story: Story) -> None:
    story.connects()
    accepts_as(story, TOKEN)
    first = story.connection
    story.connects()
    accepts_as(story, OTHER)
    story.says(PullRequest(token=TOKEN), on=first)


@leaves_open("FRM-7")
def test_whoever_was_told_another_token_need_not_take_what_has_the_right_one(story: Story) -> None:
    story.connects()
    accepts_as(story, TOKEN, told=OTHER)
    story.push(7, CHINESE)
    story.wait(1000)


def accepts_silently(story: Story, how: str = "drop") -> None:
    story.record(Accepted(connection=story.connection, app_key=APP, group=GROUP, token=TOKEN))
    story.fault(how, story.connection, "connectack with flag 1")


@leaves_open("FRM-7")
def test_whoever_was_never_told_a_token_need_not_take_anything(story: Story) -> None:
    story.connects()
    accepts_silently(story)
    story.push(7, CHINESE)
    story.wait(1000)


@violates("FRM-7", "8 did not reach the handler; 1000.0 s passed", times=1)
def test_whoever_was_told_late_must_take_what_comes_then(story: Story) -> Evidence:
    story.connects()
    accepts_silently(story, "delay")
    story.push(7, CHINESE)
    story.hears(ConnectAck(token=TOKEN, flag=1))
    ignored = story.push(8, CHINESE)
    story.wait(1000)
    return (ignored,)


def closes_on(story: Story, *, after: float, used: bool = False) -> Evidence:
    """The client closes a connection right after a push, some seconds after it asked."""
    story.connects()
    story.wait(after)
    story.accepts()
    if used:
        story.pull()
    pushed = story.push(7, CHINESE)
    story.close("client")
    story.wait(1000)
    return (pushed,)


@leaves_open("FRM-7")
def test_whoever_gave_up_just_before_the_answer_need_not_take_what_came_with_it(story: Story) -> None:
    closes_on(story, after=10)


@violates("FRM-7", "7 did not reach the handler; 1000.0 s passed")
def test_nobody_gives_up_so_soon(story: Story) -> Evidence:
    return closes_on(story, after=1)


@violates("FRM-7", "7 did not reach the handler; 1000.0 s passed")
def test_whoever_used_an_answer_had_not_given_up(story: Story) -> Evidence:
    return closes_on(story, after=10, used=True)


@violates("FRM-7", "7 did not reach the handler; 1000.0 s passed")
def test_whoever_was_told_late_must_take_what_comes_later_still(story: Story) -> Evidence:
    story.connects()
    accepts_silently(story, "delay")
    ignored = story.push(7, CHINESE, befell=("delay",))
    story.hears(ConnectAck(token=TOKEN, flag=1))
    story.arrives(7)
    story.wait(1000)
    return (ignored,)


@violates("HSK-9", "still waiting for a CONNECTACK; 100.0 s passed")
def test_a_connectack_that_was_dropped_is_given_up_like_one_that_was_never_sent(story: Story) -> Evidence:
    asked = story.connects()
    accepts_silently(story)
    story.wait(100)
    return (asked,)


@passes("HSK-9", times=1)
def test_whoever_asks_anew_has_given_up(story: Story) -> None:
    story.connects()
    accepts_silently(story)
    story.wait(10)
    story.close("client")
    story.connect()


@leaves_open("HSK-10")
def test_a_start_after_an_answer_that_was_dropped_is_none_by_it(story: Story) -> None:
    story.connects()
    accepts_silently(story)
    story.started()


@violates("HSK-10", "an answer without a token was taken for success: the client reported itself connected")
def test_an_acceptance_that_nobody_was_told_of_is_no_success(story: Story) -> Evidence:
    story.connects()
    accepts_silently(story)
    story.close("client")
    story.connects()
    answer = story.hears(ConnectAck(token=None, flag=1))
    return answer, story.started()


# Storms


@passes("RDL-1", times=1)
def test_in_a_storm_messages_come_early(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(10)
    story.fault("redelivery_storm")
    story.push(7)


@passes("RDL-2", times=1)
def test_in_a_storm_messages_that_failed_come_early_too(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.fail(7)
    story.wait(10)
    story.fault("redelivery_storm")
    story.push(7)


@violates("RDL-1", "7 was pushed again 10.000 s after its push")
def test_a_storm_before_the_push_or_after_excuses_nothing(story: Story) -> Evidence:
    story.connect()
    story.fault("redelivery_storm")
    first = story.push(7)
    story.wait(10)
    again = story.push(7)
    story.fault("redelivery_storm")
    return first, again


@violates("RDL-1", "7 was pushed again 10.000 s after its push")
def test_another_fault_excuses_nothing(story: Story) -> Evidence:
    story.connect()
    first = story.push(7)
    story.wait(10)
    story.fault("ping", "c1")
    return first, story.push(7)
