"""The life of one connection, and what the core tells its driver.

A connection goes through the states of `TRANSITIONS`:

    OFFLINE     no connection.
    CONNECTING  CONNECT is sent; nothing else may be, until the CONNECTACK with the same flag is there.
    ONLINE      accepted, with a token; every SEND carries it. Pushes come, confirms go, a PullRequest goes now and
                then.
    OVER        refused, given up, or silent for too long. Nothing is sent on it any more (observed: the official Java
                client keeps a refused connection open and beating, and never comes back). The driver closes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tmcspec.client.errors import TmcError
from tmcspec.client.message import Message


class State(Enum):
    """Of the connection."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"
    OVER = "over"


class Input(Enum):
    """What moves a connection from state to state."""

    OPENED = "opened"
    ACCEPTED = "accepted"
    ENDED = "ended"
    LOST = "lost"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.OFFLINE, Input.OPENED): State.CONNECTING,
    (State.OFFLINE, Input.LOST): State.OFFLINE,
    (State.CONNECTING, Input.ACCEPTED): State.ONLINE,
    (State.CONNECTING, Input.ENDED): State.OVER,
    (State.CONNECTING, Input.LOST): State.OFFLINE,
    (State.ONLINE, Input.ENDED): State.OVER,
    (State.ONLINE, Input.LOST): State.OFFLINE,
    (State.OVER, Input.LOST): State.OFFLINE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The connection is online."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The service refused the CONNECT; the connection is over."""

    code: int
    phrase: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """The client gave the connection up; it is over."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A message for the application; `handled` must follow."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """Something came that cannot be used; it was counted and left alone."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The service acknowledged the publish with this flag."""

    flag: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPublished:
    """The publish with this flag was refused, or nobody knows what became of it; the error says which."""

    flag: int
    error: TmcError


PublishEnded = Published | NotPublished

# What ends no connection, and what does.
News = Accepted | Deliver | Odd | PublishEnded
Event = News | Refused | GivenUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """An empty WebSocket PING, the heart-beat."""
