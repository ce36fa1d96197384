"""The store in memory: what every store does, and what it forgets."""

from __future__ import annotations

import pytest
from dedupe_contract import Opening, StoreContract, claim, done, on

from tmcspec.client.dedupe import Claim, MemoryStore, StoreError


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def opening(self) -> Opening:
        return lambda table="": MemoryStore()


def test_a_full_memory_store_forgets_the_oldest_of_what_is_done_and_never_a_claim() -> None:
    async def scenario(store: MemoryStore) -> None:
        await claim(store, "claimed", owner="a")
        for key in ("old", "new"):
            await claim(store, key, owner="a")
            await done(store, key, owner="a")
        await claim(store, "another", owner="a")
        assert len(store) == 3
        assert await claim(store, "claimed", owner="b") is Claim.BUSY
        assert await claim(store, "new", owner="b") is Claim.DONE
        assert await claim(store, "old", owner="b") is Claim.WON

    on(MemoryStore(capacity=3), scenario)


def test_a_memory_store_full_of_claims_takes_no_more() -> None:
    async def scenario(store: MemoryStore) -> None:
        await claim(store, "x", owner="a", lease=10.0)
        await claim(store, "y", owner="a", lease=10.0)
        with pytest.raises(StoreError, match="all 2 keys of the memory store are being handled; its capacity"):
            await claim(store, "z", owner="a")
        # One becomes done, so there is something to forget; or their time is over.
        assert await done(store, "x", owner="a")
        assert await claim(store, "z", owner="a") is Claim.WON
        assert await claim(store, "more", owner="a", now=10.0) is Claim.WON

    on(MemoryStore(capacity=2), scenario)


def test_a_memory_store_forgets_by_itself_what_is_over() -> None:
    async def scenario(store: MemoryStore) -> None:
        for n in range(100):
            await done(store, f"old {n}", owner="a", keep=10.0)
            await claim(store, f"dead {n}", owner="a", lease=10.0)
        for n in range(40):
            await claim(store, f"new {n}", owner="a", now=20.0)
        assert len(store) == 40

    on(MemoryStore(), scenario)


def test_a_memory_store_holds_nothing_twice() -> None:
    async def scenario(store: MemoryStore) -> None:
        for n in range(20):
            await done(store, f"{n}", owner="a", keep=10.0)
        # Four go by the way, and this one changes.
        await claim(store, "19", owner="a", now=10.0, lease=10.0)
        assert len(store) == 16
        await done(store, "19", owner="a", now=10.0)
        assert len(store) == 16

    on(MemoryStore(), scenario)


def test_a_memory_store_holds_something() -> None:
    with pytest.raises(ValueError, match="capacity must be 1 key or more, not 0"):
        MemoryStore(capacity=0)
