"""Looks for a smaller plan that fails in the same way: what is smaller, and two ways to get there.

Everything is greedy: a candidate that is smaller and still fails is where the search goes on. That the measure falls
with each step is why it ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from tmcspec.routing import DEFAULT_GROUP
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan, UserPlan

#: Plans in their order: what a person has to follow first, then how odd it is, then how long it takes.
Size: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, float]

#: Whole numbers are tried first, and then finer ones, down to the milliseconds that plans are drawn with.
UNITS: Final = (1, 10, 100, 1000)

P = ParamSpec("P")
T = TypeVar("T")
N = TypeVar("N", int, float)


class LimitReached(Exception):
    """No plan may be tried any more."""


class TimeIsUp(Exception):
    """There is no time to try another plan."""


def size(plan: Plan) -> Size:
    """How large a plan is: faults, messages, clients, users, restarts, members and then names that are not as usual,
    decimal places of its numbers, the sum of its ids and its seed, the sum of its numbers.

    Example:
        >>> from tmcsuites.chaos.plan import MessagePlan
        >>> one, other = (Plan(messages=(MessagePlan(at=at, id=1),)) for at in (7.25, 8.0))
        >>> size(other) < size(one)
        True
    """
    parts = (*plan.clients, *plan.users, *plan.messages, *plan.faults)
    numbers = [plan.seconds, plan.quiet, *(number for part in parts for number in _numbers(part))]
    return (
        len(plan.faults),
        len(plan.messages),
        len(plan.clients),
        len(plan.users),
        sum(len(client.restarts) for client in plan.clients),
        (plan.quiet > 0) + sum(_odd_members(part) for part in parts),
        _misnamed(plan),
        sum(map(_decimals, numbers)),
        abs(plan.seed) + sum(abs(message.id) for message in plan.messages),
        round(sum(map(abs, numbers)), 6),
    )


# What is called how in a plan that nobody has taken anything from: by what it is called in this one


def usual_clients(plan: Plan) -> dict[str, str]:
    """Clients, by their places."""
    return {client.name: f"client-{place}" for place, client in enumerate(plan.clients, 1)}


def usual_users(plan: Plan) -> dict[str, str]:
    """Users, by their places."""
    return {user.nick: f"shop-{place}" for place, user in enumerate(plan.users, 1)}


def usual_groups(plan: Plan) -> dict[str, str]:
    """Groups, in the order in which they come up; the default one is the first."""
    members: tuple[ClientPlan | UserPlan | MessagePlan, ...] = (*plan.clients, *plan.users, *plan.messages)
    groups = dict.fromkeys(each.group for each in members if each.group != DEFAULT_GROUP)
    return {group: f"group-{place}" for place, group in enumerate(groups, 2)}


def usual_targets(plan: Plan) -> dict[str, str]:
    """Clients that faults are aimed at: of each group the first."""
    first: dict[str, str] = {}
    return {client.name: first.setdefault(client.group, client.name) for client in plan.clients}


class Search:
    """A search that has come as far as `plan`.

    Args:
        plan: where it begins.
        fails: whether a plan fails in the way that is looked for. Asked once for each.
        limit: of how many plans it is asked.
        progress: told of each smaller plan that fails.
        late: whether no more may be tried, though the limit is not reached; asked before each try. It ends the search,
            and decides nothing in it.

    Attributes:
        plan: the smallest plan that is known to fail.
        tried: how many were tried.
    """

    def __init__(
        self,
        plan: Plan,
        fails: Callable[[Plan], bool],
        *,
        limit: int,
        progress: Callable[[Plan], None] | None,
        late: Callable[[], bool] = lambda: False,
    ) -> None:
        self.plan = plan
        self.tried = 0
        self._size = size(plan)
        self._fails = fails
        self._limit = limit
        self._progress = progress
        self._late = late
        self._answers: dict[Plan, bool] = {}

    def fails(self, plan: Plan) -> bool:
        """Whether a plan fails. Raises LimitReached or TimeIsUp when it may not be tried any more."""
        if plan not in self._answers:
            if self.tried >= self._limit:
                raise LimitReached
            if self._late():
                raise TimeIsUp
            self._answers[plan] = self._fails(plan)
            self.tried += 1
        return self._answers[plan]

    def attempt(self, make: Callable[P, Plan], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Goes on from a candidate if it is one, is smaller, and fails. What no plan can be is no candidate."""
        try:
            candidate = make(*args, **kwargs)
        except ValueError:  # PlanError, FaultError, and an Instruction's
            return False
        candidate_size = size(candidate)
        if candidate_size >= self._size or not self.fails(candidate):
            return False
        self.plan, self._size = candidate, candidate_size
        if self._progress is not None:
            self._progress(candidate)
        return True

    def thin(self, items: tuple[T, ...], make: Callable[[tuple[T, ...]], Plan]) -> None:
        """Leaves out as many items as possible: all, halves, quarters, and so on to each by itself."""
        length = len(items)
        while length:
            end = len(items)
            while end > 0:
                begin = max(0, end - length)
                kept = items[:begin] + items[end:]
                if self.attempt(make, kept):
                    items = kept
                end = begin
            length //= 2

    def lower(self, low: N, high: N, make: Callable[[N], Plan]) -> N:
        """Replaces a number by the lowest that will do, a whole one if any does, and returns it.

        Numbers that are high enough are taken to be all those above one that is; so it is found by halving.

        Args:
            low: the lowest number to try.
            high: what it is now.
            make: the plan with another number in its place.
        """
        if low >= high or self.attempt(make, low):
            return min(low, high)
        # Often all that matters is that there is something in between.
        least = type(high)(math.floor(low) + 1)
        if least < high and self.attempt(make, least):
            return least
        for unit in UNITS:
            # A double's 100 * 0.07 is more than 7, and would be taken for 8.
            bottom, now = math.floor(round(low * unit, 6)), round(high * unit, 6)
            top = math.ceil(now)
            in_steps = partial(_in_steps, make, unit, high)
            for steps in (top, top - 1):
                if steps > bottom and (steps == now or self.attempt(in_steps, steps)):
                    return _number(self._halve(bottom, steps, in_steps), unit, high)
        return high

    def _halve(self, bottom: int, top: int, make: Callable[[int], Plan]) -> int:
        """The lowest number above `bottom` that will do, as `top` does."""
        # One step down first: when that is too low, no halving is needed, and nothing is found anew the next time.
        if top - 1 <= bottom or not self.attempt(make, top - 1):
            return top
        top -= 1
        while top - bottom > 1:
            middle = (top + bottom) // 2
            if self.attempt(make, middle):
                top = middle
            else:
                bottom = middle
        return top


def _in_steps(make: Callable[[N], Plan], unit: int, like: N, steps: int) -> Plan:
    return make(_number(steps, unit, like))


def _number(steps: int, unit: int, like: N) -> N:
    """So many steps, of which `unit` make one; an integer, when the number is one that it replaces."""
    return type(like)(steps / unit if unit > 1 else steps)


def _misnamed(plan: Plan) -> int:
    """How many have another name than usual, and how many faults are aimed at others."""
    names = (usual_clients(plan), usual_users(plan), usual_groups(plan))
    targets = usual_targets(plan)
    return sum(name != usual for each in names for name, usual in each.items()) + sum(
        each.target != targets.get(each.target, each.target) for each in plan.faults
    )


def _odd_members(part: Any) -> int:
    """How many members are not as usual."""
    count = 0
    for member in fields(part):
        value = getattr(part, member.name)
        if is_dataclass(value):
            count += _odd_members(value)
        elif value != member.default and member.default != ():
            count += 1
    return count


def _numbers(part: Any) -> Iterator[float]:
    """All numbers within a part but for ids."""
    for member in fields(part):
        value = getattr(part, member.name)
        if is_dataclass(value):
            yield from _numbers(value)
        elif isinstance(value, tuple):
            yield from value
        elif isinstance(value, int | float) and not isinstance(value, bool) and member.name != "id":
            yield value


def _decimals(number: float) -> int:
    return len(f"{number:.6f}".rstrip("0").partition(".")[2])
