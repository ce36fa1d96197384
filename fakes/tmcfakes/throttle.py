"""The call limit of the gateway: API调用流量有限 (S33).

Neither the limit nor how calls are counted is public. Here each method of each app may be called so many times in a
second, which begins with the first of them; who calls more often is refused until it is over. Published reports of the
refusal tell of bans for one second and more, so this is the mildest one.
"""

from __future__ import annotations

from math import ceil

#: Seconds that calls are counted for.
WINDOW = 1.0


class Throttle:
    """Counts calls.

    Args:
        calls_per_second: how often an app may call one method in a second, >= 1; None for no limit.

    Raises:
        ValueError: a limit below 1.

    Example:
        >>> throttle = Throttle(1)
        >>> [throttle.ban("1023", "taobao.tmc.groups.get", now=now) for now in (0.0, 0.5, 1.0)]
        [0, 1, 0]
    """

    def __init__(self, calls_per_second: int | None) -> None:
        if calls_per_second is not None and calls_per_second < 1:
            raise ValueError(f"calls_per_second must be 1 or more, or None for no limit, not {calls_per_second!r}")
        self._limit = calls_per_second
        # By app and method: since when calls are counted, and how many there were. Both are known ones, so that nobody
        # can make it grow.
        self._counted: dict[tuple[str, str], tuple[float, int]] = {}

    def ban(self, app_key: str, method: str, *, now: float) -> int:
        """Counts a call of a known method by a known app at `now`, in seconds that never go back.

        Returns:
            For how many more seconds it is refused, 0 when it is not.
        """
        if self._limit is None:
            return 0
        began, count = self._counted.get((app_key, method), (now, 0))
        if now >= began + WINDOW:
            began, count = now, 0
        if count >= self._limit:
            return ceil(began + WINDOW - now)
        self._counted[app_key, method] = began, count + 1
        return 0
