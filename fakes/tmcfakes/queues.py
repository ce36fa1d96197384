"""Queues: the messages of one group of one app in one environment, and who takes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

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


class Settled(NamedTuple):
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
    queue: Queue = field(repr=False)
    letter: Letter | None = field(repr=False)
    topic: str
    born: float
    expires_at: float
    age: int = 0
    user_id: int | None = None
    nick: str | None = None
    data_id: int | None = None
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

    def packed(self) -> Packed:
        """What is remembered of a settled message. Nothing in it can refer to anything, so it is small, and the
        garbage collector does not look at it again and again.
        """
        return (
            self.topic,
            self.data_id,
            self.born,
            self.expires_at,
            self.user_id,
            self.kind,
            self.state.name,
            tuple([(each.time, each.via, each.connection, each.ip, each.outcome) for each in self.handed]),
            self.confirmed and (*self.confirmed,),
            *self.queue.key,
        )


Packed: TypeAlias = tuple[Any, ...]


def unpacked(message_id: int, packed: Packed, queues: Mapping[QueueKey, Queue]) -> Message:
    """A settled message, from what is remembered of it."""
    topic, data_id, born, expires_at, user_id, kind, state, handed, confirmed, *key = packed
    return Message(
        id=message_id,
        queue=queues[QueueKey(*key)],
        letter=None,
        topic=topic,
        born=born,
        expires_at=expires_at,
        user_id=user_id,
        data_id=data_id,
        kind=kind,
        state=State[state],
        handed=tuple(
            Handed(time=time, via=via, connection=connection, ip=ip, outcome=outcome)
            for time, via, connection, ip, outcome in handed
        ),
        confirmed=confirmed and Settled(*confirmed),
    )


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
        credited: those of them that have pulled and not been given all of it yet.
        heap: its waiting messages by age, among stale entries; `Backlog` knows which.
        waiting: how many messages wait.
        unsettled: how many messages are not settled.
    """

    key: QueueKey
    valve: Valve
    pulled: bool = False
    takers: list[Connection] = field(default_factory=list, repr=False)
    credited: list[Connection] = field(default_factory=list, repr=False)
    heap: list[tuple[int, Message]] = field(default_factory=list, repr=False)
    waiting: int = 0
    unsettled: int = 0
    counts: Counts = field(default_factory=Counts)

    def able(self) -> list[Connection]:
        """The connections that can take a message now."""
        return self.credited if self.pulled else self.takers

    def enter(self, connection: Connection) -> None:
        """One more takes its messages."""
        self.takers.append(connection)

    def leave(self, connection: Connection) -> None:
        """One takes its messages no more."""
        if connection in self.takers:
            self.takers.remove(connection)
        if connection.credit:
            self.credited.remove(connection)
            connection.credit = 0

    def grant(self, connection: Connection, credit: int) -> None:
        """One may be given so many messages. Credit that is left over does not add up."""
        if not connection.credit:
            self.credited.append(connection)
        connection.credit = credit

    def set_pulled(self, pulled: bool) -> None:
        """From now on its messages are pushed or pulled. Credit of a time before does not count."""
        self.pulled = pulled
        for connection in self.credited:
            connection.credit = 0
        self.credited.clear()

    def draw(self, rng: random.Random) -> Connection:
        """One that can take a message now, each as likely as any other, and what it gets is counted (S60:
        随机选择从分组内的多个连接中选择一个连接下发消息).
        """
        able = self.able()
        place = rng.randrange(len(able)) if len(able) > 1 else 0
        connection = able[place]
        if self.pulled:
            connection.credit -= 1
            if not connection.credit:
                able[place] = able[-1]  # their order does not matter
                able.pop()
        return connection
