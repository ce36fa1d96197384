"""Mutants that lose messages for good, or make some up."""

from __future__ import annotations

from tmcspec.client import Core, TmcClient
from tmcspec.client.connection import Deliver, Event
from tmcspec.messages import Push
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("forgets-its-queue", "QUE-1")
class ForgetsItsQueue(TmcClient):
    """Throws away what waits for a handler when the connection is lost, and still takes it for in hand when it comes
    again.
    """

    async def _one_connection(self) -> Exception:
        try:
            return await super()._one_connection()
        finally:
            self._pool.drop_queued()


@mutant("makes-a-message-up", "QUE-2")
class MakesAMessageUp(Core):
    """Hands on a message that comes again a second time, as if it were another one."""

    def push_received(self, push: Push) -> list[Event]:
        right = super().push_received(push)
        other = 1 if push.id is None else push.id ^ 0x5A5A
        copies = [Deliver(message=self.message(other, push)) for _ in right if push.retried]
        return [*right, *copies]
