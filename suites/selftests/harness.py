"""What the tests of the harness share: the command line in this process, and results made by hand."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tmcspec.clauses import CLAUSES, Clause, Finding, Judgement
from tmcspec.trace import Entry
from tmcsuites.adapters.contract import ClientEvent, ClientReceived, OnEvent
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.casebook import MARK, Case, CaseFunction
from tmcsuites.cli import main
from tmcsuites.session import CASES
from tmcsuites.verdict import CaseResult, Verdict

LIARS = Path(__file__).parent / "liars"

#: Cases that are over at once.
CONNECTS = "test_hsk.py::test_a_client_connects_and_signs"
CHINESE = "test_frm.py::test_text_beyond_ascii_survives[chinese]"

#: The words that run a client which breaks FRM-7 in one case.
GARBLING = ("run", "--python", f"{__name__}:Garbling", "--case", CHINESE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


def tmcspec(*words: str) -> Ended:
    """The command `tmcspec` with these words, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["tmcspec", *words]),
        mock.patch.object(sys, "path", sys.path[:]),
        mock.patch("tmcsuites.cli.calm"),  # this process is pytest's
        pytest.raises(SystemExit) as end,
    ):
        main()
    return Ended(status=int(end.value.code or 0), out=out.getvalue(), err=err.getvalue())


def results(report: str = "tmcspec-report") -> Any:
    """The results.json of a run, by default of one with the default report directory, below the working directory."""
    return json.loads(Path(report, "results.json").read_text(encoding="utf-8"))


class Garbling(ReferenceSubject):
    """Shows its handler question marks."""

    async def open(self, on_event: OnEvent) -> None:
        def garbled(event: ClientEvent) -> None:
            if isinstance(event, ClientReceived) and event.content is not None:
                event = replace(event, content=event.content.encode("ascii", "replace").decode())
            on_event(event)

        await super().open(garbled)


def liar(name: str) -> str:
    """The command of a miniature adapter."""
    return f"{sys.executable} -S {LIARS / name}.py"


def judgement(clause: str | Clause, *messages: str, exercised: int = 1, evidence: Sequence[Entry] = ()) -> Judgement:
    """What a clause says: broken once for each message."""
    found = tuple(Finding(held=False, evidence=tuple(evidence), message=message) for message in messages)
    chosen = CLAUSES[clause] if isinstance(clause, str) else clause
    return Judgement(clause=chosen, exercised=max(exercised, len(found)), violations=found)


def result(
    verdict: Verdict,
    *,
    broken: Sequence[str] = (),
    clauses: Sequence[str] = ("LID-1",),
    case: str = "test_lid.py::a",
    saying: str = "in some way",
) -> CaseResult:
    """The result of a case about some clauses that broke some."""
    return CaseResult(
        id=case,
        area=clauses[0][:3],
        verdict=verdict,
        clauses=tuple(clauses),
        judgements=tuple(judgement(id, saying) for id in broken),
    )


class _Collector:
    """Collects the cases of the suite, as `tmcspec run` does."""

    def __init__(self) -> None:
        self.cases: dict[str, tuple[Case, CaseFunction]] = {}

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.unregister(name="terminalreporter")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            assert isinstance(item, pytest.Function)
            mark = item.get_closest_marker(MARK)
            assert mark is not None, f"{item.nodeid} is no case"
            self.cases[item.nodeid] = mark.args[0], _bound(item)


def _bound(item: pytest.Function) -> CaseFunction:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}

    async def play(stage: object) -> None:
        await item.obj(tmc_stage=stage, **parameters)

    play.__doc__ = item.obj.__doc__
    return play


def collected() -> dict[str, tuple[Case, CaseFunction]]:
    """All cases of the suite by id, each with its function, parameters bound."""
    collector = _Collector()
    words = [str(CASES), "-c", str(CASES / "pytest.ini"), "--disable-plugin-autoload", "--collect-only"]
    assert pytest.main([*words, "-p", "no:cacheprovider", "--capture=no"], plugins=[collector]) == 0
    return collector.cases
