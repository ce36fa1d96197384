"""`tmcspec run`: puts a client through the conformance suite."""

from __future__ import annotations

import importlib
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tmcspec.clauses import AREAS
from tmcsuites import known_failing
from tmcsuites.adapters.bare import BareSubject
from tmcsuites.adapters.child import as_command
from tmcsuites.adapters.container import BareContainerSubject, ContainerSubject
from tmcsuites.adapters.contract import Subject, SubjectError
from tmcsuites.adapters.engine import LOOPBACK, prepare
from tmcsuites.adapters.process import ProcessSubject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.known_failing import KnownFailing, KnownFailingError
from tmcsuites.report.console import ConsoleReport
from tmcsuites.report.results import ResultsReport
from tmcsuites.report.words import visible
from tmcsuites.selection import LEVELS, Selection, SelectionError
from tmcsuites.session import Session
from tmcsuites.verdict import ExitStatus
from tmcsuites.worlds import Setting, SubjectFactory, WorldName, look_at


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
    seed: int,
    world: WorldName | None,
    deadline_factor: float,
    report: Path,
    pytest_arguments: tuple[str, ...],
) -> None:
    """Puts a client through the conformance suite; without a client, the bundled reference core.

    Anything after -- goes to pytest.

    \b
    Exit status: 0 as expected, 1 unexpected failure or stale known-failing entry, 2 interrupted,
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
        known = known_failing.load(list_) if list_ else KnownFailing()
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
        host=host,
    )
    sys.exit(_run(setting, selection, known, report, pytest_arguments))


def _run(
    setting: Setting, selection: Selection, known: KnownFailing, report: Path, pytest_arguments: tuple[str, ...]
) -> ExitStatus:
    try:
        report.mkdir(parents=True, exist_ok=True)
        results = ResultsReport(report)
    except OSError as error:
        raise _usage(f"--report {report}: {error.strerror}") from None
    try:
        info = look_at(setting)
    except SubjectError as error:
        _complain(f"The client could not be measured: {error}")
        return ExitStatus.NOT_MEASURED
    # Bound to today's stdout: while a case runs, pytest captures what is printed to tomorrow's.
    console = ConsoleReport(Console(file=sys.stdout), command=_again(), report=str(report))
    try:
        session = Session(setting=setting, info=info, selection=selection, known=known, listeners=[results, console])
        return session.run(report=report, pytest_arguments=pytest_arguments)
    except OSError as error:
        _complain(f"The report could not be written: {error}")
        return ExitStatus.SUITE_FAULT
    finally:
        console.close()


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
    make: Callable[..., Subject] = _imported(python) if python is not None else ReferenceSubject

    def made(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
        try:
            return make(wall_clock=wall_clock, rng=rng)
        except Exception as error:
            raise SubjectError(f"{python}: {type(error).__name__}: {error}") from error

    return made


def _contained(image: str | None, bare_image: str | None, factor: float) -> tuple[SubjectFactory, str]:
    """What makes the client for a case, and the address that the service must listen on for it."""
    held = ContainerSubject if image is not None else BareContainerSubject
    name = image or bare_image or ""
    try:
        reach = prepare(name)
    except ValueError as error:
        raise _usage(str(error)) from None
    except SubjectError as error:
        _complain(f"The client could not be measured: {error}")
        sys.exit(ExitStatus.NOT_MEASURED)
    return lambda wall_clock, rng: held(name, reach=reach, deadline_factor=factor), reach.listen


def _imported(name: str) -> Any:
    module, _, factory = name.partition(":")
    if not module or not factory:
        raise _usage(f"--python is {name!r}; MODULE:FACTORY is expected, as mypackage.tmc:make_subject")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), factory)
    except Exception as error:
        # Importing runs the module, which may fail in any way.
        raise _usage(f"--python {name}: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise _usage(f"--python {name} is {found!r}, which cannot be called; a factory of a client is expected")
    return found


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
        elif not word.startswith(("--case=", "--known-failing=", "--report=")):
            kept.append(word)
    return kept


def _complain(text: str) -> None:
    for line in text.split("\n"):
        click.echo(visible(line.expandtabs()), err=True)


def _usage(text: str) -> click.UsageError:
    return click.UsageError(text)
