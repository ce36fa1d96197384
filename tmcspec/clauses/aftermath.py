"""What became of the ordinary messages behind something."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tmcspec.clauses.base import Finding, broken
from tmcspec.clauses.connection import BACK_WITHIN
from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History
from tmcspec.events import Attempted, Opened
from tmcspec.trace import Entry

T = TypeVar("T")


class _Line:
    """The messages of one client, or of all: where each was pushed, last first; and for each, the first from there on
    that was answered, or never will be.
    """

    def __init__(self) -> None:
        self.places: list[int] = []
        self.answered: list[tuple[Delivery, Entry] | None] = []
        self.ignored: list[tuple[Delivery, str] | None] = []

    def behind(self, entry: Entry, found: Sequence[T | None]) -> T | None:
        index = bisect_left(self.places, -entry.seq)
        return found[index - 1] if index else None


class Later:
    """The ordinary messages whose handler succeeds: which were answered, and which never will be."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._lines: dict[str | None, _Line] = {}
        for delivery in reversed(history.deliveries):
            if delivery.instruction.outcome == "ok" and history.plain(delivery):
                self._add(delivery)

    def answered(self, entry: Entry, client: str | None) -> tuple[Delivery, Entry] | None:
        """The first message pushed after `entry` to a client that was answered, and where; None for any client."""
        line = self._lines.get(client)
        return line.behind(entry, line.answered) if line else None

    def ignored(self, entry: Entry, client: str | None) -> tuple[Delivery, str] | None:
        """The first message pushed after `entry` to a client that never will be answered, and why; None for any
        client.
        """
        line = self._lines.get(client)
        return line.behind(entry, line.ignored) if line else None

    def _add(self, delivery: Delivery) -> None:
        # A client that confirms a wrong id has survived, too.
        wrong = self._history.misread(delivery.id)
        sign = delivery.confirmed_by.entry if delivery.confirmed_by else wrong and wrong.witness
        why = None if sign or self._given_up(delivery) else self._history.unanswered(delivery)
        for client in {self._history.fleet.owner(delivery.connection), None}:
            line = self._lines.setdefault(client, _Line())
            line.places.append(-delivery.pushed.seq)
            line.answered.append((delivery, sign) if sign else _last(line.answered))
            line.ignored.append((delivery, why) if why else _last(line.ignored))

    def _given_up(self, delivery: Delivery) -> bool:
        """Whether the connection was closed with this message in hand: the client gets it again."""
        closed = self._history.conversations[delivery.connection].closed
        if closed is None:
            return False
        return self._history.between(delivery.sent, closed.entry) < self._history.trace.patience


def left_for_good(history: History, entry: Entry, connection: str) -> Iterator[Finding]:
    """A finding when the client closed this connection upon `entry` and never opened another one."""
    conversation = history.conversations[connection]
    closed = conversation.closed
    if closed is None or closed is conversation.cut or closed.seq < entry.seq:
        return
    if history.between(entry, closed.entry) > history.trace.patience:
        return  # it closed for another reason
    client = history.fleet.owner(connection)
    tries = (history.fleet.first_after(kind, closed.entry, client) for kind in (Opened, Attempted))
    if not any(tries) and (why := history.overdue(closed.entry, BACK_WITHIN, client=client)):
        yield broken(f"the client closed the connection and did not come back; {why}", entry, closed.entry)


def _last(items: Sequence[T | None]) -> T | None:
    return items[-1] if items else None
