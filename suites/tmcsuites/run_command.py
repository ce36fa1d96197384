"""`tmcspec run`: puts a client through the conformance suite."""

from __future__ import annotations

import math
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import click
from rich.console import Console

from tmcspec.clauses import AREAS
from tmcsuites import known_failing
from tmcsuites.adapters.bare import BareSubject
from tmcsuites.adapters.child import as_command
from tmcsuites.adapters.container import BareContainerSubject, ContainerSubject
from tmcsuites.adapters.contract import SubjectError
from tmcsuites.adapters.engine import LOOPBACK, prepare
from tmcsuites.adapters.process import ProcessSubject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.complaints import complain
from tmcsuites.imported import ImportFailed, factory_of
from tmcsuites.known_failing import KnownFailing, KnownFailingError
from tmcsuites.known_failing_update import Draft
from tmcsuites.progress import RunEvent, RunFinished
from tmcsuites.report.console import ConsoleReport
from tmcsuites.report.results import ResultsReport
from tmcsuites.report.words import visible
from tmcsuites.selection import LEVELS, Selection, SelectionError
from tmcsuites.session import Session
from tmcsuites.verdict import ExitStatus
from tmcsuites.worlds import Setting, SubjectFactory, WorldName, look_at

#: More processes than this are no help to anybody.
MAX_JOBS = 64


def _jobs(context: click.Context, option: click.Parameter, value: str) -> int:
    if value == "auto":
        # Live cases mostly wait.
        return _cores() + 2
    if not value.isdecimal() or not 0 < int(value) <= MAX_JOBS:
        raise click.BadParameter(f"{value!r} is neither a number from 1 to {MAX_JOBS} nor 'auto'")
    return int(value)


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--client", metavar="CMD", help="An adapter process, spoken to in JSON Lines.")
@click.option("--bare", metavar="CMD", help="A program without adapter that reads the TMC_* variables.")
@click.option("--image", metavar="IMAGE", help="A container image whose program is such an adapter.")
@click.option("--bare-image", metavar="IMAGE", help="A container image whose program reads the TMC_* variables.")
@click.option(
    "--python", metavar="MODULE:FACTORY", help="A factory of a client in this process, called with wall_clock and rng."
)
@click.option(
    "--area",
    "areas",
    multiple=True,
    metavar="AREA",
    help=f"Only cases and clauses of this area: {', '.join(AREAS)}. Areas and clauses add up.",
)
@click.option(
    "--clause",
    "clauses",
    multiple=True,
    metavar="ID",
    help="Only this clause, as LID-1, and the cases about it. Repeatable.",
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    metavar="ID",
    help="Only this case, by its id in the report, or a module of them, or a name without [..]. Repeatable.",
)
@click.option("--level", type=click.Choice(list(LEVELS)), default="info", help="Clauses of this level and above.")
@click.option(
    "--known-failing", "list_", type=click.Path(path_type=Path), help="What is expected to go wrong, and why (TOML)."
)
@click.option(
    "--update-known-failing",
    "updates",
    is_flag=True,
    help="Rewrite that list by what failed in this run of all cases.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything drawn by chance.")
@click.option(
    "--world", type=click.Choice(["simulated", "live"]), help="For clients in this process; simulated by default."
)
@click.option(
    "--deadline-factor",
    type=float,
    default=1.0,
    show_default=True,
    help="Gives a client in a live run so many times longer.",
)
@click.option(
    "-n",
    "jobs",
    callback=_jobs,
    metavar="JOBS",
    default="1",
    show_default=True,
    help="So many cases of a live run side by side, each with a client of its own; auto: two more than cores.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    default=Path("tmcspec-report"),
    show_default=True,
    help="Where results.json, junit.xml and traces go.",
)
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    client: str | None,
    bare: str | None,
    image: str | None,
    bare_image: str | None,
    python: str | None,
    areas: tuple[str, ...],
    clauses: tuple[str, ...],
    cases: tuple[str, ...],
    level: str,
    list_: Path | None,
    updates: bool,
    seed: int,
    world: WorldName | None,
    deadline_factor: float,
    jobs: int,
    report: Path,
    pytest_arguments: tuple[str, ...],
) -> None:
    """Puts a client through the conformance suite; without a client, the bundled reference core.

    Anything after -- goes to pytest.

    \b
    Exit status: 0 as expected, 1 unexpected failure or an entry of the list that does not fit, 2 interrupted,
    3 fault of the suite, 4 usage, 5 nothing ran, 6 the client could not be measured.

    \b
    Example:
      tmcspec run --client "node adapter.js" --area LID --known-failing known-failing.toml
    """
    if sum(choice is not None for choice in (client, bare, image, bare_image, python)) > 1:
        raise _usage("--client, --bare, --image, --bare-image and --python exclude each other: one client at a time")
    elsewhere = any(choice is not None for choice in (client, bare, image, bare_image))
    if world == "simulated" and elsewhere:
        raise _usage("--world simulated needs a client in this process; other processes have real clocks")
    if not 0 < deadline_factor < math.inf:
        raise _usage(f"--deadline-factor must be more than 0 and finite, not {deadline_factor}")
    try:
        selection = Selection(areas=areas, clauses=clauses, cases=cases, level=level)
        draft = _draft(list_, whole=selection.whole and not pytest_arguments) if updates else None
        known = known_failing.load(list_, today=_today()) if list_ and draft is None else KnownFailing()
    except (SelectionError, KnownFailingError) as error:
        raise _usage(str(error)) from None
    if image is not None or bare_image is not None:
        subject, host = _contained(image, bare_image, deadline_factor)
    else:
        subject, host = _factory(client, bare, python, deadline_factor), LOOPBACK
    setting = Setting(
        world=world or ("live" if elsewhere else "simulated"),
        subject=subject,
        clauses=selection.judges,
        seed=seed,
        factor=deadline_factor,
        jobs=jobs,
        host=host,
    )
    sys.exit(_run(setting, selection, draft or known, report, pytest_arguments))


def _run(
    setting: Setting, selection: Selection, list_: KnownFailing | Draft, report: Path, pytest_arguments: tuple[str, ...]
) -> ExitStatus:
    try:
        report.mkdir(parents=True, exist_ok=True)
        results = ResultsReport(report)
    except OSError as error:
        raise _usage(f"--report {report}: {error.strerror}") from None
    try:
        info = look_at(setting)
    except SubjectError as error:
        complain(f"The client could not be measured: {error}")
        return ExitStatus.NOT_MEASURED
    # Bound to today's stdout: while a case runs, pytest captures what is printed to tomorrow's.
    console = ConsoleReport(Console(file=sys.stdout), command=_again(), report=str(report))
    ended: list[RunFinished] = []

    def keep(event: RunEvent) -> None:
        if isinstance(event, RunFinished):
            ended.append(event)

    known = list_.known if isinstance(list_, Draft) else list_
    try:
        session = Session(
            setting=setting, info=info, selection=selection, known=known, listeners=[results, console, keep]
        )
        status = session.run(report=report, pytest_arguments=pytest_arguments)
    except OSError as error:
        complain(f"The report could not be written: {error}")
        return ExitStatus.SUITE_FAULT
    finally:
        console.close()
    return _updated(list_, ended[0], status) if isinstance(list_, Draft) and ended else status


def _draft(path: Path | None, *, whole: bool) -> Draft:
    if path is None:
        raise _usage("--update-known-failing needs the list: --known-failing FILE")
    if not whole:
        raise _usage(
            "--update-known-failing needs a run of all cases: what is left out could not be told from what was mended; "
            "leave out --area, --clause, --case, --level and what goes to pytest"
        )
    return Draft.of(path, today=_today())


def _updated(draft: Draft, run: RunFinished, status: ExitStatus) -> ExitStatus:
    """Brings the list up to date. The exit status is that of the run by the list as it was."""
    try:
        click.echo(visible(draft.update(run)))
    except KnownFailingError as error:
        complain(str(error))
        return status or ExitStatus.FAILURE
    return status


def _today() -> date:
    return datetime.now(UTC).date()


def _factory(client: str | None, bare: str | None, python: str | None, factor: float) -> SubjectFactory:
    """What makes the client for a case."""
    words = client if client is not None else bare
    if words is not None:
        try:
            command = as_command(words)
        except ValueError as error:
            raise _usage(str(error)) from None
        held = ProcessSubject if client is not None else BareSubject
        return lambda wall_clock, rng: held(command, deadline_factor=factor)
    if python is None:
        return lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng)
    try:
        return factory_of(python)
    except ImportFailed as error:
        raise _usage(f"--python: {error}") from None


def _contained(image: str | None, bare_image: str | None, factor: float) -> tuple[SubjectFactory, str]:
    """What makes the client for a case, and the address that the service must listen on for it."""
    held = ContainerSubject if image is not None else BareContainerSubject
    name = image or bare_image or ""
    try:
        reach = prepare(name)
    except ValueError as error:
        raise _usage(str(error)) from None
    except SubjectError as error:
        complain(f"The client could not be measured: {error}")
        sys.exit(ExitStatus.NOT_MEASURED)
    return lambda wall_clock, rng: held(name, reach=reach, deadline_factor=factor), reach.listen


def _again() -> list[str]:
    """The words of this command, to which a case is added.

    Areas, clauses and the level stay: they choose who judges. What goes to pytest, where the report goes, and what
    excuses do not.
    """
    words = ["tmcspec", *sys.argv[1:]]
    if "--" in words:
        words = words[: words.index("--")]
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("--case", "--known-failing", "--report"):
            skip = True
        elif not word.startswith(("--case=", "--known-failing=", "--update-known-failing", "--report=")):
            kept.append(word)
    return kept


def _usage(text: str) -> click.UsageError:
    return click.UsageError(text)
