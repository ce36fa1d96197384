"""The store in an SQLite file: what every store does, and what becomes of processes that share one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from dedupe_contract import DatabaseContract, Opening, RunSql, claim, done

from tmcfakes.simulation import simulate
from tmcspec.client.dedupe import Claim, Deduplicated, StoreError
from tmcspec.client.dedupe_keys import by_id
from tmcspec.client.dedupe_sqlite import SqliteStore
from tmcspec.client.errors import FailMessage
from tmcspec.client.message import Message

WORKER = Path(__file__).with_name("dedupe_worker.py")
MESSAGE = Message(id=7, topic="taobao_trade_TradeCreate")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tmc.db"


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection to the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        yield connection


class TestSqliteStore(DatabaseContract):
    @pytest.fixture
    def opening(self, path: Path) -> Opening:
        return lambda table="tmc_dedupe": SqliteStore(path, table=table, busy_timeout=60.0)

    @pytest.fixture
    def run_sql(self, path: Path) -> RunSql:
        def run(statement: str) -> object:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                return (connection.execute(statement).fetchone() or (None,))[0]

        return run


# The file


def test_readers_do_not_wait_for_writers(path: Path, other: sqlite3.Connection) -> None:
    async def scenario() -> None:
        async with SqliteStore(path):
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    simulate(scenario)


def test_a_file_that_cannot_be_given_a_log_just_now_is_used_all_the_same(path: Path, other: sqlite3.Connection) -> None:
    class Patient(SqliteStore):
        def _make_tables(self, db: sqlite3.Connection) -> None:
            other.execute("COMMIT")
            super()._make_tables(db)

    async def scenario() -> None:
        other.execute("CREATE TABLE orders (tid INTEGER)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM orders").fetchall()
        async with Patient(path, busy_timeout=0.0) as store:
            assert await claim(store, owner="a") is Claim.WON

    simulate(scenario)


def test_the_event_loop_goes_on_while_a_step_waits_for_the_file(path: Path, other: sqlite3.Connection) -> None:
    async def scenario() -> None:
        async with SqliteStore(path, busy_timeout=60.0) as store:
            other.execute("BEGIN IMMEDIATE")
            step = asyncio.create_task(claim(store, owner="a"))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not step.done()
            other.execute("COMMIT")
            assert await step is Claim.WON

    asyncio.run(scenario())


async def never(message: Message) -> None:
    pytest.fail("the handler was called though nobody knows whether the message was handled")


def test_a_locked_file_makes_the_message_come_again(path: Path, other: sqlite3.Connection) -> None:
    async def scenario() -> None:
        async with SqliteStore(path, busy_timeout=0.0) as store:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(
                StoreError, match=r"^the store of handled messages failed \(OperationalError\)$"
            ) as caught:
                await Deduplicated(never, store, key=by_id)(MESSAGE)
            assert "locked" in str(caught.value.__cause__)
            # It was locked for a while, not for ever.
            other.execute("COMMIT")
            assert await claim(store, owner="a") is Claim.WON

    simulate(scenario)


class FullDisk(SqliteStore):
    """The file cannot grow beyond some pages."""

    def _connect(self) -> sqlite3.Connection:
        db = super()._connect()
        db.execute("PRAGMA max_page_count = 8")
        return db


def test_a_full_disk_makes_the_message_come_again_and_spoils_nothing(path: Path) -> None:
    won = 0

    async def fill(store: FullDisk) -> None:
        nonlocal won
        while True:
            won += await claim(store, f"{won}".ljust(200), owner="a") is Claim.WON

    async def scenario() -> None:
        async with FullDisk(path) as store:
            with pytest.raises(StoreError) as caught:
                await fill(store)
            assert "full" in str(caught.value.__cause__)
            with pytest.raises(StoreError):
                await Deduplicated(never, store, key=lambda message: "7".ljust(200, "x"))(MESSAGE)
        async with SqliteStore(path) as store:
            assert [await claim(store, f"{n}".ljust(200), owner="b") for n in range(won)] == [Claim.BUSY] * won

    simulate(scenario)


def test_what_is_no_database_is_not_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"not a database" * 100)
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remembered(*arguments: Any, **options: Any) -> sqlite3.Connection:
        options["check_same_thread"] = False
        connections.append(connect(*arguments, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)

    async def scenario() -> None:
        async with SqliteStore(path):
            pass

    with pytest.raises(StoreError, match="DatabaseError"):
        simulate(scenario)
    assert path.read_bytes() == b"not a database" * 100
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connections[0].execute("SELECT 1")


def test_a_file_that_was_damaged_is_used_again_when_it_was_replaced(path: Path) -> None:
    async def scenario() -> None:
        async with SqliteStore(path) as store:
            await claim(store, owner="a")
            for file in path.parent.iterdir():
                file.write_bytes(b"damaged" * 10_000)
            with pytest.raises(StoreError):
                await claim(store, owner="b")
            for file in path.parent.iterdir():
                file.unlink()
            assert await claim(store, owner="b") is Claim.WON

    simulate(scenario)


def test_a_missing_directory_is_an_error_and_a_file_is_made(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "shop" / "tmc.db")

    async def scenario() -> None:
        with pytest.raises(StoreError) as caught:
            await claim(store, owner="a")
        assert "unable to open" in str(caught.value.__cause__)
        (tmp_path / "shop").mkdir()
        assert await claim(store, owner="a") is Claim.WON
        await store.close()

    simulate(scenario)


def test_a_store_that_was_never_used_can_be_closed(path: Path) -> None:
    async def scenario() -> None:
        await SqliteStore(path).close()

    simulate(scenario)
    assert not path.exists()


@pytest.mark.parametrize("table", ["", "tmc dedupe", 'x"; DROP TABLE y; --', "1a", "sqlite_x", "x\n", 41 * "a", "表"])
def test_a_table_needs_a_plain_name(path: Path, table: str) -> None:
    with pytest.raises(ValueError, match="table must be a name of 1 to 40 letters, digits and underscores"):
        SqliteStore(path, table=table)


def test_a_busy_timeout_is_not_negative(path: Path) -> None:
    with pytest.raises(ValueError, match="busy_timeout must be 0 seconds or more, not -1"):
        SqliteStore(path, busy_timeout=-1)


def test_its_repr_says_where_it_is() -> None:
    assert repr(SqliteStore("shop.db", table="handled")) == "SqliteStore('shop.db', table='handled')"


# Processes


@contextlib.contextmanager
def worker(*words: object) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """A process that says what it does line by line, and waits for a line where it is told to."""
    command = [sys.executable, str(WORKER), *map(str, words)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdin, process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_two_processes_that_race_for_the_same_keys_handle_each_once(path: Path) -> None:
    with worker("race", path, 100) as (_, to_one, from_one), worker("race", path, 100) as (_, to_two, from_two):
        assert from_one.readline() == from_two.readline() == "ready\n"
        for to in (to_one, to_two):
            to.write("go\n")
            to.close()
        lines = [*from_one, *from_two]
    handled = Counter(line for line in lines if line.startswith("handled"))
    assert handled == Counter(f"handled {n}\n" for n in range(100))
    # Each of them may confirm all.
    assert Counter(line for line in lines if line.startswith("returned")) == Counter(
        f"returned {n}\n" for n in range(100) for _ in range(2)
    )


def test_what_a_killed_process_was_handling_is_taken_over_when_its_lease_ends_and_not_before(path: Path) -> None:
    with worker("hang", path, MESSAGE.id, 1000.0) as (process, _, from_it):
        assert from_it.readline() == f"handling {MESSAGE.id}\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    taken_over: list[float] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        def wall() -> float:
            return 1000.0 + loop.time()

        async def handle(message: Message) -> None:
            taken_over.append(wall())

        async with SqliteStore(path) as store:
            handler = Deduplicated(handle, store, key=by_id, lease=600.0, wall_clock=wall)
            # It comes again six minutes after each push that was not confirmed.
            for pushed_at in (10.0, 370.0):
                await asyncio.sleep(pushed_at - loop.time())
                with pytest.raises(FailMessage):
                    await handler(MESSAGE)
            await asyncio.sleep(590.0 - loop.time())
            await handler(MESSAGE)

    simulate(scenario)
    assert taken_over == [1600.0]


def test_what_a_process_has_handled_is_done_after_it_was_killed(path: Path) -> None:
    with worker("race", path, 1) as (process, to, from_it):
        assert from_it.readline() == "ready\n"
        to.write("go\n")
        to.flush()
        assert [from_it.readline(), from_it.readline()] == ["handled 0\n", "returned 0\n"]
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL

    async def scenario() -> None:
        async with SqliteStore(path) as store:
            await Deduplicated(never, store, key=by_id)(Message(id=0, topic="t"))

    simulate(scenario)


def test_a_path_may_be_a_text(path: Path) -> None:
    async def scenario() -> None:
        async with SqliteStore(os.fspath(path)) as store:
            assert await done(store, owner="a")

    simulate(scenario)
    assert path.exists()
