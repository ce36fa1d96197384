"""A store of handled messages in an SQLite file: nothing to install, for all processes of one machine."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import ClassVar

from tmcspec.client.dedupe import PRUNE, Claim
from tmcspec.client.dedupe_blocking import SCHEMA_VERSION, BlockingStore, check_table, check_version


class SqliteStore(BlockingStore):
    """Keeps keys in a table of an SQLite database, which may be the application's own.

    The file must be on a local disk: the write-ahead log does not work across machines. What is done is on the disk
    when it counts (`synchronous` is FULL), so the disk decides how many messages a second can be handled.

    After an error the connection is given up, and the next step opens another.

    Args:
        path: of the file; made when missing.
        table: name of the table, 1 to 40 letters, digits and underscores; made when missing.
        busy_timeout: seconds to wait for another process that writes, >= 0.

    Raises:
        ValueError: an argument is out of its range.

    Example:
        async with SqliteStore("/var/lib/shop/tmc.db") as store:
            handler = Deduplicated(handle, store, key=by_id)
    """

    errors: ClassVar[type[Exception]] = sqlite3.Error

    def __init__(self, path: str | os.PathLike[str], *, table: str = "tmc_dedupe", busy_timeout: float = 5.0) -> None:
        if not busy_timeout >= 0:
            raise ValueError(f"busy_timeout must be 0 seconds or more, not {busy_timeout!r}")
        self._path = path
        self._table = check_table(table)
        self._busy_timeout = busy_timeout
        self._db: sqlite3.Connection | None = None
        # A connection stays in one thread; there is one writer at a time anyway.
        super().__init__(threads=1)

    def __repr__(self) -> str:
        return f"SqliteStore({os.fspath(self._path)!r}, table={self._table!r})"

    def _open(self) -> None:
        with self._transaction():
            pass

    def _shut(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _claim(self, key: str, owner: str, now: float, until: float) -> Claim:
        with self._transaction() as db:
            if self._put(db, key, owner, until, now=now, over=None):
                self._prune(db, now)
                return Claim.WON
            (holder,) = db.execute(f"SELECT owner FROM {self._table} WHERE dedupe_key = ?", (key,)).fetchone()
            return Claim.DONE if holder is None else Claim.BUSY

    def _done(self, key: str, owner: str, now: float, until: float) -> bool:
        with self._transaction() as db:
            return self._put(db, key, None, until, now=now, over=owner)

    def _release(self, key: str, owner: str) -> None:
        with self._transaction() as db:
            db.execute(f"DELETE FROM {self._table} WHERE dedupe_key = ? AND owner = ?", (key, owner))

    def _put(
        self, db: sqlite3.Connection, key: str, owner: str | None, until: float, *, now: float, over: str | None
    ) -> bool:
        """Inserts the key, or replaces it if its time is over or it is a claim of `over`. Returns whether it did."""
        put = db.execute(
            f"INSERT INTO {self._table} (dedupe_key, owner, expires_at) VALUES (?, ?, ?) "
            "ON CONFLICT (dedupe_key) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at "
            f"WHERE {self._table}.expires_at <= ? OR {self._table}.owner = ?",
            (key, owner, until, now, over),
        )
        return put.rowcount == 1

    def _prune(self, db: sqlite3.Connection, now: float) -> None:
        db.execute(
            f"DELETE FROM {self._table} WHERE dedupe_key IN "
            f"(SELECT dedupe_key FROM {self._table} WHERE expires_at <= ? ORDER BY expires_at LIMIT {PRUNE})",
            (now,),
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._db is None:
                self._db = self._connect()
            with self._db as db:
                # Immediate: who waits for another writer waits here, and not in the middle, where it fails at once.
                db.execute("BEGIN IMMEDIATE")
                yield db
        except sqlite3.Error:
            self._shut()
            raise

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=self._busy_timeout, isolation_level=None)
        try:
            # Two processes that do this to a new file at once do not wait for each other: one of them is told that it
            # is locked. The mode stays with the file, so one is enough.
            with contextlib.suppress(sqlite3.OperationalError):
                db.execute("PRAGMA journal_mode = WAL")
            self._make_tables(db)
        except BaseException:
            db.close()
            raise
        return db

    def _make_tables(self, db: sqlite3.Connection) -> None:
        table = self._table
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (dedupe_key TEXT NOT NULL PRIMARY KEY, "
                # No owner: done.
                "owner TEXT, expires_at REAL NOT NULL) WITHOUT ROWID"
            )
            db.execute(f"CREATE INDEX IF NOT EXISTS {table}_expires_at ON {table} (expires_at)")
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}_version (version INTEGER NOT NULL PRIMARY KEY)")
            db.execute(
                f"INSERT INTO {table}_version SELECT {SCHEMA_VERSION} WHERE NOT EXISTS (SELECT 1 FROM {table}_version)"
            )
            (version,) = db.execute(f"SELECT version FROM {table}_version").fetchone()
            check_version(table, version)
