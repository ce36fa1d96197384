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

from tmcfakes.connections import Connections
from tmcfakes.console import Console
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Directory
from tmcfakes.effects import Abort, Close, Effect, Outbox, Send
from tmcfakes.handshake import AckScript, App, Refusal
from tmcfakes.interception import Incoming, Outgoing
from tmcfakes.noted import frame_in
from tmcfakes.publishing import Publishing
from tmcfakes.queues import Message, Queue, QueueKey
from tmcfakes.reception import Reception
from tmcfakes.tampering import Tampering
from tmcspec.delivery import State
from tmcspec.events import Closed, Event, FrameIn, Opened, Via, WsIn
from tmcspec.flow import Flow
from tmcspec.frame_values import show
from tmcspec.messages import Push
from tmcspec.routing import ENVIRONMENTS, Environment
from tmcspec.shortcuts import confirmed_id
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

__all__ = ["Abort", "AckScript", "App", "Close", "Effect", "Send", "Service"]


class Service(Tampering):
    """The message service, with its apps, in all environments.

    Args:
        apps: who may connect. Keys must differ.
        recorder: where the trace goes.
        rng: the source of all chance: tokens, ids, sessions, and which connection gets a message.
        timing: the durations of the service; by default the official ones.
        flow: its flow control; by default the official one, which holds nothing back until a flow value is set.
        epoch_ms: wall-clock time of service time 0, in epoch milliseconds; pushes show it.
        server_ip: the address of the service in the tracks of messages.
        topics_to_taobao: the topics that apps may publish to Taobao; None for any.

    Attributes:
        connections_type, console_type, deliveries_type, directory_type, publishing_type, reception_type: its parts,
            which a subclass may replace.

    Raises:
        ValueError: two apps with one key.
    """

    connections_type: type[Connections] = Connections
    console_type: type[Console] = Console
    deliveries_type: type[Deliveries] = Deliveries
    directory_type: type[Directory] = Directory
    publishing_type: type[Publishing] = Publishing
    reception_type: type[Reception] = Reception

    def __init__(
        self,
        *,
        apps: Iterable[App],
        recorder: Recorder,
        rng: random.Random,
        timing: Timing | None = None,
        flow: Flow | None = None,
        epoch_ms: int = 0,
        server_ip: str = "127.0.0.1",
        topics_to_taobao: Iterable[str] | None = None,
    ) -> None:
        timing = timing or Timing()
        self._rng = rng
        self._outbox = Outbox(recorder=recorder)
        self._connections = self.connections_type()
        self._directory = self.directory_type(
            apps, rng=rng, cache=timing.subscription_cache, topics_to_taobao=topics_to_taobao
        )
        self._deliveries = self.deliveries_type(
            outbox=self._outbox, rng=rng, timing=timing, flow=flow or Flow(), epoch_ms=epoch_ms
        )
        self._publishing = self.publishing_type(directory=self._directory, outbox=self._outbox)
        self._console = self.console_type(directory=self._directory, deliveries=self._deliveries, outbox=self._outbox)
        self._reception = self.reception_type(
            directory=self._directory,
            connections=self._connections,
            deliveries=self._deliveries,
            publishing=self._publishing,
            outbox=self._outbox,
            rng=rng,
            server_ip=server_ip,
        )
        self._incoming = Incoming(outbox=self._outbox, connections=self._connections, act=self._heard)
        self._outgoing = Outgoing(outbox=self._outbox, connections=self._connections)
        self._outbox.outgoing = self._outgoing
        self._degraded, self._slowest, self._undegraded = {}, None, {}

        for app in self._directory.apps.values():
            for group in app.groups:
                self._console.tell_flow(app.key, group)

    # What happens to the service

    def opened(
        self,
        connection: str,
        *,
        now: float,
        environment: Environment = "production",
        peer: str | None = None,
        client: str | None = None,
    ) -> None:
        """A client opened a WebSocket connection, to an environment, from the address `peer`; `client` is its name,
        where that is known.

        Raises:
            ValueError: this name is open already.
        """
        self._deliveries.let_pass(now)
        self._connections.add(connection, environment=environment, peer=peer, client=client)
        self._outbox.record(Opened(connection=connection, client=client))

    def received(self, connection: str, data: bytes, *, now: float) -> None:
        """One binary WebSocket message arrived. Raises ValueError only for a connection that is not open."""
        self._deliveries.let_pass(now)
        found = self._connections.get(connection)
        intercepted = self._incoming.busy
        message_id = None if intercepted or self._reception.forgotten else confirmed_id(data)
        if message_id is not None:
            self._outbox.recorder.note(now, frame_in, connection, data)
            self._reception.confirm(found, message_id)
            return
        event = FrameIn(connection=connection, data=data)
        self._outbox.record(event)
        self._outbox.weigh(len(data))
        if intercepted:
            self._incoming.take(Send(connection=connection, data=data))
        elif event.frame is not None:
            self._reception.read(found, event.frame)

    def observed(self, connection: str, opcode: str, data: bytes, *, now: float) -> None:
        """Something else arrived on the WebSocket: text, ping, pong, close. It is traced and not answered.

        Not even a ping: the official Java client takes a pong for a broken frame and closes.
        """
        self._deliveries.let_pass(now)
        self._connections.get(connection)
        self._outbox.record(WsIn(connection=connection, opcode=opcode, data=data))
        self._outbox.weigh(len(data))

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
        self._outbox.forget(connection)
        self._incoming.forget(connection)
        self._outgoing.forget(connection)
        self._outbox.record(Closed(connection=connection, by=by, code=code, reason=reason))

    def produce(
        self,
        *,
        app_key: str,
        topic: str,
        content: str | None,
        now: float,
        group: str | None = None,
        user_id: int | None = None,
        nick: str | None = None,
        id: int | None = None,
        data_id: int | None = None,
        environment: Environment = "production",
        wire: Callable[[Push], bytes] | None = None,
        fragments: int = 1,
    ) -> int:
        """A message for one app (点对点, S11) enters the queue of a group, and is pushed when it can be.

        Args:
            app_key: whose message; the app must have subscribed to the topic.
            topic: as `taobao_trade_TradeCreate`.
            content: the text that the client's handler must be given; None for none.
            now: service time in seconds.
            group: the group, which must exist; None for the one that the user, or else the topic, is routed to.
            user_id, nick: whom it is about.
            id: the outgoing id, signed 64 bits, unique for ever (S42); by default the next of the service's own.
            data_id: the business object.
            environment: where it can be consumed.
            wire: makes the bytes of every delivery of this message, instead of the usual frame.
            fragments: in how many WebSocket fragments it goes out, at least 1.

        Returns:
            The id.

        Raises:
            ValueError: no such app or group, no subscription, a taken id, a number out of its range, or text that UTF-8
                cannot write.
        """
        self._deliveries.let_pass(now)
        _check_types(topic=topic, content=content, id=id, user_id=user_id, data_id=data_id)
        app = self._directory.app(app_key)
        if not self._directory.has_subscribed(app, topic, now=now):
            other = self._directory.has_subscribed(app, None, now=now)
            what = f"topics, but not to {show(topic)}" if other else "nothing"
            raise ValueError(f"app {app_key!r} has subscribed to {what}, so it is not produced for it")
        if fragments < 1:
            raise ValueError(f"fragments must be at least 1, not {fragments!r}")
        route = app.route(topic, user_id=user_id, named=group)
        return self._deliveries.produce(
            self._queue(app_key, route.group, environment),
            kind="point_to_point",
            routed=route.routed,
            topic=topic,
            content=content,
            user_id=user_id,
            nick=nick,
            id=id,
            data_id=data_id,
            wire=wire,
            fragments=fragments,
        )

    def broadcast(
        self,
        *,
        topic: str,
        content: str | None,
        now: float,
        user_id: int | None = None,
        nick: str | None = None,
        id: int | None = None,
        data_id: int | None = None,
        environment: Environment = "production",
    ) -> dict[str, int]:
        """Something happened to a user (广播消息, S10): every app that holds the grant, and has permitted the topic
        and subscribed to it, gets a message.

        Args:
            topic, content, now, data_id, environment: as in `produce`.
            user_id, nick: the user, by either.
            id: the outgoing id of the first message, and the others get those behind it; by default the service's own.

        Returns:
            The ids of the messages by app key; empty when no app gets any.

        Raises:
            ValueError: no such user, or as in `produce`.
        """
        self._deliveries.let_pass(now)
        _check_types(topic=topic, content=content, id=id, user_id=user_id, data_id=data_id)
        user = self._directory.user(user_id=user_id, nick=nick)
        if user is None or nick not in (None, user.nick):
            given = [f"user_id {user_id!r}"] if user_id is not None else []
            given += [f"nick {nick!r}"] if nick is not None or not given else []
            who = " and ".join(given)
            raise ValueError(f"no user with {who} has ever granted an app access; authorise the user for an app first")
        ids: dict[str, int] = {}
        for app in self._directory.audience(user, topic, now=now):
            route = app.route(topic, user_id=user.user_id, named=None)
            ids[app.key] = self._deliveries.produce(
                self._queue(app.key, route.group, environment),
                kind="broadcast",
                routed=route.routed,
                topic=topic,
                content=content,
                user_id=user.user_id,
                nick=user.nick,
                id=None if id is None else id + len(ids),
                data_id=data_id,
            )
        return ids

    def consume(
        self,
        quantity: int,
        *,
        app_key: str,
        group: str,
        now: float,
        request: int,
        ip: str = "",
        environment: Environment = "production",
    ) -> list[Message]:
        """A consumer asks over HTTP for at most so many messages. Raises ValueError: no such app or group."""
        self._deliveries.let_pass(now)
        return self._deliveries.consume(self._queue(app_key, group, environment), quantity, request=request, ip=ip)

    def confirm(
        self,
        message_id: int | None,
        *,
        app_key: str,
        group: str,
        now: float,
        via: Via,
        connection: str | None = None,
        environment: Environment = "production",
    ) -> bool:
        """A consumer of this group confirms an id; None when it named none. Returns whether that settled a message.

        Raises:
            ValueError: no such app or group.
        """
        self._deliveries.let_pass(now)
        queue = self._queue(app_key, group, environment)
        return self._deliveries.confirm(message_id, queue, via=via, connection=connection)

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
        environment: Environment = "production",
    ) -> bool:
        """A consumer of this group reports an id as failed. Returns whether it is that of an unsettled message.

        Raises:
            ValueError: no such app or group.
        """
        self._deliveries.let_pass(now)
        queue = self._queue(app_key, group, environment)
        return self._deliveries.fail(message_id, queue, via=via, connection=connection, reason=reason)

    def publish(self, *, app_key: str, topic: str, content: str, now: float) -> Refusal | None:
        """An app sends a message to Taobao over HTTP; why it is refused, None when it is accepted.

        Raises:
            ValueError: no such app.
        """
        self._deliveries.let_pass(now)
        self._directory.app(app_key)
        return self._publishing.publish(app_key=app_key, topic=topic, content=content, via="http")

    def console(self, *, now: float) -> Console:
        """Where users, groups, topics and flow are changed, at this moment."""
        self._deliveries.let_pass(now)
        return self._console

    def record(self, event: Event, *, now: float) -> None:
        """Something happened that a front saw and the engine does not act on, as a request over HTTP."""
        self._deliveries.let_pass(now)
        self._outbox.record(event)

    def tick(self, *, now: float) -> None:
        """Lets everything happen that is due by `now`, then pushes what waits. Raises ValueError: `now` goes back."""
        self._deliveries.let_pass(now)

    def deadline(self) -> float | None:
        """When `tick` is needed next, in seconds of service time; None when nothing is pending."""
        return self._deliveries.deadline()

    def effects(self) -> list[Effect]:
        """What is to be done, in order. Each effect is handed out once."""
        return self._outbox.drain()

    # Looking in

    @property
    def directory(self) -> Directory:
        """Apps, users, groups and topics, to be looked at."""
        return self._directory

    def queues(self) -> list[Queue]:
        """All queues that anybody has used, to be looked at."""
        return list(self._deliveries.queues.values())

    def message(self, message_id: int) -> Message:
        """A message with its tracks, to be looked at. Raises ValueError: never produced, or settled long ago."""
        return self._deliveries.backlog.look_up(message_id)

    def state(self, message_id: int) -> State:
        """Where a message is in its life. Raises ValueError as `message`."""
        return self.message(message_id).state

    def unsettled(self, app_key: str, group: str = "default", environment: Environment = "production") -> int:
        """How many messages of a group are not settled. Raises ValueError: no such app or group."""
        return self._queue(app_key, group, environment).unsettled

    def connections(
        self, app_key: str, group: str = "default", environment: Environment = "production"
    ) -> tuple[str, ...]:
        """Where messages of a group go, the longest accepted first. Raises ValueError: no such app or group."""
        return tuple(each.name for each in self._queue(app_key, group, environment).takers)

    def queue(self, app_key: str, group: str = "default", environment: Environment = "production") -> Queue:
        """The queue of a group. Raises ValueError: no such app or group."""
        return self._queue(app_key, group, environment)

    def about(self, queue: Queue, topic: str, data_id: int) -> list[Message]:
        """The messages of a queue about a business object, but for those that were settled long ago."""
        return self._deliveries.backlog.about(queue, topic, data_id)

    def token(self, queue: Queue) -> str:
        """The token that whoever takes the messages of a queue is given."""
        return self._reception.token(queue.key)

    def epoch(self, time: float) -> int:
        """Service time as epoch milliseconds."""
        return self._deliveries.epoch(time)

    # Small things

    def _queue(self, app_key: str, group: str, environment: Environment) -> Queue:
        if environment not in ENVIRONMENTS:
            raise ValueError(f"environment is {environment!r}; valid: {', '.join(ENVIRONMENTS)}")
        app = self._directory.app(app_key)
        if group not in app.groups:
            raise ValueError(f"app {app_key!r} has no group {group!r}; its groups: {', '.join(sorted(app.groups))}")
        return self._deliveries.queue(QueueKey(app_key, group, environment))


def _check_types(*, topic: object, content: object, id: object, user_id: object, data_id: object) -> None:
    """Raises TypeError: what a test writes by hand is not of the type that it must be."""
    if not isinstance(content, str | None):
        raise TypeError(f"content is text or None, not {type(content).__name__}; json.dumps makes text of an object")
    if not isinstance(topic, str):
        raise TypeError(f"topic is text, not {type(topic).__name__}")
    for name, value in (("id", id), ("user_id", user_id), ("data_id", data_id)):
        if not isinstance(value, int | None):
            raise TypeError(f"{name} is an integer or None, not {value!r}")
