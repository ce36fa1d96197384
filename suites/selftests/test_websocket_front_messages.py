"""The WebSocket front reports what clients send to the engine, and sends what the engine says."""

from __future__ import annotations

import pytest
from scripted_engine import UPGRADE, Engine, Raw, World, both_worlds, live, masked
from websockets.asyncio.client import connect
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Opcode

from tmcfakes.service import Send
from tmcfakes.websocket import WebSocketFront


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
