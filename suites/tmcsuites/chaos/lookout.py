"""Says how far the search for the smallest plan has come: in place on a terminal, else in a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from tmcsuites.chaos.plan import Plan
from tmcsuites.report.words import counted

#: Seconds between two lines, at least.
EVERY: Final = 15.0

_LOOKING: Final = "looking for the smallest plan that does this"


def words(plan: Plan) -> str:
    """What the search has come to."""
    return f"{_LOOKING}: {counted(len(plan.faults), 'fault')}, {counted(len(plan.messages), 'message')} so far"


@contextmanager
def looking(
    console: Console, *, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Plan], None]]:
    """Gives what is to be told of each smaller plan.

    Args:
        console: where the search is shown, if that is a terminal.
        write: takes a line, else.
        clock: tells the time, in seconds.
    """
    if console.is_terminal:
        with console.status(_LOOKING) as status:
            yield lambda plan: status.update(words(plan))
        return
    told = clock()

    def tell(plan: Plan) -> None:
        nonlocal told
        if clock() - told >= EVERY:
            told = clock()
            write(words(plan))

    yield tell
