"""`tmcspec run --update-known-failing`: a known-failing list is made to say what fails now.

Entries that hold stay as they are, in their order, with their comments. Those that do not are removed. What nothing
expected is added, with an empty reason: no run takes such a list until a person has found out why and written it down.

The list is text that people care for, so it is left alone whenever there is a doubt: when the run did not end well,
when somebody has changed it meanwhile, and when the new text would not say exactly what it should.
"""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from tmcsuites.fingerprint import DEATHS, Failure, failures
from tmcsuites.known_failing import Expectation, KnownFailing, KnownFailingError, parse, read
from tmcsuites.progress import RunFinished
from tmcsuites.report.words import visible
from tmcsuites.verdict import ExitStatus

#: A run that ended so has not seen all cases, or not as they are.
NO_EVIDENCE = {
    ExitStatus.INTERRUPTED: "it was interrupted",
    ExitStatus.SUITE_FAULT: "a fault of the suite",
    ExitStatus.USAGE: "wrong usage",
    ExitStatus.NOTHING_RAN: "nothing ran",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A list that is to be brought up to date.

    Args:
        path: where it is.
        data: what was in it when the run began; empty when it did not exist.
        known: its entries.
    """

    path: Path
    data: bytes
    known: KnownFailing

    @classmethod
    def of(cls, path: Path, *, today: date) -> Draft:
        """Reads a list. It need not exist yet, and reasons may be missing.

        Raises:
            KnownFailingError: it cannot be read, an entry is wrong, or it is written in a way that is not rewritten.
        """
        data = _present(path)
        known = parse(path, data, today=today, drafts=True)
        # A run takes minutes: what cannot be done is said before it.
        _parsed(path, data.decode("utf-8"))
        if not path.resolve().parent.is_dir():
            raise KnownFailingError(f"{path}: there is no such directory")
        return cls(path=path, data=data, known=known)

    def update(self, run: RunFinished) -> str:
        """Rewrites the list by what failed in a run of all cases, and says what was done.

        Raises:
            KnownFailingError: it was left as it is; the message says why.
        """
        if why := _no_evidence(run):
            raise KnownFailingError(f"{self.path} is left as it was, because the run did not end well: {why}")
        keep = self.known.holding
        missing = [
            failure
            for result in run.results
            if result.bad
            for failure in failures(result)
            if self.known.entry_for(failure) is None
        ]
        new = [(expected(failure), self.known.written_for(failure)) for failure in missing]
        data = rewritten(self.path, self.data, keep=keep, new=new)
        if _present(self.path) != self.data:
            raise KnownFailingError(f"{self.path} is left as it is: somebody changed it while the run went on")
        if data != self.data:
            _replace(self.path, data)
        done = f"{self.path}: {len(new)} new, {keep.count(False)} removed, {keep.count(True)} kept"
        return f"{done}. Write down the reasons of the new ones" if new else done


def _no_evidence(run: RunFinished) -> str | None:
    """Why a run does not say what fails; None when it does."""
    if run.faults or run.exit_status in NO_EVIDENCE:
        return NO_EVIDENCE.get(run.exit_status, "a fault of the suite")
    unsound = [f"{result.verdict} in {result.id}" for result in run.results if result.bad and not failures(result)]
    return ", ".join(unsound[:3]) or None


def expected(failure: Failure) -> Expectation:
    """An entry for a failure that nobody has explained yet."""
    died = failure.verdict in DEATHS
    return Expectation(
        clause=None if died else failure.clauses[0],
        case=failure.case,
        verdict=failure.verdict if died else None,
        fingerprint=failure.fingerprints[0],
        reason="",
    )


def rewritten(
    path: Path, data: bytes, *, keep: Sequence[bool], new: Sequence[tuple[Expectation, Expectation | None]]
) -> bytes:
    """The bytes of a list with some entries left out and some added.

    Args:
        path: for messages.
        data: the list.
        keep: of each entry, whether it stays.
        new: what to add, each with the entry that spoke of it before, if there was one.

    Raises:
        KnownFailingError: it is written in a way that cannot be kept.
    """
    text = data.decode("utf-8").replace("\r\n", "\n")
    parts = [_without(path, text, keep), *(_block(entry, before) for entry, before in new)]
    parts = [part if part.endswith("\n") else part + "\n" for part in parts if part]
    result = "\n".join(parts) if len(parts) > 1 else "".join(parts)
    wanted = [table for table, stays in zip(_tables(text), keep, strict=True) if stays]
    if _tables(result) != wanted + [_members(entry) for entry, _ in new]:
        raise KnownFailingError(f"{path} is left as it is: it is written in an unusual way; edit it by hand")
    return (result.replace("\n", "\r\n") if b"\r\n" in data else result).encode("utf-8")


def _without(path: Path, text: str, keep: Sequence[bool]) -> str:
    """The text without some entries. What stands above an entry belongs to it, up to an empty line."""
    if all(keep):
        return text
    above, tables = _parsed(path, text)
    written = ""
    for number, (table, stays) in enumerate(zip(tables, keep, strict=True)):
        entry, below = _cut(table)
        if stays:
            written += above + entry
        else:
            # One paragraph at the top of a file is about all of it.
            written += _detached(above) or (above if number == 0 else "")
        above = below.removeprefix("\n") if written.endswith("\n\n") else below
    return written + above


def _parsed(path: Path, text: str) -> tuple[str, list[Table]]:
    """What stands above the first entry, and the entries."""
    try:
        body = tomlkit.parse(text).body
    except TOMLKitError as error:
        raise KnownFailingError(f"{path} cannot be rewritten: {error}") from error
    above = ""
    tables: list[Table] = []
    for key, item in body:
        if isinstance(item, AoT):
            tables += item.body
        elif key is None:
            above += item.as_string()
        else:
            raise KnownFailingError(f"{path} cannot be rewritten: write its entries as [[failing]] tables")
    return above, tables


def _cut(table: Table) -> tuple[str, str]:
    """An entry as it is written, and what stands between it and the next one: the parser counts that to the first."""
    items = table.value.body
    last = max(number for number, (key, _) in enumerate(items) if key is not None)
    below = "".join(item.as_string() for _, item in items[last + 1 :])
    trivia = table.trivia
    head = f"{trivia.indent}[[failing]]{trivia.comment_ws}{trivia.comment}{trivia.trail}"
    return head + table.as_string().removesuffix(below), below


def _detached(above: str) -> str:
    """What stands above an entry and is not about it: all but the last paragraph."""
    # As if a line had ended before: so an empty line at the beginning is one like the others.
    before, gap, _ = f"\n{above}".rpartition("\n\n")
    return f"{before}{gap}"[1:] if before.strip() else ""


def _block(entry: Expectation, before: Expectation | None) -> str:
    table = tomlkit.table()
    for name, value in _members(entry).items():
        table.add(name, value)
    if before is not None and before.reason:
        table["reason"].comment(f"was: {visible(before.reason)}")
    return f"[[failing]]\n{table.as_string()}"


def _members(entry: Expectation) -> dict[str, Any]:
    """What an entry says, as it is written."""
    said = {each.name: getattr(entry, each.name) for each in fields(entry)}
    return {name: str(value) if name != "expires" else value for name, value in said.items() if value is not None}


def _tables(text: str) -> list[Any]:
    return list(tomllib.loads(text).get("failing", []))


def _present(path: Path) -> bytes:
    return read(path) if os.path.lexists(path) else b""


def _replace(path: Path, data: bytes) -> None:
    """Puts a file in the place of another, all at once. A link stays a link, and who may read it may still."""
    path = path.resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise KnownFailingError(f"{path} could not be rewritten, and is as it was: {error.strerror}") from error
