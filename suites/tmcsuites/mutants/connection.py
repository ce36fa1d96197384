"""Mutants that do not keep the connection."""

from __future__ import annotations

from typing import Any

from websockets.exceptions import InvalidStatus

from tmcspec.client import Backoff, ConnectFailed, Core, Message, Outcome, TmcClient
from tmcspec.client.message import OK
from tmcspec.messages import Connect
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant

#: Attempts in vain that a client with little patience makes.
ATTEMPTS = 3


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


@mutant("takes-silence-for-a-quiet-day", "CON-1", published=("jyh-taobao-topsdk", "tmcpy"))
class TakesSilenceForAQuietDay(TmcClient):
    """Does not look whether the service is still there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, silence_limit=None)


@mutant("gives-up-in-an-outage", "CON-2")
class GivesUpInAnOutage(TmcClient):
    """Ends after three attempts in vain."""

    async def _one_connection(self) -> Exception:
        error = await super()._one_connection()
        self.in_vain = 0 if self._accepted_at is not None else getattr(self, "in_vain", 0) + 1
        if self.in_vain == ATTEMPTS:
            raise error
        return error


@mutant("takes-a-slow-network-for-the-end", "CON-2", published=("tmcpy",))
class TakesASlowNetworkForTheEnd(TmcClient):
    """Ends when an attempt takes too long, since that is another exception than that of a broken connection."""

    async def _one_connection(self) -> Exception:
        error = await super()._one_connection()
        if isinstance(error.__cause__, TimeoutError):
            raise error
        return error


@mutant("waits-for-its-upgrade-for-ever", "CON-2", published=("jyh-taobao-topsdk",))
class WaitsForItsUpgradeForEver(TmcClient):
    """Has no time limit for an attempt that nobody answers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, open_timeout=1e6)


@mutant("repeats-its-first-connect", "CON-4")
class RepeatsItsFirstConnect(Core):
    """Sends the timestamp and the sign of its first CONNECT again whenever it connects."""

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        self.made_at = getattr(self, "made_at", timestamp)
        return super().connect(self.made_at, intranet_ip)


@mutant("takes-a-refused-upgrade-for-the-end", "CON-7")
class TakesARefusedUpgradeForTheEnd(TmcClient):
    """Ends when an upgrade is refused, since that is another exception than that of a broken connection."""

    async def _one_connection(self) -> Exception:
        error = await super()._one_connection()
        if isinstance(error.__cause__, InvalidStatus):
            raise error
        return error


@mutant("hides-a-refused-upgrade", "CON-7")
class HidesARefusedUpgrade(TmcClient):
    """Starts as if nothing were wrong when its first upgrade is refused."""

    async def start(self) -> None:
        try:
            await super().start()
        except ConnectFailed as error:
            if not isinstance(error.__cause__, InvalidStatus):
                raise


@mutant("comes-back-at-once", "CON-3", published=("tmcpy",))
class ComesBackAtOnce(TmcClient):
    """Connects again without a pause."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, backoff=Backoff(minimum=0.001, base=0.001, cap=0.001))


@mutant("confirms-all-it-has-when-it-stops", "CON-6")
class ConfirmsAllItHasWhenItStops(Core):
    """Confirms what is in hand when it is stopped, done or not."""

    def drain(self) -> None:
        for message_id in tuple(self._open):
            self.handled(message_id, OK)
        super().drain()


@mutant("drops-answers-when-it-stops", "CON-6", published=("official Java SDK",))
class DropsAnswersWhenItStops(TmcClient):
    """Lets the handlers that are at work when it is stopped come to their end, and sends no answers for them."""

    def _settle(self, message: Message, outcome: Outcome) -> None:
        if not self._stopping:
            super()._settle(message, outcome)
