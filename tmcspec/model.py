"""A model of the whole service, without wire, speed or chance: small, slow, and obviously right.

It knows which messages there are and what has become of each (`delivery`), who is there to take them, and how fast they
may (`flow`). The engine of the fake service does the same for a hundred thousand messages; whatever happens to both,
they must agree.

A queue stands for one group of one app in one environment. After every input, what waits in a queue is pushed, the
oldest first, as long as flow control admits it and somebody is there who takes it. Who of several gets a message is a
matter of chance (S60): the model asks `choose`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tmcspec.delivery import Effect, Input, State, changes, step
from tmcspec.flow import Flow, Mode, Valve
from tmcspec.timing import Timing


@dataclass(slots=True, kw_only=True)
class Life:
    """One message: its state, and when its timers run out (seconds of service time, None for never)."""

    queue: str
    born: float
    expires_at: float
    confirm_by: float | None = None
    due_again: float | None = None
    state: State = State.WAITING
    deliveries: int = 0

    @property
    def waiting_since(self) -> float:
        """Since when a message that waits has done so."""
        return self.born if self.due_again is None else self.due_again

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
class Taker:
    """A connection that takes the messages of a queue; in pull mode, `credit` more of them."""

    queue: str
    credit: int = 0


def first(message: int, takers: Sequence[str]) -> str:
    """Chooses without chance."""
    return takers[0]


@dataclass(slots=True, kw_only=True)
class Model:
    """All messages of a service.

    Args:
        timing: the durations of the service.
        flow: its flow control.
        choose: which of these connections gets a message; called for each push.

    Example:
        >>> model = Model()
        >>> model.connect("c1", "default")
        >>> model.produce(7, "default")
        >>> model.advance(360.0)
        >>> model.lives[7].state, model.lives[7].deliveries
        (<State.PUSHED: 2>, 2)
    """

    timing: Timing = field(default_factory=Timing)
    flow: Flow = field(default_factory=Flow)
    choose: Callable[[int, Sequence[str]], str] = first
    now: float = 0.0
    retention: float | None = None
    lives: dict[int, Life] = field(default_factory=dict)
    takers: dict[str, Taker] = field(default_factory=dict)
    pulled: set[str] = field(default_factory=set)
    valves: dict[str, Valve] = field(default_factory=dict)

    # Connections

    def connect(self, connection: str, queue: str) -> None:
        """A connection takes the messages of `queue`."""
        self.takers[connection] = Taker(queue=queue)
        self._push_waiting()

    def disconnect(self, connection: str) -> None:
        """A connection is gone. What was pushed on it keeps ageing."""
        del self.takers[connection]

    def pull(self, connection: str) -> None:
        """A connection asks for messages."""
        taker = self.takers[connection]
        if taker.queue in self.pulled:
            taker.credit = self.flow.pull_credit
        self._push_waiting()

    # Messages

    def produce(self, message: int, queue: str) -> None:
        """A new message. Raises ValueError when the id is taken: ids are unique (S42: msgId一定是全局唯一标识符)."""
        if message in self.lives:
            raise ValueError(f"message {message} was produced before; ids are unique")
        retention = self.timing.retention if self.retention is None else self.retention
        self.lives[message] = Life(queue=queue, born=self.now, expires_at=self.now + retention)
        self._push_waiting()

    def consume(self, queue: str, quantity: int) -> list[int]:
        """Somebody asks over HTTP for so many messages at most. Returns those handed out."""
        taken = self._waiting(queue)[:quantity]
        for message in taken:
            self._valve(queue).taken(now=self.now, since=self.lives[message].waiting_since)
            self._hand_out(self.lives[message])
        return taken

    def confirm(self, message: int, queue: str) -> bool:
        """A consumer of `queue` confirms an id. Returns whether that settled a message."""
        return self._reported(message, queue, Input.CONFIRM)

    def fail(self, message: int, queue: str) -> bool:
        """A consumer of `queue` reports an id as failed. Returns whether it is that of an unsettled message."""
        return self._reported(message, queue, Input.FAIL)

    # What an operator does

    def set_flow(self, queue: str, value: int | None) -> None:
        """The flow value of a queue is set."""
        self._valve(queue).set(value, now=self.now)
        self._push_waiting()

    def set_mode(self, queue: str, mode: Mode) -> None:
        """From now on a queue is pushed or pulled. Credit of a time before does not count."""
        (self.pulled.add if mode == "pull" else self.pulled.discard)(queue)
        for taker in self.takers.values():
            if taker.queue == queue:
                taker.credit = 0
        self._push_waiting()

    def set_retention(self, seconds: float) -> None:
        """Messages are kept so long from now on, and those that are there no longer than they were to be (S53:
        紧急情况下会进一步减少保留时间).
        """
        self.retention = seconds
        for life in self.lives.values():
            life.expires_at = min(life.expires_at, life.born + seconds)
        self.advance(self.now)

    def delete(self, queue: str) -> None:
        """The group of a queue is deleted, and its messages are lost. A new one of its name begins anew."""
        for life in self.lives.values():
            if life.queue == queue:
                self._happen(life, Input.GROUP_DELETED)
        self.valves.pop(queue, None)
        self.pulled.discard(queue)

    # Time

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
        """When something happens by time alone (seconds of service time), None when nothing will."""
        moments = [at for life in self.lives.values() for _, at in life.timers()]
        moments += [valve.reopens(now=self.now) for queue, valve in self.valves.items() if self._held_back(queue)]
        finite = [moment for moment in moments if moment != float("inf")]
        return min(finite, default=None)

    # How

    def _reported(self, message: int, queue: str, happened: Input) -> bool:
        life = self.lives.get(message)
        if life is None or life.queue != queue:
            return False
        return Effect.REPORT_UNKNOWN not in self._happen(life, happened)

    def _waiting(self, queue: str) -> list[int]:
        return [message for message, life in self.lives.items() if life.queue == queue and life.state is State.WAITING]

    def _able(self, queue: str) -> list[str]:
        """The connections that can take a message of a queue now."""
        pulled = queue in self.pulled
        return [
            name for name, taker in self.takers.items() if taker.queue == queue and (taker.credit > 0 or not pulled)
        ]

    def _admitted(self, queue: str, waiting: Sequence[int]) -> bool:
        clients = sum(taker.queue == queue for taker in self.takers.values())
        oldest = self.lives[waiting[0]].waiting_since
        return self._valve(queue).admits(now=self.now, clients=clients, waiting=len(waiting), oldest_since=oldest)

    def _held_back(self, queue: str) -> bool:
        """Whether flow control alone keeps a message from being pushed."""
        waiting = self._waiting(queue)
        return bool(waiting) and bool(self._able(queue)) and not self._admitted(queue, waiting)

    def _push_waiting(self) -> None:
        for queue in dict.fromkeys(life.queue for life in self.lives.values()):
            while (waiting := self._waiting(queue)) and (able := self._able(queue)):
                if not self._admitted(queue, waiting):
                    break
                chosen = self.choose(waiting[0], able)
                self.takers[chosen].credit -= queue in self.pulled
                self._valve(queue).pushed(now=self.now, since=self.lives[waiting[0]].waiting_since)
                self._hand_out(self.lives[waiting[0]])

    def _hand_out(self, life: Life) -> None:
        life.deliveries += 1
        self._happen(life, Input.PUSH)

    def _happen(self, life: Life, happened: Input) -> tuple[Effect, ...]:
        before = life.state
        life.state, effects = step(before, happened)
        if Effect.TIME_CONFIRM in effects:
            life.confirm_by = self.now + self.timing.confirm_timeout
        if Effect.TIME_REDELIVERY in effects:
            life.due_again = self.now + self.timing.redelivery_delay
        if before is State.PUSHED and life.state not in (State.EXPIRED, State.DROPPED):
            self._valve(life.queue).answered(in_time=life.state is State.CONFIRMED, now=self.now)
        return effects

    def _valve(self, queue: str) -> Valve:
        return self.valves.setdefault(queue, Valve(self.flow))
