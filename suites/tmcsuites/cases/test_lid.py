"""LID: 64-bit ids, exact from the push to the confirm."""

from __future__ import annotations

import pytest

from tmcspec.events import HttpIn
from tmcspec.ids import neighbours
from tmcspec.instruction import Instruction
from tmcsuites import drawn
from tmcsuites.casebook import case
from tmcsuites.stage import Stage

#: One id for each way to lose one; the second is of the size that production uses.
EXACT = {
    "above_2_53": 2**53 + 1,
    "production_size": 4160600490938325004,
    "largest": 2**63 - 1,
    "negative": -5,
    "minus_one": -1,
    "smallest": -(2**63),
    "above_int32": 2**31 + 7,
    "above_int8": 200,
}

#: Those that lose something as a JSON number that is read through a double, or without its sign.
LONG = ("above_2_53", "production_size", "largest", "negative")

#: Pairs that a reader of this kind cannot tell apart.
PAIRS = {
    "double": neighbours(2**53 + 1, "double"),
    "double_production_size": neighbours(4160600490938325004, "double"),
    "int32": neighbours(2**32 + 77, "int32"),
    "smallest": neighbours(200, "smallest"),
}


# S62: outgoingId long型精度丢失
@case("LID-1", handlers=False)
@pytest.mark.parametrize("name", EXACT)
async def test_ids_are_confirmed_exactly(tmc_stage: Stage, name: str) -> None:
    """One message with a telling id, and an ordinary one behind it."""
    await tmc_stage.start()
    message = tmc_stage.produce(id=EXACT[name])
    await tmc_stage.until_answered(message)
    await tmc_stage.until_answered(tmc_stage.produce())


@case("LID-3", needs=("fail",))
@pytest.mark.parametrize("name", PAIRS)
async def test_no_confirm_settles_a_neighbour(tmc_stage: Stage, name: str) -> None:
    """The neighbour's handler fails, so that any confirm of it is the harm itself. It fails first: a client that reads
    both ids as one may drop the second message while it has the first in hand.
    """
    await tmc_stage.start()
    message, neighbour = PAIRS[name]
    tmc_stage.produce(id=neighbour, told=Instruction(outcome="fail", reason="must stay unsettled"))
    await tmc_stage.until_answered(neighbour)
    tmc_stage.produce(id=message)
    await tmc_stage.until_answered(message)


@case("LID-4")
@pytest.mark.parametrize("user_id", [2**53 + 1, -5], ids=["above_2_53", "negative"])
async def test_user_ids_reach_the_handler_exactly(tmc_stage: Stage, user_id: int) -> None:
    """Not of today's size, but of the type's."""
    await tmc_stage.start()
    message = tmc_stage.produce(user_id=user_id, nick="商家测试帐号")
    await tmc_stage.until_answered(message)


@case("LID-2", needs=("poll",))
@pytest.mark.parametrize("name", LONG)
async def test_ids_are_confirmed_exactly_over_http(tmc_stage: Stage, name: str) -> None:
    """There they are JSON numbers."""
    await tmc_stage.start("poll")
    message = tmc_stage.produce(id=EXACT[name])
    await tmc_stage.until_answered(message)
    await tmc_stage.until_answered(tmc_stage.produce())


@case("LID-2", needs=("poll", "raise"))
async def test_no_confirm_over_http_settles_a_neighbour(tmc_stage: Stage) -> None:
    """The neighbour's handler raises, so that any confirm of it is the harm itself."""
    await tmc_stage.start("poll")
    message, neighbour = neighbours(4160600490938325004, "double")
    tmc_stage.produce(id=neighbour, told=Instruction(outcome="raise", reason="must stay unsettled"))
    await tmc_stage.until_event(lambda event: isinstance(event, HttpIn))
    tmc_stage.produce(id=message)
    await tmc_stage.until_answered(message)


# S62: outgoingId long型精度丢失
@case("LID-1", handlers=False)
async def test_any_ids_are_confirmed_exactly(tmc_stage: Stage) -> None:
    """All of them pending at once."""
    await tmc_stage.start()
    ids = drawn.ids(tmc_stage.rng, drawn.MANY)
    await tmc_stage.until_answered(*[tmc_stage.produce(id=id) for id in ids])


@case("LID-3", needs=("fail",))
async def test_no_confirm_settles_any_neighbour(tmc_stage: Stage) -> None:
    """For each reading that loses something, pairs that it takes for one."""
    await tmc_stage.start()
    for message, neighbour in drawn.pairs(tmc_stage.rng, drawn.FEW):
        tmc_stage.produce(id=neighbour, told=Instruction(outcome="fail", reason="must stay unsettled"))
        await tmc_stage.until_answered(neighbour)
        tmc_stage.produce(id=message)
        await tmc_stage.until_answered(message)
