"""The client starts: the upgrade that it asks for, its first connection, and what is raised when there is none."""

from __future__ import annotations

import asyncio
import http
from typing import Any

import pytest
from scripted_service import Script, Service, answer, client, hang_up, now, silence, simulate, simulated
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tmcspec.client import ConnectFailed, ConnectRefused, TmcError
from tmcspec.client.core import SDK


@simulated
async def test_the_upgrade_asks_for_nothing_that_the_service_has_not() -> None:
    async with Service() as service, client(), asyncio.timeout(10):
        await service.online()
        assert service.request is not None
        headers = {name.lower(): value for name, value in service.request.headers.raw_items()}
        assert headers.pop("sec-websocket-key")
        assert headers == {
            "host": "tmc",
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-version": "13",
            "user-agent": SDK,
        }


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy:3128")

    async def scenario() -> None:
        async with Service() as service, client():
            await service.online()

    simulate(scenario())


# S21: 连接失败时会抛出异常
@pytest.mark.parametrize(
    ("fields", "code", "phrase", "text"),
    [
        ({"status_code": 41, "status_phrase": "sign error"}, 41, "sign error", "code 41, 'sign error'"),
        ({"status_code": 41}, 41, None, "code 41, no phrase"),
        ({"status_phrase": "isv.tmc-switch-off"}, 0, "isv.tmc-switch-off", "code 0, 'isv.tmc-switch-off'"),
    ],
)
def test_a_refused_first_connection_raises(fields: dict[str, Any], code: int, phrase: str | None, text: str) -> None:
    async def scenario() -> None:
        async with Service(answer(**fields)) as service:
            tmc = client()
            with pytest.raises(ConnectRefused, match=text) as caught:
                await tmc.start()
            assert (caught.value.code, caught.value.phrase) == (code, phrase)
            await service.until(lambda: service.closes)
            assert service.closes == [(1000, "client closed")]
            assert len(service.attempts) == 1
            assert service.inbox == []
            assert service.pulls == []
            assert not tmc.online

    simulate(scenario())


def test_the_texts_of_a_refusal_are_short_however_long_its_phrase_is() -> None:
    error = ConnectRefused(41, "x" * 1_000_000)
    assert error.phrase == "x" * 1_000_000
    assert str(error).startswith("the service refused the CONNECT: code 41, 'xxx")
    assert repr(error).startswith("ConnectRefused(41, 'xxx")
    assert max(len(str(error)), len(repr(error))) < 300


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_refused_upgrade_raises(status: int) -> None:
    async def scenario() -> None:
        async with Service(upgrades=[status]):
            with pytest.raises(ConnectFailed, match=f"ws://tmc:80/ refuses the upgrade: HTTP {status}"):
                await client().start()

    simulate(scenario())


# S21: 连接失败时会抛出异常
@simulated
async def test_an_address_that_does_not_answer_raises() -> None:
    with pytest.raises(OSError, match="ws://tmc:80/ does not answer") as caught:
        await client().start()
    assert isinstance(caught.value, TmcError)


@simulated
async def test_a_server_that_does_not_answer_the_upgrade_raises_in_time() -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "tmc", 80)
    with pytest.raises(ConnectFailed, match="timed out"):
        await client(open_timeout=7.0).start()
    assert now() == pytest.approx(7.0)
    server.close()
    await server.wait_closed()


async def silence_forever(peer: ServerConnection) -> None:
    await peer.wait_closed()


@simulated
async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(peer: ServerConnection, request: Request) -> Response:
        response = peer.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "ws://other:80/"
        return response

    async with serve(silence_forever, "tmc", 80, process_request=elsewhere):
        with pytest.raises(ConnectFailed, match="HTTP 302"):
            await client().start()


@pytest.mark.parametrize(
    ("script", "message", "seconds"),
    [
        (silence, "no CONNECTACK within 10 s", 10.0),
        (answer(token="t", flag=77), "no CONNECTACK within 10 s", 10.0),
        (answer(), "neither a token nor an error", 0.0),
        (hang_up, "the connection was closed: received 1011 .* not today", 0.0),
    ],
)
def test_a_first_connection_without_a_usable_connectack_raises(script: Script, message: str, seconds: float) -> None:
    async def scenario() -> None:
        async with Service(script) as service:
            with pytest.raises(ConnectFailed, match=message):
                await client().start()
            assert now() == pytest.approx(seconds)
            assert service.pulls == []

    simulate(scenario())


@simulated
async def test_a_start_that_failed_may_be_tried_again() -> None:
    tmc = client()
    with pytest.raises(ConnectFailed):
        await tmc.start()
    async with Service() as service:
        await tmc.start()
        assert tmc.online
        await service.online()
        await tmc.stop()


@simulated
async def test_a_client_is_started_once() -> None:
    async with Service():
        tmc = client()
        await tmc.start()
        with pytest.raises(RuntimeError, match="cannot be started again; make a new one"):
            await tmc.start()
        await tmc.stop()
        await tmc.stop()
    never = client()
    await never.stop()
    await never.wait_closed()
    with pytest.raises(RuntimeError, match="cannot be started after it was stopped"):
        await never.start()


@simulated
async def test_a_start_that_is_cancelled_leaves_nothing_behind() -> None:
    async with Service(silence) as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await client().start()
        await service.until(lambda: service.closes)


@simulated
async def test_a_stop_while_starting_ends_the_start() -> None:
    async with Service(silence) as service:
        tmc = client()
        starting = asyncio.create_task(tmc.start())
        await service.until(lambda: service.connects)
        await tmc.stop()
        with pytest.raises(ConnectFailed, match="stopped before it was connected"):
            await starting
