"""HSK-11 judged by what a trace tells of groups and subscriptions, and by its silence."""

from __future__ import annotations

import pytest
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, Story

from tmcspec.events import Accepted, Closed, GroupCreated, GroupDeleted, Signed, Subscribed
from tmcspec.messages import Connect

# Groups


@violates("HSK-11", "accepted though group 'vip' was deleted")
def test_a_service_that_lets_somebody_into_a_group_that_is_gone(story: Story) -> Evidence:
    story.creates_group("vip")
    story.deletes_group("vip")
    story.connects(group="vip")
    story.accepts()
    return story.last(GroupDeleted), story.last(Signed), story.last(Accepted)


@passes("HSK-11", times=3)
def test_a_group_is_there_until_it_is_deleted_and_when_it_is_created_anew(story: Story) -> None:
    story.connect(group="vip")
    story.deletes_group("vip")
    story.connects(group="vip")
    story.refuses(41, "Invalid arguments: group_name")
    story.creates_group("vip")
    story.connect(group="vip")


@violates("HSK-11", "refused though the sign was right")
def test_a_service_that_refuses_a_group_that_was_created(story: Story) -> Evidence:
    story.connect()
    story.creates_group("vip")
    story.connects(group="vip")
    return story.last(Signed), story.refuses(41, "Invalid arguments: group_name")


@passes("HSK-11", times=2)
def test_a_group_of_which_no_event_tells_may_not_be_there(story: Story) -> None:
    story.connect()
    story.connects(group="vip")
    story.refuses(41, "Invalid arguments: group_name")


# Subscriptions


@violates("HSK-11", "accepted though its app has subscribed to nothing")
def test_a_service_that_lets_an_app_in_without_a_subscription(story: Story) -> Evidence:
    story.connect()
    subscribed = story.subscribes()
    story.wait(361)
    story.connects()
    story.accepts()
    return subscribed, story.last(Signed), story.last(Accepted)


@passes("HSK-11", times=2)
def test_an_ended_subscription_may_be_in_a_cache_for_a_while(story: Story) -> None:
    story.subscribes("t")
    story.subscribes()
    story.wait(360)
    story.connect()
    story.connects()
    story.refuses(15, "isp.system-error")


@violates("HSK-11", "refused though the sign was right")
def test_a_service_that_refuses_an_app_that_has_subscribed_to_something(story: Story) -> Evidence:
    story.subscribes()
    story.wait(361)
    story.subscribes("t")
    story.connects()
    return story.last(Signed), story.refuses(15, "isp.system-error")


@violates("HSK-11", "refused though the sign was right")
def test_a_service_that_refuses_an_app_that_has_subscribed_to_everything(story: Story) -> Evidence:
    story.record(Subscribed(app_key=APP, topics=None))
    story.connects()
    return story.last(Signed), story.refuses()


@violates("HSK-11", "refused though the sign was right")
def test_a_service_that_refuses_who_was_let_in_before(story: Story) -> Evidence:
    story.connect()
    story.connects()
    return story.last(Signed), story.refuses()


@passes("HSK-11", times=1)
def test_an_app_of_which_no_event_tells_may_have_subscribed_to_nothing(story: Story) -> None:
    story.record(GroupCreated(app_key=APP, group="vip"))
    story.connects(group="vip")
    story.refuses(15, "isp.system-error")


@passes("HSK-11", times=2)
def test_who_signs_wrongly_may_be_refused_anywhere(story: Story) -> None:
    story.connect()
    story.connects(sign="wrong")
    story.refuses()


# Another CONNECT than the client's


@passes("HSK-11", times=2)
def test_nothing_is_known_of_whom_a_connect_names_that_was_changed_on_the_way(story: Story) -> None:
    story.connect()
    story.open()
    story.says(Connect(app_key=APP, group="default", timestamp="1", sign="0", flag=1))
    story.fault("corrupt_field", story.connection, "connect")
    story.record(Signed(connection=story.connection, app_key=APP, sign="right"))
    story.refuses(41, "Invalid arguments: group_name")


# Silence


def silent(story: Story) -> Evidence:
    """A CONNECT that nobody looked at."""
    story.open()
    return (story.says(Connect(app_key=APP, group="default", timestamp="1", sign="0", flag=1)),)


@violates("HSK-11", "the CONNECT was not answered")
def test_a_service_that_does_as_if_a_connect_had_never_come(story: Story) -> Evidence:
    said = silent(story)
    story.wait(30)
    return said


@leaves_open("HSK-11", world="recorded")
def test_a_recorded_trace_need_not_tell_what_the_service_found(story: Story) -> None:
    silent(story)
    story.wait(60)


@leaves_open("HSK-11")
def test_a_connect_that_was_lost_on_purpose_is_not_answered(story: Story) -> None:
    silent(story)
    story.fault("drop", story.connection, "connect")
    story.wait(60)


@pytest.mark.parametrize("ending", ["disconnect", "abort"])
def test_whom_the_service_is_about_to_cut_off_on_purpose_it_need_not_answer(ending: str) -> None:
    story = Story()
    silent(story)
    story.wait(1)
    story.fault(ending, story.connection)
    story.wait(60)
    story.record(Closed(connection=story.connection, by="service", code=1000))
    assert judged("HSK-11", story).result == "not_exercised"


# Two answers on one connection


@passes("HSK-11", times=1)
def test_the_late_answer_to_a_connect_is_none_to_the_next(story: Story) -> None:
    story.connects(group="vip")
    story.fault("connectack", "c1", "delay=10")
    story.wait(5)
    story.deletes_group("vip")
    story.connects_again(group="vip")
    story.refuses(41, "the group does not exist")
    story.wait(5)
    story.accepts()


# What a trace does not show


@passes("HSK-11", times=2, world="recorded")
def test_what_was_there_once_may_be_gone_where_nobody_sees_the_console(story: Story) -> None:
    story.connect(group="vip")
    story.close()
    story.wait(4000)
    story.connects(group="vip")
    story.refuses(41, "the group does not exist")
