"""Mutants of the handshake."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tmcspec.client import ConnectRefused, Core, TmcClient, TmcError
from tmcspec.client.connection import Event, State
from tmcspec.frame import Field, Frame, int64
from tmcspec.messages import Connect, ConnectAck, Fail
from tmcspec.signing import sign, sign_connect
from tmcsuites.mutants.base import PHP, Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant

#: 100-nanosecond steps from year 1 to 1970, what .NET counts from.
DOTNET_EPOCH = 621_355_968_000_000_000

#: Longer than any run.
FOR_EVER = 1e9


@mutant("pulls-before-the-answer", "HSK-1", published=("tmc.js", "hucsuper/taobao-tmc"))
class PullsBeforeTheAnswer(Core):
    """Sends a PullRequest right behind its CONNECT."""

    def opened(self, *, now: float, wall: float, intranet_ip: str = "127.0.0.1") -> None:
        super().opened(now=now, wall=wall, intranet_ip=intranet_ip)
        self._pull(now)


@mutant("leaves-the-group-empty", "HSK-2")
class LeavesTheGroupEmpty(Core):
    """Sends no group name for the default group, and signs accordingly."""

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        right = super().connect(timestamp, intranet_ip)
        signed = sign_connect(app_key=self.app_key, group="", timestamp=timestamp, secret=self._app_secret)
        return replace(right, group="", sign=signed)


@mutant("timestamp-is-a-number", "HSK-2")
class TimestampIsANumber(Core):
    """Sends the timestamp as an Int64."""

    def encoded(self, frame: Frame) -> bytes:
        text = frame.value("timestamp")
        if isinstance(text, str):
            fields = tuple(int64("timestamp", int(text)) if each[0] == "timestamp" else each for each in _of(frame))
            frame = replace(frame, content=fields)
        return super().encoded(frame)


@mutant("signs-in-lower-case", "HSK-3")
class SignsInLowerCase(Core):
    """Writes the sign in lower-case hexadecimal."""

    def sign(self, timestamp: str) -> str:
        return super().sign(timestamp).lower()


@mutant("signs-all-fields", "HSK-3")
class SignsAllFields(Core):
    """Signs whatever it sends, not only the three fields."""

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        right = super().connect(timestamp, intranet_ip)
        signed = {key or "": str(value) for key, _, value in _of(right.to_frame()) if key != "sign"}
        return replace(right, sign=sign(signed, self._app_secret))


@mutant("timestamp-in-seconds", "HSK-4")
class TimestampInSeconds(Core):
    """Sends the timestamp in seconds."""

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        return super().connect(str(int(timestamp) // 1000), intranet_ip)


@mutant("timestamp-in-ticks", "HSK-4", published=("official C# SDK",))
class TimestampInTicks(Core):
    """Sends the timestamp in .NET ticks of a local time, eight hours ahead."""

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        local = int(timestamp) + 8 * 3600 * 1000
        return super().connect(str(local * 10_000 + DOTNET_EPOCH), intranet_ip)


@mutant("sends-no-flag", "HSK-5", published=("tmc.js", "official Node SDK", *PHP))
class SendsNoFlag(Core):
    """Connects without a flag."""

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        self._flag = 0
        return super().connect(timestamp, intranet_ip)


@mutant("takes-any-flag", "HSK-5", published=("tmc.js", "official Node SDK", "tmcpy"))
class TakesAnyFlag(Core):
    """Takes every CONNECTACK for the answer to its CONNECT, whatever flag it has."""

    def is_ours(self, ack: ConnectAck) -> bool:
        return self.state is State.CONNECTING


@mutant("takes-a-refusal-for-success", "HSK-6", published=("tmc.js", "tmcpy", *PHP))
class TakesARefusalForSuccess(Core):
    """Takes every CONNECTACK for success, and goes on without a token after a refusal."""

    def connectack_received(self, ack: ConnectAck, now: float) -> list[Event]:
        if ack.refused and self.is_ours(ack):
            return self._go_online("", now)
        return super().connectack_received(ack, now)


@mutant("takes-a-refusal-by-phrase-for-success", "HSK-6", published=("official Node SDK",))
class TakesARefusalByPhraseForSuccess(Core):
    """Looks only at the code of a CONNECTACK, and takes one with a phrase alone for success."""

    def connectack_received(self, ack: ConnectAck, now: float) -> list[Event]:
        if ack.refused and not ack.status_code and self.is_ours(ack):
            return self._go_online("", now)
        return super().connectack_received(ack, now)


@mutant("swallows-a-refusal", "HSK-7")
class SwallowsARefusal(TmcClient):
    """Starts as if nothing were wrong when the service refuses it."""

    async def start(self) -> None:
        try:
            await super().start()
        except ConnectRefused:
            return


@mutant("keeps-a-refusal-to-itself", "HSK-7")
class KeepsARefusalToItself(TmcClient):
    """Tries again for ever when the first connection fails, and tells nobody."""

    async def start(self) -> None:
        while True:
            try:
                return await super().start()
            except TmcError:
                await asyncio.sleep(3)


@mutant("makes-up-a-token", "HSK-8")
class MakesUpAToken(Core):
    """Sends a token of its own instead of the one it was given."""

    def token(self) -> str:
        return "00000000-0000-4000-8000-000000000000"


@mutant("keeps-the-first-token", "HSK-8", published=("tmcpy",))
class KeepsTheFirstToken(Core):
    """Uses the token of its first connection for ever."""

    _first = ""

    def token(self) -> str:
        self._first = self._first or super().token()
        return self._first


@mutant("fails-without-a-token", "HSK-8", published=("hucsuper/taobao-tmc",))
class FailsWithoutAToken(Core):
    """Sends Failed without a token."""

    def failed(self, message_id: int, reason: str) -> Frame:
        return Fail(token=None, id=message_id, reason=reason[:128]).to_frame()


@mutant("waits-for-the-answer-for-ever", "HSK-9", published=("official Node SDK", "tmc.js", "tmcpy"))
class WaitsForTheAnswerForEver(TmcClient):
    """Never gives up on a CONNECTACK that does not come."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, connectack_timeout=FOR_EVER)


@mutant("connects-without-a-token", "HSK-10", published=("tmc.js", "tmcpy", "official Node SDK"))
class ConnectsWithoutAToken(Core):
    """Takes a CONNECTACK without a token for success."""

    def connectack_received(self, ack: ConnectAck, now: float) -> list[Event]:
        if ack.token is None and not ack.refused and self.is_ours(ack):
            return self._go_online("", now)
        return super().connectack_received(ack, now)


def _of(frame: Frame) -> tuple[Field, ...]:
    return frame.content or ()
