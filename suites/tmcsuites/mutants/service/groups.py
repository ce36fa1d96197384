"""Services that give messages to the wrong consumers, or make too many of them, or too few."""

from __future__ import annotations

import random
from typing import Any

from tmcfakes.connections import Connection
from tmcfakes.console import Console
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Application, Directory, User
from tmcfakes.queues import Message, Queue
from tmcspec.delivery import Input
from tmcspec.routing import Route, covers
from tmcsuites.mutants.base import ServiceCatalogue

MUTANTS = ServiceCatalogue()
mutant = MUTANTS.mutant


# GRP-1


@mutant("pushes-to-another-group", "GRP-1")
class PushesToAnotherGroup(Deliveries):
    """Pushes a message to a connection of another group of the app."""

    def _push(self, message: Message, connection: Connection) -> None:
        app_key, group, environment = message.queue.key
        others = [
            each
            for key, queue in self.queues.items()
            if (key.app_key, key.environment) == (app_key, environment) and key.group != group
            for each in queue.takers
        ]
        super()._push(message, others[0] if others else connection)


@mutant("ignores-the-group-of-a-user", "GRP-1")
class IgnoresTheGroupOfAUser(Application):
    """Sends the messages of a user who is in a group to `default`."""

    def route(self, topic: str, *, user_id: int | None, named: str | None) -> Route:
        return super().route(topic, user_id=None, named=named)


@mutant("lets-the-topic-win", "GRP-1")
class LetsTheTopicWin(Application):
    """Goes by the group of the topic before that of the user."""

    def route(self, topic: str, *, user_id: int | None, named: str | None) -> Route:
        return super().route(topic, user_id=None if topic in self.topic_groups else user_id, named=named)


# GRP-2


@mutant("always-takes-the-first-connection", "GRP-2")
class AlwaysTakesTheFirstConnection(Queue):
    """Pushes every message to the connection that came first."""

    def draw(self, rng: random.Random) -> Connection:
        return self.able()[0]


@mutant("prefers-the-newest-connection", "GRP-2")
class PrefersTheNewestConnection(Queue):
    """Gives the connection that came last twice as many messages as each other."""

    def draw(self, rng: random.Random) -> Connection:
        able = self.able()
        return rng.choice([*able, able[-1]])


@mutant("pushes-to-every-connection", "GRP-2")
class PushesToEveryConnection(Deliveries):
    """Pushes a message to every connection of its group."""

    def _push(self, message: Message, connection: Connection) -> None:
        for each in message.queue.takers:
            super()._push(message, each)


# GRP-3


@mutant("loses-what-waits-for-nobody", "GRP-3")
class LosesWhatWaitsForNobody(Deliveries):
    """Throws a message away when nobody is there to take it."""

    def push_waiting(self, queue: Queue) -> None:
        while not queue.takers and (message := self.backlog.oldest_waiting(queue)):
            self.backlog.happen(message, Input.GROUP_DELETED, now=self._outbox.now)
        super().push_waiting(queue)


# GRP-4


@mutant("allows-one-group-more", "GRP-4")
class AllowsOneGroupMore(Console):
    """Does not count the groups of an app."""

    def _check_new_group(self, app: Application, group: str) -> None:
        pass


# GRP-5


@mutant("broadcasts-to-every-app", "GRP-5")
class BroadcastsToEveryApp(Directory):
    """Gives an app the messages of users who never granted it access."""

    def audience(self, user: User, topic: str, *, now: float) -> list[Application]:
        return list(self.apps.values())


@mutant("broadcasts-what-was-not-permitted", "GRP-5")
class BroadcastsWhatWasNotPermitted(Directory):
    """Gives an app the messages of every user who granted it access, whatever it permitted."""

    def audience(self, user: User, topic: str, *, now: float) -> list[Application]:
        return [
            app
            for app in self.apps.values()
            if (relation := app.relations.get(user.user_id))
            and now < relation.until + self.cache
            and covers(app.subscribed, topic, now=now, cache=self.cache)
        ]


@mutant("ignores-the-group-of-a-topic", "GRP-5")
class IgnoresTheGroupOfATopic(Application):
    """Sends messages about a topic that is bound to a group to `default`."""

    def route(self, topic: str, *, user_id: int | None, named: str | None) -> Route:
        return super().route("", user_id=user_id, named=named)


# GRP-6


@mutant("mixes-the-environments", "GRP-6")
class MixesTheEnvironments(Deliveries):
    """Pushes a message to a connection of the other environment, when there is one."""

    def _push(self, message: Message, connection: Connection) -> None:
        app_key, group, environment = message.queue.key
        others = [
            each
            for key, queue in self.queues.items()
            if key[:2] == (app_key, group) and key.environment != environment
            for each in queue.takers
        ]
        super()._push(message, others[0] if others else connection)


# GRP-8


@mutant("goes-on-producing", "GRP-8")
class GoesOnProducing(Directory):
    """Goes by the relations of a user as they once were."""

    def audience(self, user: User, topic: str, *, now: float) -> list[Application]:
        return super().audience(user, topic, now=0.0)


@mutant("drops-what-is-queued-with-a-relation", "GRP-8")
class DropsWhatIsQueuedWithARelation(Console):
    """Throws away what is queued when an app takes no more messages of a user."""

    def cancel(self, app_key: str, nick: str, **more: Any) -> bool:
        done = super().cancel(app_key, nick, **more)
        self._deliveries.drop(app_key, "default")
        return done
