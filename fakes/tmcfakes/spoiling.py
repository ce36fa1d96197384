"""What frame faults make of the bytes of one frame.

Where the codec can write what is wanted, it does; what no correct writer writes is put into the bytes, before the end
of the headers.
"""

from __future__ import annotations

import random
import string as letters
import uuid
from dataclasses import replace
from struct import pack

from tmcfakes.faults import (
    CorruptField,
    FrameFault,
    MissingToken,
    Oversize,
    PublishFlag,
    Truncate,
    UnknownFormat,
    UnknownHeader,
    UnknownType,
    WrongFlag,
    WrongToken,
)
from tmcspec.frame import FieldValue, Frame, FrameError, ValueType, decode, encode, field_head, string
from tmcspec.frame_values import INTEGER_RANGE

#: The key of a field that a fault adds.
ADDED = "added"

#: The end of the headers.
_END = b"\0\0"

_CHARACTERS = letters.ascii_letters + letters.digits

#: How far a wrong flag is from the right one.
_ASTRAY = 1000


def spoil(
    fault: FrameFault, data: bytes, *, luck: random.Random, waiting: int | None = None
) -> tuple[bytes, str] | None:
    """The bytes of a frame after this fault, and in few words what is different.

    Args:
        fault: what happens to it.
        data: the frame.
        luck: where what is different is drawn from.
        waiting: the flag of a publish that waits for its SENDACK; None when none does.

    Returns:
        None when the fault cannot act: it does nothing to bytes, or the frame lacks what it would change.
    """
    match fault:
        case Truncate():
            left = data[: fault.keep] if fault.keep < len(data) else data[:-1]
            return left, f"the first {len(left)} of {len(data)} bytes"
        case UnknownType():
            return data[:1] + bytes([fault.type]) + data[2:], f"type {fault.type}"
        case UnknownHeader():
            return _before_end(data, pack("<H", fault.type)), f"a header of type {fault.type}"
        case UnknownFormat():
            head = field_head(ADDED, ValueType.STRING)[:-1] + bytes([fault.type])
            return _before_end(data, head + pack("<i", 1) + b"x"), f"a field of format {fault.type}"
    try:
        frame = decode(data)
    except FrameError:
        return None
    changed = _changed(fault, frame, luck=luck, waiting=waiting)
    return (encode(changed[0]), changed[1]) if changed else None


def _before_end(data: bytes, added: bytes) -> bytes:
    return data.removesuffix(_END) + added + _END


def _changed(fault: FrameFault, frame: Frame, *, luck: random.Random, waiting: int | None) -> tuple[Frame, str] | None:
    match fault:
        case CorruptField():
            return _corrupted(frame, fault.field, luck)
        case WrongToken():
            return replace(frame, token=str(uuid.UUID(int=luck.getrandbits(128), version=4))), "another token"
        case MissingToken() if frame.token is not None:
            return replace(frame, token=None), "no token"
        case WrongFlag():
            flag = (frame.flag + _ASTRAY) % 2**31
            return replace(frame, flag=flag), f"flag {flag}"
        case PublishFlag():
            flag = 1 if waiting is None else waiting
            return replace(frame, flag=flag), f"flag {flag}"
        case Oversize():
            padding = string(ADDED, "x" * fault.size)
            return replace(frame, content=(*(frame.content or ()), padding)), f"{fault.size} bytes more"
    return None


def _corrupted(frame: Frame, key: str, luck: random.Random) -> tuple[Frame, str] | None:
    """The frame with another value in one of its fields. What a value was is not told: it may be a secret."""
    if frame.get(key) is None and key in ("token", "flag", "status_code"):
        old = getattr(frame, key)
        type_ = ValueType.STRING if key == "token" else ValueType.INT32
        new = _another(old, type_, luck, positive=True) if old else None
        # `replace` knows no members by name at run time.
        changes: dict[str, FieldValue] = {key: new}
        return (replace(frame, **changes), f"another {key}") if new is not None else None  # type: ignore[arg-type]
    content = list(frame.content or ())
    for place, (name, type_, old) in reversed(list(enumerate(content))):
        if name == key and (new := _another(old, type_, luck)) is not None:
            content[place] = (name, type_, new)
            return replace(frame, content=tuple(content)), f"another {key}"
    return None


def _another(old: FieldValue, type_: ValueType, luck: random.Random, *, positive: bool = False) -> FieldValue:
    """Another value of this type and length; None when there is none."""
    new = old
    while new == old:
        if type_ in INTEGER_RANGE:
            low, high = INTEGER_RANGE[type_]
            new = luck.randint(1 if positive else low, high)
        elif isinstance(old, str) and old:
            new = "".join(luck.choices(_CHARACTERS, k=len(old.encode())))
        elif isinstance(old, bytes) and old:
            new = luck.randbytes(len(old))
        else:
            return None
    return new
