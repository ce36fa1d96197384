"""RDL: redelivery, and the life of a message."""

from __future__ import annotations

from tmcfakes.faults import Drop
from tmcspec.events import Received
from tmcspec.instruction import Instruction
from tmcspec.timing import CONFIRM_TIMEOUT
from tmcsuites.casebook import case
from tmcsuites.stage import APP_KEY, Stage


# S25: 约6分钟后重新加入消费队列待消费
@case("RDL-7", "RDL-2", needs=("fail",))
async def test_a_failed_message_comes_again_and_is_handled(tmc_stage: Stage) -> None:
    """Failed twice, six minutes apart."""
    await tmc_stage.start()
    message = tmc_stage.produce(told=Instruction(outcome="fail", reason="not yet"))
    for _ in range(2):
        await tmc_stage.until_answered(message)
        tmc_stage.answered.discard(message)
        await tmc_stage.pass_time(361)
    await tmc_stage.until_answered(message)


# S39: 消费了不确认, 每间隔约6分钟重发一次; S25
@case("RDL-1", "RDL-2", "RDL-5", needs=("fail",))
async def test_what_is_not_answered_and_what_failed_comes_again(tmc_stage: Stage) -> None:
    """A push that gets lost and a handler that fails, and time enough to see that nothing comes."""
    await tmc_stage.start()
    tmc_stage.inject(Drop(frame="push"))
    tmc_stage.produce()
    await tmc_stage.until_answered(tmc_stage.produce(told=Instruction(outcome="fail", reason="not yet")))
    await tmc_stage.pass_time(600)


@case("RDL-3", "ACK-1")
async def test_a_confirmed_message_never_comes_again(tmc_stage: Stage) -> None:
    """An hour after its confirm."""
    await tmc_stage.start()
    message = tmc_stage.produce()
    await tmc_stage.until_answered(message)
    await tmc_stage.pass_time(3600)


@case("RDL-6", "ACK-1")
async def test_a_late_confirm_still_settles(tmc_stage: Stage) -> None:
    """The handler is still at work when the confirm timeout is over."""
    await tmc_stage.start()
    late = CONFIRM_TIMEOUT + 1
    # Live, the service's clock jumps over the timeout while the handler works for three real seconds.
    works = 3.0 if tmc_stage.world == "live" else late + 3
    message = tmc_stage.produce(told=Instruction(delay_ms=int(works * 1000)))
    await tmc_stage.until_event(lambda event: isinstance(event, Received))
    # A client that confirms before its handler is done has done so by now, and not sometimes before the jump of the
    # clock, sometimes after it.
    await tmc_stage.wait(1.0)
    await tmc_stage.pass_time(late)
    await tmc_stage.until_answered(message, within=works + tmc_stage.patience)
    await tmc_stage.pass_time(720)


@case("RDL-4", needs=("fail",))
async def test_a_message_nobody_could_handle_expires(tmc_stage: Stage) -> None:
    """Failed again and again, until the day is over."""
    await tmc_stage.start()
    message = tmc_stage.produce(told=Instruction(outcome="fail"))
    await tmc_stage.until_answered(message)
    await tmc_stage.pass_time(24 * 3600 + 600)


@case("RDL-8", "ACK-7", handlers=False)
async def test_what_was_lost_with_its_group_never_comes(tmc_stage: Stage) -> None:
    """Not in a group of the same name either, which the client then consumes."""
    tmc_stage.operate(lambda console: console.create_group(APP_KEY, "closing"))
    tmc_stage.produce(group="closing")
    tmc_stage.operate(lambda console: console.delete_group(APP_KEY, "closing"))
    tmc_stage.operate(lambda console: console.create_group(APP_KEY, "closing"))
    await tmc_stage.start(group="closing")
    await tmc_stage.until_answered(tmc_stage.produce(group="closing"))
