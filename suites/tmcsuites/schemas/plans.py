"""Schedules of faults (`tmcfakes.faults`) and plans (`tmcsuites.chaos.plan`).

Their members and types; that a number is in its range, and a fault ends before its plan does, is checked when they are
read.
"""

from __future__ import annotations

from typing import Any

from tmcfakes.faults import FAULTS, PlannedFault
from tmcfakes.faults.base import SCHEDULE_LIMIT
from tmcspec.instruction import Instruction
from tmcsuites.chaos.plan import CLIENT_LIMIT, MESSAGE_LIMIT, USER_LIMIT, ClientPlan, MessagePlan, UserPlan
from tmcsuites.schemas.parts import PLAIN, SIGNED_64, Schema, document, members_of, obj, words_of

ATOMS: dict[Any, Schema] = {int: {"type": "integer"}, float: {"type": "number"}, Instruction: {}}

_ID: Schema = {
    "description": "a decimal string, because JSON readers round numbers above 2^53; a number is read, too",
    "type": ["string", "integer"],
    "pattern": "^-?[0-9]{1,19}$",
}


def fault_schedule() -> Schema:
    """The file."""
    faults = _faults()
    listed: Schema = {"type": "array", "items": {"$ref": "#/$defs/fault"}, "maxItems": SCHEDULE_LIMIT}
    return document(
        "faults",
        "A schedule of faults: with the seed of their chance, or a list alone",
        {
            "anyOf": [obj({"seed": SIGNED_64, "faults": listed}, required=[], closed=True), listed],
            "$defs": {"fault": _any_of(faults), **faults},
        },
    )


def plan() -> Schema:
    """The file."""
    faults = _faults()
    body = obj(
        {
            "plan": {"const": 1},
            "tmcspec": {"description": "the version that wrote it", **PLAIN[str]},
            "seed": SIGNED_64,
            "seconds": {"type": "number", "exclusiveMinimum": 0},
            "quiet": {"type": "number", "minimum": 0},
            "clients": {"type": "array", "items": _part(ClientPlan), "maxItems": CLIENT_LIMIT},
            "users": {"type": "array", "items": _part(UserPlan), "maxItems": USER_LIMIT},
            "messages": {"type": "array", "items": _message(), "maxItems": MESSAGE_LIMIT},
            "faults": {"type": "array", "items": {"$ref": "#/$defs/fault"}},
        },
        required=["plan"],
        closed=True,
    )
    return document(
        "plan", "A plan: all that happens in a run", {**body, "$defs": {"fault": _any_of(faults), **faults}}
    )


def _faults() -> dict[str, Schema]:
    return {name: _fault(name, kind) for name, kind in sorted(FAULTS.items())}


def _any_of(faults: dict[str, Schema]) -> Schema:
    return {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in faults]}


def _fault(name: str, kind: type[PlannedFault]) -> Schema:
    properties, required = members_of(kind, ATOMS)
    body = obj({"fault": {"const": name}, **properties}, required=["fault", *required], closed=True)
    return {"description": words_of(kind), **body}


def _part(kind: type) -> Schema:
    properties, required = members_of(kind, ATOMS)
    return {"description": words_of(kind), **obj(properties, required=required, closed=True)}


def _message() -> Schema:
    """What its handler is told stands among the members of a message. A text that is not there is left out."""
    properties, required = members_of(MessagePlan, ATOMS)
    told, _ = members_of(Instruction, ATOMS)
    members = {name: each for name, each in (properties | told).items() if name != "told"}
    return obj(members | {"id": _ID, "nick": PLAIN[str], "reason": PLAIN[str]}, required=required, closed=True)
