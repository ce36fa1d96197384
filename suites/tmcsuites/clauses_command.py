"""`tmcspec clauses`: the specification as a list."""

from __future__ import annotations

import json

import click
from rich.console import Console
from rich.table import Table

from tmcspec.clauses import AREAS, CLAUSES
from tmcsuites.report.catalogue import markdown


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
