"""What commands say on standard error when there is nothing to judge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from tmcsuites.adapters.contract import SubjectError
from tmcsuites.report.words import visible
from tmcsuites.verdict import ExitStatus


def complain(text: str) -> None:
    """Writes a text that may be of a client's making; no terminal obeys it."""
    for line in text.split("\n"):
        click.echo(visible(line.expandtabs()), err=True)


@contextmanager
def not_measured() -> Iterator[None]:
    """Ends the command with exit status 6 when the client cannot be brought to life, or dies."""
    try:
        yield
    except SubjectError as error:
        complain(f"The client could not be measured: {error}")
        sys.exit(ExitStatus.NOT_MEASURED)
