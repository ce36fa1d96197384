"""Queues: the messages of one group of one app in one environment, and who takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from tmcspec.delivery import Input, State
from tmcspec.events import Via
from tmcspec.flow import Valve
from tmcspec.messages import Push
from tmcspec.routing import DEFAULT_GROUP, Environment, MessageKind
from tmcspec.shortcuts import Letter

if TYPE_CHECKING:
    from tmcfakes.connections import Connection

#: What came of handing a message out: nothing yet; a confirm in time, or after the minute (S24); a Failed; none of
#: these within the minute.
Outcome: TypeAlias = Literal["pending", "confirmed", "confirmed late", "failed", "missed"]


class QueueKey(NamedTuple):
    """The name of a queue."""

    app_key: str
    group: str = DEFAULT_GROUP
    environment: Environment = "production"


@dataclass(slots=True, kw_only=True, eq=False)
class Handed:
    """One time that a message was handed out: a line of the console's second track (S65: 消费记录中
    每一条均代表推送给了目标isvClient一次该消息).

    `ip` is the chain of addresses on the way (S67), and `connection` is None over HTTP.
    """

    time: float
    via: Via
    connection: str | None
    ip: str
    outcome: Outcome = "pending"


@dataclass(slots=True, kw_only=True, eq=False)
class Settled:
    """Where a message was confirmed: the console's third track (S66)."""

    time: float
    via: Via
    connection: str | None


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """A message and its tracks.

    `letter` is what every delivery says, None when the message is settled. The times are seconds of service time; None
    as long as the timer was never started.
    """

    id: int
    queue: Queue
    letter: Letter | None
    topic: str
    born: float
    expires_at: float
    age: int = 0
    user_id: int | None = None
    kind: MessageKind = "point_to_point"
    wire: Callable[[Push], bytes] | None = None
    fragments: int = 1
    state: State = State.WAITING
    confirm_by: float | None = None
    due_again: float | None = None
    handed: tuple[Handed, ...] = ()
    confirmed: Settled | None = None

    @property
    def waiting_since(self) -> float:
        """Since when a message that waits has done so."""
        return self.born if self.due_again is None else self.due_again

    def runs_out(self, timer: Input) -> float | None:
        """When this timer of the message runs out."""
        if timer is Input.CONFIRM_TIMEOUT:
            return self.confirm_by
        return self.due_again if timer is Input.REDELIVERY_DUE else self.expires_at


@dataclass(slots=True, kw_only=True)
class Counts:
    """What has happened in a queue so far. `pushed` counts what was handed out over HTTP, too."""

    produced: int = 0
    pushed: int = 0
    confirmed: int = 0
    failed: int = 0
    expired: int = 0
    dropped: int = 0


@dataclass(slots=True, kw_only=True, eq=False)
class Queue:
    """One queue.

    Attributes:
        takers: the connections that take its messages, the longest accepted first.
        pulled: whether they are given only what they pull.
        heap: its waiting messages by age, among stale entries; `Backlog` knows which.
        waiting: how many messages wait.
        unsettled: how many messages are not settled.
    """

    key: QueueKey
    valve: Valve
    pulled: bool = False
    takers: list[Connection] = field(default_factory=list)
    heap: list[tuple[int, Message]] = field(default_factory=list)
    waiting: int = 0
    unsettled: int = 0
    counts: Counts = field(default_factory=Counts)

    def able(self) -> list[Connection]:
        """The connections that can take a message now."""
        return [each for each in self.takers if each.credit > 0] if self.pulled else self.takers
