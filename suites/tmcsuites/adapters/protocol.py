"""Lines of the adapter contract: one JSON object a line, UTF-8, at most 8 MiB. Pure; no I/O.

The runner writes commands, the adapter answers and reports events:

    {"id": "7", "op": "start", "deadline_ms": 15000, …}
    {"id": "7", "status": "result", …}
    {"event": "received", "message_id": "9007199254740993", …}

64-bit integers and dates (epoch ms) are decimal strings, because a JSON number above 2^53 is rounded by many readers.
Whatever an adapter writes is hostile until it has passed `parse_line`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from tmcsuites.adapters.contract import (
    CAPABILITIES,
    OUTCOMES,
    PROTOCOL_VERSION,
    STATUSES,
    Answer,
    ClientEvent,
    ClientHandled,
    ClientInfo,
    ClientOffline,
    ClientOnline,
    ClientReceived,
    Status,
    choices,
)

MAX_LINE = 8 * 1024 * 1024

# Twenty digits hold every signed and every unsigned 64-bit integer and every double that one is rounded to. A library
# that shows its user an unsigned or rounded id has a defect of its own: the clauses judge it, the line is sound.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)

# A lone surrogate escape is legal JSON and illegal text: it could not be written to a trace. Left to right, an escaped
# backslash or a whole pair is kept, so only a lone one matches the last alternative.
_HEX = "[0-9a-fA-F]{2}"
_SURROGATE = re.compile(rf"(\\\\|\\u[dD][89abAB]{_HEX}\\u[dD][c-fC-F]{_HEX})|\\u[dD][89a-fA-F]{_HEX}")

_EVENTS = frozenset({"received", "handled", "online", "offline"})


class LineError(ValueError):
    """A line that breaks the contract. The text names the line, the member, its value and the valid ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to the command with this id."""

    id: str
    answer: Answer


def command_line(*, id: str, op: str, deadline: float, members: Mapping[str, Any]) -> bytes:
    """One command as it goes to the adapter's standard input.

    Args:
        id: the answer carries the same.
        op: operation.
        deadline: seconds; the adapter gets whole milliseconds, at least 1.
        members: parameters of the operation.

    Example:
        >>> command_line(id="7", op="stop", deadline=10.0, members={})
        b'{"id": "7", "op": "stop", "deadline_ms": 10000}\\n'
    """
    command = {"id": id, "op": op, "deadline_ms": max(1, round(deadline * 1000)), **members}
    return json.dumps(command, allow_nan=False).encode("ascii") + b"\n"


def parse_line(line: bytes, *, number: int) -> Reply | ClientEvent:
    """What one line of the adapter's standard output says.

    Args:
        line: without its LF.
        number: counted from 1, for errors.

    Raises:
        LineError: the line breaks the contract.

    Example:
        >>> parse_line(b'{"event": "offline", "error": "reset"}', number=3)
        ClientOffline(error='reset')
    """
    try:
        document = _load(line)
        if "event" in document:
            return _event(document)
        return _reply(document)
    except _Wrong as error:
        shown = line[:200].decode("utf-8", "backslashreplace") + ("…" if len(line) > 200 else "")
        raise LineError(f"line {number} of the adapter's standard output: {error}\nThe line: {shown}") from None


def parse_hello(answer: Answer) -> ClientInfo:
    """Who the client is, from its answer to `hello`.

    Raises:
        LineError: the answer breaks the contract.
    """
    try:
        if answer.status != "result":
            _wrong(f"status is {answer.status!r} ({answer.error}); the only valid one is 'result'")
        members = answer.members
        if (version := members.get("protocol")) != PROTOCOL_VERSION or isinstance(version, bool):
            _wrong(f"member 'protocol' is {_show(version)}; this runner speaks {PROTOCOL_VERSION} only")
        client = members.get("client")
        if not isinstance(client, dict):
            _wrong(f"member 'client' is {_show(client)}; it must be an object with name, version and language")
        listed = members.get("capabilities")
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            _wrong(f"member 'capabilities' is {_show(listed)}; it must be an array of: {choices(CAPABILITIES)}")
        if unknown := sorted(set(listed) - CAPABILITIES):
            _wrong(f"member 'capabilities' holds {_show(unknown)}; valid: {choices(CAPABILITIES)}")
        return ClientInfo(
            name=_name(client, "name"),
            version=_name(client, "version"),
            language=_name(client, "language"),
            transport="process",
            capabilities=frozenset(listed),
        )
    except _Wrong as error:
        raise LineError(f"the answer to 'hello': {error}") from None


class _Wrong(Exception):
    """What is wrong, before it is known in which line."""


def _wrong(text: str) -> NoReturn:
    raise _Wrong(text)


def _show(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "a deeply nested value"
    return text if len(text) <= 120 else text[:120] + "…"


def _load(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        _wrong(f"{len(line)} bytes; at most {MAX_LINE} (8 MiB) are allowed")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        _wrong(f"not UTF-8 at byte {error.start}: {error.reason}")
    try:
        document = json.loads(
            _SURROGATE.sub(lambda found: found[1] or r"\ufffd", text),
            parse_constant=lambda name: _wrong(f"not JSON: {name} is no JSON number"),
            object_pairs_hook=_unique,
        )
    except (ValueError, RecursionError) as error:
        _wrong(f"not JSON: {error}; standard output is for answers and events only, write logs to standard error")
    if not isinstance(document, dict):
        _wrong(f"a JSON {type(document).__name__}; it must be an object with 'id' and 'status', or with 'event'")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        _wrong(f"member {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return members


def _reply(document: dict[str, Any]) -> Reply:
    id = document.pop("id", None)
    if not isinstance(id, str):
        _wrong(f"member 'id' is {_show(id)}; an answer repeats the id of its command, a string; an event has 'event'")
    status: Status = _choice(document, "status", STATUSES)
    del document["status"]
    error = _text(document, "error")
    if error is None and status in ("raised", "fault"):
        _wrong(f"member 'error' is missing; an answer with status {status!r} says in it what happened")
    code = document.get("code")
    if not (code is None or isinstance(code, str | int)) or isinstance(code, bool):
        _wrong(f"member 'code' is {_show(code)}; it must be an integer, a string or null")
    rest = {name: value for name, value in document.items() if name not in ("error", "code")}
    return Reply(id=id, answer=Answer(status=status, error=error, code=code, members=rest))


def _event(document: dict[str, Any]) -> ClientEvent:
    name = document["event"]
    if "id" in document:
        _wrong("has both 'id' and 'event'; an answer has 'id', an event has 'event' (and a message 'message_id')")
    if name == "received":
        return ClientReceived(
            message_id=_integer(_required(document, "message_id"), "message_id"),
            topic=_text(_required(document, "topic"), "topic"),
            content=_text(_required(document, "content"), "content"),
            user_id=_integer(document, "user_id"),
            nick=_text(document, "nick"),
            publisher=_text(document, "publisher"),
            data_id=_text(document, "data_id"),
            publish_time=_integer(document, "publish_time"),
            outgoing_time=_integer(document, "outgoing_time"),
        )
    if name == "handled":
        return ClientHandled(
            message_id=_integer(_required(document, "message_id"), "message_id"),
            outcome=_choice(document, "outcome", OUTCOMES),
        )
    if name == "online":
        return ClientOnline()
    if name == "offline":
        return ClientOffline(error=_text(document, "error"))
    _wrong(f"member 'event' is {_show(name)}; valid: {choices(_EVENTS)}")


def _required(document: dict[str, Any], name: str) -> dict[str, Any]:
    if name not in document:
        _wrong(f"member {name!r} is missing; it is null when the library shows none")
    return document


def _choice(document: dict[str, Any], name: str, valid: frozenset[str]) -> Any:
    value = document.get(name)
    if not isinstance(value, str) or value not in valid:
        _wrong(f"member {name!r} is {_show(value)}; valid: {choices(valid)}")
    return value


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value
    _wrong(f"member {name!r} is {_show(value)}; it must be a string or null")


def _name(document: dict[str, Any], name: str) -> str:
    value = _text(document, name)
    if not value:
        _wrong(f"member 'client' has no {name!r}; it must be a string, 'unknown' when it is not known")
    return value


def _integer(document: dict[str, Any], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        _wrong(f'member {name!r} is {_show(value)}; 64-bit integers and dates are decimal strings, like "1", or null')
    if not _INTEGER.fullmatch(value):
        _wrong(f'member {name!r} is {_show(value)}; it must be a decimal integer of at most 20 digits, like "-1"')
    return int(value)
