"""What the console's events have told so far: who granted what to whom, and whose messages go to which group.

What was so before the first event about it is not known: apps begin with groups and subscriptions of which no event
tells. Only of users there are none at first, so a trace that shows a service from its beginning tells everything about
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.events import (
    Authorised,
    Cancelled,
    GroupDeleted,
    Permitted,
    Produced,
    Subscribed,
    TopicGrouped,
    UserGrouped,
)
from tmcspec.routing import EVERYTHING
from tmcspec.trace import Entry


class Placed(NamedTuple):
    """The group that a user or a topic is in, None for none; and the event that says so, None for how it all began."""

    group: str | None
    entry: Entry | None


class Over(NamedTuple):
    """Something that a message needs does not hold any more: what, since when, and the event that ended it."""

    what: str
    since: float
    entry: Entry


@dataclass(slots=True, kw_only=True)
class Topics:
    """A set of topics, and which event took out what is not in it any more.

    Attributes:
        names: what is in it, None for every topic.
        left: by topic, the event that took it out.
        all_left: the event before which it held every topic, or nobody knows which.
    """

    names: frozenset[str] | None
    left: dict[str, Entry] = field(default_factory=dict)
    all_left: Entry | None = None

    def replace(self, names: tuple[str, ...] | None, entry: Entry) -> None:
        """From now on these are in it, and no others."""
        before, self.names = self.names, None if names is None or EVERYTHING in names else frozenset(names)
        if self.names is None:
            return
        if before is None:
            self.all_left = entry
        else:
            self.left.update(dict.fromkeys(before - self.names, entry))

    def has(self, topic: str) -> bool:
        return self.names is None or topic in self.names

    def never_had(self, topic: str) -> bool:
        """Whether a topic is known to have been in it at no time."""
        return not self.has(topic) and self.gone(topic) is None

    def gone(self, topic: str) -> Entry | None:
        """The last event that took a topic out; None when it is in it, or never was."""
        if self.has(topic):
            return None
        ends = [entry for entry in (self.left.get(topic), self.all_left) if entry]
        return max(ends, key=lambda entry: entry.seq, default=None)


class Registry:
    """What is known at one place of a trace.

    Args:
        whole: whether the trace shows the service from its beginning, so that users of whom it tells nothing have
            granted nothing and are in no group.
    """

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self._grants: dict[tuple[str, int], At[Authorised]] = {}
        self._permitted: dict[tuple[str, int], Topics] = {}
        self._subscribed: dict[str, Topics] = {}
        self._user_groups: dict[tuple[str, int], At[UserGrouped]] = {}
        self._topic_groups: dict[tuple[str, str], At[TopicGrouped]] = {}
        self._deleted: dict[tuple[str, str], Entry] = {}

    def read(self, entry: Entry) -> None:
        """The next entry."""
        match entry.event:
            case Authorised(app_key=app_key, user_id=user) as event:
                self._grants[app_key, user] = At(entry=entry, event=event)
            case Permitted(app_key=app_key, user_id=user, topics=topics):
                self._permits(app_key, user).replace(topics, entry)
            case Cancelled(app_key=app_key, user_id=user):
                self._permits(app_key, user).replace((), entry)
            case Subscribed(app_key=app_key, topics=topics):
                self._subscribed.setdefault(app_key, Topics(names=None)).replace(topics, entry)
            case UserGrouped(app_key=app_key, user_id=user) as event:
                self._user_groups[app_key, user] = At(entry=entry, event=event)
            case TopicGrouped(app_key=app_key, topic=topic) as event:
                self._topic_groups[app_key, topic] = At(entry=entry, event=event)
            case GroupDeleted(app_key=app_key, group=group):
                self._deleted[app_key, group] = entry

    def _permits(self, app_key: str, user: int) -> Topics:
        return self._permitted.setdefault((app_key, user), Topics(names=frozenset() if self.whole else None))

    # Groups

    def user_group(self, message: Produced) -> Placed | None:
        """The group of a message's user in its app; None when that is not known."""
        if message.user_id is None:
            return Placed(None, None)
        return self._placed(self._user_groups.get((message.app_key, message.user_id)))

    def topic_group(self, message: Produced) -> Placed | None:
        """The group that a message's topic is bound to; None when that is not known."""
        return self._placed(self._topic_groups.get((message.app_key, message.topic)))

    def deleted(self, message: Produced) -> Entry | None:
        """Where the group of a message was last deleted."""
        return self._deleted.get((message.app_key, message.group))

    def _placed(self, at: At[UserGrouped] | At[TopicGrouped] | None) -> Placed | None:
        if at is None:
            return Placed(None, None) if self.whole else None
        if at.event.group is None:
            return Placed(None, at.entry)
        deleted = self._deleted.get((at.event.app_key, at.event.group))
        # Nobody is in a group that is not there.
        return Placed(None, deleted) if deleted and deleted.seq > at.seq else Placed(at.event.group, at.entry)

    # Relations

    def grant(self, message: Produced) -> At[Authorised] | None:
        """The last grant of a broadcast's user to its app."""
        return self._grants.get((message.app_key, message.user_id)) if message.user_id is not None else None

    def permission(self, message: Produced) -> Topics | None:
        """The topics that its app takes of a broadcast's user; None when that is not known, or there are none."""
        return self._permitted.get((message.app_key, message.user_id)) if message.user_id is not None else None

    def over(self, message: Produced, now: float) -> Over | None:
        """What a message needs to be produced, and ended by `now`; of several, what ended first."""
        found = []
        subscribed = self._subscribed.get(message.app_key)
        if subscribed and (entry := subscribed.gone(message.topic)):
            found.append(Over("the subscription", entry.time, entry))
        if message.kind == "broadcast":
            permitted, grant = self.permission(message), self.grant(message)
            if permitted and (entry := permitted.gone(message.topic)):
                found.append(Over("the permission", entry.time, entry))
            until = inf if grant is None or grant.event.until is None else grant.event.until
            # A grant that ended before the service was told of it ended when it was told.
            if grant and (since := max(until, grant.time)) <= now:
                found.append(Over("the grant", since, grant.entry))
        return min(found, key=lambda over: over.since, default=None)


def told(history: History) -> Iterator[tuple[Entry, Registry]]:
    """Each entry of a trace, with what was known there. It is one registry, so look at it before going on."""
    entries = history.trace.entries
    registry = Registry(whole=history.trace.world != "recorded" and bool(entries) and entries[0].seq == 1)
    for entry in entries:
        registry.read(entry)
        yield entry, registry
