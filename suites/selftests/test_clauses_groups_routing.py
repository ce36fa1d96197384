"""GRP judged: who gets which messages, by what the console's events tell."""

from __future__ import annotations

from typing import Any

from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, TOPIC, USER, Story

from tmcspec.clauses.registry import Registry, Topics
from tmcspec.events import Accepted, Consumed, Dropped, Id, Produced, Pushed, Refused, Subscribed, UserGrouped
from tmcspec.trace import Entry

#: About as long as an ended relation may still be found in a cache.
CACHED = 360.0

OTHER = "taobao_refund_RefundCreated"


def broadcast(story: Story, id: int = 7, *, group: str = "default", routed: str = "default", **more: Any) -> Entry:
    """A broadcast of the user enters the queue of a group."""
    return story.produce(id, **{"user_id": USER} | more, kind="broadcast", group=group, routed=routed)


def relate(story: Story) -> tuple[Entry, Entry]:
    """The user grants access, and the app permits everything. Both are told."""
    return story.authorises(), story.permits()


# GRP-1: consumers of the group


@passes("GRP-1", times=5)
def test_messages_that_go_to_their_group_alone(story: Story) -> None:
    story.connect()
    story.push(1)
    story.connect(group="vip")
    story.push(2, group="vip")
    # Both environments have the same groups; that they are apart is a matter of GRP-6.
    story.connect(group="vip", environment="pre-release")
    story.push(3, group="vip")
    story.produce(4, group="vip")
    story.consume(4, group_name="vip")
    story.consume(5)


@violates("GRP-1", "7 of group 12129701/vip went to c1 of group 12129701/default")
def test_a_message_that_is_pushed_in_another_group(story: Story) -> Evidence:
    story.connect()
    accepted = story.last(Accepted)
    produced = story.produce(7, group="vip")
    return accepted, produced, story.push(7)


@violates("GRP-1", "7 of group 12129701/vip went to request 1 of group 12129701/default")
def test_a_message_that_is_handed_out_to_a_request_of_another_group(story: Story) -> Evidence:
    produced = story.produce(7, group="vip")
    asked = story.consume(7)
    return produced, asked, story.last(Consumed)


@violates("GRP-1", "7 of group 12129701/default went to request 1 of group 2/default")
def test_a_message_that_is_handed_out_to_another_app(story: Story) -> Evidence:
    produced = story.produce(7)
    asked = story.requests("taobao.tmc.messages.consume", app_key="2")
    story.hands_out(7)
    return produced, asked, story.last(Consumed)


@violates("GRP-1", "7 was pushed on c1, which was not accepted")
def test_a_message_that_is_pushed_before_anybody_was_accepted(story: Story) -> Evidence:
    story.open()
    return (story.push(7),)


@violates("GRP-1", "7 was pushed on c1, which was not accepted")
def test_a_message_that_is_pushed_on_a_connection_that_was_refused_since(story: Story) -> Evidence:
    story.connect()
    story.connects_again()
    story.refuses()
    return (story.push(7),)


@passes("GRP-1", times=1)
def test_a_connection_is_what_was_last_accepted_on_it(story: Story) -> None:
    story.connects()
    story.refuses()
    story.connects_again(group="vip")
    story.accepts()
    story.push(7, group="vip")


@leaves_open("GRP-1", world="recorded")
def test_a_trace_that_begins_later_does_not_show_who_consumes(story: Story) -> None:
    story.produce(7)
    story.record(Pushed(message=Id(7), connection="c9", attempt=1))
    story.record(Consumed(message=Id(7), attempt=2, request=9))
    story.requests("taobao.tmc.messages.consume", app_key=None)
    story.hands_out(7)
    # And of this one it is not known whether its user is in a group.
    broadcast(story, 8, group="vip", routed="user")


# GRP-1: a user's group


@passes("GRP-1", times=7)
def test_broadcasts_that_are_produced_for_the_group_of_their_user(story: Story) -> None:
    broadcast(story, 1)
    story.binds_topic("refunds")
    broadcast(story, 2, group="refunds", routed="topic")
    story.groups_user("vip")
    broadcast(story, 3, group="vip", routed="user")
    story.groups_user(None)
    broadcast(story, 4, group="refunds", routed="topic")
    story.binds_topic(None)
    broadcast(story, 5)
    story.groups_user("vip")
    # Nobody is in a group that is not there any more.
    story.deletes_group("vip")
    broadcast(story, 6)
    story.creates_group("vip")
    story.groups_user("vip")
    broadcast(story, 7, group="vip", routed="user")


@violates("GRP-1", "7 was produced for group 'shop' (by user), though its user is in 'vip'")
def test_a_broadcast_in_another_group_than_that_of_its_user(story: Story) -> Evidence:
    return story.groups_user("vip"), broadcast(story, group="shop", routed="user")


@violates("GRP-1", "7 was produced for group 'default' (by default), though its user is in 'vip'")
def test_a_broadcast_in_the_default_group_though_its_user_has_one(story: Story) -> Evidence:
    return story.groups_user("vip"), broadcast(story)


@violates("GRP-1", "7 was produced for group 'refunds' (by topic), though its user is in 'vip'")
def test_a_broadcast_in_the_group_of_its_topic_though_its_user_has_one(story: Story) -> Evidence:
    story.binds_topic("refunds")
    return story.groups_user("vip"), broadcast(story, group="refunds", routed="topic")


@violates("GRP-1", "7 was produced for group 'vip' (by user), though its user is in no group")
def test_a_broadcast_in_a_group_that_its_user_was_taken_out_of(story: Story) -> Evidence:
    story.groups_user("vip")
    return story.groups_user(None), broadcast(story, group="vip", routed="user")


@violates("GRP-1", "7 was produced for group 'vip' (by user), though its user is in no group")
def test_a_broadcast_in_a_group_that_its_user_was_never_in(story: Story) -> Evidence:
    return (broadcast(story, group="vip", routed="user"),)


@violates("GRP-1", "7 was produced for group 'shop' (by topic), though its topic is bound to 'refunds'")
def test_a_broadcast_in_another_group_than_that_of_its_topic(story: Story) -> Evidence:
    return story.binds_topic("refunds"), broadcast(story, group="shop", routed="topic")


@violates("GRP-1", "7 was produced for group 'default' (by default), though its topic is bound to 'refunds'")
def test_a_broadcast_in_the_default_group_though_its_topic_has_one(story: Story) -> Evidence:
    return story.binds_topic("refunds"), broadcast(story)


@violates("GRP-1", "7 was produced for group 'vip' (by default), though it belongs into 'default'", world="recorded")
def test_a_broadcast_in_some_group_though_nothing_led_there(story: Story) -> Evidence:
    return (broadcast(story, group="vip"),)


# GRP-5: broadcasts


@passes("GRP-5", times=2)
def test_broadcasts_of_a_user_who_has_granted_access(story: Story) -> None:
    relate(story)
    broadcast(story, 1)
    story.permits(TOPIC)
    broadcast(story, 2)


@violates("GRP-5", f"7, a broadcast of user {USER} about {TOPIC}, was produced for app {APP}, which has no grant of "
    "the user")  # fmt: skip
def test_a_broadcast_of_a_user_who_has_granted_nothing(story: Story) -> Evidence:
    return (broadcast(story),)


@violates("GRP-5", f"7, a broadcast of user {USER} about {TOPIC}, was produced for app {APP}, which never permitted it")
def test_a_broadcast_of_a_user_for_whom_nothing_was_permitted(story: Story) -> Evidence:
    story.authorises()
    return (broadcast(story),)


@violates("GRP-5", f"7, a broadcast of user {USER} about {TOPIC}, was produced for app {APP}, which never permitted it")
def test_a_broadcast_about_a_topic_that_was_never_permitted(story: Story) -> Evidence:
    story.authorises()
    story.permits(OTHER)
    story.cancels()
    story.permits(OTHER)
    return (broadcast(story),)


@violates("GRP-5", "7 is a broadcast of no user")
def test_a_broadcast_that_belongs_to_nobody(story: Story) -> Evidence:
    return (broadcast(story, user_id=None),)


@leaves_open("GRP-5", world="recorded")
def test_of_what_was_granted_before_a_recording_began_nothing_is_known(story: Story) -> None:
    broadcast(story, 1)
    story.authorises()
    broadcast(story, 2)
    # It may have been permitted before, so that it would be an end: a matter of GRP-8.
    story.permits(OTHER)
    broadcast(story, 3, user_id=USER + 1)
    story.wait(CACHED + 1)
    broadcast(story, 4)


# GRP-5: point to point


@passes("GRP-5", times=3)
def test_messages_to_the_app_that_lie_where_they_belong(story: Story) -> None:
    story.produce(1, routed="default")
    story.binds_topic("refunds")
    story.produce(2, routed="topic", group="refunds")
    story.groups_user("vip")
    story.produce(3, routed="user", group="vip", user_id=USER)


@violates("GRP-5", "7 was produced for group 'vip' (by default), though it belongs into 'default'")
def test_a_message_to_the_app_in_some_group(story: Story) -> Evidence:
    return (story.produce(7, routed="default", group="vip"),)


@violates("GRP-5", "7 was produced for group 'vip' (by user), though it has no user")
def test_a_message_to_the_app_by_a_user_that_it_has_not(story: Story) -> Evidence:
    return (story.produce(7, routed="user", group="vip"),)


@leaves_open("GRP-5")
def test_a_producer_may_name_any_group(story: Story) -> None:
    story.groups_user("vip")
    story.produce(7, group="shop", user_id=USER)


@leaves_open("GRP-5", world="recorded")
def test_a_recording_does_not_show_where_users_and_topics_were_at_first(story: Story) -> None:
    story.produce(1, routed="default", user_id=USER)
    story.produce(2, routed="topic", group="refunds")
    story.produce(3, routed="user", group="vip", user_id=USER)


# GRP-6: environments


@passes("GRP-6", times=3)
def test_messages_that_stay_in_their_environment(story: Story) -> None:
    story.connect()
    story.push(1)
    story.connect(environment="pre-release")
    story.push(2, environment="pre-release")
    story.produce(3, environment="pre-release")
    story.consume(3, environment="pre-release")


@violates("GRP-6", "7 of production went to c1 in pre-release")
def test_a_message_of_production_that_is_tried_out_on(story: Story) -> Evidence:
    story.connect(environment="pre-release")
    accepted = story.last(Accepted)
    produced = story.produce(7)
    return accepted, produced, story.push(7)


@violates("GRP-6", "7 of pre-release went to request 1 in production")
def test_a_message_of_pre_release_that_production_asks_for(story: Story) -> Evidence:
    produced = story.produce(7, environment="pre-release")
    asked = story.consume(7)
    return produced, asked, story.last(Consumed)


@leaves_open("GRP-6")
def test_where_there_is_one_environment_nothing_is_apart(story: Story) -> None:
    story.connect()
    story.push(7)
    story.consume(7)


@leaves_open("GRP-6")
def test_whose_environment_is_not_shown_is_in_none(story: Story) -> None:
    story.connect(environment="pre-release")
    story.open()
    story.push(7)
    story.record(Consumed(message=Id(7), attempt=2, request=9))


# GRP-8: nothing new


@violates("GRP-8", "7 was produced 361 s after the permission ended")
def test_a_broadcast_after_its_user_was_deleted(story: Story) -> Evidence:
    relate(story)
    ended = story.cancels()
    story.wait(CACHED + 1)
    return ended, broadcast(story)


@violates("GRP-8", "7 was produced 400 s after the permission ended")
def test_a_broadcast_about_a_topic_that_is_permitted_no_more(story: Story) -> Evidence:
    story.authorises()
    story.permits(TOPIC, OTHER)
    story.permits(OTHER)
    story.wait(10)
    # It began anew and ended several times; the last end counts.
    story.permits()
    story.cancels()
    story.permits(TOPIC)
    ended = story.permits(OTHER)
    story.wait(400)
    return ended, broadcast(story)


@violates("GRP-8", "7 was produced 500 s after the grant ended")
def test_a_broadcast_after_the_grant_has_expired(story: Story) -> Evidence:
    granted = story.authorises(until=100.0)
    story.permits()
    story.wait(600)
    return granted, broadcast(story)


@violates("GRP-8", "7 was produced 361 s after the grant ended")
def test_a_broadcast_after_the_grant_was_taken_back(story: Story) -> Evidence:
    relate(story)
    story.wait(50)
    # The service learns of it now, and not before.
    revoked = story.authorises(until=10.0)
    story.wait(CACHED + 1)
    return revoked, broadcast(story)


@violates("GRP-8", "7 was produced 361 s after the subscription ended")
def test_a_message_to_the_app_after_its_subscription_was_cancelled(story: Story) -> Evidence:
    ended = story.subscribes(OTHER)
    story.wait(CACHED + 1)
    story.produce(6, topic=OTHER)
    return ended, story.produce(7)


@violates("GRP-8", "7 was produced 461 s after the subscription ended")
def test_of_what_ended_the_first_end_counts(story: Story) -> Evidence:
    relate(story)
    story.subscribes(TOPIC)
    ended = story.subscribes()
    story.wait(100)
    story.cancels()
    story.wait(CACHED + 1)
    return ended, broadcast(story)


# GRP-8: what is queued


@passes("GRP-8", times=3)
def test_what_was_produced_before_the_end_is_still_delivered(story: Story) -> None:
    relate(story)
    broadcast(story, 1)
    broadcast(story, 2)
    story.produce(3)
    story.connect()
    story.push(1)
    story.cancels()
    story.subscribes()
    story.wait(CACHED)
    story.push(1)
    story.consume(2)
    story.push(3)
    # The second time that it is delivered says nothing more.
    story.wait(360)
    story.push(3)


@passes("GRP-8", times=1)
def test_what_was_produced_before_the_grant_expired_is_still_delivered(story: Story) -> None:
    story.authorises(until=100.0)
    story.permits()
    broadcast(story)
    story.wait(100)
    story.connect()
    story.push(7)


@violates("GRP-8", "7 was dropped after the permission ended")
def test_what_was_produced_before_the_end_and_is_thrown_away(story: Story) -> Evidence:
    relate(story)
    story.deletes_group("vip")
    produced = broadcast(story)
    ended = story.cancels()
    return produced, ended, story.record(Dropped(message=Id(7)))


@leaves_open("GRP-8")
def test_what_is_lost_with_its_group_is_not_lost_with_its_user(story: Story) -> None:
    relate(story)
    story.groups_user("vip")
    broadcast(story, group="vip", routed="user")
    story.cancels()
    story.deletes_group("vip", 7)


@leaves_open("GRP-8")
def test_for_about_five_minutes_what_ended_may_still_be_found(story: Story) -> None:
    relate(story)
    story.cancels()
    story.wait(CACHED)
    broadcast(story, 1)
    story.connect()
    story.push(1)
    # It begins anew.
    story.permits()
    story.wait(CACHED)
    broadcast(story, 2)
    story.push(2)
    story.record(Dropped(message=Id(9)))


# What is known


def test_a_set_of_topics_that_had_everything_has_lost_whatever_it_has_not() -> None:
    one, two = (Entry(seq=seq, time=0.0, event=Subscribed(app_key=APP)) for seq in (1, 2))
    topics = Topics(names=None)
    assert (topics.has("a"), topics.gone("a"), topics.never_had("a")) == (True, None, False)
    topics.replace(("a", "b"), one)
    topics.replace(("b", "*"), two)
    assert (topics.has("a"), topics.names) == (True, None)
    topics.replace(("b",), two)
    assert (topics.gone("b"), topics.gone("a"), topics.never_had("a")) == (None, two, False)


def test_a_set_of_topics_that_began_empty_never_had_what_nobody_put_in() -> None:
    one, two = (Entry(seq=seq, time=0.0, event=Subscribed(app_key=APP)) for seq in (1, 2))
    topics = Topics(names=frozenset())
    assert topics.never_had("a")
    topics.replace(("a",), one)
    topics.replace((), two)
    assert (topics.gone("a"), topics.never_had("a"), topics.never_had("b")) == (two, False, True)


def test_a_message_without_a_user_is_in_no_users_group() -> None:
    registry = Registry(whole=False)
    registry.read(Entry(seq=1, time=0.0, event=UserGrouped(app_key=APP, user_id=Id(USER), group="vip")))
    message = Produced(message=Id(7), app_key=APP, group="g", topic="t", kind="broadcast")
    placed = registry.user_group(message)
    assert placed
    assert (placed.group, registry.grant(message), registry.permission(message)) == (None, None, None)


def test_a_refusal_that_answers_no_connect_tells_nothing() -> None:
    story = Story()
    story.record(Refused(connection="c9", code=25, phrase=None))
    story.produce(7)
    story.record(Pushed(message=Id(7), connection="c9", attempt=1))
    assert judged("GRP-1", story).result == "not_exercised"
