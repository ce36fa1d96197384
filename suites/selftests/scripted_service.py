"""What the tests of the client's driver share: a scripted service in memory, virtual time, and clients of it."""

from __future__ import annotations

import asyncio
import functools
import http
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import async_solipsism
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response

from tmcspec.client import Message, TmcClient
from tmcspec.frame import decode, encode
from tmcspec.messages import ClientMessage, Connect, ConnectAck, PullRequest, Push, from_client

URL = "ws://tmc:80/"
SECRET = "9a7d1ba0aafe4ad6"
EPOCH = 1_795_447_615.0

T = TypeVar("T")


def simulated(scenario: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Runs a scenario in virtual time, and sees that it leaves no task behind."""

    @functools.wraps(scenario)
    def test() -> None:
        simulate(scenario())

    del test.__wrapped__  # pytest would see the coroutine
    return test


def simulate(scenario: Awaitable[T]) -> T:
    async def run() -> T:
        result = await scenario
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        return runner.run(run())


def now() -> float:
    return asyncio.get_running_loop().time()


class Peer(ServerConnection):
    """The service's end of one connection."""

    token = ""
    pings = 0

    async def push(self, *message_ids: int, content: str = "{}") -> None:
        for message_id in message_ids:
            await self.send(encode(self.message(message_id, content=content).to_frame()))

    def message(self, message_id: int, *, content: str = "{}") -> Push:
        return Push(token=self.token, id=message_id, topic="taobao_trade_TradeCreate", content=content)

    def process_event(self, event: Any) -> None:
        if isinstance(event, WebSocketFrame) and event.opcode is Opcode.PING:
            self.pings += 1
        super().process_event(event)


Script = Callable[[Peer, Connect], Awaitable[None]]


async def accept(peer: Peer, connect: Connect) -> None:
    peer.token = f"token-{connect.flag}"
    await peer.send(encode(ConnectAck(token=peer.token, flag=connect.flag).to_frame()))


def answer(**fields: Any) -> Script:
    async def script(peer: Peer, connect: Connect) -> None:
        await peer.send(encode(ConnectAck(**{"flag": connect.flag} | fields).to_frame()))

    return script


async def silence(peer: Peer, connect: Connect) -> None:
    """No answer."""


async def hang_up(peer: Peer, connect: Connect) -> None:
    await peer.close(1011, "not today")


class Service:
    """A service that does with each connection what its script says; the last script serves all further ones.

    Keeps what came, with its time: `connects`, `inbox` (without pulls), `pulls`, and `peers`, `closes`.
    """

    def __init__(self, *scripts: Script, upgrades: list[int] | None = None) -> None:
        self.scripts = list(scripts or [accept])
        self.upgrades = upgrades or []
        self.attempts: list[float] = []
        self.request: Request | None = None
        self.connects: list[Connect] = []
        self.inbox: list[tuple[float, ClientMessage]] = []
        self.pulls: list[float] = []
        self.closes: list[tuple[int | None, str | None]] = []
        self.peers: list[Peer] = []
        self._news = asyncio.Condition()
        self._server: Server | None = None

    async def __aenter__(self) -> Service:
        await self.up()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.down()

    async def up(self) -> None:
        self._server = await serve(
            self._serve,
            "tmc",
            80,
            create_connection=Peer,
            process_request=self._upgrade,
            compression=None,
            ping_interval=None,
            close_timeout=1,
        )

    async def down(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def peer(self) -> Peer:
        return self.peers[-1]

    @property
    def answers(self) -> list[ClientMessage]:
        return [message for _, message in self.inbox]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(600), self._news:
            await self._news.wait_for(condition)

    async def online(self, connections: int = 1) -> Peer:
        """Waits for so many accepted connections; the client pulls as soon as it is online."""
        await self.until(lambda: len(self.pulls) and len([p for p in self.peers if p.token]) >= connections)
        return self.peer

    async def _upgrade(self, peer: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(now())
        self.request = request
        status = self.upgrades.pop(0) if self.upgrades else 101
        return None if status == 101 else peer.respond(http.HTTPStatus(status), "no\n")

    async def _serve(self, peer: ServerConnection) -> None:
        assert isinstance(peer, Peer)
        try:
            await self._listen(peer)
        except ConnectionClosed:
            pass
        finally:
            self.closes.append((peer.close_code, peer.close_reason))
            async with self._news:
                self._news.notify_all()

    async def _listen(self, peer: Peer) -> None:
        connect = from_client(decode(await peer.recv(decode=False), strict=True))
        assert isinstance(connect, Connect)
        self.connects.append(connect)
        self.peers.append(peer)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        await script(peer, connect)
        async for data in peer:
            assert isinstance(data, bytes)
            message = from_client(decode(data, strict=True))
            assert not isinstance(message, Connect | PullRequest) or peer.token
            if isinstance(message, PullRequest):
                assert message.token == peer.token
                self.pulls.append(now())
            else:
                self.inbox.append((now(), message))
            async with self._news:
                self._news.notify_all()


async def nothing(message: Message) -> None:
    """A handler with nothing to do."""


def client(
    handler: Callable[[Message], Awaitable[None]] = nothing, *, of: type[TmcClient] = TmcClient, **options: Any
) -> TmcClient:
    start = EPOCH
    defaults: dict[str, Any] = {
        "app_key": "1023",
        "app_secret": SECRET,
        "url": URL,
        "rng": random.Random(1),
        "wall_clock": lambda: start + now(),
    }
    return of(handler=handler, **defaults | options)


class Gate:
    """A handler that waits until it is let go, and remembers."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.done: list[int] = []
        self.open = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        self.started.append(message.id)
        await self.open.wait()
        self.done.append(message.id)
