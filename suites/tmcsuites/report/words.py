"""Words that reports share: events, findings, and lines that no terminal obeys."""

from __future__ import annotations

from dataclasses import fields

from rich.text import Text

from tmcspec.clauses import Binds, Finding, Judgement
from tmcspec.events import FrameIn, FrameOut
from tmcspec.messages import MessageError, from_client, from_service
from tmcspec.trace import Entry

#: Characters of an event that are shown.
EVENT_WIDTH = 160

#: Findings of one clause that are shown, where there is more to be seen than that.
FINDINGS_LIMIT = 3


def visible(text: str) -> str:
    """One line that a terminal shows and does not obey: what cannot be printed is shown as its escape.

    Example:
        >>> visible("a\\x1b[2Jb\\n")
        'a\\\\x1b[2Jb\\\\n'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def line(*parts: str | tuple[str, str]) -> Text:
    """One line of parts, some with a style. None of them is read as markup or obeyed by a terminal."""
    return Text.assemble(*(visible(each) if isinstance(each, str) else (visible(each[0]), each[1]) for each in parts))


def counted(number: int, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "case"), counted(4800, "message")
        ('1 case', '4800 messages')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def describe_judgement(judgement: Judgement, *, most: int | None = FINDINGS_LIMIT, indent: str = "") -> list[Text]:
    """What was broken: the clause, where it is from, and what happened instead.

    Args:
        judgement: one with violations.
        most: how many of them are told; None for all.
        indent: before the clause, and where it is from.
    """
    clause = judgement.clause
    whose = "" if clause.binds is Binds.CLIENT else " (the service)"
    lines = [
        line(indent, (clause.id, "bold"), f" {clause.level.value.upper()}{whose}: {clause.statement}"),
        line(indent, (f"source: {clause.source}", "dim")),
    ]
    told = judgement.violations[:most]
    for finding in told:
        lines += describe_finding(finding)
    if len(told) < len(judgement.violations):
        lines.append(line(f"     and {len(judgement.violations) - len(told)} more"))
    return lines


def describe_finding(finding: Finding) -> list[Text]:
    """What happened instead, and the events that prove it."""
    entries = sorted(finding.evidence, key=lambda entry: entry.seq)[:6]
    evidence = [line(f"       {entry.time:10.3f} s  {describe_event(entry)}") for entry in entries]
    return [line(f"     {finding.message}"), *evidence]


def describe_event(entry: Entry) -> str:
    """An event on one line."""
    event = entry.event
    if isinstance(event, FrameIn | FrameOut):
        way = "from client" if isinstance(event, FrameIn) else "to client"
        what = _frame(event) if event.frame else f"{len(event.data)} bytes that do not decode: {event.data[:24].hex()}"
        text = f"{event.connection} {way}: {what}"
    else:
        values = {member.name: getattr(event, member.name) for member in fields(event)}
        members = ", ".join(f"{name} {value!r}" for name, value in values.items() if value not in (None, ""))
        text = f"{event.word} {members}"
    return text if len(text) <= EVENT_WIDTH else text[: EVENT_WIDTH - 1] + "…"


def _frame(event: FrameIn | FrameOut) -> str:
    assert event.frame is not None
    read = from_client if isinstance(event, FrameIn) else from_service
    try:
        name = type(read(event.frame)).__name__
    except MessageError:
        name = f"type {event.frame.type}"
    frame = event.frame
    envelope = [
        f"{what} {value!r}"
        for what, value in (("status", frame.status_code), ("phrase", frame.status_phrase), ("flag", frame.flag))
        if value
    ]
    token = [] if frame.token else ["no token"]
    fields = [f"{key} {type_.name} {value!r}" for key, type_, value in frame.content or ()]
    return ", ".join([name, *envelope, *token, *fields])
