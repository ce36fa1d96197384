"""Messages and their deliveries: each time that one was handed out, on a connection or over HTTP, and what came of it.

A client names a message, never a delivery. While one delivery of an id is under way this makes no difference. When the
message came again, what the client says is attributed like this:

- `Received` belongs to the earliest handing out to this client that can still arrive: its connection is open, and it is
  not older than the client's patience. Else it belongs to the latest to this client. Whose a connection is may not be
  known, and whose a request is never is: then it may be anybody's.
- `Handled` belongs to the earliest handing out that this client received and has not handled.
- A Confirm or Failed belongs to the latest handing out; judges that ask whether a delivery was answered accept an
  answer to a later one, too (`confirmed_by`, `failed_by`), since it may have been under way.

All ways of consuming share one queue (S3: 多种消费方式协作消费同一个队列). So a message that was pushed may come again
over HTTP and the other way round, and may be answered there. Whose such an answer was is not known: it excuses whoever
was pushed the message, and accuses nobody of having answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tmcspec.clauses.conversation import Conversation, Said, from_out
from tmcspec.clauses.fleet import Fleet
from tmcspec.clauses.naming import Naming
from tmcspec.clauses.tampered import SPOILING
from tmcspec.clauses.timeline import At, Timeline
from tmcspec.events import (
    ClientDied,
    ClientStopped,
    Confirmed,
    Consumed,
    Dropped,
    Expired,
    Fault,
    FrameIn,
    FrameOut,
    GroupDeleted,
    Handled,
    Produced,
    Pushed,
    Received,
)
from tmcspec.events import Failed as FailedEvent
from tmcspec.ids import misreadings
from tmcspec.instruction import Instruction, instruction
from tmcspec.messages import Confirm, Fail, Push
from tmcspec.trace import Entry


@dataclass(slots=True, kw_only=True, eq=False)
class Answer:
    """A confirm of a message, or a report that it failed.

    Attributes:
        entry: its frame; over HTTP, where the service took it.
        said: its frame; None over HTTP.
    """

    entry: Entry
    message: Confirm | Fail
    said: Said | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Life:
    """Everything that happened to one message.

    Attributes:
        instruction: what its handler was told; `ok` at once when nobody was there to be told.
        handed: each time that it was handed out, pushes and HTTP answers alike; `deliveries` are the pushes among them.
        begun: the first handing out that the handler got.
        succeeded: where its handler first succeeded.
        confirmed: where it was settled.
        lost: where its group was deleted while it was unsettled, or it was dropped, whichever came first.
        after_loss: what first happened to it after that.
    """

    produced: At[Produced]
    instruction: Instruction
    handed: list[Handing] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    begun: Handing | None = None
    succeeded: At[Handled] | None = None
    confirmed: At[Confirmed] | None = None
    failed: list[At[FailedEvent]] = field(default_factory=list)
    expired: At[Expired] | None = None
    lost: Entry | None = None
    after_loss: Entry | None = None

    @property
    def id(self) -> int:
        return self.produced.event.message

    @property
    def ended(self) -> Entry | None:
        """Where it was first confirmed, expired, or lost with its group; None as long as it is unsettled."""
        settled = [at.entry for at in (self.confirmed, self.expired) if at]
        return min([*settled, *([self.lost] if self.lost else [])], key=lambda entry: entry.seq, default=None)


@dataclass(slots=True, kw_only=True, eq=False)
class Handing:
    """One time that a message was handed out, and what came of it.

    Attributes:
        entry: where it was pushed, or consumed over HTTP.
        number: how many times it was handed out before.
        spoiled: a fault made it say something else.
        answers: the answers between this handing out and the next, strays left out; `frames` are those on
            connections, `confirm` the first Confirm among them.
        confirmed_by, failed_by: the first confirm and the first report of failure after this, strays left out.
    """

    life: Life
    number: int
    entry: Entry
    spoiled: bool = False
    received: At[Received] | None = None
    handled: At[Handled] | None = None
    answers: list[Answer] = field(default_factory=list)
    confirmed_by: Answer | None = None
    failed_by: Answer | None = None

    @property
    def id(self) -> int:
        return self.life.id

    @property
    def produced(self) -> At[Produced]:
        return self.life.produced

    @property
    def instruction(self) -> Instruction:
        """What its handler was told, as far as that is known."""
        return Instruction() if self.spoiled else self.life.instruction

    @property
    def frames(self) -> list[Said]:
        return [answer.said for answer in self.answers if answer.said]

    @property
    def confirm(self) -> Said | None:
        return next((said for said in self.frames if isinstance(said.message, Confirm)), None)


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery(Handing):
    """One push of one message on a connection.

    Attributes:
        out: its frame.
        kept: a fault kept its frame from going out, then or for ever.
        copies: how many times its frame went out once more.
    """

    pushed: At[Pushed]
    out: At[FrameOut] | None = None
    kept: bool = False
    copies: int = 0

    @property
    def sent(self) -> Entry:
        """Where it went to the client."""
        return self.out.entry if self.kept and self.out else self.entry

    @property
    def absent(self) -> bool:
        """Whether it did not come there."""
        return self.kept and self.out is None

    @property
    def overtaken(self) -> bool:
        """Whether it came after the message had been handed out again."""
        following = self.life.handed[self.number + 1 : self.number + 2]
        return self.kept and any(self.sent.seq > each.entry.seq for each in following)

    @property
    def connection(self) -> str:
        return self.pushed.event.connection


class DeliveryReader:
    """Reads a trace once, from its first entry to its last.

    Attributes:
        lives: all messages, in the order of their production.
        deliveries: all pushes of produced messages, in order.
        by_id: the latest message with an id; ids are unique, but a trace may be anybody's.
        strays: the ids in pushes that went out and were not meant, and where.
    """

    def __init__(
        self, timeline: Timeline, conversations: Mapping[str, Conversation], fleet: Fleet, naming: Naming
    ) -> None:
        self.lives: list[Life] = []
        self.deliveries: list[Delivery] = []
        self.by_id: dict[int, Life] = {}
        self.strays: list[tuple[Entry, int]] = []
        self._timeline = timeline
        self._conversations = conversations
        self._fleet = fleet
        self._naming = naming
        self._said = {said.entry.seq: said for each in conversations.values() for said in each.said}
        # By connection, the delivery whose frame comes next, and how many messages come before it.
        self._leaving: dict[str, Delivery] = {}
        self._company: dict[str, int] = {}
        # By connection, the deliveries of which a frame may come later, told by its id.
        self._astray: dict[str, list[Delivery]] = {}
        # What a lossy reader calls a message: what its handler saw is attributed to the message that was sent.
        self._aliases: dict[int, int] = {}
        # The handing out of a message that may arrive next at a client, which never goes back, and the latest one
        # before it to this client.
        self._arriving: dict[tuple[Life, str], tuple[int, Handing | None]] = {}
        # By client, the handings out of each message that its handler is at work on.
        self._working: dict[str, dict[Life, deque[Handing]]] = {}
        for entry in timeline.trace.entries:
            self._read(entry)
        for life in self.lives:
            _look_ahead(life)

    def _read(self, entry: Entry) -> None:
        match entry.event:
            case Produced() as event:
                self._produced(At(entry=entry, event=event))
            case Pushed() | Consumed() | Confirmed() | FailedEvent() | Expired() | Dropped() as event:
                if life := self.by_id.get(event.message):
                    self._happened(life, entry)
            case GroupDeleted(app_key=app_key, group=group):
                for life in self.lives:
                    message = life.produced.event
                    if (message.app_key, message.group) == (app_key, group) and life.ended is None:
                        life.lost = entry  # whether the service says that it is lost makes no difference
            case FrameOut() as event:
                self._went(At(entry=entry, event=event))
            case Fault(target=str(connection)) as event if delivery := self._leaving.get(connection):
                self._befell(delivery, event)
            case FrameIn():
                self._said_so(self._said[entry.seq])
            case Received() as event if life := self.meant(event.message):
                self._received(life, At(entry=entry, event=event))
            case Handled() as event if life := self.meant(event.message):
                self._handled(life, At(entry=entry, event=event))
            case ClientDied(client=client) | ClientStopped(client=client):
                # Whatever its handler was at work on is over.
                self._working.pop(client, None)

    def _produced(self, at: At[Produced]) -> None:
        # Programs without an adapter read no instructions.
        told = instruction(at.event.content) if self._timeline.trace.handlers else Instruction()
        life = Life(produced=at, instruction=told)
        self.lives.append(life)
        self.by_id[at.event.message] = life

    def _happened(self, life: Life, entry: Entry) -> None:
        """Something happened to a message, as the service sees it."""
        if life.lost and not isinstance(entry.event, Dropped):
            life.after_loss = life.after_loss or entry
        match entry.event:
            case Pushed() as event:
                delivery = Delivery(
                    life=life, number=len(life.handed), entry=entry, pushed=At(entry=entry, event=event)
                )
                life.deliveries.append(delivery)
                self.deliveries.append(delivery)
                self._leaving[event.connection] = delivery
                self._hand_out(delivery)
            case Consumed():
                self._hand_out(Handing(life=life, number=len(life.handed), entry=entry))
            case Confirmed(via=via) as event:
                life.confirmed = life.confirmed or At(entry=entry, event=event)
                if via == "http":
                    self._answered(life, Answer(entry=entry, message=Confirm(token=None, id=life.id)))
            case FailedEvent(connection=connection, reason=reason) as event:
                life.failed.append(At(entry=entry, event=event))
                if connection is None:
                    self._answered(life, Answer(entry=entry, message=Fail(token=None, id=life.id, reason=reason)))
            case Expired() as event:
                life.expired = life.expired or At(entry=entry, event=event)
            case event:
                assert isinstance(event, Dropped)
                life.lost = life.lost or entry

    def _befell(self, delivery: Delivery, fault: Fault) -> None:
        """Something was done to the frame of a delivery before it went out."""
        connection = delivery.connection
        match fault.name:
            case "drop":
                del self._leaving[connection]
                delivery.kept = True
            case "delay" | "reorder":
                del self._leaving[connection]
                self._company.pop(connection, None)
                delivery.kept = True
                self._astray.setdefault(connection, []).append(delivery)
            case "duplicate":
                self._astray.setdefault(connection, []).append(delivery)
            case "garbage":
                self._company[connection] = self._company.get(connection, 0) + 1
            case name:
                delivery.spoiled = delivery.spoiled or name in SPOILING

    def _went(self, out: At[FrameOut]) -> None:
        """A frame went out: that of the delivery that is leaving, or one that may be of another."""
        connection = out.event.connection
        delivery = self._leaving.get(connection)
        if delivery and self._company.get(connection):
            self._company[connection] -= 1
            return
        if delivery:
            del self._leaving[connection]
            delivery.out = out
            if not delivery.spoiled:
                return
        elif connection not in self._astray:
            return
        said = from_out(out.event)
        if not isinstance(said, Push) or said.id is None or (delivery and said.id == delivery.id):
            return
        found = [each for each in self._astray.get(connection, ()) if each.id == said.id]
        late = next((each for each in found if each.out is None), None)
        if late:
            late.out = out
        elif found:
            found[-1].copies += 1
        else:
            self.strays.append((out.entry, said.id))

    def _hand_out(self, handing: Handing) -> None:
        handing.life.handed.append(handing)
        for wrong in misreadings(handing.id).values():
            self._aliases.setdefault(wrong, handing.id)

    def _said_so(self, said: Said) -> None:
        if isinstance(said.message, Confirm | Fail) and said.message.id is not None:
            life = self.by_id.get(said.message.id)
            if life:
                self._answered(life, Answer(entry=said.entry, message=said.message, said=said))

    def _answered(self, life: Life, answer: Answer) -> None:
        if life.handed and not self._stray(answer, life.handed[-1]):
            life.handed[-1].answers.append(answer)

    def _stray(self, answer: Answer, handing: Handing) -> bool:
        """Whether a confirm of this message was more likely meant for an id that was lost in a lossy reading."""
        if not isinstance(answer.message, Confirm) or not self._naming.mistaken_for(handing.id):
            return False
        return handing.instruction.outcome != "ok" or handing.confirm is not None

    def _received(self, life: Life, at: At[Received]) -> None:
        handed, key = life.handed, (life, at.event.client)
        index, own = self._arriving.get(key, (0, None))
        while index < len(handed) - 1 and not self._may_arrive(handed[index], at):
            own = handed[index] if self._may_be_to(handed[index], at.event.client) else own
            index += 1
        self._arriving[key] = index, own
        handing = handed[index] if self._may_be_to(handed[index], at.event.client) else own
        if handing is not None and handing.received is None:
            handing.received = at
            life.begun = life.begun or handing
            self._working.setdefault(at.event.client, {}).setdefault(life, deque()).append(handing)

    def _may_arrive(self, handing: Handing, at: At[Received]) -> bool:
        push = handing if isinstance(handing, Delivery) else None
        closed = self._conversations[push.connection].closed if push else None
        return (
            handing.received is None
            and not (push and push.absent)
            and self._may_be_to(handing, at.event.client)
            and (closed is None or closed.seq > at.seq)
            and self._timeline.between(push.sent if push else handing.entry, at.entry) <= self._timeline.trace.patience
        )

    def _may_be_to(self, handing: Handing, client: str) -> bool:
        """Whether a message may have been handed to this client."""
        return not isinstance(handing, Delivery) or self._fleet.owner(handing.connection) in (client, None)

    def _handled(self, life: Life, at: At[Handled]) -> None:
        working = self._working.get(at.event.client, {}).get(life)
        last = life.handed[-1]
        handing = working.popleft() if working else last if self._may_be_to(last, at.event.client) else None
        if handing:
            handing.handled = handing.handled or at
        if at.event.outcome == "ok":
            life.succeeded = life.succeeded or at

    def meant(self, message: int | None) -> Life | None:
        """The message that a client means by an id."""
        for value in (message, self._aliases.get(message) if message is not None else None):
            life = self.by_id.get(value) if value is not None else None
            if life and life.handed:
                return life
        return None


def _look_ahead(life: Life) -> None:
    """Tells each handing out of a message which answers came to it or to a later one."""
    confirmed = failed = None
    for handing in reversed(life.handed):
        for answer in reversed(handing.answers):
            if isinstance(answer.message, Confirm):
                confirmed = answer
            else:
                failed = answer
        handing.confirmed_by, handing.failed_by = confirmed, failed
