"""The cases themselves: each does what it says, with a client that does everything right."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from harness import collected

from tmcspec.clauses import CLAUSES, Binds, Level
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.report.results import trace_name
from tmcsuites.session import CASES as FOLDER
from tmcsuites.verdict import CaseResult, Verdict
from tmcsuites.worlds import Setting, run_case

CASES = collected()

#: How long the clauses give a client's own timers.
TIMERS = {"BACK_WITHIN", "BACK_AFTER_OUTAGE", "SILENCE_NOTICED", "PULL_INTERVAL", "CONNECTACK_PATIENCE"}

ADAPTER_DOCUMENT = Path(__file__).parents[2] / "docs" / "adapter.md"

SETTING = Setting(
    world="simulated",
    subject=lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng),
    clauses=tuple(CLAUSES.values()),
    seed=0,
)


@pytest.mark.parametrize("id", CASES)
def test_the_reference_core_passes_a_case_that_exercises_what_it_declares(id: str) -> None:
    result = run_case(id, *CASES[id], SETTING)
    assert (result.verdict, result.message) == (Verdict.PASS, "")
    exercised = {judgement.clause.id for judgement in result.judgements if judgement.exercised}
    assert set(result.clauses) == set(CASES[id][0].clauses) <= exercised
    # Nor does it break anything that the case is not about; what only counts accuses nobody.
    broken = [judgement.clause for judgement in result.judgements if judgement.violations]
    assert [clause.id for clause in broken if clause.level is not Level.INFO] == []


@pytest.mark.parametrize("id", CASES)
def test_a_case_says_what_it_does(id: str) -> None:
    assert (CASES[id][1].__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("id", CASES)
def test_a_case_needs_what_its_clauses_need(id: str) -> None:
    case = CASES[id][0]
    assert {CLAUSES[clause].capability for clause in case.clauses} - {None} <= case.needs
    on_the_wire = [
        clause
        for clause in case.clauses
        if CLAUSES[clause].binds is Binds.CLIENT and not CLAUSES[clause].needs_handlers
    ]
    # A bare program is held to what shows on the wire, so there must be something.
    assert case.handlers or on_the_wire


@pytest.mark.parametrize("id", CASES)
def test_a_case_lives_in_the_file_of_its_area(id: str) -> None:
    assert id.startswith(f"test_{CASES[id][0].area.lower()}.py::")


@pytest.mark.parametrize("clause", [clause.id for clause in CLAUSES.values() if clause.binds is Binds.CLIENT])
def test_every_clause_that_binds_the_client_has_a_case(clause: str) -> None:
    assert [id for id, (case, _) in CASES.items() if clause in case.clauses]


#: MUSTs with one case, and why there is no other.
ONE_CASE = {"ACK-11": "ten thousand messages, whatever is in them, take as long as all other cases together"}


def test_every_must_that_binds_the_client_has_two_cases() -> None:
    musts = [clause.id for clause in CLAUSES.values() if clause.binds is Binds.CLIENT and clause.level is Level.MUST]
    cases = {id: {name.partition("[")[0] for name, (case, _) in CASES.items() if id in case.clauses} for id in musts}
    assert [id for id, names in cases.items() if len(names) < 2] == list(ONE_CASE)


def test_no_two_cases_share_an_id_or_a_trace() -> None:
    names = {trace_name(CaseResult(id=id, area="LID", verdict=Verdict.PASS, clauses=())).lower() for id in CASES}
    assert len(names) == len(CASES) > 50


def _named(module: str) -> dict[str, set[str]]:
    """What each function of a module names, in its body and in those that it calls."""
    tree = ast.parse((FOLDER / module).read_text(encoding="utf-8"))
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}

    def names(function: str, seen: frozenset[str] = frozenset()) -> set[str]:
        found = {node.id for part in functions[function].body for node in ast.walk(part) if isinstance(node, ast.Name)}
        called = [each for each in found if each in functions and each not in seen]
        return found.union(*(names(each, seen | {function}) for each in called))

    return {name: names(name) for name in functions}


@pytest.mark.parametrize("module", sorted({id.partition("::")[0] for id in CASES}))
def test_a_case_that_waits_for_the_timers_of_a_client_says_so(module: str) -> None:
    named = _named(module)
    for id, (case, _) in CASES.items():
        if id.startswith(f"{module}::"):
            function = id.partition("::")[2].partition("[")[0]
            assert bool(case.waits) == bool(named[function] & TIMERS), id


def test_the_document_lists_the_cases_that_wait_for_the_timers_of_a_client() -> None:
    waits = {id.partition("[")[0]: case.waits for id, (case, _) in CASES.items() if case.waits}
    table = ADAPTER_DOCUMENT.read_text(encoding="utf-8").partition("cases that wait for the client's timers |")[2]
    rows = [line.split("|") for line in table.partition("\n\n")[0].splitlines()[2:]]
    assert {name: float(row[1]) for row in rows for name in re.findall(r"`([^`]+)`", row[2])} == waits
