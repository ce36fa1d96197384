"""Frames as JSON: one form for adapters, golden vectors, traces and the `tmcspec frame` command.

    {"protocolVersion": 2, "messageType": 2, "statusCode": 0, "statusPhrase": null, "flag": 0, "token": "t",
     "content": [["id", {"t": "int64", "v": "9007199254740993"}], ["topic", {"t": "string", "v": "some_topic"}]]}

`content` is a list of pairs, so order and repeated keys survive. 64-bit integers and dates are decimal strings,
because most JSON readers take numbers for doubles and round them beyond 2**53; bytes are lower-case hex.
"""

from __future__ import annotations

import re
from typing import Final

from tmcspec.frame import Field, FieldValue, Frame, ValueType
from tmcspec.frame_values import check_field, show

_TYPE_BY_NAME: Final = {type_.name.lower(): type_ for type_ in ValueType}
_NAME_BY_TYPE: Final = {type_: name for name, type_ in _TYPE_BY_NAME.items()}
_WIDE: Final = (ValueType.INT64, ValueType.DATE)
_DECIMAL: Final = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)

# JSON member -> member of Frame. A member that is not there has the default of Frame; the message type has none.
_MEMBERS: Final = {
    "protocolVersion": "version",
    "messageType": "type",
    "statusCode": "status_code",
    "statusPhrase": "status_phrase",
    "flag": "flag",
    "token": "token",
    "content": "content",
}


class FrameJsonError(ValueError):
    """JSON that is not a frame. The text names the member, the value and what is valid there."""


def to_json(frame: Frame) -> dict[str, object]:
    """The frame as values that `json.dumps` takes. Anomalies are not part of it.

    Example:
        >>> to_json(Frame(type=2))["content"] is None
        True
    """
    content = frame.content
    return {
        "protocolVersion": int(frame.version),
        "messageType": int(frame.type),
        "statusCode": int(frame.status_code),
        "statusPhrase": frame.status_phrase,
        "flag": int(frame.flag),
        "token": frame.token,
        "content": None if content is None else [_pair(item) for item in content],
    }


def _pair(item: Field) -> list[object]:
    key, type_, value = item
    form: object = value
    if type_ in _WIDE:
        form = str(value)
    elif isinstance(value, bytes):
        form = value.hex()
    return [key, {"t": _NAME_BY_TYPE[type_], "v": form}]


def from_json(obj: object) -> Frame:
    """The frame in this form.

    Args:
        obj: what `json.loads` made of the text. Anything may be in it.

    Raises:
        FrameJsonError: it is not a frame.

    Example:
        >>> from_json({"messageType": 2, "content": [["id", {"t": "int64", "v": "7"}]]}).value("id")
        7
    """
    if not isinstance(obj, dict):
        raise FrameJsonError(f"a frame must be an object with the members {', '.join(_MEMBERS)}, not {show(obj)}")
    for name in obj:
        if name not in _MEMBERS:
            raise FrameJsonError(f"unknown member {show(name)}; valid are {', '.join(_MEMBERS)}")
    if "messageType" not in obj:
        raise FrameJsonError(
            "the member messageType is missing; valid are integers from -128 to 255, known types are 0 to 3"
        )
    members = {_MEMBERS[name]: value for name, value in obj.items()}
    if members.get("content") is not None:
        members["content"] = _content(members["content"])
    try:
        return Frame(**members)
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        json_name = next(json_name for json_name, member in _MEMBERS.items() if member == name)
        raise FrameJsonError(f"{json_name} {_in_json_words(rest)}") from None


def _content(items: object) -> tuple[Field, ...]:
    if not isinstance(items, list):
        raise FrameJsonError(
            f'content must be null or a list of pairs [key, {{"t": type, "v": value}}], not {show(items)}'
        )
    return tuple(_field(f"content[{index}]", item) for index, item in enumerate(items))


def _field(where: str, item: object) -> Field:
    match item:
        case [str() | None as key, {"t": name, "v": form, **rest}] if not rest:
            pass
        case _:
            raise FrameJsonError(f'{where} must be a pair [key, {{"t": type, "v": value}}], not {show(item)}')
    if not isinstance(name, str) or name not in _TYPE_BY_NAME:
        raise FrameJsonError(f"{where}.t must be one of {', '.join(_TYPE_BY_NAME)}, not {show(name)}")
    type_ = _TYPE_BY_NAME[name]
    value: FieldValue = form
    if type_ in _WIDE:
        if not isinstance(form, str) or not _DECIMAL.fullmatch(form):
            raise FrameJsonError(
                f'{where}.v must be a decimal string like "-12", for {name} from -2**63 to 2**63 - 1, not {show(form)}'
            )
        value = int(form)
    elif type_ is ValueType.BYTES:
        if not isinstance(form, str) or not _HEX.fullmatch(form):
            raise FrameJsonError(f"{where}.v must be lower-case hex, two digits a byte, not {show(form)}")
        value = bytes.fromhex(form)
    try:
        return check_field((key, type_, value))
    except ValueError as error:
        raise FrameJsonError(f"{where}: {_in_json_words(str(error))}") from None


def _in_json_words(text: str) -> str:
    for word in ("or", "be"):
        text = text.replace(f" {word} None, not ", f" {word} null, not ")
    return text.removesuffix("None") + "null" if text.endswith(", not None") else text
