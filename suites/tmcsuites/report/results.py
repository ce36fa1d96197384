"""`results.json` and the traces: what machines read of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tmcspec import __version__, trace_file
from tmcsuites.fingerprint import failures
from tmcsuites.progress import CaseFinished, RunEvent, RunFinished, RunStarted
from tmcsuites.report.rows import clause_row
from tmcsuites.verdict import CaseResult, Verdict

SCHEMA = 1


class ResultsReport:
    """Writes `traces/*.jsonl` and `traces/*.log` as cases end, and `results.json` when all have.

    Args:
        directory: exists. What an earlier run left in it as results goes, so that nobody takes it for this one's.

    Raises:
        OSError: it cannot be written to.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: RunStarted | None = None
        (directory / "traces").mkdir(exist_ok=True)
        old = [directory / "results.json", directory / "junit.xml", *(directory / "traces").glob("*.*")]
        for path in old:
            path.unlink(missing_ok=True)

    def __call__(self, event: RunEvent) -> None:
        match event:
            case RunStarted():
                self._started = event
            case CaseFinished(result=result):
                if result.trace is not None:
                    trace_file.save(result.trace, self._directory / trace_name(result))
                if result.log:
                    log = self._directory / log_name(result)
                    log.write_text(result.log, encoding="utf-8", errors="backslashreplace")
            case RunFinished():
                text = json.dumps(self._results(event), ensure_ascii=False, indent=1)
                # UTF-8 has no lone surrogates; their Python escape is their JSON escape.
                path = self._directory / "results.json"
                path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")

    def _results(self, run: RunFinished) -> dict[str, Any]:
        assert self._started is not None
        client = self._started.client
        return {
            "schema": SCHEMA,
            "tmcspec": __version__,
            "client": {
                "name": client.name,
                "version": client.version,
                "language": client.language,
                "transport": client.transport,
                "capabilities": sorted(client.capabilities),
            },
            "world": self._started.world,
            "seed": self._started.seed,
            "started": self._started.started.isoformat(timespec="seconds"),
            "duration_s": round(run.duration, 3),
            "cases": [_case(result) for result in run.results],
            "clauses": [clause_row(each) | {"violations": each.violations} for each in run.clauses],
            "stale_known_failing": [str(each.entry) for each in run.complaints],
            "known_failing_complaints": [str(each) for each in run.complaints],
            "faults": list(run.faults),
            "summary": {verdict.value: sum(result.verdict is verdict for result in run.results) for verdict in Verdict},
            "exit_status": int(run.exit_status),
        }


def trace_name(result: CaseResult) -> str:
    """Where the trace of a case is, relative to the report; two cases never share a name."""
    return f"traces/{re.sub(r'[^A-Za-z0-9_.-]+', '-', result.id.replace('::', '.')).strip('-')}.jsonl"


def log_name(result: CaseResult) -> str:
    """Where what the client wrote is, beside the trace."""
    return trace_name(result).removesuffix(".jsonl") + ".log"


def _case(result: CaseResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "area": result.area,
        "verdict": result.verdict.value,
        "expected": result.expected,
        "clauses": list(result.clauses),
        "broken": list(result.broken),
        "fingerprints": [each for failure in failures(result) for each in failure.fingerprints],
        "duration_s": round(result.duration, 6),
        "message": result.message,
        "trace": trace_name(result) if result.trace is not None else None,
        "log": log_name(result) if result.log else None,
    }
