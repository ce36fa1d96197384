"""What stores on a database have in common: their steps block, so threads do them, and the event loop goes on."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Self, TypeVar

from tmcspec.client.dedupe import Claim, StoreError
from tmcspec.frame_values import show

T = TypeVar("T")

#: Of the tables; they carry it, too.
SCHEMA_VERSION = 1


class BlockingStore(ABC):
    """A `Store` whose steps are plain functions, called in threads.

    Args:
        threads: steps at a time, >= 1.

    Raises:
        ValueError: threads is out of its range.
    """

    #: What the database raises; it becomes a StoreError.
    errors: ClassVar[type[Exception]]

    def __init__(self, *, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"threads must be 1 or more, not {threads!r}")
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=type(self).__name__)
        self._closed = False

    async def __aenter__(self) -> Self:
        """Opens the database at once, so that what is wrong with it shows now."""
        try:
            await self._do(self._open)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends when all steps have ended. To close a closed store does nothing."""
        if not self._closed:
            self._closed = True
            await self._in_thread(self._shut)
            await asyncio.to_thread(self._threads.shutdown)

    async def claim(self, key: str, *, owner: str, now: float, until: float) -> Claim:
        """As `Store` says. Raises StoreError."""
        return await self._do(self._claim, key, owner, now, until)

    async def done(self, key: str, *, owner: str, now: float, until: float) -> bool:
        """As `Store` says. Raises StoreError."""
        return await self._do(self._done, key, owner, now, until)

    async def release(self, key: str, *, owner: str) -> None:
        """As `Store` says. Raises StoreError."""
        await self._do(self._release, key, owner)

    @abstractmethod
    def _open(self) -> None:
        """Makes ready what is not."""

    @abstractmethod
    def _shut(self) -> None:
        """Undoes that."""

    @abstractmethod
    def _claim(self, key: str, owner: str, now: float, until: float) -> Claim: ...

    @abstractmethod
    def _done(self, key: str, owner: str, now: float, until: float) -> bool: ...

    @abstractmethod
    def _release(self, key: str, owner: str) -> None: ...

    async def _do(self, step: Callable[..., T], *arguments: Any) -> T:
        if self._closed:
            raise StoreError("the store of handled messages was closed")
        try:
            return await self._in_thread(step, *arguments)
        except self.errors as error:
            # The text goes to the service as the reason of a Failed, so it must not tell of hosts and statements.
            raise StoreError(f"the store of handled messages failed ({type(error).__name__})") from error

    async def _in_thread(self, step: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, step, *arguments)


def check_table(name: str) -> str:
    """Gives back the name of a table. Raises ValueError when it would need quoting somewhere, or is too long."""
    # Indices and the table of versions add to it, and PostgreSQL cuts names at 63 characters.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,39}", name) or name.lower().startswith("sqlite_"):
        raise ValueError(
            f"table must be a name of 1 to 40 letters, digits and underscores, as tmc_dedupe, not {show(name)}"
        )
    return name


def check_version(table: str, version: int) -> None:
    """Raises StoreError when the tables were made by a tmcspec with others."""
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"table {table} has version {version}, this tmcspec knows version {SCHEMA_VERSION}; give another table name"
        )
