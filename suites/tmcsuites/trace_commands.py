"""`tmcspec clauses` and `tmcspec check`: the specification as a list, and a trace judged by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tmcspec import trace_file
from tmcspec.clauses import AREAS, CLAUSES, Judgement, Level, judge_trace
from tmcspec.trace import TraceError
from tmcsuites.report.catalogue import markdown
from tmcsuites.report.console import RESULT_STYLES
from tmcsuites.report.words import describe_finding, line
from tmcsuites.verdict import ExitStatus


@click.command()
@click.option("--area", type=click.Choice(list(AREAS)), help="Only this area.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--markdown", "as_markdown", is_flag=True, help="As a document, with the reasons.")
def clauses(area: str | None, as_json: bool, as_markdown: bool) -> None:
    """The specification as a list: id, level, whom it binds, statement, source.

    \b
    Example:
      tmcspec clauses --area LID
    """
    chosen = [clause for clause in CLAUSES.values() if area in (None, clause.area)]
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown are two ways to write the list; choose one")
    if as_markdown:
        click.echo(markdown(chosen), nl=False)
        return
    if as_json:
        rows = [
            {
                "id": clause.id,
                "level": clause.level.value,
                "binds": clause.binds.value,
                "statement": clause.statement,
                "source": clause.source,
                "rationale": clause.rationale,
            }
            for clause in chosen
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    table = Table("clause", "level", "binds", "statement", "source", show_lines=True)
    for clause in chosen:
        table.add_row(clause.id, clause.level.value, clause.binds.value, clause.statement, clause.source)
    Console().print(table, markup=False)


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(trace: Path, as_json: bool) -> None:
    """Judges a trace file with every clause. Exit status 1 when a MUST was broken, 4 when it is no trace.

    \b
    Example:
      tmcspec check tmcspec-report/traces/test_lid.py.test_ids_are_confirmed_exactly-largest.jsonl
    """
    try:
        judgements = judge_trace(trace_file.load(trace))
    except TraceError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{trace}: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps([_row(each) for each in judgements], indent=1))
    else:
        _show(judgements)
    broken = any(each.violations and each.clause.level is Level.MUST for each in judgements)
    sys.exit(ExitStatus.FAILURE if broken else ExitStatus.OK)


def _row(judgement: Judgement) -> dict[str, object]:
    return {
        "id": judgement.clause.id,
        "level": judgement.clause.level.value,
        "binds": judgement.clause.binds.value,
        "result": judgement.result,
        "exercised": judgement.exercised,
        "violations": [
            {"message": finding.message, "seq": [entry.seq for entry in finding.evidence]}
            for finding in judgement.violations
        ],
    }


def _show(judgements: tuple[Judgement, ...]) -> None:
    """The clauses that came to bear, then each violation, then the count."""
    console = Console()
    for each in judgements:
        if each.exercised:
            style = RESULT_STYLES[each.result]
            console.print(f"{each.clause.id:7} [{style}]{each.result:9}[/] {each.exercised}", highlight=False)
    broken = [each for each in judgements if each.violations]
    for each in broken:
        clause = each.clause
        lines = [line(), line((clause.id, "bold"), f" {clause.level.value.upper()}: {clause.statement}")]
        lines.append(line((f"source: {clause.source}", "dim")))
        for finding in each.violations:
            lines += describe_finding(finding)
        console.print(Text("\n").join(lines), soft_wrap=True)
    exercised = sum(bool(each.exercised) for each in judgements)
    console.print(f"{exercised} of {len(judgements)} clauses exercised, {len(broken)} broken", highlight=False)
