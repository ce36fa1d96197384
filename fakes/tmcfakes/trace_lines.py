"""Pieces of a trace file, while the run still goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from tmcspec import trace_file
from tmcspec.trace import Entry, Trace, TraceError


def header_line(conditions: Trace, *, forgotten: int = 0) -> str:
    """The header line of a trace.

    Args:
        conditions: the trace; its entries do not matter.
        forgotten: how many entries before the first one are not there any more.
    """
    line = next(trace_file.dump(replace(conditions, entries=())))
    return json.dumps(json.loads(line) | {"forgotten": forgotten}, separators=(",", ":")) if forgotten else line


def entry_lines(conditions: Trace, entries: Sequence[Entry]) -> list[str]:
    """The lines of some entries of a trace. One that no trace file can hold is left out."""
    try:
        return list(trace_file.dump(replace(conditions, entries=tuple(entries))))[1:]
    except TraceError:
        if len(entries) == 1:
            return []
        return [line for entry in entries for line in entry_lines(conditions, [entry])]
