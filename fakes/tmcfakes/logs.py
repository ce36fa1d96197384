"""What a running service says of itself on the way: one line for each thing that happened, for people or for machines.

The lines come from the trace, which knows everything. They name ids and never what is in a message, and nothing that
somebody could log in with: no tokens, signs or sessions, not even where a client quotes its own in a reason that it
gives.

Nobody has to read them. A pipe that is full would stop the service, so a thread of its own writes, and what it cannot
get rid of is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import threading
import time
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from tmcspec.events import (
    Accepted,
    Authorised,
    Cancelled,
    Closed,
    Event,
    Failed,
    Fault,
    FlowSet,
    FrameIn,
    GroupCreated,
    GroupDeleted,
    Id,
    ModeSet,
    Permitted,
    Published,
    Refused,
    RetentionSet,
    Subscribed,
    TopicGrouped,
    UnknownConfirm,
    UserGrouped,
)
from tmcspec.frame import FrameError, decode
from tmcspec.trace import Entry

log = logging.getLogger("tmcfakes")

LEVELS: dict[type[Event], int] = dict.fromkeys((Refused, UnknownConfirm, Fault), logging.WARNING) | dict.fromkeys(
    (
        Accepted,
        Closed,
        Failed,
        Published,
        Authorised,
        Permitted,
        Cancelled,
        Subscribed,
        UserGrouped,
        TopicGrouped,
        GroupCreated,
        GroupDeleted,
        FlowSet,
        ModeSet,
        RetentionSet,
    ),
    logging.INFO,
)
"""All other events are for those who want to see everything, but for frames that nobody can read."""

#: Members of events that are not written: secrets, and what is in a message.
LEFT_OUT: Final = frozenset({"token", "content", "data", "_frame", "arguments"})

#: Characters of one value.
VALUE_LIMIT: Final = 200

#: Lines that wait for somebody to read them.
WAITING_LIMIT: Final = 1000

# Tokens are UUIDs; signs and sessions are hexadecimal digits. Ids are decimal, and shorter.
_SECRET = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20,}", re.IGNORECASE)
_PLAIN = re.compile(r"[\w.:/+*@,-]+", re.ASCII)


def log_event(entry: Entry) -> None:
    """Writes one line about an entry of the trace, if somebody wants to see it. A listener for a Recorder."""
    event = entry.event
    level = LEVELS.get(type(event), logging.DEBUG)
    if isinstance(event, FrameIn) and (why := _unreadable(event)):
        log.warning("unreadable", extra={"members": {"time": entry.time, "connection": event.connection, "why": why}})
    elif log.isEnabledFor(level):
        members = {
            each.name: getattr(event, each.name) for each in fields(event) if each.name not in LEFT_OUT and each.init
        }
        log.log(level, event.word, extra={"members": {"time": entry.time} | members})


def _unreadable(event: FrameIn) -> str | None:
    """What is wrong with a frame from a client; None when nothing is."""
    try:
        frame = decode(event.data)
    except FrameError as error:
        return str(error)
    return "; ".join(f"{each.kind}: {each.detail}" for each in frame.anomalies[:3]) or None


class HumanLines(logging.Formatter):
    """The local time, a level, what happened, and its members as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        head = f"{when} {record.levelname.lower()} {_clean(record.getMessage())}"
        members = [f"{name}={_written(value)}" for name, value in _members(record).items() if value is not None]
        return " ".join([head, *members])


class JsonLines(logging.Formatter):
    """A JSON object with `at`, `level`, `event`, and the members of the event."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _clean(record.getMessage()),
        }
        return json.dumps(line | _members(record), default=str)


class PatientHandler(logging.Handler):
    """Writes lines to a file descriptor, in a thread of its own.

    Attributes:
        dropped: lines that nobody read in time; the next one that finds a place says how many.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(WAITING_LIMIT)
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        try:
            if self.dropped:
                note = logging.makeLogRecord({"msg": "lines_dropped", "members": {"count": self.dropped}})
                self._lines.put_nowait(self.format(note).encode(errors="backslashreplace"))
                self.dropped = 0
            self._lines.put_nowait(line.encode(errors="backslashreplace"))
        except queue.Full:
            self.dropped += 1

    def leave(self, patience: float) -> None:
        """Writes what waits, for so many seconds at most, and nothing more."""
        end = time.monotonic() + patience
        try:
            self._lines.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(max(0.0, end - time.monotonic()))

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            left = line + b"\n"
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                return  # nobody will ever read it


def _members(record: logging.LogRecord) -> dict[str, Any]:
    members = {name: _clean(value) for name, value in getattr(record, "members", {}).items()}
    if record.exc_info and record.exc_info[1] is not None:
        # Where in the code it was, and what it is called. Its text may say anything.
        error = record.exc_info[1]
        members["error"] = type(error).__name__
        members["where"] = _where(error)
    return members


def _where(error: BaseException) -> str:
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join(places[-10:])


def _clean(value: Any) -> Any:
    """Without secrets, and not too long."""
    if isinstance(value, str):
        return _SECRET.sub("***", value)[:VALUE_LIMIT]
    if isinstance(value, tuple | list):
        return [_clean(each) for each in value[:10]]
    # Ids are text, for those who read JSON with doubles (S62).
    return str(value) if isinstance(value, Id) else value


def _written(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    text = json.dumps(value, ensure_ascii=False, default=str)
    # No terminal obeys what a client says.
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
