"""Mutants that meet a message that comes again wrongly."""

from __future__ import annotations

from tmcspec.client import Core
from tmcspec.client.connection import Event
from tmcspec.messages import Push
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("ignores-a-repetition", "RDL-7")
class IgnoresARepetition(Core):
    """Throws a message away that comes again."""

    def push_received(self, push: Push) -> list[Event]:
        return [] if push.retried else super().push_received(push)
