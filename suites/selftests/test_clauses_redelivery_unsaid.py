"""RDL judged where the service says nothing: a confirm that it did not take, and messages that it kept or lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import CONFIRM, TOKEN, Story

from tmcspec.clauses import CLAUSES, judge_trace
from tmcspec.events import Confirmed, Consumed, Dropped, Id, UnknownConfirm
from tmcspec.messages import Confirm
from tmcspec.timing import RETENTION
from tmcspec.trace import Entry

HOUR = 3600.0


def confirms_in_vain(story: Story, id: int = 7) -> Entry:
    """A Confirm that settles nothing."""
    said = story.says(Confirm(token=TOKEN, id=id))
    story.record(UnknownConfirm(id=Id(id), via="ws", connection=story.connection))
    return said


def confirms_by_http_in_vain(story: Story, id: int = 7) -> Entry:
    asked = story.requests(CONFIRM, s_message_ids=str(id))
    story.answers()
    return asked


# RDL-3: a confirm that was not taken


@violates("RDL-3", "7 was pushed again after its confirm")
def test_a_confirm_that_the_service_did_not_take(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    said = confirms_in_vain(story)
    story.wait(360)
    again = story.push(7)
    # That a later one is taken does not make good for it.
    story.confirm(7)
    return said, again


@violates("RDL-3", "7 was consumed again after its confirm")
def test_a_confirm_of_which_the_service_says_nothing_at_all(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    said = story.says(Confirm(token=TOKEN, id=7))
    story.wait(360)
    story.consume(7)
    return said, story.last(Consumed)


@violates("RDL-3", "7 was pushed again after its confirm")
def test_a_confirm_over_http_that_the_service_did_not_take(story: Story) -> Evidence:
    story.connect()
    story.consume(7)
    asked = confirms_by_http_in_vain(story)
    story.wait(360)
    return asked, story.push(7)


@leaves_open("RDL-3")
def test_confirms_that_settle_nothing_for_a_good_reason(story: Story) -> None:
    story.connect()
    # Lost on purpose; from another group; too late, which is the matter of RDL-6; and one that did not come again.
    story.push(1)
    story.confirm(1, lost=True)
    story.push(2)
    story.push(3)
    story.connect(group="vip")
    confirms_in_vain(story, 2)
    story.wait(61)
    story.connection = "c1"
    confirms_in_vain(story, 3)
    story.push(4)
    confirms_in_vain(story, 4)
    story.wait(299)
    for id in (1, 2, 3):
        story.push(id)


@leaves_open("RDL-3")
def test_requests_that_settle_nothing_for_a_good_reason(story: Story) -> None:
    story.consume(1, 2, 3)
    story.confirm_by_http(1, lost=True)
    story.requests(CONFIRM, s_message_ids="2", group_name="vip")
    story.answers()
    story.wait(61)
    confirms_by_http_in_vain(story, 3)
    story.consume(4)
    confirms_by_http_in_vain(story, 4)
    story.wait(299)
    story.consume(1, 2, 3)


@passes("RDL-3", times=1)
def test_a_confirm_that_comes_twice_is_taken_once(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7)
    story.confirm(7)
    confirms_in_vain(story)
    confirms_by_http_in_vain(story)


@violates("RDL-3", "7 was pushed again after its confirm")
def test_a_second_confirm_over_http_does_not_count_as_one_that_was_not_taken(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.confirm_by_http(7)
    first = story.last(Confirmed)
    story.wait(1)
    confirms_by_http_in_vain(story)
    story.wait(359)
    return first, story.push(7)


# RDL-4: what expires too early


@violates("RDL-4", "7 expired 1.0 h after it was produced")
def test_a_message_that_is_dropped_before_its_day_is_over(story: Story) -> Evidence:
    produced = story.produce(7)
    story.wait(HOUR)
    return produced, story.expire(7)


@passes("RDL-4", times=1, world="recorded")
def test_a_recorded_trace_need_not_tell_how_long_messages_were_kept(story: Story) -> None:
    story.produce(7)
    story.wait(8 * HOUR)
    story.expire(7)


@passes("RDL-4", times=1)
def test_what_was_lost_otherwise_cannot_expire_too_early(story: Story) -> None:
    story.produce(7)
    story.deletes_group("default", 7)
    story.wait(HOUR)
    story.expire(7)
    story.produce(8)
    story.confirm_by_http(8)
    story.wait(RETENTION)


# RDL-8: what was kept with nothing said


@violates("RDL-8", "7 was lost with its group, and then pushed")
def test_a_group_that_is_deleted_and_whose_messages_come_in_the_next(story: Story) -> Evidence:
    story.produce(7, group="vip")
    deleted = story.deletes_group("vip")
    story.creates_group("vip")
    story.connect(group="vip")
    pushed = story.push(7)
    story.confirm(7)
    return deleted, pushed


@violates("RDL-8", "7 was lost with its group, and then confirmed")
def test_a_group_that_is_deleted_and_whose_messages_can_be_confirmed(story: Story) -> Evidence:
    story.connect(group="vip")
    story.produce(7, group="vip")
    story.push(7)
    deleted = story.deletes_group("vip")
    story.confirm(7)
    return deleted, story.last(Confirmed)


@passes("RDL-8", times=1)
def test_only_what_a_group_had_is_lost_with_it(story: Story) -> None:
    story.connect(group="vip")
    story.push(1, group="vip")
    story.confirm(1)
    story.produce(2, group="vip")
    story.produce(3)
    story.deletes_group("vip", 2)
    assert isinstance(story.last(Dropped).event, Dropped)
    story.creates_group("vip")
    story.connect(group="vip")
    story.push(4, group="vip")
    story.confirm(4)
    story.connect()
    story.push(3)


@passes("RDL-8", times=1)
def test_a_service_that_says_nothing_of_what_is_lost(story: Story) -> None:
    _is_lost_with_nothing_said(story)


@pytest.mark.parametrize("clause", ["RDL-1", "RDL-4", "RDL-6", "GRP-3"])
def test_nobody_misses_what_was_lost_with_nothing_said(clause: str) -> None:
    story = Story()
    _is_lost_with_nothing_said(story)
    assert judged(clause, story).result == "not_exercised"


def _is_lost_with_nothing_said(story: Story) -> None:
    """It neither comes again, nor expires, nor is settled by a late confirm, nor goes to the next group of the name."""
    story.connect(group="vip")
    story.push(7, group="vip")
    story.deletes_group("vip")
    story.wait(100)
    confirms_in_vain(story, 7)
    story.creates_group("vip")
    story.connect(group="vip")
    story.wait(30 * HOUR)


# What a trace does not show


def test_a_retention_that_was_set_before_the_trace_begins_is_not_known() -> None:
    for retention, waits in ((60, 60), (48 * HOUR, 30 * HOUR)):
        story = Story(world="live")
        story.sets_retention(retention)
        story.connect()
        story.push(7)
        story.wait(waits)
        story.expire(7) if retention == 60 else story.push(7)
        assert judged("RDL-4", story).result != "violated"
        forgetful = replace(story.trace(), entries=story.trace().entries[1:])
        (judgement,) = judge_trace(forgetful, [CLAUSES["RDL-4"]])
        assert judgement.violations == ()


@leaves_open("RDL-4", world="recorded")
def test_nobody_sees_from_outside_that_a_message_expires(story: Story) -> None:
    story.connect()
    story.push(7)
    story.wait(30 * HOUR)
    story.push(8)


@violates("RDL-4", "7 was pushed 30.0 h after it was produced", world="recorded")
def test_but_everybody_sees_what_is_pushed_too_late(story: Story) -> Evidence:
    story.connect()
    produced = story.produce(7)
    story.wait(30 * HOUR)
    return produced, story.push(7)


@leaves_open("RDL-3", world="recorded")
def test_a_confirm_that_was_seen_to_go_need_not_have_come(story: Story) -> None:
    story.connect()
    story.push(7)
    confirms_in_vain(story)
    story.close("fault")
    story.wait(360)
    story.connect()
    story.push(7)


@leaves_open("RDL-3")
def test_a_confirm_over_http_that_is_still_being_looked_at_settles_nothing_yet(story: Story) -> None:
    story.connect()
    story.consume(7)
    story.requests(CONFIRM, s_message_ids="7")
    story.push(7)
    story.answers()
