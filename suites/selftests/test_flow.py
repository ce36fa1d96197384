"""Flow control: the rates of the official document, and a valve that keeps to them."""

from __future__ import annotations

import copy
from math import inf, nan
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmcspec.flow import LEAST_SHARE, RATING_PERIOD, VALUE_LIMIT, Flow, SmallValues, Valve, check_value

# Rules


def test_the_defaults_are_those_of_the_official_document() -> None:
    assert Flow() == Flow(
        value=None,
        factor=24,
        unit=32,
        small_values="formula",
        latency=10.0,
        backlog_limit=10_000,
        idle_limit=1800.0,
        degraded_share=0.3,
        confirm_ratio=0.2,
        pull_credit=320,
    )


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"value": -1}, "a flow value must be 0 to 2147483647, or None for no limit, not -1"),
        ({"value": 2**31}, "a flow value must be 0 to 2147483647, or None for no limit, not 2147483648"),
        ({"small_values": "exact"}, "small_values is 'exact'; valid: formula, literal"),
        ({"factor": 0}, "factor must be more than 0, not 0"),
        ({"factor": inf}, "factor must be more than 0, not inf"),
        ({"unit": 0}, "unit must be more than 0, not 0"),
        ({"unit": inf}, "unit must be more than 0, not inf"),
        ({"latency": -0.1}, r"latency must be 0 seconds or more, and finite, not -0\.1"),
        ({"latency": inf}, "latency must be 0 seconds or more, and finite, not inf"),
        ({"backlog_limit": -1}, "backlog_limit must be 0 or more, not -1"),
        ({"idle_limit": 0}, "idle_limit must be more than 0 seconds, not 0"),
        ({"degraded_share": 0}, "degraded_share must be more than 0 and at most 1, not 0"),
        ({"degraded_share": 1.1}, r"degraded_share must be more than 0 and at most 1, not 1\.1"),
        ({"confirm_ratio": -0.1}, r"confirm_ratio must be 0 to 1, not -0\.1"),
        ({"confirm_ratio": 1.1}, r"confirm_ratio must be 0 to 1, not 1\.1"),
        ({"pull_credit": 0}, "pull_credit must be more than 0, not 0"),
        ({"pull_credit": inf}, "pull_credit must be more than 0, not inf"),
    ],
)
def test_an_impossible_rule_is_refused_by_name_and_value(members: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Flow(**members)


@pytest.mark.parametrize(
    "name",
    [
        "value",
        "factor",
        "unit",
        "latency",
        "backlog_limit",
        "idle_limit",
        "degraded_share",
        "confirm_ratio",
        "pull_credit",
    ],
)
def test_what_is_no_number_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r" not nan$"):
        Flow(**{name: nan})  # type: ignore[arg-type]  # one of several members


def test_the_widest_rules_are_allowed() -> None:
    assert Flow(value=VALUE_LIMIT, latency=0, backlog_limit=0, idle_limit=inf, degraded_share=1, confirm_ratio=0)
    assert Flow(value=0, factor=1, unit=1, confirm_ratio=1, pull_credit=1)


@pytest.mark.parametrize("value", [None, 0, 1, VALUE_LIMIT])
def test_a_flow_value_is_given_back(value: int | None) -> None:
    assert check_value(value) == value


# S46: 推送量qps = tmcClient机器数 * 单机流控值 * 24(倍率)


@pytest.mark.parametrize(
    ("value", "clients", "rate"), [(1, 1, 24), (1, 3, 72), (31, 1, 744), (32, 1, 768), (64, 5, 7680), (0, 9, 0)]
)
def test_the_rate_is_clients_times_value_times_24(value: int, clients: int, rate: float) -> None:
    assert Flow().rate(value, clients=clients) == rate
    assert Flow(value=value).rate(clients=clients) == rate


def test_without_a_value_there_is_no_limit() -> None:
    assert Flow().rate() == inf
    assert Flow(value=5).rate(0) == 0


@pytest.mark.parametrize(("value", "rate"), [(1, 1), (31, 31), (32, 768), (33, 792)])
def test_read_literally_small_values_are_not_multiplied(value: int, rate: float) -> None:
    assert Flow(small_values="literal").rate(value) == rate


@pytest.mark.parametrize(("value", "quota"), [(1, 32), (32, 32), (33, 33), (1000, 1000)])
def test_a_client_gets_at_least_32_at_a_time(value: int, quota: int) -> None:
    assert Flow().quota(value) == quota


# The valve


def drained(
    valve: Valve, now: float, *, clients: int = 1, waiting: int = 100, since: float | None = None, most: int = 100_000
) -> int:
    """How many it lets through at this moment."""
    oldest_since = now if since is None else since
    count = 0
    while count < most and valve.admits(now=now, clients=clients, waiting=waiting, oldest_since=oldest_since):
        valve.pushed(now=now, since=oldest_since)
        count += 1
    return count


def followed(valve: Valve, until: float, **conditions: Any) -> list[tuple[float, int]]:
    """When it opens up to a time, and how many it lets through each time."""
    told = []
    now = 0.0
    while now <= until:
        if count := drained(valve, now, **conditions):
            told.append((round(now, 6), count))
        now = valve.reopens(now=now)
    return told


def test_without_a_value_nothing_is_held_back() -> None:
    assert drained(Valve(Flow()), 0.0, most=100_000) == 100_000


def test_with_value_0_nothing_is_let_through_until_another_is_set() -> None:
    valve = Valve(Flow(value=0))
    assert drained(valve, 0.0) == 0
    assert valve.reopens(now=0.0) == inf
    valve.set(64, now=5.0)
    assert valve.reopens(now=5.0) == 15.0
    assert drained(valve, 14.999) == 0
    assert drained(valve, 15.0) == 64


def test_from_32_on_there_are_24_slots_a_second_for_each_client() -> None:
    told = followed(Valve(Flow(value=64)), 1.0, clients=3)
    assert told == [(round(slot / 24, 6), 192) for slot in range(25)]


@pytest.mark.parametrize(
    ("small_values", "value", "period"),
    [("formula", 1, 32 / 24), ("formula", 31, 32 / (31 * 24)), ("literal", 1, 32.0), ("literal", 16, 2.0)],
)
def test_below_32_a_burst_of_32_is_followed_by_nothing_and_the_mean_is_right(
    small_values: SmallValues, value: int, period: float
) -> None:
    # S47: 低于32时,有毛刺,但均值正常
    told = followed(Valve(Flow(value=value, small_values=small_values)), 10 * period)
    assert [count for _, count in told] == [32] * len(told)
    assert [when for when, _ in told[:10]] == pytest.approx([slot * period for slot in range(10)], abs=1e-5)


def test_a_slot_that_nobody_used_up_is_not_made_up_for() -> None:
    valve = Valve(Flow(value=1, small_values="literal"))
    assert drained(valve, 0.0, most=10) == 10
    assert drained(valve, 31.9) == 22
    assert drained(valve, 32.0) == 32
    assert drained(valve, 1000.0) == 32
    assert valve.reopens(now=1000.0) == 1032.0


def test_a_timer_that_fires_a_little_late_does_not_slow_the_rest_down() -> None:
    valve = Valve(Flow(value=1, small_values="literal"))
    assert drained(valve, 0.0) == 32
    assert drained(valve, 40.0) == 32
    assert valve.reopens(now=40.0) == 64.0
    assert drained(valve, 64.0) == 32
    # Two slots late, and nobody has waited for the second.
    assert drained(valve, 128.0) == 32
    assert valve.reopens(now=128.0) == 160.0


def test_another_client_adds_its_quota_to_the_slot_that_runs() -> None:
    valve = Valve(Flow(value=40))
    assert drained(valve, 0.0, clients=1) == 40
    assert drained(valve, 0.01, clients=3) == 80
    assert drained(valve, 0.02, clients=2) == 0


# Values that change. S45: 实时(10s)生效


def test_a_value_is_in_force_ten_seconds_after_it_was_set() -> None:
    valve = Valve(Flow(value=32))
    valve.set(64, now=1.0)
    valve.set(None, now=4.0)
    values = {now: valve.value(now=now) for now in (1.0, 10.999, 11.0, 13.999, 14.0)}
    assert values == {1.0: 32, 10.999: 32, 11.0: 64, 13.999: 64, 14.0: None}


def test_of_two_values_that_came_into_force_in_between_the_later_counts() -> None:
    valve = Valve(Flow(latency=0.0))
    valve.set(1, now=0.0)
    valve.set(2, now=0.0)
    assert valve.value(now=0.0) == 2


def test_a_value_that_is_no_flow_value_is_refused_and_changes_nothing() -> None:
    valve = Valve(Flow(value=7, latency=0.0))
    with pytest.raises(ValueError, match="a flow value must be 0 to 2147483647, or None for no limit, not -5"):
        valve.set(-5, now=0.0)
    assert valve.value(now=1.0) == 7


def test_it_may_reopen_with_a_new_value_before_the_slot_is_over() -> None:
    valve = Valve(Flow(value=1, small_values="literal"))
    drained(valve, 0.0)
    valve.set(64, now=2.0)
    assert valve.reopens(now=2.0) == 12.0
    # In the slot that runs, which ends at once: 24 slots a second.
    assert drained(valve, 12.0) == 64


# S51: 堆积过多(万级)或过久(半小时以上)会, 消费流控值预期会*30%


def test_more_than_10_000_waiting_messages_degrade_to_30_percent() -> None:
    valve = Valve(Flow(value=32))
    assert valve.share(now=0.0, waiting=10_000, oldest_since=0.0) == 1.0
    assert valve.share(now=0.0, waiting=10_001, oldest_since=0.0) == 0.3
    # It ends when fewer wait.
    assert valve.share(now=0.0, waiting=10_000, oldest_since=0.0) == 1.0


def test_what_is_degraded_has_slots_of_the_same_size_that_last_longer() -> None:
    told = followed(Valve(Flow(value=30)), 1.0, waiting=20_000)
    period = 32 / (30 * 24 * 0.3)
    assert told == [(round(slot * period, 6), 32) for slot in range(7)]


def test_half_an_hour_without_consumption_degrades_until_what_gathered_is_taken() -> None:
    valve = Valve(Flow(value=32))
    valve.taken(now=100.0, since=100.0)
    assert valve.share(now=1899.9, waiting=1, oldest_since=100.0) == 1.0
    assert valve.share(now=1900.0, waiting=1, oldest_since=100.0) == 0.3
    valve.pushed(now=2000.0, since=100.0)
    assert valve.share(now=2000.0, waiting=1, oldest_since=1999.9) == 0.3
    assert valve.share(now=2000.0, waiting=1, oldest_since=2000.0) == 1.0


def test_it_is_no_neglect_when_nothing_waited_that_long() -> None:
    valve = Valve(Flow(value=32))
    assert valve.share(now=5000.0, waiting=1, oldest_since=3200.1) == 1.0
    assert valve.share(now=5000.0, waiting=1, oldest_since=3200.0) == 0.3
    valve.taken(now=5000.0, since=3200.1)
    assert valve.share(now=5000.0, waiting=1, oldest_since=4000.0) == 1.0


def test_what_is_consumed_over_http_ends_neglect_too() -> None:
    valve = Valve(Flow(value=32))
    valve.taken(now=1800.0, since=0.0)
    assert valve.share(now=1800.0, waiting=1, oldest_since=1800.0) == 1.0
    assert valve.share(now=1800.0, waiting=1, oldest_since=1799.0) == 0.3


# S52: 确认比过低(20%), 会自适应限制消费速率


def answer(valve: Valve, *, good: int = 0, bad: int = 0, now: float) -> float:
    """What is left of the rate when the period of these answers is over."""
    for in_time in [True] * good + [False] * bad:
        valve.answered(in_time=in_time, now=now)
    return valve.share(now=(now // RATING_PERIOD + 1) * RATING_PERIOD, waiting=1, oldest_since=inf)


def test_a_period_of_answers_counts_when_it_is_over() -> None:
    valve = Valve(Flow(value=32))
    valve.answered(in_time=False, now=1.0)
    assert valve.share(now=4.999, waiting=1, oldest_since=inf) == 1.0
    assert valve.share(now=5.0, waiting=1, oldest_since=inf) == 0.5
    # And once.
    assert valve.share(now=100.0, waiting=1, oldest_since=inf) == 0.5


@pytest.mark.parametrize(("good", "bad", "share"), [(0, 1, 0.5), (1, 5, 0.5), (1, 4, 1.0), (19, 81, 0.5), (20, 80, 1)])
def test_less_than_a_fifth_in_time_halves_the_rate(good: int, bad: int, share: float) -> None:
    assert answer(Valve(Flow(value=32)), good=good, bad=bad, now=0.0) == share


def test_it_is_halved_again_down_to_a_thirty_second_and_recovers_by_tenths() -> None:
    valve = Valve(Flow(value=32))
    falling = [answer(valve, bad=1, now=5.0 * period) for period in range(7)]
    assert falling == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 32, 1 / 32]
    rising = [answer(valve, good=1, now=35.0 + 5.0 * period) for period in range(11)]
    assert rising == pytest.approx([min(1.0, LEAST_SHARE + tenths / 10) for tenths in range(1, 12)])


def test_a_period_without_answers_changes_nothing() -> None:
    valve = Valve(Flow(value=32))
    answer(valve, bad=1, now=0.0)
    assert valve.share(now=10_000.0, waiting=1, oldest_since=inf) == 0.5
    assert answer(valve, bad=1, now=10_000.0) == 0.25


def test_answers_of_two_periods_are_not_mixed() -> None:
    valve = Valve(Flow(value=32))
    for now, in_time in ((1.0, False), (6.0, True), (6.0, True), (6.0, True), (6.0, True)):
        valve.answered(in_time=in_time, now=now)
    assert valve.share(now=6.0, waiting=1, oldest_since=inf) == 0.5
    assert valve.share(now=10.0, waiting=1, oldest_since=inf) == pytest.approx(0.6)


def test_a_confirm_ratio_of_0_never_throttles() -> None:
    assert answer(Valve(Flow(value=32, confirm_ratio=0.0)), bad=100, now=0.0) == 1.0


def test_throttled_and_degraded_is_both() -> None:
    valve = Valve(Flow(value=32))
    answer(valve, bad=1, now=0.0)
    assert valve.share(now=5.0, waiting=10_001, oldest_since=inf) == pytest.approx(0.15)


# Whatever happens

flows = st.builds(
    Flow,
    value=st.integers(1, 200),
    factor=st.integers(1, 30),
    unit=st.integers(1, 64),
    small_values=st.sampled_from(["formula", "literal"]),
)


@given(flow=flows, clients=st.integers(1, 5), steps=st.lists(st.floats(0, 3), max_size=25))
def test_never_more_than_the_rate_and_one_slot_gets_through(flow: Flow, clients: int, steps: list[float]) -> None:
    valve = Valve(flow)
    assert flow.value is not None
    now, count = 0.0, 0
    for step in steps:
        now += step
        count += drained(valve, now, clients=clients)
        slot = flow.quota(flow.value) * clients
        assert count <= flow.rate(clients=clients) * now * (1 + 1e-9) + slot


@given(flow=flows, clients=st.integers(1, 5), slots=st.integers(1, 20))
def test_who_asks_whenever_it_reopens_gets_the_whole_rate(flow: Flow, clients: int, slots: int) -> None:
    valve = Valve(flow)
    now, count = 0.0, 0
    for _ in range(slots):
        count += drained(valve, now, clients=clients)
        now = valve.reopens(now=now)
    assert count / now == pytest.approx(flow.rate(clients=clients))


@given(
    flow=flows,
    asked=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), max_size=20),
)
def test_asking_again_at_the_same_time_changes_nothing(flow: Flow, asked: list[tuple[float, int]]) -> None:
    once, often = Valve(flow), Valve(flow)
    now = 0.0
    for step, times in asked:
        now += step
        for valve, repeat in ((once, 1), (often, times)):
            for _ in range(repeat):
                admitted = valve.admits(now=now, clients=1, waiting=5, oldest_since=now)
            if admitted:
                valve.pushed(now=now, since=now)
        assert once.reopens(now=now) == often.reopens(now=now)
        assert drained(once, now) == drained(often, now)


happenings = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 1.0, 4.5, 5.0, 20.0]),
        st.sampled_from(["good", "bad", "bad", "drain", "drain", "set 0", "set 1", "set 50"]),
    ),
    max_size=25,
)


@given(flow=flows, happenings=happenings)
@example(
    flow=Flow(value=1, factor=1),
    happenings=[(0.0, "bad"), (5.0, "bad"), (5.0, "bad"), (5.0, "drain"), (0.0, "good")],
)
def test_it_never_admits_before_it_said_that_it_would_reopen(flow: Flow, happenings: list[tuple[float, str]]) -> None:
    valve = Valve(flow)
    now = 0.0
    for pause, what in happenings:
        now += pause
        if what == "drain":
            drained(valve, now)
        elif what.startswith("set"):
            valve.set(int(what[4:]), now=now)
        else:
            valve.answered(in_time=what == "good", now=now)
    drained(valve, now)
    reopens = valve.reopens(now=now)
    assert reopens > now
    for share in (0.01, 0.3, 0.7, 0.99):
        between = now + share * (min(reopens, now + 1000.0) - now)
        assert not copy.deepcopy(valve).admits(now=between, clients=1, waiting=100, oldest_since=now)


def test_a_rate_that_recovers_is_not_kept_waiting_by_the_slot_of_a_slower_one() -> None:
    valve = Valve(Flow(value=1, factor=1))
    for period in range(5):
        answer(valve, bad=1, now=5.0 * period)
    assert drained(valve, 25.0) == 32
    assert valve.reopens(now=25.0) == 25.0 + 32 * 32
    valve.answered(in_time=True, now=26.0)
    assert valve.reopens(now=26.0) == 30.0
    assert drained(valve, 30.0) == 0
    assert valve.reopens(now=30.0) == pytest.approx(25.0 + 32 / (LEAST_SHARE + 0.1))


def test_answers_of_a_period_that_is_over_promise_nothing() -> None:
    valve = Valve(Flow(value=1, factor=1))
    answer(valve, bad=1, now=0.0)
    drained(valve, 5.0)
    valve.answered(in_time=True, now=6.0)
    assert valve.reopens(now=17.0) > 17.0


@given(flow=flows, value=st.none() | st.integers(0, 100), pause=st.floats(0, 30), more=st.floats(0, 30))
def test_whatever_is_not_admitted_now_may_be_admitted_later(
    flow: Flow, value: int | None, pause: float, more: float
) -> None:
    valve = Valve(flow)
    drained(valve, 0.0)
    valve.set(value, now=pause)
    now = pause + more
    drained(valve, now, most=1000)
    if not valve.admits(now=now, clients=1, waiting=5, oldest_since=now):
        assert valve.reopens(now=now) > now


def test_the_value_that_was_set_last_is_known_before_it_is_in_force() -> None:
    valve = Valve(Flow(value=8, latency=60.0))
    assert valve.latest == 8
    valve.set(32, now=0.0)
    valve.set(16, now=1.0)
    assert (valve.latest, valve.value(now=1.0)) == (16, 8)
    assert valve.value(now=61.0) == valve.latest == 16
