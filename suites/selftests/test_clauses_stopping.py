"""CON-6 judged: hand-written stops."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from stories import Story
from story_values import FAIL, HANG, LONG, NEIGHBOUR, SLOW


@passes("CON-6", times=3)
def test_what_is_done_is_confirmed_and_what_is_not_is_left(story: Story) -> None:
    story.connect()
    story.push(1)
    story.takes(1)
    for id in (2, 3, 4):
        story.push(id)
    story.received(2)
    story.received(3)
    story.stopped()
    story.handled(2)
    story.confirm(2)
    story.close("client")
    story.handled(3)


@violates("CON-6", "7 was confirmed before its handler was done")
def test_a_stop_that_confirms_what_its_handler_is_at_work_on(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7)
    story.received(7)
    story.stopped()
    return pushed, story.confirm(7)


@violates("CON-6", "7 was confirmed while its handler hangs", world="live")
def test_a_stop_that_confirms_what_cannot_be_done(story: Story) -> Evidence:
    story.connect()
    pushed = story.push(7, told=HANG)
    story.stopped()
    return pushed, story.confirm(7)


@violates("CON-6", "7 was handled, and not confirmed before the client left", times=1)
def test_a_stop_that_drops_the_answer_of_a_handler_that_was_done(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.received(7)
    story.stopped()
    story.wait(0.3)
    done = story.handled(7)
    return done, story.close("client")


@violates("CON-6", "7 was handled, and not confirmed before the client left", world="live")
def test_what_was_done_before_the_stop_was_done(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    done = story.handles(7)
    story.stopped()
    return done, story.close("client")


@violates("CON-6", "7 was handled, and not confirmed before the client left", world="live")
def test_a_client_that_stays_for_a_while_could_have_confirmed(story: Story) -> Evidence:
    story.connect()
    story.push(7)
    story.received(7)
    story.stopped()
    done = story.handled(7)
    story.wait(0.6)
    return done, story.close("client")


@leaves_open("CON-6", world="live")
def test_what_two_pipes_tell_of_the_same_moment_is_in_no_order(story: Story) -> None:
    story.connect()
    story.push(7)
    story.received(7)
    story.stopped()
    story.handled(7)
    story.wait(0.1)
    story.close("client")


@passes("CON-6", times=2)
def test_a_message_that_failed_or_was_reported_failed_is_not_lost(story: Story) -> None:
    story.connect()
    story.push(7, told=FAIL)
    story.push(8)
    story.received(7)
    story.received(8)
    story.stopped()
    story.handled(7, "fail")
    story.handled(8)
    story.fail(8)
    story.close("client")


@passes("CON-6", times=2)
def test_one_answer_may_settle_two_deliveries(story: Story) -> None:
    story.connect()
    story.push(7, told=SLOW)
    story.received(7)
    story.wait(400)
    story.push(7)
    story.stopped()
    story.handled(7)
    story.confirm(7)
    story.close("client")


@leaves_open("CON-6")
def test_a_connection_that_the_service_ends_takes_the_answers_with_it(story: Story) -> None:
    story.connect()
    story.push(7)
    story.stopped()
    story.handles(7)
    story.close("service")
    story.connect()
    story.push(8)
    story.stopped()
    story.handles(8)


@leaves_open("CON-6")
def test_a_network_that_takes_nothing_excuses(story: Story) -> None:
    story.connect()
    story.push(7)
    story.fault("latency", "client", "delay=2")
    story.stopped()
    story.handles(7)
    story.close("client")


@leaves_open("CON-6")
def test_a_client_that_leaves_by_itself_was_not_stopped(story: Story) -> None:
    story.connect()
    story.push(7)
    story.handles(7)
    story.close("client")
    story.stopped()
    story.close("client", on="c9")
    story.push(8, on="c9")


@leaves_open("CON-6")
def test_that_one_of_several_was_stopped_says_nothing_of_the_others(story: Story) -> None:
    story.connect(client="a")
    story.push(7)
    story.handles(7, client="a")
    story.stopped(client="b")
    story.close("client")
    story.connect()
    story.push(8)
    story.handles(8, client="a")
    story.stopped(client="a")
    story.close("client")


@leaves_open("CON-6")
def test_what_never_arrived_or_was_misread_is_another_matter(story: Story) -> None:
    story.connect()
    story.push(7, befell=("drop",))
    story.push(LONG)
    story.received(NEIGHBOUR, "{}")
    story.stopped()
    story.handled(NEIGHBOUR)
    story.confirm(NEIGHBOUR)
    story.close("client")
