"""Services that bring messages again wrongly, or forget what became of them."""

from __future__ import annotations

from dataclasses import replace
from heapq import heappush
from typing import Any

from tmcfakes.backlog import Backlog
from tmcfakes.connections import Connection
from tmcfakes.delivering import Deliveries
from tmcfakes.queues import Message, Queue
from tmcfakes.reception import Reception
from tmcfakes.service import Service
from tmcspec.delivery import Effect, Input, State
from tmcspec.events import Via
from tmcspec.timing import Timing
from tmcsuites.mutants.base import ServiceCatalogue

MUTANTS = ServiceCatalogue()
mutant = MUTANTS.mutant

HOUR = 3600.0


# RDL-1


@mutant("never-redelivers", "RDL-1")
class NeverRedelivers(Backlog):
    """Forgets a message that was not confirmed."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        if happened is Input.REDELIVERY_DUE and message.state is not State.FAILED:
            return ()
        return super().happen(message, happened, now=now)


@mutant("redelivers-after-a-minute", "RDL-1")
class RedeliversAfterAMinute(Backlog):
    """Brings a message again as soon as its confirm is overdue."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        effects = super().happen(message, happened, now=now)
        if happened is Input.CONFIRM_TIMEOUT:
            effects += super().happen(message, Input.REDELIVERY_DUE, now=now)
        return effects


@mutant("redelivers-when-the-connection-ends", "RDL-1")
class RedeliversWhenTheConnectionEnds(Service):
    """Brings again at once what was pushed on a connection that has ended."""

    def closed(self, connection: str, *, now: float, **how: Any) -> None:
        super().closed(connection, now=now, **how)
        self._deliveries.hasten(
            lambda each: each.state is not State.FAILED and each.handed[-1].connection == connection
        )


@mutant("never-redelivers-what-was-consumed", "RDL-1")
class NeverRedeliversWhatWasConsumed(Backlog):
    """Takes what it handed out over HTTP for done."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        if happened is Input.REDELIVERY_DUE and message.handed[-1].via == "http" and message.state is not State.FAILED:
            return ()
        return super().happen(message, happened, now=now)


# RDL-2


@mutant("never-redelivers-what-failed", "RDL-2")
class NeverRedeliversWhatFailed(Backlog):
    """Takes a Failed for the end of a message."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        if happened is Input.REDELIVERY_DUE and message.state is State.FAILED:
            return ()
        return super().happen(message, happened, now=now)


@mutant("redelivers-what-failed-at-once", "RDL-2")
class RedeliversWhatFailedAtOnce(Deliveries):
    """Brings again within seconds what was reported failed."""

    def fail(self, message_id: int | None, queue: Queue | None, **how: Any) -> bool:
        found = super().fail(message_id, queue, **how)
        # Within some: a client that fails what it gets without a pause would never come to an end.
        self._outbox.postpone(
            how["connection"] or "", lambda: self.hasten(lambda each: each.id == message_id), seconds=5.0
        )
        return found


# RDL-3


@mutant("forgets-a-confirm", "RDL-3")
class ForgetsAConfirm(Backlog):
    """Brings again what was confirmed on a connection."""

    def _settle(self, message: Message) -> None:
        if message.confirmed and message.confirmed.via == "ws":
            message.state = State.OVERDUE
        else:
            super()._settle(message)


@mutant("forgets-a-confirm-over-http", "RDL-3")
class ForgetsAConfirmOverHttp(Backlog):
    """Brings again what was confirmed over HTTP."""

    def _settle(self, message: Message) -> None:
        if message.confirmed and message.confirmed.via == "http":
            message.state = State.OVERDUE
        else:
            super()._settle(message)


@mutant("does-not-hear-a-confirm", "RDL-3")
class DoesNotHearAConfirm(Reception):
    """Does nothing about a confirm on a connection."""

    def confirm(self, connection: Connection, message_id: int | None) -> None:
        pass


@mutant("does-not-hear-a-confirm-over-http", "RDL-3")
class DoesNotHearAConfirmOverHttp(Service):
    """Answers a confirm over HTTP with success, and does nothing about it."""

    def confirm(self, message_id: int | None, *, via: Via, **how: Any) -> bool:
        return True


@mutant("settles-over-http-only-what-was-consumed", "RDL-3")
class SettlesOverHttpOnlyWhatWasConsumed(Deliveries):
    """Takes no confirm over HTTP of what it pushed on a connection."""

    def confirm(self, message_id: int | None, queue: Queue | None, *, via: Via, connection: str | None) -> bool:
        message = self.backlog.find(queue, message_id) if queue and message_id is not None else None
        if via == "http" and message and message.handed and message.handed[-1].via == "ws":
            message_id = None
        return super().confirm(message_id, queue, via=via, connection=connection)


# RDL-4


@mutant("keeps-messages-for-ever", "RDL-4")
class KeepsMessagesForEver(Backlog):
    """Never drops a message that is too old."""

    def happen(self, message: Message, happened: Input, *, now: float) -> tuple[Effect, ...]:
        return () if happened is Input.RETENTION_OVER else super().happen(message, happened, now=now)


@mutant("expires-too-early", "RDL-4")
class ExpiresTooEarly(Backlog):
    """Drops a message after an hour."""

    def __init__(self, timing: Timing, *queues: Any) -> None:
        super().__init__(replace(timing, retention=HOUR), *queues)


@mutant("does-not-shorten-the-retention", "RDL-4")
class DoesNotShortenTheRetention(Backlog):
    """Keeps what is there as long as it was to be when its retention is made shorter."""

    def set_retention(self, seconds: float) -> None:
        self.retention = seconds


# RDL-5


@mutant("does-not-show-the-attempt", "RDL-5")
class DoesNotShowTheAttempt(Deliveries):
    """Pushes a message again as if for the first time."""

    def _written(self, message: Message, connection: Connection, *, retried: int, out_time: int) -> bytes:
        return super()._written(message, connection, retried=0, out_time=out_time)


@mutant("does-not-count-what-was-consumed", "RDL-5")
class DoesNotCountWhatWasConsumed(Deliveries):
    """Counts only pushes among the attempts."""

    def _written(self, message: Message, connection: Connection, *, retried: int, out_time: int) -> bytes:
        pushes = sum(each.via == "ws" for each in message.handed[:retried])
        return super()._written(message, connection, retried=pushes, out_time=out_time)


@mutant("dates-every-push-alike", "RDL-5")
class DatesEveryPushAlike(Deliveries):
    """Gives every push of a message the time of its production."""

    def _written(self, message: Message, connection: Connection, *, retried: int, out_time: int) -> bytes:
        return super()._written(message, connection, retried=retried, out_time=self.epoch(message.born))


# RDL-6


@mutant("ignores-a-late-confirm", "RDL-6")
class IgnoresALateConfirm(Reception):
    """Does not settle what is confirmed on a connection after its minute."""

    def confirm(self, connection: Connection, message_id: int | None) -> None:
        queue = connection.queue
        message = self._deliveries.backlog.find(queue, message_id) if queue and message_id is not None else None
        super().confirm(connection, None if message and message.state is not State.PUSHED else message_id)


@mutant("ignores-a-late-confirm-over-http", "RDL-6")
class IgnoresALateConfirmOverHttp(Service):
    """Does not settle what is confirmed over HTTP after its minute."""

    def confirm(self, message_id: int | None, **how: Any) -> bool:
        known = message_id is not None and message_id in self._deliveries.backlog
        late = known and self.message(message_id or 0).state is not State.PUSHED
        return super().confirm(None if late else message_id, **how)


# RDL-8


@mutant("keeps-the-messages-of-a-deleted-group", "RDL-8")
class KeepsTheMessagesOfADeletedGroup(Deliveries):
    """Hands the messages of a deleted group to the next one of its name."""

    def drop(self, app_key: str, group: str) -> None:
        pass


@mutant("brings-back-what-it-dropped", "RDL-8")
class BringsBackWhatItDropped(Backlog):
    """Says that the messages of a deleted group are lost, and keeps them."""

    def _settle(self, message: Message) -> None:
        if message.state is State.DROPPED:
            message.state = State.WAITING
            message.queue.waiting += 1
            heappush(message.queue.heap, (message.age, message))
        else:
            super()._settle(message)
