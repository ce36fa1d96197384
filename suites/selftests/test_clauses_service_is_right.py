"""The fake service keeps the clauses about groups and redelivery, whatever happens to it; one that is wrong does not.

Chance, with a seed, invents what happens: connections come and go in both environments, answer, fail and fall silent;
others consume over HTTP; users grant and take back; an operator moves users and topics between groups, deletes groups,
sets flow values, modes and the retention; and time passes, from deadline to deadline.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from stories import APP, EPOCH_MS

from tmcfakes.console import ConsoleError
from tmcfakes.service import App, Close, Send, Service
from tmcspec.clauses import CLAUSES, Binds, Judgement, judge_trace
from tmcspec.events import HttpIn, HttpOut
from tmcspec.frame import decode, encode
from tmcspec.messages import Confirm, Connect, Fail, PullRequest, Push, from_service
from tmcspec.routing import Environment
from tmcspec.signing import sign_connect
from tmcspec.timing import Timing
from tmcspec.trace import Recorder, Trace

T = TypeVar("T")

GROUPS = ["default", "vip", "refunds"]
TOPICS = ["taobao_trade_TradeCreate", "taobao_refund_RefundCreated", "taobao_item_ItemAdd"]
NICKS = ["张三", "李四", "王五"]
ENVIRONMENTS: list[Environment] = ["production", "production", "pre-release"]

JUDGED = [clause for clause in CLAUSES.values() if clause.binds is Binds.SERVICE and clause.area in ("RDL", "GRP")]


class Life:
    """Drives a service for a while. `more` is for the service."""

    def __init__(self, seed: int, **more: Any) -> None:
        self.rng = random.Random(seed)
        self.recorder = Recorder()
        app = App(key=APP, secret="secret", groups=frozenset(GROUPS))
        chances = {"rng": random.Random(seed + 1)} | more
        self.service = Service(apps=[app], recorder=self.recorder, epoch_ms=EPOCH_MS, **chances)
        self.now = 0.0
        self.opened = 0
        self.requests = 0
        self.open: list[str] = []
        # What each connection has been pushed and not answered.
        self.in_hand: dict[str, list[int]] = {}
        self.consumed: list[tuple[int, str, Environment]] = []

    def live(self, steps: int) -> Trace:
        doings = [
            (self.connects, 4),
            (self.leaves, 1),
            (self.produces, 12),
            (self.broadcasts, 8),
            (self.answers, 14),
            (self.consumes, 5),
            (self.confirms_by_http, 4),
            (self.relates, 3),
            (self.groups, 2),
            (self.sets, 1),
            (self.passes, 10),
        ]
        doing, weights = zip(*doings, strict=True)
        for _ in range(steps):
            # What cannot be done is refused.
            with suppress(ConsoleError, ValueError):
                self.rng.choices(doing, weights)[0]()
            self.look()
        self.until(self.now + 1000)
        return Trace(entries=tuple(self.recorder.entries), world="simulated", epoch_ms=EPOCH_MS)

    def until(self, end: float) -> None:
        """Time passes, from deadline to deadline."""
        while (deadline := self.service.deadline()) is not None and deadline <= end:
            self.now = deadline
            self.service.tick(now=self.now)
            self.look()
        self.now = end
        self.service.tick(now=self.now)
        self.look()

    def look(self) -> None:
        """What the service did."""
        for effect in self.service.effects():
            if isinstance(effect, Close):
                self.ends(effect.connection, "service")
            elif isinstance(effect, Send):
                message = from_service(decode(effect.data))
                if isinstance(message, Push) and message.id is not None:
                    self.in_hand.setdefault(effect.connection, []).append(message.id)

    def ends(self, name: str, by: str) -> None:
        if name in self.open:
            self.open.remove(name)
            self.service.closed(name, now=self.now, by=by, code=1000, reason="")  # type: ignore[arg-type]

    # Clients

    def connects(self) -> None:
        if self.open and self.rng.random() < 0.2:
            name = self.rng.choice(self.open)
        else:
            self.opened += 1
            name = f"c{self.opened}"
            self.service.opened(name, now=self.now, environment=self.rng.choice(ENVIRONMENTS))
            self.open.append(name)
        group, time = self.rng.choice(["default", *GROUPS, "unknown"]), str(EPOCH_MS)
        sign = sign_connect(app_key=APP, group=group, timestamp=time, secret="secret")
        connect = Connect(app_key=APP, group=group, timestamp=time, sign=sign, flag=1)
        self.service.received(name, encode(connect.to_frame()), now=self.now)

    def leaves(self) -> None:
        if self.open:
            name = self.rng.choice(self.open)
            if self.rng.random() < 0.5:
                self.service.disconnect(now=self.now, connection=name)
            else:
                self.ends(name, "client")

    def answers(self) -> None:
        if self.open:
            name = self.rng.choice(self.open)
            hand = self.in_hand.get(name, [])
            said = PullRequest(token="t") if self.rng.random() < 0.1 or not hand else None
            if said is None:
                id = hand.pop(self.rng.randrange(len(hand)))
                said = (Fail if self.rng.random() < 0.2 else Confirm)(token="t", id=id)  # type: ignore[assignment]
            assert said is not None
            self.service.received(name, encode(said.to_frame()), now=self.now)

    def asks(self, method: str, group: str, environment: Environment, **arguments: str) -> None:
        self.requests += 1
        texts = tuple({"group_name": group, **arguments}.items())
        event = HttpIn(
            request=self.requests,
            method=f"taobao.tmc.messages.{method}",
            app_key=APP,
            sign="right",
            arguments=texts,
            environment=environment,
        )
        self.service.record(event, now=self.now)

    def answered(self) -> None:
        self.service.record(HttpOut(request=self.requests), now=self.now)

    def consumes(self) -> None:
        group, environment = self.rng.choice(GROUPS), self.rng.choice(ENVIRONMENTS)
        self.asks("consume", group, environment)
        taken = self.service.consume(
            10, app_key=APP, group=group, now=self.now, request=self.requests, environment=environment
        )
        self.consumed += [(each.id, group, environment) for each in taken]
        self.answered()

    def confirms_by_http(self) -> None:
        if self.consumed:
            id, group, environment = self.consumed.pop(self.rng.randrange(len(self.consumed)))
            failed = self.rng.random() < 0.2
            self.asks("confirm", group, environment, **{"f_message_ids" if failed else "s_message_ids": str(id)})
            report = self.service.fail if failed else self.service.confirm
            report(id, app_key=APP, group=group, now=self.now, via="http", environment=environment)
            self.answered()

    # What happens in the world

    def produces(self) -> None:
        for _ in range(self.rng.choice([1, 1, 20])):
            self.service.produce(
                app_key=APP,
                topic=self.rng.choice(TOPICS),
                content="{}",
                now=self.now,
                group=self.rng.choice([None, None, *GROUPS]),
                user_id=self.rng.choice([None, 1, 2, 3]),
                environment=self.rng.choice(ENVIRONMENTS),
            )

    def broadcasts(self) -> None:
        self.service.broadcast(
            topic=self.rng.choice(TOPICS),
            content="{}",
            now=self.now,
            nick=self.rng.choice(NICKS),
            environment=self.rng.choice(ENVIRONMENTS),
        )

    def passes(self) -> None:
        self.until(self.now + self.rng.choice([0.5, 5, 30, 61, 200, 359, 360, 1000]))

    def relates(self) -> None:
        console, nick = self.service.console(now=self.now), self.rng.choice(NICKS)
        number = NICKS.index(nick) + 1
        doing = self.rng.randrange(6)
        if doing <= 1:
            until = self.rng.choice([None, None, self.now + 500, self.now + 5000])
            console.authorise(APP, nick, user_id=number, until=until)
            console.permit(APP, nick, topics=self.rng.choice([None, TOPICS[:1], TOPICS[1:]]))
        elif doing == 2:
            console.revoke(APP, nick)
        elif doing == 3:
            console.permit(APP, nick, topics=self.rng.choice([None, TOPICS[:2]]))
        elif doing == 4:
            console.cancel(APP, nick)
        else:
            console.subscribe(APP, self.rng.choice([None, None, TOPICS[:2], TOPICS[1:]]))

    def groups(self) -> None:
        console, group = self.service.console(now=self.now), self.rng.choice(GROUPS[1:])
        doing, nick, topic = self.rng.randrange(6), self.rng.choice(NICKS), self.rng.choice(TOPICS)
        if doing <= 1:
            console.add_to_group(APP, group, [nick])
        elif doing == 2:
            console.remove_from_group(APP, group, [nick])
        elif doing == 3:
            console.bind_topics(APP, group, [topic])
        elif doing == 4:
            console.unbind_topics(APP, group, [topic])
        else:
            console.delete_group(APP, group)
            console.create_group(APP, group)

    def sets(self) -> None:
        console, group = self.service.console(now=self.now), self.rng.choice(GROUPS)
        doing = self.rng.randrange(4)
        if doing == 0:
            console.set_flow(APP, group, self.rng.choice([None, None, 0, 1, 50]))
        elif doing == 1:
            console.set_mode(APP, group, self.rng.choice(["push", "push", "pull"]))
        elif doing == 2:
            console.set_retention(self.rng.choice([500.0, 1000.0, 24 * 3600.0]))
        else:
            console.set_flow(APP, group, None)
            console.set_mode(APP, group, "push")


@functools.cache
def judged(seed: int) -> tuple[Judgement, ...]:
    return judge_trace(Life(seed).live(300), JUDGED)


SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fake_service_breaks_none_of_its_clauses(seed: int) -> None:
    broken = [finding for judgement in judged(seed) for finding in judgement.violations]
    assert [(finding.message, finding.evidence) for finding in broken] == []


def test_what_happens_to_it_brings_all_of_them_to_bear() -> None:
    exercised: Counter[str] = Counter()
    for seed in SEEDS:
        exercised.update({judgement.clause.id: judgement.exercised for judgement in judged(seed)})
    # It takes fifty groups to come to the limit of them.
    assert [id for id, times in exercised.items() if not times] == ["GRP-4"]


class Partial(random.Random):
    """Of several things, always the first."""

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        return seq[0]

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return 0 if stop is None else start


@pytest.mark.parametrize(
    ("accused", "more"),
    [
        ("RDL-1 RDL-2", {"timing": Timing(redelivery_delay=240.0)}),
        ("RDL-1 RDL-2", {"timing": Timing(redelivery_delay=500.0)}),
        ("GRP-8", {"timing": Timing(subscription_cache=3000.0)}),
        ("GRP-2", {"rng": Partial(0)}),
    ],
)
def test_a_service_that_is_wrong_is_accused_of_that_and_of_nothing_else(accused: str, more: dict[str, Any]) -> None:
    found = {
        judgement.clause.id
        for seed in SEEDS[:4]
        for judgement in judge_trace(Life(seed, **more).live(300), JUDGED)
        if judgement.violations
    }
    assert found == set(accused.split())
