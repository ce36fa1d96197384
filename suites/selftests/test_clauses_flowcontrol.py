"""FLW judged: hand-written runs of services that push too much, too little, or just right."""

from __future__ import annotations

from proofs import Evidence, judged, leaves_open, passes, violates
from pushing import FAST, LITERAL, SLOW, Pushing, limited
from stories import APP, GROUP, TOPIC, Story

from tmcspec.events import Accepted, Dropped, GroupDeleted, Id, ModeSet, Opened, Produced, Pushed
from tmcspec.trace import Entry

# FLW-1: the rate


@passes("FLW-1", times=1)
def test_slots_of_32_at_24_times_the_value(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=400)
    pushing.slots(8, SLOW)


@passes("FLW-1", times=1)
def test_slots_of_32_at_the_value_itself(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=400)
    pushing.slots(4, LITERAL)


@passes("FLW-1", times=1)
def test_from_32_on_there_are_24_slots_a_second(story: Story) -> None:
    _, pushing = limited(story, 40, waiting=1200)
    pushing.slots(26, FAST, size=40)


@passes("FLW-1", times=1)
def test_every_connection_has_its_quota(story: Story) -> None:
    story.connect()
    _, pushing = limited(story, 1, waiting=400)
    pushing.slots(4, SLOW, size=64)


@passes("FLW-1", times=1)
def test_two_slots_may_meet(story: Story) -> None:
    _, pushing = limited(story, 1)
    pushing.produce(1)
    pushing.push(1)
    story.wait(SLOW - 0.01)
    pushing.produce(200)
    pushing.push(31)
    story.wait(0.01)
    pushing.slots(3, SLOW)


@passes("FLW-1", times=1)
def test_with_value_0_messages_wait_for_ever(story: Story) -> None:
    limited(story, 0, waiting=10)
    story.wait(100)


@passes("FLW-1", times=1, world="live")
def test_live_a_machine_may_be_too_busy_for_all_slots(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=100)
    pushing.push(1)
    story.wait(100)


@violates("FLW-1", "200 messages were pushed within 0.000 s; flow value 1 and 1 client allow 64")
def test_a_service_without_a_limit(story: Story) -> Evidence:
    set_by, pushing = limited(story, 1, waiting=300)
    pushed = pushing.push(200)
    return set_by, pushed[0], pushed[-1]


@violates("FLW-1", "400 messages were pushed within 6.000 s; flow value 1 and 1 client allow 208")
def test_a_rate_that_is_too_high(story: Story) -> Evidence:
    set_by, pushing = limited(story, 1, waiting=1000)
    pushed = pushing.slots(10, SLOW / 2, size=40)
    story.wait(100)
    assert len(pushed) == 400
    return set_by, pushed[0], pushed[-1]


@violates("FLW-1", "768 messages were pushed within 0.958 s; flow value 16 and 1 client allow 432")
def test_both_readings_of_small_values_end_at_the_factor(story: Story) -> Evidence:
    set_by, pushing = limited(story, 16, waiting=1000)
    pushed = pushing.slots(24, FAST)
    return set_by, pushed[0], pushed[-1]


@violates("FLW-1", "1 message was pushed within 0.000 s; flow value 0 and 2 clients allow 0")
def test_a_push_with_value_0(story: Story) -> Evidence:
    story.connect()
    set_by, pushing = limited(story, 0, waiting=1)
    return set_by, *pushing.push(1)


@violates("FLW-1", "0 messages were pushed in 100.0 s with a backlog; flow value 1 and 1 client are meant to get 100")
def test_a_service_that_pushes_nothing(story: Story) -> Evidence:
    set_by, _ = limited(story, 1, waiting=10)
    story.wait(100)
    return set_by, story.close()


@violates("FLW-1", "224 messages were pushed in 20.7 s with a backlog; flow value 1 and 1 client are meant to get 496")
def test_a_service_that_once_pushed_by_the_formula_is_held_to_it(story: Story) -> Evidence:
    set_by, pushing = limited(story, 1, waiting=500)
    pushing.slots(5, SLOW)
    pushing.slots(2, 7.0)
    return set_by, story.close()


@leaves_open("FLW-1")
def test_what_is_not_known_or_not_limited(story: Story) -> None:
    story.connect()
    pushing = Pushing(story)
    # Nobody has set a value; one is set and not in force; there is none.
    pushing.produce(500)
    pushing.push(100)
    story.sets_flow(1)
    pushing.push(100)
    story.wait(9.9)
    pushing.push(100)
    story.sets_flow(None)
    story.wait(5)
    pushing.push(100)
    story.wait(6)
    pushing.push(100)


@leaves_open("FLW-1")
def test_a_limit_that_was_not_felt(story: Story) -> None:
    _, pushing = limited(story, 1)
    for _ in range(50):
        pushing.produce(1)
        pushing.push(1)
        story.wait(1)


@leaves_open("FLW-1")
def test_where_nobody_is_nothing_can_be_pushed(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=50, connect=False)
    story.wait(100)
    story.connect()
    story.close()
    pushing.produce(1)
    story.wait(100)


@leaves_open("FLW-1")
def test_a_group_that_is_pulled_gets_what_it_pulls(story: Story) -> None:
    limited(story, 1, waiting=50)
    story.record(ModeSet(app_key=APP, group=GROUP, mode="pull"))
    story.wait(100)


@passes("FLW-1", times=1)
def test_a_group_that_is_pushed_again_is_judged_again(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=400)
    story.record(ModeSet(app_key=APP, group=GROUP, mode="pull"))
    story.wait(100)
    story.record(ModeSet(app_key=APP, group=GROUP, mode="push"))
    pushing.slots(8, SLOW)


@leaves_open("FLW-1")
def test_a_group_that_is_created_anew_has_no_value_any_more(story: Story) -> None:
    story.connect()
    story.sets_flow(1)
    story.produce(1)
    story.record(GroupDeleted(app_key=APP, group=GROUP))
    story.record(Dropped(message=Id(1)))
    story.wait(20)
    pushing = Pushing(story)
    pushing.produce(200)
    pushing.push(200)


@passes("FLW-1", times=1)
def test_when_something_was_done_on_purpose_too_few_pushes_prove_nothing(story: Story) -> None:
    limited(story, 1, waiting=50)
    story.wait(50)
    story.fault("freeze")
    story.wait(50)


@passes("FLW-1", times=1)
def test_where_the_trace_begins_later_too_few_pushes_prove_nothing(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=50)
    story.record(Pushed(message=Id(10**6), connection="c1", attempt=2))
    story.wait(100)
    pushing.push(1)


@passes("FLW-1", times=1)
def test_after_many_failures_a_slow_service_may_be_throttled(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=100)
    pushing.push(2)
    story.fail(1)
    story.fail(1)
    story.wait(5)
    story.confirm(2)
    story.wait(100)


def recovered(story: Story) -> tuple[Entry, Pushing]:
    """A client that failed once, and has confirmed ever since. What set the flow value is told."""
    set_by, pushing = limited(story, 1, waiting=1)
    pushing.push(1)
    story.fail(1)
    for id in range(2, 13):
        story.wait(5)
        pushing.produce(1)
        pushing.push(1)
        story.confirm(id)
    pushing.produce(1000)
    return set_by, pushing


@passes("FLW-1", times=1)
def test_a_service_that_recovered_keeps_its_rate(story: Story) -> None:
    _, pushing = recovered(story)
    pushing.slots(10, SLOW)


@violates("FLW-1", "1 message was pushed in 105.0 s with a backlog; flow value 1 and 1 client are meant to get 105")
def test_a_service_that_recovered_is_not_throttled_any_more(story: Story) -> Evidence:
    set_by, _ = recovered(story)
    story.wait(105)
    return set_by, story.close()


@passes("FLW-1", times=1)
def test_what_is_consumed_over_http_does_not_count(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=400)
    story.consume(*range(1001, 1101))
    pushing.slots(8, SLOW)


@passes("FLW-1", times=2)
def test_each_number_of_connections_has_its_own_rate(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=600)
    pushing.slots(4, SLOW)
    story.connect()
    pushing.slots(4, SLOW, size=64)


@passes("FLW-1", times=2)
def test_environments_have_queues_of_their_own(story: Story) -> None:
    limited(story, 1, waiting=50)
    story.open()
    story.record(Accepted(connection=story.connection, app_key=APP, group=GROUP, token="t", environment="pre-release"))
    story.record(Produced(message=Id(9), app_key=APP, group=GROUP, topic=TOPIC, environment="pre-release"))
    story.wait(65)


# FLW-2: changes


@passes("FLW-2", times=2)
def test_a_lower_value_is_in_force_after_ten_seconds(story: Story) -> None:
    _, pushing = limited(story, 3, waiting=900)
    pushing.slots(8, SLOW / 3)
    story.sets_flow(1)
    pushing.slots(8, SLOW / 3)
    story.wait(10.002 - 8 * SLOW / 3)
    pushing.slots(5, SLOW)
    story.sets_flow(1)


@passes("FLW-2", times=2)
def test_a_higher_value_is_in_force_after_ten_seconds(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=900)
    pushing.slots(2, SLOW)
    story.sets_flow(3)
    pushing.slots(8, 10.002 / 8)
    pushing.slots(12, SLOW / 3)


@passes("FLW-2", times=1)
def test_a_first_value_is_in_force_when_messages_begin_to_wait(story: Story) -> None:
    story.connect()
    story.sets_flow(1)
    pushing = Pushing(story)
    pushing.produce(300)
    pushing.push(200)
    story.wait(10.002)
    pushing.produce(100)
    pushing.slots(3, LITERAL)


@passes("FLW-2", times=2)
def test_a_limit_that_is_lifted(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=500)
    pushing.slots(4, SLOW)
    story.sets_flow(None)
    pushing.slots(7, SLOW)
    story.wait(10 - 7 * SLOW)
    pushing.push(148)
    story.wait(5)


@violates("FLW-2", "704 messages were pushed within 9.333 s; flow value 1 and 1 client allow 288")
def test_a_lower_value_that_comes_too_late(story: Story) -> Evidence:
    _, pushing = limited(story, 3, waiting=3000)
    set_by = story.sets_flow(1)
    pushing.slots(22, SLOW / 3)
    story.wait(10.002 - 22 * SLOW / 3)
    pushed = pushing.slots(22, SLOW / 3)
    return set_by, pushed[0], pushed[-1]


@violates("FLW-2", "384 messages were pushed in 16.0 s with a backlog; flow value 3 and 1 client are meant to get 1152")
def test_a_higher_value_that_comes_too_late(story: Story) -> Evidence:
    _, pushing = limited(story, 1, waiting=900)
    pushing.slots(4, SLOW)
    set_by = story.sets_flow(3)
    pushing.slots(7, SLOW)
    story.wait(10.001 - 7 * SLOW)
    pushing.slots(12, SLOW)
    return set_by, story.close()


@violates("FLW-2", "messages waited for 6.0 s with no limit in force any more")
def test_a_limit_that_is_not_lifted(story: Story) -> Evidence:
    limited(story, 1, waiting=500)
    set_by = story.sets_flow(None)
    story.wait(16.001)
    return set_by, story.close()


@leaves_open("FLW-2")
def test_changes_that_nothing_shows(story: Story) -> None:
    # Nothing waits; the value is the same as before; another is set in the meantime; nobody is there.
    limited(story, 3)
    story.wait(20)
    story.sets_flow(1)
    story.wait(5)
    story.sets_flow(None)
    story.wait(20)
    _, pushing = limited(story, 2, connect=False)
    story.close()
    pushing.produce(100)
    story.sets_flow(2)
    story.wait(30)
    story.connect()
    story.wait(5)


@leaves_open("FLW-2")
def test_the_same_value_again_changes_nothing(story: Story) -> None:
    _, pushing = limited(story, 1)
    story.sets_flow(1)
    story.wait(10.002)
    pushing.produce(500)
    pushing.slots(10, SLOW)


@leaves_open("FLW-2", world="live")
def test_live_a_higher_value_may_come_to_nothing_on_a_busy_machine(story: Story) -> None:
    limited(story, 1, waiting=500)
    story.wait(0.5)
    story.sets_flow(100)
    story.wait(20)
    story.sets_flow(None)
    story.wait(0.5)


# Any trace


def test_unknown_messages_and_ids_that_come_twice_trip_nobody_up() -> None:
    story = Story()
    set_by = story.sets_flow(1)
    story.record(Opened(connection="c1"))
    story.record(Pushed(message=Id(7), connection="c1", attempt=1))
    story.produce(7)
    story.produce(7)
    story.record(Pushed(message=Id(7), connection="c1", attempt=1))
    story.confirm(7)
    story.record(Pushed(message=Id(7), connection="c1", attempt=1))
    story.fail(7)
    story.record(Produced(message=Id(8), app_key=APP, group="other", topic=TOPIC))
    story.record(Pushed(message=Id(8), connection="c1", attempt=1))
    story.wait(5000)
    story.record(GroupDeleted(app_key=APP, group="other"))
    assert set_by.seq == 1
    for clause in ("FLW-1", "FLW-2", "FLW-3", "FLW-4"):
        assert judged(clause, story).result == "not_exercised"
