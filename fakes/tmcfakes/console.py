"""The console: what the operator of an app does with its users, groups, topics and flow.

控制台操作和 消息API操作 效果相同 (S5): the methods of the HTTP gateway do nothing else than what is here. Everything
that changes is written into the trace, so that clauses can judge by it who had to get what.

Limits that a page of the API sets for one call, as how many nicks, are the gateway's; those that hold however something
is done are here: the number of groups, and what may be a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import get_args

from tmcfakes.delivering import Deliveries
from tmcfakes.directory import PLATFORM, Application, Directory, GroupSetting, Relation, User
from tmcfakes.effects import Outbox
from tmcspec.events import (
    Authorised,
    Cancelled,
    FlowSet,
    GroupCreated,
    GroupDeleted,
    ModeSet,
    Permitted,
    RetentionSet,
    Subscribed,
    TopicGrouped,
    UserGrouped,
)
from tmcspec.flow import Mode, check_value
from tmcspec.frame_values import show
from tmcspec.routing import DEFAULT_GROUP, EVERYTHING, GROUP_LIMIT, check_group_name, check_topics
from tmcspec.trace import TIME_LIMIT


class ConsoleError(ValueError):
    """What was asked cannot be done; `parameter` is what it fails at, as the API calls it."""

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(text)
        self.parameter = parameter


class Console:
    """The console of a service, at one moment of service time."""

    def __init__(self, *, directory: Directory, deliveries: Deliveries, outbox: Outbox) -> None:
        self.directory = directory
        self._deliveries = deliveries
        self._outbox = outbox

    @property
    def now(self) -> float:
        """The moment."""
        return self._outbox.now

    # Users

    def authorise(
        self,
        app_key: str,
        nick: str,
        *,
        user_id: int | None = None,
        platform: str = PLATFORM,
        until: float | None = None,
    ) -> Relation:
        """A user grants an app access; the relation has the session.

        Args:
            app_key: the app.
            nick, platform: the user.
            user_id: the user's number; by default the service draws one.
            until: when the grant ends, in seconds of service time; None for never.

        Raises:
            ConsoleError: no such app, no such nick, a number that is another user's or none, or an end that is no time.
        """
        app = self._app(app_key)
        if not nick:
            raise ConsoleError("nick", "a nick must not be empty")
        if not _can_be_written(nick):
            raise ConsoleError("nick", f"a nick must be text that UTF-8 can write, not {show(nick)}")
        if until is not None and not -TIME_LIMIT < until < TIME_LIMIT:
            raise ConsoleError("until", f"a grant ends at some time in seconds, or never (None); not {until!r}")
        try:
            user = self.directory.meet(nick, platform=platform, user_id=user_id)
        except ValueError as error:
            raise ConsoleError("user_id", str(error)) from None
        relation = self.directory.relate(app, user, until=inf if until is None else until)
        self._outbox.record(Authorised(app_key=app_key, user_id=user.user_id, nick=nick, until=until))
        return relation

    def revoke(self, app_key: str, nick: str, *, platform: str = PLATFORM) -> None:
        """A user takes the grant back. Raises ConsoleError: no such app, or no such user of it."""
        relation = self._relation(self._app(app_key), nick, platform)
        relation.until = min(relation.until, self.now)
        user = relation.user
        self._outbox.record(Authorised(app_key=app_key, user_id=user.user_id, nick=user.nick, until=self.now))

    def permit(self, app_key: str, nick: str, *, topics: Sequence[str] | None = None, platform: str = PLATFORM) -> None:
        """An app takes a user's messages about these topics and no others; None, or `*` among them, for all that it has
        subscribed to.

        Raises:
            ConsoleError: no such app or user, the grant is over, or a topic that the app has not subscribed to.
        """
        app = self._app(app_key)
        relation = self._relation(app, nick, platform)
        if self.now >= relation.until:
            raise ConsoleError("session", f"the grant of {show(nick)} for app {app_key!r} is over")
        chosen = None if topics is None or EVERYTHING in topics else self._topics(app, topics)
        relation.permitted.replace([EVERYTHING] if chosen is None else chosen, now=self.now, cache=self.directory.cache)
        relation.created = self.now if relation.created is None else relation.created
        relation.modified = self.now
        self._outbox.record(Permitted(app_key=app_key, user_id=relation.user.user_id, topics=chosen))

    def cancel(self, app_key: str, nick: str, *, platform: str = PLATFORM) -> bool:
        """An app takes no more messages of a user. Returns whether there is such a user of it."""
        app = self._app(app_key)
        user = self.directory.user(nick=nick, platform=platform)
        relation = app.relations.get(user.user_id) if user else None
        if relation is None:
            return False
        relation.permitted.replace((), now=self.now, cache=self.directory.cache)
        relation.modified = self.now
        self._outbox.record(Cancelled(app_key=app_key, user_id=relation.user.user_id))
        return True

    # Groups

    def create_group(self, app_key: str, group: str) -> None:
        """One more group. Raises ConsoleError: no such app, no name for a group, taken, or one too many (S61)."""
        app = self._app(app_key)
        if group in app.groups:
            raise ConsoleError("group_name", f"app {app_key!r} has a group {group!r} already")
        self._check_new_group(app, group)
        self._create_group(app, group)

    def add_to_group(self, app_key: str, group: str, nicks: Sequence[str], *, platform: str = PLATFORM) -> None:
        """Adds users to a group, which is created if it is not there. Those that are in it stay.

        Raises:
            ConsoleError: as `create_group`, but for taken; or a nick that is no user of the app.
        """
        app = self._app(app_key)
        self._check_new_group(app, group)
        relations = [self._relation(app, nick, platform) for nick in _listed("nicks", nicks)]
        if group not in app.groups:
            self._create_group(app, group)
        for relation in relations:
            relation.group = group
            self._outbox.record(UserGrouped(app_key=app_key, user_id=relation.user.user_id, group=group))

    def remove_from_group(self, app_key: str, group: str, nicks: Sequence[str], *, platform: str = PLATFORM) -> None:
        """Takes users out of a group, whose messages then go to `default`. With its last user a group is deleted.

        Raises:
            ConsoleError: no such app or group, or a nick that is not in it.
        """
        app = self._app(app_key)
        self._group(app, group)
        relations = [self._relation(app, nick, platform) for nick in _listed("nicks", nicks)]
        for relation in relations:
            if relation.group != group:
                raise ConsoleError("nicks", f"{show(relation.user.nick)} is not in group {group!r}")
        for relation in relations:
            relation.group = None
            self._outbox.record(UserGrouped(app_key=app_key, user_id=relation.user.user_id, group=None))
        if relations and not app.members(group):
            self.delete_group(app_key, group)

    def delete_group(self, app_key: str, group: str) -> None:
        """Deletes a group, in all environments, with the messages that are not settled.

        Raises:
            ConsoleError: no such app or group, or the default group.
        """
        app = self._app(app_key)
        self._group(app, group)
        if group == DEFAULT_GROUP:
            raise ConsoleError("group_name", f"the group {DEFAULT_GROUP!r} cannot be deleted")
        for relation in app.members(group):
            relation.group = None
            self._outbox.record(UserGrouped(app_key=app_key, user_id=relation.user.user_id, group=None))
        self._bind(app, [topic for topic, bound in app.topic_groups.items() if bound == group], None)
        del app.groups[group]
        self._outbox.record(GroupDeleted(app_key=app_key, group=group))
        self._deliveries.drop(app_key, group)

    def bind_topics(self, app_key: str, group: str, topics: Sequence[str]) -> None:
        """Messages about these topics go to a group, which is created if it is not there.

        Raises:
            ConsoleError: as `create_group`, but for taken; or a topic that the app has not subscribed to.
        """
        app = self._app(app_key)
        self._check_new_group(app, group)
        chosen = self._topics(app, topics)
        if group not in app.groups:
            self._create_group(app, group)
        self._bind(app, chosen, group)

    def unbind_topics(self, app_key: str, group: str, topics: Sequence[str]) -> None:
        """Topics are bound to a group no more. Raises ConsoleError: no such app or group, or a topic that is not."""
        app = self._app(app_key)
        self._group(app, group)
        for topic in _listed("topics", topics):
            if app.topic_groups.get(topic) != group:
                raise ConsoleError("topics", f"the topic {show(topic)} is not bound to group {group!r}")
        self._bind(app, dict.fromkeys(topics), None)

    def subscribe(self, app_key: str, topics: Sequence[str] | None) -> None:
        """An app has subscribed to these topics and no others; None, or `*` among them, for all, none of them to
        nothing at all.

        Raises:
            ConsoleError: no such app, or what is no name for a topic.
        """
        app = self._app(app_key)
        chosen = None if topics is None or EVERYTHING in topics else self._names(topics)
        app.subscribed.replace([EVERYTHING] if chosen is None else chosen, now=self.now, cache=self.directory.cache)
        self._outbox.record(Subscribed(app_key=app_key, topics=chosen))

    # Delivery

    def set_flow(self, app_key: str, group: str, value: int | None) -> None:
        """Sets the flow value of a group, in all environments; it is in force after a while (S45).

        Raises:
            ConsoleError: no such app or group, or no flow value.
        """
        self._group(self._app(app_key), group)
        try:
            check_value(value)
        except ValueError as error:
            raise ConsoleError("value", str(error)) from None
        self._outbox.record(FlowSet(app_key=app_key, group=group, value=value))
        self._deliveries.set_flow(app_key, group, value)

    def tell_flow(self, app_key: str, group: str) -> None:
        """Writes down the flow value that a group has without anybody having set one."""
        if (value := self._deliveries.flow.value) is not None:
            self._outbox.record(FlowSet(app_key=app_key, group=group, value=value))

    def set_mode(self, app_key: str, group: str, mode: Mode) -> None:
        """From now on a group is pushed, or pulled. Raises ConsoleError: no such app or group, or another mode."""
        setting = self._group(self._app(app_key), group)
        if mode not in get_args(Mode):
            raise ConsoleError("mode", f"mode is {show(mode)}; valid: {', '.join(get_args(Mode))}")
        setting.mode = mode
        self._outbox.record(ModeSet(app_key=app_key, group=group, mode=mode))
        self._deliveries.set_mode(app_key, group, mode)

    def set_retention(self, seconds: float) -> None:
        """Messages are kept so long from now on; those that are there, no longer than they were to be (S53:
        紧急情况下会进一步减少保留时间).

        Raises:
            ConsoleError: `seconds` is not more than 0, or what a trace cannot hold.
        """
        if not 0 < seconds < TIME_LIMIT:
            raise ConsoleError(
                "retention", f"retention must be more than 0 and less than 2^53 seconds, not {seconds!r}"
            )
        self._outbox.record(RetentionSet(seconds=seconds))
        self._deliveries.set_retention(seconds)

    # Looking up

    def user(self, app_key: str, nick: str, *, platform: str = PLATFORM) -> Relation | None:
        """What an app has permitted for a user, or had until a while ago (S54); None when that is nothing."""
        app = self._app(app_key)
        user = self.directory.user(nick=nick, platform=platform)
        relation = app.relations.get(user.user_id) if user else None
        if relation is None or not relation.permitted.known(now=self.now, cache=self.directory.cache):
            return None
        return relation

    def topics_of(self, relation: Relation) -> tuple[str, ...]:
        """The topics that are permitted for a user, or were until a while ago, sorted; `*` for all."""
        return relation.permitted.known(now=self.now, cache=self.directory.cache)

    # Small things

    def _app(self, app_key: str) -> Application:
        try:
            return self.directory.app(app_key)
        except ValueError as error:
            raise ConsoleError("app_key", str(error)) from None

    def _group(self, app: Application, group: str) -> GroupSetting:
        if group not in app.groups:
            raise ConsoleError(
                "group_name", f"app {app.key!r} has no group {show(group)}; its groups: {_some(app.groups)}"
            )
        return app.groups[group]

    def _relation(self, app: Application, nick: str, platform: str) -> Relation:
        user = self.directory.user(nick=nick, platform=platform)
        relation = app.relations.get(user.user_id) if user else None
        if relation is None:
            raise ConsoleError(
                "nick",
                f"{show(nick)}{'' if platform == PLATFORM else f' of platform {show(platform)}'} has not granted app "
                f"{app.key!r} access; its users: "
                f"{_some(each.user.nick for each in app.relations.values())}",
            )
        return relation

    def _check_new_group(self, app: Application, group: str) -> None:
        """Raises ConsoleError unless a group is there or may be created."""
        if group in app.groups and group != DEFAULT_GROUP:
            return
        try:
            check_group_name(group, new=True)
        except ValueError as error:
            raise ConsoleError("group_name", str(error)) from None
        if len(app.groups) > GROUP_LIMIT:
            raise ConsoleError(
                "group_name", f"app {app.key!r} has {GROUP_LIMIT} groups beside the default one, and may have no more"
            )

    def _create_group(self, app: Application, group: str) -> None:
        app.groups[group] = GroupSetting()
        self._outbox.record(GroupCreated(app_key=app.key, group=group))
        self.tell_flow(app.key, group)

    def _bind(self, app: Application, topics: Iterable[str], group: str | None) -> None:
        for topic in topics:
            if group is None:
                del app.topic_groups[topic]
            else:
                app.topic_groups[topic] = group
            self._outbox.record(TopicGrouped(app_key=app.key, topic=topic, group=group))

    def _names(self, topics: Sequence[str]) -> tuple[str, ...]:
        try:
            return check_topics(_listed("topics", topics))
        except ValueError as error:
            raise ConsoleError("topics", str(error)) from None

    def _topics(self, app: Application, topics: Sequence[str]) -> tuple[str, ...]:
        """Names of topics that the app has subscribed to (S6: 没有权限包会导致相关消息无法可见, 无法被订阅)."""
        names = self._names(topics)
        for topic in names:
            if not self.directory.has_subscribed(app, topic, now=self.now):
                raise ConsoleError(
                    "topics",
                    f"app {app.key!r} has not subscribed to {show(topic)}; it has: {_some(app.subscribed.names())}",
                )
        return names


def _listed(parameter: str, names: Sequence[str]) -> Sequence[str]:
    """Gives back a list of names. A single text would be taken for a list of its letters."""
    if isinstance(names, str):
        raise TypeError(f"{parameter} must be a list of names, as [{names!r}], not {names!r}")
    return names


def _can_be_written(text: str) -> bool:
    """Whether pushes can carry it: no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _some(names: Iterable[str]) -> str:
    """A few of these names, for an error message."""
    shown = list(names)
    more = f", and {len(shown) - 10} more" if len(shown) > 10 else ""
    return ", ".join(show(name) for name in shown[:10]) + more or "none"


__all__ = ["Console", "ConsoleError", "User"]
