"""`tmcspec replay`: a saved counter-example once more."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from tmcspec.clauses import CLAUSES, Judgement, Level, judge_trace
from tmcspec.frame_values import show
from tmcsuites.chaos.counterexample import CounterExample, CounterExampleError, load
from tmcsuites.chaos.ending import EarlyEnd, early_end, never_connected
from tmcsuites.chaos.fleet import REFERENCE, FleetError, clauses_for, is_code, subject_of
from tmcsuites.chaos.plan import Plan, PlanError
from tmcsuites.chaos.play import play
from tmcsuites.chaos.story import story
from tmcsuites.complaints import complain_of_absence, not_measured
from tmcsuites.files import read, save_trace
from tmcsuites.report.rows import finding_row
from tmcsuites.report.words import visible
from tmcsuites.verdict import ExitStatus


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--client", help="Another client than the file names; as of simulate.")
@click.option("--trace", "trace_path", type=click.Path(path_type=Path), help="Writes down what happened.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def replay(file: Path, client: str | None, trace_path: Path | None, as_json: bool) -> None:
    """Runs a saved counter-example again, and tells its story. FILE may also be a plan, which every clause judges.

    Exit status: 1 when the clause is still broken (of a plan, any MUST), 0 when it is not any more, 4 when FILE is no
    counter-example, 6 when the client could not be measured, and 5 when faults kept it away all the time.

    \b
    Example:
      tmcspec replay ACK-2.json
    """
    try:
        found = load(read(file))
        example = found if isinstance(found, CounterExample) else None
        who = client or (example.client if example else REFERENCE)
        if client is None and is_code(who):
            raise FleetError(
                f"it was found with {show(who)}, and code that a file names is not run; name the client with --client"
            )
        subject = subject_of(who)
    except (CounterExampleError, PlanError, FleetError) as error:
        raise click.UsageError(f"{file}: {visible(str(error))}") from None
    plan = found.plan if isinstance(found, CounterExample) else found
    logging.getLogger("tmcspec").addHandler(logging.NullHandler())  # what clients log is in the trace
    with not_measured():
        clauses = [CLAUSES[example.clause]] if example else clauses_for(subject)
        trace = play(plan, subject)
    judgements = [each for each in judge_trace(trace, clauses) if each.violations]
    if trace_path:
        save_trace(trace, trace_path)
    broken = any(example or each.clause.level is Level.MUST for each in judgements)
    early = early_end(plan, trace)
    absence = None if broken else never_connected(plan, trace)
    lines = story(plan, trace, judgements, again=_again(example, file, client))
    if as_json:
        click.echo(json.dumps(_report(example, who, plan, judgements, lines, early, broken=broken), indent=1))
    else:
        ended = [f"The world {early}."] if early else []
        verdict = [] if absence else [_verdict(example, who, broken=broken)]
        click.echo("\n".join([*lines, "", *ended, *verdict]))
    if absence:
        sys.exit(complain_of_absence(absence))
    sys.exit(ExitStatus.FAILURE if broken else ExitStatus.OK)


def _again(example: CounterExample | None, file: Path, client: str | None) -> list[str]:
    """The commands that show it again, with the client that it was shown with."""
    if example and client in (None, example.client):
        return example.commands(str(file))
    return [shlex.join(["tmcspec", "replay", str(file), *(["--client", client] if client else [])])]


def _verdict(example: CounterExample | None, who: str, *, broken: bool) -> str:
    if example is None:
        return visible(f"{who} breaks {'a MUST' if broken else 'no MUST'}.")
    return visible(f"{example.clause} is {'still broken' if broken else 'fixed: not broken any more'} ({who}).")


def _report(
    example: CounterExample | None,
    who: str,
    plan: Plan,
    judgements: Sequence[Judgement],
    lines: Sequence[str],
    early: EarlyEnd | None,
    *,
    broken: bool,
) -> dict[str, Any]:
    return {
        "clause": example.clause if example else None,
        "client": who,
        "broken": broken,
        "ended": early.to_json() if early else None,
        "violations": [
            {"clause": each.clause.id} | finding_row(finding) for each in judgements for finding in each.violations
        ],
        "plan": plan.to_json(),
        "story": list(lines),
    }
