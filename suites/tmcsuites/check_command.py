"""`tmcspec check`: a trace judged by the specification."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from tmcspec import trace_file
from tmcspec.clauses import Judgement, Level, judge_trace
from tmcspec.trace import TraceError
from tmcsuites.report.console import RESULT_STYLES
from tmcsuites.report.rows import clause_row, finding_row
from tmcsuites.report.words import describe_judgement, line
from tmcsuites.verdict import ExitStatus

#: The name of standard input.
STDIN: Final = Path("-")


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(trace: Path, as_json: bool) -> None:
    """Judges a trace file with every clause; - is standard input.

    Exit status 1 when a MUST was broken, 4 when it is no trace, 5 when no clause came to bear.

    \b
    Example:
      tmcspec check tmcspec-report/traces/test_lid.py.test_ids_are_confirmed_exactly-largest.jsonl
    """
    try:
        found = trace_file.read(sys.stdin.buffer, name="standard input") if trace == STDIN else trace_file.load(trace)
        judgements = judge_trace(found)
    except TraceError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{trace}: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps([_row(each) for each in judgements], indent=1))
    else:
        _show(judgements)
    broken = any(each.violations and each.clause.level is Level.MUST for each in judgements)
    if broken:
        sys.exit(ExitStatus.FAILURE)
    sys.exit(ExitStatus.OK if any(each.exercised for each in judgements) else ExitStatus.NOTHING_RAN)


def _row(judgement: Judgement) -> dict[str, Any]:
    return clause_row(judgement) | {"violations": [finding_row(each) for each in judgement.violations]}


def _show(judgements: tuple[Judgement, ...]) -> None:
    """The clauses that came to bear, then each violation, then the count."""
    console = Console()
    for each in judgements:
        if each.exercised:
            style = RESULT_STYLES[each.result]
            console.print(f"{each.clause.id:7} [{style}]{each.result:9}[/] {each.exercised}", highlight=False)
    broken = [each for each in judgements if each.violations]
    for each in broken:
        console.print(Text("\n").join([line(), *describe_judgement(each, most=None)]), soft_wrap=True)
    exercised = sum(bool(each.exercised) for each in judgements)
    console.print(f"{exercised} of {len(judgements)} clauses exercised, {len(broken)} broken", highlight=False)
