"""A line is a transport as any other to the protocol that serves, also while faults act in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from lines_by_hand import Network, Side, line, timers

from tmcfakes.faults import Bandwidth, Down, Latency, LimitData, SilentAccept, SlowClose, StopReading, Timeout
from tmcfakes.lines import IN_FLIGHT, LINGER
from tmcfakes.simulation import simulate
from tmcfakes.streams import Cut

LATE = Latency(delay=1.0)

Story = Callable[[], Coroutine[None, None, None]]


def now() -> float:
    return asyncio.get_running_loop().time()


def test_it_tells_of_the_socket_what_the_socket_says() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            own = client.transport.get_extra_info("sockname")
            assert service.transport.get_extra_info("peername")[:2] == own[:2]
            assert service.transport.get_extra_info("nothing", "default") == "default"
            assert service.transport.can_write_eof()
            other = Side()
            service.transport.set_protocol(other)
            assert service.transport.get_protocol() is other
            client.transport.write(b"1")
            await other.until(lambda side: side.data == b"1")
            service.transport.set_write_buffer_limits(high=1000, low=10)
            assert service.transport.get_write_buffer_limits() == (10, 1000)

    simulate(story)


def test_what_was_written_arrives_before_the_end_whatever_kind_of_end_it_is() -> None:
    async def story(how: str, words: list[str]) -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, LATE)
            service.transport.writelines([b"last ", bytearray(b"words")])
            if how == "eof":
                service.transport.write_eof()
                with pytest.raises(RuntimeError, match="after write_eof"):
                    service.transport.write(b"more")
            else:
                getattr(service.transport, how)()
                assert service.transport.is_closing()
                assert not service.transport.is_reading()
                service.transport.write(b"more")
                service.transport.write_eof()
            client.transport.write(b"is anybody there?")
            assert await client.lost() == pytest.approx(1.0, abs=0.001)
            assert client.data == b"last words"
            assert client.words == words
            if how != "eof":
                assert (service.heard, service.words, service.error) == ([], ["made", "lost"], None)

    for how in ("eof", "close", "abort"):
        simulate(lambda how=how: story(how, ["made", "eof", "lost"]))  # type: ignore[misc]


def test_without_a_fault_its_end_is_that_of_the_socket() -> None:
    async def story() -> None:
        for how in ("close", "abort"):
            async with Network() as network:
                client, service = await network.connect()
                service.transport.write(b"last words")
                getattr(service.transport, how)()
                assert service.transport.is_closing()
                await service.lost()
                await client.lost()
                assert client.data == b"last words"
                assert service.error is None

    simulate(story)


def test_the_service_is_told_to_wait_when_too_much_is_on_its_way_and_when_it_may_go_on() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            service.transport.set_write_buffer_limits(high=1000, low=100)
            network.begin(1, Bandwidth(rate=100, stream="downstream"))
            service.transport.write(bytes(1000))
            assert (service.transport.get_write_buffer_size(), service.words) == (1000, ["made"])
            service.transport.write(b"1")
            assert (service.transport.get_write_buffer_size(), service.words) == (1001, ["made", "paused"])
            await client.until(lambda side: len(side.data) >= 890)
            assert service.words == ["made", "paused"]
            await client.until(lambda side: len(side.data) >= 910)
            assert service.words == ["made", "paused", "resumed"]

    simulate(story)


def test_what_a_client_does_not_read_counts_with_what_is_on_its_way() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            client.transport.pause_reading()
            service.transport.write(bytes(300_000))
            before = service.transport.get_write_buffer_size()
            assert before > 100_000
            assert service.words == ["made", "paused"]
            network.begin(1, LATE)
            service.transport.write(bytes(1000))
            assert service.transport.get_write_buffer_size() == before + 1000
            client.transport.resume_reading()
            await service.until(lambda side: "resumed" in side.words)
            await client.until(lambda side: len(side.data) == 301_000)
            assert service.words == ["made", "paused", "resumed"]

    simulate(story)


def test_a_client_that_sends_more_than_may_be_on_its_way_is_held_back_and_loses_nothing() -> None:
    sent = bytes(range(256)) * 4 * 4096  # 4 MiB

    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, Latency(delay=1.0, stream="upstream"))
            client.transport.write(sent)
            await asyncio.sleep(0.5)
            stream = line(service)._up
            assert stream is not None
            assert IN_FLIGHT < stream.held <= IN_FLIGHT + 2**18  # what asyncio reads at once
            await service.until(lambda side: len(side.data) == len(sent))
            assert service.data == sent
            assert now() == pytest.approx(4, abs=1.1)

    simulate(story)


@pytest.mark.parametrize("over_first", [True, False])
def test_a_service_that_does_not_want_to_read_gets_nothing_until_it_does(over_first: bool) -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, LATE)
            client.transport.write(b"1")
            await asyncio.sleep(0.1)
            assert service.transport.is_reading()
            service.transport.pause_reading()
            client.transport.write(b"2")
            await asyncio.sleep(10)
            assert not service.transport.is_reading()
            if over_first:
                network.lines.end(1)
            await asyncio.sleep(10)
            assert service.heard == []
            service.transport.resume_reading()
            client.transport.write(b"3")
            await service.until(lambda side: side.data == b"123")
            network.lines.end(1)
            client.transport.write(b"4")
            await service.until(lambda side: side.data == b"1234")

    simulate(story)


def test_a_fault_that_begins_while_the_service_does_not_read_lets_it_be() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            service.transport.pause_reading()
            network.begin(1, LATE)
            network.begin(2, StopReading())
            network.lines.end(2)
            client.transport.write(b"1")
            await asyncio.sleep(10)
            assert service.heard == []
            service.transport.resume_reading()
            await service.until(lambda side: side.data == b"1")
            network.lines.end(1)
            assert line(service)._up is line(service)._down is None

    simulate(story)


def test_a_client_that_ends_its_stream_is_told_of_once() -> None:
    async def story() -> None:
        async with Network(keeps=True) as network:
            client, service = await network.connect(keeps=True)
            client.transport.write_eof()
            await service.until(lambda side: "eof" in side.words)
            network.begin(1, StopReading())
            network.lines.end(1)
            service.transport.pause_reading()
            service.transport.resume_reading()
            service.transport.write(b"late")
            await client.until(lambda side: side.data == b"late")
            assert service.words == ["made", "eof"]

    simulate(story)


def test_a_client_that_is_gone_is_written_to_in_vain() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, SlowClose(delay=5.0))
            client.transport.abort()
            await service.until(lambda side: "eof" in side.words)
            assert now() == pytest.approx(5.0, abs=0.001)
            service.transport.write(b"hello?")
            await service.lost()

    simulate(story)


def test_that_a_socket_broke_is_learnt_as_late_as_what_came_before() -> None:
    async def story() -> None:
        async with Network(keeps=True) as network:
            client, service = await network.connect()
            network.begin(1, Latency(delay=1.0, stream="upstream"))
            client.transport.write(b"bye")
            client.transport.abort()
            await asyncio.sleep(0.5)
            service.transport.write(b"hello?")
            await service.until(lambda side: "eof" in side.words)
            assert service.data == b"bye"
            assert await service.lost() == pytest.approx(1.5, abs=0.001)
            assert isinstance(service.error, BrokenPipeError)
            assert service.transport.is_closing()

    simulate(story)


def test_what_is_on_its_way_to_a_client_that_is_gone_is_lost_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, Latency(delay=1.0, stream="downstream"))
            for _ in range(10):
                service.transport.write(b"hello?")
            client.transport.abort()
            await service.lost()
            await asyncio.sleep(10)

    simulate(story)
    assert caplog.records == []


def test_who_sends_to_a_service_that_left_does_not_change_what_it_said_at_last() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, LimitData(bytes=1, stream="upstream"))
            network.begin(2, Latency(delay=1.0, stream="downstream"))
            service.transport.write(b"last words")
            service.transport.close()
            client.transport.write(b"is anybody there?")
            await client.lost()
            assert client.data == b"last words"

    simulate(story)


def test_a_client_that_does_not_read_holds_up_the_end_of_its_connection_for_a_moment_only() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            client.transport.pause_reading()
            network.begin(1, Latency(delay=1.0, stream="downstream"))
            service.transport.write(bytes(500_000))
            service.transport.close()
            await service.lost()
            await asyncio.sleep(1 + LINGER / 2)
            network.begin(2, StopReading())  # the line is there
            assert line_count(network) == 1
            await asyncio.sleep(LINGER)
            assert line_count(network) == 0
            client.transport.abort()

    simulate(story)


def test_all_that_is_left_of_a_connection_ends_with_the_lines() -> None:
    async def story() -> None:
        async with Network() as network:
            client, service = await network.connect()
            network.begin(1, Timeout())
            service.transport.abort()
            await service.lost()
            network.lines.close()
            await client.lost()
            assert line_count(network) == 0
            network.begin(2, SilentAccept())
            silent, _ = await network.connect()
            network.lines.close()
            await silent.lost()
            assert line_count(network) == 0

    simulate(story)


def test_a_fault_that_cuts_is_told_to_the_service_in_a_turn_of_its_own() -> None:
    async def story() -> None:
        async with Network() as network:
            _, service = await network.connect()
            network.begin(2, LATE)
            network.begin(1, Down())
            assert service.words == ["made"]
            assert service.transport.is_closing()
            service.transport.write(b"no more")
            service.transport.write_eof()
            assert timers() == []
            await asyncio.sleep(0)
            assert service.words == ["made", "lost"]
            assert isinstance(service.error, Cut)
            assert str(service.error) == "cut by the fault 'down'"

    simulate(story)


def line_count(network: Network) -> int:
    return len(network.lines._open)
