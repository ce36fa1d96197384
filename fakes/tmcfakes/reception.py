"""What clients say, and what the service makes of it."""

from __future__ import annotations

import random
import uuid
from collections import deque
from dataclasses import dataclass
from functools import partial

from tmcfakes.connections import Connection, Connections, chain, intranet_ip
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Directory
from tmcfakes.effects import Outbox, Send
from tmcfakes.faults import PlannedFault
from tmcfakes.handshake import AckScript, Refusal, inspect
from tmcfakes.interception import KINDS_FROM_CLIENT
from tmcfakes.publishing import Publishing
from tmcfakes.queues import Queue, QueueKey
from tmcspec.events import Accepted, Fault, Refused, Signed, SignFinding
from tmcspec.frame import Frame
from tmcspec.messages import (
    Confirm,
    Connect,
    ConnectAck,
    Fail,
    MessageError,
    Publish,
    PullRequest,
    SendAck,
    from_client,
)


@dataclass(slots=True, kw_only=True, eq=False)
class AnswerPlan:
    """How the next so many CONNECTs of whom `fault` concerns are answered."""

    fault: PlannedFault
    script: AckScript
    left: int


class Reception:
    """Reads frames and acts on them.

    Attributes:
        ack_scripts: how the next CONNECTs are answered, one script each.
        sendack_scripts: how the next publishes are answered, one script each.
        answer_faults: how the next CONNECTs of some connections are answered, for which there is no such script.
        confirms_to_lose: how many of the next confirms are not acted on.
        forgotten: tokens that the service gave and does not know any more. Who sends with one is not listened to.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        connections: Connections,
        deliveries: Deliveries,
        publishing: Publishing,
        outbox: Outbox,
        rng: random.Random,
        server_ip: str,
    ) -> None:
        self.ack_scripts: deque[AckScript] = deque()
        self.answer_faults: dict[int, AnswerPlan] = {}
        self.sendack_scripts: deque[AckScript] = deque()
        self.confirms_to_lose = 0
        self.forgotten: set[str] = set()
        self._directory = directory
        self._connections = connections
        self._deliveries = deliveries
        self._publishing = publishing
        self._outbox = outbox
        self._rng = rng
        self._server_ip = server_ip
        self._tokens: dict[QueueKey, str] = {}

    def read(self, connection: Connection, frame: Frame) -> None:
        """One frame came. What makes no sense is ignored, as is what wants an answer on a closing connection."""
        try:
            said = from_client(frame)
        except MessageError:
            return
        if frame.token in self.forgotten and not isinstance(said, Connect | SendAck):
            kind = KINDS_FROM_CLIENT[type(said)]
            self._outbox.record(Fault(name="forgotten_token", target=connection.name, detail=kind))
            return
        match said:
            case Connect() if not connection.closing:
                self._connect(connection, said, frame.version)
            case Confirm():
                self.confirm(connection, said.id)
            case Fail():
                self._deliveries.fail(
                    said.id, connection.queue, via="ws", connection=connection.name, reason=said.reason
                )
            case Publish() if connection.queue is not None and not connection.closing:
                self._publish(connection, connection.queue, said)
            case PullRequest():
                # Where messages are pushed it needs nothing: what waits was pushed when it could be (and tmc.js sends
                # one before it has a token).
                self._deliveries.pull(connection)
            # A SENDACK is how the official Java client answers a push that it cannot read.

    def confirm(self, connection: Connection, message_id: int | None) -> None:
        """A client confirms an id; None when it named none."""
        if self.confirms_to_lose > 0 and connection.queue is not None:
            self.confirms_to_lose -= 1
            self._outbox.record(Fault(name="lose_confirm", target=connection.name, detail=f"id {message_id}"))
        else:
            self._deliveries.confirm(message_id, connection.queue, via="ws", connection=connection.name)

    def token(self, key: QueueKey) -> str:
        """The token of who consumes a queue: one for each identity, not for each connection (observed: reference
        server).
        """
        if key not in self._tokens:
            self._tokens[key] = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        return self._tokens[key]

    def forget_tokens(self) -> None:
        """From now on others are given."""
        self.forgotten.update(self._tokens.values())
        self._tokens.clear()

    def _script(self, connection: Connection) -> AckScript | None:
        """How a CONNECT on this connection is answered; None for as it should be."""
        if self.ack_scripts:
            return self.ack_scripts.popleft()
        for key, plan in self.answer_faults.items():
            if plan.fault.concerns(connection.who):
                plan.left -= 1
                if not plan.left:
                    del self.answer_faults[key]
                return plan.script
        return None

    def _connect(self, connection: Connection, connect: Connect, version: int) -> None:
        finding, refusal = self._inspect(connect)
        self._outbox.record(Signed(connection=connection.name, app_key=connect.app_key or None, sign=finding))
        script = self._script(connection)
        if script is None:
            script = AckScript()
        else:
            self._outbox.record(Fault(name="connectack", target=connection.name, detail=script.detail))
        # A connection is what its latest CONNECT makes of it.
        self._connections.withdraw(connection)
        connection.version, connection.queue, connection.token = version, None, None
        flag = connect.flag if script.flag is None else script.flag
        error = script.refuse or refusal
        if script.silent:
            return
        answer = partial(self._answer_connect, connection, connect, flag, error, with_token=script.token)
        if script.delay:
            self._outbox.postpone(connection.name, answer, seconds=script.delay)
        else:
            answer()

    def _inspect(self, connect: Connect) -> tuple[SignFinding, Refusal | None]:
        app = self._directory.apps.get(connect.app_key)
        return inspect(
            connect,
            secret=app.secret if app else None,
            subscribed=app is not None and self._directory.has_subscribed(app, None, now=self._outbox.now),
            groups=app.groups if app else (),
        )

    def _answer_connect(
        self,
        connection: Connection,
        connect: Connect,
        flag: int,
        error: tuple[int, str | None] | None,
        *,
        with_token: bool,
    ) -> None:
        if connection.closing:
            return
        if error is not None:
            code, phrase = error
            self._outbox.record(Refused(connection=connection.name, code=code, phrase=phrase))
            self._answer(connection, ConnectAck(flag=flag, status_code=code, status_phrase=phrase))
        elif not with_token:
            self._answer(connection, ConnectAck(flag=flag))
        else:
            self._accept(connection, connect, flag)

    def _accept(self, connection: Connection, connect: Connect, flag: int) -> None:
        key = QueueKey(connect.app_key, connect.group, connection.environment)
        token, queue = self.token(key), self._deliveries.queue(key)
        self._connections.accept(connection, queue, token)
        connection.ip = chain(intranet=intranet_ip(connect), public=connection.peer, server=self._server_ip)
        self._outbox.record(
            Accepted(
                connection=connection.name,
                app_key=key.app_key,
                group=key.group,
                token=token,
                environment=key.environment,
            )
        )
        self._answer(connection, ConnectAck(token=token, flag=flag))
        self._deliveries.push_waiting(queue)

    def _publish(self, connection: Connection, queue: Queue, said: Publish) -> None:
        script = AckScript()
        if self.sendack_scripts:
            script = self.sendack_scripts.popleft()
            self._outbox.record(Fault(name="sendack", target=connection.name, detail=script.detail))
        if said.flag > 0:
            connection.asked(said.flag)
        refusal = self._publishing.publish(
            app_key=queue.key.app_key, topic=said.topic, content=said.content, via="ws", connection=connection.name
        )
        if said.flag <= 0 or script.silent:
            return  # without a flag there is nothing that an answer could be told by
        code, phrase = script.refuse or refusal or (0, None)
        answer = SendAck(
            token=connection.token if script.token else None,
            flag=said.flag if script.flag is None else script.flag,
            status_code=code,
            status_phrase=phrase,
        )
        acknowledge = partial(self._acknowledge, connection, answer, said.flag)
        if script.delay:
            self._outbox.postpone(connection.name, acknowledge, seconds=script.delay)
        else:
            acknowledge()

    def _acknowledge(self, connection: Connection, answer: SendAck, flag: int) -> None:
        if self._answer(connection, answer):
            connection.answered(flag)

    def _answer(self, connection: Connection, message: ConnectAck | SendAck) -> bool:
        return self._outbox.send(Send(connection=connection.name, data=connection.written(message)))
