"""Services that do not keep to the life of a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tmcfakes.backlog import Backlog
from tmcfakes.connections import Connection
from tmcfakes.delivering import Deliveries
from tmcfakes.noted import confirmed
from tmcfakes.queues import Message, Queue, QueueKey
from tmcspec.delivery import Effect, Input, State
from tmcspec.events import Dropped, Id, UnknownConfirm, Via
from tmcspec.timing import Timing
from tmcsuites.mutants.services.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("redelivers-too-soon", "RDL-1")
class RedeliversTooSoon(Backlog):
    """Hands everything out again after ninety seconds."""

    def __init__(self, timing: Timing, queues: Mapping[QueueKey, Queue], **more: Any) -> None:
        super().__init__(replace(timing, redelivery_delay=90.0), queues, **more)


@mutant("never-redelivers", "RDL-1")
class NeverRedelivers(Backlog):
    """Forgets to hand out again what was not answered."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        if happened is Input.REDELIVERY_DUE and message.state is not State.FAILED:
            return ()
        return super().happen(message, happened, now=now)


@mutant("redelivers-what-failed-at-once", "RDL-2")
class RedeliversWhatFailedAtOnce(Deliveries):
    """Hands a message out again as soon as its first failure is reported."""

    def fail(self, message_id: int | None, queue: Queue | None, **more: Any) -> bool:
        known = super().fail(message_id, queue, **more)
        self.hasten(lambda message: message.id == message_id and len(message.handed) == 1)
        return known


@mutant("gives-up-what-failed", "RDL-2")
class GivesUpWhatFailed(Deliveries):
    """Never hands out again what was reported failed."""

    def fail(self, message_id: int | None, queue: Queue | None, **more: Any) -> bool:
        known = super().fail(message_id, queue, **more)
        message = None if message_id is None or queue is None else self.backlog.find(queue, message_id)
        if message is not None:
            self.backlog.happen(message, Input.GROUP_DELETED, now=self._outbox.now)
        return known


def _there(deliveries: Deliveries, queue: Queue | None, message_id: int | None) -> bool:
    return queue is not None and message_id is not None and deliveries.backlog.find(queue, message_id) is not None


@mutant("forgets-a-confirm-over-http", "RDL-3")
class ForgetsAConfirmOverHttp(Deliveries):
    """Acknowledges a confirm over HTTP, and hands the message out again all the same."""

    def confirm(self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None) -> bool:
        if via == "ws" or not _there(self, queue, message_id):
            return super().confirm(message_id, queue, via=via, connection=connection)
        self._outbox.recorder.note(self._outbox.now, confirmed, message_id, via, connection)
        return True


@mutant("forgets-a-confirm-by-websocket", "RDL-3")
class ForgetsAConfirmByWebSocket(Deliveries):
    """Takes a confirm on a connection, and hands the message out again all the same."""

    def confirm(self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None) -> bool:
        if via == "http" or not _there(self, queue, message_id):
            return super().confirm(message_id, queue, via=via, connection=connection)
        self._outbox.recorder.note(self._outbox.now, confirmed, message_id, via, connection)
        return True


@mutant("never-expires", "RDL-4")
class NeverExpires(Backlog):
    """Hands messages out for ever."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        return () if happened is Input.RETENTION_OVER else super().happen(message, happened, now=now)


@mutant("expires-too-early", "RDL-4")
class ExpiresTooEarly(Backlog):
    """Keeps messages for ten minutes."""

    def __init__(self, timing: Timing, queues: Mapping[QueueKey, Queue], **more: Any) -> None:
        super().__init__(timing, queues, **more)
        self.retention = 600.0


@mutant("does-not-count-its-pushes", "RDL-5")
class DoesNotCountItsPushes(Deliveries):
    """Shows every push as the first."""

    def _written(self, message: Message, connection: Connection, *, retried: int, out_time: int) -> bytes:
        return super()._written(message, connection, retried=0, out_time=out_time)


@mutant("shows-when-a-message-was-born", "RDL-5")
class ShowsWhenAMessageWasBorn(Deliveries):
    """Shows the time of production for that of the push."""

    def _written(self, message: Message, connection: Connection, *, retried: int, out_time: int) -> bytes:
        return super()._written(message, connection, retried=retried, out_time=self.epoch(message.born))


@mutant("ignores-a-late-confirm", "RDL-6")
class IgnoresALateConfirm(Deliveries):
    """Does not know a message any more when its minute is over."""

    def confirm(self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None) -> bool:
        message = None if message_id is None or queue is None else self.backlog.find(queue, message_id)
        if message is None or message.state is State.PUSHED:
            return super().confirm(message_id, queue, via=via, connection=connection)
        self._outbox.record(UnknownConfirm(id=Id(message.id), via=via, connection=connection))
        return False


@mutant("keeps-the-messages-of-a-deleted-group", "RDL-8")
class KeepsTheMessagesOfADeletedGroup(Deliveries):
    """Says that the messages of a deleted group are lost, and keeps them."""

    def drop(self, app_key: str, group: str) -> None:
        for queue in self._queues_of(app_key, group):
            for message in self.backlog.of(queue):
                self._outbox.record(Dropped(message=Id(message.id)))


@mutant("consumes-without-moving-on", "HTP-5")
class ConsumesWithoutMovingOn(Deliveries):
    """Hands out again over HTTP what was just handed out."""

    def consume(self, queue: Queue, quantity: int, *, request: int, ip: str) -> list[Message]:
        taken = super().consume(queue, quantity, request=request, ip=ip)
        self.hasten(lambda message: message in taken)
        return taken


@mutant("leaves-some-behind", "HTP-5")
class LeavesSomeBehind(Deliveries):
    """Answers a consume with half of what was asked for, though more waits."""

    def consume(self, queue: Queue, quantity: int, *, request: int, ip: str) -> list[Message]:
        return super().consume(queue, quantity // 2, request=request, ip=ip)


@mutant("hands-out-more-than-asked", "HTP-7")
class HandsOutMoreThanAsked(Deliveries):
    """Answers a consume with one message more than was asked for."""

    def consume(self, queue: Queue, quantity: int, *, request: int, ip: str) -> list[Message]:
        return super().consume(queue, quantity + 1, request=request, ip=ip)
