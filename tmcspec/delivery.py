"""The life of one message, as a table, and a model of the whole service on top of it.

A message is produced into the queue of a group and *waits* there until a connection of that group can take it. When
it has been *pushed*, the client has one minute to confirm it (S24: 若阻塞1分钟仍未处理完毕…将导致确认超时). A
message that misses its minute is *overdue*: nothing is sent yet, but the push counts as unconfirmed, and about six
minutes after the push it waits again (S39; S52a: 消费了不确认, 每间隔约6分钟重发一次). A client that cannot handle
a message reports it as *failed*; six minutes after that report it waits again (S25:
约6分钟后重新加入消费队列待消费). A *confirmed* message never comes again (S38: 消费确认后的消息无法再次获取).
Whatever has not been confirmed when its retention is over is *expired*, pushed or not, on its way back or not (S53:
不论发没发, 有没有重发).

    waiting ──push──▶ pushed ──1 min──▶ overdue ──6 min after the push──▶ waiting
    pushed, overdue ──fail──▶ failed ──6 min after the report──▶ waiting
    any of these ──confirm──▶ confirmed
    any of these ──retention over──▶ expired

What the official document leaves open, and what is chosen here:

- A confirm settles a message whenever it is not settled yet: late, after a Failed, while it waits to be pushed
  again, and even before its first push. The service looks the id up and nothing else. So an id that lost precision
  (S62) settles whichever message it hits, which is the harm a conformance suite must be able to show.
- A Failed after the minute counts as well: the client has spoken, so the six minutes run from the report.
- A second Failed for the same push changes nothing. Otherwise a client that repeats itself keeps a message away for
  ever.
- Messages that were pushed on a connection which then went away keep ageing as if it were still there: they come
  again six minutes after their push. Whether the service returns them at once is stated nowhere; this is the harder
  way for clients.
- There is no last attempt: 重发次数由消息服务控制 (S39) names no number, so retention alone ends it.
- No order is promised anywhere. The oldest waiting message goes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from tmcspec.timing import Timing


class State(Enum):
    """Where a message is in its life."""

    WAITING = auto()
    PUSHED = auto()
    OVERDUE = auto()
    FAILED = auto()
    CONFIRMED = auto()
    EXPIRED = auto()

    # The hash of Enum is a Python function; members are singletons, so identity serves, and a table lookup costs half.
    __hash__ = object.__hash__


class Input(Enum):
    """What can happen to a message."""

    PUSH = auto()
    CONFIRM = auto()
    FAIL = auto()
    CONFIRM_TIMEOUT = auto()
    REDELIVERY_DUE = auto()
    RETENTION_OVER = auto()

    __hash__ = object.__hash__


class Effect(Enum):
    """What the service does when a message changes its state."""

    #: The confirm timeout runs from now.
    TIME_CONFIRM = auto()
    #: The redelivery delay runs from now; one that was running is forgotten.
    TIME_REDELIVERY = auto()
    #: The message is to be pushed as soon as a connection can take it.
    QUEUE = auto()
    #: Recorded as settled by a confirm.
    REPORT_CONFIRMED = auto()
    #: Recorded as reported failed.
    REPORT_FAILED = auto()
    #: Recorded as dropped.
    REPORT_EXPIRED = auto()
    #: Recorded as a confirm (or Failed) of nothing unsettled.
    REPORT_UNKNOWN = auto()


Step = tuple[State, tuple[Effect, ...]]

_CONFIRMED: Step = (State.CONFIRMED, (Effect.REPORT_CONFIRMED,))
_FAILED: Step = (State.FAILED, (Effect.REPORT_FAILED, Effect.TIME_REDELIVERY))
_WAITING: Step = (State.WAITING, (Effect.QUEUE,))
_EXPIRED: Step = (State.EXPIRED, (Effect.REPORT_EXPIRED,))

TABLE: dict[tuple[State, Input], Step] = {
    (State.WAITING, Input.PUSH): (State.PUSHED, (Effect.TIME_CONFIRM, Effect.TIME_REDELIVERY)),
    (State.WAITING, Input.CONFIRM): _CONFIRMED,
    (State.WAITING, Input.FAIL): _FAILED,
    (State.WAITING, Input.CONFIRM_TIMEOUT): (State.WAITING, ()),
    (State.WAITING, Input.REDELIVERY_DUE): (State.WAITING, ()),
    (State.WAITING, Input.RETENTION_OVER): _EXPIRED,
    (State.PUSHED, Input.PUSH): (State.PUSHED, ()),
    (State.PUSHED, Input.CONFIRM): _CONFIRMED,
    (State.PUSHED, Input.FAIL): _FAILED,
    (State.PUSHED, Input.CONFIRM_TIMEOUT): (State.OVERDUE, ()),
    # The timeout is never longer than the delay: a message that is due again has missed it, if only in the same
    # instant.
    (State.PUSHED, Input.REDELIVERY_DUE): _WAITING,
    (State.PUSHED, Input.RETENTION_OVER): _EXPIRED,
    (State.OVERDUE, Input.PUSH): (State.OVERDUE, ()),
    (State.OVERDUE, Input.CONFIRM): _CONFIRMED,
    (State.OVERDUE, Input.FAIL): _FAILED,
    (State.OVERDUE, Input.CONFIRM_TIMEOUT): (State.OVERDUE, ()),
    (State.OVERDUE, Input.REDELIVERY_DUE): _WAITING,
    (State.OVERDUE, Input.RETENTION_OVER): _EXPIRED,
    (State.FAILED, Input.PUSH): (State.FAILED, ()),
    (State.FAILED, Input.CONFIRM): _CONFIRMED,
    (State.FAILED, Input.FAIL): (State.FAILED, ()),
    (State.FAILED, Input.CONFIRM_TIMEOUT): (State.FAILED, ()),
    (State.FAILED, Input.REDELIVERY_DUE): _WAITING,
    (State.FAILED, Input.RETENTION_OVER): _EXPIRED,
    (State.CONFIRMED, Input.PUSH): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.CONFIRM): (State.CONFIRMED, (Effect.REPORT_UNKNOWN,)),
    (State.CONFIRMED, Input.FAIL): (State.CONFIRMED, (Effect.REPORT_UNKNOWN,)),
    (State.CONFIRMED, Input.CONFIRM_TIMEOUT): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.REDELIVERY_DUE): (State.CONFIRMED, ()),
    (State.CONFIRMED, Input.RETENTION_OVER): (State.CONFIRMED, ()),
    (State.EXPIRED, Input.PUSH): (State.EXPIRED, ()),
    (State.EXPIRED, Input.CONFIRM): (State.EXPIRED, (Effect.REPORT_UNKNOWN,)),
    (State.EXPIRED, Input.FAIL): (State.EXPIRED, (Effect.REPORT_UNKNOWN,)),
    (State.EXPIRED, Input.CONFIRM_TIMEOUT): (State.EXPIRED, ()),
    (State.EXPIRED, Input.REDELIVERY_DUE): (State.EXPIRED, ()),
    (State.EXPIRED, Input.RETENTION_OVER): (State.EXPIRED, ()),
}

#: Nothing brings a message back from here.
SETTLED = frozenset({State.CONFIRMED, State.EXPIRED})


def step(state: State, happened: Input) -> Step:
    """The state after `happened`, and what the service does about it.

    Example:
        >>> step(State.PUSHED, Input.CONFIRM)[0]
        <State.CONFIRMED: 5>
    """
    return TABLE[state, happened]


def changes(state: State, happened: Input) -> bool:
    """Whether `happened` moves a message out of `state`: if not, there is no need to wait for it."""
    return TABLE[state, happened][0] is not state


@dataclass(slots=True, kw_only=True)
class Life:
    """One message of a `Model`: its state, and when its timers run out (seconds of service time, None for never)."""

    queue: str
    expires_at: float
    confirm_by: float | None = None
    due_again: float | None = None
    state: State = State.WAITING
    pushes: int = 0

    def timers(self) -> Iterator[tuple[Input, float]]:
        """The timers that still change something."""
        times = (
            (Input.CONFIRM_TIMEOUT, self.confirm_by),
            (Input.REDELIVERY_DUE, self.due_again),
            (Input.RETENTION_OVER, self.expires_at),
        )
        for happened, due in times:
            if due is not None and changes(self.state, happened):
                yield happened, due


@dataclass(slots=True, kw_only=True)
class Model:
    """The whole service without wire, speed or chance: which messages there are, and what has become of each.

    A queue stands for one group of one app. After every input, what waits in a queue that has a connection is
    pushed; to which of several connections does not matter here.

    Example:
        >>> model = Model()
        >>> model.connect("default")
        >>> model.produce(7, "default")
        >>> model.advance(360.0)
        >>> model.lives[7].state, model.lives[7].pushes
        (<State.PUSHED: 2>, 2)
    """

    timing: Timing = field(default_factory=Timing)
    now: float = 0.0
    lives: dict[int, Life] = field(default_factory=dict)
    connections: Counter[str] = field(default_factory=Counter)

    def connect(self, queue: str) -> None:
        """One more connection takes the messages of `queue`."""
        self.connections[queue] += 1
        self._push_waiting()

    def disconnect(self, queue: str) -> None:
        """One connection less. What was pushed on it keeps ageing."""
        self.connections[queue] -= 1

    def produce(self, message: int, queue: str) -> None:
        """A new message. Raises ValueError when the id is taken: ids are unique (S42: msgId一定是全局唯一标识符)."""
        if message in self.lives:
            raise ValueError(f"message {message} was produced before; ids are unique")
        self.lives[message] = Life(queue=queue, expires_at=self.now + self.timing.retention)
        self._push_waiting()

    def push(self, message: int) -> None:
        """The message goes out, if it waits."""
        life = self.lives[message]
        life.pushes += life.state is State.WAITING
        self._happen(life, Input.PUSH)

    def confirm(self, message: int, queue: str) -> bool:
        """A connection of `queue` confirms an id. Returns whether that settled a message."""
        return self._reported(message, queue, Input.CONFIRM)

    def fail(self, message: int, queue: str) -> bool:
        """A connection of `queue` reports an id as failed. Returns whether it is that of an unsettled message."""
        return self._reported(message, queue, Input.FAIL)

    def advance(self, now: float) -> None:
        """The time is now `now` (seconds). Raises ValueError when it was later already."""
        if now < self.now:
            raise ValueError(f"time cannot go back from {self.now!r} to {now!r} seconds")
        self.now = now
        for life in self.lives.values():
            while due := [happened for happened, at in life.timers() if at <= now]:
                self._happen(life, due[0])
        self._push_waiting()

    def deadline(self) -> float | None:
        """When the next timer runs out (seconds of service time), None when none runs."""
        return min((at for life in self.lives.values() for _, at in life.timers()), default=None)

    def _reported(self, message: int, queue: str, happened: Input) -> bool:
        life = self.lives.get(message)
        if life is None or life.queue != queue:
            return False
        return Effect.REPORT_UNKNOWN not in self._happen(life, happened)

    def _push_waiting(self) -> None:
        for message, life in self.lives.items():
            if life.state is State.WAITING and self.connections[life.queue] > 0:
                self.push(message)

    def _happen(self, life: Life, happened: Input) -> tuple[Effect, ...]:
        life.state, effects = step(life.state, happened)
        if Effect.TIME_CONFIRM in effects:
            life.confirm_by = self.now + self.timing.confirm_timeout
        if Effect.TIME_REDELIVERY in effects:
            life.due_again = self.now + self.timing.redelivery_delay
        return effects
