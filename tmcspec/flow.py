"""Flow control: how fast a group's messages are pushed when more wait than its clients are meant to take at once.

Each group has a flow value per client, set in the console. With a backlog the service pushes

    clients x value x 24  messages a second            (S46: 推送量qps = tmcClient机器数 * 单机流控值 * 24(倍率))

in *slots*: one slot lets each client have `max(value, 32)` messages, and lasts as long as makes the rate right. So from
32 on there are 24 slots a second; below, one unit of 32 comes at once and then nothing for a while, and the mean is
right (S47: 低于32时,有毛刺,但均值正常,第一秒为32,后续31秒为0). A slot that nobody used up is not made up for.

The quota of a slot is the group's, not each client's: who gets a message stays a matter of chance alone (S60), so in
one slot one client may get a little more than another.

Less comes through
- to 30 % when more than 10,000 messages wait, or when nothing was taken for half an hour although something waited
  (S51: 一直不消费, 堆积过多(万级)或过久(半小时以上)会, 消费流控值预期会*30%). The first ends when fewer wait, the
  second when all that had gathered in that time is taken;
- adaptively, while under a fifth of what was pushed is confirmed in time (S52: 确认比过低(20%), 会自适应限制消费速率):
  halved every five seconds that such answers come in, and raised by a tenth every five seconds that better ones do. The
  numbers are inferred, from the rater that the author of the protocol published with his scheduling library.

Pull mode is inferred: the official document recommends it (S20: 拉模式能有效避免流量高峰期消息消费不均) and no public
SDK has it. In a group that is pulled, a connection is given no more than its last PullRequest brought, 320 messages:
the amount that the scheduling library by the author of the protocol pulls at a time.

What the official document leaves open is a parameter of `Flow`, with both readings beside it. Whether a group without a
flow value has some default is not public: here none is set until somebody sets it, and nothing is held back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias, get_args

#: S46: 24(倍率).
FACTOR = 24

#: S47: below it, pushes come in bursts of so many.
UNIT = 32

#: S45: 修改单个tmcClient流控 实时(10s)生效: a new value is in force within so many seconds.
LATENCY = 10.0

#: S51: 预期会*30%; 万级; 半小时以上.
DEGRADED_SHARE = 0.3
BACKLOG_LIMIT = 10_000
IDLE_LIMIT = 1800.0

#: S52: 确认比过低(20%).
CONFIRM_RATIO = 0.2

#: Inferred: how the adaptive limit moves. What it falls to at the lowest still lets a client show that it is better.
RATING_PERIOD = 5.0
THROTTLE_STEP = 0.5
RECOVERY_STEP = 0.1
LEAST_SHARE = 1 / 32

#: Inferred: messages that one PullRequest brings in pull mode, at most. Credit that is left over does not add up.
PULL_CREDIT = 320

#: A flow value that somebody might set; a larger one overflows the arithmetic of other languages.
VALUE_LIMIT = 2**31 - 1

SmallValues: TypeAlias = Literal["formula", "literal"]

#: How a group is delivered to: as soon as it can be, or what its clients pull.
Mode: TypeAlias = Literal["push", "pull"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """How one cluster of the service controls flow.

    Args:
        value: flow value of groups that nobody has set one for, messages per client, 0 (nothing is pushed) to
            2^31 - 1; None holds nothing back.
        factor: what the value is multiplied with, > 0.
        unit: the smallest quota of a client in one slot, > 0.
        small_values: the mean rate of a value below `unit`, where the document contradicts itself. "formula": value x
            factor, as S46 says for any value: value 1 gives 32 messages every 1.33 s. "literal": the value alone, as
            the words of S47 give it for value 1: 32 in the first second, none for the following 31.
        latency: seconds until a new value is in force, >= 0.
        backlog_limit: more waiting messages than these degrade a group, >= 0.
        idle_limit: seconds without consumption that degrade a group in which something waits, > 0.
        degraded_share: what is left of the rate then, > 0 to 1.
        confirm_ratio: a lower share of confirms throttles a group, 0 (never) to 1.
        pull_credit: messages that one PullRequest brings in pull mode, > 0.

    Raises:
        ValueError: a number is out of its range.

    Example:
        >>> Flow(value=32).rate(clients=2)
        1536.0
        >>> Flow(value=1, small_values="literal").rate(clients=1)
        1.0
    """

    value: int | None = None
    factor: int = FACTOR
    unit: int = UNIT
    small_values: SmallValues = "formula"
    latency: float = LATENCY
    backlog_limit: int = BACKLOG_LIMIT
    idle_limit: float = IDLE_LIMIT
    degraded_share: float = DEGRADED_SHARE
    confirm_ratio: float = CONFIRM_RATIO
    pull_credit: int = PULL_CREDIT

    def __post_init__(self) -> None:
        check_value(self.value)
        if self.small_values not in get_args(SmallValues):
            raise ValueError(f"small_values is {self.small_values!r}; valid: {', '.join(get_args(SmallValues))}")
        bounds: tuple[tuple[str, float, bool, str], ...] = (
            ("factor", self.factor, 0 < self.factor < inf, "more than 0"),
            ("unit", self.unit, 0 < self.unit < inf, "more than 0"),
            ("latency", self.latency, 0 <= self.latency < inf, "0 seconds or more, and finite"),
            ("backlog_limit", self.backlog_limit, self.backlog_limit >= 0, "0 or more"),
            ("idle_limit", self.idle_limit, self.idle_limit > 0, "more than 0 seconds"),
            ("degraded_share", self.degraded_share, 0 < self.degraded_share <= 1, "more than 0 and at most 1"),
            ("confirm_ratio", self.confirm_ratio, 0 <= self.confirm_ratio <= 1, "0 to 1"),
            ("pull_credit", self.pull_credit, 0 < self.pull_credit < inf, "more than 0"),
        )
        for name, number, good, valid in bounds:
            if not good:
                raise ValueError(f"{name} must be {valid}, not {number!r}")

    def quota(self, value: int) -> int:
        """How many messages one client may get in one slot."""
        return max(value, self.unit)

    def rate(self, value: int | None = None, *, clients: int = 1) -> float:
        """Messages a second, with a backlog and nothing degraded: of `value`, or of the default one."""
        chosen = self.value if value is None else value
        if chosen is None:
            return inf
        small = chosen < self.unit and self.small_values == "literal"
        return float(clients * chosen * (1 if small else self.factor))


def check_value(value: int | None) -> int | None:
    """Gives back a valid flow value. Raises ValueError."""
    if value is not None and not 0 <= value <= VALUE_LIMIT:
        raise ValueError(f"a flow value must be 0 to {VALUE_LIMIT}, or None for no limit, not {value!r}")
    return value


class Valve:
    """What flow control lets through of one group.

    Everything is worked out from what it was told, and how often it is asked changes nothing; times are seconds of
    service time.

    Args:
        flow: the rules.

    Example:
        >>> valve = Valve(Flow(value=1, latency=0.0))
        >>> for _ in range(32):
        ...     assert valve.admits(now=0.0, clients=1, waiting=40, oldest_since=0.0)
        ...     valve.pushed(now=0.0, since=0.0)
        >>> valve.admits(now=0.0, clients=1, waiting=8, oldest_since=0.0)
        False
        >>> round(valve.reopens(now=0.0), 3)
        1.333
    """

    __slots__ = (
        "_bad",
        "_changes",
        "_flow",
        "_gathered",
        "_good",
        "_opened",
        "_period",
        "_rated",
        "_taken",
        "_throttle",
        "_used",
        "_value",
    )

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._value = flow.value
        self._changes: list[tuple[float, int | None]] = []  # to come: when, and to what
        self._opened: float | None = None  # when the present slot was opened
        self._period = 0.0  # how long it lasts
        self._used = 0
        self._taken = 0.0  # when a message was last taken
        self._gathered = -inf  # what has waited since before then gathered while nothing was taken
        self._throttle = 1.0
        self._rated = 0  # the period whose answers are being counted
        self._good = self._bad = 0  # those answers

    def set(self, value: int | None, *, now: float) -> None:
        """Somebody sets another flow value; it is in force `latency` later. Raises ValueError as `check_value`."""
        self._changes.append((now + self._flow.latency, check_value(value)))

    def value(self, *, now: float) -> int | None:
        """The flow value that is in force."""
        while self._changes and self._changes[0][0] <= now:
            self._value = self._changes.pop(0)[1]
        return self._value

    @property
    def latest(self) -> int | None:
        """The flow value that was set last, in force or not yet."""
        return self._changes[-1][1] if self._changes else self._value

    def share(self, *, now: float, waiting: int, oldest_since: float) -> float:
        """What is left of the rate, 1 for all of it."""
        self._rate(now)
        idle = oldest_since < self._gathered or self._neglected(now, oldest_since)
        degraded = idle or waiting > self._flow.backlog_limit
        return self._throttle * (self._flow.degraded_share if degraded else 1.0)

    def admits(self, *, now: float, clients: int, waiting: int, oldest_since: float) -> bool:
        """Whether one more message may be pushed.

        Args:
            now: the time.
            clients: how many take messages of this group.
            waiting: how many messages wait.
            oldest_since: since when the one that is to be pushed has waited.
        """
        value = self.value(now=now)
        if value is None:
            return True
        if value == 0:
            self._period = inf
            return False
        rate = self._flow.rate(value) * self.share(now=now, waiting=waiting, oldest_since=oldest_since)
        self._period = self._flow.quota(value) / rate
        if self._opened is None or now >= self._opened + self._period:
            self._open(now)
        return self._used < self._flow.quota(value) * clients

    def reopens(self, *, now: float) -> float:
        """When it may admit again by time alone, after it did not; infinity for never."""
        self._rate(now)
        slot = inf if self._opened is None else self._opened + self._period
        moments = [slot, *(at for at, _ in self._changes[:1])]
        if slot < inf and self._throttle < 1 and self._answers_are_good():
            moments.append((self._rated + 1) * RATING_PERIOD)  # then slots get shorter, this one too
        return min(moments)

    def pushed(self, *, now: float, since: float) -> None:
        """The oldest message, which had waited `since` then, was pushed."""
        self._used += 1
        self.taken(now=now, since=since)

    def taken(self, *, now: float, since: float) -> None:
        """It was consumed over HTTP, which this flow control does not limit, but which is consumption, too."""
        if self._neglected(now, since):
            self._gathered = now
        self._taken = now

    def answered(self, *, in_time: bool, now: float) -> None:
        """A delivery was confirmed in time, or was not."""
        self._rate(now)
        if in_time:
            self._good += 1
        else:
            self._bad += 1

    def _open(self, now: float) -> None:
        """The next slot begins where the last one ended, as long as somebody was there to use it: else timers that
        fire a little late would slow the whole group down.
        """
        behind = self._opened is not None and now < self._opened + 2 * self._period
        self._opened = self._opened + self._period if behind and self._opened is not None else now
        self._used = 0

    def _neglected(self, now: float, oldest_since: float) -> bool:
        """Whether nothing was taken for a long time although something waited."""
        return now - self._taken >= self._flow.idle_limit <= now - oldest_since

    def _answers_are_good(self) -> bool:
        """Whether there were any in this period, and enough of them in time."""
        answers = self._good + self._bad
        return answers > 0 and self._good / answers >= self._flow.confirm_ratio

    def _rate(self, now: float) -> None:
        """Looks at the answers of a period, when it is over. Where there were none, nothing is known and nothing
        changes.
        """
        period = int(now // RATING_PERIOD)
        if period == self._rated:
            return
        if self._answers_are_good():
            self._throttle = min(1.0, self._throttle + RECOVERY_STEP)
        elif self._bad:
            self._throttle = max(LEAST_SHARE, self._throttle * THROTTLE_STEP)
        self._rated = period
        self._good = self._bad = 0
