"""A log that cannot be flooded."""

from __future__ import annotations


class LogLimit:
    """Admits one entry an interval, and counts the others.

    Args:
        interval: seconds between admitted entries.
    """

    def __init__(self, *, interval: float) -> None:
        self._interval = interval
        self._next: float | None = None
        self._suppressed = 0

    def admit(self, now: float) -> int | None:
        """How many entries were held back since the last one, if this one may be logged; None if it may not."""
        if self._next is not None and now < self._next:
            self._suppressed += 1
            return None
        self._next = now + self._interval
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed
