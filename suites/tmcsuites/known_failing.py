"""Known-failing lists: which verdicts are expected of a client, and why. They cannot rot.

A list is a TOML file of entries:

    [[failing]]
    clause = "LID-1"                                              # what it breaks
    case = "test_lid.py::test_ids_are_confirmed_exactly[largest]" # only there; everywhere when left out
    verdict = "CRASHED"                                           # how; FAIL or NON_STRICT when left out
    reason = "2^63-1 is written as two halves in floating point"

A case is expected to go wrong when each clause it broke has an entry. An entry that nothing needed is stale and fails
the run: either the client was mended, or the list is wrong. Clauses outside the selection of a run are left alone. A
client that dies or hangs is excused only by an entry that names the case and says so. Faults of the suite or of an
adapter are never excused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmcspec.clauses import CLAUSES
from tmcsuites.verdict import CaseResult, Verdict

#: What an entry may expect. The first two need not be said.
EXPECTABLE = (Verdict.FAIL, Verdict.NON_STRICT, Verdict.CRASHED, Verdict.HUNG)
SILENT = (Verdict.FAIL, Verdict.NON_STRICT)


class KnownFailingError(ValueError):
    """A known-failing list is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry; see the module."""

    clause: str
    reason: str
    case: str | None = None
    verdict: Verdict | None = None

    def __str__(self) -> str:
        where = f" in {self.case}" if self.case else ""
        how = f" ({self.verdict})" if self.verdict else ""
        return f"{self.clause}{where}{how}: {self.reason}"

    def covers(self, clause: str, result: CaseResult) -> bool:
        """Whether it expects this result to break this clause."""
        return (
            self.clause == clause
            and self.case in (None, result.id)
            and (result.verdict is self.verdict or (self.verdict is None and result.verdict in SILENT))
        )


class KnownFailing:
    """The entries of a list, and which of them were needed."""

    def __init__(self, entries: Iterable[Expectation] = ()) -> None:
        self.entries = tuple(entries)
        self._needed: set[Expectation] = set()

    def expects(self, result: CaseResult) -> str | None:
        """Why this result is expected; None when it is not. Remembers the entries it took."""
        found: list[Expectation | None]
        if result.verdict in SILENT:
            found = [self._entry(id, result) for id in result.broken]
        elif result.verdict in EXPECTABLE:
            # Dying of one clause leaves others broken behind it: one entry for the death is enough.
            deaths = [entry for entry in self.entries if any(entry.covers(id, result) for id in result.clauses)]
            found = list(deaths[:1])
        else:
            return None
        if not found or None in found:
            return None
        taken = [entry for entry in found if entry is not None]
        self._needed.update(taken)
        return "; ".join(dict.fromkeys(entry.reason for entry in taken))

    def stale(self, *, clauses: Sequence[str], cases: Sequence[str], whole: bool) -> tuple[Expectation, ...]:
        """Entries that nothing needed, among those that this run could have needed.

        Args:
            clauses: ids of the clauses that judged.
            cases: ids of the cases that ran.
            whole: whether no filter was given; then an entry about a case that did not run is stale, too.
        """
        return tuple(
            entry
            for entry in self.entries
            if entry not in self._needed
            and entry.clause in clauses
            # Under a filter nobody knows whether a case that was left out would have needed an entry without a case.
            and (whole or entry.case in cases)
        )

    def _entry(self, clause: str, result: CaseResult) -> Expectation | None:
        return next((entry for entry in self.entries if entry.covers(clause, result)), None)


def load(path: Path) -> KnownFailing:
    """Reads a list.

    Raises:
        KnownFailingError: the file cannot be read, or an entry is wrong; the message names entry, member and value.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise KnownFailingError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KnownFailingError(f"{path}: not TOML: {error}") from error
    entries = table.get("failing", [])
    if not isinstance(entries, list) or set(table) - {"failing"}:
        raise KnownFailingError(f"{path}: a list of [[failing]] tables is expected, and nothing else")
    return KnownFailing(_entry(f"{path}: entry {number}", each) for number, each in enumerate(entries, 1))


def _entry(where: str, table: Any) -> Expectation:
    if not isinstance(table, dict):
        raise KnownFailingError(f"{where}: a table is expected, not {table!r}")
    if unknown := sorted(set(table) - {"clause", "case", "verdict", "reason"}):
        raise KnownFailingError(f"{where}: unknown {', '.join(unknown)}; valid: clause, case, verdict, reason")
    for name, value in table.items():
        if not isinstance(value, str) or not value:
            raise KnownFailingError(f"{where}: {name} is {value!r}; text is expected")
    if table.get("clause") not in CLAUSES:
        raise KnownFailingError(f"{where}: clause is {table.get('clause')!r}; known: {', '.join(CLAUSES)}")
    if "reason" not in table:
        raise KnownFailingError(f"{where}: a reason is missing")
    verdict = table.get("verdict")
    if verdict is not None and verdict not in EXPECTABLE:
        raise KnownFailingError(f"{where}: verdict is {verdict!r}; valid: {', '.join(EXPECTABLE)}")
    if verdict in (Verdict.CRASHED, Verdict.HUNG) and "case" not in table:
        raise KnownFailingError(f"{where}: an entry that expects {verdict} must name the case")
    return Expectation(
        clause=table["clause"],
        reason=table["reason"],
        case=table.get("case"),
        verdict=None if verdict is None else Verdict(verdict),
    )
