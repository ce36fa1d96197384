"""FLW judged: hand-written runs of services that slow a client down, for its backlog or because it does not confirm."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from pushing import FAST, Pushing, limited
from stories import Story

from tmcspec.trace import Entry

# FLW-3: degraded


def crowd(story: Story, value: int = 32) -> tuple[Entry, Pushing]:
    """More messages wait than ten thousand, after each push that follows, too."""
    return limited(story, value, waiting=10_500)


@passes("FLW-3", times=1)
def test_a_large_backlog_comes_at_thirty_percent(story: Story) -> None:
    _, pushing = crowd(story)
    pushing.slots(10, FAST / 0.3)


@passes("FLW-3", times=1)
def test_what_gathered_in_half_an_hour_comes_at_thirty_percent(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=1000, connect=False)
    story.wait(1801)
    story.connect()
    pushing.slots(30, FAST / 0.3)
    # All of it is gone, and this is new.
    pushing.push(40)
    pushing.produce(2000)
    pushing.slots(40, FAST)


@violates(
    "FLW-3",
    "480 messages were pushed within 0.583 s while more than 10000 waited; flow value 32 at 30% and 1 client allow 199",
)
def test_a_large_backlog_that_comes_at_the_full_rate(story: Story) -> Evidence:
    set_by, pushing = crowd(story)
    pushed = pushing.slots(15, FAST)
    return set_by, pushed[0], pushed[-1]


@violates(
    "FLW-3",
    "288 messages were pushed within 0.333 s while what gathered without consumption waited; flow value 32 at 30% and "
    "1 client allow 141",
)
def test_what_gathered_in_half_an_hour_that_comes_at_the_full_rate(story: Story) -> Evidence:
    set_by, pushing = limited(story, 32, waiting=1, connect=False)
    story.connect()
    pushing.push(1)
    story.confirm(1)
    story.close()
    pushing.produce(1000)
    story.wait(1801)
    story.connect()
    pushed = pushing.slots(9, FAST)
    return set_by, pushed[0], pushed[-1]


@leaves_open("FLW-3")
def test_what_is_consumed_over_http_is_consumption(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=1000, connect=False)
    story.wait(1000)
    pushing.produce(1)
    story.consume(1001)
    story.wait(1000)
    story.connect()
    pushing.slots(20, FAST)


@leaves_open("FLW-3")
def test_ten_thousand_may_wait_and_a_message_may_be_left_for_less_than_half_an_hour(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=10_000, connect=False)
    story.wait(1799)
    story.connect()
    pushing.slots(60, FAST)


@leaves_open("FLW-3")
def test_a_message_that_may_or_may_not_have_waited_again_proves_nothing(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=100)
    pushing.push(100)
    story.close()
    story.wait(2170)
    story.connect()
    # They wait since they were due again, which is known only about; and some had failed in the meantime.
    for id in range(1, 100):
        story.push(id)
    story.wait(1)


@leaves_open("FLW-3")
def test_once_something_else_comes_what_had_gathered_may_be_gone(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=5, connect=False)
    story.wait(1801)
    pushing.produce(1000)
    story.connect()
    pushing.push(2)
    for id in range(6, 900):
        story.push(id)
        story.wait(0.005)


@leaves_open("FLW-3")
def test_what_had_gathered_and_is_settled_does_not_wait(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=3, connect=False)
    story.wait(1801)
    story.connect()
    pushing.push(1)
    story.confirm(2)
    story.expire(3)
    pushing = Pushing(story)
    for id in range(100, 500):
        story.push(id)
        story.wait(0.01)


# FLW-4: throttled


def silent(story: Story, *, answers: int = 32, value: int = 32) -> tuple[Entry, Pushing]:
    """A client that has confirmed nothing for more than a minute. What set the flow value is told."""
    set_by, pushing = limited(story, value, waiting=3000)
    pushing.push(answers)
    story.wait(126)
    return set_by, pushing


@passes("FLW-4", times=1)
def test_a_client_that_confirms_nothing_gets_less(story: Story) -> None:
    _, pushing = silent(story)
    pushing.slots(10, FAST * 2)


@passes("FLW-4", times=1)
def test_a_client_that_confirms_nothing_may_get_nothing(story: Story) -> None:
    silent(story)
    story.wait(100)


@violates(
    "FLW-4",
    "768 messages were pushed within 0.958 s while fewer than 20% were confirmed; flow value 32 at 75% and 1 client "
    "allow 617",
)
def test_a_client_that_confirms_nothing_and_gets_all(story: Story) -> Evidence:
    set_by, pushing = silent(story)
    pushed = pushing.slots(24, FAST)
    return set_by, pushed[0], pushed[-1]


@leaves_open("FLW-4")
def test_a_client_that_confirms_in_time_gets_all(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=3000)
    pushing.push(32)
    for id in range(1, 11):
        story.confirm(id)
    story.wait(126)
    # In each period enough are confirmed.
    for id in range(33, 60):
        story.push(id)
        story.confirm(id)
        story.wait(5)
    story.wait(10)
    for id in range(60, 1000):
        story.push(id)


@leaves_open("FLW-4")
def test_few_answers_and_short_times_prove_nothing(story: Story) -> None:
    _, pushing = silent(story, answers=31)
    pushing.slots(24, FAST)


@leaves_open("FLW-4")
def test_a_minute_of_few_confirms_is_not_over_yet(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=3000)
    pushing.push(32)
    story.wait(124)
    pushing.slots(20, FAST)


@leaves_open("FLW-4")
def test_a_late_confirm_and_a_second_report_are_no_answers(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=200)
    pushing.push(1)
    story.fail(1)
    story.fail(1)
    pushing.push(1)
    story.wait(61)
    story.confirm(2)
    story.wait(100)
