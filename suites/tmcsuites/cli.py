"""The `tmcspec` command."""

from __future__ import annotations

import io
import sys
import traceback

import click

from tmcspec import __version__
from tmcsuites.frame_command import frame
from tmcsuites.run_command import run
from tmcsuites.trace_commands import check, clauses
from tmcsuites.verdict import ExitStatus


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tmcspec")
def tmcspec() -> None:
    """Taobao message service (TMC): the specification, and the suite that puts clients through it.

    \b
    Example:
      tmcspec run --client "node adapter.js"
    """


tmcspec.add_command(run)
tmcspec.add_command(clauses)
tmcspec.add_command(check)
tmcspec.add_command(frame)


def main() -> None:
    """Runs the command; wrong usage ends with 4, as in pytest, since 2 means interrupted and 1 a broken client."""
    for stream in (sys.stdout, sys.stderr):
        # The specification quotes Chinese, and clients say anything: no terminal is too poor to be told.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(tmcspec.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(ExitStatus.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.USAGE)
    except click.Abort:
        sys.exit(ExitStatus.INTERRUPTED)
    except Exception:  # whatever it is, it is our fault and must not look like the client's, which status 1 would
        traceback.print_exc()
        sys.exit(ExitStatus.SUITE_FAULT)
