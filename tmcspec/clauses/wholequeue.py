"""QUE: the queue as a whole, as Jepsen's checker of a total queue has it: what was put in comes out, whatever happened.

Attempts to put in are the productions, and a message is out when its handler succeeded. So there are four kinds of
messages to tell of: lost, unexpected, duplicated, and recovered. That nothing comes out again after its confirm, and
nothing at the wrong place, binds the service (RDL-3, GRP-1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import QueueName, queue_of
from tmcspec.clauses.deliveries import Delivery, Handing, Life
from tmcspec.clauses.history import History
from tmcspec.events import (
    ClientStarted,
    ClientStopped,
    Consumed,
    Fault,
    Handled,
    Healed,
    Id,
    Pushed,
    Received,
    Refused,
)
from tmcspec.timing import CONFIRM_TIMEOUT, QUIET
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause


@clause(
    "QUE-1",
    Level.MUST,
    Binds.CLIENT,
    f"Nothing is lost: when the last fault is over, {QUIET:.0f} s without another one settle every message that can be "
    "handled.",
    source="S39, S42: at least once; S22: 后面断开连接 会自动重连",
    needs_handlers=True,
)
def nothing_is_lost(history: History) -> Iterator[Finding]:
    """Faults excuse much while they last, and nothing for ever. A client is to blame when it was not connected in all
    that time, or was pushed the message then and did not answer. That the service did not push it is another matter.
    """
    quiet = _Quiet(history)
    for life in history.lives:
        if life.confirmed:
            yield held(life.produced.entry, life.confirmed.entry)
        elif _can_be_handled(life) and (window := quiet.after(life)):
            yield from _lost(history, life, window, hanging=queue_of(life.produced.event) in quiet.hanging)


@clause(
    "QUE-2",
    Level.MUST,
    Binds.CLIENT,
    "Nothing is unexpected: a handler is called only with messages that were produced before, and for the app and a "
    "group of its client.",
    source="S58: 组内用户的消息只会发送到相同组名的连接上; Jepsen's total queue",
    needs_handlers=True,
)
def nothing_is_unexpected(history: History) -> Iterator[Finding]:
    """A client that makes messages up, or mixes up whose they are, does somebody's work twice and the other's never.
    Ids that went wrong by rounding are the business of the LID clauses, and what the service pushed to the wrong place
    that of GRP.
    """
    if not history.complete or not history.lives:
        return
    known = _Known(history)
    for at in history.events(Received):
        message = at.event.message
        if message is None or history.corruption.misled(at.entry):
            continue
        life = history.meant(message) or history.life(message)
        if life is None or life.produced.seq > at.seq:
            if not known.was_handed_out(message, at.entry):
                yield broken(f"a handler was called with {message}, which was not produced", at.entry)
        elif known.may_have(at.event.client, life):
            yield held(life.produced.entry, at.entry)
        else:
            queue = queue_of(life.produced.event)
            yield broken(
                f"the handler of {at.event.client!r} was called with {message}, which is for {queue.app_key}/"
                f"{queue.group}",
                life.produced.entry,
                at.entry,
            )


@clause(
    "QUE-3",
    Level.INFO,
    Binds.CLIENT,
    "Nothing is duplicated: no message is handled with success more than once.",
    source="S40: MQ无法避免消息重复; Jepsen's total queue",
    needs_handlers=True,
)
def nothing_is_duplicated(history: History) -> Iterator[Finding]:
    """A confirm that was lost makes a message come again, so this counts and accuses nobody: handlers must be ready for
    it.
    """
    successes: dict[Life, list[Entry]] = {}
    for at in history.events(Handled):
        life = history.meant(at.event.message) if at.event.outcome == "ok" else None
        if life and not history.corruption.misled(at.entry):
            successes.setdefault(life, []).append(at.entry)
    for life, entries in successes.items():
        if len(entries) > 1:
            yield broken(f"{life.id} was handled with success {len(entries)} times", *entries)
        else:
            yield held(*entries)


@clause(
    "QUE-4",
    Level.INFO,
    Binds.CLIENT,
    "What a fault hit is recovered: a message that was handed out in vain is settled when it comes again, and not left "
    "to expire.",
    source="S39, S53; Jepsen's total queue",
    needs_handlers=True,
)
def what_was_hit_is_recovered(history: History) -> Iterator[Finding]:
    """Counts how much a run with faults has put to the proof. Whose fault it is that a message expired, it does not
    say.
    """
    for life in history.lives:
        hit = next((handing for handing in life.handed if _hit(history, handing)), None)
        if hit and life.confirmed and hit.number + 1 < len(life.handed):
            yield held(hit.entry, life.confirmed.entry)
        elif hit and life.expired and _can_be_handled(life):
            yield broken(f"{life.id} was hit by a fault and expired", hit.entry, life.expired.entry)


class _Window(NamedTuple):
    """A time that should have settled a message: from where on, until when by the client's clock, and whose."""

    start: Entry
    end: float
    client: str


class _Quiet:
    """When it was quiet for long enough, and somebody was there to consume."""

    def __init__(self, history: History) -> None:
        self._history = history
        faults = [at.entry for kind in (Fault, Healed) for at in history.events(kind)]
        self._faults_over = max(faults, key=lambda entry: entry.seq, default=None)
        self._starts = {at.event.client: at.entry for at in history.events(ClientStarted)}
        # By queue, the clients that took it.
        self._clients: dict[QueueName, set[str]] = {}
        for queue, takings in history.takings.items():
            for taking in takings:
                owner = history.fleet.owner(taking.accepted.event.connection)
                anybody = [] if history.fleet.several else history.fleet.names
                self._clients.setdefault(queue, set()).update(anybody if owner is None else [owner])
        # The queues with messages whose handler never returns: enough of them stop any client.
        hanging = (life for life in history.lives if life.instruction.outcome == "hang")
        self.hanging = {queue_of(life.produced.event) for life in hanging}

    def after(self, life: Life) -> _Window | None:
        """The quiet time of a message; None when there was none, or nobody was there."""
        if self._history.still_hindered:
            return None
        for client in sorted(self._clients.get(queue_of(life.produced.event), ())):
            if (started := self._starts.get(client)) and (window := self._window(life, client, started)):
                return window
        return None

    def _window(self, life: Life, client: str, started: Entry) -> _Window | None:
        history = self._history
        begins = [each for each in (life.produced.entry, started, self._faults_over) if each]
        start = max(begins, key=lambda entry: entry.seq)
        stopped = history.fleet.first_after(ClientStopped, started, client)
        ends = [at.entry for at in (stopped, life.expired) if at] + ([life.lost] if life.lost else [])
        if min([history.left(start), *(history.between(start, end) for end in ends)]) < QUIET:
            return None
        return _Window(start, history.client_time(start) + QUIET, client)


def _lost(history: History, life: Life, window: _Window, *, hanging: bool) -> Iterator[Finding]:
    """A finding when a message was lost by a client that could have had it."""
    start, produced = window.start, life.produced.entry
    pushed = (each for each in life.deliveries if start.seq < each.pushed.seq and _within(history, each.entry, window))
    for delivery in pushed:
        answered = delivery.confirmed_by or delivery.failed_by or history.misread(life.id)
        if not answered and not hanging and history.plain(delivery) and (why := history.unanswered(delivery)):
            yield broken(f"{life.id} was pushed undisturbed and never answered; {why}", produced, delivery.pushed.entry)
            return
    takings = history.takings[queue_of(life.produced.event)]
    taken = (each for each in takings if each.over is None or each.over.seq > start.seq)
    refused = history.fleet.first_after(Refused, start, window.client)
    if any(_within(history, each.accepted.entry, window) for each in taken):
        return
    if refused is None or not _within(history, refused.entry, window):
        away = f"{window.client!r} was not connected for {QUIET:.0f} s without a fault"
        yield broken(f"{life.id} was not settled: {away}", *dict.fromkeys([produced, start]))


def _within(history: History, entry: Entry, window: _Window) -> bool:
    """Whether an entry comes before a quiet time is over."""
    return history.client_time(entry) <= window.end


def _can_be_handled(life: Life) -> bool:
    """Whether its handler succeeds, and soon enough."""
    return life.instruction.outcome == "ok" and life.instruction.delay < CONFIRM_TIMEOUT


def _hit(history: History, handing: Handing) -> bool:
    """Whether a fault acted on who was handed a message, while it could have been answered."""
    if not isinstance(handing, Delivery):
        return False
    patience = history.trace.patience
    act = history.act(handing.entry, history.fleet.owner(handing.connection))
    disturbed = act is not None and history.between(handing.entry, act) <= patience
    return disturbed or history.hindered(handing.entry, patience, on=handing.connection)


class _Known:
    """Which messages a client may have."""

    def __init__(self, history: History) -> None:
        self._history = history
        # Where each id was first handed out, whatever is known of it, and those that a fault had put into a push.
        self._handed: dict[int, Entry] = {}
        handed = [(at.seq, at.event.message, at.entry) for at in history.events(Pushed)]
        handed += [(at.seq, at.event.message, at.entry) for at in history.events(Consumed)]
        handed += [(entry.seq, Id(message), entry) for entry, message in history.strays]
        for _, message, entry in sorted(handed, key=lambda each: each[0]):
            self._handed.setdefault(message, entry)
        # By client: the queues of its connections; None for those that may be anybody's.
        self._queues: dict[str | None, set[QueueName]] = {}
        for queue, takings in history.takings.items():
            for taking in takings:
                owner = history.fleet.owner(taking.accepted.event.connection)
                self._queues.setdefault(owner, set()).add(queue)
        # By message, the clients that it was handed to.
        self._owners: dict[Life, set[str | None]] = {}

    def was_handed_out(self, message: int, entry: Entry) -> bool:
        handed = self._handed.get(message)
        return handed is not None and handed.seq < entry.seq

    def may_have(self, client: str, life: Life) -> bool:
        """Whether a message is of a queue that a client takes, or was handed to it."""
        queue = queue_of(life.produced.event)
        if any(queue in self._queues.get(name, ()) for name in (client, None)):
            return True
        if life not in self._owners:
            self._owners[life] = {
                self._history.fleet.owner(each.connection) if isinstance(each, Delivery) else None
                for each in life.handed
            }
        return not self._owners[life].isdisjoint({client, None})
