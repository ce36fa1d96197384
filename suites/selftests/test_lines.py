"""What each fault of bytes does to a connection, and that it does nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest
from lines_by_hand import Network, Side, timers

from tmcfakes.faults import (
    Bandwidth,
    Corrupt,
    Down,
    HalfOpen,
    Latency,
    LimitData,
    PlannedFault,
    ResetPeer,
    Restart,
    SilentAccept,
    Slicer,
    SlowClose,
    StopReading,
    Timeout,
)
from tmcfakes.simulation import simulate
from tmcfakes.streams import Cut


def simulated(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(story)
    def test(*args: Any, **options: Any) -> None:
        simulate(lambda: story(*args, **options))

    return test


def now() -> float:
    return asyncio.get_running_loop().time()


def cut_by(side: Side) -> str | None:
    return side.error.fault if isinstance(side.error, Cut) else None


async def both_write(client: Side, service: Side, up: bytes = b"up", down: bytes = b"down") -> None:
    client.transport.write(up)
    service.transport.write(down)
    await asyncio.sleep(0.001)


@simulated
async def test_without_a_fault_everything_passes_at_once() -> None:
    async with Network(keeps=True) as network:
        client, service = await network.connect(keeps=True)
        await both_write(client, service)
        client.transport.write_eof()
        await service.until(lambda side: "eof" in side.words)
        service.transport.writelines([b" and", b" on"])
        service.transport.write_eof()
        await client.until(lambda side: "eof" in side.words)
        service.transport.close()
        await service.lost()
        assert (client.data, service.data) == (b"down and on", b"up")
        assert service.words == ["made", "eof", "lost"]
        assert service.error is None
        assert now() == pytest.approx(0.001)


# Latency


@pytest.mark.parametrize(("stream", "up", "down"), [("both", 2, 2), ("upstream", 2, 0), ("downstream", 0, 2)])
@simulated
async def test_latency_delays_the_bytes_of_its_direction(stream: Any, up: float, down: float) -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Latency(delay=2.0, stream=stream))
        await both_write(client, service)
        await asyncio.sleep(5)
        assert service.heard == [(pytest.approx(up), b"up")]
        assert client.heard == [(pytest.approx(down), b"down")]


@simulated
async def test_jitter_varies_a_delay_and_keeps_the_order() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Latency(delay=1.0, jitter=1.0, stream="upstream"))
        sent = []
        for number in range(200):
            client.transport.write(bytes([number]))
            sent.append(now())
            await asyncio.sleep(0.01)
        await asyncio.sleep(3)
        assert service.data == bytes(range(200))
        ends = [at for at, piece in service.heard for _ in piece]
        delays = [end - began for began, end in zip(sent, ends, strict=True)]
        assert all(-1e-5 <= delay <= 2.0 + 1e-5 for delay in delays)
        assert len({round(delay, 3) for delay in delays}) > 5


@simulated
async def test_what_latency_held_back_comes_at_once_and_in_order_when_it_is_over() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Latency(delay=100.0))
        await both_write(client, service, b"1", b"a")
        await both_write(client, service, b"2", b"b")
        network.lines.end(1)
        await both_write(client, service, b"3", b"c")
        assert (service.data, client.data) == (b"123", b"abc")
        assert now() < 1


@simulated
async def test_the_end_of_a_connection_is_as_late_as_its_bytes() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Latency(delay=3.0))
        client.transport.write(b"bye")
        client.transport.close()
        assert await service.lost() == pytest.approx(3.0, abs=0.01)
        assert service.words == ["made", "eof", "lost"]
        assert service.data == b"bye"


# Bandwidth and slices


@pytest.mark.parametrize("rate", [1, 7, 1000])
@simulated
async def test_bandwidth_lets_so_many_bytes_a_second_through(rate: int) -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Bandwidth(rate=rate, stream="upstream"))
        client.transport.write(bytes(4 * rate))
        client.transport.write(bytes(6 * rate))
        service.transport.write(b"down")
        await service.until(lambda side: len(side.data) == 10 * rate)
        assert now() == pytest.approx(10.0, abs=0.01)
        assert client.heard == [(0.0, b"down")]
        passed = 0
        for at, piece in service.heard:
            passed += len(piece)
            assert passed <= rate * at + 1e-3


@simulated
async def test_a_slow_stream_is_fast_when_the_fault_is_over() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Bandwidth(rate=10))
        client.transport.write(b"0123456789" * 100)
        await asyncio.sleep(1.05)
        assert service.data == b"0123456789"
        network.lines.end(1)
        assert service.data == b"0123456789" * 100


@simulated
async def test_slices_have_their_sizes_and_their_distance() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Slicer(average_size=10, size_variation=3, delay=0.5))
        service.transport.write(bytes(range(200)))
        await client.until(lambda side: len(side.data) == 200)
        assert client.data == bytes(range(200))
        sizes = [len(piece) for _, piece in client.heard]
        times = [at for at, _ in client.heard]
        assert all(7 <= size <= 13 for size in sizes[:-1])
        assert len(set(sizes)) > 2
        assert times == pytest.approx([0.5 * place for place in range(len(times))], abs=0.001)


@simulated
async def test_slices_need_no_time_between_them() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Slicer(average_size=1))
        await both_write(client, service)
        assert [piece for _, piece in service.heard] == [b"u", b"p"]
        assert [piece for _, piece in client.heard] == [b"d", b"o", b"w", b"n"]


@pytest.mark.parametrize(("over", "left"), [(1, 2.0), (2, 1.0)])
@simulated
async def test_several_faults_add_up_and_one_that_is_over_leaves_the_others(over: int, left: float) -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Latency(delay=1.0, stream="upstream"))
        network.begin(2, Latency(delay=2.0, stream="upstream"))
        client.transport.write(b"1")
        await service.until(lambda side: side.data == b"1")
        assert now() == pytest.approx(3.0, abs=0.001)
        network.lines.end(over)
        client.transport.write(b"2")
        await service.until(lambda side: side.data == b"12")
        assert now() == pytest.approx(3.0 + left, abs=0.001)


# Ends


@pytest.mark.parametrize("limit", [0, 1, 5])
@simulated
async def test_a_connection_ends_after_so_many_bytes(limit: int) -> None:
    async with Network() as network:
        client, service = await network.connect()
        service.transport.write(b"before")
        network.begin(1, LimitData(bytes=limit, stream="downstream"))
        service.transport.write(b"0123")
        service.transport.write(b"45678")
        await service.lost()
        await client.lost()
        assert client.data == b"before" + b"012345678"[:limit]
        assert cut_by(service) == "limit_data"


@simulated
async def test_the_end_comes_behind_the_last_bytes_that_are_delayed() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, LimitData(bytes=3, stream="upstream"))
        network.begin(2, Latency(delay=1.0))
        client.transport.write(b"12345")
        assert await service.lost() == pytest.approx(1.0, abs=0.001)
        assert service.data == b"123"


@simulated
async def test_below_its_limit_a_connection_goes_on() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, LimitData(bytes=5))
        await both_write(client, service, b"1234", b"abcd")
        network.lines.end(1)
        await both_write(client, service, b"5678", b"efgh")
        assert (service.data, client.data) == (b"12345678", b"abcdefgh")
        network.begin(1, LimitData(bytes=5))
        client.transport.close()
        await service.lost()
        assert service.error is None


@simulated
async def test_a_client_that_reads_late_gets_all_bytes_up_to_the_limit() -> None:
    async with Network() as network:
        client, service = await network.connect()
        client.transport.pause_reading()
        network.begin(1, LimitData(bytes=400_000, stream="downstream"))
        service.transport.write(bytes(500_000))
        await service.lost()
        client.transport.resume_reading()
        await client.lost()
        assert len(client.data) == 400_000


@simulated
async def test_slow_close_delays_the_end_and_not_the_bytes() -> None:
    async with Network() as network:
        client, service = await network.connect()
        other, its_service = await network.connect("b")
        network.begin(1, SlowClose(delay=5.0))
        client.transport.write(b"bye")
        client.transport.close()
        its_service.transport.write(b"bye")
        its_service.transport.close()
        await service.until(lambda side: side.data == b"bye")
        await other.until(lambda side: side.data == b"bye")
        assert now() == pytest.approx(0, abs=0.001)
        assert await service.lost() == pytest.approx(5, abs=0.001)
        assert await other.lost() == pytest.approx(5, abs=0.001)


@pytest.mark.parametrize(
    ("stream", "up", "down"), [("both", b"", b""), ("upstream", b"", b"2"), ("downstream", b"2", b"")]
)
@simulated
async def test_a_black_hole_swallows_and_tells_nobody_until_it_is_over(stream: Any, up: bytes, down: bytes) -> None:
    async with Network() as network:
        client, service = await network.connect()
        await both_write(client, service, b"1", b"1")
        network.begin(1, Timeout(stream=stream))
        await both_write(client, service, b"2", b"2")
        await asyncio.sleep(3600)
        assert (service.data, client.data) == (b"1" + up, b"1" + down)
        assert (client.words, service.words) == (["made"], ["made"])
        network.lines.end(1)
        await client.lost()
        await service.lost()
        assert (service.data, client.data) == (b"1" + up, b"1" + down)
        assert cut_by(service) == "timeout"


@simulated
async def test_a_black_hole_cuts_when_its_time_is_up() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Timeout(timeout=7.0))
        await asyncio.sleep(2)
        later, _ = await network.connect()
        assert await client.lost() == pytest.approx(7, abs=0.001)
        assert await later.lost() == pytest.approx(9, abs=0.001)
        assert cut_by(service) == "timeout"


@simulated
async def test_only_connections_that_are_open_become_black_holes_when_a_router_forgets_them() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, HalfOpen())
        later, its_service = await network.connect()
        await both_write(client, service, b"1", b"1")
        await both_write(later, its_service, b"2", b"2")
        await later.until(lambda side: side.data == b"2")
        assert its_service.data == b"2"
        assert (client.data, service.data) == (b"", b"")
        network.lines.end(1)
        await client.lost()
        assert cut_by(service) == "half_open"
        assert its_service.words == later.words == ["made"]


@simulated
async def test_who_leaves_within_a_black_hole_is_not_missed_until_it_is_over() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Timeout())
        client.transport.abort()
        await asyncio.sleep(60)
        assert service.words == ["made"]
        network.lines.end(1)
        assert await service.lost() == pytest.approx(60)


@simulated
async def test_the_service_that_leaves_within_a_black_hole_is_gone_for_itself_only() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Timeout())
        service.transport.abort()
        assert await service.lost() == pytest.approx(0)
        assert service.error is None
        await asyncio.sleep(60)
        assert client.words == ["made"]
        network.lines.end(1)
        await client.lost()


@simulated
async def test_connections_are_reset_so_long_after_the_beginning_or_their_opening() -> None:
    async with Network() as network:
        client, service = await network.connect()
        await asyncio.sleep(1)
        network.begin(1, ResetPeer(timeout=10.0))
        await asyncio.sleep(4)
        later, _ = await network.connect()
        await both_write(client, service)
        assert await client.lost() == pytest.approx(11, abs=0.001)
        assert await later.lost() == pytest.approx(15, abs=0.001)
        assert (service.data, cut_by(service)) == (b"up", "reset_peer")
        spared, _ = await network.connect()
        network.lines.end(1)
        await asyncio.sleep(100)
        assert spared.words == ["made"]
        assert network.attempts == []
        network.begin(2, ResetPeer(timeout=1000.0))
        spared.transport.close()
        await spared.lost()
        await asyncio.sleep(1)
        assert timers() == []


@pytest.mark.parametrize("fault", [Down(), Restart(), ResetPeer()])
@simulated
async def test_nobody_is_there(fault: PlannedFault) -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, fault)
        await client.lost()
        await service.lost()
        assert cut_by(service) == fault.name
        assert network.attempts == []
        for name in ("a", None):
            refused, never = await network.connect(name)
            await refused.lost()
            assert never.words == []
        assert network.attempts == ["a", None]
        network.lines.end(1)
        client, service = await network.connect()
        await both_write(client, service)
        assert (service.data, client.data) == (b"up", b"down")
        assert len(network.attempts) == 2


# Bytes that are others


@simulated
async def test_corruption_changes_bytes_and_neither_their_number_nor_their_order() -> None:
    sent = bytes(range(256)) * 100
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Corrupt(rate=0.01, stream="upstream"))
        client.transport.write(sent)
        service.transport.write(sent)
        await asyncio.sleep(1)
        assert client.data == sent
        assert len(service.data) == len(sent)
        wrong = sum(one != other for one, other in zip(sent, service.data, strict=True))
        assert 150 < wrong < 360


@simulated
async def test_corruption_does_not_depend_on_the_pieces_that_bytes_come_in() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Corrupt(rate=0.1))
        for _ in range(40):
            await both_write(client, service, bytes(25), b"")
    async with Network() as network:
        client, whole = await network.connect()
        network.begin(1, Corrupt(rate=0.1))
        await both_write(client, whole, bytes(1000), b"")
    assert (len(service.heard), service.data) == (40, whole.data)
    assert service.data != bytes(1000)


@simulated
async def test_every_byte_may_be_another() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Corrupt(rate=1))
        client.transport.write(bytes(1000))
        await asyncio.sleep(1)
        assert len(service.data) == 1000
        assert 0 not in service.data


@simulated
async def test_a_rare_corruption_spares_most_connections() -> None:
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, Corrupt(rate=5e-324))
        await both_write(client, service)
        assert (service.data, client.data) == (b"up", b"down")


# A service that does not listen


@simulated
async def test_a_silent_connection_is_silent_for_ever_and_others_are_not() -> None:
    async with Network() as network:
        before, served = await network.connect()
        network.begin(1, SilentAccept())
        silent, never = await network.connect()
        network.lines.end(1)
        after, served_after = await network.connect()
        for client in (before, silent, after):
            client.transport.write(b"hello")
        await asyncio.sleep(1000)
        assert (served.data, served_after.data) == (b"hello", b"hello")
        assert never.words == []
        assert (never.heard, silent.heard, silent.words) == ([], [], ["made"])
        assert network.attempts == ["a"]
        silent.transport.write_eof()
        await silent.lost()


@simulated
async def test_a_service_that_stops_reading_lets_tcp_hold_its_clients_back() -> None:
    sent = bytes(range(256)) * 2000
    async with Network() as network:
        client, service = await network.connect()
        network.begin(1, StopReading())
        client.transport.write(sent)
        await asyncio.sleep(60)
        assert service.heard == []
        assert client.transport.get_write_buffer_size() > 100_000
        service.transport.write(b"still talking")
        await client.until(lambda side: side.data == b"still talking")
        network.lines.end(1)
        await service.until(lambda side: len(side.data) == len(sent))
        assert service.data == sent
