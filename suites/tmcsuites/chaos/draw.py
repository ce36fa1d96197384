"""Draws plans at random: a day in the life of a fleet, with messages of every kind and a storm of faults.

One number decides everything. Each thing has luck of its own, so that a plan with one client more, or without faults,
has the same messages as the one without.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from tmcfakes.faults import luck
from tmcspec.instruction import Instruction
from tmcspec.routing import DEFAULT_GROUP
from tmcsuites.chaos.plan import QUIET, SECONDS_LIMIT, ClientPlan, MessagePlan, Plan, PlanError, UserPlan
from tmcsuites.chaos.storm import between, draw_faults, draw_times

#: What production's topics look like.
TOPICS: Final = (
    "taobao_trade_TradeCreate",
    "taobao_trade_TradePaid",
    "taobao_refund_RefundCreated",
    "taobao_item_ItemUpdate",
)

#: Ids of production have 19 digits (observed), and doubles there are 512 apart: these neighbours become one (S62).
FIRST_ID: Final = 4_600_000_000_000_000_000
ID_SPAN: Final = 10**17

#: Shares of messages. A handler that always fails has its message for a day, 240 times.
COLLIDING: Final = 0.1
FAILING: Final = 0.002
SLOW: Final = 0.1

#: Of each so many messages one begins a burst: so many come within seconds to one group, and their handlers take their
#: time, so that most wait in the clients for minutes.
BURST_EVERY: Final = 600
BURST: Final = 200
BURST_DELAYS_MS: Final = (5_000, 20_000)

#: How often, in seconds, the application restarts a client on average.
RESTART_GAP: Final = 6 * 3600.0


def draw_plan(
    seed: int, *, hours: float, clients: int, messages: int, stormy: bool = True, quiet: float = QUIET
) -> Plan:
    """A plan at random.

    Args:
        seed: decides it.
        hours: how long it goes on, without the quiet at its end.
        clients: how many, in one group or in up to three.
        messages: how many, all in all.
        stormy: whether anything goes wrong.
        quiet: seconds at the end.

    Raises:
        PlanError: there is no plan of so many hours, clients or messages.

    Example:
        >>> few, many = (draw_plan(7, hours=1, clients=count, messages=3) for count in (3, 8))
        >>> few.messages == many.messages
        True
    """
    if not 0 < hours <= SECONDS_LIMIT / 3600:
        raise PlanError(f"a plan has more than 0 hours and at most {SECONDS_LIMIT / 3600:g}, not {hours:g}")
    seconds = hours * 3600.0
    count = min(luck(seed, "groups").randint(1, 3), max(1, clients))  # each has a client
    groups = [DEFAULT_GROUP, *(f"group-{number}" for number in range(2, 1 + count))]
    users = [UserPlan(nick=f"shop-{number}", group=groups[number % len(groups)]) for number in range(5)]
    names = [f"client-{number}" for number in range(1, clients + 1)]
    return Plan(
        seed=seed,
        seconds=seconds,
        quiet=quiet,
        clients=tuple(_client(seed, name, groups[place % len(groups)], seconds) for place, name in enumerate(names)),
        users=tuple(users),
        messages=tuple(_messages(luck(seed, "messages"), messages, groups, users, seconds)),
        faults=draw_faults(luck(seed, "faults"), names, seconds) if stormy else (),
    )


def _client(seed: int, name: str, group: str, seconds: float) -> ClientPlan:
    rng = luck(seed, name)
    restarts = draw_times(rng, RESTART_GAP, seconds)
    starts = _rounded(rng.uniform(0, 10), seconds)
    later = sorted({time for time in restarts if time > starts})
    return ClientPlan(name=name, group=group, starts=starts, restarts=tuple(later))


def _messages(
    rng: random.Random, count: int, groups: Sequence[str], users: Sequence[UserPlan], seconds: float
) -> list[MessagePlan]:
    found: list[MessagePlan] = []
    taken: set[int] = set()
    for at, burst in _moments(rng, count, seconds):
        id = FIRST_ID + rng.randrange(ID_SPAN)
        if found and rng.random() < COLLIDING:
            id = found[-1].id + rng.randint(1, 7)  # what the last one is, read as a double
        while id in taken:
            id += 1
        taken.add(id)
        nick = rng.choice(users).nick if burst is None and rng.random() < 0.5 else None
        group = rng.choice(groups) if burst is None else groups[burst % len(groups)]
        found.append(
            MessagePlan(
                at=at,
                id=id,
                group=group if nick is None else DEFAULT_GROUP,
                nick=nick,
                topic=rng.choice(TOPICS),
                told=_told(rng) if burst is None else Instruction(delay_ms=rng.randint(*BURST_DELAYS_MS)),
            )
        )
    return found


def _moments(rng: random.Random, count: int, seconds: float) -> list[tuple[float, int | None]]:
    """When messages come, in order, and the number of the burst that they are in."""
    found: list[tuple[float, int | None]] = []
    while len(found) < count:
        at = rng.uniform(0, seconds)
        if rng.randrange(BURST_EVERY):
            found.append((_rounded(at, seconds), None))
        else:
            size, number = min(BURST, count - len(found)), len(found)
            found += [(_rounded(at + rng.uniform(0, 5), seconds), number) for _ in range(size)]
    return sorted(found, key=lambda moment: moment[0])


def _rounded(time: float, seconds: float) -> float:
    """A time in milliseconds that is not after the end of the plan."""
    return min(round(min(time, seconds), 3), seconds)


def _told(rng: random.Random) -> Instruction:
    delay = round(1000 * between(rng, 0.01, 30.0)) if rng.random() < SLOW else 0
    draw = rng.random()
    if draw < FAILING:
        return Instruction(outcome="fail", reason="no stock", delay_ms=delay)
    if draw < 2 * FAILING:
        return Instruction(outcome="raise", delay_ms=delay)
    return Instruction(delay_ms=delay)
