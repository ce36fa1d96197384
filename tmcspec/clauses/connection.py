"""CON: keeping the connection."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from math import inf

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import Conversation
from tmcspec.clauses.history import History
from tmcspec.events import Accepted, Attempted, ClientDied, ClientStopped
from tmcspec.timing import CONNECTACK_PATIENCE
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: Seconds that a client has to be back after its connection was closed or aborted.
BACK_WITHIN = 30.0

#: Seconds between two attempts, less what timers fire early.
ATTEMPT_GAP = 1.0
EARLY = 0.1


@clause(
    "CON-1",
    Level.MUST,
    Binds.CLIENT,
    f"After a close or an abort by the service the client is back within {BACK_WITHIN:.0f} s.",
    source="S22: 第一次正常连接后, 后面断开连接 会自动重连; observed: after 3 s (Node) to 10 s (Java)",
)
def client_comes_back(history: History) -> Iterator[Finding]:
    """Servers are restarted every day. Where the service was kept away on purpose, or answered oddly, a client cannot
    be back; when a lasting fault is over, it may first have to give up an attempt that led nowhere.
    """
    for name, conversation in history.conversations.items():
        closed, client = conversation.closed, history.fleet.owner(name)
        if closed is None or closed.event.by == "client" or not conversation.accepted:
            continue
        back = history.fleet.first_after(Accepted, closed.entry, client)
        if back and history.between(closed.entry, back.entry) <= BACK_WITHIN:
            yield held(closed.entry, back.entry)
            continue
        calm = history.calm(closed.entry, BACK_WITHIN, client)
        if calm is None or _excused(history, conversation, closed.entry, calm):
            continue
        limit = BACK_WITHIN if calm is closed.entry else BACK_WITHIN + CONNECTACK_PATIENCE
        away = history.between(calm, back.entry) if back else 0.0
        if back and away <= limit:
            yield held(closed.entry, back.entry)
        elif why := history.overdue(calm, limit, client=client):
            what = f"back only after {away:.1f} s" if back else f"not back; {why}"
            evidence = dict.fromkeys([closed.entry, calm, *([back.entry] if back else [])])
            yield broken(f"the client was {what}", *evidence)


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
            tried_anew = bisect_left(anew, before.seq) != bisect_left(anew, after.seq)
            if not alone or tried_anew or history.delayed(before, after, client):
                continue
            gap = history.between(before, after)
            if gap < ATTEMPT_GAP - EARLY:
                yield broken(f"{gap:.3f} s between two attempts", before, after)
            else:
                yield held(before, after)


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


def _excused(history: History, conversation: Conversation, closed: Entry, calm: Entry) -> bool:
    """Whether the client need not, or could not, be back after its connection was closed, or after what hindered it
    then.
    """
    client = history.fleet.owner(conversation.connection)
    begun = conversation.opened.entry if conversation.opened else history.trace.entries[0]
    # The client may be stopped, or the service be taken away, just before the connection ends.
    stopped = history.fleet.first_after(ClientStopped, begun, client)
    reasons = (history.act(closed, client), stopped and stopped.entry, history.unreachable(begun))
    return any(entry and history.between(calm, entry) < BACK_WITHIN for entry in reasons)
