"""What the service does: its effects, and the one place where they and the trace are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from tmcspec.events import Event, FrameOut, WsOut
from tmcspec.trace import Recorder, decoded

Opcode: TypeAlias = Literal["binary", "text", "ping", "pong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send one WebSocket message, in `fragments` WebSocket fragments (at least 1)."""

    connection: str
    data: bytes
    opcode: Opcode = "binary"
    fragments: int = 1

    def __post_init__(self) -> None:
        if self.opcode not in get_args(Opcode):
            raise ValueError(f"unknown opcode {self.opcode!r}; valid: {', '.join(get_args(Opcode))}")
        if self.fragments < 1:
            raise ValueError(f"fragments must be at least 1, not {self.fragments!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Begin the closing handshake."""

    connection: str
    code: int
    reason: str


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

    def record(self, event: Event) -> None:
        """Something happens now."""
        self.recorder.record(event, now=self.now)

    def send(self, effect: Send) -> None:
        """A message goes out, and into the trace."""
        if effect.opcode == "binary":
            data, fragments = effect.data, effect.fragments
            self.record(FrameOut(connection=effect.connection, data=data, frame=decoded(data), fragments=fragments))
        else:
            self.record(WsOut(connection=effect.connection, opcode=effect.opcode, data=effect.data))
        self.effects.append(effect)

    def drain(self) -> list[Effect]:
        """The effects so far, each handed out once."""
        effects, self.effects = self.effects, []
        return effects
