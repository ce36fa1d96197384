"""A store of handled messages in any database that SQLAlchemy knows: for processes on several machines.

What decides a step is one statement, in a transaction of its own (AUTOCOMMIT), so no two steps can wait for each other.
Who loses a race is told so: BUSY. Only where the server is set to SERIALIZABLE it is an error, and the message comes
again.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from hashlib import sha256
from typing import ClassVar

from tmcspec.client.dedupe import PRUNE, Claim
from tmcspec.client.dedupe_blocking import SCHEMA_VERSION, BlockingStore, check_table, check_version

try:
    import sqlalchemy as sa
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError
except ImportError as missing:
    raise ImportError("tmcspec.client.dedupe_sql needs SQLAlchemy: pip install 'tmcspec[sql]'") from missing

log = logging.getLogger("tmcspec.client")

# To prune costs two statements, so it is not done with every claim, but with the first of so many.
_PRUNE_EVERY = 64


class SqlStore(BlockingStore):
    """Keeps keys in a table of a database.

    The table holds the SHA-256 of each key, in hexadecimal: what collations take for equal (case, accents, trailing
    spaces) is not, and some databases refuse some texts.

    Args:
        engine: from `sqlalchemy.create_engine(…)`, with a driver for threads, as `postgresql+psycopg` or
            `mysql+pymysql`. It stays yours: dispose of it after the store is closed. With `pool_pre_ping=True` a
            restart of the database costs no message a delay.
        table: name of the table, 1 to 40 letters, digits and underscores; made when missing, beside another with
            `_version` added.
        threads: steps at a time, >= 1; the pool of the engine needs as many connections.

    Raises:
        TypeError: engine is not an Engine; AsyncEngine is not one.
        ValueError: an argument is out of its range.

    Example:
        engine = create_engine("postgresql+psycopg://…", pool_pre_ping=True)
        async with SqlStore(engine) as store:
            handler = Deduplicated(handle, store, key=by_id)
    """

    errors: ClassVar[type[Exception]] = SQLAlchemyError

    def __init__(self, engine: sa.Engine, *, table: str = "tmc_dedupe", threads: int = 4) -> None:
        if not isinstance(engine, sa.Engine):
            # Not its value: a URL has a password in it.
            raise TypeError(f"engine must be what sqlalchemy.create_engine returns, not {type(engine).__name__}")
        super().__init__(threads=threads)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._metadata = sa.MetaData()
        self._keys = sa.Table(
            check_table(table),
            self._metadata,
            sa.Column("dedupe_key", sa.String(64), primary_key=True),
            # No owner: done.
            sa.Column("owner", sa.String(64), nullable=True),
            sa.Column("expires_at", sa.Double, nullable=False, index=True),
        )
        self._version = sa.Table(
            f"{table}_version",
            self._metadata,
            sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        )
        self._opening = threading.Lock()
        self._opened = False
        self._claims = itertools.count()

    def __repr__(self) -> str:
        # Not the address: there may be a password in it.
        return f"<SqlStore {self._engine.name} table={self._keys.name!r}>"

    def _open(self) -> None:
        with self._opening:
            if not self._opened:
                self._make_tables()
                self._opened = True

    def _shut(self) -> None:
        """The engine is somebody else's."""

    def _claim(self, key: str, owner: str, now: float, until: float) -> Claim:
        self._open()
        if next(self._claims) % _PRUNE_EVERY == 0:
            self._prune(now)
        keys, row_key = self._keys.c, _row_key(key)
        with self._engine.connect() as db:
            # A look first: most servers log every conflict as an error, and who waits comes by often.
            found = db.execute(sa.select(keys.owner, keys.expires_at).where(keys.dedupe_key == row_key)).one_or_none()
            if found is None:
                won = self._insert(db, row_key, owner, until)
            elif found.expires_at > now:
                return Claim.DONE if found.owner is None else Claim.BUSY
            else:
                won = self._replace(db, row_key, owner, until, keys.expires_at <= now)
        return Claim.WON if won else Claim.BUSY

    def _done(self, key: str, owner: str, now: float, until: float) -> bool:
        self._open()
        keys, row_key = self._keys.c, _row_key(key)
        mine = sa.or_(keys.owner == owner, keys.expires_at <= now)
        with self._engine.connect() as db:
            return self._replace(db, row_key, None, until, mine) or self._insert(db, row_key, None, until)

    def _release(self, key: str, owner: str) -> None:
        self._open()
        keys = self._keys.c
        with self._engine.connect() as db:
            db.execute(sa.delete(self._keys).where(keys.dedupe_key == _row_key(key), keys.owner == owner))

    def _insert(self, db: sa.Connection, row_key: str, owner: str | None, until: float) -> bool:
        try:
            db.execute(sa.insert(self._keys).values(dedupe_key=row_key, owner=owner, expires_at=until))
        except IntegrityError:  # somebody else was faster
            return False
        return True

    def _replace(
        self, db: sa.Connection, row_key: str, owner: str | None, until: float, may: sa.ColumnElement[bool]
    ) -> bool:
        row = sa.update(self._keys).where(self._keys.c.dedupe_key == row_key, may)
        return db.execute(row.values(owner=owner, expires_at=until)).rowcount == 1

    def _prune(self, now: float) -> None:
        keys = self._keys.c
        over = keys.expires_at <= now
        oldest = sa.select(keys.dedupe_key).where(over).order_by(keys.expires_at).limit(PRUNE * _PRUNE_EVERY)
        try:
            with self._engine.connect() as db:
                # Again with the condition: one of them may have been claimed meanwhile.
                db.execute(sa.delete(self._keys).where(keys.dedupe_key.in_(db.scalars(oldest).all()), over))
        except SQLAlchemyError as error:  # as when two prune the same rows; there is always a next time
            log.warning("old keys of %r stay for now: %s", self, type(error).__name__)

    def _make_tables(self) -> None:
        for table in (self._keys, self._version):
            try:
                table.create(self._engine, checkfirst=True)
            except SQLAlchemyError:
                # Two processes that find no table both make it, and one of them fails. Now it is there.
                table.create(self._engine, checkfirst=True)
        with self._engine.connect() as db:
            found = db.scalars(sa.select(self._version.c.version)).first()
            if found is None:
                with contextlib.suppress(IntegrityError):  # likewise
                    db.execute(sa.insert(self._version).values(version=SCHEMA_VERSION))
            else:
                check_version(self._keys.name, found)


def _row_key(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
