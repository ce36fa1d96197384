"""A client that sends without end is closed, not written down: it can fill neither the trace nor the memory."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from scripted_engine import Engine, Raw, live, masked
from websockets.frames import BINARY, CLOSE, CONT, PING, PONG, TEXT, Close, Frame, Opcode

from tmcfakes import intake, websocket
from tmcfakes.intake import Intake
from tmcfakes.websocket import WebSocketFront
from tmcspec.trace import ENTRY_LIMIT


def flooded(frame: bytes, count: int, *, told: str) -> tuple[Engine, Close]:
    """Lets one client send a frame `count` times, and a second one say something then."""
    closes: list[Close] = []

    async def story(engine: Engine, front: WebSocketFront) -> None:
        raw = await Raw.upgraded(front)
        raw.writer.write(frame * count)
        async with asyncio.timeout(30):
            opcode, _, payload = await raw.frame()
        assert opcode is CLOSE
        closes.append(Close.parse(payload))
        raw.writer.write(frame * count + masked(CLOSE, payload))
        await raw.close()
        other = await Raw.upgraded(front)
        other.writer.write(masked(BINARY, b"still there"))
        while engine.told[-1] != ("received", "c2", b"still there"):
            await engine.until("received", sum(each[0] == "received" for each in engine.told) + 1)
        await other.close()

    engine = live(story)
    assert [each[2:] for each in engine.told if each[:2] == ("closed", "c1")] == [
        ("service", closes[0].code, closes[0].reason)
    ]
    assert engine.told.index(("closed", "c1", "service", closes[0].code, closes[0].reason)) == 1 + sum(
        each[:2] == (told, "c1") for each in engine.told
    )
    return engine, closes[0]


def test_a_client_that_pings_without_end_is_closed_with_a_reason() -> None:
    engine, close = flooded(masked(PING, b""), 15_000, told="observed")
    assert close == Close(1008, "more than 10000 WebSocket messages that are no TMC frames on one connection")
    assert engine.told.count(("observed", "c1", "ping", b"")) == 10_000


@pytest.mark.parametrize("opcode", [PING, PONG, TEXT])
def test_everything_that_is_no_frame_counts(opcode: Opcode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_OTHERS", 3)
    engine, close = flooded(masked(opcode, b"x"), 5, told="observed")
    assert close.code == 1008
    assert engine.told.count(("observed", "c1", opcode.name.lower(), b"x")) == 3


def test_a_client_that_sends_frames_without_end_is_closed_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_FRAMES", 3)
    engine, close = flooded(masked(BINARY, b"x"), 5, told="received")
    assert close == Close(1008, "more than 3 frames on one connection")
    assert engine.told.count(("received", "c1", b"x")) == 3


def test_a_client_that_sends_bytes_without_end_is_closed_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_BYTES", 300)
    engine, close = flooded(masked(BINARY, bytes(100)), 5, told="received")
    assert close == Close(1008, "more than 300 bytes on one connection")
    assert engine.told.count(("received", "c1", bytes(100))) == 3


def test_a_burst_is_far_within_the_bounds_and_a_flood_far_within_a_trace() -> None:
    assert 10 * 10_000 <= intake.MAX_FRAMES <= ENTRY_LIMIT // 5
    assert intake.MAX_OTHERS <= ENTRY_LIMIT // 5


def test_a_close_is_always_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_OTHERS", 0)
    monkeypatch.setattr(intake, "MAX_BYTES", 0)
    assert Intake().take(Frame(CLOSE, b"\x03\xe8bye")) == (CLOSE, b"\x03\xe8bye")


def test_empty_fragments_take_no_memory() -> None:
    taking = Intake()
    taking.take(Frame(BINARY, b"a", fin=False))
    empty = Frame(CONT, b"", fin=False)
    tracemalloc.start()
    try:
        for _ in range(50_000):
            assert taking.take(empty) is None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000
    assert taking.take(Frame(CONT, b"b")) == (BINARY, b"ab")
    assert taking.take(Frame(TEXT, b"c")) == (TEXT, b"c")


def test_of_many_faults_of_the_fake_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MAX_ERRORS", 2)

    async def story(engine: Engine, front: WebSocketFront) -> None:
        for number in range(4):
            with pytest.raises(ZeroDivisionError), front.keeping_errors():
                raise ZeroDivisionError(number)
        assert [error.args for error in front.errors] == [(0,), (1,)]
        front.errors.clear()

    live(story)
