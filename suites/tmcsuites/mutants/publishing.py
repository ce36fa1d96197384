"""Mutants that tell their application wrong things about a publish."""

from __future__ import annotations

import asyncio

from tmcspec.client import Core, TmcClient
from tmcspec.client.connection import Published, PublishEnded
from tmcspec.messages import SendAck
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("tells-of-success-at-once", "PUB-1")
class TellsOfSuccessAtOnce(TmcClient):
    """Takes a publish for done as soon as it is sent."""

    async def _publish_ended(self, flag: int, deadline: float) -> PublishEnded:
        await asyncio.sleep(0.05)  # what is withdrawn before it is sent is not sent
        return Published(flag=flag)


@mutant("takes-an-error-for-success", "PUB-2")
class TakesAnErrorForSuccess(Core):
    """Does not look at the code and the phrase of a SENDACK."""

    def publish_acked(self, ack: SendAck) -> PublishEnded:
        return Published(flag=ack.flag)


@mutant("takes-silence-for-success", "PUB-1")
class TakesSilenceForSuccess(Core):
    """Takes a publish for done when nothing was said against it in time."""

    def publish_timed_out(self, flag: int, *, timeout: float, sent: bool) -> PublishEnded:
        return Published(flag=flag)
