"""Delivering: from the production of a message to its end, for the whole service.

`Backlog` knows what is due, `Connections` who can take it; here the two meet, and what happens is written down.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal, TypeAlias

from tmcfakes.backlog import Backlog, Message
from tmcfakes.connections import Connection, Connections, Queue
from tmcfakes.effects import Outbox, Send
from tmcspec.delivery import Effect, Input
from tmcspec.events import Confirmed, Expired, Failed, Id, Pushed, UnknownConfirm
from tmcspec.timing import Timing

Via: TypeAlias = Literal["ws", "http"]


class Deliveries:
    """All messages on their way."""

    def __init__(
        self, *, connections: Connections, outbox: Outbox, rng: random.Random, timing: Timing, epoch_ms: int
    ) -> None:
        self.backlog = Backlog(timing)
        self._connections = connections
        self._outbox = outbox
        self._rng = rng
        self._epoch_ms = epoch_ms

    def let_pass(self, now: float) -> None:
        """Lets everything happen that is due by `now`, then pushes what waits. Raises ValueError: `now` goes back."""
        if not now >= self._outbox.now:
            raise ValueError(f"service time cannot go back from {self._outbox.now!r} to {now!r} seconds")
        self._outbox.now = now
        touched: dict[Queue, None] = {}
        for message, effects in self.backlog.advance(now):
            if Effect.REPORT_EXPIRED in effects:
                self._outbox.record(Expired(message=Id(message.id)))
            touched[message.queue] = None
        for queue in touched:
            self.push_waiting(queue)

    def push_waiting(self, queue: Queue) -> None:
        """Pushes what waits in this queue, the oldest first, if there is a connection to push to."""
        while message := self.backlog.oldest_waiting(queue):
            connections = self._connections.taking(queue)
            if not connections:
                return
            # S60: 随机选择从分组内的多个连接中选择一个连接下发消息: one connection of the group, chosen at random.
            self._push(message, self._rng.choice(connections))

    def confirm(self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None) -> bool:
        """Somebody who consumes `queue` (nobody: None) confirms an id. Returns whether that settled a message."""
        message = self._found(message_id, queue, via, connection)
        if message is None:
            return False
        self.backlog.happen(message, Input.CONFIRM, now=self._outbox.now)
        self._outbox.record(Confirmed(message=Id(message.id), via=via, connection=connection))
        return True

    def fail(
        self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None, reason: str | None
    ) -> bool:
        """Somebody who consumes `queue` reports an id as failed. Returns whether it is that of an unsettled message."""
        message = self._found(message_id, queue, via, connection)
        if message is None:
            return False
        if Effect.REPORT_FAILED in self.backlog.happen(message, Input.FAIL, now=self._outbox.now):
            self._outbox.record(Failed(message=Id(message.id), reason=reason, connection=connection))
        return True

    def epoch(self, time: float) -> int:
        """Service time as epoch milliseconds."""
        return self._epoch_ms + round(time * 1000)

    def _found(self, message_id: int | None, queue: Queue | None, via: Via, connection: str | None) -> Message | None:
        message = None if message_id is None or queue is None else self.backlog.find(queue, message_id)
        if message is None:
            unknown = None if message_id is None else Id(message_id)
            self._outbox.record(UnknownConfirm(id=unknown, via=via, connection=connection))
        return message

    def _push(self, message: Message, connection: Connection) -> None:
        now = self._outbox.now
        self.backlog.happen(message, Input.PUSH, now=now)
        push = replace(message.letter, token=connection.token, retried=message.attempts, out_time=self.epoch(now))
        message.attempts += 1
        data = connection.written(push) if message.wire is None else message.wire(push)
        self._outbox.record(Pushed(message=Id(message.id), connection=connection.name, attempt=message.attempts))
        self._outbox.send(Send(connection=connection.name, data=data, fragments=message.fragments))
