"""The trace file: JSON Lines in UTF-8, a header line, then one event a line.

64-bit ids are decimal strings, because JSON readers round numbers above 2^53 (S62); bytes are lowercase hex; members
keep the order of their declaration, so the same trace always gives the same bytes. A frame is written beside its bytes
for people to read, and read back from the bytes alone. Unknown members are ignored, so that later versions may add
some.

Reading treats the file as hostile: every refusal is a `TraceError` that names the line. What could not be read back is
not written either.

Text that UTF-8 cannot write, a lone surrogate, is written as its JSON escape and survives; two that make a pair come
back as the character they make, as in every JSON reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, BinaryIO, Union, get_args, get_origin, get_type_hints

from tmcspec import __version__
from tmcspec.events import EVENTS, ID_LIMIT, Event, Id
from tmcspec.frame import Frame
from tmcspec.frame_json import to_json
from tmcspec.frame_values import show
from tmcspec.json_text import RepeatedMember, unique
from tmcspec.timing import CONFIRM_TIMEOUT
from tmcspec.trace import INTEGER_LIMIT, TIME_LIMIT, Entry, Trace, TraceError, World

TRACE_VERSION = 1

#: A longer line, in bytes, is refused. The fake service takes messages of 8 MiB: 16 MiB of hex and, when all of it is
#: control characters, 48 MiB of JSON.
LINE_LIMIT = 72 * 1024 * 1024


def save(trace: Trace, path: Path) -> None:
    """Writes `trace` to `path`.

    Raises:
        TraceError: an entry holds what could not be read back.
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in dump(trace))


def load(path: Path) -> Trace:
    """Reads the trace in `path`.

    Raises:
        TraceError: a line is not a valid event; the message names file, line, member and value.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return read(file, name=str(path))


def read(file: BinaryIO, *, name: str) -> Trace:
    """Reads a trace from a file that is open, or a pipe. Raises TraceError, which begins with `name`."""
    try:
        return parse(iter(lambda: file.readline(LINE_LIMIT + 1), b""))
    except TraceError as error:
        raise TraceError(f"{name}: {error}") from error


def dump(trace: Trace) -> Iterator[str]:
    """The lines of a trace file, without line ends.

    Raises:
        TraceError: an entry holds what could not be read back.
    """
    header = {
        "trace": TRACE_VERSION,
        "tmcspec": __version__,
        "seed": trace.seed,
        "epoch_ms": trace.epoch_ms,
        "world": trace.world,
        "handlers": trace.handlers,
        "patience": float(trace.patience),
        "client_clock": trace.client_clock,
    }
    yield _line(header)
    for entry in trace.entries:
        try:
            yield _line(entry_to_json(entry))
        except TraceError as error:
            raise TraceError(f"entry {entry.seq}: {error}") from error


def parse(lines: Iterable[bytes | str]) -> Trace:
    """Reads the lines of a trace file, header first. Raises TraceError."""
    trace: Trace | None = None
    entries: list[Entry] = []
    number = 1
    try:
        for number, line in enumerate(lines, 1):  # noqa: B007 - the handler below names it
            members = _object(line)
            if trace is None:
                trace = _trace_from_header(members)
                continue
            entry = entry_from_json(members)
            if entries:
                entry.check_follows(entries[-1])
            entries.append(entry)
        if trace is None:
            raise TraceError(f'the file is empty; a trace begins with {{"trace": {TRACE_VERSION}, …}}')
    except TraceError as error:
        raise TraceError(f"line {number}: {error}") from error
    return replace(trace, entries=tuple(entries))


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """The JSON object of one line. Raises TraceError when it could not be read back."""
    name = entry.event.word
    if name not in _MEMBERS:
        raise TraceError(f"trace files have no event {name!r}; known events: {', '.join(sorted(EVENTS))}")
    line: dict[str, Any] = {"seq": entry.seq, "time": _float(entry.time), "event": name}
    for member, choices, _ in _MEMBERS[name]:
        value = getattr(entry.event, member)
        if bytes in choices:
            line["hex"] = value.hex()
        elif Frame in choices:
            line[member] = value and to_json(value)
        else:
            form = _form(value, choices)
            read = _take({member: form}, member, choices)
            line[member] = read if isinstance(read, float) else form
    return line


def _form(value: Any, choices: tuple[Any, ...]) -> Any:
    """The value as JSON has it."""
    if isinstance(value, tuple):
        return [list(each) if isinstance(each, tuple) else each for each in value]
    return str(value) if isinstance(value, int) and Id in choices else value


def entry_from_json(line: dict[str, Any]) -> Entry:
    """The entry of one line. Raises TraceError naming the member, its value and what would be valid."""
    name = line.get("event")
    kind = EVENTS.get(name) if isinstance(name, str) else None
    if kind is None:
        found = _shown(name) if "event" in line else "missing"
        raise TraceError(f'"event" is {found}; known events: {", ".join(sorted(EVENTS))}')
    values: dict[str, Any] = {}
    for member, choices, default in _MEMBERS[kind.word]:
        if bytes in choices:
            values[member] = _bytes(line)
        elif Frame not in choices:
            values[member] = _take(line, member, choices, default)
    return Entry(seq=_take(line, "seq", (int,)), time=_take(line, "time", (float,)), event=kind(**values))


def _trace_from_header(header: dict[str, Any]) -> Trace:
    version = header.get("trace")
    if _read_int(version) != TRACE_VERSION:
        raise TraceError(
            f'not a trace header this version reads: "trace" is {_shown(version)} instead of {TRACE_VERSION}'
        )
    return Trace(
        entries=(),
        world=_take(header, "world", (World,), "recorded"),
        handlers=_take(header, "handlers", (bool,), False),
        patience=_take(header, "patience", (float,), CONFIRM_TIMEOUT),
        client_clock=_take(header, "client_clock", (bool,), True),
        seed=_take(header, "seed", (int, type(None)), None),
        epoch_ms=_take(header, "epoch_ms", (int,), 0),
    )


def _choices(shape: Any) -> tuple[Any, ...]:
    """What a member of type `shape` may be: the parts of a union, or the type itself."""
    return get_args(shape) if get_origin(shape) in (Union, UnionType) else (shape,)


def _read_members(kind: type[Event]) -> tuple[tuple[str, tuple[Any, ...], Any], ...]:
    """What is kept behind a property is written under the name of the property."""
    hints = get_type_hints(kind)
    return tuple((member.name.lstrip("_"), _choices(hints[member.name]), member.default) for member in fields(kind))


#: (name, what it may be, default) of each member of each event, by event name.
_MEMBERS = {name: _read_members(kind) for name, kind in EVENTS.items()}


def _take(line: dict[str, Any], name: str, choices: tuple[Any, ...], default: Any = MISSING) -> Any:
    value = line.get(name, MISSING)
    if value is MISSING:
        if default is MISSING:
            raise TraceError(f'"{name}" is missing; valid: {_described(choices)}')
        return default
    for choice in choices:
        accepted = _READERS[choice](value) if choice in _READERS else _literal(choice, value)
        if accepted is not MISSING:
            return accepted
    raise TraceError(f'"{name}" is {_shown(value)}; valid: {_described(choices)}')


def _literal(choice: Any, value: object) -> Any:
    return value if value in get_args(choice) else MISSING


def _read_id(value: object) -> Any:
    # int() alone would accept underscores, spaces and other scripts' digits, and takes its time for long ones.
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return Id(int(value))
    return MISSING


def _read_int(value: object) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        return value
    return MISSING


def _read_float(value: object) -> Any:
    # The comparison also leaves out NaN and Infinity, which the JSON reader of Python lets in.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < TIME_LIMIT:
        return _float(value)
    return MISSING


def _read_bool(value: object) -> Any:
    return value if isinstance(value, bool) else MISSING


def _read_str(value: object) -> Any:
    return value if isinstance(value, str) else MISSING


def _read_none(value: object) -> Any:
    return None if value is None else MISSING


def _read_strings(value: object) -> Any:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    return MISSING


def _read_pairs(value: object) -> Any:
    if not isinstance(value, list):
        return MISSING
    pairs = [_read_strings(each) for each in value]
    return tuple(pairs) if all(pair is not MISSING and len(pair) == 2 for pair in pairs) else MISSING


_DECIMAL = re.compile(rf"-?[0-9]{{1,{len(str(ID_LIMIT)) - 1}}}")

_READERS: dict[Any, Callable[[object], Any]] = {
    Id: _read_id,
    int: _read_int,
    float: _read_float,
    str: _read_str,
    bool: _read_bool,
    type(None): _read_none,
    tuple[str, ...]: _read_strings,
    tuple[tuple[str, str], ...]: _read_pairs,
}

_NAMES: dict[Any, str] = {
    Id: "a decimal string of at most twenty digits",
    int: "a signed 64-bit integer",
    float: "a number between -2^53 and 2^53",
    str: "a string",
    bool: "true or false",
    type(None): "null",
    tuple[str, ...]: "an array of strings",
    tuple[tuple[str, str], ...]: "an array of pairs of strings",
}


def _described(choices: tuple[Any, ...]) -> str:
    return " or ".join(
        _NAMES.get(choice) or ", ".join(json.dumps(value) for value in get_args(choice)) for choice in choices
    )


def _shown(value: object) -> str:
    """The value, as JSON has it, for an error message."""
    return json.dumps(value) if value is None or isinstance(value, bool) else show(value)


def _float(value: float) -> float:
    """One form for equal numbers: 1.0 for 1, 0.0 for -0.0."""
    return float(value) + 0.0


def _bytes(line: dict[str, Any]) -> bytes:
    digits = _take(line, "hex", (str,))
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise TraceError(f'"hex" is {show(digits)}; valid: an even number of hexadecimal digits') from None


# JSON allows these in strings. But some readers end a line at some of them, terminals obey others, and UTF-8 has no
# surrogates.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _line(members: dict[str, Any]) -> str:
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _object(line: bytes | str) -> dict[str, Any]:
    if len(line) > LINE_LIMIT:
        raise TraceError(f"longer than {LINE_LIMIT} bytes")
    try:
        text = line.decode() if isinstance(line, bytes) else line
        value = json.loads(text, object_pairs_hook=unique)
    except RepeatedMember as error:
        raise TraceError(str(error)) from None
    except json.JSONDecodeError as error:
        # Its own text counts lines within this one.
        raise TraceError(f"not JSON: {error.msg}, at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise TraceError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise TraceError(f"a JSON object is expected, not {_shown(value)}")
    return value
