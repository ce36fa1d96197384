"""Which clauses judge and which cases run: the filters of `tmcspec run`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tmcspec.clauses import AREAS, CLAUSES, Clause, Level
from tmcsuites.casebook import Case

#: What `--level` lets through: MUST alone, SHOULD too, everything.
LEVELS: dict[str, frozenset[Level]] = {
    "must": frozenset({Level.MUST}),
    "should": frozenset({Level.MUST, Level.SHOULD}),
    "info": frozenset(Level),
}


class SelectionError(ValueError):
    """A filter names nothing that exists, or the filters together leave nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The filters. Areas and clauses add up; the level narrows both.

    Args:
        areas, clauses, cases: what was asked for; all empty for everything.
        level: the lowest level that counts.

    Raises:
        SelectionError: an unknown area, clause or level, or nothing is left.
    """

    areas: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    level: str = "info"

    def __post_init__(self) -> None:
        _known("area", self.areas, AREAS)
        _known("clause", self.clauses, CLAUSES)
        _known("level", (self.level,), LEVELS)
        if not self.judges:
            raise SelectionError(f"no clause of level {self.level} among those asked for")

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not (self.areas or self.clauses or self.cases) and self.level == "info"

    @property
    def judges(self) -> tuple[Clause, ...]:
        """The clauses that judge, in their order."""
        return tuple(
            clause
            for clause in CLAUSES.values()
            if clause.level in LEVELS[self.level]
            and (not (self.areas or self.clauses) or clause.area in self.areas or clause.id in self.clauses)
        )

    def takes(self, id: str, case: Case) -> bool:
        """Whether a case runs."""
        chosen = {clause.id for clause in self.judges}
        return bool(chosen.intersection(case.clauses)) and (
            not self.cases or any(_names(each, id) for each in self.cases)
        )

    def check_cases(self, ids: Sequence[str]) -> None:
        """Raises SelectionError for a case that was asked for and names nothing among `ids`."""
        for asked in self.cases:
            if not any(_names(asked, id) for id in ids):
                close = difflib.get_close_matches(asked, ids, n=3, cutoff=0.3)
                raise SelectionError(f"unknown case {asked!r}; the closest: {', '.join(close) or 'none'}")


def _names(asked: str, id: str) -> bool:
    """Whether a case is asked for: by its id, by that of its module, or by its name without parameters."""
    return id == asked or id.startswith((f"{asked}::", f"{asked}["))


def _known(what: str, asked: Sequence[str], known: Iterable[str]) -> None:
    names = list(known)
    for name in asked:
        if name not in names:
            close = difflib.get_close_matches(name.upper(), names, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise SelectionError(f"unknown {what} {name!r}; {hint}known: {', '.join(names)}")
