"""Frames as JSON (`tmcspec.frame_json`)."""

from __future__ import annotations

from tmcspec.frame_values import INTEGER_RANGE, ValueType
from tmcsuites.schemas.parts import NULLABLE_TEXT, Schema, document, obj

HEX: Schema = {"type": "string", "pattern": "^(?:[0-9a-f]{2})*$"}

_WIDE = (ValueType.INT64, ValueType.DATE)
_INT32: Schema = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}


def frame() -> Schema:
    """One frame."""
    return obj(
        {
            "protocolVersion": {"type": "integer", "minimum": 0, "maximum": 255, "default": 2},
            "messageType": {"type": "integer", "minimum": -128, "maximum": 255},
            "statusCode": {**_INT32, "default": 0},
            "statusPhrase": NULLABLE_TEXT,
            "flag": {**_INT32, "default": 0},
            "token": NULLABLE_TEXT,
            "content": {
                "description": "the custom fields in wire order: pairs of a key and a value with its type",
                "type": ["array", "null"],
                "items": {
                    "type": "array",
                    "prefixItems": [NULLABLE_TEXT, {"anyOf": [_value(each) for each in ValueType]}],
                    "items": False,
                    "minItems": 2,
                },
            },
        },
        required=["messageType"],
        closed=True,
    )


def _value(kind: ValueType) -> Schema:
    if kind in _WIDE:
        form: Schema = {
            "description": "a decimal string, because JSON readers round numbers above 2^53",
            "type": "string",
            "pattern": "^(?:0|-?[1-9][0-9]{0,18})$",
        }
    elif kind in INTEGER_RANGE:
        low, high = INTEGER_RANGE[kind]
        form = {"type": "integer", "minimum": low, "maximum": high}
    else:
        form = {ValueType.VOID: {"type": "null"}, ValueType.STRING: {"type": "string"}, ValueType.BYTES: HEX}[kind]
    return obj({"t": {"const": kind.name.lower()}, "v": form}, closed=True)


def frame_document() -> Schema:
    """The file."""
    return document("frame", "A TMC frame as JSON", frame())
