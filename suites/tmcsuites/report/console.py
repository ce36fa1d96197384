"""What people see of a run: a progress bar, a block for each case that went wrong, and what was judged."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tmcspec.clauses import AREAS, Binds, Level
from tmcsuites.progress import CaseFinished, CaseStarted, ClauseResult, RunEvent, RunFinished, RunStarted
from tmcsuites.report.results import log_name, trace_name
from tmcsuites.report.words import counted, describe_judgement, line
from tmcsuites.verdict import CaseResult, ExitStatus, Verdict

STYLES: dict[Verdict, str] = {
    Verdict.PASS: "green",
    Verdict.INFO: "cyan",
    Verdict.NON_STRICT: "yellow",
    Verdict.UNSUPPORTED: "dim",
    Verdict.FAIL: "red",
    Verdict.HUNG: "red",
    Verdict.CRASHED: "red",
    Verdict.ADAPTER_FAULT: "magenta",
    Verdict.SUITE_FAULT: "magenta",
}

RESULT_STYLES = {"pass": "green", "violated": "red", "not_exercised": "yellow", "unsupported": "dim"}

#: How much of a log is shown.
LOG_LINES = 12


class ConsoleReport:
    """Prints a run.

    Args:
        console: where.
        command: the words of a `tmcspec run` that runs these cases again; a case is added to them.
        report: the report directory, as it is shown.
    """

    def __init__(self, console: Console, *, command: Sequence[str], report: str) -> None:
        self._console = console
        self._command = command
        self._report = report
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            # pytest replaces both as it captures; whoever comes second would put back the other's.
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("collecting", total=None)
        self._blocks = 0

    def __call__(self, event: RunEvent) -> None:
        match event:
            case RunStarted():
                self._begin(event)
            case CaseStarted(id=id):
                self._progress.update(self._task, description=id.partition("::")[2][:50].ljust(50))
            case CaseFinished(result=result):
                self._progress.advance(self._task)
                if result.verdict is not Verdict.PASS and result.verdict is not Verdict.UNSUPPORTED:
                    self._block(result)
            case RunFinished():
                self._progress.stop()
                self._summary(event)

    def close(self) -> None:
        """Gives the terminal back, whatever happened."""
        self._progress.stop()

    def _begin(self, run: RunStarted) -> None:
        client = run.client
        self._print(
            line(
                (f"{client.name} {client.version}", "bold"),
                f" ({client.language}, {client.transport}), {run.world}, seed {run.seed}: ",
                f"{counted(run.cases, 'case')}, {counted(len(run.clauses), 'clause')}",
            )
        )
        self._progress.update(self._task, total=run.cases)
        self._progress.start()

    def _block(self, result: CaseResult) -> None:
        """One case that went wrong, down to the command that runs it again."""
        self._blocks += 1
        title = f"{self._blocks}. {result.id}"
        broken = f": {', '.join(result.broken)}" if result.broken else ""
        expected = (f" (expected){broken}", "dim") if result.expected else ""
        lines = [line(), line((title, "bold"), "  ", (result.verdict, STYLES[result.verdict]), expected)]
        if result.expected:
            lines.append(line(f"   {result.expected}"))
        else:
            lines += self._details(result)
        self._print(*lines)

    def _details(self, result: CaseResult) -> list[Text]:
        lines = []
        guilty = result.violated()
        if not guilty or result.verdict not in (Verdict.FAIL, Verdict.NON_STRICT, Verdict.INFO):
            lines.append(line(f"   {result.message}"))
        for judgement in guilty:
            lines += describe_judgement(judgement, indent="   ")
        if besides := [each.clause.id for each in result.judgements if each.violations and each not in guilty]:
            lines.append(line(f"   broken, too, and not what this case is about: {', '.join(besides)}"))
        if result.log.strip():
            written = result.log.strip().splitlines()
            shown = written[-LOG_LINES:]
            cut = f", the last {len(shown)} of {len(written)} lines" if len(shown) < len(written) else ""
            lines.append(line(f"   the client wrote{cut}:"))
            lines += [line(f"     {each.expandtabs()}") for each in shown]
            lines.append(line(f"   log:   {self._report}/{log_name(result)}"))
        if result.trace is not None:
            lines.append(line(f"   trace: {self._report}/{trace_name(result)}"))
        again = [*self._command, "--case", result.id, "--report", f"{self._report}/again"]
        lines.append(line(f"   again: {shlex.join(again)}"))
        return lines

    def _summary(self, run: RunFinished) -> None:
        if run.results:
            self._console.print()
            self._console.print(_area_table(run))
            shown = _about(run)
            self._console.print(_clause_table(shown))
            self._loose_ends(run, shown)
        elif run.exit_status is ExitStatus.NOTHING_RAN:
            self._print(line("No case was left to run by these filters."))
        for each in run.complaints:
            self._print(line((f"{each.trouble} known-failing entry:", "red"), f" {each.entry}"))
            self._print(line(f"  {each.advice}"))
        for fault in run.faults:
            self._print(line(("Fault of the suite:", "magenta"), f" {fault}"))
        self._print(self._last_line(run))

    def _loose_ends(self, run: RunFinished, shown: Sequence[ClauseResult]) -> None:
        unproved = [each for each in shown if each.clause.level is Level.MUST and each.result == "not_exercised"]
        if unproved:
            names = ", ".join(each.clause.id for each in unproved)
            self._print(line(("Not exercised, so nothing is known of them:", "yellow"), f" {names}"))
        closed = [
            each.clause.id
            for each in shown
            if each.result == "unsupported" and (each.clause.level, each.clause.binds) == (Level.MUST, Binds.CLIENT)
        ]
        if closed:
            self._print(line(("MUST clauses that this client was not held to:", "yellow"), f" {', '.join(closed)}"))
        reasons = Counter(result.message for result in run.results if result.verdict is Verdict.UNSUPPORTED)
        for reason, count in reasons.most_common():
            self._print(line((f"UNSUPPORTED, {counted(count, 'case')}:", "dim"), f" {reason}"))

    def _last_line(self, run: RunFinished) -> Text:
        counts = Counter(result.verdict for result in run.results)
        parts = [line((f"{counts[verdict]} {verdict}", STYLES[verdict])) for verdict in Verdict if counts[verdict]]
        expected = sum(result.expected is not None for result in run.results)
        known = f", {expected} of them expected" if expected else ""
        end = EXIT_WORDS[run.exit_status]
        rest = f"{known} in {run.duration:.1f} s. {end} (exit status {int(run.exit_status)}). Report: {self._report}"
        return line(", ").join(parts or [line("Nothing")]) + line(rest)

    def _print(self, *lines: Text) -> None:
        """Not wrapped, so that they can be copied."""
        self._console.print(Text("\n").join(lines), soft_wrap=True)


EXIT_WORDS: dict[ExitStatus, str] = {
    ExitStatus.OK: "As expected",
    ExitStatus.FAILURE: "Not as expected",
    ExitStatus.INTERRUPTED: "Interrupted",
    ExitStatus.SUITE_FAULT: "A fault of the suite, not of the client",
    ExitStatus.USAGE: "Wrong usage",
    ExitStatus.NOTHING_RAN: "Nothing was judged",
    ExitStatus.NOT_MEASURED: "Not all could be measured: the client died, hung, or its adapter is unsound",
}


def _area_table(run: RunFinished) -> Table:
    """Cases by area and verdict."""
    shown = [verdict for verdict in Verdict if any(result.verdict is verdict for result in run.results)]
    table = Table("area", "", "cases", *(verdict.value for verdict in shown), title="Cases", title_justify="left")
    for area, name in AREAS.items():
        results = [result for result in run.results if result.area == area]
        if results:
            counts = Counter(result.verdict for result in results)
            cells = [f"[{STYLES[verdict]}]{counts[verdict] or ''}[/]" for verdict in shown]
            table.add_row(area, name, str(len(results)), *cells)
    return table


def _about(run: RunFinished) -> list[ClauseResult]:
    """The clauses that the cases of this run are about, those that were broken on the way, and those that the client
    was not held to: in a whole run, all.
    """
    named = {id for result in run.results for id in result.clauses}
    return [each for each in run.clauses if each.clause.id in named or each.violations or each.result == "unsupported"]


def _clause_table(clauses: Sequence[ClauseResult]) -> Table:
    """What became of each clause, and how often it was exercised."""
    table = Table("clause", "level", "binds", "result", "exercised", "violated", title="Clauses", title_justify="left")
    for each in clauses:
        style = RESULT_STYLES[each.result]
        table.add_row(
            each.clause.id,
            each.clause.level.value,
            each.clause.binds.value,
            f"[{style}]{each.result.replace('_', ' ')}[/]",
            str(each.exercised),
            str(each.violations or ""),
        )
    return table
