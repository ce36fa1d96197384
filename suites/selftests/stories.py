"""Hand-written traces that read like a story.

    story.connect()
    story.push(7, told=Instruction(outcome="fail"))
    story.received(7)
    story.handled(7, "fail")
    story.confirm(7)

A story records events as the fake service does, in the same order, with real bytes in its frames. What a judge must
say of it is a proof (`proofs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from tmcspec.events import (
    Accepted,
    Advanced,
    Attempted,
    Authorised,
    Cancelled,
    ClientDied,
    ClientError,
    ClientPublished,
    ClientStarted,
    ClientStarting,
    ClientStopped,
    Closed,
    Confirmed,
    Consumed,
    Dropped,
    Event,
    Expired,
    Failed,
    Fault,
    FlowSet,
    FrameIn,
    FrameOut,
    GroupCreated,
    GroupDeleted,
    Handled,
    Healed,
    HttpIn,
    HttpOut,
    Id,
    ModeSet,
    Opened,
    Permitted,
    Produced,
    Published,
    Pushed,
    Received,
    Refused,
    RetentionSet,
    Signed,
    Subscribed,
    TopicGrouped,
    UnknownConfirm,
    UserGrouped,
    WsIn,
    WsOut,
)
from tmcspec.frame import Frame, encode
from tmcspec.instruction import Instruction
from tmcspec.messages import (
    ClientMessage,
    Confirm,
    Connect,
    ConnectAck,
    Fail,
    Publish,
    PullRequest,
    Push,
    SendAck,
    ServiceMessage,
)
from tmcspec.routing import Environment, MessageKind, Routed
from tmcspec.trace import Entry, Recorder, Trace, World

EPOCH_MS = 1_767_225_600_000
APP, GROUP, TOKEN = "12129701", "default", "0b94b7cc-6d32-4b4a-9d34-2f4f3ac0a2b1"
CLIENT = "client"
TOPIC = "taobao_trade_TradeCreate"
USER = 2065498642
CONSUME, CONFIRM = "taobao.tmc.messages.consume", "taobao.tmc.messages.confirm"

#: What a handler is shown when a story does not say otherwise.
AS_SENT = "as sent"

Sign = Literal["right", "wrong", "case", "missing", "unknown_app"]


class Story:
    """Builds a trace. Every method that makes something happen returns the entry that it is told by.

    Args:
        world, handlers, patience, client_clock, epoch_ms: as in `Trace`.
        ack_first: whether the frame of a CONNECTACK is written down before its meaning.
    """

    def __init__(
        self,
        *,
        world: World = "simulated",
        handlers: bool = True,
        patience: float = 60.0,
        client_clock: bool = True,
        epoch_ms: int = EPOCH_MS,
        ack_first: bool = False,
    ) -> None:
        self.world, self.handlers, self.patience, self.epoch_ms = world, handlers, patience, epoch_ms
        self.client_clock, self.ack_first = client_clock, ack_first
        self.now = 0.0
        self.connection = "c0"
        self._advanced = 0.0
        self._connections = 0
        self._environments: dict[str, Environment] = {}
        self._asked: dict[str, str] = {}
        self._requests = 0
        self._recorder = Recorder()
        self._messages: dict[int, Produced] = {}
        self._wires: dict[int, Callable[[Push], bytes]] = {}
        self._attempts: dict[int, int] = {}
        self._frames: dict[int, bytes] = {}
        self._settled: set[int] = set()

    def record(self, event: Event) -> Entry:
        """Any event, now."""
        return self._recorder.record(event, now=self.now)

    def last(self, kind: type[Event]) -> Entry:
        """The last entry of this kind."""
        return next(entry for entry in reversed(self._recorder.entries) if isinstance(entry.event, kind))

    def trace(self) -> Trace:
        """The whole story, to the present."""
        self.record(Advanced(seconds=0.0))
        return Trace(
            entries=tuple(self._recorder.entries),
            world=self.world,
            handlers=self.handlers,
            patience=self.patience,
            client_clock=self.client_clock,
            epoch_ms=self.epoch_ms,
        )

    # Time

    def wait(self, seconds: float) -> None:
        """Time passes, for everybody."""
        self.now += seconds

    def advance(self, seconds: float) -> Entry:
        """The service clock is moved by hand."""
        self.now += seconds
        self._advanced += seconds
        return self.record(Advanced(seconds=seconds))

    # The wire

    def open(self, *, client: str | None = None) -> Entry:
        """A new connection, the one that the story goes on with; of a client, when the run knows of which."""
        self._connections += 1
        self.connection = f"c{self._connections}"
        return self.record(Opened(connection=self.connection, client=client))

    def attempts(self, client: str | None = None) -> Entry:
        """Somebody tries to connect while nobody can."""
        return self.record(Attempted(client=client))

    def says(self, what: ClientMessage | Frame | bytes, *, on: str | None = None) -> Entry:
        """A binary message from the client."""
        data = _bytes(what)
        return self.record(FrameIn(connection=on or self.connection, data=data))

    def hears(self, what: ServiceMessage | Frame | bytes, *, on: str | None = None, fragments: int = 1) -> Entry:
        """A binary message to the client."""
        data = _bytes(what)
        return self.record(FrameOut(connection=on or self.connection, data=data, fragments=fragments))

    def says_text(self, text: bytes = b"hello") -> Entry:
        return self.record(WsIn(connection=self.connection, opcode="text", data=text))

    def hears_text(self, text: bytes = b"hello") -> Entry:
        return self.record(WsOut(connection=self.connection, opcode="text", data=text))

    def pings(self) -> Entry:
        """The empty ping of the official Java client."""
        return self.record(WsIn(connection=self.connection, opcode="ping", data=b""))

    def close(self, by: Literal["client", "service", "fault"] = "service", *, on: str | None = None) -> Entry:
        return self.record(Closed(connection=on or self.connection, by=by, code=1000))

    # Handshakes

    def connects(
        self,
        *,
        flag: int = 1,
        sign: Sign = "right",
        timestamp: str | None = None,
        group: str = GROUP,
        environment: Environment = "production",
        client: str | None = None,
    ) -> Entry:
        """A CONNECT on a new connection to this environment, looked at and not answered."""
        self.open(client=client)
        self._environments[self.connection] = environment
        return self.connects_again(flag=flag, sign=sign, timestamp=timestamp, group=group)

    def connects_again(
        self, *, flag: int = 1, sign: Sign = "right", timestamp: str | None = None, group: str = GROUP
    ) -> Entry:
        """A CONNECT on the same connection, looked at and not answered."""
        self._asked[self.connection] = group
        present = self.epoch_ms + round((self.now - self._advanced) * 1000)
        said = self.says(
            Connect(
                app_key=APP,
                group=group,
                timestamp=str(present) if timestamp is None else timestamp,
                sign="0B2B9D0163A30084311EB514ECECF284",
                flag=flag,
            )
        )
        self.record(Signed(connection=self.connection, app_key=APP, sign=sign))
        return said

    def accepts(self, *, flag: int = 1, token: str | None = TOKEN) -> Entry:
        """The service takes the connection for accepted, and says so with this flag and token. The frame is told."""
        meant = Accepted(
            connection=self.connection,
            app_key=APP,
            group=self._asked.get(self.connection, GROUP),
            token=TOKEN,
            environment=self._environments.get(self.connection, "production"),
        )
        return self._answers(meant, ConnectAck(token=token, flag=flag))[1]

    def refuses(self, code: int = 25, phrase: str | None = "Invalid signature", *, flag: int = 1) -> Entry:
        """The service refuses. Its meaning is told."""
        meant = Refused(connection=self.connection, code=code, phrase=phrase)
        return self._answers(meant, ConnectAck(flag=flag, status_code=code, status_phrase=phrase))[0]

    def _answers(self, meant: Event, ack: ConnectAck) -> tuple[Entry, Entry]:
        if self.ack_first:
            frame = self.hears(ack)
            return self.record(meant), frame
        return self.record(meant), self.hears(ack)

    def connect(
        self, *, group: str = GROUP, environment: Environment = "production", client: str | None = None
    ) -> Entry:
        """A good handshake on a new connection. The CONNECT is told."""
        said = self.connects(group=group, environment=environment, client=client)
        self.accepts()
        return said

    # Messages

    def produce(
        self,
        id: int,
        content: str | None = "{}",
        *,
        told: Instruction | None = None,
        user_id: int | None = None,
        wire: Callable[[Push], bytes] | None = None,
        group: str = GROUP,
        topic: str = TOPIC,
        environment: Environment = "production",
        kind: MessageKind = "point_to_point",
        routed: Routed = "named",
    ) -> Entry:
        """A message enters the queue of a group. `wire` makes its frames, as in the fake service."""
        event = Produced(
            message=Id(id),
            app_key=APP,
            group=group,
            topic=topic,
            user_id=_id(user_id),
            content=told.content(id=str(id)) if told else content,
            environment=environment,
            kind=kind,
            routed=routed,
        )
        self._messages[id] = event
        if wire:
            self._wires[id] = wire
        return self.record(event)

    def push(
        self,
        id: int,
        content: str | None = "{}",
        *,
        fragments: int = 1,
        on: str | None = None,
        befell: tuple[str, ...] = (),
        **more: Any,
    ) -> Entry:
        """A push, of a message that is produced now when it was not before. `more` is for `produce` or of `Push`.

        `befell` are the faults that acted on it. What was lost or held back does not go out; see `arrives`.
        """
        connection = on or self.connection
        fields = {key: more.pop(key) for key in tuple(more) if key in ("data_id", "time", "out_time", "retried")}
        if id not in self._messages:
            self.produce(id, content, **more)
        message = self._messages[id]
        attempt = self._attempts[id] = self._attempts.get(id, 0) + 1
        present = self.epoch_ms + round(self.now * 1000)
        push = Push(
            token=TOKEN,
            id=id,
            topic=message.topic,
            content=message.content,
            user_id=message.user_id,
            time=present,
            out_time=present,
            retried=attempt - 1,
        )
        push = replace(push, **fields)
        pushed = self.record(Pushed(message=Id(id), connection=connection, attempt=attempt))
        data = self._frames[id] = self._wires[id](push) if id in self._wires else _bytes(push)
        for name in befell:
            self.fault(name, connection, f"push {id}")
        if not {"drop", "delay", "reorder"} & {*befell}:
            if "garbage" in befell:
                self.hears(b"garbage", on=connection)
            self.hears(data, on=connection, fragments=fragments)
        return pushed

    def arrives(self, id: int, *, on: str | None = None) -> Entry:
        """The frame of the latest push of a message goes out, late or once more."""
        return self.hears(self._frames[id], on=on)

    def confirm(self, id: int | None, *, on: str | None = None, lost: bool = False) -> Entry:
        """A Confirm, and what the service makes of it."""
        said = self.says(Confirm(token=TOKEN, id=id), on=on)
        connection = on or self.connection
        if lost:
            self.fault("lose_confirm", connection)
        elif id is not None and id in self._messages and id not in self._settled:
            self._settled.add(id)
            self.record(Confirmed(message=Id(id), via="ws", connection=connection))
        else:
            self.record(UnknownConfirm(id=_id(id), via="ws", connection=connection))
        return said

    def fail(self, id: int, reason: str | None = None) -> Entry:
        """A Failed, and what the service makes of it."""
        said = self.says(Fail(token=TOKEN, id=id, reason=reason))
        if id in self._messages and id not in self._settled:
            self.record(Failed(message=Id(id), reason=reason, connection=self.connection))
        else:
            self.record(UnknownConfirm(id=Id(id), via="ws", connection=self.connection))
        return said

    def pull(self, *, token: str | None = TOKEN) -> Entry:
        return self.says(PullRequest(token=token))

    def expire(self, id: int) -> Entry:
        self._settled.add(id)
        return self.record(Expired(message=Id(id)))

    def publishes(self, topic: str = TOPIC, content: str = "{}", *, flag: int = 2) -> Entry:
        """A publish, not looked at yet."""
        return self.says(Publish(token=TOKEN, flag=flag, topic=topic, content=content))

    def published(self, topic: str = TOPIC, content: str = "{}", *, code: int = 0, phrase: str | None = None) -> Entry:
        """What the service makes of it."""
        return self.record(
            Published(
                app_key=APP,
                topic=topic,
                content=content,
                accepted=not code and phrase is None,
                via="ws",
                connection=self.connection,
                code=code,
                phrase=phrase,
            )
        )

    def acknowledges(self, code: int = 0, phrase: str | None = None, *, flag: int = 2) -> Entry:
        """The SENDACK of a publish."""
        return self.hears(SendAck(token=TOKEN, flag=flag, status_code=code, status_phrase=phrase))

    # The gateway and the console

    def requests(
        self,
        method: str | None,
        *,
        sign: Sign = "right",
        app_key: str | None = APP,
        environment: Environment = "production",
        **arguments: str,
    ) -> Entry:
        """A request over HTTP, not answered yet."""
        self._requests += 1
        return self.record(
            HttpIn(
                request=self._requests,
                method=method,
                app_key=app_key,
                sign=sign,
                arguments=tuple(arguments.items()),
                environment=environment,
            )
        )

    def hands_out(self, *ids: int) -> Entry:
        """What the latest request gets, produced now when it was not before. The last message is told."""
        told = self.last(HttpIn)
        for id in ids:
            if id not in self._messages:
                self.produce(id)
            attempt = self._attempts[id] = self._attempts.get(id, 0) + 1
            told = self.record(Consumed(message=Id(id), attempt=attempt, request=self._requests))
        return told

    def answers(self, code: int = 0) -> Entry:
        """The answer to the latest request."""
        return self.record(HttpOut(request=self._requests, code=code))

    def consume(self, *ids: int, **arguments: str) -> Entry:
        """A consume over HTTP that gets these messages. The request is told."""
        asked = self.requests(CONSUME, **{"quantity": "100"} | arguments)
        self.hands_out(*ids)
        self.answers()
        return asked

    def confirm_by_http(self, *ids: int | str, lost: bool = False, **arguments: str) -> Entry:
        """A confirm over HTTP, and what the service makes of it. The request is told."""
        asked = self.requests(CONFIRM, s_message_ids=",".join(map(str, ids)), **arguments)
        for id in () if lost else ids:
            if id in self._messages and id not in self._settled:
                self._settled.add(int(id))
                self.record(Confirmed(message=Id(int(id)), via="http", connection=None))
        self.answers(15 if lost else 0)
        return asked

    def fail_by_http(self, id: int, **arguments: str) -> Entry:
        """A report over HTTP that a message failed, which the service takes. That it does is told."""
        self.requests(CONFIRM, s_message_ids="", f_message_ids=str(id), **arguments)
        failed = self.record(Failed(message=Id(id), reason=None, connection=None))
        self.answers()
        return failed

    def sets_flow(self, value: int | None) -> Entry:
        """Somebody sets the flow value of the group."""
        return self.record(FlowSet(app_key=APP, value=value, group=GROUP))

    def sets_mode(self, mode: Literal["push", "pull"]) -> Entry:
        return self.record(ModeSet(app_key=APP, mode=mode, group=GROUP))

    def sets_retention(self, seconds: float) -> Entry:
        return self.record(RetentionSet(seconds=seconds))

    def authorises(self, user: int = USER, *, until: float | None = None) -> Entry:
        """A user grants the app access, or, with an end that is now, takes the grant back."""
        return self.record(Authorised(app_key=APP, user_id=Id(user), nick="张三", until=until))

    def permits(self, *topics: str, user: int = USER) -> Entry:
        """The app takes a user's messages about these topics; about all when none is named."""
        return self.record(Permitted(app_key=APP, user_id=Id(user), topics=topics or None))

    def cancels(self, user: int = USER) -> Entry:
        return self.record(Cancelled(app_key=APP, user_id=Id(user)))

    def subscribes(self, *topics: str) -> Entry:
        """The app has subscribed to these topics and no others."""
        return self.record(Subscribed(app_key=APP, topics=topics))

    def groups_user(self, group: str | None, user: int = USER) -> Entry:
        return self.record(UserGrouped(app_key=APP, user_id=Id(user), group=group))

    def binds_topic(self, group: str | None, topic: str = TOPIC) -> Entry:
        return self.record(TopicGrouped(app_key=APP, topic=topic, group=group))

    def creates_group(self, group: str) -> Entry:
        return self.record(GroupCreated(app_key=APP, group=group))

    def deletes_group(self, group: str, *lost: int) -> Entry:
        """A group is deleted, and these messages are lost with it."""
        deleted = self.record(GroupDeleted(app_key=APP, group=group))
        for id in lost:
            self._settled.add(id)
            self.record(Dropped(message=Id(id)))
        return deleted

    # The client, as its adapter sees it

    def received(
        self,
        id: int | None,
        content: str | None = AS_SENT,
        *,
        client: str = CLIENT,
        user_id: int | None = None,
        data_id: int | None = None,
        publish_time: int | None = None,
    ) -> Entry:
        """The handler is called; it gets the content that was sent unless the story says otherwise."""
        message = self._messages.get(id) if id is not None else None
        if content == AS_SENT:
            content = message.content if message else None
        return self.record(
            Received(
                client=client,
                message=_id(id),
                content=content,
                user_id=_id(user_id),
                data_id=_id(data_id),
                publish_time=_id(publish_time),
            )
        )

    def handled(self, id: int | None, outcome: Literal["ok", "fail", "raise"] = "ok", *, client: str = CLIENT) -> Entry:
        return self.record(Handled(client=client, message=_id(id), outcome=outcome))

    def handles(self, id: int, outcome: Literal["ok", "fail", "raise"] = "ok", *, client: str = CLIENT) -> Entry:
        """The handler is called and done. That it is done is told."""
        self.received(id, client=client)
        return self.handled(id, outcome, client=client)

    def takes(self, id: int, *, client: str = CLIENT) -> Entry:
        """The handler is called, done, and the message confirmed. The Confirm is told."""
        self.handles(id, client=client)
        return self.confirm(id)

    def told_of_publish(
        self, topic: str = TOPIC, content: str = "{}", *, error: str | None = None, client: str = CLIENT
    ) -> Entry:
        """The application is told how a publish ended: well, or with an error."""
        return self.record(ClientPublished(client=client, topic=topic, content=content, ok=error is None, error=error))

    def starting(self, group: str = GROUP, *, client: str = CLIENT, dedupe: tuple[str, ...] = ()) -> Entry:
        """The application starts the client, and tells it this group, and of what a business key is made."""
        return self.record(ClientStarting(client=client, group=group, dedupe=dedupe))

    def started(self, *, client: str = CLIENT) -> Entry:
        return self.record(ClientStarted(client=client))

    def stopped(self, *, client: str = CLIENT) -> Entry:
        return self.record(ClientStopped(client=client))

    def died(self, *, client: str = CLIENT) -> Entry:
        return self.record(ClientDied(client=client, status="exit status 1"))

    def error(self, op: str | None = "start", *, client: str = CLIENT) -> Entry:
        return self.record(ClientError(client=client, error="Invalid signature", op=op))

    def fault(self, kind: str, target: str | None = None, detail: str = "") -> Entry:
        return self.record(Fault(name=kind, target=target, detail=detail))

    def heals(self, kind: str, target: str | None = None, detail: str = "") -> Entry:
        """A fault that lasted is over."""
        return self.record(Healed(name=kind, target=target, detail=detail))


def _id(value: int | None) -> Id | None:
    return None if value is None else Id(value)


def _bytes(what: ClientMessage | ServiceMessage | Frame | bytes) -> bytes:
    if isinstance(what, bytes):
        return what
    return encode(what if isinstance(what, Frame) else what.to_frame())
