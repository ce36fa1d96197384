"""How fast the messages of each queue were pushed for which somebody set a flow value."""

from __future__ import annotations

from typing import get_args

from tmcspec.clauses.conversation import QueueName, queue_of
from tmcspec.clauses.history import History
from tmcspec.clauses.meter import Message, Meter, Timers
from tmcspec.events import (
    Confirmed,
    Consumed,
    Dropped,
    Event,
    Expired,
    Failed,
    FlowSet,
    GroupDeleted,
    ModeSet,
    Produced,
    Pushed,
)
from tmcspec.routing import Environment
from tmcspec.trace import Entry


class Throughput:
    """Reads a trace once, from its first entry to its last.

    Attributes:
        queues: the phases of each queue, which follow one another.
        complete: whether the trace shows the production of all that was handed out.
    """

    def __init__(self, history: History) -> None:
        self.complete = True
        timers = Timers()
        # A flow value is set for a group in all environments.
        # How many connections share it is only known of those that were opened since the trace began.
        set_for = history.events(FlowSet) if history.complete else ()
        groups = dict.fromkeys((at.event.app_key, at.event.group) for at in set_for)
        entries = history.trace.entries if groups else ()
        self._meters = {
            QueueName(app_key, group, environment): Meter(timers, entries[0])
            for app_key, group in groups
            for environment in get_args(Environment)
        }
        # By id, the message and its queue; None when that is of no interest.
        self._messages: dict[int, tuple[Meter, Message] | None] = {}
        moves = self._read_takings(history)
        for entry in entries:
            timers.run(entry)
            for meter, clients in moves.get(entry.seq, ()):
                meter.clients += clients
                meter.look(entry.time, entry)
            self._read(entry, entry.event)
        for meter in self._meters.values():
            meter.finish(entries[-1].time, entries[-1])
        self.queues = {name: meter.parts for name, meter in self._meters.items()}

    def _read_takings(self, history: History) -> dict[int, list[tuple[Meter, int]]]:
        """By place in the trace, how many connections more take the messages of a queue."""
        moves: dict[int, list[tuple[Meter, int]]] = {}
        for name, meter in self._meters.items():
            for taking in history.takings.get(name, ()):
                moves.setdefault(taking.accepted.seq, []).append((meter, 1))
                if taking.over:
                    moves.setdefault(taking.over.seq, []).append((meter, -1))
        return moves

    def _read(self, entry: Entry, event: Event) -> None:
        match event:
            case Produced():
                self._produced(entry, event)
            case Pushed() | Consumed():
                self._handed_out(entry, event)
            case Failed() if known := self._messages.get(event.message):
                meter, message = known
                meter.failed(message, entry)
            case Confirmed() | Expired() | Dropped() if known := self._messages.get(event.message):
                meter, message = known
                meter.settled(event.message, message, entry, confirmed=isinstance(event, Confirmed))
                self._messages[event.message] = None
            case FlowSet() | ModeSet() | GroupDeleted():
                for environment in get_args(Environment):
                    found = self._meters.get(QueueName(event.app_key, event.group, environment))
                    if found:
                        found.told(entry, event)

    def _produced(self, entry: Entry, event: Produced) -> None:
        # Ids are unique, but a trace may be anybody's.
        if before := self._messages.get(event.message):
            meter, message = before
            meter.settled(event.message, message, entry, confirmed=False)
        found = self._meters.get(queue_of(event))
        self._messages[event.message] = (found, found.produced(event.message, entry)) if found else None

    def _handed_out(self, entry: Entry, event: Pushed | Consumed) -> None:
        if event.message not in self._messages:
            self.complete = False
            for each in self._meters.values():
                each.unknown_handed_out(entry)
        elif known := self._messages[event.message]:
            meter, message = known
            meter.handed_out(message, entry, pushed=isinstance(event, Pushed))
