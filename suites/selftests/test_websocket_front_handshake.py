"""The opening handshake of the WebSocket front: upgrades, refusals, and what is no upgrade."""

from __future__ import annotations

import asyncio

import pytest
from scripted_engine import Engine, Raw, live, simulated
from websockets.asyncio.client import connect

from tmcfakes.websocket import HANDSHAKE_TIMEOUT, WebSocketFront


def test_a_client_that_offers_compression_gets_none() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        async with connect(front.url, proxy=None, compression="deflate") as client:
            assert client.request is not None
            assert client.response is not None
            assert "permessage-deflate" in client.request.headers["Sec-WebSocket-Extensions"]
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            assert client.response.headers["Connection"] == "Upgrade"

    live(story)


@pytest.mark.parametrize(
    ("asked", "status", "text"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"426", b"missing Connection header"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405", b"unsupported HTTP method"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414", b"expected no more than 8192 bytes"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431", b""),
    ],
)
def test_what_is_no_upgrade_gets_a_clear_answer(asked: bytes, status: bytes, text: bytes) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.connect(front, asked)
        answer = await raw.rest()
        assert answer.split(b" ")[1] == status
        assert text in answer
        await raw.close()

    assert live(story).told == []


def test_what_is_no_http_is_dropped() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.connect(front, b"\x16\x03\x01\x02\x00\r\n" + bytes(1000))
        assert await raw.rest() == b""
        await raw.close()

    assert live(story).told == []


@pytest.mark.parametrize("status", [401, 503])
def test_an_upgrade_can_be_refused(status: int) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.connect(front)
        head, body = (await raw.rest()).split(b"\r\n\r\n")
        assert head.split(b" ")[1] == str(status).encode()
        assert body == b"for / not today"
        await raw.close()

    assert live(story, upgrade=lambda request: (status, f"for {request.path} not today")).told == []


def test_an_upgrade_that_is_not_refused_passes() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        await (await Raw.upgraded(front)).close()

    assert live(story, upgrade=lambda request: None).told[0] == ("opened", "c1")


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_a_client_that_does_not_finish_its_request_is_dropped_in_time(said: bytes) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        loop = asyncio.get_running_loop()
        raw = await Raw.connect(front, said)
        before = loop.time()
        assert await raw.rest() == b""
        assert loop.time() - before == pytest.approx(HANDSHAKE_TIMEOUT)
        await raw.close()

    assert simulated(story).told == []
