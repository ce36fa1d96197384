"""Publishes: what a client sent to Taobao, what answered it, and what its application was told.

The first SENDACK with the flag of a publish, on the same connection, is its answer. What an application is told names
topic and content, no flag. Of several publishes alike, a success is taken to be about one that was acknowledged by
then, an error about one that was refused: so what an honest client tells always fits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain

from tmcspec.clauses.conversation import Said
from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.events import Accepted, ClientPublished, Closed, Event, Fault, FrameIn, FrameOut, Published
from tmcspec.frame import MessageType
from tmcspec.messages import Publish, SendAck
from tmcspec.trace import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """A SENDACK with the flag of a publish: where it went out, and whether it is an error."""

    entry: Entry
    refused: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Publication:
    """A publish on a WebSocket.

    Attributes:
        accepted: whether its connection was, when it came.
        published: what the service made of it.
        ack: its answer.
        again: a further SENDACK with its flag.
        ended: where its connection ended, or began anew.
        disturbed: something was done to the client on purpose before the last of these.
        report: what the application was told.
    """

    said: Said
    publish: Publish
    accepted: bool
    published: At[Published] | None = None
    ack: Ack | None = None
    again: Entry | None = None
    ended: Entry | None = None
    disturbed: bool = False
    report: At[ClientPublished] | None = None

    @property
    def entry(self) -> Entry:
        return self.said.entry

    @property
    def known(self) -> Ack | None:
        """Its answer, as far as the client could know it when the application was told."""
        late = self.ack and self.report and self.report.seq < self.ack.entry.seq
        return None if late else self.ack


@dataclass(slots=True, eq=False)
class _Alike:
    """The publishes of one topic and content that no report was about yet, by their answer."""

    silent: dict[int, Publication] = field(default_factory=dict)
    refused: deque[Publication] = field(default_factory=deque)
    accepted: deque[Publication] = field(default_factory=deque)

    def answered(self, publication: Publication, ack: Ack) -> None:
        if self.silent.pop(publication.entry.seq, None):
            (self.refused if ack.refused else self.accepted).append(publication)

    def meant(self, *, ok: bool) -> Publication | None:
        """The one that a report is about."""
        first, last = (self.accepted, self.refused) if ok else (self.refused, self.accepted)
        if first:
            return first.popleft()
        # A success is rather about one that was refused than about one that nobody answered; an error about the latter.
        if self.silent and not (ok and last):
            return self.silent.pop(next(iter(self.silent)))
        return last.popleft() if last else None


@dataclass(slots=True, eq=False)
class _Line:
    """A connection as far as publishing goes: whether it is accepted, the latest publish, and those by flag: what
    waits for an answer, and what got one last.
    """

    accepted: bool = False
    disturbed: int = 0
    latest: Publication | None = None
    waiting: dict[int, deque[Publication]] = field(default_factory=dict)
    answered: dict[int, Publication] = field(default_factory=dict)

    def ends(self, entry: Entry) -> None:
        self.accepted = False
        for publication in (*chain.from_iterable(self.waiting.values()), *self.answered.values()):
            publication.ended = entry
        self.waiting.clear()
        self.answered.clear()


class Publications:
    """All publishes of a history.

    Attributes:
        sent: those on a WebSocket, in order.
        lonely: successes that an application was told of without anything that they could be about.
    """

    def __init__(self, history: History) -> None:
        self.sent: list[Publication] = []
        self.lonely: list[At[ClientPublished]] = []
        self._history = history
        self._lines: dict[str, _Line] = {}
        self._alike: dict[tuple[str, str], _Alike] = {}
        self._by_http: set[tuple[str, str]] = set()
        self._said = {said.entry.seq: said for said in history.said}
        for entry in history.trace.entries if self._any() else ():
            self._read(entry, entry.event)
        for publication in self.sent:
            if publication.ack is None:
                publication.disturbed = self._disturbed(publication)

    def _any(self) -> bool:
        """Whether there is anything to read: decoding all that goes to a client takes its time."""
        if any(isinstance(said.message, Publish) for said in self._history.said):
            return True
        return next(self._history.events(ClientPublished), None) is not None

    def _read(self, entry: Entry, event: Event) -> None:
        match event:
            case FrameIn():
                self._heard(self._said[entry.seq])
            case FrameOut() if event.connection in self._lines:
                self._answered(At(entry=entry, event=event))
            case Accepted():
                self._line(event.connection).accepted = True
            case Closed():
                self._line(event.connection).ends(entry)
            case Fault(target=str(target)):
                line = self._line(target)
                line.disturbed = entry.seq
                if event.name in ("disconnect", "abort"):
                    line.ends(entry)
            case Published():
                self._looked_at(At(entry=entry, event=event))
            case ClientPublished():
                self._told(At(entry=entry, event=event))

    def _line(self, connection: str) -> _Line:
        return self._lines.setdefault(connection, _Line())

    def _heard(self, said: Said) -> None:
        line = self._line(said.connection)
        if said.is_a(MessageType.CONNECT):
            line.ends(said.entry)
        if not isinstance(said.message, Publish):
            return
        publication = Publication(said=said, publish=said.message, accepted=line.accepted)
        self.sent.append(publication)
        line.latest = publication
        line.waiting.setdefault(said.message.flag, deque()).append(publication)
        alike = self._alike.setdefault((said.message.topic, said.message.content), _Alike())
        alike.silent[said.entry.seq] = publication

    def _answered(self, out: At[FrameOut]) -> None:
        line, answer = self._lines[out.event.connection], self._history.heard(out)
        if not isinstance(answer, SendAck) or answer.flag <= 0:
            return
        if waiting := line.waiting.get(answer.flag):
            publication = line.answered[answer.flag] = waiting.popleft()
            publication.ack = Ack(entry=out.entry, refused=answer.refused)
            publication.disturbed = self._disturbed(publication)
            self._alike[publication.publish.topic, publication.publish.content].answered(publication, publication.ack)
        elif (answered := line.answered.get(answer.flag)) and answered.again is None:
            answered.again = out.entry
            answered.disturbed = self._disturbed(answered)

    def _disturbed(self, publication: Publication) -> bool:
        return self._lines[publication.said.connection].disturbed > publication.entry.seq

    def _looked_at(self, at: At[Published]) -> None:
        line = self._lines.get(at.event.connection or "")
        latest = line.latest if line else None
        if at.event.via == "http":
            self._by_http.add((at.event.topic, at.event.content))
        elif latest and (latest.publish.topic, latest.publish.content) == (at.event.topic, at.event.content):
            latest.published = latest.published or at

    def _told(self, at: At[ClientPublished]) -> None:
        key = at.event.topic, at.event.content
        alike = self._alike.get(key)
        publication = alike.meant(ok=at.event.ok) if alike else None
        if publication:
            publication.report = at
        elif at.event.ok and key not in self._by_http:
            self.lonely.append(at)
