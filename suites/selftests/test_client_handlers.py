"""The client calls its handler, and answers for it: in time, once, and whatever the handler does."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter

import async_solipsism
import pytest
from scripted_service import Gate, Peer, Service, client, now, simulate, simulated

from tmcspec.client import FailMessage, Message, Outcome, Stats
from tmcspec.client.pool import outcome_of
from tmcspec.frame import encode
from tmcspec.messages import Confirm, Fail


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


# S30: 任务最大堆积量 默认 2000
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


def test_the_outcome_of_a_handler_that_returned_is_ok() -> None:
    assert outcome_of(None) == Outcome(kind="ok")
