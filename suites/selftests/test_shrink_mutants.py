"""Clients with one seeded defect each: an eventful half hour comes down to what the defect needs to show."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from tmcfakes.faults import Abort, Close, Latency, RedeliveryStorm, Restart
from tmcspec.client import TmcClient
from tmcspec.instruction import Instruction
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.plan import MessagePlan, Plan
from tmcsuites.chaos.search import size
from tmcsuites.chaos.shrink import Shrunk, shrink
from tmcsuites.chaos.verdict_of_play import breaks
from tmcsuites.mutants import MUTANTS
from tmcsuites.mutants.base import Catalogue

#: A double holds it, and takes the thousand that follow for the same (S62).
DOUBLE = 4_700_000_000_000_000_000 // 1024 * 1024

#: What a defect needs: faults by name, and how many messages, clients, users and restarts.
FOUND: dict[str, tuple[list[str], int, int, int, int]] = {
    "confirms-first": ([], 1, 1, 0, 0),
    "never-confirms": ([], 1, 1, 0, 0),
    "reads-ids-as-doubles": ([], 2, 1, 0, 0),
    "confirms-through-a-double": ([], 2, 1, 0, 0),
    "swallows-failures": ([], 1, 1, 0, 0),
    "fails-without-a-token": ([], 1, 1, 0, 0),
    "ignores-a-repetition": ([], 1, 1, 0, 0),
    "makes-up-a-token": ([], 0, 1, 0, 0),
    "keeps-the-first-token": (["restart"], 0, 1, 0, 0),
    "comes-back-late": (["abort"], 0, 1, 0, 0),
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
    found = [each.name for each in plan.faults], *size(plan)[1:5]
    assert found == FOUND[name], plan.dumps()


@every_defect
def test_what_is_found_still_shows_the_defect_and_is_found_soon(name: str) -> None:
    assert fails(name)(shrunk(name).plan)
    assert shrunk(name).tried <= 120
    assert not shrunk(name).exhausted


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
