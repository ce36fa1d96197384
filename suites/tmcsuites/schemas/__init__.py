"""JSON Schemas (draft 2020-12) of what goes between processes and into files: for writers in any language.

| file | what it describes |
|---|---|
| `adapter-command.json` | a line that an adapter reads |
| `adapter-line.json` | a line that an adapter writes: an answer or an event |
| `instruction.json` | the content of a message that tells a handler what to do |
| `frame.json` | a frame as JSON |
| `trace-line.json` | a line of a trace file |
| `results.json` | the report of a run |
| `faults.json` | a schedule of faults |
| `plan.json` | a plan of a chaotic day |

They are made from the code that reads and writes these things (see `source`), and shipped as files; a test says when
one is out of date, and `python -m tmcsuites.schemas` writes them anew. They say what a reader takes, so members that
nobody knows are allowed wherever later versions may add some.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

NAMES = (
    "adapter-command",
    "adapter-line",
    "instruction",
    "frame",
    "trace-line",
    "results",
    "faults",
    "plan",
)


def text(name: str) -> str:
    """The schema of this name as it is shipped.

    Args:
        name: one of `NAMES`.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in NAMES:
        raise ValueError(f"no schema {name!r}; valid: {', '.join(NAMES)}")
    return files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")


def schema(name: str) -> dict[str, Any]:
    """The same, read.

    Example:
        >>> schema("results")["$id"]
        'urn:tmcspec:schema:results'
    """
    read: dict[str, Any] = json.loads(text(name))
    return read
