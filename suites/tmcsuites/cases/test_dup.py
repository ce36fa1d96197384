"""DUP: the same business key twice."""

from __future__ import annotations

import pytest

from tmcspec.events import Handled
from tmcspec.instruction import Instruction
from tmcsuites.casebook import case
from tmcsuites.stage import Stage

#: What tells one message from another, beside its topic.
KEY = ("tid",)

#: A handler that works so many milliseconds is still at it when the copy comes.
SLOW = 400


def _produce(stage: Stage, tid: int | str, told: Instruction | None = None) -> int:
    """A message about a trade, under an id of its own."""
    return stage.produce((told or Instruction()).content(tid=tid))


# S41: 务必要在业务层面进行去重处理…唯一键…也可以是消息内容中的唯一标识字段
@case("DUP-1", "ACK-1", needs=("dedupe",))
@pytest.mark.parametrize("tid", [7, 2**53, "E20260101-7"], ids=["small", "2_53", "text"])
async def test_a_copy_is_not_handled_again(tmc_stage: Stage, tid: int | str) -> None:
    """Another trade, whose number a double does not tell from the first, is no copy."""
    await tmc_stage.start(dedupe=KEY)
    other = tid + 1 if isinstance(tid, int) else tid + "1"
    for each in (tid, tid, other):
        await tmc_stage.until_answered(_produce(tmc_stage, each))


@case("DUP-1", needs=("dedupe",))
async def test_copies_that_arrive_at_once_are_handled_once(tmc_stage: Stage) -> None:
    """Three of them, and the handler takes its time."""
    await tmc_stage.start(dedupe=KEY)
    copies = [_produce(tmc_stage, 7, Instruction(delay_ms=SLOW)) for _ in range(3)]
    await tmc_stage.until_answered(*copies)
    await tmc_stage.pass_time(361)
    await tmc_stage.until_answered(*copies)


@case("DUP-1", needs=("dedupe", "graceful_stop"))
async def test_a_copy_is_known_after_a_restart(tmc_stage: Stage) -> None:
    """The application is stopped and started in between."""
    await tmc_stage.start(dedupe=KEY)
    await tmc_stage.until_answered(_produce(tmc_stage, 7))
    await tmc_stage.stop()
    await tmc_stage.start(dedupe=KEY)
    await tmc_stage.until_answered(_produce(tmc_stage, 7))


# S41: 可以尝试插入,如果报主键冲突,则插入失败,直接跳过; taken literally, that loses a message whose handler fails.
@case("DUP-1", needs=("dedupe", "raise"))
async def test_a_copy_of_what_failed_is_handled(tmc_stage: Stage) -> None:
    """The handler of the first raises; that of the copy, which waits for it, does not."""
    await tmc_stage.start(dedupe=KEY)
    failing = Instruction(outcome="raise", reason="no stock", delay_ms=SLOW)
    first, copy = _produce(tmc_stage, 7, failing), _produce(tmc_stage, 7)
    await tmc_stage.until_event(lambda event: isinstance(event, Handled))
    await tmc_stage.until_answered(first, copy)
