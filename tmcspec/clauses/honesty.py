"""Whether a confirm is honest: its handler was done.

A handler told to take its time is the proof: what an adapter prints and what the wire shows come by different ways, so
only in simulation does their order count. A message that comes again is one that the handler may have done before.
"""

from __future__ import annotations

from tmcspec.clauses.base import Finding, broken, held
from tmcspec.clauses.conversation import Said
from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History

#: Part of a handler's delay that must be over before a confirm can be honest. Timers fire early, and clocks differ, by
#: a little.
HONEST_DELAY = 0.8

#: A handler that works shorter than this proves nothing about order in a live run, in seconds.
TELLING_DELAY = 0.2


def honest(history: History, delivery: Delivery, confirm: Said) -> Finding | None:
    """A finding about the confirm of a delivery; None when nothing shows whether its handler was done. A copy that was
    kept from its handler is the matter of DUP-1.
    """
    if delivery.received is None and history.copies.has_any(delivery.life):
        return None
    simulated = history.trace.world == "simulated"
    begun = delivery.life.begun
    start = begun if begun and begun.number < delivery.number else delivery
    worked = max(0.0, history.between(start.entry, confirm.entry))  # sums of floats differ in their last digits
    due = delivery.instruction.delay
    done = [at for at in (delivery.handled, delivery.life.succeeded) if at]
    # What the handler was told, it was not when a fault made something else of it.
    told = not history.changed(delivery)
    if delivery.instruction.outcome == "hang" and told:
        return broken(f"{delivery.id} was confirmed while its handler hangs", delivery.pushed.entry, confirm.entry)
    if history.measured and worked < due * HONEST_DELAY and told:
        return broken(
            f"{delivery.id} was confirmed {worked:.3f} s after its push; its handler works for {due:.3f} s",
            start.entry,
            confirm.entry,
        )
    if simulated and not any(at.seq < confirm.entry.seq for at in done):
        evidence = [delivery.pushed.entry, confirm.entry, *(at.entry for at in done[:1])]
        return broken(f"{delivery.id} was confirmed before its handler was done", *evidence)
    if simulated or (history.measured and due >= TELLING_DELAY and told):
        return held(start.entry, confirm.entry)
    return None
