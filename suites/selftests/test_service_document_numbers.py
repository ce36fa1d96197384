"""The numbers of the console as the official document reads them: produced, pushed and confirmed, and what it means
when they differ (S48, S49, S73).
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_by_hand import ONE, World

from tmcfakes.stats import rows
from tmcspec.events import Confirmed, Dropped, Expired, Produced
from tmcspec.flow import Flow
from tmcspec.routing import Environment
from tmcspec.timing import Timing


class Counted(NamedTuple):
    """The numbers of a group so far, or between two moments."""

    produced: int
    pushed: int
    confirmed: int
    backlog: int = 0

    def since(self, before: Counted) -> Counted:
        return Counted(
            self.produced - before.produced,
            self.pushed - before.pushed,
            self.confirmed - before.confirmed,
            self.backlog,
        )


def counted(world: World) -> Counted:
    (row,) = (
        row
        for row in rows(world.service, now=world.now)
        if (row.app_key, row.group, row.environment) == ("1", "default", "production")
    )
    return Counted(row.counts.produced, row.counts.pushed, row.counts.confirmed, row.backlog)


class Shop(World):
    """Sellers who are busy, and clients that confirm so many messages a second, those that came first."""

    def __init__(self, *, clients: int, confirms: int, value: int | None = None) -> None:
        flow = Flow(value=value, factor=1, latency=0.0, confirm_ratio=0.0)
        super().__init__(timing=Timing(retention=1e6), flow=flow)
        self.confirms = confirms
        self.taken: list[tuple[str, int | None]] = []
        for number in range(clients):
            self.connected(f"c{number}")

    def busy(self, seconds: int, *, produced: int) -> Counted:
        """Time passes, in which so many messages are produced a second. Returns the numbers of that time."""
        before = counted(self)
        for _ in range(seconds):
            for _ in range(produced):
                self.produce()
            self.live(until=self.now + 1.0)
            self.taken += [(name, push.id) for name, push in self.pushes()]
            for name, message in self.taken[: self.confirms]:
                self.confirm(name, message)
            del self.taken[: self.confirms]
        return counted(self).since(before)


def test_a_push_is_counted_when_it_is_sent_and_a_confirm_when_the_client_reports_it() -> None:
    """S73: 推送量qps: 消息服务 把mq队列中的 消息 推送给 tmcClient; 确认量qps: 业务处理完成, 主动上报确认."""
    world = World()
    seen = [counted(world)]
    message = world.produce()
    seen.append(counted(world))
    world.connected("c")
    world.live(until=30.0)
    seen.append(counted(world))
    world.confirm("c", message)
    seen.append(counted(world))
    assert seen == [(0, 0, 0, 0), (1, 0, 0, 1), (1, 1, 0, 1), (1, 1, 1, 0)]


def test_while_all_is_well_the_three_numbers_fall_in_that_order_and_hardly_differ() -> None:
    """S48: 确认量 <= 推送量 <= 消息总量 且相互相差不大 意味着即时消费且确认."""
    shop = Shop(clients=2, confirms=20, value=32)
    for _ in range(60):
        shop.busy(1, produced=20)
        now = counted(shop)
        assert now.confirmed <= now.pushed <= now.produced
        assert now.produced - now.confirmed <= 20
    assert now == (1200, 1200, 1200, 0)


def test_more_produced_than_pushed_is_a_backlog_and_more_machines_help() -> None:
    """S49: 消息总量 > 推送量, 会有堆积, 受限于推送量不足, 可按公式, 增加机器数, 调整流控值."""
    shop = Shop(clients=1, confirms=1000, value=32)
    slow = shop.busy(30, produced=50)
    assert slow == (1500, slow.pushed, slow.pushed, 1500 - slow.pushed)
    assert slow.pushed == pytest.approx(30 * 32, abs=32)
    shop.connected("another")
    better = shop.busy(30, produced=50)
    assert better.pushed > better.produced
    assert better.backlog < slow.backlog


def test_more_pushed_than_confirmed_brings_messages_again() -> None:
    """S49: 推送量 > 确认量, 会有重发."""
    shop = Shop(clients=1, confirms=1)
    first = shop.busy(300, produced=4)
    assert first == (1200, 1200, 300, 900)
    second = shop.busy(300, produced=4)
    # Again those of 120 to 240 s: each six minutes after its push, and not confirmed until then.
    assert second == (1200, second.pushed, 300, 1800)
    assert second.pushed == pytest.approx(1200 + 120 * 4, abs=10)


def test_more_pushed_than_produced_is_a_backlog_that_is_being_worked_off() -> None:
    """S49: 推送量 > 消息量, 说明有堆积, 在额外把堆积中的消息推送到tmcClient."""
    shop = Shop(clients=0, confirms=1000, value=64)
    gathered = shop.busy(20, produced=50)
    assert gathered == (1000, 0, 0, 1000)
    shop.connected("c")
    draining = shop.busy(20, produced=40)
    assert draining.pushed > draining.produced
    assert draining.backlog < gathered.backlog
    shop.busy(100, produced=40)
    assert shop.busy(20, produced=40) == (800, 800, 800, 0)


@pytest.mark.parametrize("environment", ["production", "pre-release"])
def test_consumption_is_forbidden_by_hand_with_flow_value_0(environment: Environment) -> None:
    """S52: 长期如此, 会酌情加白禁止消费消息: whoever decides that sets the value; no service here does by itself."""
    world = World()
    world.connected("c", environment=environment)
    world.console.set_flow("1", "default", 0)
    world.live(until=10.0)
    world.produce(environment=environment)
    world.live(until=5000.0)
    assert world.pushes() == []
    world.console.set_flow("1", "default", None)
    world.live(until=5010.0)
    assert len(world.pushes()) == 1


GROUPS = ("default", "shop", "gone")
PAUSES = (1.0, 70.0, 400.0, 2000.0)
ACTS = ("produce", "produce", "pass", "confirm", "fail", "connect", "close", "delete")


@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 30)), max_size=40))
def test_no_message_is_lost_without_a_word(acts: list[tuple[str, int]]) -> None:
    """S63: 消息丢失概率极低. Here it is none: what was produced was confirmed, is there, reached the end of its
    retention or was deleted with its group, each of which the trace tells.
    """
    world = World(timing=Timing(retention=3000.0))
    world.console.create_group("1", "gone")
    clients: dict[str, str] = {}  # by their groups
    made: list[int] = []
    for act, number in acts:
        group = GROUPS[number % len(GROUPS)]
        exists = group in world.service.directory.app("1").groups
        if act == "pass":
            world.live(until=world.now + PAUSES[number % len(PAUSES)])
        elif act == "produce" and exists:
            made.append(world.produce(group=group))
        elif act == "connect" and exists and group not in clients:
            clients[group] = world.connected(f"c{world.recorder.last}", ONE, group)
        elif act == "close" and group in clients:
            world.closed(clients.pop(group))
        elif act == "delete" and exists and group == "gone":
            world.console.delete_group("1", group)
        elif act in ("confirm", "fail") and group in clients and made:
            report = world.confirm if act == "confirm" else world.fail
            report(clients[group], made[number % len(made)])
    counts = [row.counts for row in rows(world.service, now=world.now)]
    told = {kind: len(world.events(kind)) for kind in (Produced, Confirmed, Expired, Dropped)}
    assert sum(each.produced for each in counts) == told[Produced] == len(made)
    left = sum(row.backlog for row in rows(world.service, now=world.now))
    assert len(made) == told[Confirmed] + told[Expired] + told[Dropped] + left
