"""Messages and their deliveries: each push, and what came of it.

A client names a message, never a delivery. While one delivery of an id is under way this makes no difference. When the
message came again, what the client says is attributed like this:

- `Received` belongs to the earliest delivery that can still arrive: its connection is open, and it is not older than
  the client's patience. Else it belongs to the latest.
- `Handled` belongs to the earliest delivery that this client received and has not handled.
- A Confirm or Failed belongs to the latest delivery; judges that ask whether a delivery was answered accept an answer
  to a later one, too (`confirmed_by`, `failed_by`), since it may have been under way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tmcspec.clauses.conversation import Conversation, Said
from tmcspec.clauses.naming import Naming
from tmcspec.clauses.timeline import At, Timeline
from tmcspec.events import (
    ClientDied,
    ClientStopped,
    Confirmed,
    Expired,
    FrameIn,
    FrameOut,
    Handled,
    Produced,
    Pushed,
    Received,
)
from tmcspec.events import Failed as FailedEvent
from tmcspec.ids import misreadings
from tmcspec.instruction import Instruction, instruction
from tmcspec.messages import Confirm, Fail
from tmcspec.trace import Entry


@dataclass(slots=True, kw_only=True, eq=False)
class Life:
    """Everything that happened to one message.

    Attributes:
        instruction: what its handler was told; `ok` at once when nobody was there to be told.
        begun: the first delivery that the handler got.
        succeeded: where its handler first succeeded.
        confirmed: where it was settled.
    """

    produced: At[Produced]
    instruction: Instruction
    deliveries: list[Delivery] = field(default_factory=list)
    begun: Delivery | None = None
    succeeded: At[Handled] | None = None
    confirmed: At[Confirmed] | None = None
    failed: list[At[FailedEvent]] = field(default_factory=list)
    expired: At[Expired] | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One push of one message, and what came of it.

    Attributes:
        number: how many deliveries of this message there were before.
        answers: the Confirm and Fail frames between this push and the next that name its id, strays left out.
        confirmed_by, failed_by: the first Confirm and the first Fail after this push, strays left out.
    """

    life: Life
    number: int
    pushed: At[Pushed]
    out: At[FrameOut] | None = None
    received: At[Received] | None = None
    handled: At[Handled] | None = None
    answers: list[Said] = field(default_factory=list)
    confirmed_by: Said | None = None
    failed_by: Said | None = None

    @property
    def id(self) -> int:
        return self.pushed.event.message

    @property
    def connection(self) -> str:
        return self.pushed.event.connection

    @property
    def produced(self) -> At[Produced]:
        return self.life.produced

    @property
    def instruction(self) -> Instruction:
        return self.life.instruction

    @property
    def confirm(self) -> Said | None:
        return next((said for said in self.answers if isinstance(said.message, Confirm)), None)

    @property
    def fail(self) -> Said | None:
        return next((said for said in self.answers if isinstance(said.message, Fail)), None)


class DeliveryReader:
    """Reads a trace once, from its first entry to its last.

    Attributes:
        lives: all messages, in the order of their production.
        deliveries: all pushes of produced messages, in order.
        by_id: the latest message with an id; ids are unique, but a trace may be anybody's.
    """

    def __init__(self, timeline: Timeline, conversations: Mapping[str, Conversation], naming: Naming) -> None:
        self.lives: list[Life] = []
        self.deliveries: list[Delivery] = []
        self.by_id: dict[int, Life] = {}
        self._timeline = timeline
        self._conversations = conversations
        self._naming = naming
        self._said = {said.entry.seq: said for each in conversations.values() for said in each.said}
        # By connection, the delivery whose frame comes next.
        self._leaving: dict[str, Delivery] = {}
        # What a lossy reader calls a message: what its handler saw is attributed to the message that was sent.
        self._aliases: dict[int, int] = {}
        # The delivery of a message that may arrive next. It never goes back.
        self._arriving: dict[Life, int] = {}
        # By client, the deliveries of each message that its handler is at work on.
        self._working: dict[str, dict[Life, deque[Delivery]]] = {}
        for entry in timeline.trace.entries:
            self._read(entry)
        for life in self.lives:
            _look_ahead(life)

    def _read(self, entry: Entry) -> None:
        match entry.event:
            case Produced() as event:
                self._produced(At(entry=entry, event=event))
            case Pushed() as event if life := self.by_id.get(event.message):
                self._pushed(life, At(entry=entry, event=event))
            case FrameOut() as event if event.connection in self._leaving:
                self._leaving.pop(event.connection).out = At(entry=entry, event=event)
            case FrameIn():
                self._answered(self._said[entry.seq])
            case Received() as event if life := self._meant(event.message):
                self._received(life, At(entry=entry, event=event))
            case Handled() as event if life := self._meant(event.message):
                self._handled(life, At(entry=entry, event=event))
            case Confirmed() as event if life := self.by_id.get(event.message):
                life.confirmed = life.confirmed or At(entry=entry, event=event)
            case FailedEvent() as event if life := self.by_id.get(event.message):
                life.failed.append(At(entry=entry, event=event))
            case Expired() as event if life := self.by_id.get(event.message):
                life.expired = life.expired or At(entry=entry, event=event)
            case ClientDied(client=client) | ClientStopped(client=client):
                # Whatever its handler was at work on is over.
                self._working.pop(client, None)

    def _produced(self, at: At[Produced]) -> None:
        # Programs without an adapter read no instructions.
        told = instruction(at.event.content) if self._timeline.trace.handlers else Instruction()
        life = Life(produced=at, instruction=told)
        self.lives.append(life)
        self.by_id[at.event.message] = life

    def _pushed(self, life: Life, at: At[Pushed]) -> None:
        delivery = Delivery(life=life, number=len(life.deliveries), pushed=at)
        life.deliveries.append(delivery)
        self.deliveries.append(delivery)
        self._leaving[delivery.connection] = delivery
        for wrong in misreadings(delivery.id).values():
            self._aliases.setdefault(wrong, delivery.id)

    def _answered(self, said: Said) -> None:
        if not isinstance(said.message, Confirm | Fail) or said.message.id is None:
            return
        life = self.by_id.get(said.message.id)
        if life and life.deliveries and not self._stray(said, life.deliveries[-1]):
            life.deliveries[-1].answers.append(said)

    def _stray(self, said: Said, delivery: Delivery) -> bool:
        """Whether a confirm of this delivery was more likely meant for an id that was lost in a lossy reading."""
        if not isinstance(said.message, Confirm) or not self._naming.mistaken_for(delivery.id):
            return False
        return delivery.instruction.outcome != "ok" or delivery.confirm is not None

    def _received(self, life: Life, at: At[Received]) -> None:
        deliveries = life.deliveries
        index = self._arriving.get(life, 0)
        while index < len(deliveries) - 1 and not self._may_arrive(deliveries[index], at.entry):
            index += 1
        self._arriving[life] = index
        delivery = deliveries[index]
        if delivery.received is None:
            delivery.received = at
            life.begun = life.begun or delivery
            self._working.setdefault(at.event.client, {}).setdefault(life, deque()).append(delivery)

    def _may_arrive(self, delivery: Delivery, entry: Entry) -> bool:
        closed = self._conversations[delivery.connection].closed
        return (
            delivery.received is None
            and (closed is None or closed.seq > entry.seq)
            and self._timeline.between(delivery.pushed.entry, entry) <= self._timeline.trace.patience
        )

    def _handled(self, life: Life, at: At[Handled]) -> None:
        working = self._working.get(at.event.client, {}).get(life)
        delivery = working.popleft() if working else life.deliveries[-1]
        delivery.handled = delivery.handled or at
        if at.event.outcome == "ok":
            life.succeeded = life.succeeded or at

    def _meant(self, message: int | None) -> Life | None:
        """The message that a client means by an id."""
        for value in (message, self._aliases.get(message) if message is not None else None):
            life = self.by_id.get(value) if value is not None else None
            if life and life.deliveries:
                return life
        return None


def _look_ahead(life: Life) -> None:
    """Tells each delivery of a message which answers came to it or to a later one."""
    confirmed = failed = None
    for delivery in reversed(life.deliveries):
        confirmed, failed = delivery.confirm or confirmed, delivery.fail or failed
        delivery.confirmed_by, delivery.failed_by = confirmed, failed
