"""The WebSocket front: what it reports to the engine, what it does for it, and what no client can do to it.

Real sockets on loopback where bytes and TCP matter; virtual time where something has to be waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import async_solipsism
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame, Opcode

from tmcfakes.clock import Clock
from tmcfakes.service import Abort, Close, Effect, Send
from tmcfakes.websocket import HANDSHAKE_TIMEOUT, LINGER, WebSocketFront

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: 127.0.0.1:8090\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Engine:
    """An engine that writes down what it is told, and hands out the effects and the deadline that a test gives it."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.times: list[float] = []
        self.pending: list[Effect] = []
        self.due: float | None = None
        self.asked = 0
        self.on_received: Callable[[str, bytes], None] = lambda connection, data: None
        self._news = asyncio.Event()

    def opened(self, connection: str, *, now: float) -> None:
        self._tell(now, "opened", connection)

    def received(self, connection: str, data: bytes, *, now: float) -> None:
        self._tell(now, "received", connection, data)
        self.on_received(connection, data)

    def observed(self, connection: str, opcode: str, data: bytes, *, now: float) -> None:
        self._tell(now, "observed", connection, opcode, data)

    def closed(self, connection: str, *, now: float, by: str, code: int | None, reason: str) -> None:
        self._tell(now, "closed", connection, by, code, reason)

    def tick(self, *, now: float) -> None:
        self.due = None
        self._tell(now, "tick")

    def deadline(self) -> float | None:
        self.asked += 1
        return self.due

    def effects(self) -> list[Effect]:
        pending, self.pending = self.pending, []
        return pending

    def _tell(self, now: float, *what: object) -> None:
        self.told.append(what)
        self.times.append(now)
        self._news.set()

    async def until(self, what: str, count: int = 1) -> tuple[Any, ...]:
        """Waits until it was told `what` `count` times; returns the last of them."""
        virtual = isinstance(asyncio.get_running_loop(), async_solipsism.EventLoop)
        async with asyncio.timeout(1e6 if virtual else 30):
            while len(found := [each for each in self.told if each[0] == what]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


class Raw:
    """A client that sends bytes, legal or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, front: WebSocketFront, first: bytes = UPGRADE) -> Raw:
        host, port = front.url.removeprefix("ws://").removesuffix("/").rsplit(":", 1)
        raw = cls(*await asyncio.open_connection(host.strip("[]"), int(port)))
        raw.writer.write(first)
        return raw

    @classmethod
    async def upgraded(cls, front: WebSocketFront) -> Raw:
        raw = await cls.connect(front)
        assert (await raw.response()).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        return raw

    async def response(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def frame(self) -> tuple[Opcode, bool, bytes]:
        """The next frame of the service: opcode, FIN, payload."""
        frame = await self._parsed()
        return frame.opcode, frame.fin, bytes(frame.data)

    async def _parsed(self) -> Frame:
        head = await self.reader.readexactly(2)
        size = head[1]
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return Frame(Opcode(head[0] & 15), await self.reader.readexactly(size), fin=head[0] >= 128)

    async def rest(self) -> bytes:
        """Everything until the service ends TCP."""
        return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def masked(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


Story = Callable[[Engine, WebSocketFront], Coroutine[Any, Any, None]]


async def told(story: Story, clock: Clock | None, **options: Any) -> Engine:
    """Lets a story happen on a front; returns the engine, which has been told everything."""
    engine = Engine()
    front = WebSocketFront(engine, clock or Clock.of_loop(asyncio.get_running_loop()), **options)
    await front.start()
    try:
        await story(engine, front)
    finally:
        await front.stop()
    assert front.errors == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return engine


def live(story: Story, *, clock: Clock | None = None, **options: Any) -> Engine:
    """With real sockets."""
    return asyncio.run(told(story, clock, **options))


def simulated(story: Story, *, clock: Clock | None = None, **options: Any) -> Engine:
    """With sockets in memory and virtual time."""
    loop: asyncio.AbstractEventLoop = async_solipsism.EventLoop()
    try:
        return loop.run_until_complete(told(story, clock, **options))
    finally:
        loop.close()


World = Callable[..., Engine]
both_worlds = pytest.mark.parametrize("world", [live, simulated])


# Connections and messages


@both_worlds
def test_connections_are_named_in_the_order_of_their_upgrades(world: World) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        async with connect(front.url, proxy=None), connect(front.url, proxy=None):
            pass
        await engine.until("closed", 2)

    assert [each[:2] for each in world(story).told if each[0] == "opened"] == [("opened", "c1"), ("opened", "c2")]


@both_worlds
def test_binary_messages_go_both_ways(world: World) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.on_received = lambda name, data: engine.pending.append(Send(connection=name, data=data[::-1]))
        async with connect(front.url, proxy=None) as client:
            for message in (b"", b"abc", bytes(range(256)) * 300):
                await client.send(message)
                assert await client.recv() == message[::-1]

    engine = world(story)
    assert ("received", "c1", b"abc") in engine.told
    assert engine.told[-1] == ("closed", "c1", "client", 1000, "")


@both_worlds
def test_a_message_of_1_mb_goes_both_ways(world: World) -> None:
    message = bytes(range(250)) * 4000

    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.on_received = lambda name, data: engine.pending.append(Send(connection=name, data=data))
        async with connect(front.url, proxy=None) as client:
            await client.send(message)
            assert await client.recv() == message

    world(story)


@both_worlds
def test_fragments_of_a_client_are_put_together(world: World) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        async with connect(front.url, proxy=None) as client:
            await client.send([b"ab", b"", b"cd"])
            await client.send(["te", "xt"])

    engine = world(story)
    assert engine.told[1:3] == [("received", "c1", b"abcd"), ("observed", "c1", "text", b"text")]


def test_a_ping_between_fragments_is_reported_at_its_place() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        raw.writer.write(masked(BINARY, b"a", fin=False) + masked(PING, b"") + masked(CONT, b"b"))
        await engine.until("received")
        await raw.close()

    assert live(story).told[1:3] == [("observed", "c1", "ping", b""), ("received", "c1", b"ab")]


@pytest.mark.parametrize(
    ("data", "fragments", "expected"),
    [
        (b"abcdef", 1, [(BINARY, True, b"abcdef")]),
        (b"abcdef", 2, [(BINARY, False, b"abc"), (CONT, True, b"def")]),
        (b"abcde", 3, [(BINARY, False, b"ab"), (CONT, False, b"cd"), (CONT, True, b"e")]),
        (b"a", 3, [(BINARY, False, b"a"), (CONT, False, b""), (CONT, True, b"")]),
        (b"", 2, [(BINARY, False, b""), (CONT, True, b"")]),
    ],
)
def test_a_message_goes_out_in_as_many_fragments_as_asked(
    data: bytes, fragments: int, expected: list[tuple[Opcode, bool, bytes]]
) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        engine.pending.append(Send(connection="c1", data=data, fragments=fragments))
        front.poke()
        assert [await raw.frame() for _ in expected] == expected
        await raw.close()

    live(story)


def test_text_ping_and_pong_go_both_ways_without_any_answer_of_the_front() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        raw.writer.write(masked(PING, b"") + masked(PING, b"p") + masked(PONG, b"q") + masked(TEXT, b"\xff"))
        await engine.until("observed", 4)
        engine.pending += [
            Send(connection="c1", data=b"\xfe", opcode="text"),
            Send(connection="c1", data=b"1", opcode="ping"),
            Send(connection="c1", data=b"2", opcode="pong"),
        ]
        front.poke()
        # A pong of the front would come first.
        assert [await raw.frame() for _ in range(3)] == [(TEXT, True, b"\xfe"), (PING, True, b"1"), (PONG, True, b"2")]
        await raw.close()

    assert [each[2:] for each in live(story).told if each[0] == "observed"] == [
        ("ping", b""),
        ("ping", b"p"),
        ("pong", b"q"),
        ("text", b"\xff"),
    ]


def test_everything_may_come_in_one_segment() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.on_received = lambda name, data: engine.pending.append(Send(connection=name, data=b"ack " + data))
        raw = await Raw.connect(front, UPGRADE + masked(PING, b"") + masked(BINARY, b"1") + masked(BINARY, b"2"))
        assert (await raw.response()).startswith(b"HTTP/1.1 101 ")
        assert [await raw.frame(), await raw.frame()] == [(BINARY, True, b"ack 1"), (BINARY, True, b"ack 2")]
        await raw.close()

    assert live(story).told[:4] == [
        ("opened", "c1"),
        ("observed", "c1", "ping", b""),
        ("received", "c1", b"1"),
        ("received", "c1", b"2"),
    ]


@both_worlds
def test_everything_may_come_byte_by_byte(world: World) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.connect(front, b"")
        close = bytes([0x80 | CLOSE, 6]) + (1000).to_bytes(2, "big") + b"over"  # unmasked
        for byte in UPGRADE + masked(BINARY, b"connect") + masked(TEXT, b"text") + close:
            raw.writer.write(bytes([byte]))
            await raw.writer.drain()
        await engine.until("closed")
        await raw.close()

    assert world(story).told == [
        ("opened", "c1"),
        ("received", "c1", b"connect"),
        ("observed", "c1", "text", b"text"),
        ("observed", "c1", "close", b"\x03\xe8over"),
        ("closed", "c1", "client", 1000, "over"),
    ]


# The opening handshake


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


# The end of a connection


@pytest.mark.parametrize(
    ("close", "code", "reason", "answer"),
    [
        (masked(CLOSE, b"\x03\xe8bye"), 1000, "bye", b"\x03\xe8bye"),
        (bytes([0x88, 2]) + b"\x03\xe8", 1000, "", b"\x03\xe8"),
        (bytes([0x88, 126, 1, 46]) + b"\x03\xe8" + b"x" * 300, 1000, "x" * 300, b"\x03\xe8"),
        (masked(CLOSE, b"\x03\xe8\xff"), 1000, "\ufffd", b"\x03\xe8"),
        (masked(CLOSE, b"\x00\x07"), 7, "", b"\x03\xe8"),
        (masked(CLOSE, b""), 1005, "", b""),
    ],
)
def test_a_close_of_the_client_is_reported_answered_and_ends_tcp(
    close: bytes, code: int, reason: str, answer: bytes
) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        raw.writer.write(close + masked(BINARY, b"after the end"))
        assert await raw.frame() == (CLOSE, True, answer)
        assert await raw.rest() == b""
        await raw.close()

    engine = live(story)
    assert [each[0] for each in engine.told] == ["opened", "observed", "closed"]
    assert engine.told[-1] == ("closed", "c1", "client", code, reason)


@both_worlds
def test_a_close_of_the_service_goes_behind_what_was_sent_and_is_reported_when_it_is_answered(world: World) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        async with connect(front.url, proxy=None) as client:
            engine.pending += [Send(connection="c1", data=b"last"), Close(connection="c1", code=1012, reason="restart")]
            front.poke()
            assert await client.recv() == b"last"
            with pytest.raises(ConnectionClosedError):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1012, "restart")
        await engine.until("closed")

    assert world(story).told[1:] == [
        ("observed", "c1", "close", b"\x03\xf4restart"),
        ("closed", "c1", "service", 1012, "restart"),
    ]


def test_what_the_client_sent_before_it_saw_the_close_is_still_reported() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        engine.pending.append(Close(connection="c1", code=1000, reason=""))
        front.poke()
        engine.pending += [
            Send(connection="c1", data=b"too late"),
            Close(connection="c1", code=1001, reason="again"),
        ]
        front.poke()
        raw.writer.write(masked(BINARY, b"confirm") + masked(CLOSE, b"\x03\xe8"))
        assert [await raw.frame(), await raw.rest()] == [(CLOSE, True, b"\x03\xe8"), b""]
        await raw.close()

    assert [each[0] for each in live(story).told] == ["opened", "received", "observed", "closed"]


def test_a_client_that_answers_no_close_is_cut_off() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        engine.pending.append(Close(connection="c1", code=1000, reason="go"))
        front.poke()
        await engine.until("closed")
        assert engine.times[-1] - engine.times[0] == pytest.approx(LINGER)
        await raw.close()

    assert simulated(story).told[-1] == ("closed", "c1", "service", 1000, "go")


@both_worlds
def test_an_abort_of_the_service_ends_tcp_without_a_close_behind_what_was_sent(world: World) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        engine.pending += [
            Send(connection="c1", data=b"last"),
            Abort(connection="c1"),
            Send(connection="c1", data=b"void"),
        ]
        front.poke()
        assert engine.told[-1] == ("closed", "c1", "service", None, "")
        assert [await raw.frame(), await raw.rest()] == [(BINARY, True, b"last"), b""]
        await raw.close()

    assert len(world(story).told) == 2


def test_an_abort_cuts_a_closing_handshake_short() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        engine.pending += [Close(connection="c1", code=1000, reason="go"), Abort(connection="c1")]
        front.poke()
        assert [await raw.frame(), await raw.rest()] == [(CLOSE, True, b"\x03\xe8go"), b""]
        await raw.close()

    assert live(story).told == [("opened", "c1"), ("closed", "c1", "service", 1000, "go")]


@both_worlds
@pytest.mark.parametrize("way", ["end of file", "abort"])
def test_a_client_that_dies_without_closing_is_reported_without_a_code(world: World, way: str) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        if way == "abort":
            raw.writer.transport.abort()
        else:
            raw.writer.close()
        await engine.until("closed")
        await raw.writer.wait_closed()

    assert world(story).told == [("opened", "c1"), ("closed", "c1", "client", None, "")]


def test_a_client_that_ends_without_having_read_everything_is_reported_at_once_and_cut_off_soon() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        engine.pending.append(Send(connection="c1", data=bytes(2**20)))
        front.poke()
        raw.writer.write_eof()
        await engine.until("closed")
        assert engine.times[-1] == engine.times[0]
        await asyncio.sleep(2 * LINGER)  # virtual
        assert len(await raw.rest()) < 2**20
        await raw.close()

    assert simulated(story).told[-1] == ("closed", "c1", "client", None, "")


def test_a_client_whose_connection_is_reset_is_reported_without_a_code() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # on, 0 s: close() sends RST
        raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raw.writer.transport.abort()
        await engine.until("closed")

    assert live(story).told == [("opened", "c1"), ("closed", "c1", "client", None, "")]


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (b"\x82\x04data", 1002, "incorrect masking"),
        (b"\xc2\x80" + bytes(4), 1002, "reserved bits must be 0"),
        (masked(CONT, b"data"), 1002, "unexpected continuation frame"),
        (b"\x82\xff" + bytes(7) + b"\xff" + bytes(4), 1009, "frame with 255 bytes exceeds limit of 100 bytes"),
    ],
)
def test_a_client_that_breaks_the_protocol_is_closed_by_the_service(data: bytes, code: int, reason: str) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        raw.writer.write(masked(BINARY, b"good") + data + masked(BINARY, b"late"))
        opcode, _, payload = await raw.frame()
        assert (opcode, payload[:2]) == (CLOSE, code.to_bytes(2, "big"))
        assert await raw.rest() == b""
        await raw.close()

    engine = live(story, max_size=100)
    assert engine.told == [("opened", "c1"), ("received", "c1", b"good"), ("closed", "c1", "service", code, reason)]


@both_worlds
def test_a_client_that_does_not_read_is_cut_off_before_it_fills_the_memory(world: World) -> None:
    sent = 0

    async def story(engine: Engine, front: WebSocketFront) -> None:
        nonlocal sent
        raw = await Raw.upgraded(front)
        other = await Raw.upgraded(front)
        while len(engine.told) == 2:
            engine.pending.append(Send(connection="c1", data=bytes(2**20)))
            front.poke()
            sent += 1
        engine.pending.append(Send(connection="c2", data=b"still here"))
        front.poke()
        assert await other.frame() == (BINARY, True, b"still here")
        await raw.close()
        await other.close()

    engine = world(story, max_unread=3 * 2**20)
    reason = "more than 3145728 bytes wait for a client that does not read"
    assert engine.told[2] == ("closed", "c1", "service", None, reason)
    assert sent < 100


# Time


def test_a_deadline_is_kept_to_the_microsecond_and_never_missed_in_virtual_time() -> None:
    deadlines = (0.1, 0.1 + 0.2, 360.0, 360.0 + 1e-7, 86_400.123456, 7 * 86_400.0)

    async def story(engine: Engine, front: WebSocketFront) -> None:
        for count, engine.due in enumerate(deadlines, start=1):
            front.poke()
            await engine.until("tick", count)

    engine = simulated(story)
    assert engine.times == pytest.approx(deadlines, abs=1e-6)
    assert all(now >= due for now, due in zip(engine.times, deadlines, strict=True))


def test_a_deadline_that_comes_nearer_or_goes_away_is_followed() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        for due in (500.0, 360.0, 400.0):
            engine.due = due
            front.poke()
        await engine.until("tick")
        engine.due = 600.0
        front.poke()
        engine.due = None
        front.poke()
        await asyncio.sleep(1000.0)  # virtual

    engine = simulated(story)
    assert engine.times == [pytest.approx(400.0)]


def test_advancing_the_clock_brings_the_deadline_nearer() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.due = 360.0
        front.poke()
        front.clock.advance(300.0)
        assert engine.told == []
        await engine.until("tick")
        assert asyncio.get_running_loop().time() == pytest.approx(60.0)
        engine.due = 1000.0
        front.clock.advance(2000.0)
        assert engine.told == [("tick",), ("tick",)]

    simulated(story)


def test_on_a_manual_clock_nothing_is_due_until_it_is_advanced() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.due = 360.0
        front.poke()
        asked = engine.asked
        await asyncio.sleep(1000.0)  # virtual, and not the service's
        assert engine.told == []
        assert engine.asked == asked
        front.clock.advance(360.0)
        assert engine.told == [("tick",)]

    assert simulated(story, clock=Clock.manual()).times == [360.0]


def test_what_an_input_brings_about_happens_without_a_poke_from_outside() -> None:
    def start_timer(engine: Engine) -> None:
        engine.due = 30.0

    async def story(engine: Engine, front: WebSocketFront) -> None:
        engine.on_received = lambda name, data: start_timer(engine)
        async with connect(front.url, proxy=None) as client:
            await client.send(b"connect")
            await engine.until("tick")

    simulated(story)


# Start, stop, and faults of the fake itself


def test_stop_closes_what_is_open_without_waiting_for_anybody() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        loop = asyncio.get_running_loop()
        silent = await Raw.connect(front, b"")
        deaf = await Raw.upgraded(front)
        async with connect(front.url, proxy=None) as client:
            await engine.until("opened", 2)
            before = loop.time()
            await front.stop()
            assert loop.time() == before
            assert (await deaf.frame())[0] == CLOSE
            with pytest.raises(ConnectionClosedOK):
                await client.recv()
            assert (client.close_code, client.close_reason) == (1001, "the service stops")
        for raw in (silent, deaf):
            assert await raw.rest() == b""
            await raw.close()
        with pytest.raises(RuntimeError, match="does not listen"):
            front.url  # noqa: B018
        await front.stop()

    assert simulated(story).told[2:] == [
        ("closed", "c1", "service", 1001, "the service stops"),
        ("closed", "c2", "service", 1001, "the service stops"),
    ]


def test_stop_is_quick_with_real_sockets_too() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        loop = asyncio.get_running_loop()
        clients = [await Raw.upgraded(front) for _ in range(20)]
        before = loop.time()
        await front.stop()
        assert loop.time() - before < 0.5  # takes 2 ms; a wait for anybody takes a second
        for client in clients:
            await client.close()

    assert [each[0] for each in live(story).told].count("closed") == 20


@pytest.mark.parametrize("turns", range(5))
def test_connections_that_arrive_while_it_stops_are_cut_and_not_leaked(turns: int) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        logged: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context))
        address = ("127.0.0.1", int(front.url.removesuffix("/").rsplit(":", 1)[1]))
        clients = [socket.create_connection(address, timeout=5) for _ in range(5)]  # wait to be accepted
        for _ in range(turns):
            await asyncio.sleep(0)
        await front.stop()
        for client in clients:
            with client, contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
        assert logged == []

    assert live(story).told == []


@pytest.mark.parametrize("name", ["max_size", "max_unread", "handshake_timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_out_of_its_range_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be more than 0, not {value!r}"):
        WebSocketFront(Engine(), Clock.manual(), **{name: value})


def test_a_port_that_is_taken_is_an_error() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        port = int(front.url.removesuffix("/").rsplit(":", 1)[1])
        clock = Clock.manual()
        with pytest.raises(OSError, match="in use"):
            await WebSocketFront(Engine(), clock, port=port).start()
        assert clock.listeners == []

    live(story)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        assert front.url.startswith("ws://[::1]:")
        await (await Raw.upgraded(front)).close()

    live(story, host="::1")


def test_a_fault_of_the_engine_is_kept_and_cuts_the_connection() -> None:
    def fail(name: str, data: bytes) -> None:
        raise LookupError("the engine is broken")

    async def main() -> None:
        engine = Engine()
        engine.on_received = fail
        logged: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: logged.append(context))
        front = WebSocketFront(engine, Clock.of_loop(loop))
        await front.start()
        raw = await Raw.upgraded(front)
        raw.writer.write(masked(BINARY, b"x"))
        assert await raw.rest() == b""
        await raw.close()
        await front.stop()
        assert [str(error) for error in front.errors] == ["the engine is broken"]
        assert [context["exception"] for context in logged] == front.errors

    asyncio.run(main())
