"""A served fake, driven from outside as other projects do: ten thousand messages, and six minutes in no time."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from served import PATIENCE, Running, serving

from tmcspec import top
from tmcspec.client import TmcClient, TmcPoller
from tmcspec.client.consumer import Consumer
from tmcspec.client.message import Message

MESSAGES, TAKEN = 10_000, 200
SECRET = "test-secret"


def client_of(service: Running, kind: type[Consumer]) -> Consumer:
    async def handle(message: Message) -> None:
        """Handled as soon as it is there."""

    if kind is TmcPoller:
        return TmcPoller(
            app_key="test", app_secret=SECRET, url=service.gateway_url, handler=handle, quantity=200, queue_size=400
        )
    return TmcClient(app_key="test", app_secret=SECRET, url=service.url, handler=handle)


async def take_and_never_confirm(service: Running, session: aiohttp.ClientSession) -> None:
    """A consumer that is gone before it has confirmed anything."""
    now_ms = (await call(service, session, "GET", "clock"))["epoch_ms"]
    form = top.form(
        "taobao.tmc.messages.consume", {"quantity": str(TAKEN)}, app_key="test", secret=SECRET, now_ms=now_ms
    )
    async with session.post(service.gateway_url, data=form) as answer:
        taken = top.read_answer(await answer.read())
    assert not isinstance(taken, top.Failure)
    assert len(top.read_list(taken, "messages", "tmc_message")) == TAKEN


async def call(service: Running, session: aiohttp.ClientSession, method: str, path: str, body: Any = None) -> Any:
    async with session.request(method, service.control_url + path, json=body) as answer:
        return await answer.json()


async def until_unsettled(service: Running, session: aiohttp.ClientSession, count: int) -> dict[str, Any]:
    """Asks until so many messages are left."""
    async with asyncio.timeout(PATIENCE):
        while True:
            (row,) = (await call(service, session, "GET", "stats"))["groups"]
            if row["backlog"] == count:
                return dict(row)


@pytest.mark.parametrize("kind", [TmcClient, TmcPoller], ids=["pushed", "polling"])
def test_ten_thousand_messages_are_settled_though_some_come_again_only_after_six_minutes(
    kind: type[Consumer],
) -> None:
    async def drive(service: Running) -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            body = {"topic": "taobao_trade_TradeCreate", "content": {"tid": 1}, "count": MESSAGES}
            ids = (await call(service, session, "POST", "messages", body))["ids"]
            await take_and_never_confirm(service, session)
            async with client_of(service, kind):
                await until_unsettled(service, session, TAKEN)
                assert (await call(service, session, "GET", f"messages/{ids[0]}"))["state"] in ("pushed", "overdue")
                await call(service, session, "POST", "clock/advance", {"seconds": 360})
                row = await until_unsettled(service, session, 0)
            track = await call(service, session, "GET", f"messages/{ids[0]}")
        assert [push["outcome"] for push in track["pushes"]] == ["missed", "confirmed"]
        return row

    with serving() as service:
        row = asyncio.run(drive(service))
        service.end()
    assert (row["produced"], row["confirmed"], row["pushed"]) == (MESSAGES, MESSAGES, MESSAGES + TAKEN)
