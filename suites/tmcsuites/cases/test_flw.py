"""FLW: flow control. It binds the service; a client shows that it bears being pushed to in bursts."""

from __future__ import annotations

from tmcspec.flow import LATENCY
from tmcspec.instruction import Instruction
from tmcsuites.casebook import case
from tmcsuites.stage import APP_KEY, Stage

#: Messages that take a few seconds at the rate of the smallest value: 24 a second, 32 at a time.
BACKLOG = 120

#: As many as the smallest value lets through in two minutes.
FAILING = 24 * 120


# S46: 推送量qps = tmcClient机器数 * 单机流控值 * 24(倍率)
@case("FLW-1", "FLW-2", "ACK-7", handlers=False)
async def test_a_backlog_comes_as_fast_as_the_flow_value_says(tmc_stage: Stage) -> None:
    """The smallest value, set while the client is connected."""
    await tmc_stage.start()
    tmc_stage.operate(lambda console: console.set_flow(APP_KEY, "default", 1))
    await tmc_stage.pass_time(LATENCY + 1)
    messages = [tmc_stage.produce() for _ in range(BACKLOG)]
    await tmc_stage.until_answered(*messages)
    await tmc_stage.pass_time(60)


@case("FLW-2", "ACK-7", handlers=False)
async def test_a_group_that_was_shut_opens_again(tmc_stage: Stage) -> None:
    """Value 0, and then none."""
    await tmc_stage.start()
    tmc_stage.operate(lambda console: console.set_flow(APP_KEY, "default", 0))
    await tmc_stage.pass_time(LATENCY + 1)
    messages = [tmc_stage.produce() for _ in range(BACKLOG)]
    await tmc_stage.pass_time(60)
    tmc_stage.operate(lambda console: console.set_flow(APP_KEY, "default", None))
    await tmc_stage.pass_time(LATENCY + 1)
    await tmc_stage.until_answered(*messages)


# S51: 堆积过多(万级)或过久(半小时以上)会, 消费流控值预期会*30%
@case("FLW-3", "ACK-7", handlers=False)
async def test_what_gathered_while_nobody_consumed_comes_slowly(tmc_stage: Stage) -> None:
    """Nobody was there for more than half an hour."""
    tmc_stage.operate(lambda console: console.set_flow(APP_KEY, "default", 1))
    messages = [tmc_stage.produce() for _ in range(BACKLOG)]
    await tmc_stage.pass_time(1900)
    await tmc_stage.start()
    await tmc_stage.until_answered(*messages, within=60)


@case("FLW-4", "ACK-3", needs=("fail",))
async def test_who_does_not_confirm_is_slowed_down(tmc_stage: Stage) -> None:
    """Every message fails, for two minutes."""
    await tmc_stage.start()
    tmc_stage.operate(lambda console: console.set_flow(APP_KEY, "default", 1))
    await tmc_stage.pass_time(LATENCY + 1)
    messages = [tmc_stage.produce(told=Instruction(outcome="fail", reason="no stock")) for _ in range(FAILING)]
    await tmc_stage.pass_time(120)
    await tmc_stage.until_answered(messages[0])
