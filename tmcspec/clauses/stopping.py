"""What a client that is stopped gracefully does with the messages that it has in hand."""

from __future__ import annotations

from collections.abc import Iterator

from tmcspec.clauses.base import Finding, broken, held
from tmcspec.clauses.conversation import Conversation
from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History
from tmcspec.clauses.honesty import honest
from tmcspec.clauses.timeline import At
from tmcspec.events import ClientStopped

#: Seconds that a handler must have been done before its client closes the connection, outside a simulation: what an
#: adapter reports and what the wire shows come by different ways, so their order is no evidence when they are close.
TELLING = 0.5


def findings_of_stops(history: History) -> Iterator[Finding]:
    """What became of each message that a client had in hand when it was stopped."""
    on: dict[str, list[Delivery]] = {}
    for delivery in history.deliveries:
        on.setdefault(delivery.connection, []).append(delivery)
    for name, deliveries in on.items():
        stop = _stop(history, history.conversations[name])
        for delivery in deliveries if stop else ():
            if stop and not _answered_before(delivery, stop) and (finding := _finding(history, delivery, stop)):
                yield finding


def _stop(history: History, conversation: Conversation) -> At[ClientStopped] | None:
    """The first stop of a client while it had a connection; None when nobody knows whether there was one."""
    opened, owner = conversation.opened, history.fleet.owner(conversation.connection)
    if opened is None or (owner is None and history.fleet.several):
        return None
    stop = history.fleet.first_after(ClientStopped, opened.entry, owner)
    over = conversation.closed
    return stop if stop and (over is None or stop.seq < over.seq) else None


def _answered_before(delivery: Delivery, stop: At[ClientStopped]) -> bool:
    return any(answer.entry.seq < stop.seq for answer in delivery.answers)


def _finding(history: History, delivery: Delivery, stop: At[ClientStopped]) -> Finding | None:
    if delivery.absent or history.naming.mistaken_for(delivery.id) or history.misread(delivery.id):
        return None
    if confirm := delivery.confirm:
        return honest(history, delivery, confirm)
    closed = history.conversations[delivery.connection].closed
    # Only where the client itself closed, could it have done something before.
    if closed is None or closed.event.by != "client":
        return None
    done = delivery.handled
    if done is None or done.event.outcome != "ok" or done.seq > closed.seq:
        return held(stop.entry, closed.entry)
    answers = (delivery.confirmed_by, delivery.failed_by)
    if any(answer and answer.entry.seq < closed.seq for answer in answers):
        return held(done.entry, closed.entry)
    simulated = history.trace.world == "simulated"
    if not simulated and done.seq > stop.seq and history.between(done.entry, closed.entry) < TELLING:
        return None
    if history.hindered(stop.entry, history.between(stop.entry, closed.entry), on=delivery.connection):
        return None
    return broken(f"{delivery.id} was handled, and not confirmed before the client left", done.entry, closed.entry)
