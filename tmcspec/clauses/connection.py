"""CON: keeping the connection."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.hindrance import HALF_OPEN, REFUSED_UPGRADE
from tmcspec.clauses.history import History
from tmcspec.clauses.starting import told_of
from tmcspec.clauses.stopping import findings_of_stops
from tmcspec.clauses.websocket import SIGN_WITHIN, Sockets
from tmcspec.events import Accepted, Attempted, ClientDied, ClientStopped, Fault, Healed, Opened
from tmcspec.messages import Connect
from tmcspec.timing import CONNECTACK_PATIENCE
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: Seconds that a client has to be back after its connection was closed or aborted, and after an outage: then it may
#: first have to give up an attempt that led nowhere.
BACK_WITHIN = 30.0
BACK_AFTER_OUTAGE = BACK_WITHIN + CONNECTACK_PATIENCE

#: Seconds that it has after its connection fell silent: longer than any published client pauses between two signs of
#: life, and ten times shorter than TCP takes to give up.
SILENCE_NOTICED = 120.0

#: Seconds between two attempts, less what timers fire early.
ATTEMPT_GAP = 1.0
EARLY = 0.1


@clause(
    "CON-1",
    Level.MUST,
    Binds.CLIENT,
    f"After a close or an abort by the service the client is back within {BACK_WITHIN:.0f} s; within "
    f"{SILENCE_NOTICED:.0f} s after its connection became a black hole.",
    source="S22: 第一次正常连接后, 后面断开连接 会自动重连; observed: after 3 s (Node) to 10 s (Java)",
)
def client_comes_back(history: History) -> Iterator[Finding]:
    """Servers are restarted every day, and routers forget connections. No published client looks whether the service is
    still there: nothing comes any more, and that looks like a quiet day, until TCP gives up after a quarter of an hour.
    """
    for absence in _absences(history):
        if absence.back and history.between(absence.closed, absence.back) <= BACK_WITHIN:
            yield held(absence.closed, absence.back)
        elif absence.calm is absence.closed:
            yield from _back_in_time(history, absence, absence.closed, BACK_WITHIN)
    yield from _silence_noticed(history)


@clause(
    "CON-2",
    Level.MUST,
    Binds.CLIENT,
    f"A client keeps trying through an outage: it is back within {BACK_AFTER_OUTAGE:.0f} s after its end.",
    source="S22: 后面断开连接 会自动重连; observed: Java, C#, Node and PHP clients try for ever where nobody is there; "
    "where nobody answers, jyh-taobao-topsdk waits for ever, and tmcpy tries no more",
)
def client_outlasts_an_outage(history: History) -> Iterator[Finding]:
    """Whatever kept it away: a service that is down, a network that is slow, attempts that lead nowhere. A client that
    has given up looks like one with nothing to do.
    """
    for absence in _absences(history):
        if (over := absence.outage) and not _refused_upgrades(over):
            yield from _back_in_time(history, absence, over, BACK_AFTER_OUTAGE)


@clause(
    "CON-3",
    Level.SHOULD,
    Binds.CLIENT,
    f"Attempts to connect are at least {ATTEMPT_GAP:.0f} s apart.",
    source="observed: Java 10 s, Node 3 s; tmcpy reconnects at once, in a loop",
)
def attempts_are_apart(history: History) -> Iterator[Finding]:
    """After an outage all clients come back at the same moment; those that hammer prolong it. Only attempts of one
    client can be compared: not where two connections were open at once, nor where the application tried anew.
    """
    if not history.measured:
        return
    for client, attempts in _attempts(history).items():
        if client is None and history.fleet.several:
            continue
        ends = [at.seq for kind in (ClientStopped, ClientDied) for at in history.fleet.events(kind, client)]
        failures = history.failed_starts.values() if client is None else [history.failed_starts.get(client, [])]
        # Where the next attempt became the application's.
        anew = sorted([*ends, *(entry.seq for entries in failures for entry in entries)])
        over = 0.0  # where the last of the connections before was closed
        for (before, end), (after, _) in pairwise(attempts):
            alone = over < before.seq and end < after.seq
            over = max(over, end)
            tried_anew = bisect_left(anew, before.seq) != bisect_left(anew, after.seq) or _left(history, before)
            if not alone or tried_anew or history.delayed(before, after, client):
                continue
            gap = history.between(before, after)
            if gap < ATTEMPT_GAP - EARLY:
                yield broken(f"{gap:.3f} s between two attempts", before, after)
            else:
                yield held(before, after)


@clause(
    "CON-4",
    Level.SHOULD,
    Binds.CLIENT,
    "Each reconnection is a CONNECT of its own: with a timestamp, and so a sign, that was not sent before.",
    source="observed: every published client takes the time anew and signs it",
)
def every_reconnection_is_signed_anew(history: History) -> Iterator[Finding]:
    """A CONNECT that is sent again is one that anybody could send again who has seen it once, and a service that looks
    at the age of a timestamp refuses it some day; then the client is away for good. The trace holds no signs, but a
    sign is made of the timestamp (HSK-3). Clients that begin in the same moment may well have the same one.
    """
    sent: dict[tuple[str | None, str], Entry] = {}
    begun: set[str | None] = set()
    for name, conversation in history.conversations.items():
        client = history.fleet.owner(name)
        first = conversation.handshakes[0].connect if conversation.handshakes else None
        text = first.message.timestamp if first and isinstance(first.message, Connect) else None
        # A very long one is masked, like a sign. One that is missing is the matter of HSK-2.
        if first is None or not text or "*" in text or (client is None and history.fleet.several):
            continue
        before = sent.setdefault((client, text), first.entry)
        if before is first.entry and client in begun:
            yield held(first.entry)
        elif before is not first.entry and history.between(before, first.entry) >= ATTEMPT_GAP - EARLY:
            yield broken(f"CONNECT has the timestamp {text} of an earlier one", before, first.entry)
        begun.add(client)


@clause(
    "CON-5",
    Level.INFO,
    Binds.CLIENT,
    f"A PING is answered with one PONG, and a client is not silent for more than {SIGN_WITHIN:.0f} s: it pulls, or "
    "sends a PING.",
    source="RFC 6455; observed: official Java closes upon a PING, tmc.js and the Node SDK answer twice; pulls every "
    "5 s (Node) to 50 s (tmcpy), PINGs every 45 s (Java, C#) or 55 s (PHP)",
)
def signs_of_life_are_given(history: History) -> Iterator[Finding]:
    """Production neither sends PINGs nor answers any, as far as anybody saw, so this counts and accuses nobody. A proxy
    between them may think otherwise.
    """
    sockets = Sockets(history)
    yield from sockets.pings()
    yield from sockets.signs()


@clause(
    "CON-6",
    Level.MUST,
    Binds.CLIENT,
    "A graceful stop neither confirms what was not handled nor loses what was: what a handler has done before the "
    "client leaves is confirmed before.",
    source="S24, S73; observed: official Java closes without waiting, and the confirms of its running handlers fail",
    needs_handlers=True,
    capability="graceful_stop",
)
def stop_is_graceful(history: History) -> Iterator[Finding]:
    """Applications are deployed every day. What is confirmed on the way out and was not handled is lost for good, and
    what was handled and not confirmed is handled once more, six minutes later. How long a client waits for handlers
    that are at work is its own affair: what it gives up comes again.
    """
    yield from findings_of_stops(history)


@clause(
    "CON-7",
    Level.MUST,
    Binds.CLIENT,
    "An upgrade that is refused (HTTP 401, 503) is tried again after the first success, and told to the application at "
    "first.",
    source="S21: 连接失败时会抛出异常; S22: 后面断开连接 会自动重连",
)
def refused_upgrade_is_tried_again(history: History) -> Iterator[Finding]:
    """A gateway that is being deployed answers 503, or 401, for a while. Libraries report that in another way than a
    broken connection, and clients that only look for the latter end there.
    """
    for absence in _absences(history):
        if (over := absence.outage) and _refused_upgrades(over):
            yield from _back_in_time(history, absence, over, BACK_AFTER_OUTAGE)
    # Where a trace begins later, its first attempt may not be the client's.
    if history.trace.handlers and history.complete:
        for client in history.fleet.names if history.fleet.several else (None,):
            first = next(history.fleet.events(Attempted, client), None)
            if first and history.upgrades_refused(first.entry, client):
                yield from told_of(history, client, first.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Absence:
    """The time after the service, or a fault, ended a connection.

    Attributes:
        name: the connection.
        client: whose it was, if that is known.
        closed: where it ended.
        back: where the client was next accepted.
        calm: from where on nothing hindered the client: `closed`, or the end of what did; None when that lasts.
    """

    name: str
    client: str | None
    closed: Entry
    back: Entry | None
    calm: Entry | None

    @property
    def outage(self) -> Entry | None:
        """The end of what kept the client away; None when nothing did, or that lasts, or the client was back before."""
        if self.calm is self.closed or (self.calm and self.back and self.back.seq < self.calm.seq):
            return None
        return self.calm


def _absences(history: History) -> Iterator[_Absence]:
    for name, conversation in history.conversations.items():
        closed, client = conversation.closed, history.fleet.owner(name)
        if closed is None or closed.event.by == "client" or not conversation.accepted:
            continue
        if _elsewhere(history, name, closed.entry, client):
            continue
        back = history.fleet.first_after(Accepted, closed.entry, client)
        calm = history.calm(closed.entry, BACK_WITHIN, client)
        yield _Absence(name=name, client=client, closed=closed.entry, back=back.entry if back else None, calm=calm)


def _elsewhere(history: History, name: str, closed: Entry, client: str | None) -> bool:
    """Whether a client had another connection already, as when it has left one that fell silent."""
    latest = history.fleet.last_before(Accepted, closed, client)
    if latest is None or latest.event.connection == name:
        return False
    end = history.conversations[latest.event.connection].closed
    return end is None or end.seq > closed.seq


def _back_in_time(history: History, absence: _Absence, since: Entry, limit: float) -> Iterator[Finding]:
    """Whether a client was back in so many seconds, where that was possible."""
    back, client = absence.back, absence.client
    away = history.between(since, back) if back else 0.0
    if back and away <= limit:
        yield held(absence.closed, back)
        return
    opened = history.conversations[absence.name].opened
    # The client may be stopped, or the service be taken away, just before the connection ends.
    begun = opened.entry if opened else history.trace.entries[0]
    if _prevented(history, client, begun=begun, ended=absence.closed, since=since, seconds=BACK_WITHIN):
        return
    if why := history.overdue(since, limit, client=client):
        yield _not_back(history, since, back, why, absence.closed)


def _refused_upgrades(over: Entry) -> bool:
    """Whether what is over there had refused upgrades."""
    return isinstance(over.event, Healed) and over.event.name == REFUSED_UPGRADE


def _silence_noticed(history: History) -> Iterator[Finding]:
    for at in history.events(Fault):
        # Of some connections only: then the trace does not show which.
        if at.event.name != HALF_OPEN or "toxicity" in at.event.detail or not history.measured:
            continue
        for name, conversation in history.conversations.items():
            accepted, closed = conversation.accepted, conversation.closed
            client = history.fleet.owner(name)
            there = accepted and accepted[0].seq < at.seq and (closed is None or closed.seq > at.seq)
            if there and at.event.target in (None, client):
                yield from _noticed(history, at.entry, name, client)


def _noticed(history: History, silent: Entry, name: str, client: str | None) -> Iterator[Finding]:
    back = history.fleet.first_after(Accepted, silent, client)
    if back and history.between(silent, back.entry) <= SILENCE_NOTICED:
        yield held(silent, back.entry)
        return
    if _prevented(history, client, begun=silent, ended=silent, since=silent, seconds=SILENCE_NOTICED):
        return
    if history.barred(silent, SILENCE_NOTICED, client):
        return
    if why := history.overdue(silent, SILENCE_NOTICED, on=name, client=client, alone=True):
        yield _not_back(history, silent, back.entry if back else None, why)


def _attempts(history: History) -> dict[str | None, list[tuple[Entry, float]]]:
    """By client, its attempts to connect in order, and where each was over. One that a fault kept away is one, too."""
    found: dict[str | None, list[tuple[Entry, float]]] = {}
    for name, conversation in history.conversations.items():
        if opened := conversation.opened:
            end = conversation.closed.seq if conversation.closed else inf
            found.setdefault(history.fleet.owner(name), []).append((opened.entry, end))
    for at in history.events(Attempted):
        found.setdefault(at.event.client, []).append((at.entry, at.seq))
    for attempts in found.values():
        attempts.sort(key=lambda attempt: attempt[0].seq)
    return found


def _left(history: History, attempt: Entry) -> bool:
    """Whether a client closed the connection of an attempt by itself, and nothing tells whether it was stopped there
    and started anew.
    """
    if not history.outside or not isinstance(attempt.event, Opened):
        return False
    closed = history.conversations[attempt.event.connection].closed
    return closed is not None and closed.event.by == "client"


def _prevented(
    history: History, client: str | None, *, begun: Entry, ended: Entry, since: Entry, seconds: float
) -> bool:
    """Whether a client need not, or could not, be back in so many seconds from `since`: it was stopped, or the service
    taken away, after `begun`, or something was done to it on purpose after `ended`.
    """
    stopped = history.fleet.first_after(ClientStopped, begun, client)
    reasons = (history.act(ended, client), stopped and stopped.entry, history.unreachable(begun))
    return any(entry and history.between(since, entry) < seconds for entry in reasons)


def _not_back(history: History, since: Entry, back: Entry | None, why: str, *before: Entry) -> Finding:
    """A client that was not back in time; what came before that, and where it was back after all, prove it."""
    what = f"back only after {history.between(since, back):.1f} s" if back else f"not back; {why}"
    evidence = dict.fromkeys([*before, since, *([back] if back else [])])
    return broken(f"the client was {what}", *evidence)
