"""Files that users name to commands: schedules, plans and counter-examples, which come from anybody and are read up to
a limit, and what is written of a play.
"""

from __future__ import annotations

from pathlib import Path

import click

from tmcspec import trace_file
from tmcspec.trace import Trace

#: Bytes of a file that are read: a plan of the largest size has some 30 MiB.
FILE_LIMIT = 64 * 2**20


def read(path: Path) -> str:
    """The text of a file. Raises UsageError: it cannot be read, is no text, or is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
        text = data.decode()
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path}: no UTF-8 text: {error.reason} at byte {error.start}") from None
    if len(data) > FILE_LIMIT:
        raise click.UsageError(f"{path}: larger than {FILE_LIMIT // 2**20} MiB")
    return text


def write(path: Path, text: str) -> None:
    """Writes a text. Raises UsageError: it cannot be written there."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None


def save_trace(trace: Trace, path: Path) -> None:
    """Writes a trace where `--trace` says. Raises UsageError: it cannot be written there."""
    try:
        trace_file.save(trace, path)
    except OSError as error:
        raise click.UsageError(f"--trace {path}: {error.strerror}") from None
