"""CON: keeping the connection."""

from __future__ import annotations

import pytest

from tmcfakes.faults import Down, HalfOpen, RefuseUpgrade, ResetPeer, SilentAccept, SlowClose
from tmcspec.clauses.connection import BACK_AFTER_OUTAGE, BACK_WITHIN, SILENCE_NOTICED
from tmcspec.clauses.websocket import PONG_WITHIN
from tmcspec.events import Attempted, Received
from tmcspec.instruction import Instruction
from tmcspec.timing import PULL_INTERVAL
from tmcsuites.casebook import case
from tmcsuites.stage import MARGIN, Stage

#: Seconds of an outage: a restart of the service, or of a router, takes about as long.
OUTAGE = 60.0

#: Seconds from a close to the end of its connection: longer than a client pauses between two pulls, if it is eager.
LATE_END = 8.0

#: Attempts in vain that a storm of resets lasts, or a network that is too slow.
ATTEMPTS = 2

#: Seconds that a patient client waits for the answer to its upgrade.
UPGRADE_GIVEN_UP = 30.0


# S22: 第一次正常连接后, 后面断开连接 会自动重连
@case("CON-1", "CON-3", "HSK-2", "HSK-3", needs=("reconnect",), handlers=False, waits=BACK_WITHIN)
async def test_a_client_comes_back_after_a_close(tmc_stage: Stage) -> None:
    """The service closes as it does when it is restarted, then has a message."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())


@case("CON-1", "CON-3", needs=("reconnect",), handlers=False, waits=BACK_WITHIN)
async def test_a_client_comes_back_after_an_abort(tmc_stage: Stage) -> None:
    """The transport breaks without a word."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.abort(now=now))
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())


# Observed: every published client signs each CONNECT anew.
@case("CON-4", needs=("reconnect",), handlers=False, waits=3 * BACK_WITHIN)
async def test_a_client_connects_anew_each_time(tmc_stage: Stage) -> None:
    """The service closes three times."""
    await tmc_stage.start()
    for _ in range(3):
        tmc_stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
        await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())


# Observed: the Node SDK pulls on, and dies of it.
@case("CON-1", needs=("reconnect",), handlers=False, waits=BACK_WITHIN)
async def test_a_client_survives_that_a_closed_connection_ends_late(tmc_stage: Stage) -> None:
    """The service has said that it closes, and the end of the TCP connection does not come for a while."""
    await tmc_stage.start()
    tmc_stage.inject(SlowClose(delay=LATE_END))
    tmc_stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
    await tmc_stage.wait(LATE_END)
    tmc_stage.heal()
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())


# Observed: no published client looks for signs of life from the service.
@case("CON-1", needs=("reconnect",), handlers=False, waits=SILENCE_NOTICED + BACK_WITHIN)
async def test_a_client_notices_that_its_connection_is_a_black_hole(tmc_stage: Stage) -> None:
    """Nothing comes any more, and nobody says so; a new connection would be sound."""
    await tmc_stage.start()
    tmc_stage.inject(HalfOpen())
    await tmc_stage.until_new(within=SILENCE_NOTICED + MARGIN)
    tmc_stage.heal()
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())


# S22: 后面断开连接 会自动重连
@case("CON-2", "CON-3", needs=("reconnect",), handlers=False, waits=OUTAGE + BACK_AFTER_OUTAGE)
async def test_a_client_keeps_trying_through_an_outage(tmc_stage: Stage) -> None:
    """Nobody is there for a minute."""
    await tmc_stage.start()
    tmc_stage.inject(Down())
    await tmc_stage.wait(OUTAGE)
    await _comes_right(tmc_stage)


@case("CON-2", "CON-3", needs=("reconnect",), handlers=False, waits=ATTEMPTS * BACK_WITHIN + BACK_AFTER_OUTAGE)
async def test_a_client_outlasts_a_storm_of_resets(tmc_stage: Stage) -> None:
    """Every connection is reset as soon as it is there, until the client has tried some times."""
    await tmc_stage.start()
    tmc_stage.inject(ResetPeer())
    for _ in range(ATTEMPTS):
        await tmc_stage.until_event(lambda event: isinstance(event, Attempted), within=BACK_WITHIN)
    await _comes_right(tmc_stage)


@case("CON-2", "CON-3", needs=("reconnect",), handlers=False, waits=BACK_WITHIN + UPGRADE_GIVEN_UP + BACK_AFTER_OUTAGE)
async def test_a_client_outlasts_a_network_that_brings_no_answer(tmc_stage: Stage) -> None:
    """TCP connections come about and no byte comes back on them, ever, until the client has tried some times."""
    await tmc_stage.start()
    tmc_stage.inject(SilentAccept())
    tmc_stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
    for patience in (BACK_WITHIN, *[UPGRADE_GIVEN_UP] * (ATTEMPTS - 1)):
        await tmc_stage.until_event(lambda event: isinstance(event, Attempted), within=patience)
    await _comes_right(tmc_stage)


@pytest.mark.parametrize("status", [401, 503])
@case("CON-7", "CON-3", needs=("reconnect",), handlers=False, waits=BACK_WITHIN + BACK_AFTER_OUTAGE)
async def test_a_refused_upgrade_is_tried_again(tmc_stage: Stage, status: int) -> None:
    """The service is restarted, and the gateway before it answers meanwhile."""
    await tmc_stage.start()
    tmc_stage.inject(RefuseUpgrade(status=status))
    tmc_stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
    await tmc_stage.until_event(lambda event: isinstance(event, Attempted), within=BACK_WITHIN)
    await _comes_right(tmc_stage)


# S21: 连接失败时会抛出异常
@case("CON-7")
async def test_a_refused_upgrade_is_told_at_first(tmc_stage: Stage) -> None:
    """The very first attempt gets an HTTP error."""
    tmc_stage.inject(RefuseUpgrade(status=401))
    answer = await tmc_stage.try_start()
    if answer is None or answer.status != "raised":
        await tmc_stage.wait(tmc_stage.patience + MARGIN)


# Observed: official Java closes upon a PING, tmc.js and the Node SDK answer it twice.
@case("CON-5", "FRM-16", handlers=False, waits=PULL_INTERVAL + PONG_WITHIN)
async def test_a_client_shows_signs_of_life(tmc_stage: Stage) -> None:
    """It may pull, and is sent a PING."""
    await tmc_stage.start()
    await tmc_stage.wait(PULL_INTERVAL)
    tmc_stage.do(lambda service, now: service.inject(b"alive?", now=now, opcode="ping", kind="ping"))
    await tmc_stage.wait(PONG_WITHIN + MARGIN)


# Observed: official Java closes without waiting, and the confirms of its running handlers fail.
@case("CON-6", needs=("graceful_stop",))
async def test_a_stop_confirms_what_is_done_and_nothing_else(tmc_stage: Stage) -> None:
    """One handler will be done soon, one later, and one takes longer than anybody waits; then the client comes back."""
    await tmc_stage.start()
    messages = [tmc_stage.produce(told=Instruction(delay_ms=delay)) for delay in (200, 800, 3000)]
    await _stopped_and_started_again(tmc_stage, messages)


@pytest.mark.parametrize("count", [1, 8, 100])
@case("CON-6", needs=("graceful_stop",))
async def test_a_stop_confirms_nothing_that_waits_for_a_handler(tmc_stage: Stage, count: int) -> None:
    """There may be more messages than handlers."""
    await tmc_stage.start()
    messages = [tmc_stage.produce(told=Instruction(delay_ms=300)) for _ in range(count)]
    await _stopped_and_started_again(tmc_stage, messages)


async def _stopped_and_started_again(stage: Stage, messages: list[int]) -> None:
    """Handlers are at work when it is stopped. What was not confirmed comes again, six minutes later."""
    await stage.until_event(lambda event: isinstance(event, Received))
    await stage.wait(0.1)
    await stage.stop()
    await stage.pass_time(361)
    await stage.start()
    await stage.until_answered(*messages)


async def _comes_right(stage: Stage) -> None:
    """What kept the client away is over, and there is a message."""
    stage.heal()
    await stage.until_back(within=BACK_AFTER_OUTAGE)
    await stage.until_answered(stage.produce())
