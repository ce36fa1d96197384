"""What schemas are made of: the type of a member as a schema, objects, and the words about them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

Schema: TypeAlias = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

#: Types that are the same wherever they occur.
PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}

NULLABLE_TEXT: Schema = {"type": ["string", "null"]}

#: 64 bits, as each of our files has them when readers of JSON must not round them.
SIGNED_64: Schema = {"type": "integer", "minimum": -(2**63), "exclusiveMaximum": 2**63}


def document(name: str, title: str, body: Schema) -> Schema:
    """A whole file."""
    return {"$schema": DRAFT, "$id": f"urn:tmcspec:schema:{name}", "title": title, **body}


def obj(properties: Mapping[str, Schema], *, required: list[str] | None = None, closed: bool = False) -> Schema:
    """An object.

    Args:
        properties: the members that are known.
        required: the names of those that must be there; None for all of them.
        closed: whether its reader refuses other members.
    """
    body: Schema = {"type": "object", "properties": dict(properties)}
    if names := list(properties) if required is None else required:
        body["required"] = names
    if closed:
        body["additionalProperties"] = False
    return body


def of_type(hint: Any, atoms: Mapping[Any, Schema]) -> Schema:
    """The schema of a value of this type.

    Args:
        hint: what stands behind the name of a member of a dataclass.
        atoms: schemas of the types that differ from place to place, as integers.

    Raises:
        TypeError: nobody has said yet how such a value is written.
    """
    origin = get_origin(hint)
    if hint in atoms:
        return dict(atoms[hint])
    if hint in PLAIN:
        return dict(PLAIN[hint])
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is tuple:
        return _of_tuple(get_args(hint), atoms)
    if origin in (Union, UnionType):
        return _of_union([of_type(each, atoms) for each in get_args(hint)])
    raise TypeError(f"no schema says how a {hint!r} is written; add it to the atoms of this file")


def _of_tuple(parts: tuple[Any, ...], atoms: Mapping[Any, Schema]) -> Schema:
    if parts[-1] is Ellipsis:
        return {"type": "array", "items": of_type(parts[0], atoms)}
    each = [of_type(part, atoms) for part in parts]
    return {"type": "array", "prefixItems": each, "items": False, "minItems": len(each)}


def _of_union(choices: list[Schema]) -> Schema:
    """Short where it can be: `"type": ["string", "null"]`."""
    others = [each for each in choices if each != PLAIN[type(None)]]
    if len(others) == 1 and len(choices) == 2:
        (only,) = others
        if isinstance(only.get("type"), str):
            return {**only, "type": [only["type"], "null"]}
        if only.keys() == {"enum"}:
            return {"enum": [*only["enum"], None]}
    return {"anyOf": choices}


def members_of(kind: type, atoms: Mapping[Any, Schema]) -> tuple[dict[str, Schema], list[str]]:
    """The members of a dataclass, and the names of those without a default."""
    hints = get_type_hints(kind)
    properties = {each.name: of_type(hints[each.name], atoms) for each in fields(kind)}
    return properties, [each.name for each in fields(kind) if each.default is MISSING]


def words_of(kind: type) -> str:
    """The first paragraph of the docstring, on one line."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
