"""What frame faults do to the frames that come to the service, and to those that it sends.

A frame is looked at once, as it was written: each fault that waits for its kind counts it, and those whose turn it is
act on it together. First its bytes change, then it gets company, then it is lost or held back. A frame that is lost is
not changed before, and one is held back once.

Each fault that acts is in the trace: its name, the connection, and a detail that begins with the kind of the frame.
It stands behind a frame that came from the client, before a frame that goes out, and, of one that is lost or held
back, where it would have gone out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from tmcfakes.connections import Connection, Connections
from tmcfakes.effects import Later, Outbox, Send
from tmcfakes.faults import Chance, Delay, Drop, Duplicate, Fragment, FrameFault, Garbage, Reorder, TextFrame
from tmcfakes.faults.frames import OVERSIZE_LIMIT
from tmcfakes.spoiling import spoil
from tmcspec.events import Fault
from tmcspec.frame import Frame, FrameError, decode
from tmcspec.messages import (
    ClientMessage,
    Confirm,
    Connect,
    ConnectAck,
    Fail,
    MessageError,
    Publish,
    PullRequest,
    Push,
    SendAck,
    ServiceMessage,
    from_client,
    from_service,
)

#: Seconds that a frame waits at most for one that it is to come behind.
REORDER_LIMIT = 10.0

#: A frame of more bytes, with its copies and its company, is not made larger any more: there may be faults enough to
#: fill the memory with one.
LETTER_LIMIT = OVERSIZE_LIMIT

#: What each message from a client is, for a fault.
KINDS_FROM_CLIENT: dict[type[ClientMessage], str] = {
    Connect: "connect",
    Confirm: "confirm",
    Fail: "failed",
    PullRequest: "pull_request",
    Publish: "publish",
}
_KINDS_FROM_SERVICE: dict[type[ServiceMessage], str] = {ConnectAck: "connectack", Push: "push", SendAck: "sendack"}


@dataclass(slots=True, kw_only=True, eq=False)
class _Begun:
    """A fault that has begun.

    Attributes:
        seen: how many frames of its kind came since.
    """

    fault: FrameFault
    chance: Chance
    seen: int = 0
    _luck: dict[str, random.Random] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        return self.seen >= self.fault.nth + self.fault.count - 1

    def luck(self, who: str) -> random.Random:
        """The random source of a client, or of a connection whose client has no name."""
        if who not in self._luck:
            self._luck[who] = self.chance(who)
        return self._luck[who]


@dataclass(slots=True, kw_only=True, eq=False)
class _Letter:
    """A frame on its way.

    Attributes:
        kind: of `tmcfakes.faults.FrameKind`, or empty.
        about: its kind, and what it is about.
        flag: its flag, as it was written.
        send: the frame; `copies` of it go, `company` before it.
        kept: where it waits, when it is held back.
    """

    kind: str
    about: str
    flag: int
    send: Send
    copies: int = 1
    company: list[Send] = field(default_factory=list)
    kept: Later | None = None
    _company_size: int = 0

    @property
    def sends(self) -> list[Send]:
        return [*self.company, *[self.send] * self.copies]

    @property
    def size(self) -> int:
        """How many bytes go."""
        return self._company_size + len(self.send.data) * self.copies

    def accompany(self, send: Send) -> None:
        """Something goes before it."""
        self.company.append(send)
        self._company_size += len(send.data)


class Interception:
    """One way of all frames.

    Args:
        outbox: where faults are recorded, and what waits is kept.
        connections: who there is.

    Attributes:
        busy: whether frames must be given to `take`: a fault waits for one, or a frame waits for another.
    """

    def __init__(self, *, outbox: Outbox, connections: Connections) -> None:
        self.busy = False
        self._outbox = outbox
        self._connections = connections
        self._begun: dict[int, _Begun] = {}
        # By connection, the frames that wait to come behind another.
        self._reordered: dict[str, list[_Letter]] = {}

    def begin(self, key: int, fault: FrameFault, chance: Chance) -> None:
        """A fault begins; `chance` is where it draws from."""
        self._begun[key] = _Begun(fault=fault, chance=chance)
        self._rest()

    def end(self, key: int) -> None:
        """A fault is over. What it holds back comes when it would have."""
        self._begun.pop(key, None)
        self._rest()

    def clear(self) -> None:
        """All faults are over."""
        self._begun.clear()
        self._rest()

    @property
    def acting(self) -> Iterable[int]:
        """The faults that have still to act."""
        return self._begun

    def forget(self, connection: str) -> None:
        """A connection has ended."""
        self._reordered.pop(connection, None)
        self._rest()

    def take(self, send: Send) -> bool:
        """A frame comes. Returns whether it went on, and was neither lost nor held back."""
        connection = self._connections.get(send.connection)
        letter = self._opened(send)
        acting = self._acting(connection, letter.kind)
        went = self._happen(connection, letter, acting)
        if went:
            self._behind(connection)
        self._rest()
        return went

    # For subclasses

    def read(self, frame: Frame) -> tuple[str | None, ClientMessage | ServiceMessage]:
        """The kind of a frame, None when it has none, and what it says. Raises MessageError."""
        raise NotImplementedError

    def go(self, connection: Connection, letter: _Letter) -> None:
        """A frame goes on."""
        raise NotImplementedError

    # Small things

    def _rest(self) -> None:
        self.busy = bool(self._begun or self._reordered)

    def _opened(self, send: Send) -> _Letter:
        kind, about, flag = None, "", 0
        try:
            frame = decode(send.data)
            flag = frame.flag
            kind, said = self.read(frame)
            if isinstance(said, Push | Confirm | Fail):
                about = f" {said.id}"
            elif flag:
                about = f" with flag {flag}"
        except (FrameError, MessageError):
            pass
        return _Letter(kind=kind or "", about=f"{kind}{about}", flag=flag, send=send)

    def _acting(self, connection: Connection, kind: str) -> list[_Begun]:
        """The faults whose turn it is."""
        acting = []
        for key, begun in tuple(self._begun.items()):
            if begun.fault.frame == kind and begun.fault.concerns(connection.who):
                begun.seen += 1
                if begun.seen >= begun.fault.nth:
                    acting.append(begun)
                if begun.over:
                    del self._begun[key]
        return acting

    def _happen(self, connection: Connection, letter: _Letter, acting: list[_Begun]) -> bool:
        if lost := next((begun.fault for begun in acting if isinstance(begun.fault, Drop)), None):
            self._record(connection, lost, letter.about)
            return False
        for begun in acting:
            self._change(connection, letter, begun)
        holder = next((begun.fault for begun in acting if isinstance(begun.fault, Delay | Reorder)), None)
        if holder is None:
            self.go(connection, letter)
            return True
        return self._hold(connection, letter, holder)

    def _change(self, connection: Connection, letter: _Letter, begun: _Begun) -> None:
        """What a fault does to a frame before it goes, or waits. One that is too large already is left as it is."""
        if letter.size > LETTER_LIMIT:
            return
        fault, send, luck = begun.fault, letter.send, begun.luck(connection.who)
        match fault:
            case Duplicate():
                letter.copies += 1
                what = "once more"
            case Garbage():
                letter.accompany(Send(connection=connection.name, data=luck.randbytes(fault.size)))
                what = f"behind {fault.size} bytes of garbage"
            case TextFrame():
                text = fault.text.encode()
                letter.accompany(Send(connection=connection.name, data=text, opcode="text"))
                what = "behind a text message"
            case Fragment():
                letter.send = replace(send, fragments=fault.fragments)
                what = f"in {fault.fragments} fragments"
            case _:
                waiting = next(reversed(connection.unanswered), None)
                spoiled = spoil(fault, send.data, luck=luck, waiting=waiting)
                if spoiled is None:
                    return
                data, what = spoiled
                letter.send = replace(send, data=data)
        self._record(connection, fault, f"{letter.about}, {what}")

    def _hold(self, connection: Connection, letter: _Letter, fault: Delay | Reorder) -> bool:
        """Holds a frame back. Returns whether there was no room for it, so that it has gone on."""
        seconds = fault.delay if isinstance(fault, Delay) else REORDER_LIMIT
        self._record(connection, fault, f"{letter.about}, {seconds:g} s" if isinstance(fault, Delay) else letter.about)
        act = partial(self._release, connection, letter)
        letter.kept = self._outbox.postpone(connection.name, act, seconds=seconds, size=letter.size)
        if letter.kept is not None and isinstance(fault, Reorder):
            self._reordered.setdefault(connection.name, []).append(letter)
        return letter.kept is None

    def _release(self, connection: Connection, letter: _Letter) -> None:
        """The time of a frame that was held back has come."""
        waiting = self._reordered.get(connection.name, [])
        if letter in waiting:
            waiting.remove(letter)
        self.go(connection, letter)
        self._behind(connection)
        self._rest()

    def _behind(self, connection: Connection) -> None:
        """A frame has gone; now go those that were to come behind it. The latest of them goes first, for each comes
        behind the one that followed it.
        """
        for letter in reversed(self._reordered.pop(connection.name, [])):
            assert letter.kept is not None
            self._outbox.take_back(letter.kept)
            self.go(connection, letter)

    def _record(self, connection: Connection, fault: FrameFault, detail: str) -> None:
        self._outbox.record(Fault(name=fault.name, target=connection.name, detail=detail))


class Outgoing(Interception):
    """What the service sends."""

    def read(self, frame: Frame) -> tuple[str | None, ServiceMessage]:
        said = from_service(frame)
        return _KINDS_FROM_SERVICE[type(said)], said

    def go(self, connection: Connection, letter: _Letter) -> None:
        if connection.closing:
            return  # nothing goes out behind a Close
        if letter.kind == "sendack":
            connection.answered(letter.flag)
        for send in letter.sends:
            self._outbox.emit(send)


class Incoming(Interception):
    """What clients send. `act` is what the service does with the bytes of a frame."""

    def __init__(self, *, outbox: Outbox, connections: Connections, act: Callable[[Connection, bytes], None]) -> None:
        super().__init__(outbox=outbox, connections=connections)
        self._act = act

    def read(self, frame: Frame) -> tuple[str | None, ClientMessage]:
        said = from_client(frame)
        return KINDS_FROM_CLIENT.get(type(said)), said

    def go(self, connection: Connection, letter: _Letter) -> None:
        for send in letter.sends:
            self._act(connection, send.data)
