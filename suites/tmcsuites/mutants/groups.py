"""Mutants that consume what is not theirs."""

from __future__ import annotations

from typing import Any

from tmcspec.client import TmcClient, TmcPoller
from tmcspec.routing import DEFAULT_GROUP
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("always-connects-to-default", "GRP-7")
class AlwaysConnectsToDefault(TmcClient):
    """Connects to the default group, whatever it is told."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"group": DEFAULT_GROUP})


@mutant("always-polls-default", "GRP-7")
class AlwaysPollsDefault(TmcPoller):
    """Asks the gateway for the messages of the default group, whatever it is told."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"group": DEFAULT_GROUP})
