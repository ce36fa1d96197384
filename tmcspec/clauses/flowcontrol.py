"""FLW: flow control, how fast the messages of a group are pushed when more wait than its clients are meant to take.

All judges look at stretches of time over which nothing changed that flow control goes by: the value in force, the
number of connections, and whatever slows it down (`conditions`). Where a trace does not show that for certain, they say
nothing: about a group before somebody sets its flow value, or within the ten seconds until a new one is in force.

A quota is given out in slots (`tmcspec.flow`), and what one stretch has of them depends on where it begins: a slot may
have begun before it and not be used up, another may begin at its very end. So any stretch may have *two slots* more
than its length alone allows, or less.

What the official document says of values below 32 contradicts itself, and both readings are accepted: value x 24 as the
mean, or the value itself. Which of them a service follows shows as soon as it pushes more than the slower one allows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conditions import Condition, Phase, Run, Setting, runs
from tmcspec.clauses.history import History
from tmcspec.clauses.meter import POOR_FOR, TICK
from tmcspec.clauses.throughput import Throughput
from tmcspec.events import Fault
from tmcspec.flow import BACKLOG_LIMIT, CONFIRM_RATIO, DEGRADED_SHARE, FACTOR, IDLE_LIMIT, LATENCY, UNIT, Flow
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: The two readings of values below 32.
FORMULA, LITERAL = Flow(), Flow(small_values="literal")

#: What a stretch may have more than its length allows, or less.
SLOTS = 2

#: The least part of the rate that counts as nearly all of it. Slots begin a little late, never early.
NEARLY = 0.9

#: A stretch in which messages wait proves that a limit is in force when it lasts so long, in seconds, and two slots.
TELLING = 1.0

#: A slot of a small value begins with a burst, within so many seconds.
BURST = 1.0

#: How long after a new value must be in force it is looked at, in seconds: two slots of the smallest value, in the
#: slower reading, and some more. Later on, that it is kept to is the matter of FLW-1 alone.
AFTER_CHANGE = 70.0

#: The most that is left of the rate when it is throttled. By how much it falls is inferred (to a half at the first
#: step), so this only asks for less than before.
THROTTLED_SHARE = 0.75


@clause(
    "FLW-1",
    Level.MUST,
    Binds.SERVICE,
    f"With a backlog, connections x flow value x {FACTOR} messages are pushed a second: in no stretch of time more "
    f"than that and two slots, and nearly as many while nothing slows it down. Below {UNIT}, a slot has {UNIT} "
    "messages for each connection, and the mean may leave out the factor.",
    source="S46: 推送量qps = tmcClient机器数 * 单机流控值 * 24(倍率) (当有堆积时); S47: 第一秒为32,后续31秒为0",
)
def rate_is_kept(history: History) -> Iterator[Finding]:
    """A client is sized for what it may get. That too few came is only said of simulations: live, a machine may be too
    busy to keep up with 24 slots a second. The same goes for the burst with which a slot of a small value begins.
    """
    gauge = history.once(_Gauge)
    for run, setting, pace in gauge.limited(lambda condition: True):
        waiting = runs(run.parts, _held_back)
        if finding := gauge.departure(run, setting, pace) or gauge.trickle(run, setting, pace):
            yield finding
        elif any(part.seconds >= gauge.telling(pace) for part in waiting):
            yield held(setting.entry, run.until)


@clause(
    "FLW-2",
    Level.MUST,
    Binds.SERVICE,
    f"A new flow value is in force within {LATENCY:.0f} s.",
    source="S45: 修改单个tmcClient流控 实时(10s)生效",
)
def new_value_is_soon_in_force(history: History) -> Iterator[Finding]:
    """Who lowers it does so because clients are in trouble. Until then either value may be in force; what counts is the
    time right after.
    """
    gauge = history.once(_Gauge)
    for run, setting in gauge.changes():
        window = run.first(AFTER_CHANGE)
        waiting = max((run.seconds for run in runs(window.parts, _held_back)), default=0.0)
        if setting.value is None:
            if gauge.exact and waiting > TELLING:
                yield broken(
                    f"messages waited for {waiting:.1f} s with no limit in force any more", setting.entry, window.until
                )
            elif setting.held_back:
                yield held(setting.entry, window.until)
            continue
        pace = Pace(value=setting.value, clients=run.condition.clients)
        if finding := gauge.departure(window, setting, pace):
            yield finding
        elif gauge.differs(setting.before, pace, waiting):
            yield held(setting.entry, window.until)


@clause(
    "FLW-3",
    Level.MUST,
    Binds.SERVICE,
    f"While more than {BACKLOG_LIMIT} messages wait, or some that gathered while nothing was consumed for "
    f"{IDLE_LIMIT / 60:.0f} minutes, at most {DEGRADED_SHARE:.0%} of the rate is pushed, and two slots.",
    source="S51: 一直不消费, 堆积过多(万级)或过久(半小时以上)会, 消费流控值预期会*30%",
)
def backlog_degrades(history: History) -> Iterator[Finding]:
    """Whoever comes back after a long time must not be buried. When this ends the official document does not say; here
    it does when all that had gathered is taken.
    """
    gauge = history.once(_Gauge)
    for run, setting, pace in gauge.limited(lambda each: "yes" in (each.crowded, each.neglected)):
        crowded = run.condition.crowded == "yes"
        why = f"more than {BACKLOG_LIMIT} waited" if crowded else "what gathered without consumption waited"
        yield from gauge.slowed(run, setting, pace.slowed(DEGRADED_SHARE), why)


@clause(
    "FLW-4",
    Level.MUST,
    Binds.SERVICE,
    f"When less than {CONFIRM_RATIO:.0%} of what was pushed is confirmed in time, and has been for {POOR_FOR:.0f} s, "
    "less than the full rate is pushed.",
    source="S52: 消费了不确认, 确认比过低(20%), 会自适应限制消费速率, 长期如此, 会酌情加白禁止消费消息",
)
def few_confirms_throttle(history: History) -> Iterator[Finding]:
    """What is not confirmed comes again, on top of all that is new. How far the rate falls is not said: at most
    three quarters of it may be left, and none is allowed.
    """
    gauge = history.once(_Gauge)
    for run, setting, pace in gauge.limited(lambda each: each.throttled == "yes" and each.held_back):
        why = f"fewer than {CONFIRM_RATIO:.0%} were confirmed"
        yield from gauge.slowed(run, setting, pace.slowed(THROTTLED_SHARE), why)


def _held_back(condition: Condition) -> bool:
    return condition.held_back


def _pushed(number: int) -> str:
    return "1 message was pushed" if number == 1 else f"{number} messages were pushed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a flow value lets messages go to so many connections, when so much is left of the rate."""

    value: int
    clients: int
    share: float = 1.0

    @property
    def slots(self) -> int:
        """The messages of the slots that make a difference."""
        return SLOTS * FORMULA.quota(self.value) * self.clients if self.value else 0

    def rate(self, flow: Flow = FORMULA) -> float:
        return flow.rate(self.value, clients=self.clients) * self.share

    def most(self, seconds: float, flow: Flow = FORMULA) -> float:
        """How many messages may go in any stretch of so many seconds."""
        return self.rate(flow) * (seconds + TICK) + self.slots

    def least(self, seconds: float, flow: Flow) -> float:
        """How many must go with a backlog."""
        return NEARLY * self.rate(flow) * seconds - self.slots

    def slowed(self, share: float) -> Pace:
        return Pace(value=self.value, clients=self.clients, share=share)

    def __str__(self) -> str:
        clients = f"{self.clients} client{'s' if self.clients > 1 else ''}"
        share = f" at {self.share:.0%}" if self.share < 1 else ""
        return f"flow value {self.value}{share} and {clients}"


class _Excess(NamedTuple):
    """More pushes than may be: so many, from one to another."""

    number: int
    first: Entry
    last: Entry


def _excess(pushes: Sequence[Entry], pace: Pace, flow: Flow = FORMULA) -> _Excess | None:
    """The stretch with the most pushes beyond what it may have; None when none has too many."""
    rate, lowest, first = pace.rate(flow), inf, 0
    most, found = 0.0, None
    for index, push in enumerate(pushes):
        # Of all stretches that end here, this is the one with the most pushes beyond what its length allows.
        if (level := index - rate * push.time) < lowest:
            lowest, first = level, index
        number = index - first + 1
        if (beyond := number - pace.most(push.time - pushes[first].time, flow)) > most:
            most, found = beyond, _Excess(number, pushes[first], push)
    return found


def _most_at_once(pushes: Sequence[Entry]) -> int:
    """The most pushes within a second (S47: 第一秒为32)."""
    most = first = 0
    for index, push in enumerate(pushes):
        while push.time - pushes[first].time > BURST:
            first += 1
        most = max(most, index - first + 1)
    return most


class _Gauge:
    """What is measured in one history.

    Attributes:
        exact: whether too few pushes prove anything.
        slow: the slower reading of small values that the service may follow.
    """

    def __init__(self, history: History) -> None:
        throughput = Throughput(history)
        self._queues: Sequence[Sequence[Phase]] = list(throughput.queues.values())
        self._faults = [at.time for at in history.events(Fault)]
        self.exact = history.trace.world == "simulated" and throughput.complete
        self.slow = LITERAL
        for run, _, pace in self.limited(lambda condition: True):
            if pace.value < UNIT and _excess(run.pushes, pace, LITERAL):
                self.slow = FORMULA

    # Runs

    def limited(self, wanted: Callable[[Condition], bool]) -> Iterator[tuple[Run, Setting, Pace]]:
        """Where one flow value was in force and one number of connections there, and the conditions are wanted."""
        for parts in self._queues:
            for run in runs(parts, lambda each: wanted(each) and each.clients > 0 and (each.setting, each.clients)):
                setting = run.condition.setting
                if setting and setting.value is not None:
                    yield run, setting, Pace(value=setting.value, clients=run.condition.clients)

    def changes(self) -> Iterator[tuple[Run, Setting]]:
        """Where each setting came into force, and the time from there on in which as many connections were there."""
        for parts in self._queues:
            before: Setting | None = None
            for run in runs(parts, lambda each: each.setting and (each.setting, each.clients)):
                setting = run.condition.setting
                if setting and setting is not before and run.condition.clients:
                    yield run, setting
                before = setting

    # What they show

    def telling(self, pace: Pace) -> float:
        """Seconds that messages must wait before that proves anything."""
        rate = pace.rate(self.slow)
        return max(TELLING, pace.slots / rate) if rate else TELLING

    def differs(self, before: Setting | None, pace: Pace, seconds: float) -> bool:
        """Whether pushes in so many seconds could tell a pace from that of the value before; one that is not known may
        be none.
        """
        if before is None or before.value is None:
            return seconds >= self.telling(pace)
        old = Pace(value=before.value, clients=pace.clients)
        slower = old.rate(self.slow) * seconds > pace.most(seconds)
        faster = self.exact and old.most(seconds) < pace.least(seconds, self.slow)
        return slower or faster

    def departure(self, run: Run, setting: Setting, pace: Pace) -> Finding | None:
        """Where pushes do not keep to a pace."""
        if excess := _excess(run.pushes, pace):
            return self._too_many(excess, setting, pace)
        for part in runs(run.parts, lambda each: each.held_back and each.free):
            pushes = len(part.pushes)
            if self._shows_all(part) and pushes < pace.least(part.seconds, self.slow):
                return broken(
                    f"{_pushed(pushes)} in {part.seconds:.1f} s with a backlog; {pace} are meant to get "
                    f"{pace.rate(self.slow) * part.seconds:.0f}",
                    setting.entry,
                    part.until,
                )
        return None

    def trickle(self, run: Run, setting: Setting, pace: Pace) -> Finding | None:
        """Where a small value lets messages through one by one: in two slots, one begins with its burst."""
        if not 0 < pace.value < UNIT:
            return None
        for part in runs(run.parts, lambda each: each.held_back and each.free):
            if not self._shows_all(part) or NEARLY * part.seconds < self.telling(pace):
                continue
            if (most := _most_at_once(part.pushes)) < UNIT * pace.clients:
                return broken(
                    f"no more than {_pushed(most)} within a second, in {part.seconds:.1f} s with a backlog; {pace} are "
                    f"meant to get {UNIT * pace.clients} at once",
                    setting.entry,
                    part.until,
                )
        return None

    def slowed(self, run: Run, setting: Setting, pace: Pace, why: str) -> Iterator[Finding]:
        """Whether pushes kept to a pace to which something had slowed them down."""
        full = pace.slowed(1.0)
        if excess := _excess(run.pushes, pace):
            yield self._too_many(excess, setting, pace, f" while {why}")
            return
        for part in runs(run.parts, _held_back):
            limit = pace.most(part.seconds, self.slow)
            if full.rate(self.slow) * part.seconds > limit >= len(part.pushes):
                yield held(setting.entry, part.until)
                return

    def _shows_all(self, run: Run) -> bool:
        """Whether too few pushes are the service's own doing."""
        fault = bisect_left(self._faults, run.start)
        return self.exact and not (fault < len(self._faults) and self._faults[fault] <= run.end)

    def _too_many(self, excess: _Excess, setting: Setting, pace: Pace, why: str = "") -> Finding:
        seconds = excess.last.time - excess.first.time
        evidence = dict.fromkeys((setting.entry, excess.first, excess.last))
        return broken(
            f"{_pushed(excess.number)} within {seconds:.3f} s{why}; {pace} allow {pace.most(seconds):.0f}",
            *evidence,
        )
