"""Lines and chance: a seed says everything, and nobody's luck depends on anybody else."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_by_hand import Network, Side

from tmcfakes.faults import (
    Bandwidth,
    ClockJump,
    Corrupt,
    Down,
    Latency,
    PlannedFault,
    RefuseUpgrade,
    Slicer,
    SlowClose,
    Timeout,
)
from tmcfakes.lines import Lines
from tmcfakes.simulation import simulate

CHANCY = (
    Latency(delay=1.0, jitter=0.9),
    Slicer(average_size=10, size_variation=9, delay=0.01),
    Corrupt(rate=0.1),
    Corrupt(rate=0.5, toxicity=0.5),
)


def history(seed: int, *, name: str = "a", others: int = 0) -> list[tuple[float, bytes]]:
    """What comes of the bytes of a client, on two connections, with so many connections of others between."""

    async def story() -> list[tuple[float, bytes]]:
        async with Network(seed) as network:
            sides: list[Side] = []
            network.begin(7, CHANCY[0])
            network.begin(8, CHANCY[1])
            for _ in range(2):
                for _ in range(others):
                    client, _ = await network.connect("c")
                    client.transport.write(b"something else")
                client, service = await network.connect(name)
                client.transport.write(bytes(100))
                sides.append(service)
            network.begin(9, CHANCY[2])
            network.begin(10, CHANCY[3])
            await asyncio.sleep(100)
            return [heard for side in sides for heard in side.heard]

    return simulate(story)


def test_the_same_seed_has_the_same_history_and_another_seed_another() -> None:
    assert history(1) == history(1)
    assert history(1) != history(2)


def test_every_client_has_a_luck_of_its_own_and_every_connection_of_it() -> None:
    one, other = history(1), history(1, name="b")
    assert one != other
    pieces = [piece for _, piece in one]
    first, second = pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]
    assert first != second


def test_connections_of_others_change_nothing() -> None:
    assert [piece for _, piece in history(1, others=3)] == [piece for _, piece in history(1)]
    assert [at for at, _ in history(1, others=3)] == pytest.approx([at for at, _ in history(1)])


def test_a_fault_concerns_its_share_of_the_connections() -> None:
    async def story() -> None:
        async with Network() as network:
            network.begin(1, Timeout(toxicity=0.3, stream="upstream"))
            pairs = [await network.connect() for _ in range(200)]
            for client, _ in pairs:
                client.transport.write(b"1")
            await asyncio.sleep(1)
            swallowed = sum(not service.data for _, service in pairs)
            assert 40 < swallowed < 80
            for client, service in pairs:
                if service.data:
                    client.transport.write(b"2")
            await asyncio.sleep(1)
            assert {service.data for _, service in pairs} == {b"", b"12"}

    simulate(story)


@pytest.mark.parametrize(("target", "concerned"), [("*", [True] * 3), ("a", [True, False, False])])
def test_a_fault_concerns_its_target_and_who_has_no_name_only_with_everybody(
    target: str, concerned: list[bool]
) -> None:
    async def story() -> None:
        async with Network() as network:
            before = [await network.connect(name) for name in ("a", "b", None)]
            network.begin(1, Latency(delay=1.0, target=target))
            after = [await network.connect(name) for name in ("a", "b", None)]
            for client, _ in before + after:
                client.transport.write(b"1")
            await asyncio.sleep(0.5)
            assert [not service.data for _, service in before + after] == concerned * 2

    simulate(story)


# The registry


def test_a_fault_that_has_nothing_to_do_with_lines_is_not_begun() -> None:
    with pytest.raises(ValueError, match="'clock_jump' is no fault of lines"):
        Lines().begin(1, ClockJump(seconds=1))


def test_a_key_names_one_fault_until_it_is_over() -> None:
    lines = Lines()
    lines.begin(1, Down())
    with pytest.raises(ValueError, match="the fault 1 has begun already"):
        lines.begin(1, Down())
    lines.end(1)
    lines.end(1)
    lines.begin(1, Down())


def test_upgrades_are_refused_to_the_target_and_with_the_status_of_the_oldest_fault() -> None:
    lines = Lines()
    lines.begin(1, Down())
    lines.begin(2, RefuseUpgrade(status=401, target="a"))
    lines.begin(3, RefuseUpgrade())
    assert [lines.refusal_for(client) for client in ("a", "b", None)] == [401, 503, 503]
    lines.end(3)
    assert [lines.refusal_for(client) for client in ("a", "b", None)] == [401, None, None]
    lines.clear()
    assert lines.refusal_for("a") is None


# Any chain of faults that keep bytes

delays = st.floats(0, 5)
latencies = delays.flatmap(lambda delay: st.builds(Latency, delay=st.just(delay), jitter=st.floats(0, delay)))
slicers = st.integers(1, 50).flatmap(
    lambda size: st.builds(
        Slicer, average_size=st.just(size), size_variation=st.integers(0, size - 1), delay=st.floats(0, 0.5)
    )
)
keepers = st.one_of(
    latencies, slicers, st.builds(Bandwidth, rate=st.integers(1, 500)), st.builds(SlowClose, delay=st.floats(0.1, 5))
)
writes = st.tuples(st.just("write"), st.booleans(), st.binary(min_size=1, max_size=100))
begins = st.tuples(st.just("begin"), st.integers(0, 3), keepers)
ends = st.tuples(st.just("end"), st.integers(0, 3), st.none())
waits = st.tuples(st.just("wait"), st.none(), st.floats(0.001, 3))
pauses = st.tuples(st.just("pause"), st.booleans(), st.none())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(writes, writes, begins, ends, waits, pauses), max_size=25), st.integers(0, 1000))
def test_whatever_delays_bytes_keeps_all_of_them_in_order(moves: list[tuple[str, object, object]], seed: int) -> None:
    async def story() -> None:
        async with Network(seed, keeps=True) as network:
            client, service = await network.connect(keeps=True)
            sent = {True: b"", False: b""}
            active: set[object] = set()

            def as_sent() -> None:
                for side, up in ((service, True), (client, False)):
                    assert sent[up].startswith(side.data)
                    times = [at for at, _ in side.heard]
                    assert times == sorted(times)

            for move, which, what in moves:
                match move, what:
                    case "write", bytes():
                        (client if which else service).transport.write(what)
                        sent[bool(which)] += what
                    case "begin", PlannedFault() if which not in active:
                        assert isinstance(which, int)
                        network.begin(which, what)
                        active.add(which)
                    case "end", _:
                        assert isinstance(which, int)
                        network.lines.end(which)
                        active.discard(which)
                    case "wait", float():
                        await asyncio.sleep(what)
                    case "pause", _:
                        (service.transport.pause_reading if which else service.transport.resume_reading)()
                as_sent()
            service.transport.resume_reading()
            client.transport.write_eof()
            service.transport.write_eof()
            await asyncio.sleep(20_000)
            as_sent()
            assert (service.data, client.data) == (sent[True], sent[False])
            assert (service.words, client.words) == (["made", "eof"], ["made", "eof"])

    simulate(story)
