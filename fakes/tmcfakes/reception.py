"""What clients say, and what the service makes of it."""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Mapping

from tmcfakes.connections import Connection, Connections, Queue
from tmcfakes.delivering import Deliveries
from tmcfakes.effects import Outbox, Send
from tmcfakes.handshake import AckScript, App, inspect
from tmcspec.events import Accepted, Fault, Refused, Signed
from tmcspec.frame import Frame
from tmcspec.messages import Confirm, Connect, ConnectAck, Fail, MessageError, Publish, SendAck, from_client


class Reception:
    """Reads frames and acts on them.

    Attributes:
        ack_scripts: how the next CONNECTs are answered, one script each.
        confirms_to_lose: how many of the next confirms are not acted on.
    """

    def __init__(
        self,
        *,
        apps: Mapping[str, App],
        connections: Connections,
        deliveries: Deliveries,
        outbox: Outbox,
        rng: random.Random,
    ) -> None:
        self.ack_scripts: deque[AckScript] = deque()
        self.confirms_to_lose = 0
        self._apps = apps
        self._connections = connections
        self._deliveries = deliveries
        self._outbox = outbox
        self._rng = rng
        self._tokens: dict[Queue, str] = {}

    def read(self, connection: Connection, frame: Frame) -> None:
        """One frame came. What makes no sense is ignored, as is what wants an answer on a closing connection."""
        try:
            said = from_client(frame)
        except MessageError:
            return
        name, queue = connection.name, connection.queue
        match said:
            case Connect() if not connection.closing:
                self._connect(connection, said, frame.version)
            case Confirm() if queue is not None and self.confirms_to_lose > 0:
                self.confirms_to_lose -= 1
                self._outbox.record(Fault(name="lose_confirm", target=name, detail=f"id {said.id}"))
            case Confirm():
                self._deliveries.confirm(said.id, queue, via="ws", connection=name)
            case Fail():
                self._deliveries.fail(said.id, queue, via="ws", connection=name, reason=said.reason)
            case Publish() if said.flag > 0 and queue is not None and not connection.closing:
                self._answer(connection, SendAck(token=connection.token, flag=said.flag))
            # A PullRequest needs nothing: what waits was pushed when it could be (and tmc.js sends one before it has a
            # token). A SENDACK is how the official Java client answers a push that it cannot read.

    def _connect(self, connection: Connection, connect: Connect, version: int) -> None:
        finding, refusal = inspect(connect, self._apps)
        self._outbox.record(Signed(connection=connection.name, app_key=connect.app_key or None, sign=finding))
        script = AckScript()
        if self.ack_scripts:
            script = self.ack_scripts.popleft()
            self._outbox.record(Fault(name="connectack", target=connection.name, detail=repr(script)))
        # A connection is what its latest CONNECT makes of it.
        self._connections.withdraw(connection)
        connection.version, connection.queue, connection.token = version, None, None
        flag = connect.flag if script.flag is None else script.flag
        error = script.refuse or refusal
        if script.silent:
            return
        if error is not None:
            code, phrase = error
            self._outbox.record(Refused(connection=connection.name, code=code, phrase=phrase))
            self._answer(connection, ConnectAck(flag=flag, status_code=code, status_phrase=phrase))
        elif not script.token:
            self._answer(connection, ConnectAck(flag=flag))
        else:
            self._accept(connection, (connect.app_key, connect.group), flag)

    def _accept(self, connection: Connection, queue: Queue, flag: int) -> None:
        # One token for each identity, not for each connection (observed: reference server).
        if queue not in self._tokens:
            self._tokens[queue] = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        token = self._tokens[queue]
        self._connections.accept(connection, queue, token)
        self._outbox.record(Accepted(connection=connection.name, app_key=queue[0], group=queue[1], token=token))
        self._answer(connection, ConnectAck(token=token, flag=flag))
        self._deliveries.push_waiting(queue)

    def _answer(self, connection: Connection, message: ConnectAck | SendAck) -> None:
        self._outbox.send(Send(connection=connection.name, data=connection.written(message)))
