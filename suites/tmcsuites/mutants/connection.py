"""Mutants that do not keep the connection."""

from __future__ import annotations

from typing import Any

from tmcspec.client import Backoff, TmcClient
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("never-comes-back", "CON-1", published=("period331/taobao-tmc-python",))
class NeverComesBack(TmcClient):
    """Ends with its first connection."""

    async def _stay_connected(self) -> None:
        raise await self._one_connection()


@mutant("comes-back-late", "CON-1")
class ComesBackLate(TmcClient):
    """Waits a minute before it connects again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, backoff=Backoff(minimum=60.0, base=60.0, cap=60.0))


@mutant("comes-back-at-once", "CON-3", published=("tmcpy",))
class ComesBackAtOnce(TmcClient):
    """Connects again without a pause."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, backoff=Backoff(minimum=0.001, base=0.001, cap=0.001))
