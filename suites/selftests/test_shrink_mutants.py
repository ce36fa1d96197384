"""Clients with one seeded defect each: an eventful half hour comes down to what the defect needs to show."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tmcfakes.faults import Abort, Close, Latency, RedeliveryStorm, Restart
from tmcspec.client import TmcClient
from tmcspec.instruction import Instruction
from tmcsuites.chaos import reduce as reduce_module
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan
from tmcsuites.chaos.play import play
from tmcsuites.chaos.reduce import breaks, reduce
from tmcsuites.chaos.shrink import Shrunk, shrink
from tmcsuites.mutants import MUTANTS
from tmcsuites.mutants.base import Catalogue

#: A double holds it, and takes the thousand that follow for the same (S62).
DOUBLE = 4_700_000_000_000_000_000 // 1024 * 1024

#: Half an hour comes down to one client, and nothing else, for a second.
ALONE = Plan(seconds=1.0, quiet=0.0, clients=(ClientPlan(name="client-1"),))


def with_messages(*messages: MessagePlan, seconds: float = 1.0) -> Plan:
    return replace(ALONE, messages=messages, seconds=seconds)


FAILS = MessagePlan(at=0.0, id=1, told=Instruction(outcome="fail"))
NEIGHBOURS = (MessagePlan(at=0.0, id=2**53), MessagePlan(at=0.0, id=2**53 + 1))

#: What a defect needs. What takes longer ends when somebody's time is over: a minute to confirm, six until a message is
#: pushed again and one to answer that, five seconds until a service is back, half a minute to come back to one.
FOUND: dict[str, Plan] = {
    "confirms-first": with_messages(MessagePlan(at=0.0, id=1, told=Instruction(delay_ms=1))),
    "never-confirms": with_messages(MessagePlan(at=0.0, id=1), seconds=60.0),
    "reads-ids-as-doubles": with_messages(*NEIGHBOURS, seconds=361.0),
    "confirms-through-a-double": with_messages(*NEIGHBOURS),
    "swallows-failures": with_messages(FAILS),
    "fails-without-a-token": with_messages(FAILS),
    "ignores-a-repetition": with_messages(FAILS, seconds=420.0),
    "makes-up-a-token": ALONE,
    "keeps-the-first-token": replace(ALONE, seconds=8.0, faults=(Restart(at=1.0),)),
    "comes-back-late": replace(ALONE, seconds=31.0, faults=(Abort(at=1.0),)),
}

#: Defects that only show when something goes wrong for long.
CHAOTIC = Catalogue()


@CHAOTIC.mutant("forgets-what-it-works-on", "QUE-1")
class ForgetsWhatItWorksOn(TmcClient):
    """Loses the messages in hand when a connection ends, and still takes them for in hand when they come again."""

    async def _one_connection(self) -> Exception:
        error = await super()._one_connection()
        self._pool.drop_queued()
        await self._pool.cancel()
        return error


every_defect = pytest.mark.parametrize("name", FOUND)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Mutants log a lot, and pytest keeps it all."""
    caplog.set_level(logging.CRITICAL)


@cache
def eventful() -> Plan:
    """Half an hour with a little of everything that the defects need, among other things."""
    day = draw_plan(4, hours=0.5, clients=2, messages=6, stormy=False)
    told = (
        Instruction(outcome="fail", reason="no stock", delay_ms=20),
        Instruction(outcome="raise"),
        Instruction(delay_ms=5000),
        Instruction(delay_ms=1200),
    )
    more = [
        MessagePlan(at=100.5 + 40 * place, id=DOUBLE + 10_000 * (place + 1), told=each)
        for place, each in enumerate(told)
    ]
    neighbours = [MessagePlan(at=320.125, id=DOUBLE), MessagePlan(at=320.125, id=DOUBLE + 3)]
    faults = (
        Abort(at=201.25),
        Restart(at=700.25, duration=7.5),
        Close(at=1000.1, target="client-2"),
        Latency(at=1200, duration=100.5, delay=0.5, jitter=0.1),
        RedeliveryStorm(at=1400.0),
    )
    return replace(day, messages=(*day.messages, *more, *neighbours), faults=faults)


def fails(name: str) -> Callable[[Plan], bool]:
    return breaks(MUTANTS[name].clause, MUTANTS[name].subject)


@cache
def shrunk(name: str) -> Shrunk:
    return shrink(eventful(), fails(name))


@every_defect
def test_what_is_found_is_what_the_defect_needs(name: str) -> None:
    plan = shrunk(name).plan
    assert plan == FOUND[name], plan.dumps()


@every_defect
def test_what_is_found_still_shows_the_defect_and_is_found_soon(name: str) -> None:
    assert fails(name)(shrunk(name).plan)
    assert shrunk(name).tried <= 120
    assert shrunk(name).cut is None


@every_defect
def test_the_reference_core_breaks_nothing_by_what_was_found(name: str) -> None:
    assert not breaks(MUTANTS[name].clause, subject_of("reference"))(shrunk(name).plan)


def test_what_is_lost_with_a_connection_comes_down_to_one_message_and_one_abort() -> None:
    lost = CHAOTIC["forgets-what-it-works-on"]
    working = MessagePlan(at=200.5, id=DOUBLE - 10_000, told=Instruction(delay_ms=5000))
    plan = eventful()
    # An application that restarts its client loses nothing for ever.
    clients = tuple(replace(each, restarts=()) for each in plan.clients)
    plan = replace(plan, clients=clients, messages=(*plan.messages, working))
    found = shrink(plan, breaks(lost.clause, lost.subject)).plan
    (fault,) = found.faults
    (message,) = found.messages
    assert (fault, len(found.clients)) == (Abort(at=fault.at), 1)
    # The abort comes while the handler works, and hardly before it would have been done.
    assert (message.at, message.told) == (0.0, Instruction(delay_ms=round(1000 * fault.at) + 1))
    assert not breaks(lost.clause, subject_of("reference"))(found)


@pytest.mark.parametrize("name", ["swallows-failures", "comes-back-late"])
def test_what_is_found_cannot_be_made_smaller(name: str) -> None:
    assert shrink(shrunk(name).plan, fails(name)).plan == shrunk(name).plan


def test_a_clause_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no clause 'ACK-99'; valid: HSK-1, "):
        breaks("ACK-99", MUTANTS["confirms-first"].subject)


def test_a_bad_day_is_played_once_more_before_it_is_made_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[Plan] = []
    monkeypatch.setattr(reduce_module, "play", lambda plan, subject: played.append(plan) or play(plan, subject))
    cause = reduce(eventful(), "ACK-2", "mutant:confirms-first", folder=tmp_path)
    assert cause.example.plan == FOUND["confirms-first"]
    assert played.index(eventful()) == 0
    assert played.count(eventful()) == 1
