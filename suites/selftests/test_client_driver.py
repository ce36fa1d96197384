"""The client against a scripted service: one event loop, in-memory sockets, virtual time."""

from __future__ import annotations

import asyncio
import functools
import http
import itertools
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import async_solipsism
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.http11 import Request, Response

from tmcspec.client import (
    Backoff,
    ConnectFailed,
    ConnectRefused,
    Core,
    FailMessage,
    Handled,
    Message,
    Observation,
    Offline,
    Online,
    Outcome,
    Received,
    Stats,
    TmcClient,
    TmcError,
)
from tmcspec.client.core import SDK
from tmcspec.client.loglimit import LogLimit
from tmcspec.client.pool import outcome_of
from tmcspec.client.wire import Wire
from tmcspec.frame import decode, encode
from tmcspec.messages import ClientMessage, Confirm, Connect, ConnectAck, Fail, PullRequest, Push, from_client

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


# The first connection


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


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_refused_upgrade_raises(status: int) -> None:
    async def scenario() -> None:
        async with Service(upgrades=[status]):
            with pytest.raises(ConnectFailed, match=f"ws://tmc:80/ refuses the upgrade: HTTP {status}"):
                await client().start()

    simulate(scenario())


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


@simulated
async def test_a_redirect_is_not_followed() -> None:
    async def elsewhere(peer: ServerConnection, request: Request) -> Response:
        response = peer.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "ws://other:80/"
        return response

    async with serve(silence_forever, "tmc", 80, process_request=elsewhere):
        with pytest.raises(ConnectFailed, match="HTTP 302"):
            await client().start()


async def silence_forever(peer: ServerConnection) -> None:
    await peer.wait_closed()


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


# Messages


@simulated
async def test_a_message_is_confirmed_when_its_handler_is_done_and_not_before() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(20)

    async with Service() as service, client(handle):
        await (await service.online()).push(2**62 + 1)
        await service.until(lambda: service.inbox)
        assert service.answers == [Confirm(token="token-1", id=2**62 + 1)]
        assert service.inbox[0][0] == pytest.approx(20.0)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Odd(BaseException):
    """Not an Exception."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FailMessage("no stock"), "no stock"),
        (FailMessage("库" * 200), "库" * 128),
        (FailMessage(), None),
        (ValueError("bad tid"), "bad tid"),
        (ValueError("bad \udcff"), "bad ?"),
        (ValueError(), "ValueError"),
        (ValueError(None), "None"),
        (Unprintable(), "Unprintable"),
        (Odd("below Exception"), "below Exception"),
        (GeneratorExit(), "GeneratorExit"),
        (asyncio.CancelledError(), "the handler was cancelled"),
        (StopAsyncIteration(), "StopAsyncIteration"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_handler_that_raises_is_reported_as_failed_and_the_client_goes_on(
    error: BaseException, reason: str | None
) -> None:
    async def handle(message: Message) -> None:
        if message.id == 7:
            raise error

    async def scenario() -> None:
        async with Service() as service, client(handle, workers=1) as tmc:
            await (await service.online()).push(7, 8)
            await service.until(lambda: len(service.inbox) == 2)
            assert service.answers == [Fail(token="token-1", id=7, reason=reason), Confirm(token="token-1", id=8)]
            assert tmc.stats == Stats(received=2, confirmed=1, failed=1)

    simulate(scenario())


@simulated
async def test_a_handler_that_cancels_itself_is_reported_as_failed_and_the_client_goes_on() -> None:
    async def handle(message: Message) -> None:
        if message.id == 7:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)

    async with Service() as service, client(handle, workers=1):
        await (await service.online()).push(7, 8)
        await service.until(lambda: len(service.inbox) == 2)
        assert service.answers == [
            Fail(token="token-1", id=7, reason="the handler was cancelled"),
            Confirm(token="token-1", id=8),
        ]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_from_a_handler_is_reported_and_ends_the_event_loop(kind: type[BaseException]) -> None:
    async def handle(message: Message) -> None:
        raise kind("enough")

    async def scenario() -> None:
        async with Service() as service, client(handle):
            await (await service.online()).push(7)
            await service.until(lambda: service.inbox)
            assert service.answers == [Fail(token="token-1", id=7, reason="enough")]

    loop = async_solipsism.EventLoop()
    task = loop.create_task(scenario())
    with pytest.raises(kind, match="enough"):
        loop.run_until_complete(task)
    # Who runs the loop again has a client that works.
    loop.run_until_complete(task)
    loop.close()


def test_a_plain_function_is_no_handler() -> None:
    def handle(message: Message) -> None: ...

    with pytest.raises(TypeError, match=r"must be an `async def` function, not .*handle.*asyncio\.to_thread"):
        client(handle)  # type: ignore[arg-type]  # that is what is tested
    with pytest.raises(TypeError, match="must be an `async def` function, not None"):
        client(None)  # type: ignore[arg-type]  # that is what is tested


@simulated
async def test_a_partial_of_a_coroutine_function_and_an_object_with_an_async_call_are_handlers() -> None:
    async def handle(prefix: str, message: Message) -> None: ...

    client(functools.partial(handle, "x"))
    client(Gate())


@simulated
async def test_a_hanging_handler_does_not_stop_the_others() -> None:
    async def handle(message: Message) -> None:
        if message.id == 1:
            await asyncio.Event().wait()

    async with Service() as service:
        tmc = client(handle, workers=2)
        await tmc.start()
        await (await service.online()).push(*range(1, 101))
        await service.until(lambda: len(service.inbox) == 99)
        assert [confirm.id for confirm in service.answers if isinstance(confirm, Confirm)] == list(range(2, 101))
        await tmc.stop(grace=3)


@simulated
async def test_a_burst_of_10_000_against_a_slow_handler_loses_nothing_and_is_held_back() -> None:
    running: set[int] = set()
    most = 0

    async def handle(message: Message) -> None:
        nonlocal most
        running.add(message.id)
        most = max(most, len(running))
        await asyncio.sleep(0.05)
        running.discard(message.id)

    sent_at: list[float] = []

    async def burst(peer: Peer) -> None:
        head, tail = encode(peer.message(2**62).to_frame()).split((2**62).to_bytes(8, "little"))
        for message_id in range(10_000):
            await peer.send(head + message_id.to_bytes(8, "little") + tail)
            sent_at.append(now())

    async with Service() as service:
        tmc = client(handle, queue_size=100, workers=8)
        await tmc.start()
        sending = asyncio.create_task(burst(await service.online()))
        await service.until(lambda: len(service.inbox) == 10_000)
        await sending
        assert Counter(m.id for m in service.answers if isinstance(m, Confirm)) == Counter(range(10_000))
        assert most == 8
        assert tmc.stats == Stats(received=10_000, confirmed=10_000)
        # TCP held the service back: most of the burst left it only when there was room.
        assert sent_at[7_000] > 20.0
        assert len(service.connects) == 1
        await tmc.stop()


@simulated
async def test_large_and_fragmented_messages_are_delivered() -> None:
    contents: list[int] = []

    async def handle(message: Message) -> None:
        contents.append(len(message.content or ""))

    async with Service() as service, client(handle):
        peer = await service.online()
        await peer.push(1, content="中" * 400_000)
        whole = encode(Push(token=peer.token, id=2, topic="t", content="x" * 5000).to_frame())
        await peer.send([whole[:1], whole[1:1017], whole[1017:]])
        await service.until(lambda: len(service.inbox) == 2)
        assert contents == [400_000, 5000]


@simulated
async def test_what_cannot_be_used_is_survived_on_the_same_connection() -> None:
    async with Service() as service, client() as tmc:
        peer = await service.online()
        await peer.send("text")
        await peer.send(b"\xff\xfe not utf-8", text=True)
        await peer.send(["text ", "in ", "pieces"])
        await peer.send(b"")
        await peer.send(b"\x02\x02\x01\x00\xff\xff\xff\x7f")
        await peer.send([b"\x00", b"\x01"])
        await peer.ping(b"ping")
        await peer.pong(b"pong")
        await peer.push(8)
        await service.until(lambda: service.inbox)
        assert service.answers == [Confirm(token="token-1", id=8)]
        assert tmc.stats == Stats(received=1, confirmed=1, bad_frames=6)
        assert len(service.connects) == 1


def test_what_cannot_be_used_is_logged_but_not_without_bound(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Service() as service, client() as tmc:
            peer = await service.online()
            for _ in range(50):
                await peer.send(b"\xff")
            await peer.push(1)
            await service.until(lambda: service.inbox)
            await asyncio.sleep(11)
            await peer.send(b"\xff")
            await peer.push(2)
            await service.until(lambda: len(service.inbox) == 2)
            assert tmc.stats.bad_frames == 51

    simulate(scenario())
    ignored = [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()]
    assert len(ignored) == 2
    assert "FrameError" in ignored[0]
    assert ignored[1].endswith("(49 more since the last warning)")


def test_a_log_limit_admits_one_entry_an_interval_and_counts_the_others() -> None:
    limit = LogLimit(interval=10.0)
    assert [limit.admit(t) for t in (0.0, 1.0, 9.9, 10.0, 10.1, 30.0)] == [0, None, None, 2, None, 1]


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


# Staying connected


@pytest.mark.parametrize("how", ["close", "abort", "silence"])
def test_the_client_comes_back_after_a_lost_connection(how: str) -> None:
    async def scenario() -> None:
        async with Service() as service, client(silence_limit=60.0) as tmc:
            peer = await service.online()
            await asyncio.sleep(20)
            lost_at = now()
            if how == "close":
                await peer.close(1001)
            elif how == "abort":
                peer.transport.abort()
            await service.online(2)
            assert 1.0 <= now() - lost_at <= (60.0 if how == "silence" else 3.0)
            await service.peer.push(7)
            await service.until(lambda: service.inbox)
            assert service.answers == [Confirm(token="token-2", id=7)]
            assert tmc.stats.reconnects == 1

    simulate(scenario())


@simulated
async def test_each_reconnection_is_a_fresh_connect() -> None:
    async with Service() as service, client():
        for connections in (1, 2, 3):
            await asyncio.sleep(1)
            await (await service.online(connections)).close()
        await service.online(4)
    assert len({connect.sign for connect in service.connects}) == 4
    assert [connect.flag for connect in service.connects] == [1, 2, 3, 4]
    for connect, at in zip(service.connects, service.attempts, strict=True):
        assert int(connect.timestamp) == pytest.approx(1000 * (EPOCH + at), abs=10)


@simulated
async def test_an_outage_is_survived_with_attempts_at_least_a_second_apart() -> None:
    seen: list[Observation] = []
    async with Service() as service, client(observer=seen.append) as tmc:
        await service.online()
        await asyncio.sleep(15)
        await service.down()
        await asyncio.sleep(60)
        assert not tmc.online
        await service.up()
        await service.online(2)
        assert now() <= 75 + 31
    times = [event for event in seen if isinstance(event, Offline)]
    assert 5 <= len(times) <= 40
    assert all(isinstance(event.error, ConnectFailed) for event in times)


@simulated
async def test_attempts_that_are_refused_in_any_way_are_tried_again_at_least_a_second_apart() -> None:
    scripts = (accept, answer(status_code=41), answer(status_phrase="busy"), answer(), silence, hang_up, accept)
    async with Service(*scripts, upgrades=[101, 401, 503]) as service, client() as tmc:
        await (await service.online()).close()
        await service.online(2)
        assert tmc.online
        assert len(service.attempts) == 9
        gaps = [later - earlier for earlier, later in itertools.pairwise(service.attempts)]
        assert all(gap >= 1.0 for gap in gaps)
        assert tmc.stats.reconnects == 1


@simulated
async def test_the_backoff_begins_again_after_a_connection_that_lasted_and_not_after_one_that_did_not() -> None:
    class Ceiling(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    async with Service() as service, client(rng=Ceiling(), backoff=Backoff(base=2.0, cap=32.0, settled=10.0)):
        for connections, lasts in ((1, 0.0), (2, 0.0), (3, 0.0), (4, 11.0), (5, 0.0)):
            await service.online(connections)
            await asyncio.sleep(lasts)
            await service.peer.close()
        await service.online(6)
    opened = [round(at) for at in service.attempts]
    assert [later - earlier for earlier, later in itertools.pairwise(opened)] == [2, 4, 8, 11 + 2, 4]


@simulated
async def test_an_outcome_that_comes_after_a_reconnection_is_confirmed_there_with_the_new_token() -> None:
    gate = Gate()
    async with Service() as service, client(gate):
        await (await service.online()).push(7)
        await asyncio.sleep(1)
        service.peer.transport.abort()
        peer = await service.online(2)
        await peer.push(7)  # the service does not know better; it is in hand
        await asyncio.sleep(1)
        gate.open.set()
        await service.until(lambda: service.inbox)
        await asyncio.sleep(20)
        assert service.answers == [Confirm(token="token-2", id=7)]
        assert gate.started == [7]


@simulated
async def test_an_outcome_that_comes_while_offline_is_kept_for_the_next_connection() -> None:
    gate = Gate()
    async with Service() as service, client(gate) as tmc:
        await (await service.online()).push(7)
        await asyncio.sleep(1)
        await service.down()
        await asyncio.sleep(1)
        assert not tmc.online
        gate.open.set()
        await asyncio.sleep(1)
        await service.up()
        await service.until(lambda: service.inbox)
        assert service.answers == [Confirm(token="token-2", id=7)]


@simulated
async def test_a_connection_lost_while_the_client_is_full_is_replaced() -> None:
    gate = Gate()
    async with Service() as service, client(gate, queue_size=2) as tmc:
        peer = await service.online()
        await peer.push(1, 2, 3)
        await asyncio.sleep(1)
        peer.transport.abort()
        peer = await service.online(2)
        gate.open.set()
        await service.until(lambda: len(service.inbox) == 2)
        await peer.push(3)  # it was never read
        await service.until(lambda: len(service.inbox) == 3)
        assert {m.id for m in service.answers if isinstance(m, Confirm)} == {1, 2, 3}
        assert tmc.stats.received == 3


@simulated
async def test_a_service_that_takes_no_bytes_is_left() -> None:
    async with Service() as service, client(pull_interval=0.001, silence_limit=30.0, connectack_timeout=5.0):
        peer = await service.online()
        peer.transport.pause_reading()

        async def chatter() -> None:
            while len(service.peers) == 1:
                await peer.pong(b"I am alive")
                await asyncio.sleep(1)

        talking = asyncio.create_task(chatter())
        await service.online(2)
        await talking
        assert now() < 60


@simulated
async def test_a_connection_lost_in_the_middle_of_a_write_is_replaced() -> None:
    async with Service() as service, client(pull_interval=0.001):
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(10)
        peer.transport.abort()
        await service.online(2)
        assert now() < 14


@simulated
async def test_a_service_that_closes_by_half_is_left() -> None:
    async with Service() as service, client():
        peer = await service.online()
        peer.transport.pause_reading()  # so it never sees our Close, and never ends the TCP connection
        peer.protocol.send_close(1001, "restart")
        peer.send_data()
        await service.online(2)
        assert now() < 10
        peer.transport.abort()


@simulated
async def test_a_wire_that_cannot_even_take_the_close_is_ended() -> None:
    async with Service() as service:
        tmc = client(pull_interval=0.0005, silence_limit=None)
        await tmc.start()
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(20)
        stopping = now()
        await tmc.stop()
        assert now() - stopping < 10
        peer.transport.abort()


@simulated
async def test_a_stop_while_a_dead_connection_is_being_closed_is_quick_and_complete() -> None:
    async with Service() as service:
        tmc = client(silence_limit=10.0)
        await tmc.start()
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(10.5)
        assert not tmc.online
        await tmc.stop()
        assert now() == pytest.approx(10.5)
        peer.transport.abort()


@simulated
async def test_an_idle_connection_is_pulled_every_fifteen_seconds_and_never_pinged() -> None:
    async with Service() as service, client(silence_limit=None):
        peer = await service.online()
        await asyncio.sleep(61)
        assert service.pulls == pytest.approx([0.0, 15.0, 30.0, 45.0, 60.0])
        assert peer.pings == 0


@simulated
async def test_a_connection_without_traffic_is_pinged_every_forty_five_seconds() -> None:
    async with Service() as service, client(silence_limit=None, pull_interval=100_000.0):
        peer = await service.online()
        await asyncio.sleep(136)
        assert peer.pings == 3


@simulated
async def test_pings_go_on_though_the_service_never_answers_them() -> None:
    async with Service() as service, client(silence_limit=None, pull_interval=100_000.0):
        peer = await service.online()
        peer.transport.pause_reading()
        await asyncio.sleep(136)
        peer.transport.resume_reading()
        await asyncio.sleep(1)
        assert peer.pings == 3
        assert len(service.peers) == 1


@simulated
async def test_a_sign_of_life_of_any_kind_keeps_a_connection() -> None:
    async with Service() as service, client(silence_limit=60.0):
        peer = await service.online()
        for sign_of_life in (peer.ping, peer.pong) * 3:
            await asyncio.sleep(50)
            await sign_of_life()
        assert len(service.peers) == 1


@simulated
async def test_a_message_beyond_the_limit_ends_the_connection_only() -> None:
    async with Service() as service, client(max_size=10_000):
        await (await service.online()).push(1, content="x" * 10_001)
        await service.online(2)
        assert service.closes[0][0] == 1009
        await service.peer.push(2)
        await service.until(lambda: service.inbox)


def test_a_defect_in_the_protocol_replaces_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Core):
        def sign(self, timestamp: str) -> str:
            if self._flag == 2:
                raise ZeroDivisionError
            return super().sign(timestamp)

    class BrokenClient(TmcClient):
        core_type = Broken

    async def scenario() -> None:
        async with Service() as service, client(of=BrokenClient) as tmc:
            await (await service.online()).close()
            await service.online(2)
            assert tmc.stats.reconnects == 1

    simulate(scenario())
    assert "unexpected error in the client" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# Stopping


@simulated
async def test_a_graceful_stop_confirms_what_was_handled_and_nothing_else() -> None:
    gate = Gate()
    async with Service() as service:
        tmc = client(gate, workers=2)
        await tmc.start()
        await (await service.online()).push(1, 2, 3, 4)
        await asyncio.sleep(1)
        stopping = asyncio.create_task(tmc.stop())
        await asyncio.sleep(1)
        await service.peer.push(5)
        await asyncio.sleep(1)
        gate.open.set()
        await stopping
        assert now() == pytest.approx(3.0, abs=0.1)
        await service.until(lambda: service.closes)
        assert service.closes == [(1000, "client closed")]
        assert gate.started == [1, 2]
        assert {m.id for m in service.answers if isinstance(m, Confirm)} == {1, 2}
        assert len(service.inbox) == 2
        assert not tmc.online


@simulated
async def test_handlers_that_outlast_the_grace_are_cancelled_and_not_answered() -> None:
    ends: list[str] = []

    async def handle(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append(f"{message.id} cancelled")
            if message.id == 1:
                raise
            if message.id == 4:
                await asyncio.sleep(3)  # longer than anybody waits
            if message.id == 3:
                await asyncio.sleep(0.5)
                raise FailMessage("interrupted") from None

    async with Service() as service:
        tmc = client(handle)
        await tmc.start()
        await (await service.online()).push(1, 2, 3, 4)
        await asyncio.sleep(1)
        await tmc.stop(grace=4)
        assert now() == pytest.approx(6.0, abs=0.1)
        assert ends == ["1 cancelled", "2 cancelled", "3 cancelled", "4 cancelled"]
        assert service.answers == [Confirm(token="token-1", id=2), Fail(token="token-1", id=3, reason="interrupted")]
        await asyncio.sleep(3)


@simulated
async def test_a_stop_while_offline_waits_for_a_connection_no_longer_than_the_grace() -> None:
    gate = Gate()
    async with Service() as service:
        tmc = client(gate)
        await tmc.start()
        await (await service.online()).push(1)
        await asyncio.sleep(1)
        await service.down()
        gate.open.set()
        await asyncio.sleep(1)
        stopping = now()
        await tmc.stop(grace=20)
        assert now() - stopping == pytest.approx(20, abs=0.1)
        assert service.inbox == []


@simulated
async def test_a_stop_while_offline_still_answers_when_the_service_comes_back_in_time() -> None:
    gate = Gate()
    async with Service() as service:
        tmc = client(gate)
        await tmc.start()
        await (await service.online()).push(1)
        await asyncio.sleep(1)
        await service.down()
        gate.open.set()
        stopping = asyncio.create_task(tmc.stop(grace=60))
        await asyncio.sleep(5)
        await service.up()
        await stopping
        assert service.answers == [Confirm(token="token-2", id=1)]


@simulated
async def test_run_forever_ends_on_cancel_with_a_graceful_stop() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(5)

    async with Service() as service:
        tmc = client(handle)
        running = asyncio.create_task(tmc.run_forever())
        await (await service.online()).push(1)
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert service.answers == [Confirm(token="token-1", id=1)]
        assert service.closes == [(1000, "client closed")]


@simulated
async def test_run_forever_ends_when_the_client_is_stopped() -> None:
    async with Service(), client() as tmc:
        running = asyncio.create_task(tmc.run_forever())
        await asyncio.sleep(1)
        await tmc.stop()
        await running
        await tmc.wait_closed()


# For the application


@simulated
async def test_an_observer_sees_what_happens_in_order() -> None:
    async def handle(message: Message) -> None:
        if message.id == 2:
            raise FailMessage("later")

    seen: list[Observation] = []
    async with Service() as service, client(handle, observer=seen.append):
        await (await service.online()).push(1, 2)
        await service.until(lambda: len(service.inbox) == 2)
        await service.peer.close()
        await service.online(2)
    assert isinstance(seen[5], Offline)
    message = functools.partial(Message, topic="taobao_trade_TradeCreate", content="{}")
    assert [event for event in seen if not isinstance(event, Offline)] == [
        Online(),
        Received(message=message(id=1)),
        Received(message=message(id=2)),
        Handled(message=message(id=1), outcome=Outcome(kind="ok")),
        Handled(message=message(id=2), outcome=Outcome(kind="fail", reason="later")),
        Online(),
    ]


def test_an_observer_that_raises_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    def observer(event: Observation) -> None:
        raise RuntimeError("metrics are down")

    async def scenario() -> None:
        async with Service() as service, client(observer=observer):
            await (await service.online()).push(1)
            await service.until(lambda: service.inbox)

    simulate(scenario())
    assert "the observer raised for Handled" in caplog.text


def test_neither_the_secret_nor_a_sign_is_in_the_repr_or_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tmc = client()

    async def scenario() -> None:
        async with Service(accept, answer(status_code=1), accept) as service:
            await tmc.start()
            await (await service.online()).close()
            await service.online(2)
            await tmc.stop()
            for connect in service.connects:
                assert connect.sign not in caplog.text

    simulate(scenario())
    assert caplog.records
    # The library's own debug log shows frames.
    assert not [r for r in caplog.records if r.name == "tmcspec.client.websocket" and r.levelno < logging.INFO]
    assert SECRET not in caplog.text
    assert repr(tmc) == "<TmcClient app_key='1023' group='default' url='ws://tmc:80/' offline>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"queue_size": 0}, "capacity must be 1 message or more, not 0"),
        ({"open_timeout": 0}, "open_timeout must be more than 0 seconds, not 0"),
        ({"max_size": 0}, "max_size must be more than 0 bytes, not 0"),
        ({"url": "http://mc.api.taobao.com/"}, "expected is one as ws://mc.api.taobao.com/"),
        ({"url": f"ws://{70 * 'a'}/"}, "is not an address of the service .*label too long"),
        ({"url": "ws://me:hush@tmc/"}, "must not contain a user name or password"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        client(**options)
    assert "hush" not in str(caught.value)


def test_a_client_has_sound_defaults() -> None:
    tmc = TmcClient(app_key="1023", app_secret=SECRET, handler=nothing)
    assert tmc.url == "ws://mc.api.taobao.com/"
    assert tmc.stats == Stats()
    assert not tmc.online


def test_the_outcome_of_a_handler_that_returned_is_ok() -> None:
    assert outcome_of(None) == Outcome(kind="ok")


@simulated
async def test_a_wire_without_an_address_is_shown_as_loopback() -> None:
    class Addressless(Wire):
        local_address = None

    assert Addressless.local_ip.fget(object.__new__(Addressless)) == "127.0.0.1"  # type: ignore[attr-defined]


def test_the_same_seed_gives_the_same_run() -> None:
    async def scenario() -> list[tuple[float, object]]:
        seen: list[tuple[float, object]] = []
        async with Service(accept, hang_up, silence, accept) as service:
            async with client(observer=lambda event: seen.append((now(), repr(event)))):
                await (await service.online()).push(1, 2, 3)
                await service.until(lambda: len(service.inbox) == 3)
                service.peer.transport.abort()
                await service.online(2)
            return [*seen, *service.inbox, *((at, "attempt") for at in service.attempts)]

    assert simulate(scenario()) == simulate(scenario())
