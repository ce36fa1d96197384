"""What every store of handled messages does: the contract that the tests of each store inherit, and its model."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import async_solipsism
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tmcfakes.simulation import simulate
from tmcspec.client.dedupe import Claim, Store, StoreError
from tmcspec.client.dedupe_blocking import BlockingStore

AnyStore = AbstractAsyncContextManager[Any]


class Opening(Protocol):
    """Makes a store, empty when it is the first of this name."""

    def __call__(self, table: str = "tmc_dedupe") -> AnyStore: ...


def on(store: AnyStore, scenario: Callable[[Any], Awaitable[None]]) -> None:
    """Runs a scenario on a store, in virtual time."""

    async def run() -> None:
        async with store as opened:
            await scenario(opened)

    simulate(run)


async def claim(store: Store, key: str = "k", *, owner: str, now: float = 0.0, lease: float = 600.0) -> Claim:
    return await store.claim(key, owner=owner, now=now, until=now + lease)


async def done(store: Store, key: str = "k", *, owner: str, now: float = 0.0, keep: float = 1000.0) -> bool:
    return await store.done(key, owner=owner, now=now, until=now + keep)


class StoreContract:
    """Inherit it, and give the fixture `opening`."""

    def test_a_claim_is_won_once(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            assert await claim(store, owner="a") is Claim.WON
            assert await claim(store, owner="b") is Claim.BUSY
            assert await claim(store, owner="a") is Claim.BUSY

        on(opening(), scenario)

    def test_what_its_owner_has_done_is_done_for_all_until_its_time_is_over(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a")
            assert await done(store, owner="a", now=5.0, keep=1000.0)
            assert await claim(store, owner="b", now=5.0) is Claim.DONE
            assert await claim(store, owner="a", now=1004.9) is Claim.DONE
            assert await claim(store, owner="b", now=1005.0) is Claim.WON

        on(opening(), scenario)

    def test_a_released_claim_may_be_won_by_another(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a")
            await store.release("k", owner="a")
            assert await claim(store, owner="b") is Claim.WON

        on(opening(), scenario)

    def test_a_claim_is_taken_over_when_its_lease_ends_and_not_before(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a", now=1000.0, lease=600.0)
            assert await claim(store, owner="b", now=1599.999) is Claim.BUSY
            assert await claim(store, owner="b", now=1600.0) is Claim.WON
            assert await claim(store, owner="c", now=1600.0) is Claim.BUSY

        on(opening(), scenario)

    def test_a_former_owner_can_neither_release_nor_finish_what_another_has_claimed(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a", lease=1.0)
            await claim(store, owner="b", now=1.0)
            await store.release("k", owner="a")
            assert not await done(store, owner="a", now=1.0)
            assert await claim(store, owner="c", now=1.0) is Claim.BUSY
            assert await done(store, owner="b", now=1.0)

        on(opening(), scenario)

    def test_what_was_handled_is_done_though_its_lease_has_ended(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a", lease=1.0)
            assert await done(store, owner="a", now=2.0)
            assert await claim(store, owner="b", now=2.0) is Claim.DONE

        on(opening(), scenario)

    def test_what_was_handled_is_done_though_another_had_it_meanwhile_and_let_go(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a", lease=1.0)
            await claim(store, owner="b", now=1.0)
            await store.release("k", owner="b")
            assert await done(store, owner="a", now=2.0)
            assert await claim(store, owner="c", now=2.0) is Claim.DONE

        on(opening(), scenario)

    def test_a_key_whose_time_is_over_is_absent_though_it_was_not_removed(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            for n in range(20):
                await claim(store, f"dead {n}", owner="a", lease=10.0)
                await done(store, f"done {n}", owner="a", keep=10.0)
            assert await claim(store, "dead 19", owner="b", now=10.0) is Claim.WON
            assert await claim(store, "done 19", owner="b", now=10.0) is Claim.WON
            assert await done(store, "dead 18", owner="b", now=10.0)
            assert await done(store, "done 18", owner="b", now=10.0)

        on(opening(), scenario)

    def test_what_is_done_stays_so_whoever_comes(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a")
            await done(store, owner="a", keep=1000.0)
            await store.release("k", owner="a")
            assert not await done(store, owner="b", keep=5000.0)
            assert await claim(store, owner="c", now=999.0) is Claim.DONE
            assert await claim(store, owner="c", now=1000.0) is Claim.WON

        on(opening(), scenario)

    def test_keys_that_a_database_might_take_for_equal_are_different(self, opening: Opening) -> None:
        letters = ["a", "A", "a ", " a", "\u00e4", "a\u0308", "\u00c5", "\u212b", "\ufb00", "ff", "库"]
        keys = [*letters, "1", "01", "\uff11", "'", "%", "_", 200 * "x", 199 * "x" + "y"]

        async def scenario(store: Store) -> None:
            assert [await claim(store, key, owner=str(n)) for n, key in enumerate(keys)] == [Claim.WON] * len(keys)

        on(opening(), scenario)

    def test_owners_may_be_64_characters_long(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner=63 * "f" + "0")
            assert not await done(store, owner=63 * "f" + "1")
            assert await done(store, owner=63 * "f" + "0")

        on(opening(), scenario)

    @pytest.mark.parametrize("before", ["absent", "lapsed"])
    def test_of_many_who_claim_at_once_one_wins(self, opening: Opening, before: str) -> None:
        async def race() -> None:
            async with opening() as store, opening() as same:
                # Two objects are two processes, except for one that is all in memory.
                stores = [store, same] if isinstance(store, BlockingStore) else [store]
                for turn in range(20):
                    if before == "lapsed":
                        await claim(store, str(turn), owner="dead", now=0.0, lease=1.0)
                    attempts = (claim(stores[n % len(stores)], str(turn), owner=str(n), now=2.0) for n in range(16))
                    answers = await asyncio.gather(*attempts)
                    assert sorted(answers, key=str) == [Claim.BUSY] * 15 + [Claim.WON]

        asyncio.run(race())

    def test_it_agrees_with_a_model(self, opening: Opening) -> None:
        tables = (f"tmc_dedupe_{n}" for n in itertools.count())
        run_state_machine_as_test(
            lambda: StoreAndModel(opening(next(tables))),  # type: ignore[arg-type]  # a factory, says Hypothesis
            settings=settings(max_examples=25, stateful_step_count=30, deadline=None),
        )


class DatabaseContract(StoreContract):
    """The same for stores that outlive their object. They also need the fixture `run_sql`: does one statement."""

    def test_what_one_object_has_done_another_knows(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a")
            async with opening() as same:
                assert await claim(same, owner="b") is Claim.BUSY
                await done(store, owner="a")
                assert await claim(same, owner="b") is Claim.DONE

        on(opening(), scenario)

        async def later(store: Store) -> None:
            assert await claim(store, owner="c") is Claim.DONE

        on(opening(), later)

    def test_two_tables_have_nothing_in_common(self, opening: Opening) -> None:
        async def scenario(store: Store) -> None:
            await claim(store, owner="a")
            async with opening("tmc_dedupe_other") as other:
                assert await claim(other, owner="b") is Claim.WON

        on(opening(), scenario)

    def test_keys_whose_time_is_over_are_removed_by_and_by(self, opening: Opening, run_sql: RunSql) -> None:
        async def scenario(store: Store) -> None:
            old = ", ".join(f"('old {n}', NULL, 10.0)" for n in range(300))
            run_sql(f"INSERT INTO tmc_dedupe (dedupe_key, owner, expires_at) VALUES {old}")
            await done(store, "kept", owner="a", keep=1000.0)
            await claim(store, "new 0", owner="a", now=20.0)
            # The work of one call is bounded.
            assert run_sql("SELECT COUNT(*) FROM tmc_dedupe") > 40
            for n in range(1, 80):
                await claim(store, f"new {n}", owner="a", now=20.0)
            assert run_sql("SELECT COUNT(*) FROM tmc_dedupe") == 81

        on(opening(), scenario)

    def test_tables_of_another_version_are_left_alone(self, opening: Opening, run_sql: RunSql) -> None:
        async def nothing(store: Store) -> None: ...

        on(opening(), nothing)
        assert run_sql("SELECT version FROM tmc_dedupe_version") == 1
        on(opening(), nothing)
        run_sql("UPDATE tmc_dedupe_version SET version = 7")
        with pytest.raises(StoreError, match="table tmc_dedupe has version 7, this tmcspec knows version 1"):
            on(opening(), nothing)

    def test_a_store_that_cannot_be_opened_leaves_no_thread(self, opening: Opening, run_sql: RunSql) -> None:
        async def nothing(store: Store) -> None: ...

        on(opening(), nothing)
        run_sql("UPDATE tmc_dedupe_version SET version = 7")
        before = set(threading.enumerate())
        store = opening()
        with pytest.raises(StoreError):
            on(store, nothing)
        assert set(threading.enumerate()) <= before

    def test_a_closed_store_does_nothing_more(self, opening: Opening) -> None:
        async def scenario(store: BlockingStore) -> None:
            await store.close()
            await store.close()
            with pytest.raises(StoreError, match="the store of handled messages was closed"):
                await claim(store, owner="a")

        before = set(threading.enumerate())
        on(opening(), scenario)
        assert set(threading.enumerate()) <= before

    def test_many_who_open_it_at_once_all_can(self, opening: Opening) -> None:
        async def race() -> None:
            for turn in range(10):
                stores = [opening(f"tmc_dedupe_{turn}") for _ in range(8)]
                opened = await asyncio.gather(*(store.__aenter__() for store in stores))
                answers = await asyncio.gather(*(claim(store, owner=str(n)) for n, store in enumerate(opened)))
                assert sorted(answers, key=str) == [Claim.BUSY] * 7 + [Claim.WON]
                await asyncio.gather(*(store.close() for store in opened))

        asyncio.run(race())


class RunSql(Protocol):
    """Does one statement, and returns the first column of its first row, if there is one."""

    def __call__(self, statement: str) -> Any: ...


owners = st.sampled_from("ab")
keys = st.sampled_from("xyz")
seconds = st.sampled_from([1.0, 10.0, 600.0])


class StoreAndModel(RuleBasedStateMachine):
    """The model: a key is there as long as its time is not over, with an owner when it is a claim."""

    def __init__(self, store: AnyStore) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=async_solipsism.EventLoop)
        self.store = store
        self.opened: Store = self.runner.run(store.__aenter__())
        self.now = 1_767_225_600.0
        self.rows: dict[str, tuple[str | None, float]] = {}

    @rule(key=keys, owner=owners, lease=seconds)
    def claims(self, key: str, owner: str, lease: float) -> None:
        expected = Claim.WON if key not in self.rows else Claim.DONE if self.rows[key][0] is None else Claim.BUSY
        if expected is Claim.WON:
            self.rows[key] = owner, self.now + lease
        step = self.opened.claim(key, owner=owner, now=self.now, until=self.now + lease)
        assert self.runner.run(step) is expected

    @rule(key=keys, owner=owners, keep=seconds)
    def has_done(self, key: str, owner: str, keep: float) -> None:
        expected = key not in self.rows or self.rows[key][0] == owner
        if expected:
            self.rows[key] = None, self.now + keep
        step = self.opened.done(key, owner=owner, now=self.now, until=self.now + keep)
        assert self.runner.run(step) is expected

    @rule(key=keys, owner=owners)
    def releases(self, key: str, owner: str) -> None:
        if key in self.rows and self.rows[key][0] == owner:
            del self.rows[key]
        self.runner.run(self.opened.release(key, owner=owner))

    @rule(pause=st.sampled_from([0.5, 1.0, 9.5, 10.0, 600.0]))
    def time_passes(self, pause: float) -> None:
        self.now += pause
        self.rows = {key: row for key, row in self.rows.items() if row[1] > self.now}

    def teardown(self) -> None:
        self.runner.run(self.store.__aexit__(None, None, None))
        self.runner.close()
