"""What tests of the schemas share: validators, a stricter form of a schema, and lines with one thing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tmcsuites.schemas import schema

Json = dict[str, Any]

#: One value of each kind that JSON has; whatever a member is, most of them are wrong there.
KINDS: tuple[Any, ...] = (None, True, 7, 1.5, "7", "zz", [], ["a"], [["a", "b"]], {}, {"a": 1})

#: A frame with all members.
FRAME: Json = {
    "protocolVersion": 2,
    "messageType": 2,
    "statusCode": 0,
    "statusPhrase": "p",
    "flag": 0,
    "token": "t",
    "content": [["id", {"t": "int64", "v": "9007199254740993"}], [None, {"t": "byte", "v": -1}]],
}


def closed(form: Any) -> Any:
    """The same schema, except that no object may have members that it does not know."""
    if isinstance(form, list):
        return [closed(each) for each in form]
    if not isinstance(form, dict):
        return form
    strict = {name: closed(each) for name, each in form.items()}
    return strict | {"additionalProperties": False} if "properties" in form and "type" in form else strict


def validator(name: str, *, part: str | None = None, strictly: bool = False) -> Draft202012Validator:
    """Of a schema, or of one of its definitions."""
    form = schema(name)
    if part is not None:
        form = {"$schema": form["$schema"], "$defs": form["$defs"], "$ref": f"#/$defs/{part}"}
    return Draft202012Validator(closed(form) if strictly else form)


def complaint(validator: Draft202012Validator, value: Any) -> str | None:
    """What is wrong with a value, None when nothing is."""
    worst = best_match(validator.iter_errors(value))
    return None if worst is None else f"{worst.json_path}: {worst.message}"


def spoiled(line: Json) -> Iterator[tuple[str, Json]]:
    """The line with one member missing, or of another kind; and what was done to it."""
    for name, value in line.items():
        yield f"without {name}", {other: each for other, each in line.items() if other != name}
        for kind in KINDS:
            if kind != value or type(kind) is not type(value):
                yield f"{name} = {kind!r}", line | {name: kind}
