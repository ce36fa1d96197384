"""RDL judged: hand-written lives of messages, as a good service and as bad ones lead them."""

from __future__ import annotations

from typing import Any

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import EPOCH_MS, TOKEN, Story

from tmcspec.events import Accepted, Closed, Confirmed, Expired, Failed, FrameOut, Id, Opened, Produced, Pushed
from tmcspec.frame import encode
from tmcspec.instruction import Instruction
from tmcspec.messages import Confirm
from tmcspec.timing import RETENTION

FAIL = Instruction(outcome="fail")
HANG = Instruction(outcome="hang")
DAY = RETENTION

#: A double rounds the second to the first.
NEIGHBOUR, LONG = 2**53, 2**53 + 1


def confirm_frame(id: int) -> Confirm:
    """A Confirm of which the service makes nothing."""
    return Confirm(token=TOKEN, id=id)


def pushed_at(story: Story, *times: float, id: int = 7) -> list[Any]:
    """Pushes of one message at these times."""
    entries = []
    for time in times:
        story.wait(time - story.now)
        entries.append(story.push(id))
    return entries


# RDL-1: unconfirmed


@passes("RDL-1", times=2)
def test_an_unconfirmed_message_comes_again_after_about_six_minutes(story: Story) -> None:
    story.connect()
    pushed_at(story, 0, 360, 660)


@violates("RDL-1", "7 was pushed again 299.900 s after its push")
def test_a_message_that_comes_again_too_soon(story: Story) -> Evidence:
    story.connect()
    first, second = pushed_at(story, 0, 299.9)
    return first, second


@violates("RDL-1", "7 was pushed again only 500 s after its push")
def test_a_message_that_comes_again_too_late_though_somebody_was_there(story: Story) -> Evidence:
    story.connect()
    first, second = pushed_at(story, 0, 500)
    return first, second


@violates("RDL-1", "7 did not come again; 421 s passed since its push")
def test_a_message_that_does_not_come_again_though_somebody_was_there(story: Story) -> Evidence:
    story.connect()
    (first,) = pushed_at(story, 0)
    story.wait(421)
    return (first,)


@violates("RDL-1", "7 did not come again; 1000 s passed since its push")
def test_a_confirm_long_after_does_not_make_good_for_a_push_that_was_forgotten(story: Story) -> Evidence:
    story.connect()
    (first,) = pushed_at(story, 0)
    story.wait(1000)
    story.confirm(7)
    return (first,)


@passes("RDL-1", times=1)
def test_while_no_connection_is_there_a_message_waits(story: Story) -> None:
    story.connect()
    pushed_at(story, 0)
    story.close()
    story.wait(1000)
    story.connect()
    story.push(7)


@leaves_open("RDL-1")
def test_a_message_that_cannot_come_again_is_not_missed(story: Story) -> None:
    story.connect()
    pushed_at(story, 0, id=1)
    # A connection that the service is about to end, one that was refused since, and one of another group.
    story.fault("disconnect", story.connection)
    story.connect()
    story.connects_again()
    story.refuses()
    story.open()
    story.record(Accepted(connection=story.connection, app_key="12129701", group="other", token="t"))
    story.wait(1000)


@leaves_open("RDL-1")
def test_a_connection_that_came_later_need_not_get_it_at_once(story: Story) -> None:
    story.connect()
    pushed_at(story, 0)
    story.close()
    story.wait(361)
    story.connect()
    story.wait(60)


@leaves_open("RDL-1")
def test_settled_messages_and_such_as_came_just_now_need_not_come_again(story: Story) -> None:
    story.connect()
    story.push(1)
    story.confirm(1)
    story.push(2)
    story.expire(2)
    story.push(3)
    story.fail(3)
    story.wait(400)
    story.push(3)
    story.confirm(3)
    story.push(4)
    story.wait(419)


@leaves_open("RDL-1")
def test_a_push_after_the_confirm_is_a_matter_of_rdl_3(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm(7)
    story.wait(10)
    story.push(7)
    story.wait(100)


# RDL-2: failed


@passes("RDL-2", times=1)
def test_a_failed_message_comes_again_about_six_minutes_after_the_report(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(200)
    story.fail(7)
    story.wait(360)
    story.push(7)


@passes("RDL-2", times=1)
def test_of_two_reports_either_counts(story: Story) -> None:
    story.connect()
    story.push(7)
    story.fail(7)
    story.wait(100)
    story.fail(7)
    story.wait(260)
    story.push(7)


@violates("RDL-2", "7 was pushed again 200.000 s after its Failed")
def test_a_failed_message_that_comes_again_six_minutes_after_its_push(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.wait(160)
    story.fail(7)
    failed = story.last(Failed)
    story.wait(200)
    return failed, story.push(7)


@violates("RDL-2", "7 was pushed again only 421 s after its Failed")
def test_a_failed_message_that_comes_again_too_late(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.fail(7)
    failed = story.last(Failed)
    story.wait(421)
    return failed, story.push(7)


@violates("RDL-2", "7 did not come again; 500 s passed since its Failed")
def test_a_failed_message_that_does_not_come_again(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.fail(7)
    failed = story.last(Failed)
    story.wait(500)
    return (failed,)


@leaves_open("RDL-2")
def test_nobody_reported_a_failure(story: Story) -> None:
    story.connect()
    pushed_at(story, 0, 360)
    story.record(Failed(message=Id(8), reason=None))


# RDL-3: confirmed


@passes("RDL-3", times=1)
def test_a_confirmed_message_never_comes_again(story: Story) -> None:
    story.connect()
    pushed_at(story, 0, 360)
    story.confirm(7)
    story.wait(3600)


@violates("RDL-3", "7 was pushed again after its confirm")
def test_a_confirmed_message_that_comes_again(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.confirm(7)
    confirmed = story.last(Confirmed)
    story.wait(360)
    again = story.push(7)
    # A second confirm does not hide it.
    story.record(Confirmed(message=Id(7), via="http", connection=None))
    return confirmed, again


@leaves_open("RDL-3")
def test_nothing_was_confirmed(story: Story) -> None:
    story.connect()
    pushed_at(story, 0, 360)
    story.record(Confirmed(message=Id(8), via="http", connection=None))


def test_an_id_that_is_produced_again_begins_another_life() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.confirm(7)
    story.produce(7)
    story.push(7)
    assert judged("RDL-3", story).result == "pass"
    assert judged("ACK-7", story).result == "pass"


# RDL-4: retention


@passes("RDL-4", times=1)
def test_a_message_that_is_dropped_when_its_day_is_over(story: Story) -> None:
    story.connect()
    story.produce(7)
    story.wait(DAY)
    story.expire(7)


@violates("RDL-4", "7 was pushed 25.0 h after it was produced")
def test_a_message_that_is_pushed_on_the_next_day(story: Story) -> Evidence:
    produced = story.produce(7)
    story.wait(DAY + 3600)
    story.connect()
    return produced, story.push(7)


@violates("RDL-4", "7 expired 12.0 h after it was produced")
def test_a_message_that_expires_before_its_time(story: Story) -> Evidence:
    produced = story.produce(7)
    story.wait(12 * 3600)
    return produced, story.expire(7)


@violates("RDL-4", "7 was pushed after it had expired")
def test_a_message_that_is_pushed_after_it_was_dropped(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.wait(8 * 3600)
    expired = story.expire(7)
    return expired, story.push(7)


@violates("RDL-4", "7 was neither settled nor dropped within its retention")
def test_a_message_that_is_kept_for_ever(story: Story) -> Evidence:
    produced = story.produce(7)
    story.wait(DAY + 60)
    return (produced,)


@violates("RDL-4", "7 was neither settled nor dropped within its retention")
def test_a_message_that_is_settled_on_the_next_day_was_kept_too_long(story: Story) -> Evidence:
    produced = story.produce(7)
    story.wait(DAY + 100)
    story.record(Confirmed(message=Id(7), via="http", connection=None))
    return (produced,)


@leaves_open("RDL-4")
def test_settled_messages_and_such_whose_day_is_not_over_need_not_be_dropped(story: Story) -> None:
    story.connect()
    story.push(6)
    story.confirm(6)
    story.wait(60)
    story.push(7)
    story.wait(DAY)
    story.record(Expired(message=Id(8)))


# RDL-5: the attempt shows


@passes("RDL-5", times=2)
def test_repeated_pushes_that_tell_that_they_are(story: Story) -> None:
    story.connect()
    pushed_at(story, 0, 360, 720)


@passes("RDL-5", times=199)
def test_the_count_stops_at_what_a_byte_holds(story: Story) -> None:
    story.connect()
    for _ in range(200):
        story.push(7)


@violates("RDL-5", "push 2 of 7 says retried 0, attempt 2")
def test_a_repeated_push_that_looks_like_the_first(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7, retried=0)
    return (story.last(FrameOut),)


@violates("RDL-5", "push 2 of 7 has outtime 1767225600000")
def test_a_repeated_push_with_the_time_of_the_first(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7, out_time=EPOCH_MS)
    return (story.last(FrameOut),)


@violates("RDL-5", "push 2 of 7 has outtime None")
def test_a_repeated_push_without_its_time(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.push(7, out_time=None)
    return (story.last(FrameOut),)


@passes("RDL-5", times=1, world="recorded", epoch_ms=0)
def test_a_recording_that_does_not_say_when_it_was_proves_no_time_wrong(story: Story) -> None:
    story.connect()
    story.push(7)
    story.push(7, out_time=1_767_225_600_000)


@leaves_open("RDL-5")
def test_first_pushes_and_odd_ones_need_not_tell(story: Story) -> None:
    story.connect()
    story.push(6, retried=5)
    story.push(7, wire=lambda push: encode(push.to_frame())[:-2])
    story.push(7)
    story.push(8)
    story.push(8, retried=None)


# RDL-6: late confirms


@passes("RDL-6", times=1)
def test_a_late_confirm_settles(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(61)
    story.confirm(7)


@violates("RDL-6", "7 was not settled by a confirm 61 s after its push")
def test_a_late_confirm_that_is_ignored(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.wait(61)
    return pushed, story.says(confirm_frame(7))


@violates("RDL-6", "7 was not settled by a confirm 61 s after its push")
def test_a_later_confirm_that_settles_does_not_make_good_for_a_late_one_that_did_not(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.wait(61)
    ignored = story.says(confirm_frame(7))
    story.wait(299)
    story.push(7)
    story.confirm(7)
    return pushed, ignored


@leaves_open("RDL-6")
def test_a_late_confirm_that_was_lost_on_purpose_settles_nothing(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(61)
    story.confirm(7, lost=True)
    story.wait(299)
    story.push(7)
    story.confirm(7)


@leaves_open("RDL-6")
def test_confirms_that_are_in_time_or_of_something_else_are_not_late(story: Story) -> None:
    story.connect()
    story.push(1)
    story.wait(60)
    story.confirm(1)
    # Reported failed late, dropped, and confirmed twice.
    story.push(2)
    story.push(3)
    story.push(4)
    story.wait(1)
    story.expire(3)
    story.confirm(4)
    story.wait(60)
    story.fail(2)
    story.confirm(3)
    story.confirm(4)


@leaves_open("RDL-6")
def test_confirms_from_where_the_message_was_not_consumed_settle_nothing(story: Story) -> None:
    story.open()
    story.push(7)
    story.wait(61)
    # From a connection that was never accepted, one of another group, and one that was refused since.
    story.says(confirm_frame(7))
    story.open()
    story.record(Accepted(connection=story.connection, app_key="12129701", group="other", token="t"))
    story.says(confirm_frame(7))
    story.connect()
    story.connects_again()
    story.refuses()
    story.says(confirm_frame(7))


# RDL-7: repeated deliveries


@passes("RDL-7", times=1)
def test_a_repeated_delivery_that_is_handled_again(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7, "fail")
    story.wait(360)
    story.push(7)
    story.takes(7)


@passes("RDL-7", times=1)
def test_a_repeated_delivery_that_is_recognised_and_confirmed(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.push(7)
    story.confirm(7)


@passes("RDL-7", times=2, world="live")
def test_three_deliveries_that_are_under_way_at_once(story: Story) -> None:
    story.connect()
    story.push(7)
    story.advance(360)
    story.push(7)
    story.advance(360)
    story.push(7)
    for _ in range(3):
        story.takes(7)
    story.wait(60)


@violates("RDL-7", "7 came again and was ignored; 60.0 s passed")
def test_a_repeated_delivery_that_is_thrown_away(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.takes(7)
    story.wait(360)
    again = story.push(7)
    story.wait(60)
    return (again,)


@leaves_open("RDL-7")
def test_a_repeated_delivery_that_crosses_with_the_close_of_the_client(story: Story) -> None:
    story.connect()
    story.push(7)
    story.takes(7)
    story.wait(360)
    story.push(7)
    story.wait(0.2)
    story.close("client")
    story.wait(600)


@violates("RDL-7", "7 came again and was ignored; 600.0 s passed")
def test_a_repeated_delivery_that_was_ignored_for_a_while_when_the_client_closed(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.takes(7)
    story.wait(360)
    again = story.push(7)
    story.wait(30)
    story.close("client")
    story.wait(570)
    return (again,)


@violates("RDL-7", "7 came again and was ignored; 60.0 s passed", handlers=False)
def test_on_the_wire_alone_a_message_that_was_answered_once_and_then_ignored(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.fail(7)
    story.wait(360)
    again = story.push(7)
    story.wait(60)
    return (again,)


@leaves_open("RDL-7", handlers=False)
def test_on_the_wire_alone_silence_may_be_a_handler_that_fails_each_time(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7)
    story.wait(60)


@leaves_open("RDL-7")
def test_a_repetition_whose_turn_does_not_come_while_others_are_handled_may_not_have_been_ignored(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(5)
    story.push(7)
    story.wait(60)
    story.received(5)
    story.wait(10)


@leaves_open("RDL-7")
def test_repetitions_that_a_client_need_not_take(story: Story) -> None:
    story.connect()
    for id, told in ((1, HANG), (LONG, None)):
        story.push(id, told=told)
        story.push(id)
    story.confirm(NEIGHBOUR)
    story.push(2, wire=lambda push: encode(push.to_frame()) + b"\x00")
    story.push(2)
    story.push(3, fragments=2)
    story.push(3, fragments=2)
    story.push(4, wire=lambda push: b"\x02")
    story.push(4)
    story.wait(60)
    # Its connection is cut.
    story.push(5)
    story.push(5)
    story.wait(5)
    story.close("fault")
    story.wait(60)


@leaves_open("RDL-7")
def test_a_message_that_comes_once_is_not_repeated(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(60)


def test_three_thousand_pushes_of_one_message_are_judged_one_by_one() -> None:
    story = Story()
    story.connect()
    for _ in range(3000):
        story.wait(360)
        story.push(7)
    assert judged("RDL-1", story).exercised == 2999
    assert judged("RDL-5", story).exercised == 2999


def test_events_of_a_service_that_says_nothing_else_are_no_lives() -> None:
    story = Story()
    story.record(Pushed(message=Id(7), connection="c1", attempt=1))
    story.record(Opened(connection="c1"))
    story.record(Closed(connection="c1", by="client"))
    story.record(Produced(message=Id(7), app_key="a", group="g", topic="t"))
    for clause in ("RDL-1", "RDL-2", "RDL-3", "RDL-4", "RDL-5", "RDL-6", "RDL-7"):
        assert judged(clause, story).result == "not_exercised"
