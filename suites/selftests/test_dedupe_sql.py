"""The store in a database of SQLAlchemy's: what every store does, on SQLite and on PostgreSQL.

PostgreSQL is tested when TMCSPEC_TEST_POSTGRES is the URL of a database for tests, as
`postgresql+psycopg://tester@127.0.0.1:5432/tests`. Tables there whose names begin with tmc_dedupe are dropped.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dedupe_contract import DatabaseContract, Opening, RunSql, claim, done

from tmcfakes.simulation import simulate
from tmcspec.client import dedupe_sql
from tmcspec.client.dedupe import Claim, Deduplicated, StoreError
from tmcspec.client.dedupe_keys import by_id
from tmcspec.client.dedupe_sql import SqlStore
from tmcspec.client.message import Message

POSTGRES = os.environ.get("TMCSPEC_TEST_POSTGRES")
MESSAGE = Message(id=7, topic="taobao_trade_TradeCreate")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'tmc.db'}", connect_args={"timeout": 60})

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")  # nobody pulls a plug here

    yield engine
    engine.dispose()


class SqlContract(DatabaseContract):
    @pytest.fixture
    def opening(self, engine: sa.Engine) -> Opening:
        return lambda table="tmc_dedupe": SqlStore(engine, table=table, threads=1)

    @pytest.fixture
    def run_sql(self, engine: sa.Engine) -> RunSql:
        def run(statement: str) -> Any:
            with engine.begin() as connection:
                result = connection.execute(sa.text(statement))
                return result.scalar() if result.returns_rows else None

        return run


class TestOnSqlite(SqlContract):
    pass


@pytest.mark.skipif(not POSTGRES, reason="TMCSPEC_TEST_POSTGRES is not set to the URL of a database for tests")
class TestOnPostgres(SqlContract):
    @pytest.fixture
    def engine(self) -> Iterator[sa.Engine]:
        engine = sa.create_engine(POSTGRES or "", pool_size=20)
        yield engine
        tables = sa.MetaData()
        tables.reflect(engine, only=lambda name, _: name.startswith("tmc_dedupe"))
        tables.drop_all(engine)
        engine.dispose()

    @pytest.fixture
    def opening(self, engine: sa.Engine) -> Opening:
        return lambda table="tmc_dedupe": SqlStore(engine, table=table, threads=4)


# Somebody is faster


@pytest.fixture
def meanwhile(engine: sa.Engine) -> Iterator[Callable[[str, str], None]]:
    """Does one statement just before the next one that begins with a word."""
    waiting: list[tuple[str, str]] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def before(connection: sa.Connection, cursor: Any, statement: str, *more: Any) -> None:
        if waiting and statement.startswith(waiting[0][0]):
            cursor.execute(waiting.pop()[1])

    yield lambda word, statement: waiting.append((word, statement))
    assert not waiting


ROW = dedupe_sql._row_key("k")


def test_a_claim_that_another_makes_after_the_look_is_lost(
    engine: sa.Engine, meanwhile: Callable[[str, str], None]
) -> None:
    async def scenario() -> None:
        async with SqlStore(engine) as store:
            meanwhile("INSERT INTO tmc_dedupe ", f"INSERT INTO tmc_dedupe VALUES ('{ROW}', 'b', 600.0)")
            assert await claim(store, owner="a") is Claim.BUSY
            assert await done(store, owner="b")

    simulate(scenario)


def test_a_claim_that_another_takes_over_after_the_look_is_lost(
    engine: sa.Engine, meanwhile: Callable[[str, str], None]
) -> None:
    async def scenario() -> None:
        async with SqlStore(engine) as store:
            await claim(store, owner="dead", lease=10.0)
            meanwhile("UPDATE tmc_dedupe ", "UPDATE tmc_dedupe SET owner = 'b', expires_at = 600.0")
            assert await claim(store, owner="a", now=10.0) is Claim.BUSY
            assert await done(store, owner="b", now=10.0)

    simulate(scenario)


def test_a_key_that_is_claimed_again_meanwhile_is_not_pruned(
    engine: sa.Engine, meanwhile: Callable[[str, str], None]
) -> None:
    async def scenario() -> None:
        async with SqlStore(engine) as store:
            await done(store, owner="a", keep=10.0)
            meanwhile("DELETE FROM tmc_dedupe ", "UPDATE tmc_dedupe SET owner = 'b', expires_at = 600.0")
            assert await claim(store, "another", owner="a", now=10.0) is Claim.WON
            assert await claim(store, owner="a", now=10.0) is Claim.BUSY

    simulate(scenario)


@pytest.mark.parametrize("table", ["tmc_dedupe", "tmc_dedupe_version"])
def test_a_table_that_another_process_makes_at_the_same_time_will_do(
    engine: sa.Engine, meanwhile: Callable[[str, str], None], table: str
) -> None:
    columns = {
        "tmc_dedupe": "dedupe_key VARCHAR(64) PRIMARY KEY, owner VARCHAR(64), expires_at DOUBLE NOT NULL",
        "tmc_dedupe_version": "version INTEGER PRIMARY KEY",
    }

    async def scenario() -> None:
        meanwhile(f"\nCREATE TABLE {table} ", f"CREATE TABLE {table} ({columns[table]})")
        async with SqlStore(engine) as store:
            assert await claim(store, owner="a") is Claim.WON

    simulate(scenario)


def test_a_version_that_another_process_writes_at_the_same_time_will_do(
    engine: sa.Engine, meanwhile: Callable[[str, str], None]
) -> None:
    async def scenario() -> None:
        meanwhile("INSERT INTO tmc_dedupe_version ", "INSERT INTO tmc_dedupe_version VALUES (1)")
        async with SqlStore(engine) as store:
            assert await claim(store, owner="a") is Claim.WON

    simulate(scenario)


# Failures


async def never(message: Message) -> None:
    pytest.fail("the handler was called though nobody knows whether the message was handled")


def test_a_database_that_is_gone_makes_the_message_come_again_and_is_used_when_it_is_back(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop' / 'tmc.db'}")

    async def scenario() -> None:
        store = SqlStore(engine)
        # The text is told to the service: nothing in it about hosts, paths or statements.
        with pytest.raises(StoreError, match=r"^the store of handled messages failed \(OperationalError\)$") as caught:
            await Deduplicated(never, store, key=by_id)(MESSAGE)
        assert "unable to open" in str(caught.value.__cause__)
        (tmp_path / "shop").mkdir()
        assert await claim(store, owner="a") is Claim.WON
        await store.close()

    simulate(scenario)
    engine.dispose()


def test_keys_that_cannot_be_pruned_now_do_not_delay_a_message(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with SqlStore(engine) as store:
            await done(store, "old", owner="a", keep=10.0)
            with engine.begin() as connection:
                connection.exec_driver_sql(
                    "CREATE TRIGGER no BEFORE DELETE ON tmc_dedupe BEGIN SELECT RAISE(ABORT, 'not now'); END"
                )
            assert await claim(store, owner="a", now=10.0) is Claim.WON

    simulate(scenario)
    assert "old keys of <SqlStore sqlite table='tmc_dedupe'> stay for now: IntegrityError" in caplog.text


def test_the_event_loop_goes_on_while_a_step_waits_for_the_database(engine: sa.Engine) -> None:
    async def scenario() -> None:
        async with SqlStore(engine) as store:
            with engine.connect() as other:
                other.exec_driver_sql("BEGIN IMMEDIATE")
                step = asyncio.create_task(claim(store, owner="a"))
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not step.done()
                other.exec_driver_sql("COMMIT")
            assert await step is Claim.WON

    asyncio.run(scenario())


# Arguments


@pytest.mark.parametrize("engine", ["sqlite:///secret.db", None])
def test_an_engine_is_an_engine(engine: Any) -> None:
    with pytest.raises(TypeError, match=r"must be what sqlalchemy\.create_engine returns, not (str|NoneType)$"):
        SqlStore(engine)


def test_arguments_out_of_range_are_refused(engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="table must be a name of 1 to 40 letters, digits and underscores"):
        SqlStore(engine, table="tmc dedupe")
    with pytest.raises(ValueError, match="threads must be 1 or more, not 0"):
        SqlStore(engine, threads=0)


def test_the_engine_stays_as_it_was(engine: sa.Engine) -> None:
    async def scenario() -> None:
        async with SqlStore(engine):
            pass

    before = engine.get_execution_options()
    simulate(scenario)
    assert engine.get_execution_options() == before
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"


def test_no_password_is_in_the_repr() -> None:
    engine = sa.create_engine("sqlite://", connect_args={})
    engine.url = sa.make_url("postgresql://shop:hush@db/shop?password=hush")
    assert "hush" not in repr(SqlStore(engine))
    engine.dispose()


def test_without_sqlalchemy_the_module_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "tmcspec.client.dedupe_sql")
    with pytest.raises(ImportError, match=r"needs SQLAlchemy: pip install 'tmcspec\[sql\]'"):
        importlib.import_module("tmcspec.client.dedupe_sql")
