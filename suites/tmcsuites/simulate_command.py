"""`tmcspec simulate`: one seeded world in virtual time."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from tmcfakes.faults import FaultError, PlannedFault, Schedule
from tmcspec.clauses import CLAUSES, Binds, Judgement, judge_trace
from tmcspec.events import FrameIn, FrameOut, WsIn, WsOut
from tmcspec.trace import Entry, Trace
from tmcsuites.chaos.census import census
from tmcsuites.chaos.counterexample import Drawn
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.ending import early_end, never_connected
from tmcsuites.chaos.fleet import FleetError, clauses_for, subject_of
from tmcsuites.chaos.idle import told_idle
from tmcsuites.chaos.lookout import looking
from tmcsuites.chaos.plan import CLIENT_LIMIT, MESSAGE_LIMIT, SECONDS_LIMIT, Plan, PlanError
from tmcsuites.chaos.play import play
from tmcsuites.chaos.reduce import Cause, reduce, telling
from tmcsuites.chaos.shrink import NotReproduced
from tmcsuites.complaints import complain, complain_of_absence, not_measured
from tmcsuites.files import read, save_trace, write
from tmcsuites.report.rows import clause_row
from tmcsuites.report.words import counted, describe_event, describe_judgement, line, visible
from tmcsuites.verdict import ExitStatus


@click.command()
@click.option("--seed", type=click.IntRange(-(2**63), 2**63 - 1), default=0, show_default=True, help="Decides all.")
@click.option("--hours", type=click.FloatRange(0, SECONDS_LIMIT / 3600, min_open=True), default=24.0, show_default=True)
@click.option(
    "--clients", type=click.IntRange(0, CLIENT_LIMIT), default=4, show_default=True, help="In up to 3 groups."
)
@click.option("--messages", type=click.IntRange(0, MESSAGE_LIMIT), default=4800, show_default=True, help="In all.")
@click.option(
    "--faults", default="none", show_default=True, metavar="none|random|FILE", help="FILE is a schedule (JSON)."
)
@click.option(
    "--client",
    default="reference",
    show_default=True,
    help="reference, mutant:NAME, or python:MODULE:FACTORY, as --python of tmcspec run.",
)
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="Writes down what was to happen.")
@click.option("--trace", "trace_path", type=click.Path(path_type=Path), help="Writes down what happened.")
@click.option(
    "--log",
    count=True,
    help="Prints a line for each event but frames; twice, for those, too. With --json, on standard error.",
)
@click.option(
    "--counter-examples",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("tmcspec-counterexamples"),
    show_default=True,
    help="Where the smallest plan that breaks a MUST goes.",
)
@click.option("--shrink/--no-shrink", "shrinking", default=True, help="Whether to look for it; that takes minutes.")
@click.option(
    "--shrink-for",
    "seconds",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="After so many the smallest found so far is told. Ctrl-C does the same.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines, when all is done; with the story.")
def simulate(
    seed: int,
    hours: float,
    clients: int,
    messages: int,
    faults: str,
    client: str,
    plan_file: Path | None,
    trace_path: Path | None,
    log: int,
    folder: Path,
    shrinking: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """One seeded world in virtual time: a fleet of clients, messages and faults. Tells what happened, and judges it.

    The same arguments give the same trace, byte for byte. Half an hour without faults follows the hours, in which
    everything must come right again. Exit status 1 when a MUST was broken; then the day is made smaller until only the
    cause is left, told as a story, and kept in a file for `tmcspec replay`. 6 when the client could not be measured: it
    never connected, died, or does not keep to the contract; 5 when faults kept it away all the time.

    \b
    Example:
      tmcspec simulate --seed 7 --hours 24 --faults random --trace day.jsonl
    """
    try:
        plan = draw_plan(seed, hours=hours, clients=clients, messages=messages, stormy=faults == "random")
        if faults not in ("none", "random"):
            plan = replace(plan, faults=_faults_of(faults, seed))
        subject = subject_of(client)
    except (PlanError, FleetError) as error:
        raise click.UsageError(str(error)) from None
    if plan_file:
        write(plan_file, plan.dumps())
    logging.getLogger("tmcspec").addHandler(logging.NullHandler())  # what clients log is in the trace
    began = time.perf_counter()
    console = Console(highlight=False)
    # What machines read on standard output is one JSON text.
    listeners = [_logger(Console(highlight=False, stderr=as_json), frames=log > 1)] if log else []
    with not_measured():
        clauses = clauses_for(subject)
        trace = play(plan, subject, listeners=listeners)
    judgements = judge_trace(trace, clauses)
    if trace_path:
        save_trace(trace, trace_path)
    if not as_json:
        _tell(console, plan, judgements, trace, took=time.perf_counter() - began)
    broken = telling(judgements)
    cause = None
    if broken and shrinking:
        drawn = Drawn(seed=seed, hours=hours, clients=clients, messages=messages) if faults == "random" else None
        cause = _cause(plan, broken, client, folder=folder, drawn=drawn, seconds=seconds)
    if as_json:
        click.echo(json.dumps(_report(plan, judgements, trace, cause)))
    elif cause:
        _explain(console, cause)
    if broken:
        sys.exit(ExitStatus.FAILURE)
    absence = never_connected(plan, trace)
    sys.exit(complain_of_absence(absence) if absence else ExitStatus.OK)


def _faults_of(file: str, seed: int) -> tuple[PlannedFault, ...]:
    """The faults of a schedule in a file. Everything else in the world follows from `seed`, so they do as well."""
    if "/" not in file and "." not in file and not Path(file).exists():
        raise click.UsageError(f"--faults is {file!r}; valid: none, random, or the file of a schedule")
    try:
        schedule = Schedule.loads(read(Path(file)))
    except FaultError as error:
        raise click.UsageError(f"{file}: {error}") from None
    if schedule.seed not in (0, seed):
        raise click.UsageError(
            f"{file} has the seed {schedule.seed}, and one seed decides all of a world: pass --seed {schedule.seed}, "
            "or leave it out of the file"
        )
    return schedule.faults


def _cause(
    plan: Plan, found: Sequence[Judgement], client: str, *, folder: Path, drawn: Drawn | None, seconds: float
) -> Cause | None:
    """Makes the day smaller until only the cause is left. None when the same day is a good one now, which is said.

    Args:
        plan: the day.
        found: what was broken, the most telling first.
        client: its name.
        folder: where the smallest plan goes.
        drawn: how the day was drawn.
        seconds: after so many the smallest so far will do.
    """
    broken, *others = found
    clause = broken.clause.id
    with not_measured(), looking(Console(stderr=True), write=complain) as progress:
        try:
            return reduce(
                plan,
                clause,
                client,
                folder=folder,
                others=[each.clause.id for each in others if each.clause.binds is Binds.CLIENT],
                drawn=drawn,
                seconds=seconds,
                progress=progress,
                interrupted=_interrupted,
            )
        except OSError as error:
            raise click.UsageError(f"--counter-examples {folder}: {error.strerror}") from None
        except NotReproduced:
            complain(f"{clause} was broken once and not again: the client is not deterministic. At first:")
            complain("\n".join(each.plain for each in describe_judgement(broken)))
            return None


def _interrupted(file: Path) -> None:
    complain(f"Interrupted. The smallest plan so far is kept: {file}; its story follows (Ctrl-C again ends at once).")


def _explain(console: Console, cause: Cause) -> None:
    """Tells the cause as a story."""
    cut = f", and {cause.cut}: there may be a smaller one" if cause.cut else ""
    told = ["", f"The smallest plan found, of {cause.tried} tried{cut}: {cause.file}", *cause.story]
    console.print(Text("\n".join(visible(each) for each in told)), soft_wrap=True)


class _logger:
    """Prints entries as they happen, one a line."""

    def __init__(self, console: Console, *, frames: bool) -> None:
        self._console = console
        self._frames = frames

    def __call__(self, entry: Entry) -> None:
        if self._frames or not isinstance(entry.event, FrameIn | FrameOut | WsIn | WsOut):
            self._console.print(line(f"{entry.time:12.3f} s  {describe_event(entry)}"), soft_wrap=True)


def _report(plan: Plan, judgements: Sequence[Judgement], trace: Trace, cause: Cause | None) -> dict[str, Any]:
    early = early_end(plan, trace)
    return {
        "seed": plan.seed,
        "seconds": plan.seconds,
        "ended": early.to_json() if early else None,
        "clients": len(plan.clients),
        "planned_faults": len(plan.faults),
        "entries": len(trace.entries),
        "messages": census(trace).to_json(),
        "clauses": [clause_row(each) | {"violations": len(each.violations)} for each in judgements],
        "counterexample": cause
        and {
            "clause": cause.example.clause,
            "file": str(cause.file),
            "tried": cause.tried,
            "exhausted": cause.exhausted,
            "story": list(cause.story),
        },
    }


def _tell(console: Console, plan: Plan, judgements: Sequence[Judgement], trace: Trace, *, took: float) -> None:
    counts = census(trace)
    groups = counted(len({each.group for each in plan.clients}) or 1, "group")
    lines = [
        line(
            f"seed {plan.seed}: {plan.seconds / 3600:g} h, {counted(len(plan.clients), 'client')} in {groups}, "
            f"{counted(counts.produced, 'message')}, {counted(len(plan.faults), 'fault')}"
        )
    ]
    if early := early_end(plan, trace):
        lines.append(line((str(early), "yellow"), "; what was to come later did not happen, nor did the quiet"))
    lines += [
        line(
            f"messages: {counts.settled} settled, {counts.expired} expired, {counts.left} left; handed out "
            f"{counts.handed} times, {counts.recovered} recovered, {counts.duplicated} handled more than once"
        ),
        line(f"connections: {counts.connections}, and {counted(counts.attempts, 'attempt')} in vain"),
    ]
    if counts.faults:
        acted = ", ".join(f"{name} {count}" for name, count in counts.faults.items())
        lines.append(line(f"faults: {acted}"))
    if unseen := told_idle(plan, trace):
        lines.append(line(unseen))
    broken = [each for each in judgements if each.violations]
    for each in broken:
        lines += [line(), *describe_judgement(each)]
    exercised = sum(bool(each.exercised) for each in judgements)
    lines.append(
        line(
            f"{exercised} of {len(CLAUSES)} clauses exercised, {len(broken)} broken; "
            f"{counted(len(trace.entries), 'event')} in {took:.1f} s"
        )
    )
    console.print(Text("\n").join(lines), soft_wrap=True)
