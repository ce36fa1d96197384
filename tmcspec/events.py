"""The vocabulary of traces: everything that can happen in a run.

An event says what was *observed*, by whom it was observed, and no more. The service's own observation is the first
witness; what a client's adapter reports (`Received`, `Handled`, `ClientStarted`, `ClientPublished`, `ClientError`,
`ClientDied`) adds only what the wire cannot show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from tmcspec.flow import Mode
from tmcspec.frame import Frame, FrameError, decode
from tmcspec.frame_values import show
from tmcspec.routing import DEFAULT_GROUP, Environment, MessageKind, Routed

#: What is found of a sign: `right`, `wrong` (not the expected digest), `case` (right but for upper case), `missing`,
#: `unknown_app` (nothing to check it with).
SignFinding: TypeAlias = Literal["right", "wrong", "case", "missing", "unknown_app"]
Via: TypeAlias = Literal["ws", "http"]

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
    """A WebSocket connection was opened to the service; by which client, where the run knows that."""

    word = "opened"
    connection: str
    client: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted(Event):
    """A client tried to connect while a fault kept everybody away, and got no WebSocket."""

    word = "attempted"
    client: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Event):
    """The service checked the sign of a CONNECT."""

    word = "signed"
    connection: str
    app_key: str | None
    sign: SignFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Event):
    """The service answered a CONNECT with success."""

    word = "accepted"
    connection: str
    app_key: str
    group: str
    token: str
    environment: Environment = "production"


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


def decoded(data: bytes) -> Frame | None:
    """The frame in `data`, None when it does not decode."""
    try:
        return decode(data)
    except FrameError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfBytes:
    """A binary WebSocket message; its frame is decoded when somebody first asks for it."""

    connection: str
    data: bytes
    _frame: Frame | None = field(init=False, repr=False, compare=False)

    @property
    def frame(self) -> Frame | None:
        """What `data` decodes to, None when it does not."""
        try:
            return self._frame
        except AttributeError:
            frame = decoded(self.data)
            object.__setattr__(self, "_frame", frame)
            return frame


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIn(_OfBytes, Event):
    """A binary WebSocket message from the client."""

    word = "frame_in"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOut(_OfBytes, Event):
    """A binary WebSocket message to the client; its frame is None when it is an injected odd one.

    `fragments` is in how many WebSocket fragments it went out.
    """

    word = "frame_out"
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
    none; `routed` is what led to the group.
    """

    word = "produced"
    message: Id
    app_key: str
    group: str
    topic: str
    user_id: Id | None = None
    content: str | None = None
    environment: Environment = "production"
    kind: MessageKind = "point_to_point"
    routed: Routed = "named"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed(Event):
    """A message was pushed on a connection; `attempt` counts from 1."""

    word = "pushed"
    message: Id
    connection: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed(Event):
    """A message was handed out over HTTP, in answer to a request; `attempt` counts from 1, pushes included."""

    word = "consumed"
    message: Id
    attempt: int
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Event):
    """A message was settled by a confirm."""

    word = "confirmed"
    message: Id
    via: Via
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
    via: Via
    connection: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Event):
    """A message reached the end of its retention and was dropped (S53)."""

    word = "expired"
    message: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped(Event):
    """A message was lost with its group, which was deleted."""

    word = "dropped"
    message: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Event):
    """A client sent a message to Taobao; `code` and `phrase` say why it was not accepted, 0 and None that it was."""

    word = "published"
    app_key: str
    topic: str
    content: str
    accepted: bool
    via: Via
    connection: str | None = None
    code: int = 0
    phrase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpIn(Event):
    """A request to the HTTP gateway, `request` counting from 1. Of its parameters `arguments` are those that the
    method itself takes; sign and session are left out, and `sign` is what was found of it.
    """

    word = "http_in"
    request: int
    method: str | None
    app_key: str | None
    sign: SignFinding
    arguments: tuple[tuple[str, str], ...]
    ip: str | None = None
    environment: Environment = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOut(Event):
    """The answer to a request: `code` is 0 for success."""

    word = "http_out"
    request: int
    code: int = 0
    sub_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised(Event):
    """A user granted an app access until then, in seconds of service time; None for no end. A grant that is taken back
    ends at once.
    """

    word = "authorised"
    app_key: str
    user_id: Id
    nick: str
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted(Event):
    """An app takes messages of a user about these topics and no others; None for all."""

    word = "permitted"
    app_key: str
    user_id: Id
    topics: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """An app takes no messages of a user any more."""

    word = "cancelled"
    app_key: str
    user_id: Id


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed(Event):
    """An app has subscribed to these topics and no others; None for all."""

    word = "subscribed"
    app_key: str
    topics: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserGrouped(Event):
    """A user's messages for an app go to this group from now on; None when the user is in none."""

    word = "user_grouped"
    app_key: str
    user_id: Id
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicGrouped(Event):
    """Messages about a topic for an app go to this group from now on, unless something else says where; None when the
    topic is bound to none.
    """

    word = "topic_grouped"
    app_key: str
    topic: str
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCreated(Event):
    """An app has one more group."""

    word = "group_created"
    app_key: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDeleted(Event):
    """An app has one group less."""

    word = "group_deleted"
    app_key: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSet(Event):
    """The flow value of a group was set, in all environments; None for no limit."""

    word = "flow_set"
    app_key: str
    value: int | None
    group: str = DEFAULT_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSet(Event):
    """From now on a group is pushed to as soon as it can be, or only what its clients pull."""

    word = "mode_set"
    app_key: str
    mode: Mode
    group: str = DEFAULT_GROUP


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSet(Event):
    """From now on messages are kept for so many seconds after their production; those that are there, no longer than
    they were to be.
    """

    word = "retention_set"
    seconds: float


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
class ClientPublished(Event):
    """The client library told the application how its publish of this message ended: well, or with an error."""

    word = "client_published"
    client: str
    topic: str
    content: str
    ok: bool
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStarting(Event):
    """The application starts the client, and tells it which group to consume, and of which members of the content a
    business key is made; of none when the client is to handle whatever comes.
    """

    word = "client_starting"
    client: str
    group: str = DEFAULT_GROUP
    dedupe: tuple[str, ...] = ()


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
    """Something was done to the client on purpose that a healthy service does not do. `target` is a connection, a
    client, or None for all. One that lasts is over where a `Healed` says so in the same words. Of one that acted on a
    frame, `detail` begins with the kind of that frame.
    """

    word = "fault"
    name: str
    target: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed(Event):
    """A fault that lasted is over; the words are those of its `Fault`."""

    word = "healed"
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
