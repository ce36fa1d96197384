"""No clause without its three traces: one that keeps it, one that breaks it, one that says nothing about it."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from proofs import PROOFS

from tmcspec.clauses import CLAUSES, Result

# Proofs are declared where the tests of an area are.
for _path in sorted(Path(__file__).parent.glob("test_clauses_*.py")):
    if _path.stem != __name__:
        import_module(_path.stem)


@pytest.mark.parametrize("result", get_args(Result))
@pytest.mark.parametrize("clause", CLAUSES)
def test_every_clause_has_a_trace_that_keeps_it_one_that_breaks_it_and_one_that_does_neither(
    clause: str, result: Result
) -> None:
    proofs = [proof.name for proof in PROOFS if (proof.clause, proof.result) == (clause, result)]
    assert proofs, f"no story is declared that makes {clause} {result}; see proofs.py for how to tell one"


def test_nothing_is_proved_that_is_no_clause() -> None:
    assert {proof.clause for proof in PROOFS} <= set(CLAUSES)


def test_every_proof_is_a_test_that_runs() -> None:
    assert [proof.name for proof in PROOFS if not proof.name.startswith("test_")] == []
    names = Counter(proof.name for proof in PROOFS)
    assert [name for name, count in names.items() if count > 1 and _same_area(name)] == []


def _same_area(name: str) -> bool:
    """Whether two proofs of one area have this name: in one module the second would hide the first."""
    areas = [proof.clause[:3] for proof in PROOFS if proof.name == name]
    return len(set(areas)) < len(areas)
