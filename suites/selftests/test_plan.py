"""Plans of chaotic runs: values that are checked when they are made, files that people edit, and plans at random."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcfakes.faults import FAULTS, Down, Drop, FaultError, LastingFault, PlannedFault
from tmcspec.ids import misreadings
from tmcspec.instruction import Instruction
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan, PlanError, UserPlan
from tmcsuites.chaos.storm import MEMBERS

#: Seeds over which a random plan is looked at.
SEEDS = range(40)


def test_a_plan_is_a_file_that_people_can_read() -> None:
    plan = Plan(
        seed=7,
        seconds=60,
        clients=(ClientPlan(name="client-1", restarts=(5.0,)),),
        users=(UserPlan(nick="店铺", group="vip"),),
        messages=(MessagePlan(at=1, id=2**62 + 1, nick="店铺", told=Instruction(outcome="fail", delay_ms=3)),),
        faults=(Down(at=1, duration=2), Drop(at=1, frame="confirm")),
    )
    assert Plan.loads(plan.dumps()) == plan
    assert plan.dumps().splitlines()[1:] == [
        ' "plan": 1,',
        ' "tmcspec": "0.1.0",',
        ' "seed": 7,',
        ' "seconds": 60,',
        ' "quiet": 1800.0,',
        ' "clients": [',
        '  {"name": "client-1", "restarts": [5.0]}',
        " ],",
        ' "users": [',
        '  {"nick": "店铺", "group": "vip"}',
        " ],",
        ' "messages": [',
        '  {"at": 1, "id": "4611686018427387905", "nick": "店铺", "outcome": "fail", "delay_ms": 3}',
        " ],",
        ' "faults": [',
        '  {"fault": "down", "at": 1, "duration": 2},',
        '  {"fault": "drop", "at": 1, "frame": "confirm"}',
        " ]",
        "}",
    ]


def planned(**members: Any) -> str:
    return json.dumps({"plan": 1} | members)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "a plan is JSON; "),
        ("[" * 100_000, "a plan is JSON; "),
        ("[]", 'a plan is an object with "plan": 1; not a list of 0'),
        ('{"plan": 2}', 'a plan is an object with "plan": 1; not '),
        ('{"plan": true}', 'a plan is an object with "plan": 1; not '),
        ('{"plan": 1, "plan": 1}', "a plan is JSON; the member 'plan' is there 2 times"),
        (planned(messages=[{"at": 1, "id": "1_0"}]), "message 1: the id of a message is a decimal number, not '1_0'"),
        (planned(messages=[{"at": 1, "id": " ١٢"}]), "message 1: the id of a message is a decimal number, not ' ١٢'"),
        (
            planned(messages=[{"at": 1, "id": "7", "reason": "x" * 100_001}]),
            "message 1: a reason has at most 100000 bytes, not 100001: 'xxx",
        ),
        (planned(message=[]), "a plan has no member 'message'; valid: clients, faults, messages, plan, "),
        (planned(seed="7"), "the seed of a plan is a signed 64-bit integer, not '7'"),
        (planned(seed=True), "the seed of a plan is a signed 64-bit integer, not True"),
        (planned(seconds="1"), "\"seconds\" of a plan is a number of seconds, not '1'"),
        (planned(seconds=0), "a plan has more than 0 seconds and at least 0 of quiet"),
        (planned(quiet=-1), "a plan has more than 0 seconds and at least 0 of quiet"),
        (planned(clients={}), '"clients" of a plan is a list, not '),
        (planned(clients=[7]), "client 1: a client is an object, not 7"),
        (planned(clients=[{}]), "client 1: a client needs a member 'name'"),
        (planned(clients=[{"name": "*"}]), "client 1: a client needs a name that is not empty nor '*', not '*'"),
        (
            planned(clients=[{"name": "a", "groop": "b"}]),
            "client 1: a client has no member 'groop'; valid: name, group",
        ),
        (planned(clients=[{"name": "a", "group": ""}]), "client 1: a group name has 1 to 32 characters"),
        (planned(clients=[{"name": "a", "starts": -1}]), "client 1: times of client 'a' are seconds from 0 to "),
        (planned(clients=[{"name": "a", "restarts": ["x"]}]), 'client 1: "restarts" of a plan is a number of seconds'),
        (
            planned(seconds=1, clients=[{"name": "a", "starts": 5000}]),
            "client 'a' starts at 5000 s, after the 1 s of the plan; give the plan more seconds, or let it",
        ),
        (
            planned(seconds=9.5, clients=[{"name": "a", "restarts": [9, 10]}]),
            "client 'a' is restarted at 10 s, after the 9.5 s of the plan; give the plan more seconds, or let it",
        ),
        (
            planned(clients=[{"name": "a", "starts": 5, "restarts": [5]}]),
            "client 1: client 'a' is restarted at 5 s, and that is not later than 5 s; valid: restarts after",
        ),
        (
            planned(clients=[{"name": "a", "restarts": [7, 8.5, 8.5]}]),
            "client 1: client 'a' is restarted at 8.5 s, and that is not later than 8.5 s; valid: ",
        ),
        (planned(clients=[{"name": "a", "restarts": [8, 7]}]), "client 1: client 'a' is restarted at 7 s, "),
        (planned(clients=[{"name": "a"}, {"name": "a"}]), "two clients of a plan are called 'a'"),
        (planned(clients=[{"name": str(n)} for n in range(101)]), "a plan has at most 100 clients, not 101"),
        (planned(clients=[{"name": "\ud800"}]), "client 1: a client's name must be text that UTF-8 can write, not '"),
        (
            planned(clients=[{"name": "a", "group": "\ud800"}]),
            "client 1: a group must be text that UTF-8 can write, not ",
        ),
        (
            planned(clients=[{"name": str(n), "group": str(n)} for n in range(51)]),
            "a plan has at most 50 groups beside 'default', not 51",
        ),
        (planned(users=[{"nick": "\ud800"}]), "user 1: a nick must be text that UTF-8 can write, not '"),
        (
            planned(messages=[{"at": 1, "id": "1", "topic": "\ud800"}]),
            "message 1: a topic must be text that UTF-8 can write, not '",
        ),
        (
            planned(messages=[{"at": 1, "id": "1", "outcome": "fail", "reason": "\ud800"}]),
            "message 1: a reason must be text that UTF-8 can write, not '",
        ),
        (planned(users=[{"nick": ""}]), "user 1: a user needs a nick that is not empty"),
        (planned(messages=[{"at": 1, "id": "x"}]), "message 1: the id of a message is a decimal number, not 'x'"),
        (planned(messages=[{"at": 1, "id": str(2**63)}]), "message 1: the id of a message is a signed 64-bit integer"),
        (planned(messages=[{"at": 1, "id": "1", "outcome": "win"}]), "message 1: outcome must be one of ok, fail, "),
        (planned(messages=[{"at": 1, "id": "1", "delay_ms": "9"}]), "message 1: \"delay_ms\" of a message is '9'"),
        (
            planned(messages=[{"at": 1, "id": "1", "nick": "shop"}]),
            "a message is about 'shop', who is no user of the plan",
        ),
        (
            planned(seconds=1, messages=[{"at": 1, "id": "7"}, {"at": 5000, "id": "8"}]),
            "message 8 is produced at 5000 s, after the 1 s of the plan; give the plan more seconds, or let it",
        ),
        (planned(messages=[{"at": 1, "id": "1"}, {"at": 2, "id": "1"}]), "two messages of a plan are called 1"),
        (
            planned(clients=[{"name": "a"}, {"name": "b"}], faults=[{"fault": "close", "at": 2, "target": "cleint-1"}]),
            "fault 'close' at 2 s is for 'cleint-1', who is no client of the plan, so it can never act; "
            "valid: '*', 'a', 'b'",
        ),
        (planned(faults=[{"fault": "abort", "target": "c1"}]), "fault 'abort' at 0 s is for 'c1', who is no client of"),
        (
            planned(clients=[{"name": str(n)} for n in range(11)], faults=[{"fault": "abort", "target": "x"}]),
            "fault 'abort' at 0 s is for 'x', who is no client of the plan, so it can never act; valid: "
            "'*', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', …",
        ),
        (planned(faults=[{"fault": "lag"}]), "fault 1: unknown fault 'lag'"),
        (
            planned(faults=[{"fault": "down"}]),
            "fault 'down' at 0 s does not end within the 3600 s of the plan; give it a",
        ),
        (planned(faults=[{"fault": "abort", "at": 4000}]), "fault 'abort' at 4000 s does not end within the 3600 s"),
        (planned(faults=[{"fault": "abort"}] * 10_001), "a plan has at most 10000 faults, not 10001"),
    ],
    ids=lambda value: value[:60],
)
def test_what_is_no_plan_is_refused_with_its_place_and_what_is_valid(text: str, expected: str) -> None:
    with pytest.raises(PlanError) as error:
        Plan.loads(text)
    assert str(error.value).startswith(expected)
    assert len(str(error.value)) < 700


# Plans at random


@given(seed=st.integers(-(2**63), 2**63 - 1), clients=st.integers(0, 8), messages=st.integers(0, 50))
def test_a_plan_at_random_is_one_and_survives_its_file(seed: int, clients: int, messages: int) -> None:
    plan = draw_plan(seed, hours=24, clients=clients, messages=messages)
    assert (len(plan.clients), len(plan.messages)) == (clients, messages)
    assert Plan.loads(plan.dumps()) == plan


@pytest.mark.parametrize("hours", [1 / 7, 1 / 3, 2.71828, 24], ids=lambda hours: f"{hours:.2f}")
def test_what_is_drawn_is_over_with_the_plan_however_long_that_is(hours: float) -> None:
    for seed in range(400 if hours < 1 else SEEDS.stop):
        plan = draw_plan(seed, hours=hours, clients=2, messages=0)  # else it is refused
        assert all(fault.end <= plan.seconds for fault in plan.faults)


def test_no_message_is_rounded_past_the_end() -> None:
    plan = draw_plan(1, hours=0.0016 / 3600, clients=0, messages=700)
    assert {message.at for message in plan.messages} == {0.0, 0.001, plan.seconds}


@pytest.mark.parametrize("hours", [1e-6, 0.001, 1 / 7, 24.00001])
def test_everything_begins_within_the_time_of_a_plan_at_random_however_short_it_is(hours: float) -> None:
    for seed in SEEDS:
        plan = draw_plan(seed, hours=hours, clients=3, messages=60, stormy=False)
        assert (plan.seconds, len(plan.messages)) == (hours * 3600, 60)


def test_a_plan_at_random_restarts_nobody_before_the_start() -> None:
    """Restarts are drawn first: with this seed one for 1.645 s, and then a start at 7.164 s."""
    (client,) = draw_plan(1333, hours=24, clients=1, messages=0).clients
    assert client.starts == 7.164
    assert client.restarts
    assert min(client.restarts) > 7.164


@pytest.mark.parametrize("hours", [0, -1, 745, math.nan, math.inf])
def test_a_plan_at_random_has_a_length(hours: float) -> None:
    with pytest.raises(PlanError, match=f"a plan has more than 0 hours and at most 744, not {hours:g}"):
        draw_plan(7, hours=hours, clients=1, messages=1)


def test_the_same_arguments_give_the_same_plan() -> None:
    assert draw_plan(7, hours=24, clients=4, messages=100) == draw_plan(7, hours=24, clients=4, messages=100)


def test_more_clients_or_no_faults_leave_the_messages_as_they_are() -> None:
    usual = draw_plan(7, hours=24, clients=4, messages=100)
    assert draw_plan(7, hours=24, clients=5, messages=100).messages == usual.messages
    assert draw_plan(7, hours=24, clients=5, messages=100).clients[:4] == usual.clients
    calm = draw_plan(7, hours=24, clients=4, messages=100, stormy=False)
    assert (calm.messages, calm.clients, calm.faults) == (usual.messages, usual.clients, ())


def may_be_aimed(kind: type[PlannedFault]) -> bool:
    """Whether there are faults of this kind for one client: some concern everybody, and nobody alone."""
    members = MEMBERS[kind](random.Random(0))
    try:
        kind(target="client-1", **members)
    except FaultError:
        return False
    return True


def test_every_kind_of_fault_comes_up_for_one_client_and_for_all() -> None:
    faults = [fault for seed in SEEDS for fault in draw_plan(seed, hours=48, clients=2, messages=0).faults]
    everybody, one = {"*"}, {"client-1", "client-2"}
    expected = {
        (name, target) for name, kind in FAULTS.items() for target in everybody | (one if may_be_aimed(kind) else set())
    }
    assert {(fault.name, fault.target) for fault in faults} == expected
    lasting = [fault.duration or 0 for fault in faults if isinstance(fault, LastingFault)]
    assert min(lasting) < 5
    assert max(lasting) > 1000


def test_ids_are_long_and_some_have_a_neighbour_that_a_double_cannot_tell_from_them() -> None:
    plan = draw_plan(7, hours=24, clients=4, messages=1000)
    ids = {message.id for message in plan.messages}
    assert min(ids) > 2**53
    doubles = Counter(misreadings(id).get("double", id) for id in ids)
    assert sum(count > 1 for count in doubles.values()) > 50


def test_messages_are_of_every_group_with_and_without_a_user_and_some_handlers_fail_or_are_slow() -> None:
    messages = [each for seed in SEEDS for each in draw_plan(seed, hours=24, clients=4, messages=200).messages]
    assert {message.nick is None for message in messages} == {True, False}
    assert len({message.group for message in messages}) == 3
    assert {message.told.outcome for message in messages} == {"ok", "fail", "raise"}
    assert max(message.told.delay for message in messages) > 20


def test_groups_have_clients() -> None:
    for seed in SEEDS:
        plan = draw_plan(seed, hours=24, clients=4, messages=200)
        served = {client.group for client in plan.clients}
        assert {message.group for message in plan.messages} <= served
        assert {user.group for user in plan.users} <= served
