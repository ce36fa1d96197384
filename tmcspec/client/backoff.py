"""How long to wait before the next attempt to connect.

The ceiling doubles with each attempt that failed, up to a cap, and the wait is drawn evenly below it ("full jitter"),
so that the clients of a service that was restarted do not all come back in the same second. It is never less than
`minimum`: a client that reconnects at once hammers a service that is down (observed: tmcpy reconnects with no delay).
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Capped exponential backoff.

    Args:
        minimum: seconds, > 0. No wait is shorter.
        base: seconds, >= minimum. Ceiling of the first wait.
        cap: seconds, >= base. Ceiling of every wait.
        settled: seconds, >= 0. A connection that was online for so long was a good one: the next loss begins at
            `base` again.

    Raises:
        ValueError: a duration is out of its range.

    Example:
        >>> Backoff(minimum=1.0, base=2.0, cap=30.0).ceiling(3)
        16.0
    """

    minimum: float = 1.0
    base: float = 2.0
    cap: float = 30.0
    settled: float = 10.0

    def __post_init__(self) -> None:
        if not self.minimum > 0:
            raise ValueError(f"minimum must be more than 0 seconds, not {self.minimum!r}")
        if not self.base >= self.minimum:
            raise ValueError(f"base must be at least minimum ({self.minimum!r} seconds), not {self.base!r}")
        if not self.cap >= self.base:
            raise ValueError(f"cap must be at least base ({self.base!r} seconds), not {self.cap!r}")
        if not self.settled >= 0:
            raise ValueError(f"settled must be 0 seconds or more, not {self.settled!r}")

    def ceiling(self, failures: int) -> float:
        """The longest wait after so many failed attempts in a row, in seconds."""
        # The exponent is bounded first: 2.0 ** 1024 is an OverflowError, and an outage may last for days.
        return min(self.cap, self.base * 2.0 ** min(failures, 64))

    def delay(self, failures: int, rng: random.Random) -> float:
        """The wait after so many failed attempts in a row (0 for none yet), in seconds."""
        return round(rng.uniform(self.minimum, self.ceiling(failures)), 3)
