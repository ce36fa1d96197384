"""Lines of a trace file (`tmcspec.trace_file`): the header, and one for each event of the vocabulary."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_args, get_type_hints

from tmcspec.events import EVENTS, Event, Id
from tmcspec.frame import Frame
from tmcspec.trace import TIME_LIMIT, World
from tmcspec.trace_file import TRACE_VERSION
from tmcsuites.schemas.frames import HEX, frame
from tmcsuites.schemas.parts import SIGNED_64, Schema, document, obj, of_type, words_of

SECONDS: Schema = {"type": "number", "exclusiveMinimum": -TIME_LIMIT, "exclusiveMaximum": TIME_LIMIT}

ATOMS: dict[Any, Schema] = {
    Id: {"type": "string", "pattern": "^-?[0-9]{1,20}$"},
    int: SIGNED_64,
    float: SECONDS,
    bytes: HEX,
    Frame: {"$ref": "#/$defs/frame"},
}


def trace_line() -> Schema:
    """The file."""
    events = {name: _event(name, kind) for name, kind in EVENTS.items()}
    return document(
        "trace-line",
        "A line of a trace file: the first one is the header, each other one an event",
        {
            "anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("header", *events)],
            "$defs": {"header": _header(), "frame": frame(), **events},
        },
    )


def _header() -> Schema:
    return obj(
        {
            "trace": {"const": TRACE_VERSION},
            "tmcspec": {"description": "the version that wrote it", "type": "string"},
            "seed": {**SIGNED_64, "type": ["integer", "null"]},
            "epoch_ms": SIGNED_64,
            "world": {"enum": list(get_args(World))},
            "handlers": {"type": "boolean"},
            "patience": {**SECONDS, "exclusiveMinimum": 0},
            "client_clock": {"type": "boolean"},
            "forgotten": {"description": "entries before the first that are not there any more", **SIGNED_64},
        },
        required=["trace"],
    )


def _event(name: str, kind: type[Event]) -> Schema:
    """Members as `trace_file` names them: bytes are `hex`, and what is kept behind a property has its name."""
    hints = get_type_hints(kind)
    properties: dict[str, Schema] = {
        "seq": {"type": "integer", "minimum": 1, "exclusiveMaximum": 2**63},
        "time": {**SECONDS, "minimum": 0},
        "event": {"const": name},
    }
    required = list(properties)
    for member in fields(kind):
        hint = hints[member.name]
        word = "hex" if hint is bytes else member.name.lstrip("_")
        properties[word] = of_type(hint, ATOMS)
        # What is computed is written for people, and read from its source.
        if member.init and member.default is MISSING:
            required.append(word)
    return {"description": words_of(kind), **obj(properties, required=required)}
