"""What may be done to a client on purpose, and a healthy service does not do. All of it is traced as a fault."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from tmcfakes.connections import Connection, Connections
from tmcfakes.console import Console
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Directory
from tmcfakes.effects import Abort, Close, Opcode, Outbox, Send
from tmcfakes.faults import (
    EVERYBODY,
    FROM_CLIENT,
    AnswerFault,
    Chance,
    Degrade,
    FrameFault,
    LateConnectack,
    NoConnectack,
    Ping,
    PlannedFault,
    Pong,
    RedeliveryStorm,
    Refuse,
    Restart,
    SecondId,
)
from tmcfakes.faults import Abort as AbortFault
from tmcfakes.faults import Close as CloseFault
from tmcfakes.handshake import AckScript
from tmcfakes.interception import Incoming, Outgoing
from tmcfakes.queues import QueueKey
from tmcfakes.reception import AnswerPlan, Reception
from tmcspec.events import Fault
from tmcspec.frame import FrameError, decode

#: The faults that the engine does. A restart is an outage as well, which lines do.
ENGINE_FAULTS: Final = (
    FrameFault,
    AnswerFault,
    CloseFault,
    AbortFault,
    Ping,
    Pong,
    Restart,
    RedeliveryStorm,
    SecondId,
    Degrade,
)


class Tampering:
    """The part of a service that tampers with its clients."""

    _connections: Connections
    _console: Console
    _deliveries: Deliveries
    _directory: Directory
    _incoming: Incoming
    _outbox: Outbox
    _outgoing: Outgoing
    _reception: Reception
    # The faults that slow everybody down, by key; the one in force; and what flow values groups have without them.
    _degraded: dict[int, Degrade]
    _slowest: Degrade | None
    _undegraded: dict[tuple[str, str], int | None]

    # Faults of a schedule

    def begin(self, key: int, fault: PlannedFault, *, chance: Chance, now: float) -> None:
        """A planned fault begins. Faults of the network are not for the service, but for who carries its bytes.

        What happens to somebody is traced where it happens. What lasts (`LastingFault`) is traced by the injector.

        Args:
            key: its name, for `end`.
            fault: a fault of frames, or one of the service that concerns what it says, or whom it says it to.
            chance: where it draws from.
            now: service time in seconds.

        Raises:
            TypeError: it is no such fault.
        """
        self._deliveries.let_pass(now)
        match fault:
            case FrameFault():
                way = self._incoming if fault.frame in FROM_CLIENT else self._outgoing
                way.begin(key, fault, chance)
            case AnswerFault():
                plan = AnswerPlan(fault=fault, script=_script(fault), left=fault.count)
                self._reception.answer_faults[key] = plan
            case CloseFault():
                for each in self._concerned(fault):
                    self.disconnect(now=now, connection=each.name, code=fault.code, reason=fault.reason)
            case AbortFault():
                for each in self._concerned(fault):
                    self.abort(now=now, connection=each.name)
            case Ping() | Pong():
                text = fault.text.encode()
                opcode: Opcode = "ping" if isinstance(fault, Ping) else "pong"
                for each in self._concerned(fault):
                    if each.queue is not None:
                        self.inject(text, now=now, connection=each.name, opcode=opcode, kind=fault.name)
            case Restart():
                self._ending(None)
                if not fault.keeps_tokens:
                    self._reception.forget_tokens()
            case RedeliveryStorm():
                self._storm(fault)
            case SecondId():
                self._produce_again(fault)
            case Degrade():
                self._degraded[key] = fault
                self._degrade()
            case _:
                raise TypeError(f"{fault.name!r} is no fault of the service engine, but of the network around it")

    def end(self, key: int, *, now: float) -> None:
        """A fault is over. What it holds back comes when it would have. One that is not there, or happens once, is
        nothing.
        """
        self._deliveries.let_pass(now)
        self._incoming.end(key)
        self._outgoing.end(key)
        self._reception.answer_faults.pop(key, None)
        if self._degraded.pop(key, None):
            self._degrade()

    @property
    def acting(self) -> Set[int]:
        """The faults of frames and answers that have still to act."""
        return {*self._incoming.acting, *self._outgoing.acting, *self._reception.answer_faults}

    def clear_faults(self, now: float) -> None:
        """All faults are over."""
        self._deliveries.let_pass(now)
        self._incoming.clear()
        self._outgoing.clear()
        self._reception.answer_faults.clear()
        if self._degraded:
            self._degraded.clear()
            self._degrade()

    # What a test does by hand

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

    def _concerned(self, fault: PlannedFault) -> list[Connection]:
        return [each for each in self._connections.live() if fault.concerns(each.who)]

    def _heard(self, connection: Connection, data: bytes) -> None:
        """What faults have left of a frame arrives."""
        try:
            frame = decode(data)
        except FrameError:
            return
        self._reception.read(connection, frame)

    def _storm(self, fault: RedeliveryStorm) -> None:
        self._outbox.record(Fault(name=fault.name, target=None if fault.target == EVERYBODY else fault.target))
        names = {each.name for each in self._concerned(fault)}
        self._deliveries.hasten(lambda message: fault.target == EVERYBODY or message.handed[-1].connection in names)

    def _produce_again(self, fault: SecondId) -> None:
        """The message is of the kind that somebody may put into any group: where its first was, whoever is there now.
        Where its group or topic is gone, nobody produces for them any more.
        """
        latest = self._deliveries.latest
        app = self._directory.apps.get(latest.queue.key.app_key) if latest else None
        if latest is None or app is None or latest.queue.key.group not in app.groups or latest.letter is None:
            return
        if not self._directory.has_subscribed(app, latest.topic, now=self._outbox.now):
            return
        self._outbox.record(Fault(name=fault.name, detail=f"of {latest.id}"))
        self._deliveries.produce(
            latest.queue,
            kind="point_to_point",
            routed="named",
            topic=latest.topic,
            content=latest.letter.content,
            user_id=latest.user_id,
            nick=latest.nick,
            data_id=latest.data_id,
            wire=latest.wire,
            fragments=latest.fragments,
        )

    def _flow_values(self) -> dict[tuple[str, str], int | None]:
        return {
            (app.key, group): self._deliveries.queue(QueueKey(app.key, group)).valve.latest
            for app in self._directory.apps.values()
            for group in sorted(app.groups)
        }

    def _degrade(self) -> None:
        """Groups have the flow value of the latest fault that is left; without one, the one that they had, or that
        somebody has given them meanwhile.
        """
        before, self._slowest = self._slowest, next(reversed(self._degraded.values()), None)
        for (app_key, group), value in self._flow_values().items():
            if before is None or value != before.flow:
                self._undegraded[app_key, group] = value
            after = self._slowest.flow if self._slowest else self._undegraded.get((app_key, group), value)
            if after != value:
                self._console.set_flow(app_key, group, after)
        if self._slowest is None:
            self._undegraded.clear()

    def _ending(self, connection: str | None) -> list[Connection]:
        ending = self._connections.live() if connection is None else [self._connections.get(connection)]
        for each in ending:
            each.closing = True
            self._connections.withdraw(each)
        return ending


def _script(fault: AnswerFault) -> AckScript:
    match fault:
        case Refuse():
            return AckScript(refuse=(fault.code, fault.phrase))
        case LateConnectack():
            return AckScript(delay=fault.delay)
        case _:
            assert isinstance(fault, NoConnectack)
            return AckScript(silent=True)
