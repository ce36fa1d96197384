"""What may be done to a client on purpose, and a healthy service does not do. All of it is traced as a fault."""

from __future__ import annotations

from tmcfakes.connections import Connection, Connections
from tmcfakes.delivering import Deliveries
from tmcfakes.effects import Abort, Close, Opcode, Outbox, Send
from tmcfakes.handshake import AckScript
from tmcfakes.reception import Reception
from tmcspec.events import Fault


class Tampering:
    """The part of a service that tampers with its clients."""

    _connections: Connections
    _deliveries: Deliveries
    _outbox: Outbox
    _reception: Reception

    def script_connectacks(self, *scripts: AckScript) -> None:
        """The next CONNECTs are answered like this, one script each. Traced as a fault when it happens."""
        self._reception.ack_scripts.extend(scripts)

    def script_sendacks(self, *scripts: AckScript) -> None:
        """The next publishes over WebSocket are answered like this, one script each. Traced as a fault, then."""
        self._reception.sendack_scripts.extend(scripts)

    def lose_confirms(self, count: int) -> None:
        """The next `count` confirms on accepted connections get lost: traced, not acted on.

        Raises:
            ValueError: a count below 0.
        """
        if count < 0:
            raise ValueError(f"the number of confirms to lose must be at least 0, not {count!r}")
        self._reception.confirms_to_lose += count

    def inject(
        self,
        data: bytes,
        *,
        now: float,
        connection: str | None = None,
        opcode: Opcode = "binary",
        fragments: int = 1,
        kind: str,
    ) -> None:
        """Sends anything, to one open connection or to all accepted ones.

        Args:
            data: the payload.
            now: service time in seconds.
            connection: None for all that are accepted.
            opcode: binary, text, ping or pong.
            fragments: in how many WebSocket fragments it goes out, at least 1.
            kind: what the trace calls this fault.

        Raises:
            ValueError: a connection that is not open, an unknown opcode, fewer than 1 fragment.
        """
        self._deliveries.let_pass(now)
        if connection is None:
            names = [each.name for each in self._connections.live() if each.queue is not None]
        else:
            names = [self._connections.get(connection).name]
        sends = [Send(connection=name, data=data, opcode=opcode, fragments=fragments) for name in names]
        for send in sends:
            self._outbox.record(Fault(name=kind, target=send.connection))
            self._outbox.send(send)

    def disconnect(self, *, now: float, connection: str | None = None, code: int = 1000, reason: str = "") -> None:
        """Closes one connection, or all, with a closing handshake.

        Raises:
            ValueError: a connection that is not open, a code that may not be sent, a reason over 123 bytes.
        """
        self._deliveries.let_pass(now)
        Close(connection="", code=code, reason=reason)  # refused before anything is done
        for each in self._ending(connection):
            self._outbox.record(Fault(name="disconnect", target=each.name, detail=f"{code} {reason}".rstrip()))
            self._outbox.effects.append(Close(connection=each.name, code=code, reason=reason))

    def abort(self, *, now: float, connection: str | None = None) -> None:
        """Breaks the transport of one connection, or of all. Raises ValueError: a connection that is not open."""
        self._deliveries.let_pass(now)
        for each in self._ending(connection):
            self._outbox.record(Fault(name="abort", target=each.name))
            self._outbox.effects.append(Abort(connection=each.name))

    def _ending(self, connection: str | None) -> list[Connection]:
        ending = self._connections.live() if connection is None else [self._connections.get(connection)]
        for each in ending:
            each.closing = True
            self._connections.withdraw(each)
        return ending
