"""A handler that handles each key once: who waits for whom, and what a failure leads to.

All in virtual time. Another process is another `Deduplicated` on the same store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from dedupe_contract import claim

from tmcfakes.simulation import simulate
from tmcspec.client.dedupe import Claim, Deduplicated, MemoryStore, StoreError
from tmcspec.client.dedupe_keys import by_id
from tmcspec.client.errors import FailMessage
from tmcspec.client.message import Message


def simulated(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a scenario in virtual time."""

    def test() -> None:
        simulate(scenario)

    test.__name__ = scenario.__name__
    return test


def now() -> float:
    return asyncio.get_running_loop().time()


def same(message: Message) -> str | None:
    return "same"


def message(id: int = 1) -> Message:
    return Message(id=id, topic="taobao_trade_TradeCreate", content='{"tid": 1}')


class Work:
    """A handler that takes its time, does what it is told (an exception is raised), and remembers who came when."""

    def __init__(self, *results: BaseException | None, seconds: float = 5.0) -> None:
        self.results = list(results)
        self.seconds = seconds
        self.began: list[tuple[float, int]] = []
        self.ended: list[tuple[float, int]] = []

    async def __call__(self, message: Message) -> None:
        self.began.append((now(), message.id))
        await asyncio.sleep(self.seconds)
        if (result := self.results.pop(0) if self.results else None) is not None:
            raise result
        self.ended.append((now(), message.id))


class Counting(MemoryStore):
    """Counts claims."""

    claims = 0

    async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
        self.claims += 1
        return await super().claim(key, owner=owner, now=now, until=until)


def handler(work: Any, store: Any, **options: Any) -> Deduplicated:
    return Deduplicated(work, store, **{"key": same, "wall_clock": now} | options)


async def outcome(call: Coroutine[Any, Any, None]) -> tuple[float, BaseException | None]:
    """When a call ended, and how."""
    try:
        await call
    except BaseException as error:
        return now(), error
    return now(), None


async def outcomes(*calls: Coroutine[Any, Any, None]) -> list[tuple[float, BaseException | None]]:
    return await asyncio.gather(*map(outcome, calls))


# Once


@simulated
async def test_copies_that_come_at_once_are_handled_once_and_all_wait_until_it_is_done() -> None:
    work, store = Work(seconds=5.0), Counting()
    handle = handler(work, store)
    assert await outcomes(*(handle(message(id)) for id in range(1, 6))) == 5 * [(5.0, None)]
    assert work.ended == [(5.0, 1)]
    # Those who wait do not ask the store.
    assert store.claims == 1


@simulated
async def test_a_copy_that_comes_later_is_not_handled_again() -> None:
    work = Work()
    handle = handler(work, MemoryStore())
    await handle(message(1))
    assert await outcome(handle(message(2))) == (5.0, None)
    assert work.ended == [(5.0, 1)]


@simulated
async def test_a_key_is_forgotten_when_it_was_kept_long_enough() -> None:
    work = Work(seconds=0.0)
    handle = handler(work, MemoryStore(), keep=100.0)
    for pause in (0.0, 99.5, 0.5, 1.0):
        await asyncio.sleep(pause)
        await handle(message())
    assert [began for began, _ in work.began] == [0.0, 100.0]


@simulated
async def test_what_is_done_is_kept_for_longer_than_the_service_keeps_messages_by_default() -> None:
    work = Work()
    handle = handler(work, MemoryStore())
    await handle(message())
    for _ in range(47):
        await asyncio.sleep(3600.0)
    await handle(message())
    assert len(work.began) == 1


@simulated
async def test_messages_without_a_key_are_all_handled_and_the_store_is_not_asked() -> None:
    work, store = Work(), Counting()
    handle = handler(work, store, key=lambda message: None)
    assert await outcomes(handle(message(1)), handle(message(2))) == 2 * [(5.0, None)]
    assert work.ended == [(5.0, 1), (5.0, 2)]
    assert store.claims == 0


@simulated
async def test_messages_with_different_keys_do_not_wait_for_each_other() -> None:
    work = Work()
    handle = handler(work, MemoryStore(), key=by_id)
    assert await outcomes(handle(message(1)), handle(message(2))) == 2 * [(5.0, None)]
    assert work.ended == [(5.0, 1), (5.0, 2)]


# Failures


@pytest.mark.parametrize(
    "error",
    [FailMessage("no stock"), ValueError("bad"), asyncio.CancelledError(), GeneratorExit()],
    ids=lambda error: type(error).__name__,
)
def test_when_the_first_fails_a_copy_that_waits_is_handled(error: BaseException) -> None:
    async def scenario() -> None:
        work = Work(error)
        handle = handler(work, MemoryStore())
        first, second = await outcomes(handle(message(1)), handle(message(2)))
        assert first[0] == 5.0
        assert type(first[1]) is type(error)
        assert second == (10.0, None)
        assert work.ended == [(10.0, 2)]

    simulate(scenario)


@simulated
async def test_when_all_fail_none_is_confirmed_and_the_next_is_handled() -> None:
    work = Work(FailMessage("one"), FailMessage("two"), FailMessage("three"))
    handle = handler(work, MemoryStore())
    ends = await outcomes(*(handle(message(id)) for id in (1, 2, 3)))
    assert [(when, str(error)) for when, error in ends] == [(5.0, "one"), (10.0, "two"), (15.0, "three")]
    await handle(message(1))
    assert work.ended == [(20.0, 1)]


@simulated
async def test_a_handler_that_is_cancelled_leaves_no_claim() -> None:
    work, store = Work(), MemoryStore()
    handle = handler(work, store)
    task = asyncio.create_task(handle(message(1)))
    await asyncio.sleep(1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(store) == 0
    await handle(message(2))
    assert work.ended == [(6.0, 2)]


@simulated
async def test_a_copy_that_is_cancelled_while_it_waits_disturbs_nobody() -> None:
    work = Work()
    handle = handler(work, MemoryStore())
    tasks = [asyncio.create_task(handle(message(id))) for id in (1, 2, 3)]
    await asyncio.sleep(1.0)
    tasks[1].cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), asyncio.CancelledError, type(None)]
    assert work.ended == [(5.0, 1)]


class Slow(MemoryStore):
    """Each step takes a second before it is done, and another until that is known."""

    async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
        await asyncio.sleep(1.0)
        answer = await super().claim(key, owner=owner, now=now, until=until)
        await asyncio.sleep(1.0)
        return answer

    async def done(self, key: str, *, owner: str, now: float, until: float) -> bool:
        await asyncio.sleep(1.0)
        answer = await super().done(key, owner=owner, now=now, until=until)
        await asyncio.sleep(1.0)
        return answer


@pytest.mark.parametrize("at", [0.5, 1.5])
def test_a_call_that_is_cancelled_while_it_claims_leaves_no_claim(at: float) -> None:
    async def scenario() -> None:
        work, store = Work(), Slow()
        task = asyncio.create_task(handler(work, store)(message()))
        await asyncio.sleep(at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(5.0)
        assert len(store) == 0
        assert work.began == []

    simulate(scenario)


@pytest.mark.parametrize("at", [7.5, 8.5])
def test_a_call_that_is_cancelled_after_its_handler_ended_is_done_all_the_same(at: float) -> None:
    async def scenario() -> None:
        work, store = Work(), Slow()
        handle = handler(work, store)
        task = asyncio.create_task(handle(message()))
        await asyncio.sleep(at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await handle(message())
        assert work.ended == [(7.0, 1)]

    simulate(scenario)


class Broken(MemoryStore):
    """One of its steps fails: after it was done, which is the worst."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    def _fail(self, step: str) -> None:
        if step == self.step:
            raise StoreError(f"cannot {step}")

    async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
        answer = await super().claim(key, owner=owner, now=now, until=until)
        self._fail("claim")
        return answer

    async def done(self, key: str, *, owner: str, now: float, until: float) -> bool:
        self._fail("done")
        return await super().done(key, owner=owner, now=now, until=until)

    async def release(self, key: str, *, owner: str) -> None:
        self._fail("release")
        await super().release(key, owner=owner)


@simulated
async def test_a_store_that_cannot_claim_makes_the_message_come_again_unhandled() -> None:
    work, store = Work(), Broken("claim")
    handle = handler(work, store)
    with pytest.raises(StoreError, match="cannot claim"):
        await handle(message())
    assert work.began == []
    store.step = ""
    await handle(message())
    assert work.ended == [(5.0, 1)]


@simulated
async def test_a_store_that_cannot_say_done_makes_the_message_come_again() -> None:
    work, store = Work(), Broken("done")
    handle = handler(work, store)
    assert [(when, str(error)) for when, error in await outcomes(handle(message(1)), handle(message(2)))] == [
        (5.0, "cannot done"),
        (10.0, "cannot done"),
    ]
    store.step = ""
    await handle(message(1))
    assert work.ended == [(5.0, 1), (10.0, 2), (15.0, 1)]


def test_a_store_that_cannot_release_does_not_hide_why_the_handler_failed(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        handle = handler(Work(FailMessage("no stock")), Broken("release"))
        with pytest.raises(FailMessage, match="no stock"):
            await handle(message())
        # Nobody knows whether it was released, so the next waits for the end of its lease.
        with pytest.raises(FailMessage, match="still being handled"):
            await handle(message())

    simulate(scenario)
    assert "the claim of 'same' may last for 600 s: StoreError('cannot release')" in caplog.text


# Waiting


@simulated
async def test_a_copy_waits_with_patience_and_then_comes_again() -> None:
    work = Work(seconds=45.0)
    handle = handler(work, MemoryStore(), patience=30.0)
    first, second = await outcomes(handle(message(1)), handle(message(2)))
    assert first == (45.0, None)
    assert second[0] == 30.0
    assert isinstance(second[1], FailMessage)
    assert str(second[1]) == "a copy of this message is still being handled"
    await handle(message(2))
    assert work.ended == [(45.0, 1)]


@simulated
async def test_without_patience_a_copy_comes_again_at_once() -> None:
    store = MemoryStore()
    handle, elsewhere = (handler(Work(), store, patience=0.0) for _ in range(2))
    ends = await outcomes(handle(message(1)), handle(message(2)), elsewhere(message(3)))
    assert [(when, type(error)) for when, error in ends] == [(5.0, type(None)), (0.0, FailMessage), (0.0, FailMessage)]


@simulated
async def test_patience_is_for_all_of_the_waiting_together() -> None:
    work = Work(FailMessage("one"), None, seconds=20.0)
    handle = handler(work, MemoryStore(), patience=30.0)
    ends = await outcomes(*(handle(message(id)) for id in (1, 2, 3)))
    assert [when for when, _ in ends] == [20.0, 40.0, 30.0]
    assert work.ended == [(40.0, 2)]


@simulated
async def test_a_copy_that_another_process_handles_is_asked_for_again_and_again() -> None:
    work, other_work, store = Work(seconds=5.1), Work(), Counting()
    handle = handler(work, store)
    other = handler(other_work, store, poll_interval=0.25)
    ends = await outcomes(handle(message(1)), other(message(2)), other(message(3)))
    assert ends == [(5.1, None), (5.25, None), (5.25, None)]
    assert work.ended == [(5.1, 1)]
    assert other_work.began == []
    # One of those who wait there asks for both.
    assert store.claims == 1 + 22


@simulated
async def test_a_copy_waits_for_another_process_with_patience_too() -> None:
    store = MemoryStore()
    await claim(store, "same", owner="elsewhere", lease=600.0)
    # The last look is when patience ends, not an interval later.
    when, error = await outcome(handler(Work(), store, patience=30.0, poll_interval=7.0)(message()))
    assert (when, type(error)) == (30.0, FailMessage)


@simulated
async def test_what_another_process_released_is_handled_here() -> None:
    store, work = MemoryStore(), Work()
    other = handler(Work(ValueError("bad")), store)
    ends = await outcomes(other(message(1)), handler(work, store)(message(2)))
    assert [(when, type(error)) for when, error in ends] == [(5.0, ValueError), (10.0, type(None))]
    assert work.began == [(5.0, 2)]


@simulated
async def test_the_claim_of_a_dead_process_is_taken_over_when_its_lease_ends() -> None:
    store, work = MemoryStore(), Work()
    await claim(store, "same", owner="dead", now=0.0, lease=600.0)
    handle = handler(work, store)
    await asyncio.sleep(580.0)
    await handle(message())
    assert work.began == [(600.0, 1)]


def test_a_handler_that_is_slower_than_its_lease_is_warned_about_and_touches_nobody_elses_claim(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        slow = asyncio.create_task(handler(Work(seconds=15.0), store, lease=10.0)(message(1)))
        await asyncio.sleep(10.0)
        other = asyncio.create_task(handler(Work(seconds=15.0), store, lease=20.0)(message(2)))
        await slow
        assert await claim(store, "same", owner="third", now=now()) is Claim.BUSY
        await other
        assert await claim(store, "same", owner="third", now=now()) is Claim.DONE

    simulate(scenario)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == [
        "message 1 took longer than the lease of 10 s, and somebody else has claimed 'same' meanwhile: it may be "
        "handled twice"
    ]


# Arguments


@simulated
async def test_owners_differ_and_times_are_those_of_the_wall_clock() -> None:
    seen: list[tuple[str, float, float]] = []

    class Watching(MemoryStore):
        async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
            seen.append((owner, now, until))
            return await super().claim(key, owner=owner, now=now, until=until)

    names = iter("ab")
    options = {"key": by_id, "wall_clock": lambda: 1000.0, "lease": 60.0}
    await outcomes(*(handler(Work(), Watching(), new_owner=lambda: next(names), **options)(message()) for _ in "ab"))
    assert seen == [("a", 1000.0, 1060.0), ("b", 1000.0, 1060.0)]
    handle = handler(Work(), Watching(), **options)
    await outcomes(*(handle(message(id)) for id in range(100)))
    assert len({owner for owner, _, _ in seen}) == 102


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lease": 0}, "lease must be more than 0 seconds and finite, not 0"),
        ({"lease": float("nan")}, "lease must be more than 0 seconds and finite, not nan"),
        ({"keep": float("inf")}, "keep must be more than 0 seconds and finite, not inf"),
        ({"poll_interval": -1}, "poll_interval must be more than 0 seconds and finite, not -1"),
        ({"patience": -1}, "patience must be 0 seconds or more and less than 60, not -1"),
        (
            {"patience": 60},
            "patience must be 0 seconds or more and less than 60, not 60: a message that",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        handler(Work(), MemoryStore(), **options)


def test_a_plain_function_is_no_handler() -> None:
    with pytest.raises(TypeError, match="the handler must be an `async def` function, not <function message"):
        handler(message, MemoryStore())


@pytest.mark.parametrize(
    ("store", "key", "text"),
    [
        ("handled.sqlite", same, "the store must be one, as SqliteStore"),
        (MemoryStore(), "tid", "key must be a function of a message, as by_content_fields"),
    ],
    ids=["store", "key"],
)
def test_what_is_no_store_or_no_key_function_is_named(store: Any, key: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        handler(Work(), store, key=key)


@simulated
async def test_what_is_no_key_makes_the_message_come_again() -> None:
    work = Work()
    for bad, error in ((7, TypeError), ("", ValueError)):
        with pytest.raises(error, match="the key of a message"):
            await handler(work, MemoryStore(), key=lambda message, bad=bad: bad)(message())
    assert work.began == []
