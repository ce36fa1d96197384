"""Known-failing lists: which verdicts are expected of a client, and why. They cannot rot.

A list is a TOML file of entries:

    [[failing]]
    clause = "LID-1"                                              # what it breaks; whatever it is when left out
    case = "test_lid.py::test_ids_are_confirmed_exactly[largest]" # only there; everywhere when left out
    verdict = "CRASHED"                                           # how; FAIL or NON_STRICT when left out
    fingerprint = "CRASHED: the client ended by itself (exit 1)"  # only this failure; see fingerprint.py
    reason = "2^63-1 is written as two halves in floating point"
    expires = 2027-03-31                                          # the last day on which it excuses

A case is expected to go wrong when each clause it broke has an entry. An entry that does not fit any more fails the
run: either the client was mended, or it fails in another way, or the list is wrong. Clauses outside the selection of a
run are left alone. A client that dies or hangs is excused only by an entry that names the case and says so. Faults of
the suite or of an adapter are never excused, and neither is a client that could not be set up.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from tmcspec.clauses import CLAUSES
from tmcsuites.fingerprint import DEATHS, JUDGED, Failure, failures
from tmcsuites.verdict import CaseResult, Verdict

#: What an entry may expect. The first two need not be said.
EXPECTABLE = (*JUDGED, *DEATHS)


class KnownFailingError(ValueError):
    """A known-failing list is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry; see the module."""

    clause: str | None = None
    case: str | None = None
    verdict: Verdict | None = None
    fingerprint: str | None = None
    reason: str
    expires: date | None = None

    def __str__(self) -> str:
        what = " in ".join(each for each in (self.clause, self.case) if each)
        how = f" ({self.verdict})" if self.verdict else ""
        return f"{what}{how}: {self.reason}"

    def is_about(self, failure: Failure) -> bool:
        """Whether it was written for this failure, be that as it was or another one by now."""
        return (
            self.case in (None, failure.case)
            and (self.clause is None or self.clause in failure.clauses)
            and (failure.verdict is self.verdict or (self.verdict is None and failure.verdict in JUDGED))
        )

    def has_expired(self, today: date) -> bool:
        return self.expires is not None and self.expires < today

    def fits(self, failure: Failure) -> bool:
        """Whether a failure that it is about is as it was."""
        return self.fingerprint is None or self.fingerprint in failure.fingerprints


class Trouble(StrEnum):
    """Why an entry fails the run."""

    EXPIRED = "Expired"
    UNMATCHED = "Unmatched"
    DIFFERENT = "Mismatching"
    STALE = "Stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An entry that fails the run, and what to do about it."""

    trouble: Trouble
    entry: Expectation
    advice: str

    def __str__(self) -> str:
        return f"{self.trouble} known-failing entry: {self.entry}; {self.advice}"


class KnownFailing:
    """The entries of a list, and what became of them.

    Args:
        entries: in the order of the list; the first that fits is taken.
        today: what has expired by then excuses nothing.
    """

    def __init__(self, entries: Iterable[Expectation] = (), *, today: date = date.min) -> None:
        self.entries = tuple(entries)
        self._today = today
        self._taken: set[int] = set()
        self._met: dict[int, list[Failure]] = {}

    def expects(self, result: CaseResult) -> str | None:
        """Why this result is expected; None when it is not. Remembers the entries it took."""
        found = [self.entry_for(failure) for failure in failures(result)]
        if not found or None in found:
            return None
        return "; ".join(dict.fromkeys(entry.reason for entry in found if entry is not None))

    def entry_for(self, failure: Failure) -> Expectation | None:
        """The entry that excuses this failure; None when there is none. Remembers that it was taken."""
        chosen = None
        for number, entry in enumerate(self.entries):
            if not entry.is_about(failure):
                continue
            self._met.setdefault(number, []).append(failure)
            if chosen is None and entry.fits(failure) and not entry.has_expired(self._today):
                chosen = entry
                self._taken.add(number)
        return chosen

    @property
    def holding(self) -> tuple[bool, ...]:
        """Of each entry, whether a result of this run was taken for what it expects."""
        return tuple(number in self._taken for number in range(len(self.entries)))

    def written_for(self, failure: Failure) -> Expectation | None:
        """The entry about this failure that does not hold any more; None when there is none."""
        lapsed = (entry for entry, holds in zip(self.entries, self.holding, strict=True) if not holds)
        return next((entry for entry in lapsed if entry.is_about(failure)), None)

    def complaints(
        self, *, clauses: Sequence[str], cases: Sequence[str], known_cases: Sequence[str] | None, whole: bool
    ) -> tuple[Complaint, ...]:
        """The entries that fail the run, among those that this run can speak of.

        Args:
            clauses: ids of the clauses that judged.
            cases: ids of the cases that ran.
            known_cases: ids of all cases there are; None when that is not known.
            whole: whether no filter was given.
        """
        told = []
        for number, entry in enumerate(self.entries):
            if number in self._taken or (entry.clause is not None and entry.clause not in clauses):
                continue
            if entry.case is not None and known_cases is not None and entry.case not in known_cases:
                close = difflib.get_close_matches(entry.case, known_cases, n=1, cutoff=0.3)
                advice = f"there is no such case; the closest: {', '.join(close) or 'none'}"
                told.append(Complaint(trouble=Trouble.UNMATCHED, entry=entry, advice=advice))
            # Under a filter nobody knows whether a case that was left out would have needed an entry without a case.
            elif whole or entry.case in cases:
                told.append(self._complaint(number, entry))
        return tuple(told)

    def _complaint(self, number: int, entry: Expectation) -> Complaint:
        met = self._met.get(number, [])
        if entry.has_expired(self._today):
            still = "it fails still: mend the client, or give it another date" if met else "nothing fails: remove it"
            advice = f"it expired on {entry.expires}, and {still}"
            return Complaint(trouble=Trouble.EXPIRED, entry=entry, advice=advice)
        if not met:
            advice = "nothing of it fails any more: remove it"
            return Complaint(trouble=Trouble.STALE, entry=entry, advice=advice)
        if any(entry.fits(failure) for failure in met):
            advice = "the entries above it excuse all of it: remove it, or put it above them"
            return Complaint(trouble=Trouble.STALE, entry=entry, advice=advice)
        # By name, as cases that run side by side end in any order.
        now = min(met, key=lambda failure: failure.case).fingerprints[0]
        advice = f"expected was {entry.fingerprint!r}, and now it is {now!r}: find out why, then write down the new one"
        return Complaint(trouble=Trouble.DIFFERENT, entry=entry, advice=advice)


def load(path: Path, *, today: date = date.min) -> KnownFailing:
    """Reads a list.

    Raises:
        KnownFailingError: the file cannot be read, or an entry is wrong; the message names entry, member and value.
    """
    return parse(path, read(path), today=today)


def read(path: Path) -> bytes:
    """The bytes of a list. Raises KnownFailingError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KnownFailingError(f"{path}: {error.strerror}") from error


def parse(path: Path, data: bytes, *, today: date = date.min, drafts: bool = False) -> KnownFailing:
    """Reads a list from its bytes.

    Args:
        path: whose they are, for messages.
        today: what has expired by then excuses nothing.
        drafts: whether reasons may still be missing.

    Raises:
        KnownFailingError: an entry is wrong; the message names entry, member and value.
    """
    try:
        table = tomllib.loads(data.decode("utf-8"))
    # RecursionError: arrays in arrays, deeper than anybody writes them.
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KnownFailingError(f"{path}: not TOML: {error}") from error
    entries = table.get("failing", [])
    if not isinstance(entries, list) or set(table) - {"failing"}:
        raise KnownFailingError(f"{path}: a list of [[failing]] tables is expected, and nothing else")
    read = [_entry(f"{path}: entry {number}", each, drafts) for number, each in enumerate(entries, 1)]
    return KnownFailing(read, today=today)


def _entry(where: str, table: Any, drafts: bool) -> Expectation:
    if not isinstance(table, dict):
        raise KnownFailingError(f"{where}: a table is expected, not {table!r}")
    valid = [each.name for each in fields(Expectation)]
    if unknown := sorted(set(table) - set(valid)):
        raise KnownFailingError(f"{where}: unknown {', '.join(unknown)}; valid: {', '.join(valid)}")
    for name, value in table.items():
        _check_type(where, name, value)
    if not table.keys() & {"clause", "case"}:
        raise KnownFailingError(f"{where}: a clause is missing, or a case; name what is known to fail")
    if "clause" in table and table["clause"] not in CLAUSES:
        raise KnownFailingError(f"{where}: clause is {table['clause']!r}; known: {', '.join(CLAUSES)}")
    if "reason" not in table:
        raise KnownFailingError(f"{where}: a reason is missing")
    if not table["reason"] and not drafts:
        about = " in ".join(table[name] for name in ("clause", "case") if name in table)
        raise KnownFailingError(f"{where} ({about}): reason is ''; find out why this fails, and write it down")
    verdict = table.get("verdict")
    if verdict is not None and verdict not in EXPECTABLE:
        raise KnownFailingError(f"{where}: verdict is {verdict!r}; valid: {', '.join(EXPECTABLE)}")
    if verdict in DEATHS and "case" not in table:
        raise KnownFailingError(f"{where}: an entry that expects {verdict} must name the case")
    return Expectation(**table | {"verdict": None if verdict is None else Verdict(verdict)})


def _check_type(where: str, name: str, value: Any) -> None:
    if name == "expires":
        if not isinstance(value, date) or isinstance(value, datetime):
            raise KnownFailingError(f"{where}: expires is {value!r}; a date is expected, as 2027-03-31 without quotes")
    elif not isinstance(value, str) or (not value and name != "reason"):
        raise KnownFailingError(f"{where}: {name} is {value!r}; text is expected")
