"""The adapter contract: what an adapter reads and what it writes, and what is written in messages for its handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tmcspec.instruction import DELAY_LIMIT_MS, Outcome
from tmcsuites.adapters.contract import (
    CAPABILITIES,
    PROTOCOL_VERSION,
    STATUSES,
    ClientHandled,
    ClientOffline,
    ClientOnline,
    ClientReceived,
    StartOptions,
)
from tmcsuites.schemas.frames import HEX, frame
from tmcsuites.schemas.parts import NULLABLE_TEXT, PLAIN, Schema, document, members_of, obj, of_type, words_of

#: The events of an adapter. A test holds them to what `tmcsuites.adapters.protocol` reads.
EVENTS: dict[str, type] = {
    "received": ClientReceived,
    "handled": ClientHandled,
    "online": ClientOnline,
    "offline": ClientOffline,
}

_TEXT = PLAIN[str]

#: Twenty digits hold every 64-bit integer, signed or not, and every double that one is rounded to.
_ATOMS: dict[Any, Schema] = {int: {"type": "string", "pattern": "^-?(?:0|[1-9][0-9]{0,19})$"}}


# What it reads


def adapter_command() -> Schema:
    """The file."""
    operations = _operations()
    unknown = {
        "description": "any other operation: it is answered 'unsupported'",
        **_command({"type": "string", "not": {"enum": list(operations)}}, {}),
    }
    return document(
        "adapter-command",
        "A line on the standard input of an adapter: one command",
        {
            "anyOf": [{"$ref": f"#/$defs/{name}"} for name in (*operations, "unknown")],
            "$defs": {**operations, "unknown": unknown, "frame": frame()},
        },
    )


def _operations() -> dict[str, Schema]:
    start, _ = members_of(StartOptions, {Mapping[str, Any]: {"type": "object"}})
    parameters: dict[str, dict[str, Schema]] = {
        "hello": {"protocol": {"const": PROTOCOL_VERSION}},
        "start": start,
        "publish": {"topic": _TEXT, "content": _TEXT, "session": NULLABLE_TEXT},
        "stop": {},
        "decode": {"hex": HEX},
        "encode": {"frame": {"$ref": "#/$defs/frame"}},
        "bye": {},
    }
    return {op: _command({"const": op}, members) for op, members in parameters.items()}


def _command(op: Schema, parameters: dict[str, Schema]) -> Schema:
    head: dict[str, Schema] = {"id": _TEXT, "op": op, "deadline_ms": {"type": "integer", "minimum": 1}}
    return obj(head | parameters)


# What it writes


def adapter_line() -> Schema:
    """The file. Which answer belongs to which operation only the ids say, so the special ones stand apart."""
    events = {name: _event(name, kind) for name, kind in EVENTS.items()}
    special = {"hello_answer": _hello(), "decode_answer": _done(frame=frame()), "encode_answer": _done(hex=HEX)}
    return document(
        "adapter-line",
        "A line on the standard output of an adapter: an answer or an event",
        {
            "anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("answer", *events)],
            "$defs": {"answer": _answer(), **events, **special},
        },
    )


def _answer() -> Schema:
    silent = obj(
        {
            "id": {"description": "that of the command", **_TEXT},
            "status": {"enum": sorted(STATUSES - _MUST_SAY_WHY)},
            "error": NULLABLE_TEXT,
            "code": _CODE,
            "event": _NEVER,
        },
        required=["id", "status"],
    )
    saying_why = obj(
        {"id": _TEXT, "status": {"enum": sorted(_MUST_SAY_WHY)}, "error": _TEXT, "code": _CODE, "event": _NEVER},
        required=["id", "status", "error"],
    )
    return {"anyOf": [silent, saying_why]}


#: What is not there: an answer has no `event`, and an event no `id`.
_NEVER: Schema = {"not": {}}

_MUST_SAY_WHY = frozenset({"raised", "fault"})
_CODE: Schema = {"description": "of the error, where there is one", "type": ["integer", "string", "null"]}


def _event(name: str, kind: type) -> Schema:
    properties, required = members_of(kind, _ATOMS)
    body = obj({"event": {"const": name}, **properties, "id": _NEVER}, required=["event", *required])
    return {"description": words_of(kind), **body}


def _hello() -> Schema:
    words: Schema = {"type": "string", "minLength": 1}
    return _done(
        protocol={"const": PROTOCOL_VERSION},
        client=obj({"name": words, "version": words, "language": words}),
        capabilities={"type": "array", "items": {"enum": sorted(CAPABILITIES)}},
    )


def _done(**members: Schema) -> Schema:
    return obj({"id": _TEXT, "status": {"const": "result"}, **members})


# What messages say


def instruction_content() -> Schema:
    """The file."""
    words = obj(
        {
            "outcome": {**of_type(Outcome, {}), "default": "ok"},
            "delay_ms": {"type": "integer", "minimum": 0, "maximum": DELAY_LIMIT_MS, "default": 0},
            "reason": NULLABLE_TEXT,
            "unusual": {"type": "boolean", "default": False},
        },
        required=[],
    )
    return document("instruction", "The content of a message that tells a handler what to do", obj({"tmcspec": words}))
