"""ACK judged: hand-written confirms and failures, honest and dishonest."""

from __future__ import annotations

from stories import TOKEN, Evidence, Story, judged, leaves_open, passes, violates

from tmcspec.events import Id, Pushed
from tmcspec.frame import Frame, MessageType, byte, encode, int16, int64, string
from tmcspec.instruction import Instruction
from tmcspec.timing import CLIENT_QUEUE_SIZE
from tmcspec.trace import Entry

FAIL = Instruction(outcome="fail")
RAISE = Instruction(outcome="raise")
HANG = Instruction(outcome="hang")
SLOW = Instruction(delay_ms=2000)

#: A double rounds the second to the first.
NEIGHBOUR, LONG = 2**53, 2**53 + 1

# ACK-1: success is confirmed


@passes("ACK-1", times=1)
def test_a_handled_message_is_confirmed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.takes(7)


@passes("ACK-1", times=1)
def test_a_confirm_may_come_on_another_connection(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.close()
    story.connect()
    story.confirm(7)


@passes("ACK-1", times=1)
def test_the_time_to_confirm_runs_by_the_clients_clock(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.advance(3600)
    story.wait(1)
    story.confirm(7)


@passes("ACK-1", times=2)
def test_a_handler_that_blocks_past_the_next_push_is_confirmed_all_the_same(story: Story) -> None:
    story.connect()
    story.push(7)
    story.received(7)
    story.wait(360)
    story.push(7)
    story.received(7)
    story.wait(40)
    story.handled(7)
    story.confirm(7)
    story.wait(360)
    story.handled(7)
    story.confirm(7)


@violates("ACK-1", "7 was handled and not confirmed; 60.0 s passed")
def test_a_handled_message_that_is_never_confirmed(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.wait(5)
    done = story.handles(7)
    story.wait(60)
    return pushed, done


@violates("ACK-1", "7 was handled and not confirmed; the client died (exit status 1)")
def test_a_client_that_dies_between_handler_and_confirm(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    done = story.handles(7)
    story.died()
    return pushed, done


@violates("ACK-1", "7 was confirmed 61 s after its handler was done")
def test_a_confirm_after_the_confirm_timeout_is_late(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    done = story.handles(7)
    story.wait(61)
    return done, story.confirm(7)


@violates("ACK-1", "7 was handled and not confirmed; 61.0 s passed")
def test_a_death_long_after_is_not_the_reason(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    done = story.handles(7)
    story.wait(61)
    story.died()
    return pushed, done


@leaves_open("ACK-1")
def test_a_message_that_was_just_handled_may_still_be_confirmed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(100)
    story.handles(7)
    story.wait(59)


@leaves_open("ACK-1")
def test_a_message_that_failed_was_no_success(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7, "fail")
    story.push(8)
    story.received(8)
    story.wait(60)


@leaves_open("ACK-1", handlers=False)
def test_a_handler_that_nobody_watches_proves_nothing(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.wait(60)


@leaves_open("ACK-1")
def test_a_rounded_id_in_the_confirm_is_a_matter_of_lid_1(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.handles(NEIGHBOUR)
    story.confirm(NEIGHBOUR)
    story.wait(60)


@leaves_open("ACK-1")
def test_a_connection_that_is_cut_before_the_confirm_takes_it_along(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(3)
    story.handles(7)
    story.close("fault")
    story.wait(60)


@passes("ACK-1", times=1)
def test_a_confirm_that_was_cut_off_is_made_good_by_that_of_the_next_delivery(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.close("fault")
    story.connect()
    story.wait(360)
    story.push(7)
    story.takes(7)


@leaves_open("ACK-1")
def test_a_client_that_is_stopped_before_the_confirm_may_keep_it(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.stopped()
    story.close("client")
    story.wait(60)


@violates("ACK-1", "7 was handled and not confirmed; 60.0 s passed")
def test_a_stop_before_the_connection_began_excuses_nothing(story: Story) -> Evidence:
    story.stopped()
    story.connect()
    pushed = story.push(7)
    done = story.handles(7)
    story.close("client")
    story.wait(60)
    return pushed, done


# ACK-2: not before the handler is done


@passes("ACK-2", times=1)
def test_in_simulation_a_confirm_behind_the_handler_is_honest(story: Story) -> None:
    story.connect()
    story.push(7)
    story.takes(7)


@passes("ACK-2", times=1, world="live")
def test_live_a_confirm_after_the_delay_of_the_handler_is_honest(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.wait(1.9)
    # The report of the adapter comes by a slower pipe.
    story.confirm(7)
    story.handled(7)


@violates("ACK-2", "7 was confirmed before its handler was done")
def test_in_simulation_a_confirm_before_the_handler_is_done_is_early(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.received(7)
    confirm = story.confirm(7)
    return pushed, confirm, story.handled(7)


@violates("ACK-2", "7 was confirmed before its handler was done")
def test_in_simulation_a_confirm_without_the_handler_is_early(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    return pushed, story.confirm(7)


@violates("ACK-2", "7 was confirmed 0.500 s after its push; its handler works for 2.000 s", world="live")
def test_live_a_confirm_while_the_handler_must_still_work_is_early(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=SLOW)
    story.received(7)
    story.wait(0.5)
    return pushed, story.confirm(7)


@violates("ACK-2", "7 was confirmed 0.500 s after its push; its handler works for 2.000 s", world="live")
def test_hand_moved_seconds_are_no_work(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=SLOW)
    story.received(7)
    story.wait(0.5)
    story.advance(61)
    return pushed, story.confirm(7)


@violates("ACK-2", "7 was confirmed while its handler hangs", world="live")
def test_a_confirm_of_a_message_whose_handler_hangs_is_early(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=HANG)
    story.wait(30)
    return pushed, story.confirm(7)


@violates("ACK-2", "7 was confirmed before its handler was done", times=1)
def test_a_failure_before_does_not_make_an_early_confirm_honest(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.handles(7, "raise")
    story.wait(360)
    pushed = story.push(7)
    story.received(7)
    confirm = story.confirm(7)
    return pushed, confirm, story.handled(7)


@passes("ACK-2", times=2, world="live")
def test_a_duplicate_of_a_slow_message_may_be_confirmed_at_once(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.wait(2)
    story.handled(7)
    story.confirm(7, lost=True)
    story.advance(360)
    story.push(7)
    story.confirm(7)


@passes("ACK-2", times=2)
def test_in_simulation_a_duplicate_may_be_confirmed_without_the_handler(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    story.confirm(7)


@passes("ACK-2", times=1, world="live")
def test_a_confirm_of_slow_work_that_comes_behind_the_next_push_is_honest(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.wait(1)
    story.advance(360)
    story.push(7)
    story.wait(1)
    story.handled(7)
    story.confirm(7)


@leaves_open("ACK-2", world="live")
def test_live_a_quick_handler_proves_nothing(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7)
    story.takes(7)
    story.push(8)
    story.fail(8)


@leaves_open("ACK-2", world="live", handlers=False)
def test_a_program_without_an_adapter_reads_no_instructions(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.confirm(7)


@leaves_open("ACK-2")
def test_a_confirm_that_may_have_been_meant_for_a_neighbour_is_not_early(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR)
    story.push(LONG)
    story.handles(NEIGHBOUR)
    story.confirm(NEIGHBOUR)


# ACK-3: failure is not confirmed


@passes("ACK-3", times=1)
def test_a_failed_message_that_is_reported_is_not_confirmed(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.handles(7, "fail")
    story.fail(7)


@passes("ACK-3", times=1)
def test_silence_about_a_failed_message_is_no_confirm(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.handles(7, "fail")
    story.wait(60)


@violates("ACK-3", "7 was confirmed though its handler failed")
def test_a_failed_message_that_is_confirmed_is_lost(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=FAIL)
    done = story.handles(7, "fail")
    story.fail(7)
    return done, story.confirm(7)


@passes("ACK-3", times=1)
def test_a_stray_confirm_of_a_failed_message_is_a_matter_of_lid_3(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR, told=FAIL)
    story.handles(NEIGHBOUR, "fail")
    story.fail(NEIGHBOUR)
    story.push(LONG)
    story.handles(NEIGHBOUR)
    story.confirm(NEIGHBOUR)


@passes("ACK-3", times=1)
def test_a_message_that_failed_once_may_be_confirmed_when_it_comes_again(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7, "fail")
    story.fail(7)
    story.wait(360)
    story.push(7)
    story.takes(7)


@leaves_open("ACK-3")
def test_nothing_failed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.takes(7)
    story.push(8)


@leaves_open("ACK-3")
def test_a_message_that_has_just_failed_may_still_be_confirmed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7, "fail")
    story.wait(3)


# ACK-4: failure is reported


@passes("ACK-4", times=2)
def test_failures_with_and_without_a_reason_that_are_reported(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.handles(7, "fail")
    story.fail(7, "缺" * 128)
    story.push(8, told=FAIL)
    story.handles(8, "fail")
    story.fail(8)


@violates("ACK-4", "7 failed and no Failed was sent; 60.0 s passed")
def test_a_failure_that_is_not_reported(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=FAIL)
    done = story.handles(7, "fail")
    story.wait(60)
    return pushed, done


@violates("ACK-4", "7 failed and no Failed was sent; 360.0 s passed")
def test_a_failure_that_is_only_reported_when_the_message_comes_again(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=FAIL)
    done = story.handles(7, "fail")
    story.wait(360)
    story.push(7)
    story.handles(7, "fail")
    story.fail(7)
    return pushed, done


@violates("ACK-4", "the reason of 7 has 129 characters")
def test_a_reason_that_is_too_long(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=FAIL)
    done = story.handles(7, "fail")
    return done, story.fail(7, "x" * 129)


@violates("ACK-4", "the Failed of 7 is not a SEND")
def test_a_failure_on_a_sendack_is_no_send(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=FAIL)
    done = story.handles(7, "fail")
    fields = (byte("__kind", 20), int64("id", 7))
    return done, story.says(Frame(type=MessageType.SENDACK, token=TOKEN, content=fields))


@leaves_open("ACK-4")
def test_success_needs_no_report(story: Story) -> None:
    story.connect()
    story.push(7)
    story.takes(7)
    story.push(8)
    story.wait(60)


@leaves_open("ACK-4")
def test_a_failure_whose_id_was_lost_or_whose_connection_was_cut_is_another_matter(story: Story) -> None:
    story.connect()
    story.push(LONG, told=FAIL)
    story.handles(NEIGHBOUR, "fail")
    story.fail(NEIGHBOUR)
    story.push(7, told=FAIL)
    story.handles(7, "fail")
    story.close("fault")
    story.wait(60)


# ACK-5: raising handlers


@passes("ACK-5", times=1)
def test_a_raising_handler_that_is_reported_is_survived(story: Story) -> None:
    story.connect()
    story.push(7, told=RAISE)
    story.handles(7, "raise")
    story.fail(7)


@passes("ACK-5", times=1)
def test_a_client_that_takes_more_after_a_raising_handler_did_not_die_of_it(story: Story) -> None:
    story.connect()
    story.push(7, told=RAISE)
    story.handles(7, "raise")
    story.fail(7)
    story.push(8)
    story.received(8)
    story.died()


@passes("ACK-5", times=1)
def test_the_death_of_another_client_is_not_that_of_this_one(story: Story) -> None:
    story.connect()
    story.push(7, told=RAISE)
    story.handles(7, "raise")
    story.died(client="other")
    story.wait(60)


@violates("ACK-5", "the client died (exit status 1)")
def test_a_client_that_dies_of_a_raising_handler(story: Story) -> Evidence:
    story.connect()
    story.push(6)
    story.takes(6)
    story.push(7, told=RAISE)
    done = story.handles(7, "raise")
    story.push(8)
    return done, story.died()


@violates("ACK-5", "the client died (exit status 1)")
def test_the_death_of_this_client_among_others(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=RAISE)
    done = story.handles(7, "raise")
    story.died(client="other")
    return done, story.died()


@violates("ACK-5", "7 was confirmed though its handler raised")
def test_a_raising_handler_whose_message_is_confirmed(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=RAISE)
    done = story.handles(7, "raise")
    return done, story.confirm(7)


@violates("ACK-5", "no message was taken after a handler raised; 60.0 s passed")
def test_a_client_that_goes_deaf_upon_a_raising_handler(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=RAISE)
    done = story.handles(7, "raise")
    pushed = story.push(8)
    story.wait(60)
    return done, pushed


@violates("ACK-5", "the client closed the connection and did not come back; 30.0 s passed")
def test_a_client_that_leaves_for_good_upon_a_raising_handler(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=RAISE)
    done = story.handles(7, "raise")
    closed = story.close("client")
    story.wait(30)
    return done, closed


@passes("ACK-5", times=1)
def test_a_client_that_leaves_long_after_a_raising_handler_left_for_another_reason(story: Story) -> None:
    story.connect()
    story.push(7, told=RAISE)
    story.handles(7, "raise")
    story.fail(7)
    story.wait(600)
    story.close("client")
    story.wait(600)


@passes("ACK-5", times=1)
def test_a_client_that_takes_one_message_of_many_after_a_raising_handler_goes_on(story: Story) -> None:
    story.connect()
    story.push(7, told=RAISE)
    story.handles(7, "raise")
    story.fail(7)
    story.push(8)
    story.push(9)
    story.takes(9)
    story.wait(60)


@leaves_open("ACK-5")
def test_no_handler_raised(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7, "fail")
    story.push(8)
    story.wait(60)


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
