"""CON: keeping the connection."""

from __future__ import annotations

from tmcspec.clauses.connection import BACK_WITHIN
from tmcsuites.casebook import case
from tmcsuites.stage import Stage


# S22: 第一次正常连接后, 后面断开连接 会自动重连
@case("CON-1", "CON-3", needs=("reconnect",), handlers=False)
async def test_a_client_comes_back_after_a_close(tmc_stage: Stage) -> None:
    """The service closes as it does when it is restarted, then has a message."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.disconnect(now=now, code=1001, reason="restart"))
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())


@case("CON-1", "CON-3", needs=("reconnect",), handlers=False)
async def test_a_client_comes_back_after_an_abort(tmc_stage: Stage) -> None:
    """The transport breaks without a word."""
    await tmc_stage.start()
    tmc_stage.do(lambda service, now: service.abort(now=now))
    await tmc_stage.until_back(within=BACK_WITHIN)
    await tmc_stage.until_answered(tmc_stage.produce())
