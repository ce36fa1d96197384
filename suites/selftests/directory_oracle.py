"""Who must get a message, and in which group: a reading of the trace from its beginning, for each question anew.

It answers with spans of time: from when until when was there a grant, a permission, a subscription?
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, TypeAlias

from tmcfakes.service import App
from tmcspec.events import (
    Authorised,
    Cancelled,
    Dropped,
    Event,
    GroupCreated,
    GroupDeleted,
    Permitted,
    Produced,
    Subscribed,
    TopicGrouped,
    UserGrouped,
)
from tmcspec.routing import Environment
from tmcspec.trace import Entry

APPS = (
    App(key="1", secret="one", groups=frozenset({"vip"}), topics=frozenset({"a", "b"})),
    App(key="2", secret="two"),
    App(key="3", secret="three", subscribed=False),
)
USERS = {"u": 1, "v": 2}
TOPICS = ("a", "b", "c")

#: From when until when, and what of: topics, None for all.
Span: TypeAlias = tuple[float, float, "tuple[str, ...] | None"]

#: Whether something must be so: True, False, or None when either will do.
Verdict: TypeAlias = "bool | None"


class Oracle:
    """What a trace says, read anew for each question. Slow, and hardly able to be wrong.

    Args:
        entries: the trace.
        cache: seconds for which what has ended may still be found.
    """

    def __init__(self, entries: Sequence[Entry], *, cache: float) -> None:
        self.entries = entries
        self.cache = cache

    # Spans of time

    def _spans(self, first: tuple[str, ...] | None, told: Iterator[tuple[float, float, Any]]) -> list[Span]:
        """Each thing that is told holds until the next is, or until an end of its own."""
        spans: list[Span] = [(0.0, inf, first)]
        for time, end, what in told:
            begin, before, was = spans[-1]
            spans[-1] = begin, min(before, time), was
            spans.append((time, end, what))
        return spans

    def grants(self, app: str, user: int) -> list[Span]:
        def told() -> Iterator[tuple[float, float, Any]]:
            for entry in self.entries:
                event = entry.event
                if isinstance(event, Authorised) and (event.app_key, event.user_id) == (app, user):
                    yield entry.time, inf if event.until is None else event.until, None

        return self._spans((), told())

    def permissions(self, app: str, user: int) -> list[Span]:
        def told() -> Iterator[tuple[float, float, Any]]:
            for entry in self.entries:
                event = entry.event
                if isinstance(event, Permitted | Cancelled) and (event.app_key, event.user_id) == (app, user):
                    yield entry.time, inf, event.topics if isinstance(event, Permitted) else ()

        return self._spans((), told())

    def subscriptions(self, app: str) -> list[Span]:
        def told() -> Iterator[tuple[float, float, Any]]:
            for entry in self.entries:
                if isinstance(entry.event, Subscribed) and entry.event.app_key == app:
                    yield entry.time, inf, entry.event.topics

        config = next(each for each in APPS if each.key == app)
        every = None if config.topics is None else tuple(config.topics)
        return self._spans(every if config.subscribed else (), told())

    def found(self, spans: list[Span], topic: str | None, now: float) -> Verdict:
        """Whether a topic (None for any at all) is found in these spans."""
        ends = [
            (begin, end)
            for begin, end, topics in spans
            if topics is None or (topics if topic is None else topic in topics)
        ]
        if any(begin <= now < end for begin, end in ends):
            return True
        return None if any(begin <= now < end + self.cache for begin, end in ends) else False

    def granted(self, app: str, user: int, now: float) -> Verdict:
        return self.found(self.grants(app, user), "any", now)

    def permitted(self, app: str, user: int, topic: str | None, now: float) -> Verdict:
        return self.found(self.permissions(app, user), topic, now)

    def subscribed(self, app: str, topic: str | None, now: float) -> Verdict:
        return self.found(self.subscriptions(app), topic, now)

    def receives(self, app: str, user: int, topic: str, now: float) -> Verdict:
        return together(
            self.granted(app, user, now), self.permitted(app, user, topic, now), self.subscribed(app, topic, now)
        )

    # Groups

    def knows(self, user: int, app: str | None = None) -> bool:
        """Whether a user ever granted an app, or any, access."""
        return any(
            isinstance(event, Authorised) and event.user_id == user and app in (None, event.app_key)
            for event in self.events()
        )

    def groups(self, app: str) -> list[str]:
        found = ["default", *sorted(next(each for each in APPS if each.key == app).groups - {"default"})]
        for event in self.events():
            if isinstance(event, GroupCreated) and event.app_key == app:
                found.append(event.group)
            elif isinstance(event, GroupDeleted) and event.app_key == app:
                found.remove(event.group)
        return found

    def user_group(self, app: str, user: int | None) -> str | None:
        group = None
        for event in self.events():
            if isinstance(event, UserGrouped) and (event.app_key, event.user_id) == (app, user):
                group = event.group
            elif isinstance(event, GroupDeleted) and (event.app_key, event.group) == (app, group):
                group = None
        return group

    def topic_group(self, app: str, topic: str) -> str | None:
        group = None
        for event in self.events():
            if isinstance(event, TopicGrouped) and (event.app_key, event.topic) == (app, topic):
                group = event.group
            elif isinstance(event, GroupDeleted) and (event.app_key, event.group) == (app, group):
                group = None
        return group

    def route(self, app: str, topic: str, *, user: int | None, named: str | None) -> tuple[str, str]:
        for group, routed in ((named, "named"), (self.user_group(app, user), "user")):
            if group is not None:
                return group, routed
        group = self.topic_group(app, topic)
        return ("default", "default") if group is None else (group, "topic")

    def may_fill(self, app: str, group: str) -> bool:
        """Whether users and topics may be put into a group, which may have to be created."""
        groups = self.groups(app)
        if group in groups:
            return group != "default"
        return len(groups) - 1 < 50 and not group.startswith("default") and 1 <= len(group) <= 32

    def waiting(self, app: str, group: str, environment: Environment) -> set[int]:
        """The messages of a group that were not lost with it."""
        found: set[int] = set()
        for event in self.events():
            if isinstance(event, Produced) and (event.app_key, event.group, event.environment) == (
                *(app, group),
                environment,
            ):
                found.add(event.message)
            elif isinstance(event, Dropped):
                found.discard(event.message)
        return found

    def events(self) -> Iterator[Event]:
        return (entry.event for entry in self.entries)


def together(*verdicts: Verdict) -> Verdict:
    """What follows for all from what each says."""
    if False in verdicts:
        return False
    return None if None in verdicts else True
