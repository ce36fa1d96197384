"""The engine is fast, the model is obviously right: whatever happens to both, they agree.

Hypothesis invents what happens: connections come and go, messages are produced, confirmed and failed in every state
and from everywhere, ids are wrong, and time passes in small and huge steps, to a deadline exactly or to just before
it.
"""

from __future__ import annotations

import math
import random
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tmcfakes.service import App, Send, Service
from tmcspec.delivery import SETTLED, Model, State
from tmcspec.events import Confirmed, Expired, Failed, Pushed, UnknownConfirm
from tmcspec.frame import decode, encode
from tmcspec.messages import Confirm, Connect, Fail, Push, from_service
from tmcspec.signing import sign_connect
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

APPS = [App(key="1", secret="one", groups=frozenset({"default", "shop"})), App(key="2", secret="two")]
QUEUES = [(app.key, group) for app in APPS for group in sorted(app.groups)]
SECRETS = {app.key: app.secret for app in APPS}

TIMINGS = [
    Timing(),
    Timing(retention=1000.0),
    # The retention ends before a message is ever due again.
    Timing(retention=100.0),
    # Both timers of a push run out in the same moment; and the retention with the third push.
    Timing(confirm_timeout=60.0, redelivery_delay=60.0, retention=180.0),
]

queues = st.sampled_from(QUEUES)
any_number = st.integers(min_value=0, max_value=2**16)
# Mostly none: what is interesting are several things in one state of a message, and a state lasts only so long.
pauses = st.sampled_from([0.0, 0.0, 0.0, 0.001, 1.0, 30.0, 60.0, 61.5, 299.0, 360.0])
long_pauses = st.one_of(pauses, st.floats(min_value=0, max_value=400), st.sampled_from([1000.0, 90_000.0]))


class ModelAndEngine(RuleBasedStateMachine):
    @initialize(timing=st.sampled_from(TIMINGS), seed=any_number)
    def start(self, timing: Timing, seed: int) -> None:
        self.timing = timing
        self.model = Model(timing=timing)
        self.recorder = Recorder()
        self.service = Service(apps=APPS, recorder=self.recorder, rng=random.Random(seed), timing=timing)
        self.now = 0.0
        self.opened = 0
        self.connections: dict[str, tuple[str, str]] = {}
        self.messages: list[int] = []
        self.sent: Counter[int] = Counter()
        self.produced_at: dict[int, float] = {}
        self.settled: set[int] = set()
        self.read = 0
        self.connect(QUEUES[0], 0.0)
        self.produce(QUEUES[0], 0.0)

    # What happens. Before it, some time may pass that the engine is not told of separately.

    @rule(queue=queues, pause=pauses)
    def connect(self, queue: tuple[str, str], pause: float) -> None:
        self.wait(pause)
        self.opened += 1
        name = f"c{self.opened}"
        key, group = queue
        sign = sign_connect(app_key=key, group=group, timestamp="1", secret=SECRETS[key])
        frame = Connect(app_key=key, group=group, timestamp="1", sign=sign).to_frame()
        self.service.opened(name, now=self.now)
        self.service.received(name, encode(frame), now=self.now)
        self.model.connect(str(queue))
        self.connections[name] = queue

    @precondition(lambda self: self.connections)
    @rule(which=any_number, pause=pauses)
    def disconnect(self, which: int, pause: float) -> None:
        self.wait(pause)
        name = self.a_connection(which)
        self.service.closed(name, now=self.now, by="client", code=None, reason="")
        self.model.disconnect(str(self.connections.pop(name)))

    @rule(queue=queues, pause=pauses)
    def produce(self, queue: tuple[str, str], pause: float) -> None:
        self.wait(pause)
        key, group = queue
        message = self.service.produce(app_key=key, group=group, topic="t", content="{}", now=self.now)
        self.model.produce(message, str(queue))
        self.messages.append(message)
        self.produced_at[message] = self.now

    @precondition(lambda self: self.connections and self.messages)
    @rule(which=any_number, message=any_number, near=st.sampled_from([0, 0, 0, 1, -1]), pause=pauses)
    def confirm_on_some_connection(self, which: int, message: int, near: int, pause: float) -> None:
        self.wait(pause)
        self.report_on(self.a_connection(which), self.a_message(message) + near, failed=False)

    @precondition(lambda self: self.connections and self.messages)
    @rule(which=any_number, message=any_number, near=st.sampled_from([0, 0, 0, 1, -1]), pause=pauses)
    def fail_on_some_connection(self, which: int, message: int, near: int, pause: float) -> None:
        self.wait(pause)
        self.report_on(self.a_connection(which), self.a_message(message) + near, failed=True)

    @precondition(lambda self: self.on_their_connections())
    @rule(which=any_number, failed=st.booleans(), pause=pauses)
    def report_where_it_belongs(self, which: int, failed: bool, pause: float) -> None:
        self.wait(pause)
        candidates = self.on_their_connections()
        name, message = candidates[which % len(candidates)]
        self.report_on(name, message, failed=failed)

    @precondition(lambda self: self.messages)
    @rule(message=any_number, astray=st.sampled_from([None, None, None, *QUEUES]), failed=st.booleans(), pause=pauses)
    def report_by_http(self, message: int, astray: tuple[str, str] | None, failed: bool, pause: float) -> None:
        self.wait(pause)
        wanted = self.a_message(message)
        key, group = astray or next(queue for queue in QUEUES if str(queue) == self.model.lives[wanted].queue)
        report = self.service.fail if failed else self.service.confirm
        known = report(wanted, app_key=key, group=group, now=self.now, via="http")
        assert known == (self.model.fail if failed else self.model.confirm)(wanted, str((key, group)))

    @rule(pause=long_pauses)
    def let_time_pass(self, pause: float) -> None:
        self.wait(pause)
        self.service.tick(now=self.now)

    @precondition(lambda self: self.model.deadline() is not None)
    @rule(just_before=st.booleans())
    def go_to_the_deadline(self, just_before: bool) -> None:
        deadline = self.model.deadline()
        assert deadline is not None
        moment = math.nextafter(deadline, 0) if just_before else deadline
        self.wait(max(moment, self.now) - self.now, until=max(moment, self.now))
        self.service.tick(now=self.now)

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
    def pushes_agree(self) -> None:
        for effect in self.service.effects():
            assert isinstance(effect, Send)
            push = from_service(decode(effect.data))
            if isinstance(push, Push):
                assert push.id is not None
                assert push.retried == min(self.sent[push.id], 127)
                self.sent[push.id] += 1
        assert self.sent == Counter({each: life.pushes for each, life in self.model.lives.items()})

    @invariant()
    def the_trace_tells_a_possible_life(self) -> None:
        for entry in self.recorder.entries[self.read :]:
            event = entry.event
            if isinstance(event, Pushed):
                assert event.message not in self.settled
                assert entry.time < self.produced_at.get(event.message, self.now) + self.timing.retention
            elif isinstance(event, Confirmed | Expired):
                assert event.message not in self.settled
                self.settled.add(event.message)
            elif isinstance(event, Failed):
                assert event.message not in self.settled
            elif isinstance(event, UnknownConfirm) and event.via == "ws":
                assert event.id is not None
        self.read = len(self.recorder.entries)
        ended = {each for each, life in self.model.lives.items() if life.state in (State.CONFIRMED, State.EXPIRED)}
        assert self.settled == ended

    # Helpers

    def wait(self, pause: float, *, until: float | None = None) -> None:
        self.now = self.now + pause if until is None else until
        self.model.advance(self.now)

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
        frame = (Fail if failed else Confirm)(token=None, id=message).to_frame()
        self.service.received(name, encode(frame), now=self.now)
        (self.model.fail if failed else self.model.confirm)(message, str(self.connections[name]))


TestModelAndEngine = ModelAndEngine.TestCase
TestModelAndEngine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
