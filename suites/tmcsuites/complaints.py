"""What commands say on standard error when there is nothing to judge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from tmcspec.trace import TraceError
from tmcsuites.adapters.contract import SubjectError
from tmcsuites.chaos.ending import NeverConnected
from tmcsuites.report.words import visible
from tmcsuites.verdict import ExitStatus


def complain(text: str) -> None:
    """Writes a text that may be of a client's making; no terminal obeys it."""
    for line in text.split("\n"):
        click.echo(visible(line.expandtabs()), err=True)


def complain_of_absence(absence: NeverConnected) -> ExitStatus:
    """Says that no client connected, and returns the exit status for that."""
    if absence.excused:
        complain(f"Nothing was judged, since there were faults all the time; {absence}")
        return ExitStatus.NOTHING_RAN
    complain(f"The client could not be measured: {absence}")
    return ExitStatus.NOT_MEASURED


@contextmanager
def not_measured() -> Iterator[None]:
    """Ends the command with exit status 6 when the client cannot be brought to life, or dies; with 4 when what is to be
    played is more than a trace holds.
    """
    try:
        yield
    except SubjectError as error:
        complain(f"The client could not be measured: {error}")
        sys.exit(ExitStatus.NOT_MEASURED)
    except (TraceError, ExceptionGroup) as error:
        # The one from whoever makes something happen, the other from the service, to which it happened.
        full = error.subgroup(TraceError) if isinstance(error, ExceptionGroup) else error
        if full is None:
            raise
        why = full.exceptions[0] if isinstance(full, ExceptionGroup) else full
        complain(f"This cannot be played to its end: {why}")
        sys.exit(ExitStatus.USAGE)
