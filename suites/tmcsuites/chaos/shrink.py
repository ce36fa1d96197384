"""Makes a plan that fails as small as a person would make it.

The passes go over it again and again, from coarse to fine, until none of them changes anything. The same plan and the
same failure give the same result, and a result is its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tmcsuites.chaos.passes import PASSES
from tmcsuites.chaos.plan import Plan
from tmcsuites.chaos.search import LimitReached, Search, TimeIsUp

#: So many plans are tried. A failure with one cause needs some hundred, most of them short.
TRIES = 1_000


class NotReproduced(ValueError):
    """A plan does not fail, or not any more."""


class Cut(StrEnum):
    """Why shrinking ended before its end, so that there may be a smaller plan near by."""

    TRIES = "no more were allowed"
    TIME = "there was no time for more"
    INTERRUPTED = "it was interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What shrinking came to.

    Args:
        plan: the smallest plan found; it fails.
        tried: how many plans were tried.
        cut: why it ended before its end; None when it did not.
    """

    plan: Plan
    tried: int
    cut: Cut | None = None


def shrink(
    plan: Plan,
    fails: Callable[[Plan], bool],
    *,
    limit: int = TRIES,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[Plan], None] | None = None,
) -> Shrunk:
    """The smallest plan around that fails in the same way. Ctrl-C ends it early, with the smallest plan so far.

    Args:
        plan: one that fails.
        fails: whether a plan does; must say the same of the same plan.
        limit: how many plans are tried, >= 1.
        seconds: after so many no other plan is tried, > 0; what is being tried is tried to its end.
        clock: tells the time, in seconds.
        progress: told of each smaller plan that fails.

    Raises:
        NotReproduced: the plan does not fail.
        ValueError: the limit is less than 1, or there is no time.

    Example:
        >>> from tmcsuites.chaos.draw import draw_plan
        >>> day = draw_plan(7, hours=24, clients=4, messages=100)
        >>> found = shrink(day, lambda plan: len(plan.messages) > 1).plan
        >>> len(found.messages), len(found.clients), len(found.faults)
        (2, 0, 0)
    """
    if limit < 1:
        raise ValueError(f"the limit of plans to try must be 1 or more, not {limit!r}")
    if not seconds > 0:
        raise ValueError(f"shrinking needs more than 0 seconds, not {seconds!r}")
    end = math.inf  # the first try is not on the clock: without it nothing is known
    search = Search(plan, fails, limit=limit, progress=progress, late=lambda: clock() >= end)
    if not search.fails(plan):
        raise NotReproduced("a plan that does not fail cannot be made smaller; was it played with the same client?")
    end = clock() + seconds
    cut = None
    try:
        _to_a_fixed_point(search)
    except LimitReached:
        cut = Cut.TRIES
    except TimeIsUp:
        cut = Cut.TIME
    except KeyboardInterrupt:
        cut = Cut.INTERRUPTED
    return Shrunk(plan=search.plan, tried=search.tried, cut=cut)


def _to_a_fixed_point(search: Search) -> None:
    while True:
        before = search.plan
        for each in PASSES:
            each(search)
        if search.plan == before:
            return
