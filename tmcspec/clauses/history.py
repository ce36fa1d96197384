"""A trace, read once for all judges: what was said on each connection, and what became of each delivery.

Four ideas that the judges share:

*Client time* (`Timeline`). The service clock can be moved by hand while the client's own timers stay real.

*Overdue* (`History.overdue`). A client that has not acted is guilty only when it had its full patience, or died. What
it owed on a connection that was taken from it, it does not owe any more: the message comes again.

*Hindrance* (`hindrance`). Where a lasting fault kept the bytes of a client from passing in time, what it owed meanwhile
was not overdue; where it made them others, nobody is accused of what they say.

*Lost ids* (`History.misread`, `Naming`). A client that rounds ids answers for another message, or for none. That is the
business of the LID clauses alone; the others would only accuse the same defect again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import inf
from typing import Any, TypeVar

from tmcspec.clauses.conversation import Handshake, QueueName, Said, Taking, from_out, queue_of, read_conversations
from tmcspec.clauses.copies import Copies
from tmcspec.clauses.corruption import Corruption
from tmcspec.clauses.deliveries import Delivery, DeliveryReader, Life
from tmcspec.clauses.fleet import Fleet
from tmcspec.clauses.hindrance import Lasting, bars, delays, hinders, refuses_upgrades
from tmcspec.clauses.naming import Naming
from tmcspec.clauses.outside import retold
from tmcspec.clauses.requests import Requests
from tmcspec.clauses.settings import Settings
from tmcspec.clauses.timeline import At, Timeline, following
from tmcspec.events import ClientDied, ClientError, ClientStopped, Fault, FrameIn, FrameOut, Produced, WsIn
from tmcspec.ids import misreadings
from tmcspec.messages import Push, ServiceMessage
from tmcspec.trace import Entry, Trace

T = TypeVar("T")

#: A run waits for its patience by timers of its own, which may fire a little early.
PUNCTUAL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Misreading:
    """What a client made of an id, and where that shows."""

    reading: str
    value: int
    witness: Entry


class History(Timeline):
    """A trace with its indices. Built once; judges only read it.

    Attributes:
        conversations: all connections, by name.
        fleet: whose they are.
        corruption: where bytes were others than those that were sent.
        said: all frames from the client, in order.
        lives: all messages, in the order of their production.
        deliveries: all pushes of produced messages, in order.
        strays: the ids in pushes that went out and were not meant, and where.
        naming: the ids that the client named.
        settings: what the operator of the service had set.
        copies: the messages that are the same to the application.
        outside: it was recorded from the outside, so that what the service did is told by the frames alone.
    """

    def __init__(self, trace: Trace) -> None:
        self._retold = retold(trace)
        self.outside = self._retold is not None
        trace = self._retold.trace if self._retold else trace
        super().__init__(trace)
        self.conversations = read_conversations(trace)
        self.fleet = Fleet(self, self.conversations, anybody=self.outside)
        self._hindrances, self._bars, self._delays, self._refusals = (
            Lasting(self, self.conversations, self.fleet, wanted)
            for wanted in (hinders, bars, delays, refuses_upgrades)
        )
        self.corruption = Corruption(self, self.conversations, self.fleet)
        for name, conversation in self.conversations.items():
            for said in conversation.said if self.corruption else ():
                if self.corruption.of(name, said.entry, "upstream"):
                    said.message, said.corrupted = None, True
            closed, opened = conversation.closed, conversation.opened
            if closed and closed.event.by == "client":
                stopped = self.fleet.last_before(ClientStopped, closed.entry, self.fleet.owner(name))
                asked = stopped is not None and (opened is None or opened.seq < stopped.seq)
                conversation.cut = closed if asked else None
            else:
                conversation.cut = closed
        frames = [said for conversation in self.conversations.values() for said in conversation.said]
        self.said: Sequence[Said] = sorted(frames, key=lambda each: each.entry.seq)
        self.naming = Naming(self, self.said)
        self._reader = reader = DeliveryReader(self, self.conversations, self.fleet, self.naming)
        self.lives, self.deliveries, self._by_id = reader.lives, reader.deliveries, reader.by_id
        self.strays: Sequence[tuple[Entry, int]] = reader.strays
        self.settings = Settings(self)
        self.copies = Copies(self, self.lives)
        self._heard: dict[int, ServiceMessage | None] = {}
        self._pushes: dict[Delivery, Push | None] = {}
        self._misread: dict[int, Misreading | None] = {}
        self._surplus: dict[int, Entry | None] = {}
        self._made: dict[Callable[[History], Any], Any] = {}

    def once(self, make: Callable[[History], T]) -> T:
        """What is made of this history, made once for all judges that ask for it; so it must not change any more."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found

    def recorded(self, evidence: tuple[Entry, ...]) -> tuple[Entry, ...]:
        """The entries that these stand for, in the trace as it was recorded from the outside."""
        assert self._retold is not None
        return tuple(dict.fromkeys(self._retold.source(entry) for entry in evidence))

    def past_may_tell(self, entry: Entry) -> bool:
        """Whether what a client does there may come from before a trace that was recorded from the outside."""
        return self.outside and self.between(self.trace.entries[0], entry) < self.trace.patience

    # What a client still owes

    def death(self, after: Entry, client: str | None = None) -> At[ClientDied] | None:
        """The next death of a client after an entry; None for the client that there is, when there is only one."""
        if client is None and self.fleet.several:
            return None
        return self.fleet.first_after(ClientDied, after, client)

    def overdue(
        self,
        since: Entry,
        limit: float | None = None,
        *,
        on: str | None = None,
        client: str | None = None,
        alone: bool = False,
    ) -> str | None:
        """Why a client that should have acted after `since` will not any more; None while it still may.

        Where no client time was measured, only its death shows that.

        Args:
            since: what it should have acted upon.
            limit: seconds of client time that it had; None for the patience of the run.
            on: the connection that it needed for it, if any. One that was cut in the meantime excuses it.
            client: who it is, when no connection says so; None when that is not known.
            alone: it needed nobody else for it, so that no network excuses it.
        """
        patience = (self.trace.patience if limit is None else limit) * PUNCTUAL
        cut = self.conversations[on].cut if on is not None else None
        client = self.fleet.owner(on) if client is None and on is not None else client
        died = self.death(since, client)
        if cut and self.between(since, cut.entry) < patience and not (died and died.seq < cut.seq):
            return None
        if on is not None and not cut and self._kept_away(on, since, patience):
            return None
        if died and self.between(since, died.entry) < patience:
            return f"the client died ({died.event.status})"
        left = self.left(since)
        if left < patience or (not alone and self.hindered(since, patience, on=on, client=client)):
            return None
        return f"{left:.1f} s passed"

    def died_within(self, since: Entry, seconds: float, client: str | None) -> bool:
        """Whether a client died so soon after `since`: by its own clock, or the service's where none was measured."""
        died = self.death(since, client)
        if died is None:
            return False
        lived = self.between(since, died.entry) if self.measured else died.entry.time - since.time
        return lived < seconds * PUNCTUAL

    def _kept_away(self, connection: str, since: Entry, patience: float) -> bool:
        """Whether a client left a connection by itself, as when it fell silent, and could not say elsewhere what it
        owed: it was answered oddly when it wanted to come back, or what it said there was not understood.
        """
        left, client = self.conversations[connection].closed, self.fleet.owner(connection)
        if left is None:
            return False
        if any(self.corruption.ever(name) for name in self._opened_between(client, left.entry, since, patience)):
            return True
        act = self.act(left.entry, client)
        if act is None or self.between(since, act) >= patience:
            return False
        back = following(self._told_tokens.get(client, []), left.entry)
        return back is None or act.seq < back.seq

    def _opened_between(self, client: str | None, left: Entry, since: Entry, seconds: float) -> Iterator[str]:
        """The connections that a client opened after an entry, until so many seconds after another."""
        if not self.corruption:
            return
        for name, conversation in self.conversations.items():
            opened = conversation.opened
            if opened and opened.seq > left.seq and self.fleet.owner(name) in (client, None):
                if self.between(since, opened.entry) >= seconds:
                    return
                yield name

    @cached_property
    def _told_tokens(self) -> dict[str | None, list[Entry]]:
        """By client, where it was told a token, in order: from then on it could send. All of them for None."""
        found: dict[str | None, list[Entry]] = {}
        for name, conversation in self.conversations.items():
            for client in {self.fleet.owner(name), None}:
                found.setdefault(client, []).extend(conversation.tokens.values())
        for entries in found.values():
            entries.sort(key=lambda entry: entry.seq)
        return found

    def unanswered(self, delivery: Delivery) -> str | None:
        """As `overdue`, for the answer to a delivery that came, whose handler takes its time."""
        limit = self.trace.patience + delivery.instruction.delay
        return self.overdue(delivery.sent, limit, on=delivery.connection)

    def waited_its_turn(self, delivery: Delivery) -> bool:
        """Whether a client that was handed more than it could handle was, for its full patience, still at messages that
        had come before this one.
        """
        sent, taken = self._turns.get(self.fleet.owner(delivery.connection), ([], []))
        index = bisect_left(sent, delivery.sent.seq)
        last = taken[index - 1] if index else None
        return last is not None and self.between(delivery.sent, last) >= self.trace.patience * PUNCTUAL

    @cached_property
    def _turns(self) -> dict[str | None, tuple[list[int], list[Entry | None]]]:
        """By client, where its deliveries were sent, in order, and the last entry so far where a handler got one."""
        found: dict[str | None, tuple[list[int], list[Entry | None]]] = {}
        for delivery in sorted(self.deliveries, key=lambda each: each.sent.seq):
            sent, taken = found.setdefault(self.fleet.owner(delivery.connection), ([], []))
            latest = taken[-1] if taken else None
            got = delivery.received.entry if delivery.received else None
            sent.append(delivery.sent.seq)
            taken.append(got if got and (latest is None or got.seq > latest.seq) else latest)
        return found

    # What was done on purpose

    @cached_property
    def _storms(self) -> Sequence[Entry]:
        return [at.entry for at in self.events(Fault) if at.event.name == "redelivery_storm"]

    def storm(self, after: Entry, before: Entry) -> bool:
        """Whether messages were made to come again at once between two entries."""
        storm = following(self._storms, after)
        return storm is not None and storm.seq < before.seq

    # What faults excuse

    def hindered(self, start: Entry, seconds: float, *, on: str | None = None, client: str | None = None) -> bool:
        """Whether a lasting fault kept the bytes of a client from passing in time; see `Lasting.hindered`. A connection
        whose bytes were corrupted may be deaf to its end. Where no fault is told of, only what came later shows that
        bytes passed.
        """
        if self.outside:
            return on is None or not self._heard_from(on, start, seconds)
        deaf = on is not None and self.corruption.ever(on, start)
        return deaf or self._hindrances.hindered(start, seconds, on=on, client=client)

    def _heard_from(self, connection: str, start: Entry, seconds: float) -> bool:
        """Whether anything came from a client on a connection, so many seconds after `start` or later."""
        last = self._last_signs.get(connection)
        return last is not None and self.between(start, last) >= seconds

    @cached_property
    def _last_signs(self) -> dict[str, Entry]:
        """By connection, the last entry that came from its client."""
        signs: list[At[FrameIn] | At[WsIn]] = [*self.events(FrameIn), *self.events(WsIn)]
        return {at.event.connection: at.entry for at in sorted(signs, key=lambda at: at.seq)}

    def calm(self, since: Entry, seconds: float, client: str | None) -> Entry | None:
        """From where on nothing hindered a client for so many seconds; None when something did to the end."""
        return self._hindrances.calm(since, seconds, client)

    def barred(self, start: Entry, seconds: float, client: str | None) -> bool:
        """As `hindered`, of a client that opens another connection."""
        return self._bars.hindered(start, seconds, client=client)

    def upgrades_refused(self, at: Entry, client: str | None) -> bool:
        """Whether a client that tries to connect there gets an HTTP error."""
        return self._refusals.hindered(at, 0.0, client=client)

    def delayed(self, start: Entry, end: Entry, client: str | None = None) -> bool:
        """Whether the bytes of a client may have come later than they were sent, between two entries or before."""
        return self._delays.hindered(start, self.between(start, end), client=client)

    @cached_property
    def still_hindered(self) -> bool:
        """Whether a fault that keeps bytes from passing lasts to the end of the trace."""
        return self._hindrances.unending

    def act(self, after: Entry, client: str | None) -> Entry | None:
        """Where something was next done to a client on purpose, after an entry, that does not last."""
        lists = (self._acts.get(name, []) for name in (client, None)) if client is not None else (self._all_acts,)
        found = (following(acts, after) for acts in lists)
        return min((each for each in found if each), key=lambda entry: entry.seq, default=None)

    @cached_property
    def _all_acts(self) -> Sequence[Entry]:
        return [at.entry for at in self.events(Fault) if not hinders(at.event)]

    @cached_property
    def _acts(self) -> dict[str | None, list[Entry]]:
        acts: dict[str | None, list[Entry]] = {}
        for entry in self._all_acts:
            acts.setdefault(self.fleet.of(entry.event), []).append(entry)
        return acts

    # Frames to the client

    def heard(self, out: At[FrameOut]) -> ServiceMessage | None:
        """What a frame to the client said; None when it does not decode or makes no sense."""
        if out.seq not in self._heard:
            self._heard[out.seq] = from_out(out.event)
        return self._heard[out.seq]

    def push(self, delivery: Delivery) -> Push | None:
        """The push as a client could read it; None when it was odd beyond use: without its id, topic or token, with
        something else than what was meant, or so late that the message had come again before.
        """
        if delivery not in self._pushes:
            self._pushes[delivery] = self._read_push(delivery)
        return self._pushes[delivery]

    def _read_push(self, delivery: Delivery) -> Push | None:
        message = self.heard(delivery.out) if delivery.out else None
        if delivery.spoiled or delivery.overtaken:
            return None
        if not isinstance(message, Push) or message.id != delivery.id or message.topic is None:
            return None
        if self.changed(delivery):
            return None
        conversation = self.conversations[delivery.connection]
        # Where the trace begins later, it does not show what was given out before.
        known = message.token if not conversation.handshakes else conversation.knows(message.token, delivery.sent)
        return message if known else None

    def changed(self, delivery: Delivery) -> bool:
        """Whether a fault made something else of a push than the service meant: of a field, or of bytes on the way."""
        if self.corruption.of(delivery.connection, delivery.pushed.entry, "downstream"):
            return True
        fault = self.last_before(Fault, delivery.out.entry) if delivery.out else None
        if fault is None or fault.event.name != "corrupt_field":
            return False
        return fault.event.target == delivery.connection and fault.seq > delivery.pushed.seq

    def plain(self, delivery: Delivery) -> bool:
        """Whether there was nothing odd about its frame, so that it excuses nobody."""
        out = delivery.out
        if out is None or out.event.fragments > 1 or self.push(delivery) is None:
            return False
        return out.event.frame is not None and not out.event.frame.anomalies

    # Handshakes

    @cached_property
    def failed_starts(self) -> dict[str, list[Entry]]:
        """By client, where the application was told that it could not start, in order."""
        found: dict[str, list[Entry]] = {}
        for at in self.events(ClientError):
            if at.event.op == "start":
                found.setdefault(at.event.client, []).append(at.entry)
        return found

    @cached_property
    def _unreachable(self) -> Sequence[Entry]:
        return [at.entry for at in self.events(Fault) if at.event.name == "unreachable"]

    def failed_start(self, after: Entry, client: str | None) -> Entry | None:
        """Where the application was next told, after an entry, that a client could not start; any when it is None."""
        lists = self.failed_starts.values() if client is None else [self.failed_starts.get(client, [])]
        found = (following(entries, after) for entries in lists)
        return min((each for each in found if each), key=lambda entry: entry.seq, default=None)

    def unreachable(self, after: Entry) -> Entry | None:
        """Where the service was next taken away on purpose, after an entry."""
        return following(self._unreachable, after)

    @cached_property
    def handshakes(self) -> Sequence[Handshake]:
        """All handshakes, connection by connection."""
        return [each for conversation in self.conversations.values() for each in conversation.handshakes]

    @cached_property
    def successes(self) -> Sequence[int]:
        """Where clients were accepted and told so rightly: the places in the trace, in order."""
        return sorted(each.accepted.seq for each in self.handshakes if each.accepted and each.succeeded)

    # Queues

    @cached_property
    def takings(self) -> dict[QueueName, list[Taking]]:
        """By queue, when connections took its messages, in the order in which they began to."""
        found: dict[QueueName, list[Taking]] = {}
        for conversation in self.conversations.values():
            for taking in conversation.taking():
                found.setdefault(taking.queue, []).append(taking)
        for each in found.values():
            each.sort(key=lambda taking: taking.accepted.seq)
        return found

    @cached_property
    def _spans(self) -> dict[QueueName, tuple[list[float], list[float]]]:
        """By queue, from when connections took its messages, in order, and until when one of those so far did."""
        found = {}
        for queue, takings in self.takings.items():
            ends = (taking.over.time if taking.over else inf for taking in takings)
            found[queue] = [taking.accepted.time for taking in takings], list(accumulate(ends, max))
        return found

    def reachable(self, message: Produced, start: float, end: float) -> bool:
        """Whether messages of this one's queue were pushed as soon as they could be, and one connection took them, all
        the way from service time `start` to `end`.
        """
        starts, ends = self._spans.get(queue_of(message), ([], []))
        index = bisect_right(starts, start)
        taken = index > 0 and ends[index - 1] >= end
        return taken and self.settings.pushes(message.app_key, message.group, start, end)

    @cached_property
    def requests(self) -> Requests:
        """All requests to the HTTP gateway."""
        return Requests(self)

    # Ids

    def misread(self, message: int) -> Misreading | None:
        """What the client made of a pushed id that it never confirmed as it is; None when nothing shows that."""
        if message not in self._misread:
            self._misread[message] = next(self._misreadings(message), None)
        return self._misread[message]

    def _misreadings(self, message: int) -> Iterator[Misreading]:
        life = self._by_id.get(message)
        if message in self.naming.confirms or message in self.naming.by_http or life is None or not life.deliveries:
            return
        for reading, value in misreadings(message).items():
            witness = self.surplus(value) if value in self._by_id else self.naming.last_named.get(value)
            if witness and witness.seq > life.deliveries[0].pushed.seq and not self.corruption.misled(witness):
                yield Misreading(reading=reading, value=value, witness=witness)

    def surplus(self, value: int) -> Entry | None:
        """A confirm of a produced message that its own handler cannot have caused; None when there is none.

        Its handler may have caused one for each delivery, if it was told to succeed.
        """
        if value not in self._surplus:
            self._surplus[value] = self._find_surplus(value)
        return self._surplus[value]

    def _find_surplus(self, value: int) -> Entry | None:
        handed = self._by_id[value].handed
        confirms = self.naming.confirms.get(value, [])
        early = [each for each in confirms if not handed or each.entry.seq < handed[0].entry.seq]
        due = sum(each.instruction.outcome == "ok" for each in handed)
        if early or len(confirms) > due:
            return (early or confirms)[-1].entry
        return None

    def meant(self, value: int | None) -> Life | None:
        """The message that was handed out and that a client means by an id, be it by a lossy reading."""
        return self._reader.meant(value)

    def life(self, value: int) -> Life | None:
        """The message with this id, if one was produced."""
        return self._by_id.get(value)

    def produced(self, value: int) -> Entry | None:
        """Where the message with this id was produced, if it was."""
        life = self._by_id.get(value)
        return life.produced.entry if life else None
