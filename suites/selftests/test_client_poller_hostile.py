"""Whatever the gateway answers, the poller gives up on it in bounded time and memory, and goes on."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from polling_by_hand import consumed
from scripted_gateway import URL, Answer, Gateway, body, messages
from scripted_service import now, simulate, simulated

from tmcspec.client import ConnectFailed

MIB = 1024 * 1024


def packed(data: bytes, encoding: str = "gzip") -> Answer:
    """Answers with these bytes, said to be packed."""
    return body(data, headers={"Content-Encoding": encoding})


async def endless(request: web.Request) -> web.StreamResponse:
    """An answer that does not end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 100_000)


async def drip(request: web.Request) -> web.StreamResponse:
    """An answer that comes byte by byte."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(1)


async def break_off(request: web.Request) -> web.StreamResponse:
    """Half an answer."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


HOSTILE: dict[str, tuple[Answer, str]] = {
    "huge": (body(b" " * (MIB + 1)), "answers with more than 1048576 bytes"),
    "endless": (endless, "answers with more than 1048576 bytes"),
    "dripping": (drip, "gave no answer within 15 s"),
    "broken off": (break_off, "does not answer: ClientPayloadError"),
    "no gzip": (packed(b"{}"), "answers with what is no gzip"),
    "half a gzip": (packed(gzip.compress(consumed(7))[:-1]), "answers with gzip that breaks off"),
    "deflate": (packed(zlib.compress(consumed(7)), "deflate"), "answers with the encoding 'deflate'"),
    "a strange encoding": (packed(b"{}", "x" * 5000), "answers with the encoding 'xxx.*, which was not asked for"),
    "deep": (body(b"[" * MIB), "cannot be used: an answer is nested at most 32 deep"),
    "garbage": (body(bytes(range(256))), "cannot be used: not a JSON answer"),
    "another's": (body(b'{"status":"ok"}'), "cannot be used: no member of the answer is an object"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_given_up_and_the_next_one_taken(name: str) -> None:
    answer, text = HOSTILE[name]

    async def scenario() -> None:
        async with Gateway(answer, messages(7)) as gateway:
            poller = gateway.poller(max_size=MIB)
            with pytest.raises(ConnectFailed, match=f"^({URL} |the gateway's answer ){text}") as caught:
                await poller.start()
            assert len(str(caught.value)) < 400
            assert now() <= 15.0
            async with poller:
                await gateway.until(lambda: gateway.confirms)

    simulate(scenario())


@simulated
async def test_a_bomb_is_not_unpacked() -> None:
    packer = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    bomb = b"".join([*[packer.compress(bytes(MIB)) for _ in range(100)], packer.flush()])
    assert len(bomb) < MIB
    async with Gateway(packed(bomb)) as gateway:
        tracemalloc.start()
        try:
            with pytest.raises(ConnectFailed, match="answers with more than 1048576 bytes"):
                await gateway.poller(max_size=MIB).start()
            assert tracemalloc.get_traced_memory()[1] < 10 * MIB
        finally:
            tracemalloc.stop()


@simulated
async def test_an_answer_of_just_the_allowed_length_is_taken_packed_or_not() -> None:
    exact = consumed(7).ljust(MIB)
    async with Gateway(body(exact), body(exact, zipped=True)) as gateway, gateway.poller(max_size=MIB):
        await gateway.until(lambda: len(gateway.confirms) == 2)
        assert gateway.confirmed == [7, 7]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[None]:
    """Something in the gateway's place that need not speak HTTP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"quantity=100")
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    listener = await asyncio.start_server(serve, "gw", 80)
    yield
    listener.close()
    await listener.wait_closed()
    await asyncio.sleep(1)


def saying(data: bytes, *, times: int = 1) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            writer.write(data)
            await writer.drain()
        await asyncio.sleep(0.1)

    return talk


@pytest.mark.parametrize(
    ("talk", "text"),
    [
        (saying(b"TMC/2.0 hello\r\n\r\n"), "does not answer: ClientResponseError"),
        (saying(b"\x00" * 10_000), "does not answer: Client"),
        (saying(b""), "does not answer: ServerDisconnectedError"),
        (saying(b"HTTP/1.1 200 OK\r\n" + b"a" * 100_000), "does not answer: ClientResponseError"),
        (saying(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000), "does not answer: ClientResponseError"),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"), "does not answer: ClientResponseError"),
        (
            saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            "does not answer: Client(Response|Payload)Error",
        ),
        (saying(b"HTTP/1.1 100 Continue\r\n\r\n", times=1000), "does not answer: "),
        (saying(b"HTTP/1.1 200 OK\r\nSet-Cookie: \xff=;;;==\r\nContent-Length: 1\r\n\r\n{"), "cannot be used"),
    ],
    ids=["words", "zeros", "nothing", "line", "headers", "length", "chunks", "continue", "cookie"],
)
def test_what_is_not_http_is_given_up(talk: Talk, text: str) -> None:
    async def scenario() -> None:
        async with Gateway() as gateway:
            await gateway.down()
            async with server(talk):
                with pytest.raises(ConnectFailed, match=text) as caught:
                    await gateway.poller().start()
                assert len(str(caught.value)) < 400
                assert now() <= 15.0

    simulate(scenario())
