"""Answers of the HTTP gateway: written as JSON or XML by a service, read as JSON by a client.

    JSON        {"tmc_messages_consume_response": {"messages": {"tmc_message": [{"id": 7, …}]}, "request_id": "…"}}
    simplified  {"messages": [{"id": 7, …}], "request_id": "…"}
    XML         <tmc_messages_consume_response><messages list="true"><tmc_message><id>7</id>…
    failure     {"error_response": {"code": 25, "msg": "Invalid signature", "request_id": "…"}}, XML alike

The envelope is the name of the API without `taobao.`, dots turned to underscores, and `_response`. A list sits in a
wrapper. 64-bit ids are JSON numbers, which is how readers that know only doubles lose digits (S62). Observed: the
fixture of a published Node client is a recorded answer, and published clients in several languages read these shapes.

Inferred: that the simplified form drops envelope and list wrappers, and keeps `error_response` (a published Go client
asks for it and reads it so); and `list="true"`. Where a list is empty, its wrapper is an empty object (seen in an
answer of another API of the gateway; two published consumers rely on it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, Literal, TypeAlias

from tmcspec.frame_values import show
from tmcspec.top_failures import Failure

Format: TypeAlias = Literal["json", "xml"]

#: Inferred; no published client looks.
CONTENT_TYPES: Final[dict[Format, str]] = {
    "json": "text/javascript;charset=UTF-8",
    "xml": "text/xml;charset=UTF-8",
}

#: Deeper answers are refused. A list of messages is five deep, and reading must not depend on how much stack is left.
DEPTH_LIMIT: Final = 32

_DECLARATION = '<?xml version="1.0" encoding="utf-8" ?>'
_ERROR = "error_response"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A carriage return is escaped because every XML reader takes a bare one for a line feed.
_XML_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


class TopError(ValueError):
    """Bytes that are no answer of the gateway. The text says what is wrong, and is short whatever came."""


def render(api: str, result: Mapping[str, object], *, format: Format, simplify: bool, request_id: str) -> bytes:
    """A success.

    Args:
        api: the name of the API that was called.
        result: what it answers, in full form: text, whole numbers, booleans, objects, and lists, each as the only
            member of a wrapper, like `{"messages": {"tmc_message": […]}}`.
        format: JSON, or XML. What XML 1.0 cannot carry (control characters, lone surrogates) becomes U+FFFD there; in
            JSON, lone surrogates are escaped and survive.
        simplify: without envelope and wrappers; means nothing in XML.
        request_id: comes last, beside the members of `result`.

    Raises:
        ValueError: a name is not made of ASCII letters, digits and underscores, or a value is none of the above.

    Example:
        >>> render("taobao.tmc.messages.confirm", {"is_success": True}, format="json", simplify=False, request_id="r")
        b'{"tmc_messages_confirm_response":{"is_success":true,"request_id":"r"}}'
    """
    name = api.removeprefix("taobao.").replace(".", "_")
    envelope = name + "_response"
    if envelope == _ERROR or not _NAME.fullmatch(name):
        raise ValueError(f"an API is named like taobao.tmc.messages.consume, not {show(api)}")
    members = {**result, "request_id": request_id}
    if format == "xml":
        return _xml(envelope, members)
    rendered = {name: _json_value(name, value, simplify) for name, value in members.items()}
    return _json(rendered if simplify else {envelope: rendered})


def render_failure(failure: Failure, *, format: Format, request_id: str) -> bytes:
    """A failure. It has the same form whether simplified answers were asked for or not.

    Args:
        failure: what went wrong; a member that is None is left out.
        format: JSON, or XML, in which U+FFFD stands for what XML 1.0 cannot carry.
        request_id: comes last.
    """
    told = {
        "code": failure.code,
        "msg": failure.msg,
        "sub_code": failure.sub_code,
        "sub_msg": failure.sub_msg,
        "request_id": request_id,
    }
    members = {name: value for name, value in told.items() if value is not None}
    return _xml(_ERROR, members) if format == "xml" else _json({_ERROR: members})


def read_answer(body: bytes, *, simplified: bool = False) -> Mapping[str, Any] | Failure:
    """What a JSON answer says: the object in the envelope, or the failure. Whole numbers are exact.

    The envelope may have any name, as in the official Java client: the first member that is an object. That one takes
    an answer without any for an empty success; here only `{}` is one, because a message that somebody else put in the
    gateway's place must not look like "no messages". A pair of lone surrogates comes back as the character they make.

    Args:
        body: of the HTTP answer. The caller bounds its length.
        simplified: whether `simplify` was asked for, so that there is no envelope.

    Raises:
        TopError: not UTF-8, not JSON, a number that no double holds, no object, no envelope, nested deeper than
            DEPTH_LIMIT, or an `error_response` whose members are not what they should be.

    Example:
        >>> read_answer(b'{"tmc_messages_confirm_response":{"is_success":true}}')
        {'is_success': True}
    """
    root = _parse(body)
    if _ERROR in root:
        return _failure(root[_ERROR])
    if simplified or not root:
        return root
    for value in root.values():
        if isinstance(value, dict):
            return value
    raise TopError(f"no member of the answer is an object, so it has no envelope: {show(body)}")


def read_list(answer: Mapping[str, object], wrapper: str, item: str) -> list[Any]:
    """The list in an answer, in its wrapper or, simplified, without. An empty one may be absent or an empty object.

    Args:
        answer: what `read_answer` gave.
        wrapper: the name of the member, like `messages`.
        item: the name of the list in it, like `tmc_message`.

    Raises:
        TopError: there is something else.

    Example:
        >>> read_list({"messages": {"tmc_message": [{"id": 7}]}}, "messages", "tmc_message")
        [{'id': 7}]
    """
    value = found = answer.get(wrapper)
    if found is None or found == {}:
        return []
    if isinstance(found, dict):
        value = found.get(item)
    if not isinstance(value, list):
        raise TopError(f"{wrapper} must be a list, or an object with a list {item}, not {show(found)}")
    return value


def _json(document: object) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate is written as its JSON escape: UTF-8 has no other way to say it.
    return text.encode(errors="backslashreplace")


def _json_value(name: str, value: object, simplify: bool) -> object:
    _check_name(name)
    match value:
        case bool() | int() | str():
            return value
        case Mapping():
            if (wrapped := _wrapped(value)) is None:
                return {name: _json_value(name, value, simplify) for name, value in value.items()}
            item, values = wrapped
            rendered = [_json_value(item, value, simplify) for value in values]
            if simplify:
                return rendered
            return {item: rendered} if rendered else {}
    raise _unwritable(name, value)


def _xml(envelope: str, members: Mapping[str, object]) -> bytes:
    return (_DECLARATION + _element(envelope, members)).encode()


def _element(name: str, value: object) -> str:
    _check_name(name)
    attributes = ""
    match value:
        case bool():
            text = "true" if value else "false"
        case int():
            text = str(value)
        case str():
            text = _NOT_IN_XML.sub("\ufffd", value).translate(_XML_ESCAPES)
        case Mapping():
            if (wrapped := _wrapped(value)) is None:
                text = "".join(_element(name, value) for name, value in value.items())
            else:
                attributes = ' list="true"'
                item, values = wrapped
                text = "".join(_element(item, value) for value in values)
        case _:
            raise _unwritable(name, value)
    return f"<{name}{attributes}>{text}</{name}>"


def _wrapped(members: Mapping[str, object]) -> tuple[str, list[object] | tuple[object, ...]] | None:
    """The name and the values of the list that this is the wrapper of; None when it is not one."""
    if len(members) == 1:
        [(item, values)] = members.items()
        if isinstance(values, list | tuple):
            return item, values
    return None


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"a member is named with ASCII letters, digits and underscores, not {show(name)}")


def _unwritable(name: str, value: object) -> ValueError:
    return ValueError(
        f"{name} must be text, a whole number, a boolean, an object, or a list that is the only member of an object; "
        f"not {show(value)}"
    )


def _parse(body: bytes) -> dict[str, Any]:
    try:
        root = json.loads(body.decode(), parse_constant=_finite, parse_float=_finite)
        too_deep = _is_too_deep(root)
    except RecursionError:
        too_deep = True
    except ValueError as error:
        raise TopError(f"not a JSON answer: {error}; it begins {show(body)}") from None
    if too_deep:
        raise TopError(f"an answer is nested at most {DEPTH_LIMIT} deep; this one begins {show(body)}")
    if not isinstance(root, dict):
        raise TopError(f"an answer is a JSON object, not {show(root)}")
    return root


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{show(text)} is no number")
    return number


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = [each for each in inner if isinstance(each, dict | list)]
    return bool(level)


def _failure(envelope: object) -> Failure:
    if not isinstance(envelope, dict):
        raise TopError(f"{_ERROR} must be an object, not {show(envelope)}")
    msg = envelope.get("msg")
    try:
        return Failure(
            code=envelope.get("code"),  # type: ignore[arg-type]  # Failure looks
            msg="" if msg is None else msg,
            sub_code=envelope.get("sub_code"),
            sub_msg=envelope.get("sub_msg"),
        )
    except ValueError as error:
        raise TopError(f"{_ERROR}: {error}") from None
