"""ACK judged: handlers that fail or raise, whose messages are reported and not confirmed."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import TOKEN, Story
from story_values import FAIL, LONG, NEIGHBOUR, RAISE

from tmcspec.frame import Frame, MessageType, byte, int64

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


@violates("ACK-3", "7 was confirmed though its handler was told to fail", times=1)
def test_a_failure_that_the_library_swallows_is_lost_whatever_is_reported(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=FAIL)
    received = story.received(7)
    story.handled(7, "ok")
    return received, story.confirm(7)


@violates("ACK-3", "7 was confirmed though its handler was told to fail", world="live")
def test_a_failure_that_is_lost_though_nothing_is_reported_of_its_handler(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=FAIL)
    received = story.received(7)
    return received, story.confirm(7)


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
def test_a_duplicate_of_what_should_fail_that_is_confirmed_without_its_handler(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.confirm(7)


@leaves_open("ACK-3")
def test_a_handler_that_was_shown_damaged_content_was_not_told_to_fail(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.received(7, "{}")
    story.handled(7)
    story.confirm(7)
    story.push(8, told=FAIL)
    story.received(8, None)
    story.confirm(8)


@leaves_open("ACK-3")
def test_a_success_that_is_reported_of_what_should_fail_and_never_confirmed(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.handles(7)
    story.wait(60)


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


@violates("ACK-5", "7 was confirmed though its handler was told to raise", times=1)
def test_an_exception_that_the_library_swallows_is_lost_whatever_is_reported(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=RAISE)
    received = story.received(7)
    story.handled(7, "ok")
    return received, story.confirm(7)


@violates("ACK-5", "7 was confirmed though its handler was told to raise", times=1)
def test_an_exception_that_is_reported_as_a_failure_and_confirmed_all_the_same(story: Story) -> Evidence:
    story.connect()
    story.push(7, told=RAISE)
    received = story.received(7)
    story.handled(7, "fail")
    return received, story.confirm(7)


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
