"""FLW-1 judged by the shape of the pushes: a slot of a small value begins with 32 at once (S47)."""

from __future__ import annotations

from proofs import Evidence, leaves_open, passes, violates
from pushing import LITERAL, SLOW, Pushing, limited
from stories import Story

from tmcspec.trace import Entry


def trickles(story: Story, pushing: Pushing, number: int, period: float) -> list[Entry]:
    """One by one."""
    return pushing.slots(number, period, size=1)


@violates("FLW-1", "no more than 25 messages were pushed within a second, in 20.0 s with a backlog; flow value 1 and 1 "
    "client are meant to get 32 at once")  # fmt: skip
def test_a_service_that_pushes_one_by_one(story: Story) -> Evidence:
    set_by, pushing = limited(story, 1, waiting=1000)
    trickles(story, pushing, 480, 1 / 24)
    return set_by, story.close()


@violates("FLW-1", "no more than 33 messages were pushed within a second, in 8.0 s with a backlog; flow value 1 and 2 "
    "clients are meant to get 64 at once")  # fmt: skip
def test_every_connection_adds_to_the_burst(story: Story) -> Evidence:
    story.connect()
    set_by, pushing = limited(story, 1, waiting=1000)
    trickles(story, pushing, 256, 1 / 32)
    return set_by, story.close()


@violates("FLW-1", "no more than 3 messages were pushed within a second, in 40.0 s with a backlog; flow value 2 and 1 "
    "client are meant to get 32 at once")  # fmt: skip
def test_the_literal_reading_has_bursts_as_well(story: Story) -> Evidence:
    set_by, pushing = limited(story, 2, waiting=1000)
    trickles(story, pushing, 80, 0.5)
    return set_by, story.close()


@passes("FLW-1", times=1)
def test_bursts_that_go_out_within_a_second(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=1000)
    for _ in range(4):
        trickles(story, pushing, 32, 0.03)
        story.wait(LITERAL - 32 * 0.03)


@passes("FLW-1", times=1)
def test_from_32_on_nobody_minds_the_shape(story: Story) -> None:
    _, pushing = limited(story, 32, waiting=3000)
    trickles(story, pushing, 1000, 1 / 768)
    story.close()


@passes("FLW-1", times=1, world="live")
def test_live_a_machine_may_spread_a_burst(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=1000)
    trickles(story, pushing, 480, 1 / 24)


@leaves_open("FLW-1")
def test_less_than_two_slots_may_show_no_burst(story: Story) -> None:
    _, pushing = limited(story, 1, waiting=100)
    trickles(story, pushing, 40, SLOW / 32)
