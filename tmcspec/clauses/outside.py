"""Traces that were recorded from the outside, as by a proxy in production: the frames speak for the service.

Such a trace has nothing of what the service itself observes, neither `accepted` nor `pushed`. But frames show most of
it: a CONNECTACK without an error accepts what the CONNECT before it asked for, and a push frame pushes its id. So these
events are made of them, right before the frame, and judges need not know where they come from.

What no frame shows stays unknown: when a message was produced, what became of it over HTTP, and whether a confirm was
taken. So a message is born with its first push here, and no clause that binds the service is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tmcspec.clauses.conversation import from_out
from tmcspec.events import (
    Accepted,
    Confirmed,
    Consumed,
    Dropped,
    Event,
    Expired,
    Failed,
    FrameIn,
    FrameOut,
    HttpIn,
    HttpOut,
    Id,
    Produced,
    Published,
    Pushed,
    Refused,
    Signed,
    UnknownConfirm,
)
from tmcspec.messages import Connect, ConnectAck, MessageError, Push, from_client
from tmcspec.trace import Entry, Trace

#: What only the service itself can tell.
_OF_THE_SERVICE = (
    Signed,
    Accepted,
    Refused,
    Produced,
    Pushed,
    Consumed,
    Confirmed,
    Failed,
    UnknownConfirm,
    Expired,
    Dropped,
    Published,
    HttpIn,
    HttpOut,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """A trace with what its frames tell.

    Attributes:
        trace: its entries, numbered anew.
        sources: by their numbers, from 1, the entries of the trace that they come from.
    """

    trace: Trace
    sources: Sequence[Entry]

    def source(self, entry: Entry) -> Entry:
        """The entry of the trace that was recorded."""
        return self.sources[entry.seq - 1]


def retold(trace: Trace) -> Retold | None:
    """A trace with what its frames tell; None when it was not recorded from the outside."""
    if trace.world != "recorded" or any(isinstance(entry.event, _OF_THE_SERVICE) for entry in trace.entries):
        return None
    teller, entries, sources = _Teller(), [], []
    for source in trace.entries:
        for event in (*teller.told_by(source.event), source.event):
            sources.append(source)
            entries.append(Entry(seq=len(sources), time=source.time, event=event))
    return Retold(trace=replace(trace, entries=tuple(entries)), sources=sources)


class _Teller:
    """What the frames so far have told."""

    def __init__(self) -> None:
        # By connection: the latest CONNECT, and what was last accepted.
        self._connects: dict[str, Connect] = {}
        self._accepted: dict[str, Accepted] = {}
        # How often each message was pushed.
        self._attempts: dict[int, int] = {}

    def told_by(self, event: Event) -> Iterator[Event]:
        """What the service did, by a frame of it."""
        if isinstance(event, FrameIn):
            self._asked(event)
        elif isinstance(event, FrameOut):
            match from_out(event):
                case ConnectAck() as ack:
                    yield from self._answered(event.connection, ack)
                case Push(id=int()) as push:
                    yield from self._pushed(event.connection, push)

    def _asked(self, event: FrameIn) -> None:
        try:
            said = from_client(event.frame) if event.frame else None
        except MessageError:
            return
        if isinstance(said, Connect):
            self._connects[event.connection] = said

    def _answered(self, connection: str, ack: ConnectAck) -> Iterator[Event]:
        connect = self._connects.get(connection)
        if ack.refused:
            yield Refused(connection=connection, code=ack.status_code, phrase=ack.status_phrase)
        elif connect and ack.token is not None:
            self._accepted[connection] = Accepted(
                connection=connection, app_key=connect.app_key, group=connect.group, token=ack.token
            )
            yield self._accepted[connection]

    def _pushed(self, connection: str, push: Push) -> Iterator[Event]:
        assert push.id is not None
        message, to = Id(push.id), self._accepted.get(connection)
        attempt = self._attempts[message] = self._attempts.get(message, 0) + 1
        # Where the trace begins later, it does not show whose the connection is, nor whose message that was.
        if attempt == 1 and to:
            yield Produced(
                message=message,
                app_key=to.app_key,
                group=to.group,
                topic=push.topic or "",
                user_id=None if push.user_id is None else Id(push.user_id),
                content=_text(push),
            )
        yield Pushed(message=message, connection=connection, attempt=attempt)


def _text(push: Push) -> str | None:
    try:
        return push.text()
    except MessageError:
        return None
