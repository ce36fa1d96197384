"""Follows one queue through a trace, to tell what flow control had to go by at any time.

It is followed as the service does it: event by event, with the moments in between at which something runs out. A new
flow value comes into force, a message has missed its minute, a rating period is over. Where a trace leaves open when
something happened, what is told is what is certain (`conditions.Certainty`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import inf

from tmcspec.clauses.conditions import Certainty, Condition, Phase, Setting
from tmcspec.events import FlowSet, GroupDeleted, ModeSet
from tmcspec.flow import BACKLOG_LIMIT, CONFIRM_RATIO, IDLE_LIMIT, LATENCY, RATING_PERIOD, RECOVERY_STEP, UNIT
from tmcspec.timing import CONFIRM_TIMEOUT, REDELIVERY_DELAY, REDELIVERY_TOLERANCE
from tmcspec.trace import Entry

#: Rounding of the times in a trace, in seconds.
TICK = 0.001

#: Seconds of nothing but poor rating periods until a queue is certainly throttled. The official document names none;
#: a minute is twelve of the periods that are inferred, and leaves time for longer ones.
POOR_FOR = 60.0

#: And so many answers in them, a slot of one client: a few say nothing.
POOR_ANSWERS = UNIT

#: A period with a lower share of confirms than this may have counted as poor: the periods of another service may begin
#: elsewhere, and then the same answers are shared out in another way.
DOUBTFUL_RATIO = 0.5

#: So many periods that are not poor undo all that poor ones did (inferred, as the step itself).
RECOVERED_AFTER = round(1 / RECOVERY_STEP)


class Timers:
    """What happens by time alone, to all queues, in its order."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Meter, Callable[[float], None]]] = []
        self._count = count()

    def at(self, time: float, meter: Meter, act: Callable[[float], None]) -> None:
        """Calls `act` when it is time, and looks at `meter`."""
        heappush(self._heap, (time, next(self._count), meter, act))

    def run(self, entry: Entry) -> None:
        """Lets happen all that is due when an entry is written."""
        while self._heap and self._heap[0][0] <= entry.time:
            time, _, meter, act = heappop(self._heap)
            act(time)
            meter.look(time, entry)


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """An unsettled message.

    Attributes:
        born: where it was produced.
        handed: where it was last handed out.
        waiting: it certainly waits, and has done so `since` then.
        pending: it was handed out less than a minute ago, and nothing was heard of it since.
        turn: another one whenever it is handed out, fails or is settled; timers of an earlier turn mean nothing.
    """

    born: Entry
    since: float
    handed: Entry | None = None
    waiting: bool = True
    pending: bool = False
    turn: int = 0

    @property
    def moved(self) -> Entry:
        """Where it was last handed out, or else produced."""
        return self.handed or self.born


class Meter:
    """One queue.

    Attributes:
        clients: how many connections take its messages.
        parts: the phases so far.
    """

    def __init__(self, timers: Timers, first: Entry) -> None:
        self.clients = 0
        self.parts: list[Phase] = []
        self._timers = timers
        self._open = Phase(condition=Condition(), start=first.time, end=first.time, until=first)
        self._messages: dict[int, Message] = {}
        self._waiting = 0
        self._begin()

    def _begin(self) -> None:
        """What a new group begins with."""
        self._setting: Setting | None = None  # in force
        self._chosen: Setting | None = None  # set last
        self._pushed = True
        self._rating = _Rating(self, self._timers)
        self._neglect = _Neglect(self, self._timers)

    # What is found

    def look(self, now: float, entry: Entry) -> None:
        """Begins another phase when conditions have changed."""
        condition = Condition(
            setting=self._setting,
            clients=self.clients,
            pushed=self._pushed,
            backlog=self._waiting > 0,
            crowded=_certainty(self._waiting > BACKLOG_LIMIT, len(self._messages) > BACKLOG_LIMIT),
            neglected=self._neglect.found(now),
            throttled=self._rating.found(now),
        )
        if condition != self._open.condition:
            self.finish(now, entry)
            self._open = Phase(condition=condition, start=now, end=now, until=entry)

    def finish(self, now: float, entry: Entry) -> None:
        """The last phase is over."""
        self._open.end, self._open.until = now, entry
        if now > self._open.start or self._open.pushes:
            self.parts.append(self._open)

    # What happens to messages

    def produced(self, id: int, entry: Entry) -> Message:
        message = self._messages[id] = Message(born=entry, since=entry.time)
        self._waiting += 1
        self.look(entry.time, entry)
        return message

    def handed_out(self, message: Message, entry: Entry, *, pushed: bool) -> None:
        self._neglect.goes_on(message, entry, unsettled=len(self._messages))
        self.look(entry.time, entry)
        if pushed:
            self._open.pushes.append(entry)
        self._leaves(message)
        self._neglect.leaves(message)
        self._neglect.taken(entry.time)
        message.handed, message.pending = entry, True
        turn = self._comes_again(message, entry.time)
        self._timers.at(entry.time + CONFIRM_TIMEOUT, self, lambda now: self._missed(message, turn, now))
        self.look(entry.time, entry)

    def unknown_handed_out(self, entry: Entry) -> None:
        """A message was handed out of which nothing is known: it may have been one of this queue."""
        self._neglect.taken(entry.time)
        self.look(entry.time, entry)

    def failed(self, message: Message, entry: Entry) -> None:
        if message.pending:
            self._rating.answered(entry.time, in_time=False)
        self._leaves(message)
        self._comes_again(message, entry.time)
        self.look(entry.time, entry)

    def settled(self, id: int, message: Message, entry: Entry, *, confirmed: bool) -> None:
        """A message was confirmed, or is lost."""
        if message.pending and confirmed:
            self._rating.answered(entry.time, in_time=True)
        self._leaves(message)
        self._neglect.leaves(message)
        message.turn += 1
        del self._messages[id]
        self.look(entry.time, entry)

    def _leaves(self, message: Message) -> None:
        """It waits no more."""
        self._waiting -= message.waiting
        message.waiting = message.pending = False

    def _comes_again(self, message: Message, now: float) -> int:
        """It waits again some time."""
        message.turn += 1
        turn, due = message.turn, now + REDELIVERY_DELAY + REDELIVERY_TOLERANCE
        self._timers.at(due, self, lambda now: self._waits(message, turn, now))
        return turn

    def _waits(self, message: Message, turn: int, now: float) -> None:
        if message.turn == turn:
            message.waiting, message.since = True, now
            self._waiting += 1

    def _missed(self, message: Message, turn: int, now: float) -> None:
        if message.turn == turn:
            message.pending = False
            self._rating.answered(now, in_time=False)

    # What an operator does

    def told(self, entry: Entry, event: FlowSet | ModeSet | GroupDeleted) -> None:
        match event:
            case FlowSet(value=value):
                self._set(Setting(entry=entry, value=value, before=self._setting))
            case ModeSet(mode=mode):
                self._pushed = mode == "push"
            case _:
                self._begin()
        self.look(entry.time, entry)

    def _set(self, setting: Setting) -> None:
        self._chosen, self._setting = setting, None
        due = setting.entry.time + LATENCY
        self._timers.at(due - TICK, self, lambda now: self._is_about_to_come(setting))
        self._timers.at(due + TICK, self, lambda now: self._comes_into_force(setting))

    def _is_about_to_come(self, setting: Setting) -> None:
        setting.held_back = self._open.condition.held_back

    def _comes_into_force(self, setting: Setting) -> None:
        if setting is self._chosen:
            self._setting = setting


class _Rating:
    """The share of confirms, period by period."""

    def __init__(self, meter: Meter, timers: Timers) -> None:
        self._meter = meter
        self._timers = timers
        self._good = self._bad = 0
        self._good_periods = inf  # in a row
        self._poor_since: float | None = None  # where the first of the last poor ones in a row ended
        self._poor_answers = 0

    def answered(self, now: float, *, in_time: bool) -> None:
        if not self._good + self._bad:
            self._timers.at((now // RATING_PERIOD + 1) * RATING_PERIOD, self._meter, self._period_ends)
        self._good += in_time
        self._bad += not in_time

    def found(self, now: float) -> Certainty:
        """Whether the queue is throttled."""
        if self._poor_since is not None and now - self._poor_since >= POOR_FOR - TICK:
            return "yes" if self._poor_answers >= POOR_ANSWERS else "maybe"
        return "no" if self._good_periods >= RECOVERED_AFTER else "maybe"

    def _period_ends(self, now: float) -> None:
        answers = self._good + self._bad
        ratio = self._good / answers
        self._good = self._bad = 0
        self._good_periods = 0 if ratio < DOUBTFUL_RATIO else self._good_periods + 1
        if ratio >= CONFIRM_RATIO:
            self._poor_since, self._poor_answers = None, 0
            return
        self._poor_answers += answers
        if self._poor_since is None:
            self._poor_since = now
            self._timers.at(now + POOR_FOR, self._meter, _nothing)


class _Neglect:
    """Whether nothing was consumed for a long time although something waited, and what gathered then."""

    def __init__(self, meter: Meter, timers: Timers) -> None:
        self._meter = meter
        self._timers = timers
        self._taken: float | None = None  # when something was last handed out
        self._ended: Entry | None = None  # where something was, after such a time
        self._gathered = 0  # so many messages that were there then were not handed out since
        self._certainly = False
        self._watched = False
        self._watch()

    def found(self, now: float) -> Certainty:
        if self._gathered:
            return "yes" if self._certainly else "maybe"
        return "maybe" if self._idle(now) >= IDLE_LIMIT - TICK else "no"

    def goes_on(self, message: Message, entry: Entry, *, unsettled: int) -> None:
        """A message is about to be handed out."""
        now = entry.time
        if min(self._idle(now), now - message.moved.time) >= IDLE_LIMIT - TICK:
            since = max(message.since, self._taken or 0.0)
            self._certainly = message.waiting and now - since >= IDLE_LIMIT + TICK
            self._ended, self._gathered = entry, unsettled
        elif self._ended and not (message.waiting and message.since < self._ended.time):
            # This one had not gathered: the service may be done with those that had.
            self._certainly = False

    def leaves(self, message: Message) -> None:
        """A message is handed out or settled."""
        if self._ended and self._gathered and message.moved.seq < self._ended.seq:
            self._gathered -= 1

    def taken(self, now: float) -> None:
        """Something was handed out."""
        self._taken = now
        self._watch()

    def _idle(self, now: float) -> float:
        """For how long nothing was handed out, at most."""
        return now - (self._taken or 0.0)

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._timers.at((self._taken or 0.0) + IDLE_LIMIT, self._meter, self._look)

    def _look(self, now: float) -> None:
        self._watched = False
        if self._idle(now) < IDLE_LIMIT - TICK:
            self._watch()


def _certainty(certain: bool, possible: bool) -> Certainty:
    return "yes" if certain else "maybe" if possible else "no"


def _nothing(now: float) -> None:
    """Only a moment to look at."""
