"""What the service sends, in whatever pieces and however wrong, is delivered or survived."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from scripted_service import Service, client, simulate, simulated

from tmcspec.client import FailMessage, Message, Stats
from tmcspec.client.loglimit import LogLimit
from tmcspec.frame import encode
from tmcspec.messages import Confirm, Push


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


@pytest.mark.parametrize("error", [FailMessage("y" * 100_000), ValueError("no")])
def test_no_topic_and_no_reason_makes_a_long_line_in_the_log(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(message: Message) -> None:
        raise error

    async def scenario() -> None:
        async with Service() as service, client(handle):
            peer = await service.online()
            push = replace(peer.message(7), topic="x" * 100_000)
            await peer.send(encode(push.to_frame()))
            await service.until(lambda: service.answers)

    simulate(scenario())
    lines = [record.getMessage() for record in caplog.records if "message 7" in record.getMessage()]
    assert len(lines) == 1
    assert len(lines[0]) < 400


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
async def test_a_message_beyond_the_limit_ends_the_connection_only() -> None:
    async with Service() as service, client(max_size=10_000):
        await (await service.online()).push(1, content="x" * 10_001)
        await service.online(2)
        assert service.closes[0][0] == 1009
        await service.peer.push(2)
        await service.until(lambda: service.inbox)
