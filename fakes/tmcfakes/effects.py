"""What the service does: its effects, and the one place where they and the trace are written."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from tmcfakes.noted import frame_out
from tmcspec.events import Event, WsOut
from tmcspec.trace import Recorder

if TYPE_CHECKING:
    from tmcfakes.interception import Outgoing

# RFC 6455, 5.5 and 7.4: what the payload of a control frame may be, and the codes that may go over the wire.
CONTROL_LIMIT = 125
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})

#: So many bytes may wait to be sent or acted on later, and what a waiting thing weighs beside its bytes.
LATER_LIMIT = 64 * 2**20
LATER_WEIGHT = 1000

#: What has no more bytes than this does not weigh in a trace: of a run without end, a hundred thousand are kept.
LIGHT = 1000

Opcode: TypeAlias = Literal["binary", "text", "ping", "pong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send one WebSocket message, in `fragments` WebSocket fragments (at least 1)."""

    connection: str
    data: bytes
    opcode: Opcode = "binary"
    fragments: int = 1

    def __post_init__(self) -> None:
        if self.opcode == "binary" and self.fragments == 1:
            return
        if self.opcode not in get_args(Opcode):
            raise ValueError(f"unknown opcode {self.opcode!r}; valid: {', '.join(get_args(Opcode))}")
        if self.fragments < 1:
            raise ValueError(f"fragments must be at least 1, not {self.fragments!r}")
        if self.opcode in ("ping", "pong") and len(self.data) > CONTROL_LIMIT:
            raise ValueError(f"a {self.opcode} carries at most {CONTROL_LIMIT} bytes, not {len(self.data)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Begin the closing handshake.

    Raises:
        ValueError: a code that may not be sent, or a reason that does not fit beside it.
    """

    connection: str
    code: int
    reason: str

    def __post_init__(self) -> None:
        if not (self.code in range(3000, 5000) or self.code in CLOSE_CODES):
            raise ValueError(
                f"close code {self.code!r} may not be sent; valid: 1000 to 1003, 1007 to 1014, 3000 to 4999"
            )
        if len(self.reason.encode()) > CONTROL_LIMIT - 2:
            raise ValueError(f"a close reason has at most {CONTROL_LIMIT - 2} bytes of UTF-8, not {self.reason!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Break the transport without a closing handshake."""

    connection: str


Effect: TypeAlias = Send | Close | Abort


@dataclass(slots=True, kw_only=True, eq=False)
class Later:
    """Something that happens on a connection when its time has come, unless the connection ends before."""

    due: float
    connection: str
    act: Callable[[], object]
    weight: int


@dataclass(slots=True, kw_only=True)
class Outbox:
    """What the service writes: the trace, at `now` (seconds of service time), and effects, until they are drained.

    Attributes:
        later: what is kept back, by time.
        outgoing: what faults make of the frames that go out; None for a service without any.
    """

    recorder: Recorder
    now: float = 0.0
    effects: list[Effect] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    outgoing: Outgoing | None = None
    _weight: int = 0

    def record(self, event: Event) -> None:
        """Something happens now."""
        self.recorder.record(event, now=self.now)

    def weigh(self, size: int) -> None:
        """What was just recorded holds so many bytes. Raises TraceError when the trace holds too many."""
        if size > LIGHT:
            self.recorder.weigh(size)

    def send(self, effect: Send) -> bool:
        """A message goes out, if no fault holds it up. Returns whether it did."""
        if self.outgoing is not None and self.outgoing.busy and effect.opcode == "binary":
            return self.outgoing.take(effect)
        self.emit(effect)
        return True

    def emit(self, effect: Send) -> None:
        """A message goes out, and into the trace."""
        if effect.opcode == "binary":
            self.recorder.note(self.now, frame_out, effect.connection, effect.data, effect.fragments)
        else:
            self.record(WsOut(connection=effect.connection, opcode=effect.opcode, data=effect.data))
        self.weigh(len(effect.data))
        self.effects.append(effect)

    def postpone(self, connection: str, act: Callable[[], object], *, seconds: float, size: int = 0) -> Later | None:
        """Something happens so much later, unless the connection ends before. `size` is how many bytes wait with it.

        When too much waits already, it happens now, and so does what is postponed by less than the clock can tell; None
        is returned then.
        """
        due, weight = self.now + seconds, size + LATER_WEIGHT
        if due <= self.now or self._weight + weight > LATER_LIMIT:
            act()
            return None
        kept = Later(due=due, connection=connection, act=act, weight=weight)
        insort(self.later, kept, key=lambda each: each.due)
        self._weight += weight
        return kept

    def take_back(self, kept: Later) -> None:
        """What was postponed does not happen by time any more."""
        self.later.remove(kept)
        self._weight -= kept.weight

    def forget(self, connection: str) -> None:
        """A connection has ended, and nothing happens on it any more."""
        self.later = [kept for kept in self.later if kept.connection != connection]
        self._weight = sum(kept.weight for kept in self.later)

    def release(self) -> None:
        """What was postponed until now happens."""
        while self.later and self.later[0].due <= self.now:
            kept = self.later[0]
            self.take_back(kept)
            kept.act()

    def drain(self) -> list[Effect]:
        """The effects so far, each handed out once."""
        effects, self.effects = self.effects, []
        return effects
