"""Mutants that handle a business key twice, or not at all."""

from __future__ import annotations

from typing import Any

from tmcspec.client import Claim, Deduplicated, Handler, MemoryStore, Message, Store, by_id
from tmcspec.client.dedupe_keys import bounded
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant

#: Whose all claims are to one that does not look whether somebody is at work.
NOBODY = "nobody"


@mutant("handles-copies-at-once", "DUP-1")
class HandlesCopiesAtOnce(Deduplicated):
    """Looks only whether a key was handled, and not whether it is being."""

    async def __call__(self, message: Message) -> None:
        key, now = self._key(message) or "", self._wall_clock()
        if await self._store.claim(key, owner=NOBODY, now=now, until=now + self._lease) is not Claim.DONE:
            await self._handler(message)
            await self._store.done(key, owner=NOBODY, now=now, until=now + self._keep)


@mutant("confirms-a-copy-at-once", "DUP-1", published=("official Java SDK",))
class ConfirmsACopyAtOnce(Deduplicated):
    """Takes a key that is being handled for one that was."""

    async def __call__(self, message: Message) -> None:
        if bounded(self._key(message) or "none") not in self._first:
            await super().__call__(message)


@mutant("forgets-keys-when-it-stops", "DUP-1")
class ForgetsKeysWhenItStops(Deduplicated):
    """Knows what it has handled since it was started, and no more."""

    def __init__(self, handler: Handler, store: Store, **options: Any) -> None:
        super().__init__(handler, MemoryStore(), **options)


@mutant("knows-messages-by-their-ids", "DUP-1")
class KnowsMessagesByTheirIds(Deduplicated):
    """Takes the id of a message for its key, so that the same fact under another id is another one."""

    def __init__(self, handler: Handler, store: Store, **options: Any) -> None:
        super().__init__(handler, store, **options | {"key": by_id})


@mutant("takes-a-failure-for-done", "DUP-1")
class TakesAFailureForDone(Deduplicated):
    """Writes a key down before its handler is called, and leaves it there when that fails."""

    async def _release(self, key: str, owner: str) -> None:
        now = self._wall_clock()
        await self._store.done(key, owner=owner, now=now, until=now + self._keep)
