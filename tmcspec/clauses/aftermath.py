"""What became of the ordinary messages behind something."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tmcspec.clauses.base import Finding, broken
from tmcspec.clauses.connection import BACK_WITHIN
from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History
from tmcspec.events import Opened
from tmcspec.trace import Entry

T = TypeVar("T")


class Later:
    """The ordinary messages whose handler succeeds: which were answered, and which never will be."""

    def __init__(self, history: History) -> None:
        self._history = history
        # Where each was pushed, last first; and for each, the first from there on that was answered, or never will be.
        self._places: list[int] = []
        self._answered: list[tuple[Delivery, Entry] | None] = []
        self._ignored: list[tuple[Delivery, str] | None] = []
        for delivery in reversed(history.deliveries):
            if delivery.instruction.outcome == "ok" and history.plain(delivery):
                self._add(delivery)

    def answered(self, entry: Entry) -> tuple[Delivery, Entry] | None:
        """The first message pushed after `entry` that was answered, and where."""
        return self._behind(entry, self._answered)

    def ignored(self, entry: Entry) -> tuple[Delivery, str] | None:
        """The first message pushed after `entry` that never will be answered, and why."""
        return self._behind(entry, self._ignored)

    def _add(self, delivery: Delivery) -> None:
        # A client that confirms a wrong id has survived, too.
        wrong = self._history.misread(delivery.id)
        sign = delivery.confirmed_by.entry if delivery.confirmed_by else wrong and wrong.witness
        why = None if sign or self._given_up(delivery) else self._history.unanswered(delivery)
        self._places.append(-delivery.pushed.seq)
        self._answered.append((delivery, sign) if sign else _last(self._answered))
        self._ignored.append((delivery, why) if why else _last(self._ignored))

    def _given_up(self, delivery: Delivery) -> bool:
        """Whether the connection was closed with this message in hand: the client gets it again."""
        closed = self._history.conversations[delivery.connection].closed
        if closed is None:
            return False
        return self._history.between(delivery.sent, closed.entry) < self._history.trace.patience

    def _behind(self, entry: Entry, found: Sequence[T | None]) -> T | None:
        index = bisect_left(self._places, -entry.seq)
        return found[index - 1] if index else None


def left_for_good(history: History, entry: Entry, connection: str) -> Iterator[Finding]:
    """A finding when the client closed this connection upon `entry` and never opened another one."""
    conversation = history.conversations[connection]
    closed = conversation.closed
    if closed is None or closed is conversation.cut or closed.seq < entry.seq:
        return
    if history.between(entry, closed.entry) > history.trace.patience:
        return  # it closed for another reason
    if history.first_after(Opened, closed.entry) is None and (why := history.overdue(closed.entry, BACK_WITHIN)):
        yield broken(f"the client closed the connection and did not come back; {why}", entry, closed.entry)


def _last(items: Sequence[T | None]) -> T | None:
    return items[-1] if items else None
