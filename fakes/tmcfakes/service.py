"""The service: what Taobao does when clients connect, confirm and fail, without sockets and without a clock.

Inputs go in with the time they happen at; effects come out of `effects()`, and `deadline()` tells when to look again.
Everything that happens is written to the recorder on the way. The same inputs with the same random source give the same
effects and the same trace.

    service.opened("c1", now=0.0)
    service.received("c1", connect_frame, now=0.1)           ->  Send(connection="c1", data=CONNECTACK)
    service.produce(app_key=…, topic=…, content=…, now=1.0)  ->  Send(connection="c1", data=push)
    service.tick(now=service.deadline())                     ->  whatever is due: timeouts, redeliveries, expiries

A driver does what the effects say, in their order, and reports how each connection ended with `closed`. Effects may
name a connection that has ended in the meantime; they are then void. Frames that do not decode, or make no sense,
are traced and otherwise ignored: no client can disturb another.

Every input first lets happen what is due by then, as `tick` does. So a confirm that arrives in the very moment a
message is due again comes too late to stop that delivery.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Literal

from tmcfakes.backlog import Message
from tmcfakes.connections import Connection, Connections, Queue
from tmcfakes.delivering import Deliveries, Via
from tmcfakes.effects import Abort, Close, Effect, Opcode, Outbox, Send
from tmcfakes.handshake import AckScript, App
from tmcfakes.reception import Reception
from tmcspec import ids
from tmcspec.delivery import State
from tmcspec.events import Closed, Fault, FrameIn, Id, Opened, Produced, WsIn
from tmcspec.messages import Push
from tmcspec.timing import Timing
from tmcspec.trace import Recorder, decoded

__all__ = ["Abort", "AckScript", "App", "Close", "Effect", "Send", "Service"]

#: App key of Taobao itself, the publisher of every captured production push.
PUBLISHER = "12497914"


class Service:
    """One environment of the message service, with its apps.

    Args:
        apps: who may connect. Keys must differ.
        recorder: where the trace goes.
        rng: the source of all chance: tokens, ids, and which connection gets a message.
        timing: the durations of the service; by default the official ones.
        epoch_ms: wall-clock time of service time 0, in epoch milliseconds; pushes show it.

    Raises:
        ValueError: two apps with one key.
    """

    def __init__(
        self,
        *,
        apps: Iterable[App],
        recorder: Recorder,
        rng: random.Random,
        timing: Timing | None = None,
        epoch_ms: int = 0,
    ) -> None:
        self._apps: dict[str, App] = {}
        for app in apps:
            if app.key in self._apps:
                raise ValueError(f"app {app.key!r} is there twice; keys must differ")
            self._apps[app.key] = app
        self._rng = rng
        self._timing = timing or Timing()
        self._outbox = Outbox(recorder=recorder)
        self._connections = Connections()
        self._deliveries = Deliveries(
            connections=self._connections, outbox=self._outbox, rng=rng, timing=self._timing, epoch_ms=epoch_ms
        )
        self._reception = Reception(
            apps=self._apps,
            connections=self._connections,
            deliveries=self._deliveries,
            outbox=self._outbox,
            rng=rng,
        )
        self._produced = 0
        # Captured ids have 19 digits, rise in small steps, and are too large for the doubles of careless readers (S62).
        self._last_id = 2**62 + rng.getrandbits(60)

    # What happens to the service

    def opened(self, connection: str, *, now: float) -> None:
        """A client opened a WebSocket connection. Raises ValueError when this name is open already."""
        self._deliveries.let_pass(now)
        self._connections.add(connection)
        self._outbox.record(Opened(connection=connection))

    def received(self, connection: str, data: bytes, *, now: float) -> None:
        """One binary WebSocket message arrived. Raises ValueError only for a connection that is not open."""
        self._deliveries.let_pass(now)
        found = self._connections.get(connection)
        frame = decoded(data)
        self._outbox.record(FrameIn(connection=connection, data=data, frame=frame))
        if frame is not None:
            self._reception.read(found, frame)

    def observed(self, connection: str, opcode: str, data: bytes, *, now: float) -> None:
        """Something else arrived on the WebSocket: text, ping, pong, close. It is traced and not answered.

        Not even a ping: the official Java client takes a pong for a broken frame and closes.
        """
        self._deliveries.let_pass(now)
        self._connections.get(connection)
        self._outbox.record(WsIn(connection=connection, opcode=opcode, data=data))

    def closed(
        self,
        connection: str,
        *,
        now: float,
        by: Literal["client", "service", "fault"],
        code: int | None,
        reason: str,
    ) -> None:
        """A connection ended. What was pushed on it and not settled keeps ageing."""
        self._deliveries.let_pass(now)
        self._connections.remove(self._connections.get(connection))
        self._outbox.record(Closed(connection=connection, by=by, code=code, reason=reason))

    def produce(
        self,
        *,
        app_key: str,
        topic: str,
        content: str | None,
        now: float,
        group: str = "default",
        user_id: int | None = None,
        nick: str | None = None,
        id: int | None = None,
        data_id: int | None = None,
        wire: Callable[[Push], bytes] | None = None,
        fragments: int = 1,
    ) -> int:
        """A message enters the queue of a group, and is pushed when it can be.

        Args:
            app_key, group: whose queue; both must exist, the app must have subscribed.
            topic: as `taobao_trade_TradeCreate`.
            content: the text that the client's handler must be given; None for none.
            now: service time in seconds.
            user_id, nick: whose message it is.
            id: the outgoing id, signed 64 bits, unique for ever (S42); by default the next of the service's own.
            data_id: the business object.
            wire: makes the bytes of every delivery of this message, instead of the usual frame.
            fragments: in how many WebSocket fragments it goes out, at least 1.

        Returns:
            The id.

        Raises:
            ValueError: no such app or group, no subscription, a taken id, a number out of its range, or text that UTF-8
                cannot write.
        """
        self._deliveries.let_pass(now)
        queue = self._queue(app_key, group)
        if not self._apps[app_key].subscribed:
            raise ValueError(f"app {app_key!r} has subscribed to nothing, so nothing is produced for it")
        if fragments < 1:
            raise ValueError(f"fragments must be at least 1, not {fragments!r}")
        if id is not None and id in self._deliveries.backlog:
            raise ValueError(f"message {id} was produced before; ids are unique")
        message_id = self._draw_id() if id is None else ids.check(id)
        letter = Push(
            token=None,
            id=message_id,
            topic=topic,
            content=content,
            user_id=user_id,
            nick=nick,
            publisher=PUBLISHER,
            data_id=data_id,
            time=self._deliveries.epoch(now),
        )
        # What cannot be written is an error of the caller now, not of some push later.
        letter.to_frame()
        self._produced += 1
        self._deliveries.backlog.add(
            Message(
                letter=letter,
                id=message_id,
                queue=queue,
                age=self._produced,
                expires_at=now + self._timing.retention,
                wire=wire,
                fragments=fragments,
            )
        )
        user = None if user_id is None else Id(user_id)
        self._outbox.record(
            Produced(message=Id(message_id), app_key=app_key, group=group, topic=topic, user_id=user, content=content)
        )
        self._deliveries.push_waiting(queue)
        return message_id

    def confirm(
        self,
        message_id: int | None,
        *,
        app_key: str,
        group: str,
        now: float,
        via: Via,
        connection: str | None = None,
    ) -> bool:
        """A consumer of this group confirms an id; None when it named none. Returns whether that settled a message."""
        self._deliveries.let_pass(now)
        return self._deliveries.confirm(message_id, (app_key, group), via=via, connection=connection)

    def fail(
        self,
        message_id: int | None,
        *,
        app_key: str,
        group: str,
        now: float,
        via: Via,
        connection: str | None = None,
        reason: str | None = None,
    ) -> bool:
        """A consumer of this group reports an id as failed. Returns whether it is that of an unsettled message."""
        self._deliveries.let_pass(now)
        return self._deliveries.fail(message_id, (app_key, group), via=via, connection=connection, reason=reason)

    def tick(self, *, now: float) -> None:
        """Lets everything happen that is due by `now`, then pushes what waits. Raises ValueError: `now` goes back."""
        self._deliveries.let_pass(now)

    def deadline(self) -> float | None:
        """When `tick` is needed next, in seconds of service time; None when nothing is pending."""
        return self._deliveries.backlog.deadline()

    def effects(self) -> list[Effect]:
        """What is to be done, in order. Each effect is handed out once."""
        return self._outbox.drain()

    # Looking in

    def state(self, message_id: int) -> State:
        """Where a message is in its life. Raises ValueError for an id that was never produced."""
        return self._deliveries.backlog.state(message_id)

    def unsettled(self, app_key: str, group: str = "default") -> int:
        """How many messages of a group are not settled. Raises ValueError: no such app or group."""
        return self._deliveries.backlog.unsettled(self._queue(app_key, group))

    def connections(self, app_key: str, group: str = "default") -> tuple[str, ...]:
        """Where messages of a group go, the longest accepted first. Raises ValueError: no such app or group."""
        return tuple(each.name for each in self._connections.taking(self._queue(app_key, group)))

    # What may be done to a client on purpose

    def script_connectacks(self, *scripts: AckScript) -> None:
        """The next CONNECTs are answered like this, one script each. Traced as a fault when it happens."""
        self._reception.ack_scripts.extend(scripts)

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

    # Small things

    def _queue(self, app_key: str, group: str) -> Queue:
        app = self._apps.get(app_key)
        if app is None:
            raise ValueError(f"unknown app {app_key!r}; known: {', '.join(self._apps) or 'none'}")
        if group not in app.groups:
            raise ValueError(f"app {app_key!r} has no group {group!r}; its groups: {', '.join(sorted(app.groups))}")
        return app_key, group

    def _draw_id(self) -> int:
        while True:
            self._last_id += self._rng.randint(1, 16)
            if self._last_id not in self._deliveries.backlog:
                return self._last_id
