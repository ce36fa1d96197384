"""What the service knows of apps, users, groups and topics: the data, and the questions asked of it.

Who changes it is the console (`console`). Users are known to the whole service, by nick and platform and by number;
what one of them has to do with one app is a `Relation`. Group configuration is shared by all environments (S18).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from tmcfakes.handshake import App
from tmcspec import ids
from tmcspec.events import Id
from tmcspec.flow import Mode
from tmcspec.routing import DEFAULT_GROUP, EVERYTHING, Fading, Route, covers, receives, route

#: Where a nick is from, when nobody says so (page of the API).
PLATFORM = "tbUIC"


class User(NamedTuple):
    """A seller."""

    user_id: Id
    nick: str
    platform: str = PLATFORM


@dataclass(slots=True, kw_only=True, eq=False)
class Relation:
    """What a user has to do with an app.

    Attributes:
        until: when the grant ends, in seconds of service time.
        session: what the app calls the gateway with on the user's behalf; a secret.
        permitted: the topics that the app takes of this user.
        group: the group that the user was added to.
        created, modified: when the app first, and last, permitted something.
    """

    user: User
    until: float
    session: str = field(repr=False)
    permitted: Fading = field(default_factory=Fading)
    group: str | None = None
    created: float | None = None
    modified: float | None = None

    def valid(self, *, now: float, cache: float) -> bool:
        """Whether the user's grant holds and something is permitted, as far as the cache knows."""
        return now < self.until + cache and bool(self.permitted.known(now=now, cache=cache))


@dataclass(slots=True, kw_only=True, eq=False)
class GroupSetting:
    """How a group is delivered to."""

    mode: Mode = "push"


@dataclass(slots=True, kw_only=True, eq=False)
class Application:
    """An app, as it is now.

    Attributes:
        subscribed: the topics that it has subscribed to.
        groups: its groups, in the order of their creation; `default` is the first.
        topic_groups: the groups that topics are bound to.
        relations: its users by number, in the order in which they came.
    """

    key: str
    secret: str = field(repr=False)
    subscribed: Fading
    groups: dict[str, GroupSetting]
    topic_groups: dict[str, str] = field(default_factory=dict)
    relations: dict[Id, Relation] = field(default_factory=dict)

    def members(self, group: str) -> list[Relation]:
        """The users that were added to a group."""
        return [relation for relation in self.relations.values() if relation.group == group]

    def route(self, topic: str, *, user_id: int | None, named: str | None) -> Route:
        """The group of a message."""
        relation = None if user_id is None else self.relations.get(Id(user_id))
        return route(
            named=named,
            user_group=relation.group if relation else None,
            topic_group=self.topic_groups.get(topic),
        )


class Directory:
    """All apps and users of a service.

    Args:
        apps: what there is from the beginning. Keys must differ.
        rng: sessions and numbers of users are drawn from it.
        cache: seconds that an ended relation is still found (S54), >= 0.
        topics_to_taobao: the topics that apps may publish to Taobao; None for any. Who wants one has to ask for it
            first (S72: 由对接的二方在开放平台内部去申请创建).

    Raises:
        ValueError: two apps with one key.
    """

    # What its parts are, as in `Service`.
    application_type: type[Application] = Application

    def __init__(
        self,
        apps: Iterable[App],
        *,
        rng: random.Random,
        cache: float,
        topics_to_taobao: Iterable[str] | None = None,
    ) -> None:
        self.apps: dict[str, Application] = {}
        self.users: dict[tuple[str, str], User] = {}
        self.cache = cache
        self.topics_to_taobao = None if topics_to_taobao is None else set(topics_to_taobao)
        self._by_id: dict[Id, User] = {}
        self._sessions: dict[str, tuple[Application, Relation]] = {}
        self._rng = rng
        for app in apps:
            if app.key in self.apps:
                raise ValueError(f"app {app.key!r} is there twice; keys must differ")
            self.apps[app.key] = self._application(app)

    def app(self, key: str) -> Application:
        """Raises ValueError."""
        found = self.apps.get(key)
        if found is None:
            raise ValueError(f"unknown app {key!r}; known: {', '.join(self.apps) or 'none'}")
        return found

    def has_subscribed(self, app: Application, topic: str | None, *, now: float) -> bool:
        """Whether an app has subscribed to a topic, or to anything at all."""
        if topic is None:
            return bool(app.subscribed.known(now=now, cache=self.cache))
        return covers(app.subscribed, topic, now=now, cache=self.cache)

    def audience(self, user: User, topic: str, *, now: float) -> list[Application]:
        """The apps that get the broadcast of a user (S9, S10)."""
        found = []
        for app in self.apps.values():
            relation = app.relations.get(user.user_id)
            if relation and receives(
                granted_until=relation.until,
                permitted=relation.permitted,
                subscribed=app.subscribed,
                topic=topic,
                now=now,
                cache=self.cache,
            ):
                found.append(app)
        return found

    def user(self, *, nick: str | None = None, user_id: int | None = None, platform: str = PLATFORM) -> User | None:
        """A user by number, or by nick and platform."""
        if user_id is not None:
            return self._by_id.get(Id(user_id))
        return None if nick is None else self.users.get((platform, nick))

    def of_session(self, session: str, app: Application) -> Relation | None:
        """Who gave an app this session; None when nobody did."""
        found = self._sessions.get(session)
        return found[1] if found is not None and found[0] is app else None

    def meet(self, nick: str, *, platform: str = PLATFORM, user_id: int | None = None) -> User:
        """A user that the service knows from now on, if it did not before.

        Raises:
            ValueError: the nick has another number, the number another nick, or no push can carry it.
        """
        known = self.users.get((platform, nick))
        number = Id(self._draw_number() if user_id is None else ids.check(user_id))
        if known is not None:
            if user_id not in (None, known.user_id):
                raise ValueError(f"user {nick!r} has the number {known.user_id}, not {user_id}")
            return known
        if number in self._by_id:
            raise ValueError(f"the number {number} is that of {self._by_id[number].nick!r}, not of {nick!r}")
        user = User(number, nick, platform)
        self.users[platform, nick] = self._by_id[number] = user
        return user

    def relate(self, app: Application, user: User, *, until: float) -> Relation:
        """A user grants an app access, anew or for the first time."""
        relation = app.relations.get(user.user_id)
        if relation is None:
            relation = Relation(user=user, until=until, session=f"{self._rng.getrandbits(160):040x}")
            app.relations[user.user_id] = relation
            self._sessions[relation.session] = app, relation
        relation.until = until
        return relation

    def _draw_number(self) -> int:
        # Captured user numbers have ten digits.
        while True:
            number = self._rng.randint(10**9, 2**32 - 1)
            if number not in self._by_id:
                return number

    def _application(self, app: App) -> Application:
        if not app.subscribed:
            topics: Iterable[str] = ()
        else:
            topics = [EVERYTHING] if app.topics is None else app.topics
        groups = sorted(app.groups - {DEFAULT_GROUP})
        return self.application_type(
            key=app.key,
            secret=app.secret,
            subscribed=Fading(topics),
            groups={group: GroupSetting() for group in (DEFAULT_GROUP, *groups)},
        )
