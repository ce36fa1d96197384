"""Clients that are pushed messages, judged where messages are handed out and answered over HTTP as well."""

from __future__ import annotations

import pytest
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import Story
from story_values import FAIL, LONG, NEIGHBOUR, SLOW

from tmcspec.clauses import CLAUSES, Binds
from tmcspec.clauses.history import History
from tmcspec.events import Confirmed, Id


@passes("ACK-1", times=1)
def test_a_handled_message_that_is_confirmed_over_http(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.confirm_by_http(7)
    story.wait(600)


@leaves_open("ACK-2")
def test_who_confirmed_over_http_is_not_known(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.confirm_by_http(7)
    story.wait(60)


@passes("ACK-2", times=1)
def test_a_message_that_was_handled_when_it_came_over_http_and_is_recognised(story: Story) -> None:
    story.connect()
    story.produce(7, told=SLOW)
    story.consume(7)
    story.received(7)
    story.wait(2)
    story.handled(7)
    story.wait(358)
    story.push(7)
    story.confirm(7)


@leaves_open("ACK-3")
def test_a_failed_message_that_somebody_else_confirms_over_http(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.handles(7, "fail")
    story.confirm_by_http(7)


@passes("ACK-4", times=1)
def test_a_failure_that_is_reported_over_http(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7, "fail")
    story.fail_by_http(7)
    story.wait(600)


@violates("ACK-6", "7 was handed out 2 times and answered 3 times (Fail, Confirm, Confirm)")
def test_a_message_that_is_answered_more_often_than_it_was_handed_out(story: Story) -> Evidence:
    story.connect()
    story.consume(7)
    first = story.fail(7)
    story.wait(360)
    story.push(7)
    return first, story.confirm(7), story.confirm(7)


@leaves_open("ACK-6")
def test_answers_over_http_are_nobodys(story: Story) -> None:
    story.connect()
    story.push(7)
    story.fail_by_http(7)
    story.confirm_by_http(7)


@passes("ACK-7", times=2)
def test_what_came_over_http_was_delivered(story: Story) -> None:
    story.connect()
    story.consume(7)
    story.push(8)
    story.confirm(7)
    story.confirm(8)


@leaves_open("ACK-8")
def test_a_message_whose_confirm_was_lost_and_that_comes_again_over_http(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.confirm(7, lost=True)
    story.wait(360)
    story.consume(7)
    story.wait(600)


@passes("LID-1", times=2)
def test_a_long_id_that_is_confirmed_over_http_was_not_misread(story: Story) -> None:
    story.connect()
    story.push(NEIGHBOUR)
    story.push(LONG)
    story.handles(LONG)
    story.confirm_by_http(LONG)
    story.takes(NEIGHBOUR)
    story.confirm(NEIGHBOUR)
    story.wait(600)


def test_what_a_handler_was_called_with_belongs_to_the_channel_that_it_came_over() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.wait(360)
    story.consume(7)
    story.handles(7)
    story.record(Confirmed(message=Id(7), via="http", connection=None))
    (life,) = History(story.trace()).lives
    pushed, consumed = life.handed
    assert (life.deliveries, life.begun) == ([pushed], consumed)
    assert (pushed.received, pushed.handled, pushed.answers) == (None, None, [])
    assert consumed.received
    assert consumed.handled
    assert [answer.said for answer in consumed.answers] == [None]
    assert pushed.confirmed_by is consumed.confirmed_by is consumed.answers[0]


@pytest.mark.parametrize("handlers", [True, False])
def test_nobody_who_is_pushed_messages_is_accused_of_what_happens_over_http(handlers: bool) -> None:
    story = Story(handlers=handlers)
    story.connect()
    # Consumed and confirmed over HTTP, failed there, and never answered at all.
    for id in (1, 2**53 + 1, 3):
        story.produce(id)
    story.consume(1, 2**53 + 1, 3)
    story.confirm_by_http(1, 2**53 + 1)
    story.fail_by_http(3)
    story.wait(420)
    story.consume(3)
    # Pushed, and confirmed over HTTP.
    story.push(4)
    story.push(2**53 + 3, "")
    if handlers:
        story.handles(4)
        story.handles(2**53 + 3)
    story.confirm_by_http(4, 2**53 + 3)
    # Pushed, not answered in time because its connection is cut, and consumed over HTTP by somebody else.
    story.push(5)
    story.close("fault")
    story.wait(3)
    story.connect()
    story.wait(357)
    story.consume(5)
    story.wait(600)
    # What a client does over HTTP is the business of HTP.
    judges = [clause for clause in CLAUSES.values() if clause.binds is Binds.CLIENT and clause.area != "HTP"]
    assert [clause.id for clause in judges if judged(clause.id, story).violations] == []
