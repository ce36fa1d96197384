"""The fake service in one object: in any kind of test, with any kind of time."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

import async_solipsism
import pytest
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

from tmcfakes.clock import Clock
from tmcfakes.fake import FakeTmc
from tmcfakes.service import App, Service
from tmcspec.clauses import CLAUSES, judge_trace
from tmcspec.events import (
    Accepted,
    Advanced,
    Closed,
    Confirmed,
    Event,
    Expired,
    FrameIn,
    Opened,
    Produced,
    Pushed,
    RetentionSet,
)
from tmcspec.frame import decode, encode
from tmcspec.messages import Confirm, Connect, ConnectAck, Push, from_service
from tmcspec.signing import sign_connect
from tmcspec.timing import REDELIVERY_DELAY, Timing
from tmcspec.trace import TraceError

T = TypeVar("T")
TOPIC = "taobao_trade_TradeCreate"


def connect_frame(secret: str = "test-secret") -> bytes:
    sign = sign_connect(app_key="test", group="default", timestamp="1795447615402", secret=secret)
    return encode(
        Connect(app_key="test", group="default", timestamp="1795447615402", sign=sign, flag=1).to_frame(),
    )


def confirm_frame(token: str | None, message: int) -> bytes:
    return encode(Confirm(token=token, id=message).to_frame())


def token_in(data: bytes | str) -> str:
    assert isinstance(data, bytes)
    acknowledged = from_service(decode(data))
    assert isinstance(acknowledged, ConnectAck)
    assert acknowledged.token is not None
    return acknowledged.token


def id_in(data: bytes | str) -> int | None:
    assert isinstance(data, bytes)
    push = from_service(decode(data))
    assert isinstance(push, Push)
    return push.id


def virtually(main: Coroutine[Any, Any, T]) -> T:
    loop: asyncio.AbstractEventLoop = async_solipsism.EventLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


def names(tmc: FakeTmc) -> list[str]:
    return [entry.event.word for entry in tmc.trace().entries]


# A whole conversation, in every kind of test


def test_in_a_plain_test_a_message_is_pushed_again_when_the_clock_is_advanced() -> None:
    with FakeTmc() as tmc, connect_sync(tmc.url, proxy=None) as client:
        client.send(connect_frame())
        token = token_in(client.recv())
        message = tmc.produce(topic=TOPIC, content="{}")
        assert id_in(client.recv()) == message
        tmc.advance(REDELIVERY_DELAY + 1)
        assert id_in(client.recv()) == message
        client.send(confirm_frame(token, message))
        assert tmc.wait_for(Confirmed).event.message == message  # type: ignore[attr-defined]
        assert tmc.do(lambda service, now: service.unsettled("test")) == 0
    events = [entry.event for entry in tmc.trace().entries]
    assert [event.attempt for event in events if isinstance(event, Pushed)] == [1, 2]
    assert isinstance(events[-1], Closed)


async def consume_once() -> FakeTmc:
    """A client that misses its first delivery and confirms the second, six minutes later by the event loop's time."""
    # Without keepalive: the service answers no ping.
    async with (
        FakeTmc(seed=3, epoch_ms=0) as tmc,
        connect(tmc.url, proxy=None, ping_interval=None) as client,
    ):
        await client.send(connect_frame())
        token = token_in(await client.recv())
        message = tmc.produce(topic=TOPIC, content="{}")
        for _ in range(2):
            assert id_in(await client.recv()) == message
        await client.send(confirm_frame(token, message))
        await tmc.wait_for_async(Confirmed)
        await client.close()
        await tmc.wait_for_async(Closed)
    return tmc


def test_in_a_virtual_loop_service_time_is_the_loops_by_default() -> None:
    tmc = virtually(consume_once())
    times = [entry.time for entry in tmc.trace().entries if isinstance(entry.event, Pushed)]
    assert times == [0.0, REDELIVERY_DELAY]


def test_in_a_virtual_loop_the_same_seed_leaves_the_same_trace() -> None:
    def run() -> list[str]:
        return [repr(entry) for entry in virtually(consume_once()).trace(world="simulated").entries]

    assert run() == run()


def test_in_an_asyncio_test_it_lives_in_the_test_s_loop() -> None:
    async def main() -> None:
        threads = threading.active_count()
        async with FakeTmc() as tmc, connect(tmc.url, proxy=None) as client:
            assert threading.active_count() == threads
            await client.send(connect_frame())
            token_in(await client.recv())
            tmc.produce(topic=TOPIC, content=None)
            await client.recv()
            tmc.advance(REDELIVERY_DELAY + 1)
            await client.recv()
            entry = await tmc.wait_for_async(Pushed, count=2)
            assert entry.time > REDELIVERY_DELAY
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_the_example_of_the_docstring_runs() -> None:
    import doctest

    import tmcfakes.clock
    import tmcfakes.fake

    for module in (tmcfakes.clock, tmcfakes.fake):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


# Time


def test_advancing_is_recorded_before_what_it_brings_about() -> None:
    with FakeTmc(clock=Clock.manual(), timing=Timing(retention=3600.0)) as tmc:
        tmc.produce(topic=TOPIC, content="{}")
        tmc.advance(3600)
        assert tmc.now() == 3600.0
    assert names(tmc) == ["retention_set", "produced", "advanced", "expired"]
    assert [entry.time for entry in tmc.trace().entries] == [0.0, 0.0, 3600.0, 3600.0]
    assert tmc.trace().entries[2].event == Advanced(seconds=3600)


@pytest.mark.parametrize("apart", range(1, 10))
def test_all_happens_at_its_own_time_where_deadlines_are_nearer_than_the_machine_is_fast(apart: int) -> None:
    """When real time had come past the second one by itself, all that followed was put off to the end of the jump. How
    near that is, the clock's reads tell: each takes it a millisecond.
    """

    def produce_two(service: Service, now: float) -> None:
        for moment in (now, now + apart * 1e-3):
            service.produce(app_key="test", topic=TOPIC, content="{}", now=moment)

    reads = itertools.count()
    with FakeTmc(clock=Clock(lambda: next(reads) * 1e-3), timing=Timing(retention=3600.0)) as tmc:
        tmc.do(produce_two)
        tmc.advance(600)
        tmc.produce(topic=TOPIC, content="{}")
        tmc.advance(7200)
    expired = [entry.time for entry in tmc.trace().entries if isinstance(entry.event, Expired)]
    assert expired == pytest.approx([3600, 3600, 4200], abs=1)


@pytest.mark.parametrize("hours", [1, 48])
def test_another_retention_than_the_usual_one_is_told_and_so_breaks_nothing(hours: int) -> None:
    with FakeTmc(clock=Clock.manual(), timing=Timing(retention=hours * 3600.0)) as tmc:
        tmc.reset()
        tmc.produce(topic=TOPIC, content="{}")
        tmc.advance(hours * 3600 + 100)
        (judgement,) = judge_trace(tmc.trace(world="simulated"), [CLAUSES["RDL-4"]])
    assert tmc.trace().entries[0].event == RetentionSet(seconds=hours * 3600.0)
    assert judgement.result == "pass"


def test_a_clock_of_ones_own_is_used_and_left_as_it_was() -> None:
    clock = Clock.manual()
    clock.advance(5)
    with FakeTmc(clock=clock) as tmc:
        assert tmc.now() == 5.0
        tmc.advance(1)
    clock.advance(1)
    assert clock.now() == 7.0
    assert names(tmc) == ["advanced"]


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_advancing_by_nonsense_is_an_error_where_it_was_asked_for(seconds: float) -> None:
    with FakeTmc() as tmc, pytest.raises(ValueError, match="service time never goes back"):
        tmc.advance(seconds)
    assert names(tmc) == []


# Trace and conditions


def test_the_trace_says_what_it_was_recorded_under() -> None:
    with FakeTmc(seed=11, epoch_ms=1_795_447_615_402) as tmc:
        trace = tmc.trace(world="simulated", patience=5.0)
    assert (trace.seed, trace.epoch_ms, trace.world, trace.patience) == (11, 1_795_447_615_402, "simulated", 5.0)
    assert tmc.trace().world == "live"


def test_the_epoch_is_now_by_default() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= FakeTmc().trace().epoch_ms <= time.time_ns() // 1_000_000


def test_a_trace_is_a_snapshot() -> None:
    with FakeTmc() as tmc:
        empty = tmc.trace()
        tmc.produce(topic=TOPIC, content="{}")
    assert (len(empty.entries), len(tmc.trace().entries)) == (0, 1)


def test_the_sign_of_a_connect_stays_out_of_the_trace() -> None:
    with FakeTmc() as tmc, connect_sync(tmc.url, proxy=None) as client:
        client.send(connect_frame())
        entry = tmc.wait_for(FrameIn)
    sign = sign_connect(app_key="test", group="default", timestamp="1795447615402", secret="test-secret")
    assert isinstance(entry.event, FrameIn)
    assert sign.encode() not in entry.event.data


def test_messages_go_to_the_first_app_unless_another_is_named() -> None:
    with FakeTmc(apps=(App(key="one", secret="1"), App(key="two", secret="2"))) as tmc:
        tmc.produce(topic=TOPIC, content="{}")
        tmc.produce(topic=TOPIC, content="{}", app_key="two", user_id=7, id=42)
        events = [entry.event for entry in tmc.trace().entries]
    assert [event.app_key for event in events if isinstance(event, Produced)] == ["one", "two"]
    assert isinstance(events[1], Produced)
    assert (events[1].user_id, events[1].message) == (7, 42)


def test_what_the_engine_refuses_is_an_error_where_it_was_asked_for() -> None:
    with FakeTmc() as tmc, pytest.raises(ValueError, match="nobody"):
        tmc.produce(topic=TOPIC, content="{}", app_key="nobody")


# Waiting


def test_waiting_ends_on_what_has_happened_before_too() -> None:
    with FakeTmc() as tmc:
        first = tmc.produce(topic=TOPIC, content="1")
        tmc.produce(topic=TOPIC, content="2")
        assert tmc.wait_for(Produced).seq == 1
        assert tmc.wait_for(Produced, count=2).seq == 2
        assert tmc.wait_for(lambda event: isinstance(event, Produced) and event.message == first).seq == 1


def test_waiting_ends_on_what_another_thread_brings_about() -> None:
    with FakeTmc() as tmc:
        produce = threading.Thread(target=lambda: [tmc.produce(topic=TOPIC, content=str(n)) for n in range(3)])
        produce.start()
        assert tmc.wait_for(Produced, count=3).seq == 3
        produce.join()


def test_waiting_in_vain_says_what_did_happen() -> None:
    with FakeTmc() as tmc:
        tmc.produce(topic=TOPIC, content="{}")
        with pytest.raises(TimeoutError, match=r"(?s)waited 0.01 s for 2 x Produced, saw 1; .*Produced\(message="):
            tmc.wait_for(Produced, count=2, timeout=0.01)
        with pytest.raises(TimeoutError, match="x Accepted, saw 0"):
            tmc.wait_for(Accepted, timeout=0)
        assert tmc.recorder.listeners == []


def test_waiting_in_vain_in_asyncio_is_measured_in_the_loops_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with FakeTmc() as tmc:
            with pytest.raises(TimeoutError, match=r"waited 3600 s for 1 x Opened, saw 0; the last events: none"):
                await tmc.wait_for_async(Opened, timeout=3600)
            assert tmc.recorder.listeners == []
        return loop.time()

    assert virtually(main()) == pytest.approx(3600.0)


def test_a_predicate_that_fails_fails_the_wait_and_not_the_service() -> None:
    def wrong(event: Event) -> bool:
        raise LookupError("the predicate is wrong")

    with FakeTmc() as tmc:
        tmc.produce(topic=TOPIC, content="{}")
        with pytest.raises(LookupError, match="the predicate is wrong"):
            tmc.wait_for(wrong)
        tmc.produce(topic=TOPIC, content="{}")


def test_waiting_for_less_than_one_event_is_an_error() -> None:
    with FakeTmc() as tmc, pytest.raises(ValueError, match="count must be at least 1, not 0"):
        tmc.wait_for(Produced, count=0)


def test_waiting_where_it_would_stop_the_service_is_an_error() -> None:
    async def main() -> None:
        async with FakeTmc() as tmc:
            with pytest.raises(RuntimeError, match="await wait_for_async"):
                tmc.wait_for(Produced)

    asyncio.run(main())


def test_an_asyncio_test_may_wait_for_a_fake_in_a_thread_of_its_own() -> None:
    async def main(tmc: FakeTmc) -> int:
        waiting = asyncio.create_task(tmc.wait_for_async(Produced))
        await asyncio.to_thread(tmc.produce, topic=TOPIC, content="{}")
        return (await waiting).seq

    with FakeTmc() as tmc:
        assert asyncio.run(main(tmc)) == 1


# Start and stop


def test_it_runs_only_inside_with() -> None:
    tmc = FakeTmc()
    for use in (lambda: tmc.url, tmc.now, lambda: tmc.produce(topic=TOPIC, content="{}"), lambda: tmc.advance(1)):
        with pytest.raises(RuntimeError, match="inside `with FakeTmc"):
            use()
    with tmc, pytest.raises(RuntimeError, match="runs already"), tmc:
        pass
    with pytest.raises(RuntimeError, match="inside `with FakeTmc"):
        tmc.now()


def test_a_port_that_is_taken_is_an_error_and_leaves_no_thread_behind() -> None:
    threads = threading.active_count()
    with FakeTmc() as tmc:
        port = int(tmc.url.removesuffix("/").rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"), FakeTmc(port=port):
            pass
    assert threading.active_count() == threads


def test_it_is_gone_when_the_test_is_over_also_when_the_test_fails() -> None:
    threads = threading.active_count()

    def fail() -> None:
        with FakeTmc() as tmc, socket.create_connection(("127.0.0.1", int(tmc.url[:-1].rsplit(":", 1)[1]))):
            raise LookupError("the test fails")

    with pytest.raises(LookupError, match="the test fails"):
        fail()
    assert threading.active_count() == threads


def test_clients_that_are_still_there_are_closed_by_the_service() -> None:
    with FakeTmc() as tmc:
        client = connect_sync(tmc.url, proxy=None)
    assert tmc.trace().entries[-1].event == Closed(connection="c1", by="service", code=1001, reason="the service stops")
    with client:
        pass


def test_a_fault_of_the_fake_itself_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise LookupError("the engine is broken")

    def use() -> None:
        with FakeTmc() as tmc:
            tmc.do(lambda service, now: monkeypatch.setattr(service, "received", broken))
            with connect_sync(tmc.url, proxy=None) as client:
                client.send(b"x")
                tmc.wait_for(Closed)

    with pytest.raises(ExceptionGroup, match="the fake service itself failed") as caught:
        use()
    assert [str(error) for error in caught.value.exceptions] == ["the engine is broken"]


def test_a_trace_that_is_full_ends_the_run_and_says_so() -> None:
    tmc = FakeTmc()
    tmc.recorder.limit = 3

    def use() -> None:
        with tmc, connect_sync(tmc.url, proxy=None) as client:
            for _ in range(3):
                client.send(b"?")
            tmc.wait_for(FrameIn, count=2)

    with pytest.raises(ExceptionGroup, match="the fake service itself failed") as caught:
        use()
    assert {type(error) for error in caught.value.exceptions} == {TraceError}
    assert "the trace is full: it has 3 entries, and 3 is the limit" in str(caught.value.exceptions[0])
    assert len(tmc.trace().entries) == 3


def test_a_trace_says_whether_the_time_of_clients_ran() -> None:
    assert FakeTmc().trace().client_clock
    for clock in (Clock.real(), Clock.manual()):
        with FakeTmc(clock=clock) as tmc:
            assert tmc.trace().client_clock is clock.runs
        assert tmc.trace().client_clock is clock.runs


def test_what_is_due_on_the_way_happens_at_its_own_time() -> None:
    """In one jump of two hours a message whose redelivery is due every six minutes would come once, at the end."""
    with FakeTmc(clock=Clock.manual()) as tmc:
        tmc.produce(topic="taobao_trade_TradeCreate", content="{}")
        tmc.advance(7200)
        tmc.advance(24 * 3600)
        expired = tmc.wait_for(Expired)
        assert expired.time == pytest.approx(24 * 3600)
        assert sum(e.event.seconds for e in tmc.trace().entries if isinstance(e.event, Advanced)) == pytest.approx(
            93600
        )


@pytest.mark.parametrize("consumed", [True, False])
def test_a_service_without_end_forgets_sooner_what_holds_many_bytes(
    monkeypatch: pytest.MonkeyPatch, consumed: bool
) -> None:
    monkeypatch.setattr("tmcspec.trace.WEIGHT_LIMIT", 100_000)

    async def story() -> int:
        async with FakeTmc(endless=True) as tmc:
            tmc.produce(topic=TOPIC, content="{}")
            if consumed:
                async with connect(tmc.url, proxy=None) as client:
                    await client.send(connect_frame())
                    await client.recv()
                    for _ in range(6):
                        tmc.produce(topic=TOPIC, content="x" * 10_000)
            else:
                for _ in range(11):
                    tmc.produce(topic=TOPIC, content="x" * 10_000)
            return tmc.recorder.first

    assert virtually(story()) > 1


def test_a_reset_of_a_service_without_end_frees_what_was_before() -> None:
    with FakeTmc(endless=True) as tmc:
        before = weakref.ref(tmc._service)
        tmc.reset()
        assert before() is None
