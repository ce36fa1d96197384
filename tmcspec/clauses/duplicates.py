"""DUP: what comes twice is handled once."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.deliveries import Answer, Life
from tmcspec.clauses.history import History
from tmcspec.clauses.honesty import HONEST_DELAY, TELLING_DELAY
from tmcspec.events import ClientDied, Handled
from tmcspec.messages import Confirm
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause


@clause(
    "DUP-1",
    Level.MUST,
    Binds.CLIENT,
    "The same business key twice is handled once, also when the client is started again in between and also when two "
    "copies arrive at once; a copy is confirmed only when the key has been handled.",
    source="S41: 务必要在业务层面进行去重处理; S42; observed: official Java confirms a copy while the first is being "
    "handled",
    needs_handlers=True,
    capability="dedupe",
)
def copies_are_handled_once(history: History) -> Iterator[Finding]:
    """The service delivers at least once, and the same fact may come under two ids. A client that confirms a copy
    before the first has been handled loses both when that one fails: then the key has not been handled, and a copy must
    be. A handler whose process died may have to be called again. Who keeps keys for itself alone cannot know what other
    clients have handled, so this is about one client.
    """
    # Whose a key is, nobody knows of several clients; nor what it is, where bytes became others.
    if history.fleet.several or history.corruption:
        return
    successes: dict[int, list[Entry]] = {}
    for at in history.events(Handled):
        life = history.meant(at.event.message) if at.event.outcome == "ok" else None
        group = history.copies.of(life) if life else None
        if group:
            successes.setdefault(id(group), []).append(at.entry)
    for group in history.copies.groups:
        if sum(len(life.handed) for life in group) > 1:
            yield from _once(history, group, successes.get(id(group), []))


def _once(history: History, group: list[Life], successes: list[Entry]) -> Iterator[Finding]:
    """Findings about messages with one key, which was handled there."""
    again = successes[1] if len(successes) > 1 else None
    death = history.first_after(ClientDied, successes[0]) if successes else None
    if again and (death is None or death.seq > again.seq):
        yield broken(f"{_named(group)} have one key, which was handled {len(successes)} times", *successes)
    elif successes:
        yield held(*successes)
    for life in group:
        # Those that came to their handlers are the matter of ACK-2 and ACK-3.
        for handing in (each for each in life.handed if not each.received):
            for answer in handing.answers:
                if isinstance(answer.message, Confirm) and (finding := _honest(history, group, answer, successes)):
                    yield finding


def _honest(history: History, group: list[Life], confirm: Answer, successes: list[Entry]) -> Finding | None:
    """A finding about a confirm; None when nothing shows whether the key had been handled."""
    if successes and successes[0].seq < confirm.entry.seq:
        return held(successes[0], confirm.entry)
    begun = [life.handed[0].entry for life in group if life.handed and life.handed[0].entry.seq < confirm.entry.seq]
    first = min(begun, key=lambda entry: entry.seq)
    message = f"{confirm.message.id} was confirmed before its key was handled"
    # In a live run only a handler that was told to take its time is evidence.
    delays = (inf if life.instruction.outcome == "hang" else life.instruction.delay for life in group)
    due, worked = min(delays), history.between(first, confirm.entry)
    if history.trace.world == "simulated" or (history.measured and worked < due * HONEST_DELAY):
        return broken(message, first, confirm.entry)
    return held(first, confirm.entry) if history.measured and due >= TELLING_DELAY else None


def _named(group: list[Life]) -> str:
    """The messages that were handed out, the first few of them."""
    ids = [str(life.id) for life in group if life.handed]
    shown = ids[:3] if len(ids) <= 3 else [*ids[:3], "…"]
    return ", ".join(shown)
