"""Who gets a message: from what happened, to an app, to one of its groups.

Three kinds of messages

    broadcast        belongs to a user (a seller). It goes to every app that holds the user's grant (S10:
                     将消息广播给所有拥有用户授权的appkey) and for which the user is permitted this topic (S9)
    point to point   belongs to an app and to no user (S11: 消息属于appkey, 跟用户无关)
    to Taobao        the other way round (S13: 回流消息); no app gets it

and one app reads its messages in groups: one queue each, in each environment (S18: 各个环境消息隔离 但分组配置公用).
Which group a message goes to is told by the first of these that says something:

    named     the producer named the group
    user      the message has a user, and the user was added to a group of the app
    topic     the topic was bound to a group of the app; user routing wins, says the page of the API
    default   every app has this group without making it (S12, S14)

A relation that ends (the subscription is cancelled, the grant expires, the user is deleted, S55) ends production,
while what is queued is still delivered (S56: 不再产生新的消息, 但已产生的待消费堆积消息依然继续推送). For about five
minutes the old relation may still be found in a cache (S54: 短时间(5分钟左右)可能会查出来缓存的关系): `Fading` is a set
that forgets so. Whether production goes by the cache as well is not said. Here it does, the harder way for
applications; a service with a `subscription_cache` of 0 shows the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Literal, NamedTuple, TypeAlias, get_args

from tmcspec.timing import SUBSCRIPTION_CACHE

Environment: TypeAlias = Literal["production", "pre-release"]
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
MessageKind: TypeAlias = Literal["point_to_point", "broadcast"]
Routed: TypeAlias = Literal["named", "user", "topic", "default"]

#: The group that every app has.
DEFAULT_GROUP = "default"

#: S61: 每个应用最多创建50个分组. The default group is not created, and does not count.
GROUP_LIMIT = 50

#: Of the page of the API: a group name has at most so many characters, and does not begin with "default".
GROUP_NAME_LIMIT = 32

#: Of the page of the API.
TOPIC_NAME_LIMIT = 256

#: Where the pre-release environment of a fake is found.
PRE_RELEASE_PATH = "/pre"

#: Every topic, where topics are named.
EVERYTHING = "*"


class Route(NamedTuple):
    """A group, and what led there."""

    group: str
    routed: Routed


def route(*, named: str | None, user_group: str | None, topic_group: str | None) -> Route:
    """The group of a message in an app.

    Args:
        named: the group that the producer named.
        user_group: the group that the message's user was added to.
        topic_group: the group that its topic is bound to.

    Example:
        >>> route(named=None, user_group="vip", topic_group="refunds")
        Route(group='vip', routed='user')
    """
    if named is not None:
        return Route(named, "named")
    if user_group is not None:
        return Route(user_group, "user")
    if topic_group is not None:
        return Route(topic_group, "topic")
    return Route(DEFAULT_GROUP, "default")


def check_group_name(name: str, *, new: bool = False) -> str:
    """Gives back the name of a group.

    Args:
        name: 1 to 32 characters.
        new: whether the group is about to be created; then its name must not begin with "default".

    Raises:
        ValueError: it is no name for a group.
    """
    if not 1 <= len(name) <= GROUP_NAME_LIMIT:
        raise ValueError(f"a group name has 1 to {GROUP_NAME_LIMIT} characters, not {len(name)}")
    if new and name.startswith(DEFAULT_GROUP):
        raise ValueError(f"a group that is created must not be named {DEFAULT_GROUP!r} or begin with it: {name!r}")
    return name


class Fading:
    """A set of names that remembers for a while what was in it.

    Example:
        >>> topics = Fading(["a"])
        >>> topics.replace(["b"], now=10.0)
        >>> topics.has("a", now=200.0, cache=300.0), topics.has("a", now=310.0, cache=300.0)
        (True, False)
    """

    __slots__ = ("_ends",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._ends: dict[str, float] = dict.fromkeys(names, inf)

    def replace(self, names: Iterable[str], *, now: float, cache: float = SUBSCRIPTION_CACHE) -> None:
        """From now on these are in it, and no others."""
        kept = {name: min(end, now) for name, end in self._ends.items() if now < end + cache}
        self._ends = kept | dict.fromkeys(names, inf)

    def has(self, name: str, *, now: float, cache: float) -> bool:
        """Whether a name is in it, or was less than `cache` seconds ago."""
        return now < self._ends.get(name, -inf) + cache

    def known(self, *, now: float, cache: float) -> tuple[str, ...]:
        """The names that are in it, or were less than `cache` seconds ago, sorted."""
        return tuple(sorted(name for name, end in self._ends.items() if now < end + cache))

    def names(self) -> tuple[str, ...]:
        """The names that are in it, sorted."""
        return tuple(sorted(name for name, end in self._ends.items() if end == inf))


def covers(topics: Fading, topic: str, *, now: float, cache: float) -> bool:
    """Whether a set of topics has this one, by its name or because it has everything."""
    return topics.has(EVERYTHING, now=now, cache=cache) or topics.has(topic, now=now, cache=cache)


def receives(
    *, granted_until: float, permitted: Fading, subscribed: Fading, topic: str, now: float, cache: float
) -> bool:
    """Whether an app gets the broadcast of a user about `topic`.

    Args:
        granted_until: when the user's grant expires or was taken back, in seconds of service time.
        permitted: the topics that the app has permitted for this user.
        subscribed: the topics that the app has subscribed to.
        topic: of the message.
        now: the time.
        cache: for how long an ended relation is still found, in seconds.
    """
    if now >= granted_until + cache:
        return False
    return covers(permitted, topic, now=now, cache=cache) and covers(subscribed, topic, now=now, cache=cache)


def check_topics(topics: Iterable[str]) -> tuple[str, ...]:
    """Gives back names of topics, each once, in their order. Raises ValueError for one that is no name for a topic."""
    found = tuple(dict.fromkeys(topics))
    for topic in found:
        if not 1 <= len(topic) <= TOPIC_NAME_LIMIT:
            raise ValueError(f"a topic has 1 to {TOPIC_NAME_LIMIT} characters, not {len(topic)}")
    return found


def environment_of(path: str) -> Environment | None:
    """The environment that listens at this path of an address; None when none does.

    Taobao has a host for each: mc.api.taobao.com for production, and premc.api.taobao.com for tests before a release
    (S18). A fake has one address, so there the pre-release environment is found at /pre. A path that is neither is
    refused: who meant the one would silently get the other.
    """
    return {"": "production", PRE_RELEASE_PATH: "pre-release"}.get(path.partition("?")[0].rstrip("/"))  # type: ignore[return-value]
