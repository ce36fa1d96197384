"""The engine under flow control, in exact service time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from service_by_hand import World

from tmcspec.events import Confirmed, FlowSet, Pushed
from tmcspec.flow import LEAST_SHARE, Flow, SmallValues
from tmcspec.timing import Timing

TIMING = Timing(retention=1e6)


def new_world(*, clients: int = 1, waiting: int = 0, timing: Timing = TIMING, **flow: Any) -> World:
    """A service with this flow control, clients `c0`, `c1`, … on it, and messages that wait for them. Nobody confirms,
    and nobody minds.
    """
    world = World(timing=timing, flow=Flow(**{"confirm_ratio": 0.0} | flow))
    produce(world, waiting)
    connect(world, clients)
    return world


def connect(world: World, clients: int) -> None:
    for number in range(clients):
        world.connected(f"c{number}")


def produce(world: World, count: int) -> list[int]:
    return [world.produce() for _ in range(count)]


def bursts(world: World, since: float = 0.0) -> list[tuple[float, int]]:
    """How many messages were pushed at which time, in the trace."""
    times = Counter(entry.time for entry in world.recorder.entries if isinstance(entry.event, Pushed))
    return [(time, count) for time, count in times.items() if time >= since]


def pushed(world: World, since: float, until: float) -> int:
    """How many messages were pushed from one time up to another, which does not count."""
    return sum(count for time, count in bursts(world) if since <= time < until)


# S46: 推送量qps = tmcClient机器数 * 单机流控值 * 24(倍率)


@pytest.mark.parametrize(("clients", "value"), [(1, 32), (2, 32), (3, 50), (1, 64)])
def test_with_a_backlog_the_rate_is_clients_times_value_times_24(clients: int, value: int) -> None:
    rate = clients * value * 24
    world = new_world(clients=0, waiting=2 * rate + 100, value=value, backlog_limit=10**6)
    world.connected("first")
    connect(world, clients - 1)
    world.live(until=2.0)
    assert pushed(world, 0.0, 1.0) == pushed(world, 1.0, 2.0) == rate
    assert {count for time, count in bursts(world, since=0.001)} <= {value * clients, 100}


def test_without_a_backlog_nothing_is_held_back() -> None:
    world = new_world(value=32)
    for world.now in (0.0, 1.0, 1.001):
        produce(world, 3)
    assert bursts(world) == [(0.0, 3), (1.0, 3), (1.001, 3)]


def test_the_quota_of_a_slot_is_the_groups_and_chance_shares_it_out() -> None:
    world = new_world(clients=4, waiting=0, value=1, small_values="literal")
    world.pushes()
    produce(world, 1000)
    taken = Counter(name for name, _ in world.pushes())
    assert sum(taken.values()) == 128
    assert len(taken) == 4
    assert len(set(taken.values())) > 1


def test_the_rate_follows_the_number_of_clients() -> None:
    world = new_world(clients=1, waiting=1000, value=1, small_values="literal")
    world.live(until=10.0)
    world.connected("another")
    assert bursts(world) == [(0.0, 32), (10.0, 32)]
    world.live(until=32.0)
    world.live(until=40.0)
    world.closed("another")
    world.live(until=64.0)
    assert bursts(world, since=11.0) == [(32.0, 64), (64.0, 32)]


def test_clients_of_another_group_or_environment_do_not_count() -> None:
    world = new_world(clients=1, value=1, small_values="literal")
    world.connected("shop", group="shop")
    world.connected("pre", environment="pre-release")
    produce(world, 100)
    assert bursts(world) == [(0.0, 32)]


# S47: 低于32时,有毛刺,但均值正常,第一秒为32,后续31秒为0


def test_read_literally_value_1_gives_32_in_the_first_second_and_31_seconds_of_nothing() -> None:
    world = new_world(waiting=100, value=1, small_values="literal")
    world.live(until=100.0)
    assert bursts(world) == [(0.0, 32), (32.0, 32), (64.0, 32), (96.0, 4)]
    assert [pushed(world, second, second + 1) for second in range(64)] == 2 * [32, *31 * [0]]


# S47: 低于32时,有毛刺,但均值正常
@pytest.mark.parametrize(
    ("small_values", "value", "period"),
    [("formula", 1, 32 / 24), ("formula", 8, 32 / (8 * 24)), ("literal", 2, 16.0), ("literal", 31, 32 / 31)],
)
def test_small_values_come_in_bursts_of_32_whose_mean_is_right(
    small_values: SmallValues, value: int, period: float
) -> None:
    world = new_world(waiting=32 * 12, value=value, small_values=small_values)
    world.live(until=11 * period + 0.1 * period)
    assert [count for _, count in bursts(world)] == 12 * [32]
    assert [time for time, _ in bursts(world)] == pytest.approx([slot * period for slot in range(12)], abs=1e-5)


def test_a_value_of_0_lets_nothing_through() -> None:
    world = new_world(waiting=5, value=0)
    world.live(until=5000.0)
    assert bursts(world) == []
    assert world.service.deadline() == TIMING.retention


# S45: 修改单个tmcClient流控 实时(10s)生效


def test_a_new_value_is_in_force_ten_seconds_later() -> None:
    world = new_world(waiting=300, value=1, small_values="literal")
    world.live(until=3.0)
    world.console.set_flow("1", "default", 64)
    assert world.events(FlowSet)[-1] == FlowSet(app_key="1", value=64)
    world.live(until=13.0)
    # In the slot that runs 32 had gone already.
    assert bursts(world) == [(0.0, 32), (13.0, 64)]
    world.live(until=13.05)
    assert [count for _, count in bursts(world)] == [32, 64, 64]


def test_the_trace_tells_the_value_that_a_group_has_from_its_start() -> None:
    world = new_world(clients=0, value=5)
    values = [
        FlowSet(app_key=app, group=group, value=5) for app, group in (("1", "default"), ("1", "shop"), ("2", "default"))
    ]
    assert world.events(FlowSet) == values
    world.console.add_to_group("1", "g", [])
    assert world.events(FlowSet) == [*values, FlowSet(app_key="1", group="g", value=5)]
    assert new_world().events(FlowSet) == []


def test_a_value_may_be_taken_away_again() -> None:
    world = new_world(waiting=100, value=0)
    world.console.set_flow("1", "default", None)
    world.live(until=9.999)
    assert bursts(world) == []
    world.live(until=10.0)
    assert bursts(world) == [(10.0, 100)]


def test_without_latency_a_value_counts_at_once() -> None:
    world = new_world(waiting=100, value=1, small_values="literal", latency=0.0)
    assert bursts(world) == [(0.0, 32)]
    world.console.set_flow("1", "default", 40)
    assert bursts(world) == [(0.0, 40)]
    world.console.set_flow("1", "default", None)
    assert bursts(world) == [(0.0, 100)]


def test_a_value_that_was_set_before_anybody_came_counts() -> None:
    world = new_world(clients=0, waiting=100, small_values="literal")
    world.console.set_flow("1", "default", 1)
    world.live(until=50.0)
    world.connected("c")
    assert bursts(world) == [(50.0, 32)]


def test_each_value_of_a_row_is_in_force_in_its_turn() -> None:
    # S50: 调整单机流控为极小值 1…逐步扩大…32,64
    world = new_world(waiting=10_000, value=0)
    for after, value in ((0.0, 1), (10.0, 32), (20.0, 64)):
        world.live(until=after)
        world.console.set_flow("1", "default", value)
    world.live(until=31.0)
    assert pushed(world, 0.0, 10.0) == 0
    assert pushed(world, 10.0, 20.0) == 8 * 32
    assert pushed(world, 21.0, 29.0) == pytest.approx(8 * 32 * 24, abs=32)
    assert [count for time, count in bursts(world, since=30.1)] == [64] * len(bursts(world, since=30.1))


def test_a_value_of_one_group_is_none_of_another() -> None:
    world = new_world(small_values="literal", latency=0.0)
    world.connected("shop", group="shop")
    world.console.set_flow("1", "shop", 1)
    for group in ("default", "shop"):
        for _ in range(100):
            world.produce(group=group)
    told = Counter(name for name, _ in world.pushes())
    assert told == {"c0": 100, "shop": 32}


# S51: appkey一直不消费, 堆积过多(万级)或过久(半小时以上)会, 消费流控值预期会*30%


def test_too_many_waiting_messages_degrade_the_rate_until_fewer_wait() -> None:
    world = new_world(waiting=10_000 + 10 * 32, value=32)
    slot, degraded = 1 / 24, 1 / 24 / 0.3
    world.live(until=12 * degraded)
    times = [time for time, _ in bursts(world)]
    steps = [after - before for before, after in pairwise(times)]
    # The tenth burst leaves 10,000.
    assert steps[:9] == pytest.approx([degraded] * 9, abs=1e-5)
    assert steps[9:] == pytest.approx([slot] * len(steps[9:]), abs=1e-5)
    assert len(steps) > 15


# S51: 堆积过多(万级)或过久(半小时以上)会, 消费流控值预期会*30%
def test_half_an_hour_without_consumption_degrades_the_rate_until_what_gathered_is_taken() -> None:
    world = new_world(clients=0, waiting=3 * 32, value=32)
    world.live(until=1000.0)
    produce(world, 64)
    world.live(until=1800.0)
    world.connected("c")
    produce(world, 64)  # younger than what gathered
    world.live(until=1802.0)
    times = [time - 1800.0 for time, _ in bursts(world)]
    degraded = 1 / 24 / 0.3
    assert [count for _, count in bursts(world)] == 7 * [32]
    # Five bursts of what had gathered; the sixth opens when the fifth is over, the seventh 1/24 s later.
    expected = [0, degraded, 2 * degraded, 3 * degraded, 4 * degraded, 4 * degraded + 1 / 24, 4 * degraded + 2 / 24]
    assert times == pytest.approx(expected, abs=1e-5)


def test_less_than_half_an_hour_degrades_nothing() -> None:
    world = new_world(clients=0, waiting=3 * 32, value=32)
    world.live(until=1799.9)
    world.connected("c")
    world.live(until=1801.0)
    assert [time for time, _ in bursts(world)] == pytest.approx([1799.9, 1799.9 + 1 / 24, 1799.9 + 2 / 24], abs=1e-5)


def test_consumption_over_http_is_consumption() -> None:
    world = new_world(clients=0, waiting=3 * 32 + 1, value=32)
    world.live(until=1000.0)
    (message,) = world.service.consume(1, app_key="1", group="default", now=1000.0, request=1)
    world.service.confirm(message.id, app_key="1", group="default", now=1000.0, via="http")
    world.live(until=1800.0)
    world.connected("c")
    world.live(until=1801.0)
    assert [time for time, _ in bursts(world)][:3] == pytest.approx(
        [1800.0, 1800.0 + 1 / 24, 1800.0 + 2 / 24], abs=1e-5
    )


def test_http_is_not_limited_and_uses_no_quota() -> None:
    world = new_world(clients=0, waiting=200, value=1, small_values="literal")
    taken = world.service.consume(100, app_key="1", group="default", now=0.0, request=1)
    assert len(taken) == 100
    world.connected("c")
    assert bursts(world) == [(0.0, 32)]


def test_what_is_taken_over_http_may_end_the_reason_to_hold_the_rest_back() -> None:
    world = new_world(waiting=200, value=32, backlog_limit=100, degraded_share=0.001)
    assert bursts(world) == [(0.0, 32)]
    world.live(until=1.0)
    assert bursts(world) == [(0.0, 32)]
    world.service.consume(68, app_key="1", group="default", now=1.0, request=1)
    assert bursts(world) == [(0.0, 32), (1.0, 32)]


@pytest.mark.parametrize("failed", [False, True])
def test_a_report_of_what_waits_may_end_it_too(failed: bool) -> None:
    world = new_world(clients=0, value=32, backlog_limit=100, degraded_share=0.001)
    *_, last = produce(world, 133)
    world.connected("c")
    world.live(until=1.0)
    assert bursts(world) == [(0.0, 32)]
    report = world.service.fail if failed else world.service.confirm
    report(last, app_key="1", group="default", now=1.0, via="http")
    assert bursts(world) == [(0.0, 32), (1.0, 32)]


# S52: 消费了不确认, 确认比过低(20%), 会自适应限制消费速率


def confirming(world: World, until: float, *, share: float = 1.0) -> None:
    """Time passes, and the client confirms this share of what it is given as soon as it is given it."""
    count = 0
    while (deadline := world.service.deadline()) is not None and deadline <= until:
        world.at(deadline)
        for name, push in world.pushes():
            count += 1
            if int(count * share) > int((count - 1) * share):
                world.confirm(name, push.id)
    world.at(until)


def gaps(world: World, since: float, until: float) -> list[float]:
    """Seconds from each burst to the next."""
    times = [time for time, _ in bursts(world) if since <= time <= until]
    return [round(after - before, 3) for before, after in pairwise(times)]


def throttled() -> World:
    """32 messages a second, as long as there are enough confirms."""
    return new_world(waiting=5000, value=32, factor=1, confirm_ratio=0.2)


# S52: 确认比过低(20%), 会自适应限制消费速率
def test_who_confirms_nothing_is_throttled_step_by_step() -> None:
    world = throttled()
    world.live(until=200.0)
    # The first minute is over after 60 s, and every five seconds the rate is halved, five times.
    assert gaps(world, 0.0, 64.0) == [1.0] * 64
    assert gaps(world, 64.0, 200.0) == [2.0, 2.0, 4.0, 32.0, 32.0, 32.0, 32.0]
    assert LEAST_SHARE == 1 / 32


@pytest.mark.parametrize(("share", "slower"), [(0.15, True), (0.25, False), (1.0, False)])
def test_a_fifth_of_confirms_is_enough(share: float, slower: bool) -> None:
    world = throttled()
    confirming(world, 100.0, share=share)
    assert (gaps(world, 0.0, 100.0) != [1.0] * 100) is slower


def test_who_confirms_again_gets_the_whole_rate_back_step_by_step() -> None:
    world = throttled()
    world.live(until=200.0)
    world.pushes()
    confirming(world, 300.0)
    assert [time for time, _ in bursts(world, since=200.0)][:2] == [200.0, 232.0]
    # Confirmed in each five seconds: a tenth more, and the slot that runs gets shorter, too.
    shares = [LEAST_SHARE + tenths / 10 for tenths in (1, 2, 3)]
    assert gaps(world, 232.0, 249.0) == [round(1 / share, 3) for share in shares]
    assert gaps(world, 280.0, 300.0) == [1.0] * 19


def test_a_confirm_that_comes_late_counts_as_none() -> None:
    world = throttled()
    late: list[tuple[float, str, int | None]] = []
    while world.now < 100.0:
        world.live(until=world.now + 1.0)
        late += [(world.now + 61.0, name, push.id) for name, push in world.pushes()]
        while late and late[0][0] <= world.now:
            _, name, message = late.pop(0)
            world.confirm(name, message)
    assert gaps(world, 64.0, 100.0) == [2.0, 2.0, 4.0]
    assert len(world.events(Confirmed)) > 1000


# S26: 不要滥用,否则会引起雪崩
def test_who_reports_everything_as_failed_is_throttled_too() -> None:
    world = throttled()
    for now in range(20):
        world.live(until=float(now))
        for name, push in world.pushes():
            world.fail(name, push.id)
    assert gaps(world, 0.0, 20.0) == [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 4.0]


def test_a_delivery_is_one_answer_though_it_was_missed_and_reported_as_failed() -> None:
    world = new_world(value=32, factor=1, confirm_ratio=0.5)
    (missed,) = produce(world, 1)
    world.live(until=5.0)
    (confirmed,) = produce(world, 1)
    world.live(until=61.0)
    world.fail("c0", missed)
    world.confirm("c0", confirmed)
    world.live(until=65.0)
    produce(world, 100)
    world.live(until=68.0)
    assert gaps(world, 65.0, 68.0) == [1.0, 1.0, 1.0]


def test_messages_of_a_deleted_group_are_no_bad_answers() -> None:
    world = new_world(value=32, factor=1, confirm_ratio=0.2)
    world.console.create_group("1", "g")
    world.connected("g", group="g")
    for _ in range(100):
        world.produce(group="g")
    world.console.delete_group("1", "g")
    world.console.create_group("1", "g")
    world.live(until=70.0)
    for _ in range(100):
        world.produce(group="g")
    world.live(until=73.0)
    assert gaps(world, 70.0, 73.0) == [1.0, 1.0, 1.0]
