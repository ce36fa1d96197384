"""CON: keeping the connection."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from math import inf

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import Conversation
from tmcspec.clauses.history import History
from tmcspec.events import Accepted, ClientDied, ClientStopped, Fault
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
    be back.
    """
    for conversation in history.conversations.values():
        closed = conversation.closed
        if closed is None or closed.event.by == "client" or not conversation.accepted:
            continue
        back = history.first_after(Accepted, closed.entry)
        away = history.between(closed.entry, back.entry) if back else 0.0
        why = history.overdue(closed.entry, BACK_WITHIN)
        if back and away <= BACK_WITHIN:
            yield held(closed.entry, back.entry)
        elif why and not _excused(history, conversation, closed.entry):
            what = f"back only after {away:.1f} s" if back else f"not back; {why}"
            evidence = [closed.entry, back.entry] if back else [closed.entry]
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
    if history.several_clients or not history.measured:
        return
    spans = [(each.opened, each.closed.seq if each.closed else inf) for each in history.conversations.values()]
    attempts = sorted(((at, end) for at, end in spans if at), key=lambda attempt: attempt[0].seq)
    over = 0.0  # where the last of the connections before was closed
    failed_starts = [entry.seq for entry in history.failed_starts]
    ends = [at.seq for kind in (ClientStopped, ClientDied) for at in history.events(kind)]
    anew = sorted([*failed_starts, *ends])  # where the next attempt became the application's
    for (before, end), (after, _) in pairwise(attempts):
        alone = over < before.seq and end < after.seq
        over = max(over, end)
        tried_anew = bisect_left(anew, before.seq) != bisect_left(anew, after.seq)
        if not alone or tried_anew:
            continue
        gap = history.between(before.entry, after.entry)
        if gap < ATTEMPT_GAP - EARLY:
            yield broken(f"{gap:.3f} s between two attempts", before.entry, after.entry)
        else:
            yield held(before.entry, after.entry)


def _excused(history: History, conversation: Conversation, closed: Entry) -> bool:
    """Whether the client need not, or could not, be back after its connection was closed."""
    begun = conversation.opened.entry if conversation.opened else history.trace.entries[0]
    # The client may be stopped, or the service be taken away, just before the connection ends.
    reasons = [at.entry for at in (history.first_after(Fault, closed), history.first_after(ClientStopped, begun)) if at]
    if away := history.unreachable(begun):
        reasons.append(away)
    return any(history.between(closed, entry) < BACK_WITHIN for entry in reasons)
