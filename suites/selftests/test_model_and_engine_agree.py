"""The engine is fast, the model is obviously right: whatever happens to both, they agree.

Hypothesis invents what happens: connections come, go and pull, in both environments; messages are produced, consumed
over HTTP, confirmed and failed in every state and from everywhere; ids are wrong; an operator sets flow values, modes
and the retention, and deletes groups; and time passes in small and huge steps, to a deadline exactly or to just before
it.
"""

from __future__ import annotations

import functools
import math
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tmcfakes.queues import QueueKey
from tmcfakes.service import App, Send, Service
from tmcspec.delivery import SETTLED
from tmcspec.events import Confirmed, Dropped, Expired, Failed, Pushed, UnknownConfirm
from tmcspec.flow import Flow, Mode
from tmcspec.frame import decode, encode
from tmcspec.messages import Confirm, Connect, Fail, PullRequest, Push, from_service
from tmcspec.model import Model
from tmcspec.signing import sign_connect
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

APPS = [App(key="1", secret="one", groups=frozenset({"default", "shop"})), App(key="2", secret="two")]
QUEUES = [
    QueueKey("1", "default"),
    QueueKey("1", "shop"),
    QueueKey("1", "shop", "pre-release"),
    QueueKey("2", "default"),
]
SECRETS = {app.key: app.secret for app in APPS}

TIMINGS = [
    Timing(),
    Timing(retention=1000.0),
    # The retention ends before a message is ever due again.
    Timing(retention=100.0),
    # Both timers of a push run out in the same moment; and the retention with the third push.
    Timing(confirm_timeout=60.0, redelivery_delay=60.0, retention=180.0),
]

FLOWS = [
    Flow(pull_credit=2),
    # Small numbers, so that a few messages get to every limit.
    Flow(value=1, unit=2, small_values="literal", backlog_limit=4, idle_limit=100.0, pull_credit=1),
    Flow(value=3, unit=2, factor=1, latency=0.0, backlog_limit=2, idle_limit=60.0, confirm_ratio=0.5),
    Flow(value=0, unit=1, latency=5.0),
]

queues = st.sampled_from(QUEUES)
any_number = st.integers(min_value=0, max_value=2**16)
flow_values = st.sampled_from([None, 0, 1, 2, 7])
# Mostly none: what is interesting are several things in one state of a message, and a state lasts only so long.
pauses = st.sampled_from([0.0, 0.0, 0.0, 0.001, 1.0, 5.0, 30.0, 60.0, 61.5, 299.0, 360.0])
long_pauses = st.one_of(pauses, st.floats(min_value=0, max_value=400), st.sampled_from([1000.0, 90_000.0]))


class ModelAndEngine(RuleBasedStateMachine):
    @initialize(timing=st.sampled_from(TIMINGS), flow=st.sampled_from(FLOWS), seed=any_number)
    def start(self, timing: Timing, flow: Flow, seed: int) -> None:
        self.timing = timing
        self.model = Model(timing=timing, flow=flow, choose=self.choose)
        self.recorder = Recorder()
        self.service = Service(apps=APPS, recorder=self.recorder, rng=random.Random(seed), timing=timing, flow=flow)
        self.now = 0.0
        self.opened = 0
        self.requests = 0
        self.connections: dict[str, QueueKey] = {}
        self.messages: list[int] = []
        self.sent: Counter[int] = Counter()
        self.on: defaultdict[int, deque[str]] = defaultdict(deque)  # where the engine pushed what the model has not
        self.produced_at: dict[int, float] = {}
        self.settled: set[int] = set()
        self.read = 0
        self.connect(QUEUES[0], 0.0)
        self.produce(QUEUES[0], 0.0)

    def choose(self, message: int, takers: Sequence[str]) -> str:
        """The model pushes where the engine did."""
        assert self.on[message], f"the engine did not push {message}"
        chosen = self.on[message].popleft()
        assert chosen in takers
        return chosen

    # What happens. Before it, some time may pass that the engine is not told of separately.

    @rule(queue=queues, pause=pauses)
    def connect(self, queue: QueueKey, pause: float) -> None:
        self.now += pause
        self.opened += 1
        name = f"c{self.opened}"
        sign = sign_connect(app_key=queue.app_key, group=queue.group, timestamp="1", secret=SECRETS[queue.app_key])
        frame = Connect(app_key=queue.app_key, group=queue.group, timestamp="1", sign=sign).to_frame()
        self.service.opened(name, now=self.now, environment=queue.environment)
        self.service.received(name, encode(frame), now=self.now)
        self.follow(lambda model: model.connect(name, str(queue)))
        self.connections[name] = queue

    @precondition(lambda self: self.connections)
    @rule(which=any_number, pause=pauses)
    def disconnect(self, which: int, pause: float) -> None:
        self.now += pause
        name = self.a_connection(which)
        self.service.closed(name, now=self.now, by="client", code=None, reason="")
        self.follow(lambda model: model.disconnect(name))
        del self.connections[name]

    @precondition(lambda self: self.connections)
    @rule(which=any_number, pause=pauses)
    def pull(self, which: int, pause: float) -> None:
        self.now += pause
        name = self.a_connection(which)
        self.service.received(name, encode(PullRequest(token="t").to_frame()), now=self.now)
        self.follow(lambda model: model.pull(name))

    @rule(queue=queues, pause=pauses, count=st.sampled_from([1, 1, 1, 6]))
    def produce(self, queue: QueueKey, pause: float, count: int = 1) -> None:
        self.now += pause
        for _ in range(count):
            message = self.service.produce(
                app_key=queue.app_key,
                group=queue.group,
                environment=queue.environment,
                topic="t",
                content="{}",
                now=self.now,
            )
            self.follow(functools.partial(Model.produce, message=message, queue=str(queue)))
            self.messages.append(message)
            self.produced_at[message] = self.now

    @rule(queue=queues, quantity=st.integers(1, 4), pause=pauses)
    def consume_over_http(self, queue: QueueKey, quantity: int, pause: float) -> None:
        self.now += pause
        self.requests += 1
        app_key, group, environment = queue
        taken = self.service.consume(
            quantity, app_key=app_key, group=group, environment=environment, now=self.now, request=self.requests
        )
        ids = [message.id for message in taken]
        self.sent.update(ids)
        self.follow(lambda model: self.assert_equal(ids, model.consume(str(queue), quantity)))

    @precondition(lambda self: self.connections and self.messages)
    @rule(which=any_number, message=any_number, near=st.sampled_from([0, 0, 0, 1, -1]), pause=pauses)
    def confirm_on_some_connection(self, which: int, message: int, near: int, pause: float) -> None:
        self.now += pause
        self.report_on(self.a_connection(which), self.a_message(message) + near, failed=False)

    @precondition(lambda self: self.connections and self.messages)
    @rule(which=any_number, message=any_number, near=st.sampled_from([0, 0, 0, 1, -1]), pause=pauses)
    def fail_on_some_connection(self, which: int, message: int, near: int, pause: float) -> None:
        self.now += pause
        self.report_on(self.a_connection(which), self.a_message(message) + near, failed=True)

    @precondition(lambda self: self.on_their_connections())
    @rule(which=any_number, failed=st.booleans(), pause=pauses)
    def report_where_it_belongs(self, which: int, failed: bool, pause: float) -> None:
        self.now += pause
        candidates = self.on_their_connections()
        name, message = candidates[which % len(candidates)]
        self.report_on(name, message, failed=failed)

    @precondition(lambda self: self.messages)
    @rule(message=any_number, astray=st.sampled_from([None, None, None, *QUEUES]), failed=st.booleans(), pause=pauses)
    def report_by_http(self, message: int, astray: QueueKey | None, failed: bool, pause: float) -> None:
        self.now += pause
        wanted = self.a_message(message)
        queue = astray or next(queue for queue in QUEUES if str(queue) == self.model.lives[wanted].queue)
        report = self.service.fail if failed else self.service.confirm
        app_key, group, environment = queue
        known = report(wanted, app_key=app_key, group=group, environment=environment, now=self.now, via="http")
        self.follow(
            lambda model: self.assert_equal(known, (model.fail if failed else model.confirm)(wanted, str(queue)))
        )

    # What an operator does. Group configuration is shared by the environments.

    @rule(queue=queues, value=flow_values, pause=pauses)
    def set_flow(self, queue: QueueKey, value: int | None, pause: float) -> None:
        self.now += pause
        self.service.console(now=self.now).set_flow(queue.app_key, queue.group, value)
        self.follow(lambda model: [model.set_flow(each, value) for each in self.environments(queue)])

    @rule(queue=queues, mode=st.sampled_from(["push", "pull"]), pause=pauses)
    def set_mode(self, queue: QueueKey, mode: Mode, pause: float) -> None:
        self.now += pause
        self.service.console(now=self.now).set_mode(queue.app_key, queue.group, mode)
        self.follow(lambda model: [model.set_mode(each, mode) for each in self.environments(queue)])

    @rule(share=st.sampled_from([0.1, 0.5, 1.0, 1.5]), pause=pauses)
    def set_retention(self, share: float, pause: float) -> None:
        self.now += pause
        seconds = share * self.timing.retention
        self.service.console(now=self.now).set_retention(seconds)
        self.follow(lambda model: model.set_retention(seconds))

    @rule(pause=pauses)
    def delete_a_group_and_create_it_anew(self, pause: float) -> None:
        self.now += pause
        self.service.console(now=self.now).delete_group("1", "shop")
        self.follow(lambda model: [model.delete(each) for each in self.environments(QueueKey("1", "shop"))])
        self.service.console(now=self.now).create_group("1", "shop")

    # Time

    @rule(pause=long_pauses)
    def let_time_pass(self, pause: float) -> None:
        self.now += pause
        self.service.tick(now=self.now)
        self.follow(lambda model: None)

    @precondition(lambda self: self.model.deadline() is not None)
    @rule(just_before=st.booleans())
    def go_to_the_deadline(self, just_before: bool) -> None:
        deadline = self.model.deadline()
        assert deadline is not None
        self.now = max(math.nextafter(deadline, 0) if just_before else deadline, self.now)
        self.service.tick(now=self.now)
        self.follow(lambda model: None)

    # Both agree.

    @invariant()
    def states_agree(self) -> None:
        for message, life in self.model.lives.items():
            assert self.service.state(message) is life.state
        for queue in QUEUES:
            unsettled = [life for life in self.model.lives.values() if life.queue == str(queue)]
            assert self.service.unsettled(*queue) == sum(life.state not in SETTLED for life in unsettled)

    @invariant()
    def deadlines_agree(self) -> None:
        deadline = self.service.deadline()
        assert deadline == self.model.deadline()
        assert deadline is None or deadline > self.now

    @invariant()
    def deliveries_agree(self) -> None:
        assert self.sent == Counter({each: life.deliveries for each, life in self.model.lives.items()})

    @invariant()
    def the_trace_tells_a_possible_life(self) -> None:
        for entry in self.recorder.entries[self.read :]:
            event = entry.event
            if isinstance(event, Pushed):
                assert event.message not in self.settled
                assert entry.time < self.produced_at.get(event.message, self.now) + 1.5 * self.timing.retention
            elif isinstance(event, Confirmed | Expired | Dropped):
                assert event.message not in self.settled
                self.settled.add(event.message)
            elif isinstance(event, Failed):
                assert event.message not in self.settled
            elif isinstance(event, UnknownConfirm) and event.via == "ws":
                assert event.id is not None
        self.read = len(self.recorder.entries)
        assert self.settled == {each for each, life in self.model.lives.items() if life.state in SETTLED}

    # Helpers

    def follow(self, act: Callable[[Model], object]) -> None:
        """The model does what the engine has done, pushing each message where the engine pushed it."""
        for effect in self.service.effects():
            assert isinstance(effect, Send)
            push = from_service(decode(effect.data))
            if isinstance(push, Push):
                assert push.id is not None
                assert push.retried == min(self.sent[push.id], 127)
                self.sent[push.id] += 1
                self.on[push.id].append(effect.connection)
        self.model.advance(self.now)
        act(self.model)
        left = {message: list(names) for message, names in self.on.items() if names}
        assert not left, f"the model did not push {left}"

    @staticmethod
    def assert_equal(one: object, other: object) -> None:
        assert one == other

    @staticmethod
    def environments(queue: QueueKey) -> list[str]:
        return [str(queue._replace(environment=each)) for each in ("production", "pre-release")]

    def a_connection(self, which: int) -> str:
        return list(self.connections)[which % len(self.connections)]

    def a_message(self, which: int) -> int:
        return self.messages[which % len(self.messages)]

    def on_their_connections(self) -> list[tuple[str, int]]:
        """Each connection with each message of its queue, settled ones too."""
        return [
            (name, message)
            for message, life in self.model.lives.items()
            for name, queue in self.connections.items()
            if str(queue) == life.queue
        ]

    def report_on(self, name: str, message: int, *, failed: bool) -> None:
        frame = (Fail if failed else Confirm)(token="t", id=message).to_frame()
        self.service.received(name, encode(frame), now=self.now)
        queue = str(self.connections[name])
        self.follow(lambda model: (model.fail if failed else model.confirm)(message, queue))


TestModelAndEngine = ModelAndEngine.TestCase
TestModelAndEngine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
