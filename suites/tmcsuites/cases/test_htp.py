"""HTP: consuming over HTTP, by polling the gateway."""

from __future__ import annotations

from tmcspec.instruction import Instruction
from tmcsuites.casebook import case
from tmcsuites.stage import Stage

#: More than one request may ask for, or confirm.
MANY = 450

#: A handler that works so many milliseconds has not finished before the next poll.
SLOW = 2500


@case("HTP-1", "HTP-2", "HTP-6", "HTP-7", needs=("poll",))
async def test_a_client_polls_and_confirms(tmc_stage: Stage) -> None:
    """A few messages. A stranger asks for them, too, and gets none."""
    await tmc_stage.start("poll")
    await tmc_stage.let_a_stranger_ask()
    messages = [tmc_stage.produce('{"text": "中文 😀"}') for _ in range(3)]
    await tmc_stage.until_answered(*messages)


@case("HTP-2", "HTP-1", needs=("poll",))
async def test_many_messages_are_asked_for_and_confirmed_in_batches(tmc_stage: Stage) -> None:
    """More than one request may carry."""
    messages = [tmc_stage.produce() for _ in range(MANY)]
    await tmc_stage.start("poll")
    await tmc_stage.until_answered(*messages)


@case("HTP-3", needs=("poll",))
async def test_a_message_is_confirmed_after_its_handler_is_done(tmc_stage: Stage) -> None:
    """The handler takes longer than a poll."""
    await tmc_stage.start("poll")
    message = tmc_stage.produce(told=Instruction(delay_ms=SLOW))
    await tmc_stage.until_answered(message)


@case("HTP-3", "HTP-5", needs=("poll", "raise"))
async def test_a_message_whose_handler_fails_is_not_confirmed_and_comes_again(tmc_stage: Stage) -> None:
    """Over HTTP a failure cannot be reported."""
    await tmc_stage.start("poll")
    tmc_stage.produce(told=Instruction(outcome="raise", reason="no stock"))
    await tmc_stage.until_answered(tmc_stage.produce(told=Instruction(delay_ms=SLOW)))
    await tmc_stage.pass_time(361)
    await tmc_stage.wait(3.0)


# S35: 如拉取消息量为空时, 等待1秒以上再轮询
@case("HTP-4", needs=("poll",))
async def test_polls_that_came_back_empty_are_apart(tmc_stage: Stage) -> None:
    """Nothing is there for a while."""
    await tmc_stage.start("poll")
    await tmc_stage.wait(tmc_stage.patience)


@case("HTP-5", "RDL-3", needs=("poll",))
async def test_what_was_confirmed_over_http_never_comes_again(tmc_stage: Stage) -> None:
    """An hour later."""
    await tmc_stage.start("poll")
    message = tmc_stage.produce()
    await tmc_stage.until_answered(message)
    await tmc_stage.pass_time(3600)
    await tmc_stage.wait(2.0)
