"""`tmcspec adapter`: tools for who writes an adapter."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from tmcsuites.adapters.child import as_command
from tmcsuites.adapters.contract import Unavailable
from tmcsuites.complaints import complain
from tmcsuites.lint.inspection import Inspection, inspect
from tmcsuites.report.words import counted, line
from tmcsuites.verdict import ExitStatus

STYLES = {"sound": "green", "wrong": "bold red", "noted": "yellow", "skipped": "dim"}


@click.group()
def adapter() -> None:
    """Tools for who writes an adapter.

    \b
    Example:
      tmcspec adapter lint --client "node adapter.js"
    """


@adapter.command("lint")
@click.option("--client", metavar="CMD", required=True, help="The adapter process, spoken to in JSON Lines.")
@click.option(
    "--deadline-factor", type=float, default=1.0, show_default=True, help="Gives the adapter so many times longer."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def lint(client: str, deadline_factor: float, as_json: bool) -> None:
    """Is the adapter itself sound? Asked before a client is judged through it.

    Four processes of it are shown a fake service. Each check says what was sent, what came, and what the contract
    wants. What is noted may be the library's doing, and is judged by the clauses.

    \b
    Exit status: 0 sound, 1 not sound, 2 interrupted, 4 usage, 6 it could not be started or never spoke.

    \b
    Example:
      tmcspec adapter lint --client "node adapter.js"
    """
    if not 0 < deadline_factor < math.inf:
        raise click.UsageError(f"--deadline-factor must be more than 0 and finite, not {deadline_factor}")
    try:
        command = as_command(client)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        inspection = asyncio.run(inspect(command, factor=deadline_factor))
    except Unavailable as error:
        complain(str(error))
        sys.exit(ExitStatus.NOT_MEASURED)
    status = ExitStatus.OK if inspection.sound else ExitStatus.FAILURE
    if as_json:
        click.echo(json.dumps(_report(inspection, status), indent=1))
    else:
        _show(inspection)
    sys.exit(status)


def _report(inspection: Inspection, status: ExitStatus) -> dict[str, Any]:
    info = inspection.info
    client = info and {
        "name": info.name,
        "version": info.version,
        "language": info.language,
        "capabilities": sorted(info.capabilities),
    }
    return {
        "sound": inspection.sound,
        "client": client,
        "checks": [asdict(each) for each in inspection.findings],
        "log": inspection.log,
        "exit_status": int(status),
    }


def _show(inspection: Inspection) -> None:
    console = Console(file=sys.stdout)
    for each in inspection.findings:
        style = STYLES[each.verdict]
        head = line((f"{each.verdict:8}", style), (f"{each.check:16}", "bold"), each.wants)
        console.print(head, soft_wrap=True)
        console.print(line((f"{'':24}sent {each.sent}; came {each.came}", "dim")), soft_wrap=True)
    wrong = [each for each in inspection.findings if each.verdict == "wrong"]
    if wrong and inspection.log.strip():
        console.print("What it wrote for humans, the last of it:", highlight=False)
        for text in inspection.log[-2000:].strip().split("\n"):
            console.print(line(f"  {text.expandtabs()}"), soft_wrap=True)
    told = f"not sound: {counted(len(wrong), 'check')} failed" if wrong else "sound"
    console.print(f"The adapter is {told} (exit status {int(bool(wrong))}).", highlight=False)
