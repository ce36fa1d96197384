"""Shrinking finds what a person would have written down: the exact plan, for failures whose cause is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from tmcfakes.faults import Abort, Close, Down, Drop, LastingFault, Latency, PlannedFault, Refuse, Restart, Timeout
from tmcspec.ids import misreadings
from tmcspec.instruction import Instruction
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.passes import begin_later, end_sooner
from tmcsuites.chaos.plan import QUIET, ClientPlan, MessagePlan, Plan, PlanError, UserPlan
from tmcsuites.chaos.search import Search, size
from tmcsuites.chaos.shrink import Cut, shrink

Fails: TypeAlias = Callable[[Plan], bool]


def message(at: float = 0.0, id: int = 1, **members: object) -> MessagePlan:
    return MessagePlan(at=at, id=id, **members)  # type: ignore[arg-type]


CLIENT = ClientPlan(name="client-1")
SMALLEST = Plan(seconds=1.0, quiet=0.0)


# Failures, by what a client would have to do wrong


def any_message(plan: Plan) -> bool:
    """Whatever is consumed."""
    return bool(plan.clients and plan.messages)


def nothing_at_all(plan: Plan) -> bool:
    """Merely being there."""
    return True


def never_settled(plan: Plan) -> bool:
    """What is owed in the end."""
    return any_message(plan) and plan.quiet >= 600


def handler_failed(plan: Plan) -> bool:
    """A handler that reports a failure."""
    return any(each.told.outcome == "fail" for each in plan.messages)


def handler_slow(plan: Plan) -> bool:
    """A handler that takes more than 2.5 seconds."""
    return any(each.told.delay > 2.5 for each in plan.messages)


def first_token(plan: Plan) -> bool:
    """A message after tokens were forgotten."""
    forgets = [each for each in plan.faults if isinstance(each, Restart) and not each.keeps_tokens]
    return any(fault.end < each.at for fault in forgets for each in plan.messages if plan.clients)


def lost_queue(plan: Plan) -> bool:
    """A connection that is closed while a handler works."""
    closes = [each for each in plan.faults if isinstance(each, Abort | Close | Restart | Down)]
    working = [(each.at, each.at + each.told.delay) for each in plan.messages]
    return any(begin < each.at < end for each in closes for begin, end in working)


def rounded_id(plan: Plan) -> bool:
    """An id that a double does not hold."""
    return any("double" in misreadings(each.id) and each.id != int(float(each.id)) for each in plan.messages)


def collision(plan: Plan) -> bool:
    """Two ids that are one double."""
    return len({float(each.id) for each in plan.messages}) < len(plan.messages)


def long_silence(plan: Plan) -> bool:
    """A black hole of more than 90 seconds."""
    return any(isinstance(each, Timeout) and (each.duration or 0) > 90.2 for each in plan.faults)


def two_clients(plan: Plan) -> bool:
    """Two clients of a group, one of them alone in trouble."""
    groups = {each.name: each.group for each in plan.clients}
    return any(
        each.target in groups and list(groups.values()).count(groups[each.target]) > 1
        for each in plan.faults
        if isinstance(each, Latency)
    )


def about_a_user(plan: Plan) -> bool:
    """A message about a user in a group."""
    groups = {each.nick: each.group for each in plan.users}
    return any(groups.get(each.nick or "", "default") != "default" for each in plan.messages)


def restarted(plan: Plan) -> bool:
    """A client that was restarted twice."""
    return any(len(each.restarts) > 1 for each in plan.clients)


def left_behind(plan: Plan) -> bool:
    """A message for a group whose client was restarted."""
    groups = {each.group for each in plan.clients if each.restarts}
    return any(each.group in groups for each in plan.messages if each.nick is None)


def many(plan: Plan) -> bool:
    """Eleven messages."""
    return len(plan.messages) > 10


def unlucky(plan: Plan) -> bool:
    """One seed, and no other."""
    return plan.seed == 12


def refusals(plan: Plan) -> bool:
    """Two refusals within an hour: more than one thing, and their distance."""
    times = [each.at for each in plan.faults if isinstance(each, Refuse)]
    return any(0 < two - one < 20_000 for one in times for two in times)


#: What must be found, whatever the day was that failed. There are clients only where they matter.
FOUND: list[tuple[Fails, Plan]] = [
    (nothing_at_all, SMALLEST),
    (any_message, replace(SMALLEST, clients=(CLIENT,), messages=(message(),))),
    (never_settled, replace(SMALLEST, quiet=QUIET, clients=(CLIENT,), messages=(message(),))),
    (handler_failed, replace(SMALLEST, messages=(message(told=Instruction(outcome="fail")),))),
    (handler_slow, replace(SMALLEST, messages=(message(told=Instruction(delay_ms=2501)),))),
    (first_token, replace(SMALLEST, seconds=6.0, clients=(CLIENT,), messages=(message(6.0),), faults=(Restart(),))),
    (
        lost_queue,
        replace(SMALLEST, messages=(message(told=Instruction(delay_ms=101)),), faults=(Abort(at=0.1),)),
    ),
    (rounded_id, replace(SMALLEST, messages=(message(id=2**53 + 1),))),
    (collision, replace(SMALLEST, messages=(message(id=2**53), message(id=2**53 + 1)))),
    (long_silence, replace(SMALLEST, seconds=91.0, faults=(Timeout(duration=91.0),))),
    (
        two_clients,
        replace(
            SMALLEST,
            clients=(CLIENT, ClientPlan(name="client-2")),
            faults=(Latency(target="client-1", delay=0.0, duration=1.0),),
        ),
    ),
    (
        about_a_user,
        replace(SMALLEST, users=(UserPlan(nick="shop-1", group="group-2"),), messages=(message(nick="shop-1"),)),
    ),
    (restarted, replace(SMALLEST, seconds=2.0, clients=(ClientPlan(name="client-1", restarts=(1.0, 2.0)),))),
    (
        left_behind,
        replace(SMALLEST, clients=(ClientPlan(name="client-1", restarts=(1.0,)),), messages=(message(),)),
    ),
    (many, replace(SMALLEST, messages=tuple(message(id=number) for number in range(1, 12)))),
    (unlucky, replace(SMALLEST, seed=12)),
    (refusals, replace(SMALLEST, faults=(Refuse(), Refuse(at=1.0)))),
]

every_failure = pytest.mark.parametrize(
    ("fails", "found"), [pytest.param(*each, id=each[0].__name__) for each in FOUND]
)


def days(fails: Fails) -> list[Plan]:
    """Two days that fail."""
    drawn = (draw_plan(seed, hours=24, clients=4, messages=300) for seed in range(12, 200))
    failing = (plan for plan in drawn if fails(plan))
    return [plan for plan, _ in zip(failing, range(2 if fails is not unlucky else 1), strict=False)]


@every_failure
def test_what_is_found_is_what_a_person_would_have_written_down(fails: Fails, found: Plan) -> None:
    shrunk = [shrink(day, fails).plan for day in days(fails)]
    assert shrunk, "no day fails like this"
    assert [plan.dumps() for plan in shrunk] == [found.dumps()] * len(shrunk)


@every_failure
def test_what_is_found_fails_and_is_smaller_and_its_own(fails: Fails, found: Plan) -> None:
    for day in days(fails):
        first = shrink(day, fails)
        assert fails(first.plan)
        assert size(first.plan) <= size(day)
        assert first.cut is None
        assert shrink(day, fails) == first
        assert shrink(first.plan, fails).plan == first.plan


@every_failure
def test_no_plan_is_tried_twice_and_none_that_is_not_one(fails: Fails, found: Plan) -> None:
    tried: list[Plan] = []

    def asked(plan: Plan) -> bool:
        tried.append(plan)
        assert Plan.loads(plan.dumps()) == plan
        return fails(plan)

    shrunk = shrink(days(fails)[0], asked)
    assert len(set(tried)) == len(tried) == shrunk.tried <= 250


def test_each_step_is_smaller_than_the_one_before() -> None:
    steps: list[Plan] = []
    day, *_ = days(first_token)
    shrunk = shrink(day, first_token, progress=steps.append)
    sizes = [size(plan) for plan in (day, *steps)]
    assert sizes == sorted(set(sizes), reverse=True)
    assert len(sizes) > 3
    assert steps[-1] == shrunk.plan


@pytest.mark.parametrize("limit", [1, 2, 10, 30])
def test_a_limit_of_tries_is_kept_and_what_was_found_until_then_fails(limit: int) -> None:
    tried: list[Plan] = []
    day, *_ = days(lost_queue)
    shrunk = shrink(day, lambda plan: bool(tried.append(plan)) or lost_queue(plan), limit=limit)
    assert shrunk.tried == len(tried) == limit
    assert shrunk.cut is Cut.TRIES
    assert lost_queue(shrunk.plan)


def test_when_the_time_is_up_no_other_plan_is_tried_and_the_way_there_is_the_same() -> None:
    day, *_ = days(lost_queue)
    (slow, few), (quick, many) = ([], []), ([], [])
    hurried = shrink(day, lost_queue_after(slow), seconds=10.0, clock=lambda: float(len(slow)), progress=few.append)
    whole = shrink(day, lost_queue_after(quick), seconds=10.0, clock=lambda: 0.0, progress=many.append)
    assert (hurried.tried, hurried.cut, whole.cut) == (11, Cut.TIME, None)  # the first is not on the clock
    assert slow == quick[:11]
    assert [*few, hurried.plan] == [*many[: len(few)], few[-1]]
    assert lost_queue(hurried.plan)


def lost_queue_after(tried: list[Plan]) -> Fails:
    """Keeps what is asked for."""
    return lambda plan: bool(tried.append(plan)) or lost_queue(plan)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_no_time_at_all_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds, not "):
        shrink(SMALLEST, nothing_at_all, seconds=seconds)


def test_who_interrupts_gets_the_smallest_plan_so_far() -> None:
    tried: list[Plan] = []

    def fails(plan: Plan) -> bool:
        if len(tried) == 10:
            raise KeyboardInterrupt
        tried.append(plan)
        return lost_queue(plan)

    day, *_ = days(lost_queue)
    assert shrink(day, fails) == replace(shrink(day, lost_queue, limit=10), cut=Cut.INTERRUPTED)


def test_a_fault_for_a_client_that_has_not_started_when_the_plan_ends_sooner_goes_with_it() -> None:
    plan = Plan(
        seconds=100.0,
        clients=(ClientPlan(name="client-1"), ClientPlan(name="client-2", starts=90.0)),
        messages=tuple(message(10.0 * number, id=number) for number in range(10)),
        faults=(Abort(at=1.0), Abort(at=2.0, target="client-2")),
    )
    search = Search(plan, lambda plan: True, limit=100, progress=None)
    end_sooner(search)
    assert (len(search.plan.clients), search.plan.faults) == (1, (Abort(at=1.0),))


def test_a_clock_that_is_as_small_as_it_can_be_is_left_alone() -> None:
    assert shrink(SMALLEST, nothing_at_all).plan == SMALLEST


#: Names that people gave, and a fault for the second of a group.
NAMED = Plan(
    seconds=60.0,
    clients=(ClientPlan(name="anna", group="vip"), ClientPlan(name="berta", group="vip")),
    users=(UserPlan(nick="客户"), UserPlan(nick="店铺", group="vip"), UserPlan(nick="shop-1", group="back office")),
    messages=(message(nick="店铺"), message(id=2, nick="shop-1")),
    faults=(Abort(target="berta"),),
)


def as_named(plan: Plan) -> bool:
    """All that is in the named plan, under whatever names."""
    groups = {each.name: each.group for each in plan.clients}
    owners = {each.nick: each.group for each in plan.users}
    in_trouble = next((groups[each.target] for each in plan.faults if each.target in groups), "default")
    about = {owners.get(each.nick or "", "default") for each in plan.messages}
    return in_trouble != "default" and [*groups.values()] == 2 * [in_trouble] and len(about - {"default"}) == 2


def test_users_groups_and_clients_are_called_by_their_places_and_the_first_of_a_group_is_in_trouble() -> None:
    found = shrink(NAMED, lambda plan: as_named(plan) and len(plan.users) == 3).plan
    assert found == replace(
        SMALLEST,
        clients=(ClientPlan(name="client-1", group="group-2"), ClientPlan(name="client-2", group="group-2")),
        users=(
            UserPlan(nick="shop-1"),
            UserPlan(nick="shop-2", group="group-2"),
            UserPlan(nick="shop-3", group="group-3"),
        ),
        messages=(message(nick="shop-2"), message(id=2, nick="shop-3")),
        faults=(Abort(target="client-1"),),
    )


@pytest.mark.parametrize(
    ("kept", "renamed"),
    [
        ("店铺", "client-1 client-2 group-2 group-3"),
        ("vip", "client-1 client-2 shop-1 shop-2"),
        ("berta", "group-2 group-3 shop-1 shop-2"),
    ],
)
def test_a_name_that_matters_stays_and_the_others_go_by_place_all_the_same(kept: str, renamed: str) -> None:
    found = shrink(NAMED, lambda plan: as_named(plan) and f'"{kept}"' in plan.dumps()).plan.dumps()
    assert [name for name in renamed.split() if f'"{name}"' not in found] == []


def test_who_need_not_be_in_a_group_leaves_it_though_others_are_called_by_another_place_then() -> None:
    plan = replace(SMALLEST, clients=(replace(CLIENT, group="group-2"), ClientPlan(name="client-2", group="group-3")))
    found = shrink(plan, lambda plan: len(plan.clients) == 2 and plan.clients[1].group != "default").plan
    assert found.clients == (CLIENT, ClientPlan(name="client-2", group="group-2"))


def test_a_fault_that_needs_more_than_it_has_by_default_keeps_as_little_as_possible() -> None:
    def fails(plan: Plan) -> bool:
        return any(isinstance(each, LastingFault) and (each.duration or 0) > 0.25 for each in plan.faults)

    fault = Latency(at=3.217, duration=20.5, delay=0.125, jitter=0.1, target="client-9")
    plan = Plan(seconds=60.0, clients=(ClientPlan(name="client-9"),), faults=(fault,))
    assert shrink(plan, fails).plan == replace(SMALLEST, faults=(Latency(duration=1.0, delay=0.0),))


@pytest.mark.parametrize(
    ("at", "least", "too_much"),
    # 100 * 0.07 is a little more than 7, and 100 * 0.29 a little less than 29, as doubles have it.
    [(0.875, 0.3, 1), (0.08, 0.03, 0.1), (0.07, 0.03, 0.1), (0.14, 0.13, 0.2), (0.29, 0.28, 0.3), (0.1234, 0.12, 0.13)],
)
def test_what_must_be_less_than_a_second_is_said_with_as_few_digits_as_will_do(
    at: float, least: float, too_much: float
) -> None:
    def fails(plan: Plan) -> bool:
        return any(least <= each.at < too_much for each in plan.messages)

    plan = Plan(seconds=60.0, messages=(message(at, id=7),))
    assert shrink(plan, fails).plan == replace(SMALLEST, messages=(message(least),))


@pytest.mark.parametrize("fault", [Drop(at=5.0, frame="push", nth=5), Refuse(at=5.0)])
def test_a_fault_that_may_still_wait_is_kept_when_the_beginning_is_left_out(fault: PlannedFault) -> None:
    """It ends when it has happened, and not at its time."""
    plan = Plan(
        seconds=100.0,
        messages=tuple(message(10.0 * number, id=number) for number in range(1, 10)),
        faults=(Abort(at=4.0), fault),
    )
    search = Search(plan, lambda plan: fault in plan.faults, limit=100, progress=None)
    begin_later(search)
    assert (search.plan.faults, [each.at for each in search.plan.messages]) == ((fault,), [70.0, 80.0, 90.0])


def test_a_plan_that_does_not_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fail"):
        shrink(SMALLEST, any_message)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or more, not 0"):
        shrink(SMALLEST, nothing_at_all, limit=0)


def test_an_error_of_the_suite_is_no_failure_of_the_plan() -> None:
    def fails(plan: Plan) -> bool:
        if not plan.messages:
            raise RuntimeError("the suite is broken")
        return True

    with pytest.raises(RuntimeError, match="the suite is broken"):
        shrink(replace(SMALLEST, messages=(message(),)), fails)


def test_the_size_counts_what_must_be_followed_before_what_is_odd() -> None:
    with pytest.raises(PlanError):
        Plan(faults=(Latency(delay=1),))
    several = [
        SMALLEST,
        replace(SMALLEST, seconds=2.0),
        replace(SMALLEST, seed=1),
        replace(SMALLEST, seconds=1.5),
        replace(SMALLEST, clients=(CLIENT,)),
        replace(SMALLEST, clients=(ClientPlan(name="anna"),)),
        replace(SMALLEST, clients=(ClientPlan(name="client-1", restarts=(1,)),)),
        replace(SMALLEST, messages=(message(),)),
        replace(SMALLEST, messages=(message(id=2),)),
        replace(SMALLEST, messages=(message(topic="taobao_item_ItemUpdate"),)),
        replace(SMALLEST, messages=(message(told=Instruction(outcome="fail")),)),
        replace(SMALLEST, messages=(message(told=Instruction(outcome="fail", reason="no stock")),)),
        replace(SMALLEST, messages=(message(), message(id=2))),
        replace(SMALLEST, faults=(Close(),)),
        replace(SMALLEST, faults=(Close(target="client-1"),), clients=(CLIENT,)),
    ]
    sizes = [size(plan) for plan in several]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) >= len(sizes) - 1  # one odd member is as odd as another


@pytest.mark.parametrize(("fails", "whole_days"), [(any_message, 2), (first_token, 8)])
def test_most_of_what_is_tried_is_short(fails: Fails, whole_days: int) -> None:
    """Playing costs by the message, so the end and the beginning are cut off before anything is picked out."""
    produced = 0

    def counted(plan: Plan) -> bool:
        nonlocal produced
        produced += len(plan.messages)
        return fails(plan)

    day = days(fails)[0]
    shrink(day, counted)
    assert produced < whole_days * len(day.messages)
