"""GRP judged: who of several gets a message, and what waits for somebody to come."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import count
from math import comb

import pytest
from proofs import Evidence, judged, leaves_open, passes, violates
from stories import APP, Story

from tmcspec.clauses.chi_square import survival
from tmcspec.clauses.conversation import QueueName
from tmcspec.clauses.groups import UNLIKELY
from tmcspec.clauses.shares import LEAST_EXPECTED, Stretch
from tmcspec.events import Accepted, GroupCreated, GroupDeleted
from tmcspec.trace import Entry

QUEUE = QueueName("app", "default", "production")
IDS = count(1)


def connections(story: Story, number: int) -> list[str]:
    """So many connections, one after the other."""
    names = []
    for _ in range(number):
        story.connect()
        names.append(story.connection)
    return names


def pushed_on(story: Story, names: Sequence[str]) -> tuple[Entry, Entry]:
    """One message for each of these names, pushed there. The first and the last push are told."""
    pushes = [story.push(next(IDS), on=name) for name in names]
    return pushes[0], pushes[-1]


# GRP-2: chosen at random


@passes("GRP-2", times=1)
def test_messages_that_are_shared_out_by_chance(story: Story) -> None:
    names = connections(story, 3)
    rng = random.Random(0)
    pushed_on(story, [rng.choice(names) for _ in range(300)])


@violates("GRP-2", "of 1000 pushes of group 12129701/default, c1 got 1000, c2 got 0; in the whole trace, chance is so "
    "uneven with a probability of 2e-219")  # fmt: skip
def test_a_service_that_always_takes_the_first(story: Story) -> Evidence:
    connections(story, 2)
    return pushed_on(story, ["c1"] * 1000)


@violates("GRP-2", "of 1000 pushes of group 12129701/default, c2 got 600, c1 got 400; in the whole trace, chance is so "
    "uneven with a probability of 3e-10")  # fmt: skip
def test_a_service_that_favours_one_of_two(story: Story) -> Evidence:
    connections(story, 2)
    return pushed_on(story, (["c1"] * 2 + ["c2"] * 3) * 200)


@violates("GRP-2", "of 200 pushes of group 12129701/default, c1 got 80, c2 got 60, c3 got 30, …, c5 got 10, c6 got 10, "
    "c7 got 0; in the whole trace, chance is so uneven with a probability of 1e-38")  # fmt: skip
def test_of_many_connections_the_extremes_are_told(story: Story) -> Evidence:
    connections(story, 7)
    shares = {"c1": 80, "c2": 60, "c3": 30, "c4": 10, "c5": 10, "c6": 10}
    return pushed_on(story, [name for name, share in shares.items() for _ in range(share)])


@violates("GRP-2", "of 24 pushes of group 12129701/default, c3 got 24, c2 got 0; in the whole trace, chance is so "
    "uneven with a probability of 3e-10")  # fmt: skip
def test_what_is_too_little_in_each_stretch_is_enough_together(story: Story) -> Evidence:
    # Always to the latest: 20 while the first two are there, 24 after the first has gone and another come.
    connections(story, 2)
    pushed_on(story, ["c2"] * 20)
    story.close(on="c1")
    story.connect()
    first, last = pushed_on(story, ["c3"] * 24)
    # And what is far from enough is not counted at all.
    story.connect()
    pushed_on(story, ["c4"] * 14)
    return first, last


@violates("GRP-2", "of 40 pushes of group 12129701/vip, c4 got 40, c3 got 0; in the whole trace, chance is so uneven "
    "with a probability of 2e-09")  # fmt: skip
def test_every_group_has_its_own_connections(story: Story) -> Evidence:
    connections(story, 2)
    story.connect(group="vip")
    story.connect(group="vip")
    story.connect(group="vip", environment="pre-release")
    rng = random.Random(0)
    pushed_on(story, [rng.choice(["c1", "c2"]) for _ in range(100)])
    pushes = [story.push(next(IDS), on="c4", group="vip") for _ in range(40)]
    return pushes[0], pushes[-1]


@violates("GRP-2", "7 went to c1 and to c2")
def test_a_message_that_goes_to_two_connections(story: Story) -> Evidence:
    connections(story, 2)
    first = story.push(7, on="c1")
    story.wait(0.9)
    return first, story.push(7, on="c2")


@leaves_open("GRP-2")
def test_a_message_that_comes_again_somewhere_else_went_to_one_connection_at_a_time(story: Story) -> None:
    connections(story, 2)
    story.push(7, on="c1")
    story.fault("redelivery_storm")
    story.push(7, on="c2")
    story.wait(360)
    story.push(7, on="c1")
    # Twice on the same one is the matter of RDL-1.
    story.push(7, on="c1")


@leaves_open("GRP-2")
def test_where_there_is_no_choice_nothing_is_chosen(story: Story) -> None:
    connections(story, 1)
    pushed_on(story, ["c1"] * 100)
    # Another one that was never accepted, one of another group, and one that has left for another group.
    story.connects()
    story.connect(group="vip")
    story.connect()
    story.connects_again(group="vip")
    story.accepts()
    pushed_on(story, ["c1"] * 100)
    # Nine pushes are not enough for two.
    story.connect()
    pushed_on(story, ["c1"] * 9)


@leaves_open("GRP-2")
def test_where_flow_control_or_pulling_has_a_part_in_it_chance_has_not(story: Story) -> None:
    story.sets_flow(1)
    connections(story, 2)
    pushed_on(story, ["c1"] * 100)
    story.sets_flow(None)
    story.wait(10)
    pushed_on(story, ["c1"] * 100)
    story.wait(1)
    story.sets_mode("pull")
    pushed_on(story, ["c1"] * 100)


@leaves_open("GRP-2")
def test_an_acceptance_that_comes_twice_begins_a_new_stretch(story: Story) -> None:
    connections(story, 2)
    pushed_on(story, ["c1"] * 9)
    story.record(story.last(Accepted).event)
    pushed_on(story, ["c1"] * 9)


# GRP-2: how often a service that is right is accused


def sample(counts: Sequence[int]) -> Stretch:
    return Stretch(queue=QUEUE, counts={str(index): count for index, count in enumerate(counts)})


def uniform(rng: random.Random, connections: int, pushes: int) -> Stretch:
    drawn = Counter(rng.choices(range(connections), k=pushes))
    return sample([drawn[index] for index in range(connections)])


@pytest.mark.parametrize("connections", [2, 3, 10])
def test_uniform_choices_have_uniform_probabilities(connections: int) -> None:
    rng = random.Random(connections)
    chances = sorted(uniform(rng, connections, 100 * connections).chance for _ in range(2000))
    assert chances[0] > UNLIKELY
    # Kolmogorov and Smirnov: so far from the diagonal once in a thousand times, and a little for whole numbers.
    farthest = max(abs(chance - index / 2000) for index, chance in enumerate(chances, start=1))
    assert farthest < 1.95 / 2000**0.5 + 0.03


def exactly_alarmed(connections: int, pushes: int) -> float:
    """The probability that uniform choices are accused, counted out: over all ways to share out the pushes, by the
    number of pushes left and the sum of squares so far.
    """
    ways = {(pushes, 0): 1.0}
    for left_over in range(connections, 1, -1):
        following: dict[tuple[int, int], float] = {}
        share = 1 / left_over
        for (left, squares), probability in ways.items():
            for got in range(left + 1):
                state = left - got, squares + got**2
                part = comb(left, got) * share**got * (1 - share) ** (left - got)
                following[state] = following.get(state, 0.0) + probability * part
        ways = following
    accused = 0.0
    for (left, squares), probability in ways.items():
        statistic = (squares + left**2) * connections / pushes - pushes
        if survival(max(0.0, statistic), connections - 1) < UNLIKELY:
            accused += probability
    return accused


@pytest.mark.parametrize("connections", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("expected", [LEAST_EXPECTED, 8])
def test_a_service_that_is_right_is_accused_less_than_once_in_a_million(connections: int, expected: int) -> None:
    assert exactly_alarmed(connections, connections * expected) < 1e-6


def test_traces_of_a_service_that_is_right_are_not_accused() -> None:
    for seed in range(30):
        rng, story = random.Random(seed), Story()
        open_ = connections(story, 2)
        for _ in range(6):
            pushed_on(story, [rng.choice(open_) for _ in range(rng.randint(5, 60))])
            if len(open_) > 2 and rng.random() < 0.5:
                story.close(on=open_.pop(rng.randrange(len(open_))))
            else:
                open_ += connections(story, 1)
        assert judged("GRP-2", story).result == "pass"


def test_the_statistic_is_that_of_pearson() -> None:
    stretch = sample([60, 40])
    assert (stretch.pushes, stretch.freedom, stretch.statistic) == (100, 1, 4.0)


# GRP-3: what waits


def lasting(story: Story) -> Entry:
    """A connection that stays. That it was accepted is told."""
    story.connect()
    return story.last(Accepted)


@passes("GRP-3", times=2)
def test_what_waits_is_pushed_as_soon_as_somebody_comes(story: Story) -> None:
    story.produce(7)
    story.wait(3600)
    story.connect()
    story.push(7)
    story.close()
    story.produce(8)
    story.connect()
    story.wait(1)
    story.push(8)
    story.wait(60)


@violates("GRP-3", "7 waited, and was not pushed within 1 s after c1 was there")
def test_what_waits_and_is_forgotten(story: Story) -> Evidence:
    produced = story.produce(7)
    came = lasting(story)
    story.wait(1)
    return produced, came


@violates("GRP-3", "7 waited, and was not pushed within 1 s after c3 was there")
def test_what_waits_and_is_pushed_too_late(story: Story) -> Evidence:
    produced = story.produce(7)
    # One that is gone at once, and one of another group.
    story.connect()
    story.wait(0.9)
    story.close()
    story.connect(group="vip")
    came = lasting(story)
    story.wait(1.1)
    story.push(7)
    return produced, came


@passes("GRP-3", times=1)
def test_one_that_did_not_stay_may_have_been_pushed_what_waits(story: Story) -> None:
    story.produce(7)
    story.connect()
    story.push(7)
    story.close()


@leaves_open("GRP-3")
def test_what_did_not_wait_or_had_ended_or_went_another_way(story: Story) -> None:
    # Nobody ever comes for these.
    story.produce(0, group="vip")
    story.produce(1, environment="pre-release")
    # Settled, lost, consumed just before, and consumed just after.
    for id in (2, 3, 4, 5, 6):
        story.produce(id)
    story.confirm_by_http(2)
    story.expire(3)
    story.deletes_group("default", 4)
    story.consume(5)
    story.connect()
    story.wait(0.5)
    story.consume(6)
    story.wait(60)
    # Somebody is there.
    story.produce(7)
    story.wait(60)


@leaves_open("GRP-3")
def test_a_trace_that_ends_too_soon_tells_nothing(story: Story) -> None:
    story.produce(7)
    story.connect()
    story.wait(0.9)


@leaves_open("GRP-3")
def test_where_it_is_held_back_it_may_wait_longer(story: Story) -> None:
    story.sets_flow(0)
    story.produce(7)
    story.connect()
    story.wait(60)
    story.close()
    story.sets_flow(None)
    story.wait(20)
    story.sets_mode("pull")
    story.connect()
    story.wait(60)


# GRP-4: fifty groups


def groups(story: Story, count: int, *, first: int = 0) -> Entry:
    """So many new groups. The last one is told."""
    return [story.creates_group(f"g{first + index}") for index in range(count)][-1]


@passes("GRP-4", times=2)
def test_an_app_may_have_fifty_groups(story: Story) -> None:
    groups(story, 50)
    story.deletes_group("g7")
    groups(story, 1, first=50)
    # Another app has its own.
    story.record(GroupCreated(app_key="2", group="g"))


@violates("GRP-4", f"app {APP} has 51 groups")
def test_an_app_that_gets_one_group_more(story: Story) -> Evidence:
    groups(story, 50)
    return (groups(story, 1, first=50),)


@leaves_open("GRP-4")
def test_fewer_groups_and_such_as_were_there_before_prove_nothing(story: Story) -> None:
    groups(story, 49)
    story.deletes_group("old")
    story.record(GroupDeleted(app_key="2", group="g"))
    groups(story, 49)
