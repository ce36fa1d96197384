"""The exchange of a poller with the HTTP gateway, and what the core tells its driver.

One request at a time is on its way (S34: 尽量不要并发). The exchange goes through the states of `TRANSITIONS`:

    IDLE        no request is on its way.
    CONSUMING   a consume is, and asks for no more messages than there is room for. The service moves on when it
                answers (S37), so what an answer brings is in hand here, or lost for six minutes.
    CONFIRMING  a confirm is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tmcspec.client.connection import Accepted, Deliver, Odd
from tmcspec.client.errors import ConnectRefused
from tmcspec.top import Failure


class State(Enum):
    """Of the exchange with the gateway."""

    IDLE = "idle"
    CONSUMING = "consuming"
    CONFIRMING = "confirming"


class Input(Enum):
    """What moves the exchange from state to state."""

    CONSUME = "consume"
    CONFIRM = "confirm"
    ENDED = "the end of a request"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.IDLE, Input.CONSUME): State.CONSUMING,
    (State.IDLE, Input.CONFIRM): State.CONFIRMING,
    (State.CONSUMING, Input.ENDED): State.IDLE,
    (State.CONFIRMING, Input.ENDED): State.IDLE,
}


class CallRefused(ConnectRefused):
    """The gateway answered a call with an error: wrong sign, unknown app, call limit, …

    Args:
        api: which call.
        failure: the gateway's own words, however long. Texts made of the error show the beginning.
    """

    def __init__(self, api: str, failure: Failure) -> None:
        super().__init__(failure.code, failure.msg)
        self.args = (api, failure)
        self.api = api
        self.failure = failure

    def __str__(self) -> str:
        return f"the gateway refused {self.api}: {self.failure}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A request failed; nothing is sent for `pause` seconds."""

    error: Exception
    pause: float


Event = Accepted | Interrupted | Deliver | Odd


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call of the gateway: the name of the method, and its own arguments."""

    api: str
    arguments: Mapping[str, str]
