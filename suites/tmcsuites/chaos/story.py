"""Tells people what happened when a plan was played: what was planned, what came of it, and what was wrong about that.

A sentence a line, with the time in front. Of the trace only those entries are told that the accusation rests on, what
became of the messages and connections in it, and the faults; so a plan that was made small reads like an anecdote, and
one that was not is told in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Final

from tmcfakes.faults import EVERYBODY
from tmcfakes.injector import detail
from tmcspec import events
from tmcspec.clauses import Finding, Judgement
from tmcspec.events import FrameIn, FrameOut
from tmcspec.instruction import Instruction
from tmcspec.routing import DEFAULT_GROUP
from tmcspec.trace import Entry, Trace
from tmcsuites.chaos.idle import told_idle
from tmcsuites.chaos.plan import AT_ONCE, MessagePlan, Plan
from tmcsuites.report.words import FINDINGS_LIMIT, counted, describe_event, describe_judgement, visible

#: Lines of what was planned, and of what happened.
LINES_LIMIT: Final = 40

#: Ids of up to so many digits are shown whole, of longer ones at least the last four.
SHORT_ID: Final = 8
LEAST_DIGITS: Final = 4

Ids = Mapping[int, str]

#: Told whomever they concern.
ALWAYS: Final = (
    events.Advanced,
    events.Attempted,
    events.ClientDied,
    events.ClientError,
    events.ClientStarting,
    events.ClientStarted,
    events.ClientStopped,
    events.Fault,
    events.Healed,
)

#: Told of connections that an accusation is about; all else that happens on them is traffic.
OF_CONNECTIONS: Final = (events.Opened, events.Accepted, events.Refused, events.Closed)


def story(plan: Plan, trace: Trace, judgements: Iterable[Judgement], *, again: Sequence[str] = ()) -> list[str]:
    """The story of a plan, line by line; no terminal obeys any of them.

    Args:
        plan: what was to happen.
        trace: what happened.
        judgements: what the clauses said of it; only those are told that found something.
        again: the commands that show it again.
    """
    broken = [each for each in judgements if each.violations]
    findings = [finding for each in broken for finding in each.violations[:FINDINGS_LIMIT]]
    entries = _told(trace, findings)
    evident = _ids_of(entry for finding in findings for entry in finding.evidence)
    messages = [each for each in plan.messages if len(plan.messages) <= LINES_LIMIT or each.id in evident]
    ids = short_ids({each.id for each in messages} | _ids_of(entries))
    lines = ["Planned:", *_planned(plan, messages, ids), "", "What happened:"]
    known = _produced(trace)
    lines += [_line(entry.time, _sentence(entry, ids, known)) for entry in entries] or [
        "  nothing that is worth telling"
    ]
    if waiting := told_idle(plan, trace):
        lines += ["", visible(f"{waiting[0].upper()}{waiting[1:]}.")]
    for each in broken:
        lines += ["", *(visible(text.plain) for text in describe_judgement(each))]
    if again:
        lines += ["", "Again:", *(f"  {visible(command)}" for command in again)]
    return lines


def clock(seconds: float) -> str:
    """A time, for people.

    Example:
        >>> clock(0.3214), clock(3725.9)
        ('0.321 s', '1:02:05')
    """
    if seconds < 59.9995:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(int(seconds + 0.0005), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def short_ids(ids: Iterable[int]) -> dict[int, str]:
    """Ids as short as they can be told apart.

    Example:
        >>> short_ids([7, 4600000000000000123, 4600000000000010123])
        {7: '7', 4600000000000000123: '…00123', 4600000000000010123: '…10123'}
    """
    all_ids = sorted(set(ids))
    long = [each for each in all_ids if len(str(abs(each))) > SHORT_ID]
    digits = LEAST_DIGITS
    while len({str(each)[-digits:] for each in long}) < len(long):
        digits += 1
    return {
        each: f"…{str(each)[-digits:]}" if each in long and digits < len(str(each)) else str(each) for each in all_ids
    }


# What was planned


def _planned(plan: Plan, messages: Sequence[MessagePlan], ids: Ids) -> list[str]:
    users = [f"  {visible(each.nick)} is a user in group {visible(each.group)}" for each in plan.users]
    timed: list[tuple[float, str]] = []
    for client in plan.clients:
        timed.append((client.starts, f"{client.name} starts{_in_group(client.group)}"))
        timed += [(time, f"{client.name} is restarted by its application") for time in client.restarts]
    for fault in plan.faults:
        whom = "everybody" if fault.target == EVERYBODY else fault.target
        how = detail(fault)
        timed.append((fault.at, f"fault {fault.name} for {whom}{f': {how}' if how else ''}"))
    timed += [(each.at, _of_message(each, ids)) for each in messages]
    lines = [_line(time, text) for time, text in sorted(timed, key=lambda each: each[0])]
    if len(messages) < len(plan.messages):
        lines.append(f"  and {counted(len(plan.messages) - len(messages), 'message')} more")
    quiet = f"after {clock(plan.quiet)} without faults" if plan.quiet else "at once"
    end = _line(plan.seconds + plan.quiet, f"the end, {quiet}")
    return [*_bounded(users), *_bounded(lines), end]


def _of_message(message: MessagePlan, ids: Ids) -> str:
    about = f" about {message.nick}" if message.nick is not None else _in_group(message.group, "for")
    return f"message {ids[message.id]} is produced{about}{_of_handler(message.told)}"


def _of_handler(told: Instruction) -> str:
    if told == AT_ONCE:
        return ""
    ends = {"ok": [], "fail": ["fails"], "raise": ["raises"], "hang": ["never returns"]}[told.outcome]
    works = [f"works for {told.delay:g} s"] if told.delay else []
    what = " what is no exception" if told.outcome == "raise" and told.unusual else ""
    why = f" ({told.reason!r})" if told.reason else ""
    return f"; its handler {' and '.join([*works, *ends])}{what}{why}"


def _in_group(group: str, word: str = "in") -> str:
    return "" if group == DEFAULT_GROUP else f" {word} group {group}"


# What happened


def _told(trace: Trace, findings: Sequence[Finding]) -> list[Entry]:
    """The entries that matter, at most so many: the evidence, and of the others those before its end. Where nobody is
    accused, all messages matter.
    """
    evidence = {entry.seq for finding in findings for entry in finding.evidence}
    ids = _ids_of(entry for entry in trace.entries if entry.seq in evidence or not evidence)
    connections = {
        connection
        for entry in trace.entries
        if entry.seq in evidence or (isinstance(entry.event, events.Pushed) and entry.event.message in ids)
        if (connection := getattr(entry.event, "connection", None)) is not None
    }

    known = _produced(trace)

    def matters(entry: Entry) -> bool:
        event = entry.event
        if isinstance(event, FrameOut):  # a push whose id was changed on its way, so that its client knows no other
            return event.connection in connections and _stray(event, known) is not None
        if isinstance(event, OF_CONNECTIONS):
            return event.connection in connections
        return isinstance(event, ALWAYS) or (not isinstance(event, FrameIn | FrameOut) and _id_of(event) in ids)

    proofs = [entry for entry in trace.entries if entry.seq in evidence]
    last = proofs[-1].seq if proofs else trace.entries[-1].seq if trace.entries else 0
    others = [entry for entry in trace.entries if entry.seq <= last and entry.seq not in evidence and matters(entry)]
    room = max(0, LINES_LIMIT - len(proofs))
    return sorted([*proofs[:LINES_LIMIT], *others[len(others) - room :]], key=lambda entry: entry.seq)


def _id_of(event: events.Event) -> int | None:
    """The message that an event is about."""
    if isinstance(event, FrameIn | FrameOut):
        value = event.frame.value("id") if event.frame is not None else None
        return value if isinstance(value, int) else None
    value = getattr(event, "message", getattr(event, "id", None))
    return int(value) if isinstance(value, int) else None


def _ids_of(entries: Iterable[Entry]) -> set[int]:
    return {id for entry in entries if (id := _id_of(entry.event)) is not None}


def _produced(trace: Trace) -> frozenset[int]:
    """The ids that messages have."""
    return frozenset(entry.event.message for entry in trace.entries if isinstance(entry.event, events.Produced))


def _stray(event: FrameOut, known: Set[int]) -> int | None:
    """The id of what goes to a client, when no message has it."""
    id = _id_of(event)
    return None if id in known else id


def _sentence(entry: Entry, ids: Ids, known: Set[int]) -> str:
    if isinstance(entry.event, FrameOut) and (stray := _stray(entry.event, known)) is not None:
        return f"the push that goes out on {entry.event.connection} has the id {ids[stray]}, which no message has"
    tell = SENTENCES.get(type(entry.event))
    if tell is None:
        return describe_event(entry)
    id = _id_of(entry.event)
    return tell(entry.event, "a message without id" if id is None else f"message {ids[id]}")


def _of_fault(event: Any, end: str = "") -> str:
    return f"fault {event.name} for {event.target or 'everybody'}{end}{f': {event.detail}' if event.detail else ''}"


#: How an event is told; the second argument names the message that it is about.
SENTENCES: Final[dict[type[events.Event], Callable[[Any, str], str]]] = {
    events.Opened: lambda event, _: f"{event.client or 'a client'} opens connection {event.connection}",
    events.Accepted: lambda event, _: f"the service accepts {event.connection}{_in_group(event.group)}",
    events.Refused: lambda event, _: f"the service refuses {event.connection}: {event.code} {event.phrase or ''}",
    events.Closed: lambda event, _: (
        f"{event.connection} is {'cut' if event.code is None else f'closed with {event.code}'} by the {event.by}"
    ),
    events.Attempted: lambda event, _: f"{event.client or 'a client'} tries to connect, in vain",
    events.Produced: lambda event, it: f"{it} is produced{_in_group(event.group, 'for')}",
    events.Pushed: lambda event, it: (
        f"{it} is pushed on {event.connection}{f', for the {event.attempt}. time' if event.attempt > 1 else ''}"
    ),
    events.Consumed: lambda event, it: f"{it} is handed out over HTTP, attempt {event.attempt}",
    events.Confirmed: lambda event, it: f"{it} is confirmed{_on(event.connection)}",
    events.Failed: lambda event, it: f"{it} is reported as failed{_on(event.connection)}",
    events.UnknownConfirm: lambda event, it: f"{it} is confirmed{_on(event.connection)}, and nobody waits for that",
    events.Expired: lambda event, it: f"{it} expires",
    events.Dropped: lambda event, it: f"{it} is lost with its group",
    events.Received: lambda event, it: f"{event.client} hands {it} to its handler",
    events.Handled: lambda event, it: f"the handler of {event.client} is done with {it}: {event.outcome}",
    events.ClientStarting: lambda event, _: f"{event.client} starts{_in_group(event.group, 'in')}",
    events.ClientStarted: lambda event, _: f"{event.client} has started",
    events.ClientStopped: lambda event, _: f"{event.client} is asked to stop",
    events.ClientError: lambda event, _: f"{event.client} reports an error: {event.error}",
    events.ClientDied: lambda event, _: f"{event.client} dies: {event.status}",
    events.Fault: lambda event, _: _of_fault(event),
    events.Healed: lambda event, _: _of_fault(event, " is over"),
    events.Advanced: lambda event, _: f"the clock of the service jumps by {event.seconds:g} s",
}


def _on(connection: str | None) -> str:
    return "" if connection is None else f" on {connection}"


# What was wrong about it


# Lines


def _line(time: float, text: str) -> str:
    shown = visible(text)
    return f"  {clock(time):>9}  {shown if len(shown) <= 160 else shown[:159] + '…'}"


def _bounded(lines: list[str]) -> list[str]:
    if len(lines) <= LINES_LIMIT:
        return lines
    return [*lines[:LINES_LIMIT], f"  and {counted(len(lines) - LINES_LIMIT, 'line')} more"]
