"""Who gets a message, and in which group: the engine, against a reading of the trace that knows nothing else.

Hypothesis invents what an operator does in the console with a few apps, users, topics and many groups, lets time pass,
and sends messages.

A message that belongs to a user must reach an app while grant, permission and subscription all hold. One that has ended
may still be found in the cache (S54), so for as long as that lasts nothing is asked; after it, and without a cache at
once, nothing may be produced any more. Each of the three has a cache of its own: together they need never have held.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from directory_oracle import APPS, TOPICS, USERS, Oracle, Verdict, together
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tmcfakes.console import Console, ConsoleError
from tmcfakes.service import Service
from tmcspec.events import Produced
from tmcspec.routing import Environment
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

apps = st.sampled_from(["1", "1", "2", "3"])
users = st.sampled_from(list(USERS))
some_users = st.lists(users, max_size=2)
topics = st.sampled_from(TOPICS)
some_topics = st.lists(topics, max_size=2)
groups = st.sampled_from(["vip", "vip", "shop", "shop", "n1", "default"])
environments: st.SearchStrategy[Environment] = st.sampled_from(["production", "pre-release"])
pauses = st.sampled_from([0.0, 0.0, 0.0, 1.0, 100.0, 299.0, 300.0, 301.0])


def refusal(act: Callable[[], object]) -> ValueError | None:
    """Why something is refused, None when it is done."""
    try:
        act()
    except ValueError as error:
        return error
    return None


class DirectoryAndOracle(RuleBasedStateMachine):
    @initialize(cache=st.sampled_from([0.0, 300.0]), known=st.sets(users))
    def start(self, cache: float, known: set[str]) -> None:
        self.recorder = Recorder()
        self.service = Service(
            apps=APPS, recorder=self.recorder, rng=random.Random(0), timing=Timing(subscription_cache=cache)
        )
        self.oracle = Oracle(self.recorder.entries, cache=cache)
        self.now = 0.0
        self.created = 0
        for nick in sorted(known):
            for app in APPS:
                self.authorise(app.key, nick, None, 0.0)
                self.permit(app.key, nick, None, 0.0)

    def trace(self) -> Oracle:
        """The oracle, having read everything there is."""
        self.oracle.entries = self.recorder.entries
        return self.oracle

    def does(self, act: Callable[[Console], object], verdict: Verdict, pause: float = 0.0) -> None:
        """The console does it or refuses it, as the oracle says; what it refuses changes nothing."""
        before = len(self.recorder.entries)
        refused = refusal(lambda: act(self.service.console(now=self.now)))
        assert isinstance(refused, ConsoleError | None)
        assert verdict is None or (refused is None) is verdict, refused
        assert refused is None or len(self.recorder.entries) == before

    # Users

    @rule(app=apps, nick=users, lasts=st.sampled_from([None, None, 1000.0, 100.0, 0.0, -50.0]), pause=pauses)
    def authorise(self, app: str, nick: str, lasts: float | None, pause: float) -> None:
        self.now += pause
        until = None if lasts is None else self.now + lasts
        self.does(lambda console: console.authorise(app, nick, user_id=USERS[nick], until=until), True)

    @rule(app=apps, nick=users, pause=pauses)
    def revoke(self, app: str, nick: str, pause: float) -> None:
        self.now += pause
        self.does(lambda console: console.revoke(app, nick), self.trace().knows(USERS[nick], app))

    @rule(app=apps, nick=users, chosen=st.none() | some_topics, pause=pauses)
    def permit(self, app: str, nick: str, chosen: list[str] | None, pause: float) -> None:
        self.now += pause
        oracle = self.trace()
        # A grant that is over, only the cache knows of: nothing more is permitted by it.
        granted = oracle.granted(app, USERS[nick], self.now) is True
        possible = [oracle.subscribed(app, topic, self.now) for topic in chosen or ()]
        self.does(lambda console: console.permit(app, nick, topics=chosen), together(granted, *possible))

    @rule(app=apps, nick=users, pause=pauses)
    def cancel(self, app: str, nick: str, pause: float) -> None:
        self.now += pause
        known = self.trace().knows(USERS[nick], app)
        assert self.service.console(now=self.now).cancel(app, nick) is known

    # Groups

    @rule(app=apps, group=groups, pause=pauses)
    def create_group(self, app: str, group: str, pause: float) -> None:
        self.now += pause
        possible = self.trace().may_fill(app, group) and group not in self.trace().groups(app)
        self.does(lambda console: console.create_group(app, group), possible)

    @rule(app=apps, count=st.sampled_from([1, 45]))
    def create_many_groups(self, app: str, count: int) -> None:
        for _ in range(count):
            self.created += 1
            self.create_group(app, f"n{self.created}", 0.0)

    @rule(app=apps, group=groups, nicks=some_users, pause=pauses)
    def add_to_group(self, app: str, group: str, nicks: list[str], pause: float) -> None:
        self.now += pause
        oracle = self.trace()
        possible = oracle.may_fill(app, group) and all(oracle.knows(USERS[nick], app) for nick in nicks)
        self.does(lambda console: console.add_to_group(app, group, nicks), possible)

    @rule(app=apps, group=groups, nicks=some_users, pause=pauses)
    def remove_from_group(self, app: str, group: str, nicks: list[str], pause: float) -> None:
        self.now += pause
        oracle = self.trace()
        inside = group in oracle.groups(app) and all(oracle.user_group(app, USERS[nick]) == group for nick in nicks)
        others = [
            user
            for nick, user in USERS.items()
            if oracle.user_group(app, user) == group and nick not in nicks and group != "default"
        ]
        self.does(lambda console: console.remove_from_group(app, group, nicks), inside)
        if inside and nicks:
            assert (group in self.trace().groups(app)) is bool(others)

    @rule(app=apps, group=groups, pause=pauses)
    def delete_group(self, app: str, group: str, pause: float) -> None:
        self.now += pause
        possible = group in self.trace().groups(app) and group != "default"
        self.does(lambda console: console.delete_group(app, group), possible)
        if possible:
            assert not self.trace().waiting(app, group, "production")
            assert not self.trace().waiting(app, group, "pre-release")

    @rule(app=apps, group=groups, chosen=some_topics, pause=pauses)
    def bind_topics(self, app: str, group: str, chosen: list[str], pause: float) -> None:
        self.now += pause
        oracle = self.trace()
        subscribed = [oracle.subscribed(app, topic, self.now) for topic in chosen]
        possible = together(oracle.may_fill(app, group), *subscribed)
        self.does(lambda console: console.bind_topics(app, group, chosen), possible)

    @rule(app=apps, group=groups, chosen=some_topics, pause=pauses)
    def unbind_topics(self, app: str, group: str, chosen: list[str], pause: float) -> None:
        self.now += pause
        oracle = self.trace()
        bound = group in oracle.groups(app) and all(oracle.topic_group(app, topic) == group for topic in chosen)
        self.does(lambda console: console.unbind_topics(app, group, chosen), bound)

    @rule(app=apps, chosen=st.none() | some_topics, pause=pauses)
    def subscribe(self, app: str, chosen: list[str] | None, pause: float) -> None:
        self.now += pause
        self.does(lambda console: console.subscribe(app, chosen), True)

    # Messages

    @rule(nick=users, pause=pauses, by_number=st.booleans(), environment=environments)
    def broadcast(self, nick: str, pause: float, by_number: bool, environment: Environment) -> None:
        self.now += pause
        for topic in TOPICS:
            self.broadcast_about(topic, nick, environment, {"user_id": USERS[nick]} if by_number else {"nick": nick})

    def broadcast_about(self, topic: str, nick: str, environment: Environment, whom: dict[str, Any]) -> None:
        oracle = self.trace()
        user = USERS[nick]
        verdicts = {app.key: oracle.receives(app.key, user, topic, self.now) for app in APPS}
        routes = {app.key: oracle.route(app.key, topic, user=user, named=None) for app in APPS}
        before = len(self.recorder.entries)
        ids: dict[str, int] = {}
        refused = refusal(
            lambda: ids.update(
                self.service.broadcast(topic=topic, content="{}", now=self.now, environment=environment, **whom)
            )
        )
        assert (refused is None) is oracle.knows(user)
        for app, verdict in verdicts.items():
            assert verdict is None or (app in ids) is verdict, (app, verdict)
        assert [entry.event for entry in self.recorder.entries[before:]] == [
            Produced(
                message=number,  # type: ignore[arg-type]  # ids are integers
                app_key=app,
                group=routes[app][0],
                topic=topic,
                user_id=user,  # type: ignore[arg-type]
                content="{}",
                environment=environment,
                kind="broadcast",
                routed=routes[app][1],  # type: ignore[arg-type]
            )
            for app, number in ids.items()
        ]

    @rule(
        app=apps,
        topic=topics,
        nick=st.none() | users,
        named=st.none() | st.none() | groups,
        environment=environments,
        pause=pauses,
    )
    def produce(
        self, app: str, topic: str, nick: str | None, named: str | None, environment: Environment, pause: float
    ) -> None:
        self.now += pause
        oracle = self.trace()
        user = None if nick is None else USERS[nick]
        group, routed = oracle.route(app, topic, user=user, named=named)
        possible = together(oracle.subscribed(app, topic, self.now), group in oracle.groups(app))
        before = len(self.recorder.entries)
        refused = refusal(
            lambda: self.service.produce(
                app_key=app,
                topic=topic,
                content="{}",
                now=self.now,
                group=named,
                user_id=user,
                environment=environment,
            )
        )
        assert possible is None or (refused is None) is possible, refused
        events = [entry.event for entry in self.recorder.entries[before:] if isinstance(entry.event, Produced)]
        routes = [(event.app_key, event.group, event.routed) for event in events]
        assert routes == ([] if refused else [(app, group, routed)])
        for event in events:
            assert (event.kind, event.user_id, event.environment) == ("point_to_point", user, environment)

    # What can be looked up is what the trace tells.

    @invariant()
    def groups_agree(self) -> None:
        oracle = self.trace()
        for key, app in self.service.directory.apps.items():
            assert list(app.groups) == oracle.groups(key)
            assert len(app.groups) <= 51
            assert app.topic_groups == {
                topic: group for topic in TOPICS if (group := oracle.topic_group(key, topic)) is not None
            }
            for user in USERS.values():
                relation = app.relations.get(user)  # type: ignore[call-overload]  # ids are integers
                assert (relation.group if relation else None) == oracle.user_group(key, user)
                assert oracle.user_group(key, user) in (None, *app.groups)

    @invariant()
    def relations_agree(self) -> None:
        oracle, console = self.trace(), self.service.console(now=self.now)
        for app in APPS:
            for nick, user in USERS.items():
                relation = console.user(app.key, nick)
                anything = oracle.permitted(app.key, user, None, self.now)
                assert anything is None or (relation is not None) is anything
                shown = () if relation is None else console.topics_of(relation)
                for topic in TOPICS:
                    verdict = oracle.permitted(app.key, user, topic, self.now)
                    assert verdict is None or (topic in shown or "*" in shown) is verdict

    @invariant()
    def audiences_agree_now_and_later(self) -> None:
        oracle, directory = self.trace(), self.service.directory
        for nick, user in USERS.items():
            known = directory.user(nick=nick)
            assert (known is not None) is oracle.knows(user)
            if known is None:
                continue
            for topic in TOPICS:
                for now in (self.now + pause for pause in (0.0, 1.0, 299.0, 300.0, 1500.0)):
                    told = [app.key for app in directory.audience(known, topic, now=now)]
                    verdicts = {app.key: oracle.receives(app.key, user, topic, now) for app in APPS}
                    assert all(verdict is None or (app in told) is verdict for app, verdict in verdicts.items())
                for key, app in directory.apps.items():
                    assert app.route(topic, user_id=user, named=None) == oracle.route(key, topic, user=user, named=None)

    @invariant()
    def queues_agree(self) -> None:
        oracle = self.trace()
        for queue in self.service.queues():
            assert queue.unsettled == len(oracle.waiting(*queue.key))


TestDirectoryAndOracle = DirectoryAndOracle.TestCase
TestDirectoryAndOracle.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
