"""What a clause is, and what judging gives.

A clause is one sentence of the specification with a judge: a pure function over the history of a run. The judge yields
a finding for each time the clause came to bear: it held, or it was broken, with the entries of the trace that prove it.
So a judgement says how often the clause was *exercised*, and a clause that was never exercised is never counted as
passed.

Judges are written for anybody's trace. A client that has not yet done what it must is not guilty as long as it still
has time: judges wait for the end of its patience (`History.overdue`), and yield nothing when the trace ends before
that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from inspect import cleandoc
from typing import Literal

from tmcspec.clauses.history import History
from tmcspec.trace import Entry


class Level(StrEnum):
    """How much a clause weighs: a broken MUST fails a client, a broken SHOULD makes it non-strict, INFO is told and no
    more.
    """

    MUST = "must"
    SHOULD = "should"
    INFO = "info"


class Binds(StrEnum):
    """Whom a clause binds."""

    CLIENT = "client"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One time that a clause came to bear."""

    held: bool
    evidence: tuple[Entry, ...]
    message: str = ""


def held(*evidence: Entry) -> Finding:
    """The clause came to bear, and was kept."""
    return Finding(held=True, evidence=evidence)


def broken(message: str, *evidence: Entry) -> Finding:
    """The clause came to bear, and was broken; `message` says what happened instead, `evidence` proves it."""
    return Finding(held=False, evidence=evidence, message=message)


Judge = Callable[[History], Iterable[Finding]]
Result = Literal["pass", "violated", "not_exercised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One sentence of the specification.

    Args:
        id: area and number, as `ACK-2`; stable once published.
        level: how much it weighs.
        binds: the client or the service.
        statement: the sentence.
        source: where it comes from: a statement of the official document (S24), or whose behaviour was observed.
        rationale: why it matters, and where published clients disagree.
        judge: looks for it in a history.
        needs_handlers: it cannot be judged from the wire alone.
        capability: what a client must declare it can do before it is held to this clause; None for nothing special.
    """

    id: str
    level: Level
    binds: Binds
    statement: str
    source: str
    rationale: str
    judge: Judge
    needs_handlers: bool = False
    capability: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z]{3}-[1-9][0-9]*", self.id):
            raise ValueError(f"a clause id is three capital letters, a dash and a number, as ACK-2; not {self.id!r}")

    @property
    def area(self) -> str:
        """The three letters of its id."""
        return self.id[:3]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one clause says of one trace."""

    clause: Clause
    exercised: int
    violations: tuple[Finding, ...]

    @property
    def result(self) -> Result:
        if self.violations:
            return "violated"
        return "pass" if self.exercised else "not_exercised"


def judge(clause: Clause, history: History) -> Judgement:
    """Judges one history by one clause."""
    if clause.needs_handlers and not history.trace.handlers:
        return Judgement(clause=clause, exercised=0, violations=())
    # Frames alone do not show what the service knew.
    if clause.binds is Binds.SERVICE and history.outside:
        return Judgement(clause=clause, exercised=0, violations=())
    findings = list(clause.judge(history))
    violations = (finding for finding in findings if not finding.held)
    if history.outside:
        violations = (replace(each, evidence=history.recorded(each.evidence)) for each in violations)
    return Judgement(clause=clause, exercised=len(findings), violations=tuple(violations))


class Catalogue(dict[str, Clause]):
    """Clauses by id, in the order of their declaration."""

    def clause(
        self,
        id: str,
        level: Level,
        binds: Binds,
        statement: str,
        *,
        source: str,
        needs_handlers: bool = False,
        capability: str | None = None,
    ) -> Callable[[Judge], Judge]:
        """Declares the decorated judge as a clause; its docstring is the rationale.

        Raises:
            ValueError: the id is malformed or taken.
        """

        def declare(function: Judge) -> Judge:
            if id in self:
                raise ValueError(f"clause {id} is declared twice")
            self[id] = Clause(
                id=id,
                level=level,
                binds=binds,
                statement=statement,
                source=source,
                rationale=cleandoc(function.__doc__ or ""),
                judge=function,
                needs_handlers=needs_handlers,
                capability=capability,
            )
            return function

        return declare
