"""Connections: what was said on each, and what came of its handshakes.

A connection may see several handshakes (observed: official Java, connecting asynchronously, repeats its CONNECT on a
connection that was refused). Each lasts from its CONNECT to the next one. Whether the service writes down the frame of
its answer or the meaning of it first makes no difference here.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from tmcspec.clauses.tampered import kind_of, unheard
from tmcspec.clauses.timeline import At
from tmcspec.events import (
    Accepted,
    Closed,
    Event,
    Fault,
    FrameIn,
    FrameOut,
    Opened,
    Produced,
    Refused,
    Signed,
    WsIn,
)
from tmcspec.frame import Frame, MessageType
from tmcspec.messages import ClientMessage, ConnectAck, MessageError, ServiceMessage, from_client, from_service
from tmcspec.routing import Environment
from tmcspec.trace import Entry, Trace

#: Seconds that every client waits for a CONNECTACK, less what timers fire early (observed: Java waits 5 s, C# 10 s).
LEAST_PATIENCE = 4.5

#: Bytes of a message that not every client takes any more: twice what all of them do (FRM-12).
MOST_TAKEN = 2 * 2**20


class QueueName(NamedTuple):
    """One group of one app in one environment: what shares messages (S3), and nothing else does (S18)."""

    app_key: str
    group: str
    environment: Environment


def queue_of(event: Accepted | Produced) -> QueueName:
    """The queue that a connection takes, or that a message lies in."""
    return QueueName(event.app_key, event.group, event.environment)


@dataclass(slots=True, kw_only=True, eq=False)
class Said:
    """A frame from the client; `message` is None when it does not decode or makes no sense.

    Attributes:
        lost: the service did on purpose as if it had never come, or come otherwise, or later.
        corrupted: its bytes may be others than those that the client sent, so nothing is made of it.
        following: the next frame on the connection.
    """

    at: At[FrameIn]
    message: ClientMessage | None
    lost: bool = False
    corrupted: bool = False
    following: Said | None = None

    @property
    def entry(self) -> Entry:
        return self.at.entry

    @property
    def connection(self) -> str:
        return self.at.event.connection

    def is_a(self, kind: MessageType) -> bool:
        """Whether its frame is of this type, whatever else it says."""
        frame = self.at.event.frame
        return frame is not None and frame.type == kind


@dataclass(slots=True, kw_only=True, eq=False)
class Handshake:
    """A CONNECT, what the service found of it, and what it answered.

    Attributes:
        connect: the CONNECT.
        signed: what the service found of its sign.
        ack: the CONNECTACK, as a frame, and `answer`, what it says.
        accepted, refused: what the service meant by it.
        scripted: the answer was made up on purpose, or something was done to it.
        tampered: the service looked at another CONNECT than the client sent, by a fault.
        use: the first SEND after the answer.
        following: the next CONNECT on the connection.
    """

    connect: Said
    signed: At[Signed] | None = None
    ack: At[FrameOut] | None = None
    answer: ConnectAck | None = None
    accepted: At[Accepted] | None = None
    refused: At[Refused] | None = None
    scripted: bool = False
    tampered: bool = False
    use: Said | None = None
    following: Said | None = None

    @property
    def flag(self) -> int:
        frame = self.connect.at.event.frame
        return frame.flag if frame else 0

    @property
    def answered(self) -> Entry | None:
        """Where the service first shows its answer."""
        shown = [at.entry for at in (self.ack, self.accepted, self.refused) if at]
        return min(shown, key=lambda entry: entry.seq, default=None)

    @property
    def told(self) -> Entry | None:
        """Where the client could learn of the answer."""
        return self.ack.entry if self.ack else None if self.scripted else self.answered

    @property
    def token(self) -> str | None:
        """The token that the client was given."""
        if self.answer:
            return self.answer.token
        return self.accepted.event.token if self.accepted else None

    @property
    def succeeded(self) -> bool:
        """Whether the client was accepted, and told so rightly."""
        if self.answer is None:
            return self.accepted is not None and not self.scripted
        told = self.answer.token is not None and not self.answer.refused and self.answer.flag == self.flag
        return told and self.accepted is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """The time in which the messages of one queue could be pushed on a connection; `over` is None when it lasts."""

    accepted: At[Accepted]
    over: Entry | None

    @property
    def queue(self) -> QueueName:
        return queue_of(self.accepted.event)


@dataclass(slots=True, kw_only=True, eq=False)
class Conversation:
    """Everything on one connection, in order.

    Attributes:
        opened: None when the trace begins later.
        tokens: those that the client was told on it, and where it first was. One that was changed on the way is its
            token, as far as it knows.
        text: the first text message from the client.
        ending: where the service began to end it on purpose.
        closed: its end.
        cut: its end, when that was not the client's doing, or was what its application had asked for. What the client
            still owed on this connection, it could not do any more.
    """

    connection: str
    opened: At[Opened] | None = None
    said: list[Said] = field(default_factory=list)
    handshakes: list[Handshake] = field(default_factory=list)
    accepted: list[At[Accepted]] = field(default_factory=list)
    tokens: dict[str, Entry] = field(default_factory=dict)
    text: At[WsIn] | None = None
    ending: Entry | None = None
    closed: At[Closed] | None = None
    cut: At[Closed] | None = None

    def knows(self, token: str | None, entry: Entry) -> bool:
        """Whether the client had been told this token before an entry."""
        told = self.tokens.get(token) if token else None
        return told is not None and told.seq < entry.seq

    def taking(self) -> list[Taking]:
        """When which queue's messages could be pushed on it, in order."""
        connects = [handshake.connect.entry for handshake in self.handshakes]
        ends = [entry for entry in (self.ending, self.closed and self.closed.entry) if entry]
        found = []
        for number, at in enumerate(self.accepted, 1):
            # A connection is what its latest CONNECT makes of it. One CONNECT may be answered twice, by a fault.
            index = bisect_right(connects, at.seq, key=lambda entry: entry.seq)
            again = [later.entry for later in self.accepted[number : number + 1]]
            over = min([*connects[index : index + 1], *again, *ends], key=lambda entry: entry.seq, default=None)
            found.append(Taking(accepted=at, over=over))
        return found


def read_conversations(trace: Trace) -> dict[str, Conversation]:
    """All connections of a trace by name, in the order in which they first appear."""
    conversations: dict[str, Conversation] = {}
    for entry in trace.entries:
        event = entry.event
        name = event.target if isinstance(event, Fault) else getattr(event, "connection", None)
        # The target of a fault may be anything.
        if name is None or (isinstance(event, Fault) and name not in conversations):
            continue
        if name not in conversations:
            conversations[name] = Conversation(connection=name)
        _read(conversations[name], entry, event)
    for conversation in conversations.values():
        for handshake in conversation.handshakes:
            told, token = handshake.told, handshake.token
            if told and token and handshake.succeeded and not _was_not_taken(conversation, handshake, told):
                conversation.tokens.setdefault(token, told)
    return conversations


def _was_not_taken(conversation: Conversation, handshake: Handshake, told: Entry) -> bool:
    """Whether the client had given up waiting for an answer when it came, or could not take one so large: it closed the
    connection and made no use of it. One that came soon, and of a usual size, anybody takes.
    """
    size = len(handshake.ack.event.data) if handshake.ack else 0
    closed = conversation.closed
    gave_up = closed is not None and closed.event.by == "client" and handshake.use is None
    return gave_up and (size > MOST_TAKEN or told.time - handshake.connect.entry.time >= LEAST_PATIENCE)


def _read(conversation: Conversation, entry: Entry, event: Event) -> None:
    match event:
        case Opened():
            conversation.opened = conversation.opened or At(entry=entry, event=event)
        case Closed():
            conversation.closed = conversation.closed or At(entry=entry, event=event)
        case WsIn(opcode="text"):
            conversation.text = conversation.text or At(entry=entry, event=event)
        case FrameIn():
            _read_said(conversation, Said(at=At(entry=entry, event=event), message=_from_client(event)))
        case Fault(name="disconnect" | "abort"):
            conversation.ending = conversation.ending or entry
        case Fault() if conversation.said and unheard(event):
            conversation.said[-1].lost = True
        case _:
            if isinstance(event, Accepted):
                conversation.accepted.append(At(entry=entry, event=event))
            if conversation.handshakes:
                _read_answer(conversation.handshakes[-1], entry, event)


def _read_said(conversation: Conversation, said: Said) -> None:
    if conversation.said:
        conversation.said[-1].following = said
    conversation.said.append(said)
    last = conversation.handshakes[-1] if conversation.handshakes else None
    if said.is_a(MessageType.CONNECT):
        conversation.handshakes.append(Handshake(connect=said))
        if last:
            last.following = said
    elif last and last.use is None and last.answered and said.is_a(MessageType.SEND):
        last.use = said


def _read_answer(handshake: Handshake, entry: Entry, event: Event) -> None:
    match event:
        case Signed():
            handshake.signed = handshake.signed or At(entry=entry, event=event)
        case Accepted() | Refused() if handshake.accepted or handshake.refused:
            pass  # the late answer to the CONNECT before
        case Accepted():
            handshake.accepted = At(entry=entry, event=event)
        case Refused():
            handshake.refused = At(entry=entry, event=event)
        case FrameOut(frame=Frame() as frame) if handshake.ack is None and frame.type == MessageType.CONNECTACK:
            answer = from_service(frame)
            assert isinstance(answer, ConnectAck)
            handshake.ack, handshake.answer = At(entry=entry, event=event), answer
        case Fault() if event.name == "connectack" or kind_of(event) == "connectack":
            handshake.scripted = True
        case Fault(name="corrupt_field" | "truncate") if handshake.signed is None:
            handshake.tampered = True


def _from_client(event: FrameIn) -> ClientMessage | None:
    try:
        return from_client(event.frame) if event.frame else None
    except MessageError:
        return None


def from_out(event: FrameOut) -> ServiceMessage | None:
    """What a frame to the client says; None when it does not decode or makes no sense."""
    try:
        return from_service(event.frame) if event.frame else None
    except MessageError:
        return None
