"""The `tmcspec` command."""

from __future__ import annotations

import importlib
import io
import sys
import traceback
from collections import UserDict
from typing import Any, Literal, NoReturn

import click

from tmcfakes.collector import calm
from tmcspec import __version__

MODULES = {
    "adapter": "tmcsuites.adapter_command",
    "check": "tmcsuites.check_command",
    "clauses": "tmcsuites.clauses_command",
    "frame": "tmcsuites.frame_command",
    "replay": "tmcsuites.replay_command",
    "run": "tmcsuites.run_command",
    "serve": "tmcsuites.serve_command",
    "simulate": "tmcsuites.simulate_command",
    "vectors": "tmcsuites.vectors_command",
}


class _Commands(UserDict[str, Any]):
    """Commands by name, or the modules they are in: each is imported when it is asked for, because a service that is
    to start need not wait until a test suite is loaded.
    """

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        return getattr(importlib.import_module(found), name) if isinstance(found, str) else found


@click.group(commands=_Commands(MODULES), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tmcspec")
def tmcspec() -> None:
    """Taobao message service (TMC): the specification, a fake service, and the suite that puts clients through it.

    \b
    Example:
      tmcspec run --client "node adapter.js"
    """


def main() -> None:
    """Runs the command; wrong usage ends with 4, as in pytest, since 2 means interrupted and 1 a broken client."""
    for stream in (sys.stdout, sys.stderr):
        # The specification quotes Chinese, and clients say anything: no terminal is too poor to be told.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    calm()
    try:
        sys.exit(tmcspec.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        _exit("USAGE")
    except click.ClickException as error:
        error.show()
        _exit("USAGE")
    except click.Abort:
        _exit("INTERRUPTED")
    except Exception:  # whatever it is, it is our fault and must not look like the client's, which status 1 would
        traceback.print_exc()
        _exit("SUITE_FAULT")


def _exit(status: Literal["USAGE", "INTERRUPTED", "SUITE_FAULT"]) -> NoReturn:
    from tmcsuites.verdict import ExitStatus  # with the clauses and all, so only when it is needed

    sys.exit(ExitStatus[status])
