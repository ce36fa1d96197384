"""The vocabulary of traces: everything that can happen in a run.

An event says what was *observed*, by whom it was observed, and no more. The service's own observation is the first
witness; what a client's adapter reports (`Received`, `Handled`, `ClientStarted`, `ClientError`, `ClientDied`) adds only
what the wire cannot show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tmcspec.frame import Frame
from tmcspec.frame_values import show

#: Twenty digits hold every signed and every unsigned 64-bit integer, and every double that one is rounded to.
ID_LIMIT = 10**20


class Id(int):
    """A 64-bit message or user id, or what a lossy reader makes of one: any integer of at most twenty digits.

    In files it is a decimal string, because JSON readers round numbers above 2^53 (S62).

    Raises:
        ValueError: more than twenty digits.
    """

    __slots__ = ()

    def __new__(cls, value: int) -> Id:
        if not -ID_LIMIT < value < ID_LIMIT:
            raise ValueError(f"an id has at most twenty digits; not {show(value)}")
        return super().__new__(cls, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. Subclasses are the vocabulary; `word` is what files call it."""

    word: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Event):
    """A WebSocket connection was opened to the service."""

    word = "opened"
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Event):
    """The service checked the sign of a CONNECT: `right`, `wrong` (not the expected digest), `case` (right but for
    upper case), `missing`, `unknown_app` (nothing to check it with).
    """

    word = "signed"
    connection: str
    app_key: str | None
    sign: Literal["right", "wrong", "case", "missing", "unknown_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Event):
    """The service answered a CONNECT with success."""

    word = "accepted"
    connection: str
    app_key: str
    group: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """The service answered a CONNECT with an error."""

    word = "refused"
    connection: str
    code: int
    phrase: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed(Event):
    """A connection ended. `by` is who ended it first; `code` is None when the transport broke without a Close frame."""

    word = "closed"
    connection: str
    by: Literal["client", "service", "fault"]
    code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIn(Event):
    """A binary WebSocket message from the client; `frame` is what `data` decodes to, None when it does not."""

    word = "frame_in"
    connection: str
    data: bytes
    frame: Frame | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOut(Event):
    """A binary WebSocket message to the client; `frame` is what `data` decodes to, None when it does not (an injected
    odd frame).

    `fragments` is in how many WebSocket fragments it went out.
    """

    word = "frame_out"
    connection: str
    data: bytes
    frame: Frame | None
    fragments: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WsIn(Event):
    """Anything from the client on the WebSocket that is not a TMC frame: text, ping, pong, close."""

    word = "ws_in"
    connection: str
    opcode: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WsOut(Event):
    """Anything to the client on the WebSocket that is not a TMC frame."""

    word = "ws_out"
    connection: str
    opcode: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced(Event):
    """A message entered the queue of a group. `content` is its text (what a client must be given), None when it has
    none.
    """

    word = "produced"
    message: Id
    app_key: str
    group: str
    topic: str
    user_id: Id | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed(Event):
    """A message was pushed on a connection; `attempt` counts from 1."""

    word = "pushed"
    message: Id
    connection: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Event):
    """A message was settled by a confirm."""

    word = "confirmed"
    message: Id
    via: Literal["ws", "http"]
    connection: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """A client reported that it could not handle a message."""

    word = "failed"
    message: Id
    reason: str | None
    connection: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownConfirm(Event):
    """A confirm (or Failed) named an id that is not an unsettled message of this app and group; None when it carried no
    id.
    """

    word = "unknown_confirm"
    id: Id | None
    via: Literal["ws", "http"]
    connection: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Event):
    """A message reached the end of its retention and was dropped (S53)."""

    word = "expired"
    message: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Event):
    """The client's handler was called, as its adapter reports it. `message` is None when the client showed no id."""

    word = "received"
    client: str
    message: Id | None
    topic: str | None = None
    content: str | None = None
    user_id: Id | None = None
    data_id: Id | None = None
    publish_time: Id | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled(Event):
    """The client's handler was done, as its adapter reports it."""

    word = "handled"
    client: str
    message: Id | None
    outcome: Literal["ok", "fail", "raise"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientError(Event):
    """The client library reported an error to the application; `op` is what was asked of it, None when nothing was."""

    word = "client_error"
    client: str
    error: str
    op: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStarted(Event):
    """The application was told that the client is connected."""

    word = "client_started"
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStopped(Event):
    """The application asked the client to stop."""

    word = "client_stopped"
    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDied(Event):
    """The client's process ended though nobody asked it to."""

    word = "client_died"
    client: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Event):
    """Something was done to the client on purpose that a healthy service does not do."""

    word = "fault"
    name: str
    target: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advanced(Event):
    """The service clock was moved by hand. The client's own time did not move: its deadlines do not count these
    seconds.
    """

    word = "advanced"
    seconds: float


EVENTS: dict[str, type[Event]] = {kind.word: kind for kind in Event.__subclasses__()}
