"""HSK: the handshake."""

from __future__ import annotations

from tmcfakes.faults import Restart, Schedule
from tmcfakes.service import AckScript
from tmcspec.clauses.connection import BACK_WITHIN
from tmcspec.events import Event, FrameIn
from tmcspec.messages import MessageError, PullRequest, from_client
from tmcspec.timing import CONNECTACK_PATIENCE, PULL_INTERVAL
from tmcsuites.casebook import case
from tmcsuites.stage import APP_KEY, MARGIN, Stage

#: More often than any client asks in a case.
ALWAYS = 100_000

#: The name of a group, as long as one may be.
LONG_NAME = "大促订单处理" * 5 + "备用"


@case("HSK-1", "HSK-2", "HSK-3", "HSK-4", "FRM-13", "HSK-11", handlers=False)
async def test_a_client_connects_and_signs(tmc_stage: Stage) -> None:
    """The plain handshake of a client that is configured rightly."""
    await tmc_stage.start()


# The page of taobao.tmc.group.add: at most 32 characters.
@case("HSK-3", "HSK-2", "FRM-13", handlers=False)
async def test_a_group_may_have_a_long_chinese_name(tmc_stage: Stage) -> None:
    """As long as any, so that it has three times as many bytes as characters."""
    tmc_stage.operate(lambda console: console.create_group(APP_KEY, LONG_NAME))
    await tmc_stage.start(group=LONG_NAME)


@case("HSK-8", "ACK-7", "ACK-10", "FRM-13", handlers=False, waits=PULL_INTERVAL)
async def test_what_a_client_sends_carries_its_token(tmc_stage: Stage) -> None:
    """A few messages, so that there are confirms, and time for a pull."""
    await tmc_stage.start()
    messages = [tmc_stage.produce() for _ in range(3)]
    await tmc_stage.until_answered(*messages)
    await tmc_stage.until_event(_is_pull, within=PULL_INTERVAL + MARGIN)


@case("HSK-8", needs=("reconnect",), handlers=False, waits=BACK_WITHIN)
async def test_a_token_that_was_replaced_is_not_used(tmc_stage: Stage) -> None:
    """The service restarts, has forgotten whom it gave which token, and gives out others."""
    await tmc_stage.start()
    tmc_stage.fake.inject(Schedule(faults=(Restart(duration=1.0),)))
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())
    # A confirm may carry the new token, and a timer that was set up on the first connection still the old one.
    await tmc_stage.until_event(_is_pull, within=PULL_INTERVAL + MARGIN)


@case("HSK-5", handlers=False)
async def test_the_flag_of_a_connect_is_set(tmc_stage: Stage) -> None:
    """The plain handshake again, looked at for its flag alone."""
    await tmc_stage.start()


@case("HSK-5", handlers=False, waits=PULL_INTERVAL)
async def test_an_answer_with_another_flag_is_not_taken(tmc_stage: Stage) -> None:
    """The CONNECTACK is good but answers another question."""
    tmc_stage.do(lambda service, now: service.script_connectacks(AckScript(flag=77_777)))
    await _start_and_look_on(tmc_stage)


# S71: isv.tmc-switch-off
@case("HSK-11")
async def test_strangers_are_refused_with_a_reason(tmc_stage: Stage) -> None:
    """A wrong sign, an unknown app, and an unknown group; the client itself goes on."""
    await tmc_stage.start()
    await tmc_stage.let_strangers_connect()
    await tmc_stage.until_answered(tmc_stage.produce())


# S21: 连接失败时会抛出异常
@case("HSK-6", "HSK-7", handlers=False, waits=PULL_INTERVAL)
async def test_a_refused_first_connection_is_told(tmc_stage: Stage) -> None:
    """Code and phrase, as for a wrong sign."""
    refusal = AckScript(refuse=(25, "Invalid signature"))
    tmc_stage.do(lambda service, now: service.script_connectacks(*[refusal] * ALWAYS))
    await _start_and_look_on(tmc_stage)


@case("HSK-6", "HSK-7", handlers=False, waits=PULL_INTERVAL)
async def test_a_refusal_by_phrase_alone_is_a_refusal(tmc_stage: Stage) -> None:
    """Legal in the reference implementation: an exception made from text alone has code 0."""
    refusal = AckScript(refuse=(0, "group is full"))
    tmc_stage.do(lambda service, now: service.script_connectacks(*[refusal] * ALWAYS))
    await _start_and_look_on(tmc_stage)


@case("HSK-7")
async def test_an_address_that_does_not_answer_is_told(tmc_stage: Stage) -> None:
    """Nobody listens there."""
    with tmc_stage.nobody_listens() as url:
        await tmc_stage.try_start(url=url)
        await tmc_stage.wait(tmc_stage.patience)


@case("HSK-9", "HSK-1", handlers=False, waits=CONNECTACK_PATIENCE)
async def test_a_silent_handshake_is_given_up(tmc_stage: Stage) -> None:
    """The connection opens and the CONNECT is never answered."""
    tmc_stage.do(lambda service, now: service.script_connectacks(*[AckScript(silent=True)] * ALWAYS))
    await tmc_stage.try_start(within=CONNECTACK_PATIENCE + 1)
    await tmc_stage.until(lambda: False, within=1)


@case("HSK-10", handlers=False, waits=PULL_INTERVAL)
async def test_an_answer_without_token_is_no_success(tmc_stage: Stage) -> None:
    """Neither an error nor a token."""
    tmc_stage.do(lambda service, now: service.script_connectacks(AckScript(token=False)))
    await _start_and_look_on(tmc_stage)


async def _start_and_look_on(stage: Stage) -> None:
    """Starts a client that gets no usable answer. Unless it says so, it has until its first pull to show what it took
    the answer for.
    """
    answer = await stage.try_start()
    if answer is None or answer.status != "raised":
        await stage.wait(max(stage.patience, PULL_INTERVAL) + MARGIN)


def _is_pull(event: Event) -> bool:
    if not isinstance(event, FrameIn) or event.frame is None:
        return False
    try:
        return isinstance(from_client(event.frame), PullRequest)
    except MessageError:
        return False
