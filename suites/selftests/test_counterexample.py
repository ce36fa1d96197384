"""The file of a counter-example: what is written can be read and edited, and what is wrong with one is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click
import pytest

from tmcfakes.faults import Restart
from tmcspec.instruction import Instruction
from tmcsuites.chaos.counterexample import CounterExample, CounterExampleError, Drawn, load
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan
from tmcsuites.simulate_command import simulate

PLAN = Plan(
    seconds=60.0,
    clients=(ClientPlan(name="client-1"),),
    messages=(MessagePlan(at=0.5, id=2**53 + 1, told=Instruction(outcome="fail", reason="没货")),),
    faults=(Restart(at=1.0),),
)
EXAMPLE = CounterExample(clause="ACK-2", client="mutant:confirms-first", plan=PLAN)
DRAWN = replace(EXAMPLE, drawn=Drawn(seed=-7, hours=0.5, clients=2, messages=20))


@pytest.mark.parametrize(
    "example", [EXAMPLE, DRAWN, replace(EXAMPLE, shown_by="LID-1")], ids=["by hand", "drawn", "shown"]
)
def test_what_is_written_is_read_back(example: CounterExample) -> None:
    assert load(example.dumps()) == example


def test_the_file_is_for_people() -> None:
    lines = DRAWN.dumps().splitlines()
    assert lines[:2] == ["{", ' "counterexample": 1,']
    assert ' "clause": "ACK-2",' in lines
    assert ' "client": "mutant:confirms-first",' in lines
    assert ' "drawn": {"seed": -7, "hours": 0.5, "clients": 2, "messages": 20},' in lines
    assert '   {"at": 0.5, "id": "9007199254740993", "outcome": "fail", "reason": "没货"}' in lines
    assert '   {"fault": "restart", "at": 1.0}' in lines


def test_a_plan_alone_can_be_loaded() -> None:
    assert load(PLAN.dumps()) == PLAN


def test_the_commands_show_it_again() -> None:
    assert EXAMPLE.commands("ACK 2.json") == ["tmcspec replay 'ACK 2.json'"]
    assert DRAWN.commands("ACK-2.json") == [
        "tmcspec replay ACK-2.json",
        "tmcspec simulate --seed -7 --hours 0.5 --clients 2 --messages 20 --faults random "
        "--client mutant:confirms-first",
    ]


@pytest.mark.parametrize(
    ("client", "words"), [("python:mine:make", "tmcspec run --python mine:make"), ("reference", "tmcspec run")]
)
def test_the_cases_are_named_that_show_it_and_no_others(client: str, words: str) -> None:
    example = replace(EXAMPLE, client=client, clause="ACK-7")
    assert not any("tmcspec run" in command for command in example.commands("x.json"))
    shown = replace(example, shown_by="LID-1")
    assert load(shown.dumps()) == shown
    assert shown.commands("x.json")[-1] == f"{words} --clause LID-1"
    assert len(replace(shown, client="mutant:confirms-first").commands("x.json")) == 1, "run knows no mutants"


@pytest.mark.parametrize("hours", [24.0, 24, 1 / 7, 743.123456789, 1e-05])
def test_the_command_draws_the_very_day_that_it_was_found_in(hours: float) -> None:
    day = draw_plan(-7, hours=hours, clients=2, messages=20)
    with click.Context(simulate) as context:
        words = Drawn(seed=-7, hours=hours, clients=2, messages=20).words("reference")
        simulate.parse_args(context, words[2:])
    told = {name: context.params[name] for name in ("seed", "hours", "clients", "messages")}
    assert draw_plan(told.pop("seed"), **told) == day


def changed(**members: Any) -> str:
    return json.dumps(json.loads(DRAWN.dumps()) | members)


def without(name: str) -> str:
    return json.dumps({key: value for key, value in json.loads(EXAMPLE.dumps()).items() if key != name})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a counter-example is JSON; "),
        ("[" * 100_000, "a counter-example is JSON; "),
        ("9" * 5000, "a counter-example is JSON; "),
        ("[]", 'an object with "counterexample": 1; not a list of 0'),
        ("{}", 'an object with "counterexample": 1; not a dict of 0'),
        (changed(counterexample=2), 'an object with "counterexample": 1; not '),
        (
            changed(command="rm"),
            "has no member 'command'; valid: counterexample, tmcspec, clause, client, shown_by, drawn, plan",
        ),
        (without("clause"), "needs a member 'clause'"),
        (without("client"), "needs a member 'client'"),
        (without("plan"), "needs a member 'plan'"),
        (changed(clause="ACK-99"), "not 'ACK-99'; tmcspec clauses lists them"),
        (changed(clause=["ACK-2"]), "not a list of 1; tmcspec clauses lists them"),
        (changed(shown_by="ACK-99"), "cases about a clause, as ACK-2, not 'ACK-99'; tmcspec clauses lists them"),
        (changed(shown_by={}), "cases about a clause, as ACK-2, not a dict of 0; tmcspec clauses lists them"),
        (changed(client=""), "a name of up to 200 characters, not ''"),
        (changed(client="x" * 201), "a name of up to 200 characters, not 'xxx"),
        (changed(client={}), "a name of up to 200 characters, not a dict of 0"),
        (changed(plan=[]), 'its plan: a plan is an object with "plan": 1; not a list of 0'),
        (changed(plan={"plan": 1, "clients": [{}]}), "its plan: client 1: a client needs a member 'name'"),
        (changed(drawn=[1]), '"drawn" of a counter-example is an object, not a list of 1'),
        (changed(drawn={"seed": 1}), "a drawn plan needs a member 'hours'"),
        (
            changed(drawn={"seed": 1, "hours": 1, "clients": 1, "messages": 1, "x": 1}),
            "a drawn plan has no member 'x'; valid: seed, hours, clients, messages",
        ),
        (
            changed(drawn={"seed": 2**63, "hours": 1, "clients": 1, "messages": 1}),
            "from -9223372036854775808 to 9223372036854775807, not 9223372036854775808",
        ),
        (changed(drawn={"seed": 1, "hours": 1, "clients": True, "messages": 1}), "from 0 to 100, not True"),
        (changed(drawn={"seed": 1, "hours": 1, "clients": 1, "messages": 0.5}), "from 0 to 200000, not 0.5"),
        (changed(drawn={"seed": 1, "hours": 0, "clients": 1, "messages": 1}), "more than 0, at most 744, not 0"),
        (changed(drawn={"seed": 1, "hours": "1", "clients": 1, "messages": 1}), "more than 0, at most 744, not '1'"),
        (changed(drawn={"seed": 1, "hours": float("nan"), "clients": 1, "messages": 1}), "at most 744, not nan"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, complaint: str) -> None:
    with pytest.raises(CounterExampleError) as error:
        load(text)
    assert complaint in str(error.value)
