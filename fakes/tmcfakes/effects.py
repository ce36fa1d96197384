"""What the service does: its effects, and the one place where they and the trace are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from tmcfakes.noted import frame_out
from tmcspec.events import Event, WsOut
from tmcspec.trace import Recorder

# RFC 6455, 5.5 and 7.4: what the payload of a control frame may be, and the codes that may go over the wire.
CONTROL_LIMIT = 125
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})

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


@dataclass(slots=True, kw_only=True)
class Outbox:
    """What the service writes: the trace, at `now` (seconds of service time), and effects, until they are drained."""

    recorder: Recorder
    now: float = 0.0
    effects: list[Effect] = field(default_factory=list)
    later: list[tuple[float, Send]] = field(default_factory=list)  # kept back until then

    def record(self, event: Event) -> None:
        """Something happens now."""
        self.recorder.record(event, now=self.now)

    def send(self, effect: Send) -> None:
        """A message goes out, and into the trace."""
        if effect.opcode == "binary":
            self.recorder.note(self.now, frame_out, effect.connection, effect.data, effect.fragments)
        else:
            self.record(WsOut(connection=effect.connection, opcode=effect.opcode, data=effect.data))
        self.effects.append(effect)

    def keep_back(self, effect: Send, *, seconds: float) -> None:
        """A message goes out so much later."""
        self.later.append((self.now + seconds, effect))
        self.later.sort(key=lambda kept: kept[0])

    def forget(self, connection: str) -> None:
        """A connection has ended, and nothing goes out on it any more."""
        self.later = [(due, send) for due, send in self.later if send.connection != connection]

    def release(self) -> None:
        """What was kept back until now goes out."""
        while self.later and self.later[0][0] <= self.now:
            self.send(self.later.pop(0)[1])

    def drain(self) -> list[Effect]:
        """The effects so far, each handed out once."""
        effects, self.effects = self.effects, []
        return effects
