"""How fast the service pushes and takes confirms, beside a `websockets` echo of frames of the same size.

    pytest benchmarks/test_service_speed.py --benchmark-only -s

One connection on loopback, pushes of 321 bytes, a window of 500: so many are on their way at once. The service has its
messages queued beforehand and is pulled (by a PullRequest every 160 messages), and keeps its trace. Service and echo
server run in a process of their own; the same client, made of the `websockets` library with no codec at all, drives
both. What counts is the median over the rounds of the ratio within a round; nothing here fails on a slow day.

Twice: "in a test" is the engine with its front, as a test has it, under Python's own garbage collector, which looks
through the growing trace again and again. "tmcspec serve" is the command itself, driven through its control API; there
a PullRequest brings 320 messages, so the window is as large as that.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from tmcfakes.clock import Clock
from tmcfakes.service import App, Service
from tmcfakes.websocket import WebSocketFront
from tmcspec.flow import Flow
from tmcspec.frame import decode, encode
from tmcspec.messages import Confirm, Connect, PullRequest
from tmcspec.shortcuts import confirmed_id
from tmcspec.signing import sign_connect
from tmcspec.trace import Recorder

SIZE, WINDOW = 321, 500
MESSAGES, ROUNDS = 40_000, 5
PULL_EVERY = 160  # half of what one brings where nobody has set it
APP = App(key="1", secret="secret")
ID = b"\x02\x00\x00\x00id\x05"  # what comes before the id in a push and in a confirm

CONTENT = '{"tid": 12345}'
MESSAGE: dict[str, Any] = {
    "topic": "taobao_trade_TradeCreate",
    "content": CONTENT,
    "user_id": 2054718218,
    "data_id": 192559684481084,
}

Serving = Callable[[Connection], Coroutine[Any, Any, None]]


async def echo(parent: Connection) -> None:
    async def answer(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(answer, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        await serving(parent, server.sockets[0].getsockname()[1])


async def fake(parent: Connection) -> None:
    service = Service(
        apps=[APP],
        recorder=Recorder(limit=10 * MESSAGES),
        rng=random.Random(1),
        epoch_ms=1_700_000_000_000,
        flow=Flow(pull_credit=WINDOW),
    )
    service.console(now=0.0).set_mode(APP.key, "default", "pull")
    for _ in range(MESSAGES):
        service.produce(app_key=APP.key, now=0.0, **MESSAGE)
    front = WebSocketFront(service, Clock.of_loop(asyncio.get_running_loop()), endless=True)
    await front.start()
    await serving(parent, int(front.url.rsplit(":", 1)[1].strip("/")))
    assert service.unsettled(APP.key) == 0
    await front.stop()


async def serving(parent: Connection, port: int) -> None:
    """Tells the port, and serves until the parent has done."""
    parent.send(port)
    await asyncio.get_running_loop().run_in_executor(None, parent.recv)


def run(server: Serving, parent: Connection) -> None:
    asyncio.run(server(parent))


async def through_echo(connection: ClientConnection) -> float:
    data = bytes(SIZE)
    for _ in range(WINDOW):
        await connection.send(data)
    began = perf_counter()
    for _ in range(MESSAGES - WINDOW):
        await connection.send(await connection.recv())
    for _ in range(WINDOW):
        await connection.recv()
    return MESSAGES / (perf_counter() - began)


async def through_service(connection: ClientConnection) -> float:
    sign = sign_connect(app_key=APP.key, group="default", timestamp="1", secret=APP.secret)
    hello = Connect(app_key=APP.key, group="default", timestamp="1", sign=sign, flag=1)
    await connection.send(encode(hello.to_frame()))
    token = decode(_bytes(await connection.recv())).token
    pull = encode(PullRequest(token=token).to_frame())
    confirm = encode(Confirm(token=token, id=0).to_frame())
    start = confirm.index(ID) + len(ID)
    before, after = confirm[:start], confirm[start + 8 :]
    await connection.send(pull)
    push = _bytes(await connection.recv())
    assert len(push) == SIZE, f"a push has {len(push)} bytes"
    at = push.index(ID) + len(ID)
    assert confirmed_id(before + push[at : at + 8] + after) == decode(push).value("id")
    began = perf_counter()
    for count in range(1, MESSAGES):
        await connection.send(before + push[at : at + 8] + after)
        if count % PULL_EVERY == 0:
            await connection.send(pull)
        push = _bytes(await connection.recv())
    await connection.send(before + push[at : at + 8] + after)
    return MESSAGES / (perf_counter() - began)


def _bytes(message: str | bytes) -> bytes:
    assert isinstance(message, bytes)
    return message


@contextmanager
def process_of(server: Serving) -> Iterator[str]:
    """A server in a process of its own; where it listens."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=run, args=(server, there))
    process.start()
    try:
        yield f"ws://127.0.0.1:{here.recv()}/"
    finally:
        here.send("done")
        process.join()
        assert process.exitcode == 0


@contextmanager
def command() -> Iterator[str]:
    """`tmcspec serve` with the messages in its queue."""
    words = [sys.executable, "-c", "from tmcsuites.cli import main; main()", "serve", "--json"]
    words += ["--ws-port", "0", "--http-port", "0", "--app", f"{APP.key}:{APP.secret}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())

        def call(method: str, path: str, body: Any = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(addresses["control_url"] + path, data=data, method=method)
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)

        call("PUT", "mode", {"mode": "pull"})
        call("POST", "messages", MESSAGE | {"count": MESSAGES})
        try:
            yield addresses["url"]
            rows = call("GET", "stats")["groups"]
            assert sum(row["backlog"] for row in rows) == 0
        finally:
            process.terminate()


def rate(
    server: AbstractContextManager[str], client: Callable[[ClientConnection], Coroutine[Any, Any, float]]
) -> float:
    """Messages a second."""

    async def drive(url: str) -> float:
        async with connect(url, compression=None, ping_interval=None, max_queue=None) as connection:
            return await client(connection)

    with server as url:
        return asyncio.run(drive(url))


SERVICES: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "in a test": lambda: process_of(fake),
    "tmcspec serve": command,
}


@pytest.mark.parametrize("name", SERVICES)
def test_push_and_confirm_beside_an_echo(benchmark: BenchmarkFixture, name: str) -> None:
    service = SERVICES[name]
    pairs = [(rate(process_of(echo), through_echo), rate(service(), through_service)) for _ in range(ROUNDS)]
    ratios = sorted(ours / reference for reference, ours in pairs)
    result = benchmark.extra_info["ratio to a websockets echo"] = round(median(ratios), 3)
    print(f"\n{name}: {result} of a websockets echo ({ratios[0]:.3f} to {ratios[-1]:.3f})", end="")
    print(f"; {pairs[-1][1]:,.0f} and {pairs[-1][0]:,.0f} a second in the last round", end="")
    benchmark.pedantic(lambda: rate(service(), through_service), rounds=1)
