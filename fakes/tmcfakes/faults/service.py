"""Faults of the service: what it does to its clients on a bad day, and no network is to blame."""

from __future__ import annotations

from dataclasses import dataclass

from tmcfakes.effects import CLOSE_CODES, CONTROL_LIMIT
from tmcfakes.faults.base import LastingFault, PlannedFault, fault

#: Bytes of the phrase of a refusal: more than any client shows.
PHRASE_LIMIT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFault(PlannedFault):
    """A fault of the answers to the next `count` CONNECTs of the target, >= 1."""

    count: int = 1

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        self.whole("count", 1, 10**6)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(AnswerFault):
    """CONNECTs are refused. `code` is 0 (not written) to 2^31 - 1; `phrase` may be null."""

    name = "refuse"
    code: int = 15
    phrase: str | None = "isp.service-unavailable"

    def __post_init__(self) -> None:
        AnswerFault.__post_init__(self)
        self.whole("code", 0, 2**31 - 1)
        if self.phrase is not None:
            self.text_of("phrase", PHRASE_LIMIT)
        if self.code == 0 and not self.phrase:
            raise self.wrong("phrase", "a text, when the code is 0: else the answer would be a success")


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class LateConnectack(AnswerFault):
    """CONNECTs are answered `delay` seconds later, > 0."""

    name = "late_connectack"
    delay: float = 10.0

    def __post_init__(self) -> None:
        AnswerFault.__post_init__(self)
        self.within("delay", 0, 3600, above=True)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class NoConnectack(AnswerFault):
    """CONNECTs are not answered."""

    name = "no_connectack"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseUpgrade(LastingFault):
    """The upgrade to a WebSocket is answered with an HTTP status, 400 to 599, as 401 or 503."""

    name = "refuse_upgrade"
    status: int = 503

    def __post_init__(self) -> None:
        LastingFault.__post_init__(self)
        self.whole("status", 400, 599)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class SilentAccept(LastingFault):
    """TCP connections are accepted, and nothing is ever answered on them."""

    name = "silent_accept"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Close(PlannedFault):
    """Connections are closed with a closing handshake, with a code that RFC 6455 allows and a reason of up to 123
    bytes.
    """

    name = "close"
    code: int = 1001
    reason: str = ""

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        if self.code not in CLOSE_CODES and self.code not in range(3000, 5000):
            raise self.wrong("code", "1000 to 1003, 1007 to 1014, 3000 to 4999")
        self.text_of("reason", CONTROL_LIMIT - 2)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Abort(PlannedFault):
    """The transports of connections break."""

    name = "abort"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(LastingFault):
    """The service ends for everybody, all connections are aborted, and it comes back after `duration` seconds with the
    messages that it had. Until then whoever connects is cut off at once.

    Args:
        keeps_tokens: whether it still knows the tokens that it gave. Else everybody gets another one, and what comes
            with an old one, or before a new CONNECT, is not listened to.
    """

    name = "restart"
    for_all = True
    duration: float | None = 5.0
    keeps_tokens: bool = False

    def __post_init__(self) -> None:
        LastingFault.__post_init__(self)
        if self.duration is None:
            raise self.wrong("duration", "a number of seconds")


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class RedeliveryStorm(PlannedFault):
    """What was handed out and is not settled comes again at once, without its six minutes."""

    name = "redelivery_storm"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class SecondId(PlannedFault):
    """The latest message is produced once more, under another id (业务去重, S42: ids never repeat, contents do)."""

    name = "second_id"
    for_all = True


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJump(PlannedFault):
    """The clock of the service jumps by `seconds`, > 0 and at most a day, and all that is due by then happens."""

    name = "clock_jump"
    for_all = True
    seconds: float

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        self.within("seconds", 0, 24 * 3600, above=True)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Degrade(LastingFault):
    """The service pushes slowly: every group has this flow value, 1 to 10,000, and afterwards the one it had."""

    name = "degrade"
    for_all = True
    flow: int = 1

    def __post_init__(self) -> None:
        LastingFault.__post_init__(self)
        self.whole("flow", 1, 10_000)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class StopReading(LastingFault):
    """The service does not read what its clients send, until TCP holds them back."""

    name = "stop_reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFault(PlannedFault):
    """A WebSocket control frame comes, with this text of up to 125 bytes."""

    text: str = ""

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        self.text_of("text", CONTROL_LIMIT)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(ControlFault):
    """A PING, which the service never sends by itself."""

    name = "ping"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Pong(ControlFault):
    """A PONG that nobody asked for."""

    name = "pong"
