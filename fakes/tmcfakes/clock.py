"""Three kinds of time behind one small clock.

*Real* time runs with the machine, *simulated* time with an event loop whose time is virtual, *manual* time only when a
test says so. Each of them can also be moved by hand, so that nobody waits six minutes for a redelivery (S25). A clock
starts at 0: it counts the seconds of service time since the start of a run.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

# Event loops fire a timer up to one tick of their clock early (asyncio.BaseEventLoop._run_once adds the resolution of
# the clock: 1 ns in real time, 1 us in virtual time), and sums of floats are off by less. A moment nearer has come.
RESOLUTION = 1e-6


class Clock:
    """Service time: seconds since the clock was made, plus everything it was advanced by hand.

    It is not safe across threads: read and advance it in the thread of the event loop it serves.

    Args:
        time: what it runs with; returns seconds that never go back.
        runs: whether `time` runs by itself. On a clock that does not, there is no point in setting a timer.

    Attributes:
        listeners: called after every `advance`, in order, with the seconds.

    Example:
        >>> clock = Clock.manual()
        >>> clock.advance(360)
        >>> clock.now()
        360.0
    """

    __slots__ = ("_floor", "_offset", "_time", "listeners", "runs")

    def __init__(self, time: Callable[[], float], *, runs: bool = True) -> None:
        self._time = time
        self._offset = -time()
        self._floor = 0.0
        self.runs = runs
        self.listeners: list[Callable[[float], None]] = []

    @classmethod
    def real(cls) -> Clock:
        """A clock that runs with the machine."""
        return cls(time.monotonic)

    @classmethod
    def of_loop(cls, loop: asyncio.AbstractEventLoop) -> Clock:
        """A clock that runs with `loop`: simulated time in a loop with virtual time, else real time."""
        return cls(loop.time)

    @classmethod
    def manual(cls) -> Clock:
        """A clock that only `advance` moves."""
        return cls(lambda: 0.0, runs=False)

    def now(self) -> float:
        """Service time in seconds, 0 at the start; never goes back."""
        self._floor = max(self._floor, self._time() + self._offset)
        return self._floor

    def reached(self, moment: float) -> bool:
        """Whether service time `moment` has come; if it has, `now` is at least `moment` from then on.

        A moment that is nearer than an event loop can time has come. Else a timer set for it would fire just before it.
        """
        if moment > self.now() + RESOLUTION:
            return False
        self._floor = max(self._floor, moment)
        return True

    def advance(self, seconds: float) -> None:
        """Moves service time on at once, and tells the listeners.

        Args:
            seconds: how far, >= 0 and finite.

        Raises:
            ValueError: `seconds` is negative, infinite or not a number.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds must be 0 or more and finite, not {seconds!r}: service time never goes back")
        # The floor moves too: after `reached` it may be ahead of the running time by less than the resolution.
        self._floor = self.now() + seconds
        self._offset += seconds
        for listener in tuple(self.listeners):
            listener(seconds)
