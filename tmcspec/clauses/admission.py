"""Who had to be let in, and who had not, as far as the console's events and earlier answers tell.

Apps begin with groups and subscriptions of which no event tells. But `default` is always there (S14), what the console
did to the others is told, and who was let in once had a subscription then. Where a trace does not show everything, what
was there once may be gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tmcspec.clauses.conversation import Handshake
from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.events import Accepted, GroupCreated, GroupDeleted, Subscribed
from tmcspec.messages import Connect
from tmcspec.routing import DEFAULT_GROUP
from tmcspec.timing import SUBSCRIPTION_CACHE
from tmcspec.trace import Entry

#: "About five minutes" (S54) means within one more.
CACHE_TOLERANCE = 60.0

_Told: TypeAlias = At[Subscribed] | At[GroupCreated] | At[GroupDeleted] | At[Accepted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was known of an app and one of its groups when somebody asked to be let in.

    Attributes:
        missing: the subscription or the group that certainly is not there, in words, and the event that took it away;
            None when there may be both.
        certain: there certainly are both.
    """

    missing: tuple[str, Entry] | None
    certain: bool


class Admission:
    """Reads a history once, from its first handshake to its last."""

    def __init__(self, history: History) -> None:
        self._complete = history.complete
        # By app, and by app and group: whether it is there, and the event that says so.
        self._subscribed: dict[str, tuple[bool, Entry]] = {}
        self._groups: dict[tuple[str, str], tuple[bool, Entry]] = {}
        told: list[_Told] = [
            *history.events(Subscribed),
            *history.events(GroupCreated),
            *history.events(GroupDeleted),
            *history.events(Accepted),
        ]
        self._told = sorted(told, key=lambda at: at.seq, reverse=True)

    def standings(self, handshakes: list[Handshake]) -> Iterator[tuple[Handshake, Standing]]:
        """What was known when each of these CONNECTs was looked at."""
        looked_at = [(handshake.signed.entry, handshake) for handshake in handshakes if handshake.signed]
        for entry, handshake in sorted(looked_at, key=lambda each: each[0].seq):
            while self._told and self._told[-1].seq < entry.seq:
                self._read(self._told.pop())
            said = handshake.connect.message
            if isinstance(said, Connect) and not (handshake.tampered or handshake.connect.lost):
                yield handshake, self._standing(said.app_key, said.group, entry)
            else:
                yield handshake, Standing(missing=None, certain=False)

    def _read(self, at: _Told) -> None:
        match at.event:
            case Subscribed(app_key=app_key, topics=topics):
                self._subscribed[app_key] = topics is None or bool(topics), at.entry
            case GroupCreated(app_key=app_key, group=group):
                self._groups[app_key, group] = True, at.entry
            case GroupDeleted(app_key=app_key, group=group):
                self._groups[app_key, group] = False, at.entry
            case event:
                self._subscribed.setdefault(event.app_key, (True, at.entry))
                self._groups.setdefault((event.app_key, event.group), (True, at.entry))

    def _standing(self, app_key: str, group: str, entry: Entry) -> Standing:
        subscribed, there = self._subscribed.get(app_key), self._groups.get((app_key, group))
        if subscribed and not subscribed[0]:
            faded = entry.time > subscribed[1].time + SUBSCRIPTION_CACHE + CACHE_TOLERANCE
            return Standing(
                missing=("its app has subscribed to nothing", subscribed[1]) if faded else None, certain=False
            )
        if there and not there[0]:
            return Standing(missing=(f"group {group!r} was deleted", there[1]), certain=False)
        known = subscribed is not None and (group == DEFAULT_GROUP or there is not None)
        return Standing(missing=None, certain=known and self._complete)
