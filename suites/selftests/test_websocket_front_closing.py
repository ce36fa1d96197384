"""The end of a connection at the WebSocket front, whoever ends it, and that no client can do it harm."""

from __future__ import annotations

import asyncio
import socket

import pytest
from scripted_engine import Engine, Raw, World, both_worlds, live, masked, simulated
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError
from websockets.frames import BINARY, CLOSE, CONT

from tmcfakes.faults import Latency
from tmcfakes.service import Abort, Close, Send
from tmcfakes.websocket import LINGER, WebSocketFront


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
    ids=["masked", "unmasked", "over-long", "not-utf-8", "odd-code", "empty"],
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


@pytest.mark.parametrize(
    "sent", [masked(CLOSE, b"\x03\xe8"), masked(CONT, b"never begun")], ids=["close", "breach of the protocol"]
)
def test_a_client_that_is_gone_before_its_close_is_answered_does_no_harm(sent: bytes) -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        raw.writer.write(sent)
        raw.writer.transport.abort()
        await engine.until("closed")
        assert front.errors == []

    assert live(story).told[-1][:2] == ("closed", "c1")


def test_the_end_of_a_fault_survives_a_client_that_is_gone() -> None:
    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        front.lines.begin(1, Latency(delay=60, stream="downstream"))
        raw.writer.write(masked(CLOSE, b"\x03\xe8"))
        raw.writer.transport.abort()
        await engine.until("closed")
        front.lines.end(1)  # now the answer goes out, and the end behind it
        assert front.errors == []

    live(story)


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
    ids=["unmasked", "reserved-bit", "continuation-of-nothing", "too-long"],
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
