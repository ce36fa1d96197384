"""ACK judged: success is confirmed, and not before the handler is done."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import Story
from story_values import HANG, LONG, NEIGHBOUR, SLOW

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


@leaves_open("ACK-1")
def test_nobody_knows_what_a_client_had_written_that_dies_right_after_its_handler(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.died()


@violates("ACK-1", "7 was handled and not confirmed; the client died (exit status 1)", client_clock=False)
def test_where_client_time_is_not_measured_that_of_the_service_tells_who_died_right_after(
    story: Story,
) -> Evidence:
    story.connect()
    pushed = story.push(7)
    done = story.handles(7)
    story.wait(400)
    story.died()
    return pushed, done


@leaves_open("ACK-1")
def test_whose_handler_it_was_died_though_nobody_knows_whose_the_connection_is(story: Story) -> None:
    story.starting(client="a")
    story.starting(client="b")
    story.connect()
    story.push(7)
    story.handles(7, client="a")
    story.close("client")
    story.died(client="a")
    story.wait(400)


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


@passes("ACK-2", times=1)
def test_what_is_done_at_once_is_not_done_before_its_push_by_the_last_digit_of_a_sum(story: Story) -> None:
    story.wait(134.364)
    story.connect()
    story.push(7)
    story.advance(508.613)
    story.handles(7)
    story.confirm(7)


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


@passes("ACK-2", times=1, world="live")
def test_a_handler_that_hangs_for_all_its_patience_and_is_not_confirmed(story: Story) -> None:
    story.connect()
    story.push(7, told=HANG)
    story.received(7)
    story.wait(60)


@passes("ACK-2", times=1, client_clock=False)
def test_where_no_seconds_were_measured_the_order_still_tells(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.handles(7)
    story.confirm(7)


@violates("ACK-2", "7 was confirmed before its handler was done", client_clock=False)
def test_where_no_seconds_were_measured_a_confirm_before_the_handler_is_done_is_early(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=SLOW)
    story.received(7)
    confirm = story.confirm(7)
    return pushed, confirm, story.handled(7)


@leaves_open("ACK-2", world="live", client_clock=False)
def test_a_handler_whose_seconds_were_not_measured_was_not_quick(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.advance(2)
    story.handled(7)
    story.confirm(7)
    story.push(8, told=HANG)
    story.received(8)
    story.wait(600)


@leaves_open("ACK-2", world="live")
def test_a_handler_that_has_not_hung_for_long_or_never_began_to_proves_nothing(story: Story) -> None:
    story.connect()
    story.push(7, told=HANG)
    story.wait(57)
    story.push(8, told=HANG)
    story.received(8)
    story.wait(3)


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
