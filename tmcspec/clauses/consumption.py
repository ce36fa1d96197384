"""What apps consumed over HTTP, and by which names they confirmed it.

Over HTTP an id is a JSON number, so who reads numbers as doubles loses part of it (S62). As on the WebSocket, that is
the business of the LID clauses alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tmcspec.clauses.history import History
from tmcspec.clauses.requests import CONFIRM, Request
from tmcspec.clauses.timeline import At
from tmcspec.events import Consumed, Fault, HttpIn
from tmcspec.ids import misreadings
from tmcspec.trace import Entry

CONSUME = "taobao.tmc.messages.consume"

#: Of the pages of the API: how many messages a consume asks for, and how many ids a confirm names in each of its lists.
LEAST_QUANTITY, MOST_QUANTITY = 10, 200
MOST_IDS = 200

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


class Named(NamedTuple):
    """An id as a request names it; `value` is None when that is no integer."""

    text: str
    value: int | None

    @property
    def rounded(self) -> bool:
        """Whether it is a number that nobody writes who has read it as an integer, as 7.2315018607813E+18 (PHP)."""
        return self.value is None and _NUMBER.fullmatch(self.text) is not None


class Lost(NamedTuple):
    """An id, and the lossy reading by which it became another one."""

    id: int
    reading: str


@dataclass(slots=True, kw_only=True, eq=False)
class Confirming:
    """A confirm, and what it names: as handled, and in all."""

    request: Request
    handled: list[Named]
    named: list[Named]

    @property
    def entry(self) -> Entry:
        return self.request.at.entry


@dataclass(slots=True, eq=False)
class _Ids:
    """The ids that one app consumed.

    Attributes:
        consumed: by id, where first.
        exact: those that it confirmed as they are.
        lost: by lossy reading, the first of the others that it comes from.
        long: where the first one was consumed that some reading loses.
    """

    consumed: dict[int, Entry] = field(default_factory=dict)
    exact: set[int] = field(default_factory=set)
    lost: dict[int, Lost] = field(default_factory=dict)
    long: Entry | None = None


class Consumption:
    """All of it in one history.

    Attributes:
        confirms: the confirms that clients made, in order.
        complete: whether the trace shows all requests from the first on.
    """

    def __init__(self, history: History) -> None:
        first = next(history.events(HttpIn), None)
        self.complete = first is None or first.event.request == 1
        self.confirms = [_confirming(request) for request in requests_of_clients(history, CONFIRM)]
        self._apps: dict[str, _Ids] = {}
        for at in history.events(Consumed):
            request = history.requests.get(at.event.request, at.seq)
            if request and request.queue:
                self._ids(request.queue.app_key).consumed.setdefault(at.event.message, at.entry)
        for confirming in self.confirms:
            ids = self.ids(confirming)
            ids.exact |= {named.value for named in confirming.named if named.value in ids.consumed}
        for ids in self._apps.values():
            for id, entry in ids.consumed.items():
                readings = misreadings(id)
                if readings and ids.long is None:
                    ids.long = entry
                for reading, value in readings.items() if id not in ids.exact else ():
                    ids.lost.setdefault(value, Lost(id, reading))

    def ids(self, confirming: Confirming) -> _Ids:
        """The ids of the app that confirms."""
        queue = confirming.request.queue
        return self._ids(queue.app_key if queue else "")

    def _ids(self, app_key: str) -> _Ids:
        return self._apps.setdefault(app_key, _Ids())

    def consumed(self, confirming: Confirming, value: int | None) -> Entry | None:
        """Where an id was consumed before it was confirmed; None when it was not."""
        entry = self.ids(confirming).consumed.get(value) if value is not None else None
        return entry if entry and entry.seq < confirming.entry.seq else None

    def mistaken_for(self, confirming: Confirming, value: int | None) -> Lost | None:
        """The id that was consumed, never confirmed as it is, and becomes `value` in a lossy reading."""
        lost = self.ids(confirming).lost.get(value) if value is not None else None
        return lost if lost and self.consumed(confirming, lost.id) else None


def requests_of_clients(history: History, method: str | None = None) -> Iterator[Request]:
    """The requests to one method or to all, in order. Left out are those that a run made itself, to see what the
    service does about them: the trace tells of each in advance, by a fault named `request`. So are those that were
    made while bytes were corrupted: whose they are is not known, so it may have been theirs.
    """
    faults = (at.entry for at in history.events(Fault) if at.event.name == "request")
    made = {at.seq for fault in faults if (at := history.first_after(HttpIn, fault))}
    for at in history.events(HttpIn):
        request = history.requests.get(at.event.request, at.seq + 1)
        if history.corruption and history.corruption.anybody(at.entry):
            continue
        if request and at.seq not in made and method in (None, at.event.method):
            yield request


def handed_to(history: History) -> dict[int, list[At[Consumed]]]:
    """By place of the request, the messages that were handed to it."""
    found: dict[int, list[At[Consumed]]] = {}
    for at in history.events(Consumed):
        request = history.requests.get(at.event.request, at.seq)
        if request:
            found.setdefault(request.at.seq, []).append(at)
    return found


def quantity(request: Request) -> int | None:
    """How many messages a consume asks for; None when it does not say."""
    text = dict(request.at.event.arguments).get("quantity", "").strip()
    return int(text) if _INTEGER.fullmatch(text) else None


def _confirming(request: Request) -> Confirming:
    handled, failed = (_names(request, name) for name in ("s_message_ids", "f_message_ids"))
    return Confirming(request=request, handled=handled, named=handled + failed)


def _names(request: Request, parameter: str) -> list[Named]:
    """What one list names, each as often as it does."""
    text = dict(request.at.event.arguments).get(parameter, "")
    names = [each.strip() for each in text.split(",")] if text.strip() else []
    return [Named(name, int(name) if _INTEGER.fullmatch(name) else None) for name in names]
