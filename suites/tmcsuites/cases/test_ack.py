"""ACK: confirm and fail."""

from __future__ import annotations

from tmcfakes.faults import Drop
from tmcspec.events import Confirmed, FrameIn, Handled, Received
from tmcspec.instruction import Instruction
from tmcsuites import drawn, oddities
from tmcsuites.casebook import case
from tmcsuites.stage import Stage

#: Long enough to tell a client that confirms first from one that waits, on any machine.
SLOW = Instruction(delay_ms=1000)

#: Messages that clients handle at a time are fewer.
MORE_THAN_WORKERS = 80


@case("ACK-1", "ACK-6", "ACK-7", "ACK-10", handlers=False)
async def test_handled_messages_are_confirmed(tmc_stage: Stage) -> None:
    """Twenty ordinary messages."""
    await tmc_stage.start()
    messages = [tmc_stage.produce(f'{{"tid": {number}}}') for number in range(20)]
    await tmc_stage.until_answered(*messages)


# Observed: tmc.js and tmcpy take an id of 0 for none.
@case("ACK-1", "FRM-13")
async def test_a_message_whose_id_is_zero_is_confirmed(tmc_stage: Stage) -> None:
    """It is an id like any other."""
    await tmc_stage.start()
    await tmc_stage.until_answered(tmc_stage.produce(id=0))


@case("ACK-2")
async def test_a_slow_handler_is_not_confirmed_early(tmc_stage: Stage) -> None:
    """A handler that works for a second."""
    await tmc_stage.start()
    message = tmc_stage.produce(told=SLOW)
    await tmc_stage.until_answered(message, within=tmc_stage.patience + SLOW.delay)
    # A client that confirmed first has its handler still at work.
    await tmc_stage.until(lambda: _handled(tmc_stage, message), within=tmc_stage.patience)


@case("ACK-3", "ACK-4", "HSK-8", needs=("fail",))
async def test_a_failed_message_is_reported_and_not_confirmed(tmc_stage: Stage) -> None:
    """With a reason, and one without."""
    await tmc_stage.start()
    messages = [tmc_stage.produce(told=Instruction(outcome="fail", reason=why)) for why in ("no stock", None)]
    await tmc_stage.until_answered(*messages)


@case("ACK-4", "FRM-13", needs=("fail",))
async def test_a_long_reason_is_cut(tmc_stage: Stage) -> None:
    """Two thousand characters beyond ASCII, twice as long as fits a frame of the official Java client."""
    await tmc_stage.start()
    message = tmc_stage.produce(told=Instruction(outcome="fail", reason="库存不足" * 500))
    await tmc_stage.until_answered(message)


@case("ACK-5", needs=("raise",))
async def test_a_raising_handler_is_survived(tmc_stage: Stage) -> None:
    """With a text and without one, which the official Java client trips over."""
    await tmc_stage.start()
    for reason in ("boom", None):
        message = tmc_stage.produce(told=Instruction(outcome="raise", reason=reason))
        await tmc_stage.until_answered(message)
    following = tmc_stage.produce()
    await tmc_stage.until_answered(following)


@case("ACK-5", needs=("raise",))
async def test_a_handler_that_raises_what_is_no_exception_is_survived(tmc_stage: Stage) -> None:
    """What the usual `catch` misses, as a cancelled call in Python or a class that is missing in Java. A client that
    loses a worker to each has none left for what follows.
    """
    await tmc_stage.start()
    told = [Instruction(outcome="raise", reason=reason, unusual=True) for reason in ("boom", None)]
    messages = [tmc_stage.produce(told=told[number % 2]) for number in range(MORE_THAN_WORKERS)]
    await tmc_stage.until_answered(*messages)
    await tmc_stage.until_answered(tmc_stage.produce())


@case("ACK-7", handlers=False)
async def test_a_push_without_an_id_is_not_confirmed(tmc_stage: Stage) -> None:
    """Nobody can name it; an ordinary message behind it shows that the client goes on."""
    await tmc_stage.start()
    tmc_stage.produce(wire=oddities.without_id)
    await tmc_stage.until_answered(tmc_stage.produce())


# S40: MQ无法避免消息重复
@case("ACK-8", "RDL-7", "RDL-1", "RDL-5", handlers=False)
async def test_a_lost_confirm_is_repeated(tmc_stage: Stage) -> None:
    """The service does not get the first confirm, and brings the message again."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.lose_confirms(1))
    message = tmc_stage.produce()
    await tmc_stage.until_event(lambda event: isinstance(event, FrameIn) and _is_confirm(event))
    await tmc_stage.pass_time(361)
    await tmc_stage.until(lambda: _confirmed(tmc_stage, message))


# S43: 调整并行度
@case("ACK-9")
async def test_a_slow_handler_does_not_stop_others(tmc_stage: Stage) -> None:
    """One works for three seconds, the next should not wait for it."""
    await tmc_stage.start()
    slow = tmc_stage.produce(told=Instruction(delay_ms=3000))
    await tmc_stage.until(lambda: _received(tmc_stage, slow))
    following = tmc_stage.produce()
    await tmc_stage.until_answered(slow, following, within=tmc_stage.patience + 3)


@case("ACK-9")
async def test_a_hanging_handler_does_not_stop_others(tmc_stage: Stage) -> None:
    """One never comes back, so that it may never be confirmed either."""
    await tmc_stage.start()
    hanging = tmc_stage.produce(told=Instruction(outcome="hang"))
    await tmc_stage.until(lambda: _received(tmc_stage, hanging))
    following = tmc_stage.produce()
    await tmc_stage.until_answered(following)
    await tmc_stage.wait(tmc_stage.patience)


# S29: 被推送的缓冲队列 不要设置太大
@case("ACK-11")
async def test_a_burst_beyond_the_queue_loses_nothing(tmc_stage: Stage) -> None:
    """Ten thousand at once, and a handler that takes a moment for each: for a client that handles one at a time, a
    minute, and more on a busy machine.
    """
    await tmc_stage.start()
    told = Instruction(delay_ms=5)
    burst = [tmc_stage.produce(told=told) for _ in range(10_000)]
    await tmc_stage.until_answered(*burst, within=120 + tmc_stage.patience)


@case("ACK-1", "ACK-2", "ACK-3", "ACK-5", "ACK-6", "ACK-7", needs=("fail", "raise"))
async def test_handlers_that_do_anything_are_answered_for_rightly(tmc_stage: Stage) -> None:
    """They succeed, fail and raise, at once and later, so that they are done in another order than they began."""
    await tmc_stage.start()
    messages = [tmc_stage.produce(told=drawn.told(tmc_stage.rng)) for _ in range(drawn.MANY)]
    await tmc_stage.until_answered(*messages)


# S40: MQ无法避免消息重复
@case("ACK-8", "RDL-7", handlers=False)
async def test_any_confirms_that_got_lost_are_repeated(tmc_stage: Stage) -> None:
    """Some in a row; six minutes later the messages come again."""
    await tmc_stage.start()
    rng = tmc_stage.rng
    tmc_stage.inject(Drop(frame="confirm", nth=rng.randint(1, 10), count=rng.randint(1, 10)))
    messages = [tmc_stage.produce() for _ in range(drawn.MANY)]
    await tmc_stage.until_answered(*messages)
    await tmc_stage.pass_time(361)
    await tmc_stage.until_answered(*messages)


def _received(stage: Stage, message: int) -> bool:
    return any(isinstance(entry.event, Received) and entry.event.message == message for entry in stage.entries())


def _handled(stage: Stage, message: int) -> bool:
    return any(isinstance(entry.event, Handled) and entry.event.message == message for entry in stage.entries())


def _confirmed(stage: Stage, message: int) -> bool:
    return any(isinstance(entry.event, Confirmed) and entry.event.message == message for entry in stage.entries())


def _is_confirm(event: FrameIn) -> bool:
    return event.frame is not None and event.frame.value("__kind") == 2
