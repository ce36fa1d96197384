"""Where each schema comes from."""

from __future__ import annotations

import json
from collections.abc import Callable

from tmcsuites.schemas.adapters import adapter_command, adapter_line, instruction_content
from tmcsuites.schemas.frames import frame_document
from tmcsuites.schemas.parts import Schema
from tmcsuites.schemas.plans import fault_schedule, plan
from tmcsuites.schemas.reports import results
from tmcsuites.schemas.traces import trace_line

SOURCES: dict[str, Callable[[], Schema]] = {
    "adapter-command": adapter_command,
    "adapter-line": adapter_line,
    "instruction": instruction_content,
    "frame": frame_document,
    "trace-line": trace_line,
    "results": results,
    "faults": fault_schedule,
    "plan": plan,
}


def written(name: str) -> str:
    """The text of a schema as it should be shipped.

    Raises:
        KeyError: there is none of this name.
    """
    return json.dumps(SOURCES[name](), ensure_ascii=False, indent=1) + "\n"
