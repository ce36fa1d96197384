"""Delivering: from the production of a message to its end, for the whole service.

`Backlog` knows what is due, `Queue` who can take it, its valve how fast; here they meet, and what happens is written
down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from math import inf

from tmcfakes.backlog import Backlog
from tmcfakes.connections import Connection
from tmcfakes.effects import Outbox, Send
from tmcfakes.noted import confirmed, consumed, produced, pushed
from tmcfakes.queues import Handed, Message, Queue, QueueKey, Settled
from tmcspec import ids
from tmcspec.delivery import Effect, Input, State
from tmcspec.events import Dropped, Expired, Failed, Id, UnknownConfirm, Via
from tmcspec.flow import Flow, Mode, Valve
from tmcspec.messages import Push
from tmcspec.routing import ENVIRONMENTS, MessageKind, Routed
from tmcspec.shortcuts import Letter
from tmcspec.timing import Timing

#: App key of Taobao itself, the publisher of every captured production push.
PUBLISHER = "12497914"


class Deliveries:
    """All messages on their way.

    Attributes:
        queues: by their names; a queue is there as soon as somebody has asked for it.
        latest: the message that was produced last.
        backlog_type, queue_type, valve_type: its parts, which a subclass may replace.
    """

    backlog_type: type[Backlog] = Backlog
    queue_type: type[Queue] = Queue
    valve_type: type[Valve] = Valve

    def __init__(self, *, outbox: Outbox, rng: random.Random, timing: Timing, flow: Flow, epoch_ms: int) -> None:
        self.queues: dict[QueueKey, Queue] = {}
        self.backlog = self.backlog_type(timing, self.queues)
        self.latest: Message | None = None
        self._held: dict[QueueKey, Queue] = {}  # those that flow control alone keeps from being pushed
        self._outbox = outbox
        self._rng = rng
        self._flow = flow
        self._epoch_ms = epoch_ms
        # Captured ids have 19 digits, rise in small steps, and are too large for the doubles of careless readers (S62).
        self._last_id = 2**62 + rng.getrandbits(60)

    def queue(self, key: QueueKey) -> Queue:
        """The queue of this name."""
        found = self.queues.get(key)
        if found is None:
            found = self.queues[key] = self.queue_type(key=key, valve=self.valve_type(self._flow))
        return found

    def deadline(self) -> float | None:
        """When something happens by time alone; None when nothing will."""
        first = self.backlog.deadline()
        for kept in self._outbox.later[:1]:
            first = kept.due if first is None else min(first, kept.due)
        for key, queue in tuple(self._held.items()):
            if not (queue.waiting and queue.able()):
                del self._held[key]  # nobody is there any more whom it could be pushed to
            elif (moment := queue.valve.reopens(now=self._outbox.now)) < inf:
                first = moment if first is None else min(first, moment)
        return first

    def let_pass(self, now: float) -> None:
        """Lets everything happen that is due by `now`, then pushes what waits. Raises ValueError: `now` goes back."""
        if now == self._outbox.now:
            return  # all that is due by now has happened
        if not now > self._outbox.now:
            raise ValueError(f"service time cannot go back from {self._outbox.now!r} to {now!r} seconds")
        self._outbox.now = now
        self._let_happen()

    def _let_happen(self) -> None:
        now, touched = self._outbox.now, self._held.copy()
        for message, happened, effects in self.backlog.advance(now):
            queue = message.queue
            if happened is Input.CONFIRM_TIMEOUT:
                message.handed[-1].outcome = "missed"
                queue.valve.answered(in_time=False, now=now)
            elif Effect.REPORT_EXPIRED in effects:
                queue.counts.expired += 1
                self._outbox.record(Expired(message=Id(message.id)))
            touched[queue.key] = queue
        for queue in touched.values():
            self.push_waiting(queue)
        self._outbox.release()

    def produce(
        self,
        queue: Queue,
        *,
        kind: MessageKind,
        routed: Routed,
        topic: str,
        content: str | None,
        user_id: int | None,
        nick: str | None,
        data_id: int | None,
        id: int | None = None,
        wire: Callable[[Push], bytes] | None = None,
        fragments: int = 1,
    ) -> int:
        """A new message enters a queue, and is pushed when it can be. Returns its id; raises ValueError as
        `Service.produce`.
        """
        if id is not None and id in self.backlog:
            raise ValueError(f"message {id} was produced before; ids are unique")
        now, number = self._outbox.now, self._draw_id() if id is None else ids.check(id)
        # What cannot be written is an error of the caller now, not of some push later.
        letter = Letter(
            id=number,
            topic=topic,
            content=content,
            publisher=PUBLISHER,
            time=self.epoch(now),
            user_id=user_id,
            nick=nick,
            data_id=data_id,
        )
        message = self.latest = Message(
            id=number,
            queue=queue,
            letter=letter,
            topic=topic,
            born=now,
            expires_at=now + self.backlog.retention,
            user_id=user_id,
            nick=nick,
            data_id=data_id,
            kind=kind,
            wire=wire,
            fragments=fragments,
        )
        self.backlog.add(message)
        queue.counts.produced += 1
        self._outbox.recorder.note(now, produced, number, *queue.key, topic, user_id, letter.after, kind, routed)
        self._outbox.weigh(len(letter.after))
        self.push_waiting(queue)
        return number

    def push_waiting(self, queue: Queue) -> None:
        """Pushes what waits in this queue, the oldest first, while somebody takes it and flow control admits it."""
        now, valve, backlog = self._outbox.now, queue.valve, self.backlog
        held = False
        while queue.waiting and queue.able():
            message = backlog.oldest_waiting(queue)
            assert message is not None
            since = message.waiting_since
            if not valve.admits(now=now, clients=len(queue.takers), waiting=queue.waiting, oldest_since=since):
                held = True
                break
            valve.pushed(now=now, since=since)
            self._push(message, queue.draw(self._rng))
        if held:
            self._held[queue.key] = queue
        elif self._held:
            self._held.pop(queue.key, None)

    def pull(self, connection: Connection) -> None:
        """A client asks for messages. Where it is pushed to, it has been given them already."""
        queue = connection.queue
        if queue is not None and queue.pulled and not connection.closing:
            queue.grant(connection, self._flow.pull_credit)
            self.push_waiting(queue)

    def consume(self, queue: Queue, quantity: int, *, request: int, ip: str) -> list[Message]:
        """Somebody asks over HTTP for so many messages at most: the pointer moves on (S37: 消息消费后,指针自动后移)."""
        now = self._outbox.now
        taken: list[Message] = []
        while len(taken) < quantity and (message := self.backlog.oldest_waiting(queue)) is not None:
            queue.valve.taken(now=now, since=message.waiting_since)
            self._hand_out(message, Handed(time=now, via="http", connection=None, ip=ip))
            self._outbox.recorder.note(now, consumed, message.id, len(message.handed), request)
            taken.append(message)
        self._recheck(queue)
        return taken

    def confirm(self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None) -> bool:
        """Somebody who consumes `queue` (nobody: None) confirms an id. Returns whether that settled a message."""
        message = self._found(message_id, queue, via, connection)
        if message is None:
            return False
        now, in_time = self._outbox.now, message.state is State.PUSHED
        # The tracks first: what is settled is packed away.
        message.confirmed = Settled(time=now, via=via, connection=connection)
        if message.handed:
            message.handed[-1].outcome = "confirmed" if in_time else "confirmed late"
        self.backlog.happen(message, Input.CONFIRM, now=now)
        if in_time:
            message.queue.valve.answered(in_time=True, now=now)
        message.queue.counts.confirmed += 1
        self._outbox.recorder.note(now, confirmed, message.id, via, connection)
        self._recheck(message.queue)
        return True

    def fail(
        self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None, reason: str | None
    ) -> bool:
        """Somebody who consumes `queue` reports an id as failed. Returns whether it is that of an unsettled message."""
        message = self._found(message_id, queue, via, connection)
        if message is None:
            return False
        now, in_time = self._outbox.now, message.state is State.PUSHED
        if Effect.REPORT_FAILED in self.backlog.happen(message, Input.FAIL, now=now):
            if message.handed:
                message.handed[-1].outcome = "failed"
            if in_time:
                message.queue.valve.answered(in_time=False, now=now)
            message.queue.counts.failed += 1
            self._outbox.record(Failed(message=Id(message.id), reason=reason, connection=connection))
            self._recheck(message.queue)
        return True

    # What an operator does

    @property
    def flow(self) -> Flow:
        """The rules of flow control."""
        return self._flow

    def drop(self, app_key: str, group: str) -> None:
        """The messages of a group that was deleted are lost. One that is created under its name begins anew."""
        for queue in self._queues_of(app_key, group):
            for message in self.backlog.of(queue):
                self.backlog.happen(message, Input.GROUP_DELETED, now=self._outbox.now)
                queue.counts.dropped += 1
                self._outbox.record(Dropped(message=Id(message.id)))
            queue.valve = self.valve_type(self._flow)
            queue.set_pulled(False)
            self._recheck(queue)

    def set_flow(self, app_key: str, group: str, value: int | None) -> None:
        """The flow value of a group is set, in all environments."""
        for queue in self._queues_of(app_key, group):
            queue.valve.set(value, now=self._outbox.now)
            self.push_waiting(queue)

    def set_mode(self, app_key: str, group: str, mode: Mode) -> None:
        """From now on a group is pushed or pulled. Credit of a time before does not count."""
        for queue in self._queues_of(app_key, group):
            queue.set_pulled(mode == "pull")
            self.push_waiting(queue)

    def set_retention(self, seconds: float) -> None:
        """Messages are kept so long from now on; those that are there, no longer than they were to be."""
        self.backlog.set_retention(seconds)
        self._let_happen()

    def hasten(self, chosen: Callable[[Message], bool]) -> None:
        """Messages that were handed out and are not settled are due again at once, as far as they are chosen."""
        touched = {message.queue.key: message.queue for message in self.backlog.hasten(chosen, now=self._outbox.now)}
        for queue in touched.values():
            self.push_waiting(queue)

    # Small things

    def epoch(self, time: float) -> int:
        """Service time as epoch milliseconds."""
        return self._epoch_ms + round(time * 1000)

    def _draw_id(self) -> int:
        while True:
            self._last_id += 1 + self._rng.getrandbits(4)
            if self._last_id not in self.backlog:
                return self._last_id

    def _queues_of(self, app_key: str, group: str) -> Iterator[Queue]:
        """The queues of a group: one in each environment."""
        for environment in ENVIRONMENTS:
            yield self.queue(QueueKey(app_key, group, environment))

    def _found(self, message_id: int | None, queue: Queue | None, via: Via, connection: str | None) -> Message | None:
        message = None if message_id is None or queue is None else self.backlog.find(queue, message_id)
        if message is None:
            unknown = None if message_id is None else Id(message_id)
            self._outbox.record(UnknownConfirm(id=unknown, via=via, connection=connection))
        return message

    def _recheck(self, queue: Queue) -> None:
        """What waits in a queue that was held back may have become less, or the reason to hold it back."""
        if queue.key in self._held:
            self.push_waiting(queue)

    def _hand_out(self, message: Message, handed: Handed) -> None:
        self.backlog.happen(message, Input.PUSH, now=handed.time)
        message.handed += (handed,)
        message.queue.counts.pushed += 1

    def _push(self, message: Message, connection: Connection) -> None:
        now, before = self._outbox.now, len(message.handed)
        self._hand_out(message, Handed(time=now, via="ws", connection=connection.name, ip=connection.ip))
        self._outbox.recorder.note(now, pushed, message.id, connection.name, before + 1)
        self._outbox.send(
            Send(
                connection=connection.name,
                data=self._written(message, connection, retried=before, out_time=self.epoch(now)),
                fragments=message.fragments,
            )
        )

    def _written(self, message: Message, connection: Connection, *, retried: int, out_time: int) -> bytes:
        letter = message.letter
        assert letter is not None
        assert connection.token is not None
        if message.wire is None and connection.version == 2:
            return letter.written(token=connection.token_bytes, retried=retried, out_time=out_time)
        push = letter.push(token=connection.token, retried=retried, out_time=out_time)
        return connection.written(push) if message.wire is None else message.wire(push)
