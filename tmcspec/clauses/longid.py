"""LID: 64-bit ids, exact from the push to the confirm."""

from __future__ import annotations

from collections.abc import Iterator

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.consumption import Consumption
from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.events import ClientDied, Fault, Pushed
from tmcspec.frame_values import show
from tmcspec.ids import misreadings

CLAUSES = Catalogue()
clause = CLAUSES.clause


@clause(
    "LID-1",
    Level.MUST,
    Binds.CLIENT,
    "Every 64-bit id is confirmed exactly: above 2^53, 2^63-1, negative ones too.",
    source="S62: 确认消息outgoingId long型精度丢失, 导致无法正常确认; all captured ids have 19 digits",
)
def long_ids_are_confirmed_exactly(history: History) -> Iterator[Finding]:
    """A rounded id confirms nothing, so the message comes again every six minutes, or it confirms somebody else's
    (LID-3).
    """
    # The ways to lose an id that the client has shown not to use.
    survived: set[str] = set()
    for delivery in history.deliveries:
        readings = set(misreadings(delivery.id))
        wrong = history.misread(delivery.id)
        death = history.death(delivery.pushed.entry, history.fleet.owner(delivery.connection))
        if not readings:
            continue
        if confirm := delivery.confirmed_by:
            survived |= readings
            yield held(delivery.pushed.entry, confirm.entry)
        elif wrong and history.produced(wrong.value) is None:
            yield broken(
                f"{delivery.id} became {wrong.value} (read as {wrong.reading})", delivery.pushed.entry, wrong.witness
            )
        elif death and not wrong and not readings <= survived and _died_of(history, delivery, death):
            yield broken(
                f"the client died ({death.event.status}) with {delivery.id} in hand",
                delivery.pushed.entry,
                death.entry,
            )


@clause(
    "LID-2",
    Level.MUST,
    Binds.CLIENT,
    "Over HTTP, where ids are JSON numbers, every 64-bit id is confirmed exactly, too.",
    source="S62: 确认消息outgoingId long型精度丢失, 导致无法正常确认; observed: PHP shows 7.2315018607813E+18",
)
def long_ids_are_confirmed_exactly_over_http(history: History) -> Iterator[Finding]:
    """Many readers of JSON have no other numbers than doubles. A confirm of a neighbour that was consumed as well is
    found where the neighbour is named twice, or its handler was told not to succeed.
    """
    consumption = Consumption(history)
    told: set[int] = set()  # ids that something was found of
    for confirming in consumption.confirms:
        names: set[int | None] = set()
        for number, named in enumerate(confirming.named):
            consumed = consumption.consumed(confirming, named.value)
            lost = consumption.mistaken_for(confirming, named.value)
            fits = number >= len(confirming.handled) or _may_succeed(history, named.value)
            own = consumed and fits and named.value not in names
            names.add(named.value)
            if lost and not own and lost.id not in told:
                told.add(lost.id)
                yield broken(
                    f"{lost.id} became {named.text} (read as {lost.reading})",
                    consumption.ids(confirming).consumed[lost.id],
                    confirming.entry,
                )
            elif named.rounded and (long := consumption.ids(confirming).long) and long.seq < confirming.entry.seq:
                yield broken(f"an id became {show(named.text)}", long, confirming.entry)
            elif consumed and named.value is not None and named.value not in told and misreadings(named.value):
                told.add(named.value)
                yield held(consumed, confirming.entry)


@clause(
    "LID-3",
    Level.MUST,
    Binds.CLIENT,
    "No confirm ever settles a neighbour: with two messages pending, one id being what the other becomes in a lossy "
    "reading, each confirm names the message that was handled.",
    source="S62; observed: the Node SDK confirms …920 for …929, and the wrong message is settled",
)
def no_confirm_settles_a_neighbour(history: History) -> Iterator[Finding]:
    """This is the harm: the message that was settled is lost, and nobody knows. The neighbour need not have been
    pushed: a confirm settles what waits, too. A neighbour that was confirmed by its own name although its handler was
    told to fail is not this harm: its id was exact, and the lost failure is the business of ACK-3 alone.
    """
    for delivery in history.deliveries:
        neighbours = [value for value in misreadings(delivery.id).values() if history.produced(value)]
        if not neighbours or delivery.instruction.outcome != "ok":
            continue
        wrong = history.misread(delivery.id)
        neighbour = history.produced(wrong.value) if wrong else None
        if confirm := delivery.confirmed_by:
            yield held(delivery.pushed.entry, confirm.entry)
        elif wrong and neighbour:
            yield broken(
                f"{wrong.value} was confirmed for {delivery.id} (read as {wrong.reading}): it is settled and was not "
                "handled",
                delivery.pushed.entry,
                neighbour,
                wrong.witness,
            )


@clause(
    "LID-4",
    Level.SHOULD,
    Binds.CLIENT,
    "User ids reach the handler exactly.",
    source="observed: the Node SDK gives them as doubles, tmcpy without their sign",
    needs_handlers=True,
)
def user_ids_survive(history: History) -> Iterator[Finding]:
    """Real user ids are still below 2^53, so production does not show the loss yet."""
    for delivery in history.deliveries:
        sent = delivery.produced.event.user_id
        if sent is None or delivery.received is None or delivery.spoiled or not misreadings(sent):
            continue
        if history.changed(delivery):
            continue
        got = None if history.naming.mistaken_for(delivery.id) else delivery.received.event.user_id
        if got == sent:
            yield held(delivery.received.entry)
        elif got is not None:
            yield broken(f"user id {sent} reached the handler as {got}", delivery.pushed.entry, delivery.received.entry)


def _may_succeed(history: History, message: int | None) -> bool:
    """Whether a message may be confirmed, as far as it is known what its handler was told."""
    life = history.life(message) if message is not None else None
    return life is None or life.instruction.outcome == "ok"


def _died_of(history: History, delivery: Delivery, death: At[ClientDied]) -> bool:
    """Whether a client died right upon a delivery that had nothing special about it but its id."""
    content, told = delivery.produced.event.content, delivery.instruction
    if not history.plain(delivery) or not content or not content.isascii() or told.outcome != "ok":
        return False
    if delivery.answers or history.between(delivery.pushed.entry, death.entry) > history.trace.patience:
        return False
    following = (history.first_after(kind, delivery.pushed.entry) for kind in (Pushed, Fault))
    return not any(at and at.seq < death.seq for at in following)
