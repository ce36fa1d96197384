"""QUE: the queue as a whole."""

from __future__ import annotations

from tmcfakes.faults import Drop
from tmcspec.clauses.connection import BACK_WITHIN
from tmcspec.instruction import Instruction
from tmcspec.timing import QUIET
from tmcsuites.casebook import case
from tmcsuites.stage import Stage

#: More than the handlers of any client work on at a time, and fewer than it may have in hand.
MANY = 100


# S39, S42: 消息…保证至少一次
@case("QUE-1", "QUE-2", "QUE-3", needs=("reconnect",), waits=BACK_WITHIN)
async def test_what_was_in_hand_when_the_connection_broke_is_not_lost(tmc_stage: Stage) -> None:
    """More messages than there are handlers; the transport breaks while most of them wait for one."""
    await tmc_stage.start()
    messages = [tmc_stage.produce(told=Instruction(delay_ms=500)) for _ in range(MANY)]
    await tmc_stage.wait(0.2)
    tmc_stage.do(lambda service, now: service.abort(now=now))
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(*messages)
    await tmc_stage.pass_time(361)
    await tmc_stage.until_answered(*messages)
    if tmc_stage.world == "simulated":
        await tmc_stage.pass_time(QUIET)


# S25: 约6分钟后重新加入消费队列待消费
@case("QUE-4", "QUE-1", "QUE-2")
async def test_a_message_that_got_lost_on_the_way_is_recovered(tmc_stage: Stage) -> None:
    """The push never arrives; six minutes later the message comes again."""
    await tmc_stage.start()
    tmc_stage.inject(Drop(frame="push"))
    message = tmc_stage.produce()
    await tmc_stage.pass_time(361)
    await tmc_stage.until_answered(message)
