"""Every duration and limit of the service, each with its source.

Seconds unless a name says otherwise. `Timing` carries the ones a service can be configured with; the module constants
are the official defaults. S-numbers are statements of the official service document.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

# S24: 若阻塞1分钟仍未处理完毕…将导致确认超时: a handler blocked for one minute has missed its confirm timeout.
CONFIRM_TIMEOUT = 60.0

# S25, S39, S52a: 约6分钟: a failed or unconfirmed message comes again after about six minutes. "About" is why judges
# allow REDELIVERY_TOLERANCE; comments in older SDK samples say five minutes, the document says six.
REDELIVERY_DELAY = 360.0
REDELIVERY_TOLERANCE = 60.0

# S53: 消息最多保留8至24小时(不同集群有差异): kept 8 to 24 hours depending on the cluster; S7 says 24 at most.
RETENTION = 24 * 3600.0

# S54: 短时间(5分钟左右)可能会查出来缓存的关系: a relation that ended may still be found for about five minutes.
SUBSCRIPTION_CACHE = 300.0

# Observed: the official Java client of 2021 waits 5 s for the CONNECTACK, the C# client 10 s; Node, Python and PHP
# clients wait for ever. A client that has not given up after CONNECTACK_PATIENCE never will; the reference core gives
# up sooner.
CONNECTACK_PATIENCE = 30.0
CONNECTACK_TIMEOUT = 10.0

# Observed: the official Java and C# clients wait 2 s for the SENDACK that answers a publish.
PUBLISH_TIMEOUT = 2.0

# Characters of a message to Taobao. Of the page of the HTTP API; nobody has seen other limits on the WebSocket.
# Observed: the official Java client fails beyond 4 KB, because its buffer is no larger.
PUBLISH_CONTENT_LIMIT = 122_880

# Observed: the official Java client of 2021 pulls every 15 s, pings after 45 s of silence, and holds at most 2000
# messages (S30).
PULL_INTERVAL = 15.0
HEARTBEAT_INTERVAL = 45.0
CLIENT_QUEUE_SIZE = 2000

# The longest that a client may take to notice that it is on nobody's line any more, and the longest that it may wait
# before it tries again: the reference core has 90 s and 30 s, and official clients are sooner.
SILENCE_PATIENCE = 120.0
BACKOFF_PATIENCE = 30.0

# So much undisturbed time settles whatever can be settled: the client notices that its connection is dead and is back,
# what it had lost with it comes again and is confirmed; "about" six minutes may be a minute more.
QUIET = SILENCE_PATIENCE + BACKOFF_PATIENCE + REDELIVERY_DELAY + REDELIVERY_TOLERANCE + CONFIRM_TIMEOUT

# Observed: the official clients cut the reason of a Failed to 128 characters.
FAIL_REASON_LIMIT = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one cluster of the service is configured with.

    Args:
        confirm_timeout: seconds from push to the end of the time to confirm, > 0 and finite (S24).
        redelivery_delay: seconds from push (unconfirmed) or from Failed until the message is pushed again,
            >= confirm_timeout and finite (S25, S39).
        retention: seconds from production until a message is dropped, > 0 and finite; real clusters keep 8 to 24 hours
            (S53), and less in emergencies, so shorter values are allowed.
        subscription_cache: seconds that a subscription, a grant or a permission which ended still works, >= 0 and
            finite (S54).

    Raises:
        ValueError: a duration is out of its range.

    Example:
        >>> Timing(retention=8 * 3600.0).redelivery_delay
        360.0
    """

    confirm_timeout: float = CONFIRM_TIMEOUT
    redelivery_delay: float = REDELIVERY_DELAY
    retention: float = RETENTION
    subscription_cache: float = SUBSCRIPTION_CACHE

    def __post_init__(self) -> None:
        # Written so that NaN, which compares with nothing, fails too.
        if not 0 < self.confirm_timeout < inf:
            raise ValueError(f"confirm_timeout must be more than 0 seconds and finite, not {self.confirm_timeout!r}")
        if not self.confirm_timeout <= self.redelivery_delay < inf:
            raise ValueError(
                f"redelivery_delay must be at least confirm_timeout ({self.confirm_timeout!r} seconds) and finite, not "
                f"{self.redelivery_delay!r}: a message cannot come again while it may still be confirmed in time"
            )
        if not 0 < self.retention < inf:
            raise ValueError(f"retention must be more than 0 seconds and finite, not {self.retention!r}")
        if not 0 <= self.subscription_cache < inf:
            raise ValueError(
                f"subscription_cache must be 0 seconds or more and finite, not {self.subscription_cache!r}"
            )
