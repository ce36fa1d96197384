"""RDL judged over both channels: lives of messages that are pushed, and handed out over HTTP."""

from __future__ import annotations

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, CONFIRM, TOKEN, Story

from tmcspec.events import Confirmed, Consumed, Dropped, Expired, Failed, FrameOut, Id, Produced, UnknownConfirm
from tmcspec.messages import Confirm
from tmcspec.timing import RETENTION

HOUR = 3600.0


def consumed_at(story: Story, time: float, id: int = 7) -> Evidence:
    """A message is handed out over HTTP at this time."""
    story.wait(time - story.now)
    story.consume(id)
    return (story.last(Consumed),)


# RDL-1: unconfirmed


@passes("RDL-1", times=3)
def test_a_message_that_comes_again_over_the_other_channel(story: Story) -> None:
    story.connect()
    story.push(7)
    consumed_at(story, 360)
    story.wait(360)
    story.push(7)
    consumed_at(story, 1080)
    story.confirm_by_http(7)


@violates("RDL-1", "7 was consumed again 100.000 s after its push")
def test_a_pushed_message_that_is_handed_out_over_http_meanwhile(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    return pushed, *consumed_at(story, 100)


@violates("RDL-1", "7 was pushed again 299.000 s after it was consumed")
def test_a_message_that_was_handed_out_over_http_and_is_pushed_too_soon(story: Story) -> Evidence:
    (consumed,) = consumed_at(story, 0)
    story.connect()
    story.wait(299)
    return consumed, story.push(7)


@violates("RDL-1", "7 did not come again; 421 s passed since it was consumed")
def test_a_message_that_was_handed_out_over_http_and_is_forgotten(story: Story) -> Evidence:
    story.connect()
    (consumed,) = consumed_at(story, 0)
    story.wait(421)
    return (consumed,)


@passes("RDL-1", times=1)
def test_where_nobody_is_connected_a_message_waits_until_somebody_asks(story: Story) -> None:
    consumed_at(story, 0)
    consumed_at(story, 1000)


@leaves_open("RDL-1")
def test_a_connection_in_the_other_environment_does_not_take_it(story: Story) -> None:
    story.connect()
    story.push(7)
    story.close()
    story.connect(environment="pre-release")
    story.wait(1000)


@leaves_open("RDL-1")
def test_what_was_lost_with_its_group_is_not_missed(story: Story) -> None:
    story.connect(group="vip")
    story.push(7, group="vip")
    story.deletes_group("vip", 7)
    story.wait(1000)


# RDL-1: flow control and pull mode


@leaves_open("RDL-1")
def test_a_flow_value_may_hold_a_message_back(story: Story) -> None:
    story.sets_flow(1)
    story.connect()
    story.push(7)
    story.wait(1000)


@leaves_open("RDL-1")
def test_a_flow_value_that_was_just_taken_back_may_still_be_in_force(story: Story) -> None:
    story.connect()
    story.push(7)
    story.sets_flow(1)
    story.wait(351)
    story.sets_flow(None)
    story.wait(600)


@leaves_open("RDL-1")
def test_a_flow_value_that_is_set_when_a_message_is_due_may_hold_it_back(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(419)
    story.sets_flow(0)
    story.wait(600)


@violates("RDL-1", "7 did not come again; 421 s passed since its push")
def test_where_the_flow_value_was_taken_back_in_time_nothing_holds_a_message_back(story: Story) -> Evidence:
    story.sets_flow(1)
    story.connect()
    pushed = story.push(7)
    story.wait(340)
    story.sets_flow(None)
    story.wait(81)
    return (pushed,)


@leaves_open("RDL-1")
def test_in_pull_mode_a_message_waits_until_it_is_pulled(story: Story) -> None:
    story.connect()
    story.push(7)
    story.sets_mode("pull")
    story.wait(361)
    story.sets_mode("push")
    story.wait(600)


@passes("RDL-1", times=1)
def test_what_is_pulled_late_is_not_late(story: Story) -> None:
    story.sets_mode("pull")
    story.connect()
    story.push(7)
    story.wait(1000)
    story.push(7)


# RDL-2: failed


@passes("RDL-2", times=2)
def test_a_message_that_is_reported_failed_over_http_comes_again_six_minutes_later(story: Story) -> None:
    story.connect()
    consumed_at(story, 0)
    story.wait(200)
    story.fail_by_http(7)
    consumed_at(story, 560)
    story.fail_by_http(7)
    story.wait(360)
    story.push(7)


@violates("RDL-2", "7 was consumed again 160.000 s after its Failed")
def test_a_failed_message_that_is_handed_out_over_http_too_soon(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.wait(200)
    story.fail(7)
    failed = story.last(Failed)
    return failed, *consumed_at(story, 360)


# RDL-3: confirmed


@passes("RDL-3", times=2)
def test_what_is_confirmed_over_either_channel_comes_over_neither(story: Story) -> None:
    story.connect()
    story.push(7)
    story.confirm_by_http(7)
    story.consume(8)
    story.confirm(8)
    story.wait(HOUR)


@violates("RDL-3", "7 was consumed again after its confirm")
def test_a_message_that_was_confirmed_on_a_connection_and_comes_over_http(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.confirm(7)
    return story.last(Confirmed), *consumed_at(story, 360)


@violates("RDL-3", "7 was pushed again after its confirm")
def test_a_message_that_was_confirmed_over_http_and_is_pushed(story: Story) -> Evidence:
    story.connect()
    story.consume(7)
    story.confirm_by_http(7)
    confirmed = story.last(Confirmed)
    story.wait(360)
    return confirmed, story.push(7)


# RDL-4: retention


@violates("RDL-4", "7 was consumed 25.0 h after it was produced")
def test_a_message_that_is_handed_out_over_http_on_the_next_day(story: Story) -> Evidence:
    produced = story.produce(7)
    return produced, *consumed_at(story, RETENTION + HOUR)


@violates("RDL-4", "7 was consumed after it had expired")
def test_a_message_that_is_handed_out_over_http_after_it_was_dropped(story: Story) -> Evidence:
    story.produce(7)
    story.wait(8 * HOUR)
    expired = story.expire(7)
    return expired, *consumed_at(story, 9 * HOUR)


@violates("RDL-4", "7 was neither settled nor dropped within its retention")
def test_a_message_that_expires_hours_too_late(story: Story) -> Evidence:
    produced = story.produce(7)
    story.wait(RETENTION + HOUR)
    story.expire(7)
    return (produced,)


@passes("RDL-4", times=3)
def test_messages_are_kept_no_longer_than_they_were_to_be_and_no_longer_than_is_set_since(story: Story) -> None:
    story.produce(1)
    story.wait(9 * HOUR)
    story.produce(2)
    story.wait(HOUR)
    story.sets_retention(8 * HOUR)
    story.expire(1)
    story.produce(3)
    story.wait(HOUR)
    # Whoever lives already gains nothing by that.
    story.sets_retention(20 * HOUR)
    story.wait(6 * HOUR)
    story.expire(2)
    story.wait(HOUR)
    story.expire(3)


@violates("RDL-4", "7 was pushed 9.0 h after it was produced")
def test_a_message_that_is_pushed_after_the_retention_that_was_set(story: Story) -> Evidence:
    story.connect()
    produced = story.produce(7)
    story.sets_retention(8 * HOUR)
    story.wait(9 * HOUR)
    return produced, story.push(7)


@passes("RDL-4", times=1)
def test_a_longer_retention_holds_for_what_is_produced_from_then_on(story: Story) -> None:
    story.sets_retention(48 * HOUR)
    story.connect()
    story.produce(7)
    story.wait(30 * HOUR)
    story.push(7)
    story.wait(18 * HOUR)
    story.expire(7)


# RDL-5: the attempt shows


@passes("RDL-5", times=1)
def test_the_count_of_a_push_counts_what_was_handed_out_over_http(story: Story) -> None:
    story.connect()
    story.consume(7)
    story.wait(360)
    story.push(7)


@violates("RDL-5", "push 2 of 7 says retried 0, attempt 2")
def test_a_push_that_forgets_what_was_handed_out_over_http(story: Story) -> Evidence:
    story.connect()
    story.consume(7)
    story.wait(360)
    story.push(7, retried=0)
    return (story.last(FrameOut),)


# RDL-6: late confirms


@passes("RDL-6", times=3)
def test_a_late_confirm_over_http_settles(story: Story) -> None:
    story.connect()
    story.consume(5, 6)
    story.push(7)
    story.wait(61)
    story.confirm_by_http(5, 6)
    story.confirm_by_http(7, group_name="default")


@passes("RDL-6", times=1)
def test_a_late_confirm_on_a_connection_settles_what_was_handed_out_over_http(story: Story) -> None:
    story.connect()
    story.consume(7)
    story.wait(61)
    story.confirm(7)


@violates("RDL-6", "7 was not settled by a confirm 61 s after it was consumed")
def test_a_late_confirm_over_http_that_is_ignored(story: Story) -> Evidence:
    (consumed,) = consumed_at(story, 0)
    story.wait(61)
    asked = story.requests(CONFIRM, s_message_ids="7")
    story.record(UnknownConfirm(id=Id(7), via="http", connection=None))
    story.answers()
    return consumed, asked


@violates("RDL-6", "7 was not settled by a confirm 61 s after its push")
def test_a_confirm_that_settles_later_does_not_make_good_for_a_request_that_did_not(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.wait(61)
    asked = story.requests(CONFIRM, s_message_ids="7")
    story.answers()
    story.fault("else")
    story.confirm(7, lost=True)
    story.record(Confirmed(message=Id(7), via="ws", connection="c1"))
    return pushed, asked


@leaves_open("RDL-6")
def test_requests_that_settle_nothing_that_was_late(story: Story) -> None:
    story.consume(1)
    story.wait(60)
    story.confirm_by_http(1)
    story.consume(2, 3, 4)
    story.produce(5)
    story.wait(100)
    story.expire(4)
    # Refused, never answered, lost on purpose, of nothing known, and of what is settled or was never handed out.
    story.confirm_by_http(2, lost=True)
    story.requests(CONFIRM, s_message_ids="2")
    story.requests(CONFIRM, s_message_ids="2")
    story.fault("lose_confirm")
    story.answers()
    for ids in ("", "99", "4", "5", "2x, , ²", "7" * 5000):
        story.requests(CONFIRM, s_message_ids=ids)
        story.answers()
    # From where the message is not consumed.
    for where in ({"group_name": "vip"}, {"environment": "pre-release"}, {"app_key": "1"}, {"app_key": None}):
        story.requests(CONFIRM, s_message_ids="3", **where)  # type: ignore[arg-type]
        story.answers()
    story.requests("taobao.tmc.messages.consume", s_message_ids="3")
    story.answers()


@leaves_open("RDL-6")
def test_a_late_confirm_from_the_other_environment_settles_nothing(story: Story) -> None:
    story.connect()
    story.push(7)
    story.connect(environment="pre-release")
    story.wait(61)
    story.says(Confirm(token=TOKEN, id=7))


# RDL-7: repeated deliveries


@leaves_open("RDL-7")
def test_what_comes_again_over_http_is_judged_there(story: Story) -> None:
    story.connect()
    story.push(7)
    consumed_at(story, 360)
    story.wait(600)


@passes("RDL-7", times=1)
def test_a_message_that_was_handled_after_it_came_over_http_and_is_pushed_again(story: Story) -> None:
    story.connect()
    story.consume(7)
    story.handles(7, "fail")
    story.fail_by_http(7)
    story.wait(360)
    story.push(7)
    story.takes(7)


# RDL-8: lost with the group


@passes("RDL-8", times=2)
def test_what_was_lost_with_its_group_never_comes_again(story: Story) -> None:
    story.connect(group="vip")
    story.push(7, group="vip")
    story.produce(8, group="vip")
    story.deletes_group("vip", 7, 8)
    story.creates_group("vip")
    story.confirm(7)
    story.fail(8)
    story.wait(HOUR)


@violates("RDL-8", "7 was lost with its group, and then pushed")
def test_a_new_group_of_the_same_name_that_gets_the_old_messages(story: Story) -> Evidence:
    story.connect(group="vip")
    story.produce(7, group="vip")
    deleted = story.deletes_group("vip", 7)
    story.creates_group("vip")
    pushed = story.push(7)
    story.confirm_by_http(7, group_name="vip")
    return deleted, pushed


@violates("RDL-8", "7 was lost with its group, and then confirmed")
def test_a_confirm_that_finds_what_was_lost(story: Story) -> Evidence:
    story.produce(7, group="vip")
    deleted = story.deletes_group("vip", 7)
    story.wait(10)
    return deleted, story.record(Confirmed(message=Id(7), via="http", connection=None))


@leaves_open("RDL-8")
def test_nothing_is_lost_with_an_empty_group(story: Story) -> None:
    story.produce(7)
    story.deletes_group("vip")
    story.record(Dropped(message=Id(8)))
    story.consume(7)


# What no story tells


def test_the_first_end_of_a_message_is_its_end() -> None:
    story = Story()
    story.produce(7)
    story.wait(10)
    story.deletes_group("default", 7)
    story.record(Dropped(message=Id(7)))
    story.wait(24 * 3600)
    story.record(Expired(message=Id(7)))
    assert judged("RDL-8", story).result == "violated"
    assert judged("RDL-4", story).result == "pass"


def test_an_answer_of_unknown_origin_makes_no_life() -> None:
    story = Story()
    story.record(Consumed(message=Id(7), attempt=1, request=1))
    story.record(Failed(message=Id(7), reason=None))
    story.record(Produced(message=Id(7), app_key=APP, group="default", topic="t"))
    story.record(Confirmed(message=Id(7), via="http", connection=None))
    for clause in ("RDL-1", "RDL-2", "RDL-4", "RDL-5", "RDL-6", "RDL-7", "RDL-8", "ACK-6"):
        assert judged(clause, story).result == "not_exercised"
