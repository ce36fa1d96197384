"""Services that bring messages to the wrong place, or make them for who should get none."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import inf
from typing import Any

from tmcfakes.connections import Connection
from tmcfakes.console import Console
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Application, Directory, GroupSetting, User
from tmcfakes.queues import Queue, QueueKey
from tmcspec.delivery import Input
from tmcspec.routing import DEFAULT_GROUP, receives
from tmcsuites.mutants.services.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("knows-only-the-default-group", "GRP-1")
class KnowsOnlyTheDefaultGroup(Deliveries):
    """Puts every message into the default group."""

    def produce(self, queue: Queue, **more: Any) -> int:
        return super().produce(self.queue(queue.key._replace(group=DEFAULT_GROUP)), **more)


@mutant("pushes-to-another-group", "GRP-1")
class PushesToAnotherGroup(Deliveries):
    """Pushes what waits for nobody to a connection of another group of the app."""

    def push_waiting(self, queue: Queue) -> None:
        super().push_waiting(queue)
        key = queue.key
        _push_elsewhere(self, queue, lambda other: other.group != key.group and other._replace(group=key.group) == key)


def _push_elsewhere(deliveries: Deliveries, queue: Queue, wanted: Callable[[QueueKey], bool]) -> None:
    takers = [taker for key, other in deliveries.queues.items() if wanted(key) for taker in other.takers]
    while takers and (message := deliveries.backlog.oldest_waiting(queue)) is not None:
        deliveries._push(message, takers[0])


@mutant("always-picks-the-first-connection", "GRP-2")
class AlwaysPicksTheFirstConnection(Queue):
    """Pushes everything to the connection that has been there longest."""

    def draw(self, rng: random.Random) -> Connection:
        return self.able()[0]


@mutant("loses-what-waits-for-nobody", "GRP-3")
class LosesWhatWaitsForNobody(Deliveries):
    """Forgets a message that nobody is connected for."""

    def produce(self, queue: Queue, **more: Any) -> int:
        number = super().produce(queue, **more)
        message = self.backlog.find(queue, number)
        if message is not None and not queue.takers:
            self.backlog.happen(message, Input.GROUP_DELETED, now=self._outbox.now)
        return number


@mutant("has-no-limit-of-groups", "GRP-4")
class HasNoLimitOfGroups(Console):
    """Creates as many groups as anybody likes."""

    def _check_new_group(self, app: Application, group: str) -> None:
        super()._check_new_group(_without_groups(app), group)


def _without_groups(app: Application) -> Application:
    groups = {DEFAULT_GROUP: GroupSetting()}
    return Application(key=app.key, secret=app.secret, subscribed=app.subscribed, groups=groups)


@mutant("broadcasts-without-permission", "GRP-5")
class BroadcastsWithoutPermission(Directory):
    """Makes a broadcast for every app that has subscribed to its topic, whatever its user has granted."""

    def audience(self, user: User, topic: str, *, now: float) -> list[Application]:
        return [app for app in self.apps.values() if self.has_subscribed(app, topic, now=now)]


@mutant("mixes-environments", "GRP-6")
class MixesEnvironments(Deliveries):
    """Pushes what waits for nobody in pre-release to production."""

    def push_waiting(self, queue: Queue) -> None:
        super().push_waiting(queue)
        if queue.key.environment != "production":
            _push_elsewhere(self, queue, lambda other: other == queue.key._replace(environment="production"))


@mutant("goes-on-for-who-has-left", "GRP-8")
class GoesOnForWhoHasLeft(Directory):
    """Makes broadcasts for ever on a permission, a grant or a subscription that has ended."""

    def audience(self, user: User, topic: str, *, now: float) -> list[Application]:
        return [
            app
            for app in self.apps.values()
            if (relation := app.relations.get(user.user_id))
            and receives(
                granted_until=inf,
                permitted=relation.permitted,
                subscribed=app.subscribed,
                topic=topic,
                now=now,
                cache=inf,
            )
        ]
