"""LID judged: hand-written clients that round ids, and clients that only look as if they did."""

from __future__ import annotations

from dataclasses import replace

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import CONFIRM, CONSUME, Story

from tmcspec.events import HttpIn
from tmcspec.frame import encode
from tmcspec.instruction import Instruction

FAIL = Instruction(outcome="fail")
HANG = Instruction(outcome="hang")

#: A double rounds the second to the first.
NEIGHBOUR, LONG = 2**53, 2**53 + 1

# LID-1: exact


@passes("LID-1", times=4)
def test_long_ids_that_are_confirmed_exactly(story: Story) -> None:
    story.connect()
    for id in (LONG, 2**63 - 1, -5, 200):
        story.push(id)
        story.takes(id)


@passes("LID-1", times=1)
def test_an_adapter_that_rounds_what_it_shows_is_not_a_client_that_rounds(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.received(NEIGHBOUR)
    story.confirm(LONG)


@passes("LID-1", times=2)
def test_both_of_two_neighbours_confirmed_exactly(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.push(-(2**53) - 1)
    story.takes(LONG)
    story.takes(-(2**53) - 1)


@violates("LID-1", f"{LONG} became {NEIGHBOUR} (read as double)")
def test_a_rounded_confirm(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(LONG)
    return pushed, story.confirm(NEIGHBOUR)


@violates("LID-1", "-5 became 18446744073709551611 (read as uint64)")
def test_a_negative_id_that_reaches_the_handler_without_its_sign(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(-5)
    seen = story.received(2**64 - 5)
    story.wait(60)
    return pushed, seen


@violates("LID-1", "200 became -56 (read as smallest)")
def test_a_failed_with_another_id(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(200, told=FAIL)
    return pushed, story.fail(-56)


@violates("LID-1", f"the client died (exit status 1) with {2**63 - 1} in hand")
def test_an_id_that_kills_the_client(story: Story) -> Evidence:
    story.connect()
    story.push(200)
    story.takes(200)
    pushed = story.push(2**63 - 1)
    story.received(2**63 - 1)
    return pushed, story.died()


@leaves_open("LID-1")
def test_small_ids_that_nobody_loses(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7)
    story.push(1001)
    story.confirm(1000)


@leaves_open("LID-1")
def test_a_long_id_that_is_merely_not_confirmed(story: Story) -> None:
    story.connect()
    # An id that looks like a misreading, named before the message was pushed.
    story.confirm(NEIGHBOUR)
    story.push(LONG)
    story.wait(600)


@leaves_open("LID-1")
def test_a_death_for_which_the_id_is_not_the_only_explanation(story: Story) -> None:
    story.connect()
    story.push(1, told=HANG)
    # Of these nothing but the last is in hand when the client dies, and each is special in another way.
    story.push(LONG)
    story.push(LONG + 2, told=HANG)
    story.died()


@leaves_open("LID-1")
def test_a_death_upon_an_odd_frame_or_odd_content_is_not_one_upon_an_id(story: Story) -> None:
    for id, content, wire in (
        (LONG, "", None),
        (LONG + 2, '"棉"', None),
        (LONG + 4, "{}", lambda push: encode(replace(push, topic=None).to_frame())),
    ):
        story.connect()
        story.push(id, content, wire=wire)
        story.died()
        story.close("client")


@leaves_open("LID-1")
def test_a_death_after_something_was_done_to_the_client_is_not_one_upon_an_id(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.fault("malformed", story.connection)
    story.died()


@leaves_open("LID-1")
def test_a_death_long_after_or_after_an_answer_is_not_one_upon_an_id(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.fail(LONG)
    story.died()
    story.push(LONG + 2)
    story.wait(61)
    story.died()


def test_a_client_that_survived_one_long_id_does_not_die_of_the_next() -> None:
    story = Story()
    story.connect()
    story.push(LONG)
    story.takes(LONG)
    story.push(LONG + 2)
    story.died()
    judgement = judged("LID-1", story)
    assert (judgement.result, judgement.exercised) == ("pass", 1)


# LID-2: exact over HTTP


@passes("LID-2", times=4)
def test_long_ids_that_are_confirmed_exactly_over_http(story: Story) -> None:
    ids = (LONG, 2**63 - 1, -5, 200)
    story.consume(*ids, 7)
    story.confirm_by_http(*ids, 7)
    story.confirm_by_http(*ids)


@passes("LID-2", times=3)
def test_both_of_two_neighbours_confirmed_exactly_over_http(story: Story) -> None:
    story.consume(NEIGHBOUR, LONG, -(2**53))
    story.confirm_by_http(NEIGHBOUR)
    story.confirm_by_http(LONG, -(2**53))


@passes("LID-2", times=2)
def test_a_neighbour_that_is_reported_failed_by_its_own_name(story: Story) -> None:
    story.produce(NEIGHBOUR, told=FAIL)
    story.consume(NEIGHBOUR, LONG, 2**62 + 1)
    story.fail_by_http(NEIGHBOUR)
    story.confirm_by_http(2**62 + 1)


@violates("LID-2", f"{LONG} became {NEIGHBOUR} (read as double)", times=1)
def test_a_rounded_confirm_over_http(story: Story) -> Evidence:
    story.requests(CONSUME)
    consumed = story.hands_out(LONG)
    story.answers()
    confirm = story.confirm_by_http(NEIGHBOUR)
    story.confirm_by_http(NEIGHBOUR)
    return consumed, confirm


@violates("LID-2", f"{LONG} became {NEIGHBOUR} (read as double)")
def test_a_report_of_failure_with_another_id_over_http(story: Story) -> Evidence:
    story.requests(CONSUME)
    consumed = story.hands_out(LONG)
    story.answers()
    story.fail_by_http(NEIGHBOUR)
    return consumed, story.last(HttpIn)


@violates("LID-2", f"{LONG} became {NEIGHBOUR} (read as double)")
def test_two_neighbours_that_are_confirmed_by_one_name(story: Story) -> Evidence:
    story.requests(CONSUME)
    story.hands_out(NEIGHBOUR)
    consumed = story.hands_out(LONG)
    story.answers()
    return consumed, story.confirm_by_http(NEIGHBOUR, NEIGHBOUR)


@violates("LID-2", f"{LONG} became {NEIGHBOUR} (read as double)")
def test_a_confirm_over_http_of_a_neighbour_that_was_told_to_fail(story: Story) -> Evidence:
    story.produce(NEIGHBOUR, told=FAIL)
    story.requests(CONSUME)
    story.hands_out(NEIGHBOUR)
    consumed = story.hands_out(LONG)
    story.answers()
    return consumed, story.confirm_by_http(NEIGHBOUR)


@violates("LID-2", "an id became '7.2315018607813E+18'")
def test_an_id_that_is_written_as_a_fraction(story: Story) -> Evidence:
    story.requests(CONSUME)
    consumed = story.hands_out(7231501860781300045)
    story.answers()
    return consumed, story.confirm_by_http("7.2315018607813E+18")


@leaves_open("LID-2")
def test_ids_over_http_that_nobody_loses_or_that_are_not_confirmed(story: Story) -> None:
    # Before it was consumed, a name is nobody's.
    story.confirm_by_http(NEIGHBOUR, "9.007E+15")
    story.consume(7, LONG)
    story.confirm_by_http(7, 8, "x")
    # A request that names no app.
    story.requests(CONFIRM, app_key=None, s_message_ids=str(LONG))


# LID-3: neighbours


@passes("LID-3", times=1)
def test_of_two_neighbours_each_is_confirmed_by_its_name(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR, told=FAIL)
    story.handles(NEIGHBOUR, "fail")
    story.fail(NEIGHBOUR)
    story.push(LONG)
    story.takes(LONG)


@passes("LID-3", times=1)
def test_a_neighbour_whose_failure_was_swallowed_is_a_matter_of_ack_3(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR, told=FAIL)
    story.takes(NEIGHBOUR)
    story.push(LONG)
    story.takes(LONG)
    (finding,) = judged("ACK-3", story).violations
    assert finding.message == f"{NEIGHBOUR} was confirmed though its handler was told to fail"


@violates("LID-3", f"{NEIGHBOUR} was confirmed for {LONG} (read as double): it is settled and was not handled", times=1)
def test_a_client_that_rounds_and_swallows_failures_is_still_caught_rounding(story: Story) -> Evidence:
    story.connect()
    neighbour = story.produce(NEIGHBOUR, told=FAIL)
    story.push(NEIGHBOUR)
    story.takes(NEIGHBOUR)
    pushed = story.push(LONG)
    story.handles(NEIGHBOUR)
    return pushed, neighbour, story.confirm(NEIGHBOUR)


@violates("LID-3", f"{NEIGHBOUR} was confirmed for {LONG} (read as double): it is settled and was not handled", times=1)
def test_a_rounded_confirm_that_settles_a_neighbour_that_failed(story: Story) -> Evidence:
    story.connect()
    neighbour = story.produce(NEIGHBOUR, told=FAIL)
    story.push(NEIGHBOUR)
    story.handles(NEIGHBOUR, "fail")
    story.fail(NEIGHBOUR)
    pushed = story.push(LONG)
    return pushed, neighbour, story.confirm(NEIGHBOUR)


@violates("LID-3", f"{NEIGHBOUR} was confirmed for {LONG} (read as double): it is settled and was not handled")
def test_a_rounded_confirm_that_settles_a_neighbour_which_still_waits(story: Story) -> Evidence:
    story.connect()
    neighbour = story.produce(NEIGHBOUR)
    pushed = story.push(LONG)
    return pushed, neighbour, story.confirm(NEIGHBOUR)


@violates("LID-3", f"{NEIGHBOUR} was confirmed for {LONG} (read as double): it is settled and was not handled")
def test_a_rounded_confirm_that_comes_before_the_neighbour_is_pushed(story: Story) -> Evidence:
    story.connect()
    neighbour = story.produce(NEIGHBOUR)
    pushed = story.push(LONG)
    early = story.confirm(NEIGHBOUR)
    story.push(NEIGHBOUR)
    story.confirm(NEIGHBOUR)
    return pushed, neighbour, early


@violates("LID-3", f"{NEIGHBOUR} was confirmed for {LONG} (read as double): it is settled and was not handled")
def test_two_confirms_of_one_of_two_neighbours(story: Story) -> Evidence:
    story.connect()
    neighbour = story.produce(NEIGHBOUR)
    story.push(NEIGHBOUR)
    pushed = story.push(LONG)
    story.confirm(NEIGHBOUR)
    return pushed, neighbour, story.confirm(NEIGHBOUR)


@leaves_open("LID-3")
def test_a_long_id_without_a_neighbour_has_nobody_to_harm(story: Story) -> None:
    story.connect()
    story.push(LONG)
    story.confirm(NEIGHBOUR)


@leaves_open("LID-3")
def test_one_confirm_of_a_neighbour_is_its_own(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR)
    story.push(LONG)
    story.takes(NEIGHBOUR)
    story.wait(600)


@leaves_open("LID-3")
def test_a_message_that_must_fail_needs_no_confirm_that_could_go_astray(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR, told=HANG)
    story.push(LONG, told=FAIL)
    story.confirm(NEIGHBOUR)


# LID-4: user ids


@passes("LID-4", times=1)
def test_a_user_id_that_is_shown_exactly(story: Story) -> None:
    story.connect()
    story.push(7, user_id=-5)
    story.received(7, user_id=-5)


@violates("LID-4", f"user id {LONG} reached the handler as {NEIGHBOUR}")
def test_a_user_id_that_is_rounded(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, user_id=LONG)
    return pushed, story.received(7, user_id=NEIGHBOUR)


@leaves_open("LID-4")
def test_user_ids_that_are_small_not_sent_or_not_shown(story: Story) -> None:
    story.connect()
    story.push(1, user_id=5)
    story.received(1, user_id=6)
    story.push(2)
    story.received(2, user_id=6)
    story.push(3, user_id=LONG)
    story.received(3)
    story.push(4, user_id=LONG)


@leaves_open("LID-4")
def test_what_a_rounding_client_shows_of_two_neighbours_is_not_judged(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR, user_id=LONG)
    story.push(LONG, user_id=LONG)
    story.received(NEIGHBOUR, user_id=LONG + 2)


def test_three_thousand_ids_that_become_the_same_one_are_judged_one_by_one() -> None:
    story = Story()
    story.connect()
    story.push(5, told=HANG)
    for number in range(1, 3000):
        story.push(5 + number * 2**32)
    for _ in range(1000):
        story.confirm(5)
    assert len(judged("LID-3", story).violations) == 2999
