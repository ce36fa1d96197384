"""The suite finds services with one seeded defect each, and finds nothing else about them, nor about the client."""

from __future__ import annotations

import inspect
import logging
from functools import cache
from typing import Any

import pytest

from tmcspec.clauses import CLAUSES, Binds, Level
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.mutants.matrix import charges, perform, plays_for
from tmcsuites.mutants.services import SERVICE_MUTANTS, ServiceMutant, flow, life, routing, talking
from tmcsuites.mutants.services.base import HOLDERS, Catalogue
from tmcsuites.verdict import CaseResult

# What else is found, and why that cannot be otherwise. By mutant and clause.
ACCEPTED: dict[tuple[str, str], str] = {
    ("refuses-a-publish-without-a-reason", "PUB-3"): "an answer without a code and a phrase is a success",
    ("redelivers-too-soon", "RDL-2"): "one delay is for both",
    ("consumes-without-moving-on", "RDL-1"): "what is handed out at once again comes too soon",
    ("knows-only-the-default-group", "GRP-5"): "messages from point to point are routed in the same way",
    ("loses-what-waits-for-nobody", "HTP-5"): "who consumes over HTTP is not connected",
    ("broadcasts-without-permission", "GRP-8"): "a permission that has ended is none",
    ("sets-a-flow-value-late", "FLW-1"): "until then it pushes at the rate of the value before",
    ("ignores-the-flow-value", "FLW-2"): "no value is ever in force",
    ("ignores-the-flow-value", "FLW-3"): "what is not limited is not limited further",
}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Clients of a broken service log a lot, and pytest keeps it all."""
    caplog.set_level(logging.CRITICAL)


every_mutant = pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=f"{mutant.name}-{mutant.clause}") for mutant in SERVICE_MUTANTS.values()]
)


@cache
def results_of(name: str) -> tuple[CaseResult, ...]:
    """The reference core with one mutant through the suite."""
    mutant = SERVICE_MUTANTS[name]
    return perform(
        lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng), plays_for(mutant), fake=mutant.fake
    )


@every_mutant
def test_a_mutant_is_found_by_the_clause_that_names_its_defect(mutant: ServiceMutant) -> None:
    assert mutant.clause in charges(results_of(mutant.name)), f"{mutant.clause} does not see it: {mutant.defect}"


@every_mutant
def test_a_mutant_is_accused_of_nothing_else(mutant: ServiceMutant) -> None:
    accused = charges(results_of(mutant.name))
    accepted = {clause for name, clause in ACCEPTED if name == mutant.name}
    assert {id: why for id, why in accused.items() if id != mutant.clause and id not in accepted} == {}
    assert accepted <= set(accused), "what is accepted here does not happen any more"


def test_every_must_that_binds_the_service_names_the_defect_of_a_mutant() -> None:
    musts = {id for id, each in CLAUSES.items() if each.binds is Binds.SERVICE and each.level is Level.MUST}
    assert sorted(musts - {mutant.clause for mutant in SERVICE_MUTANTS.values()}) == []


def test_there_are_many_and_no_two_share_a_name() -> None:
    catalogues = (flow, life, routing, talking)
    assert len(SERVICE_MUTANTS) == sum(len(each.MUTANTS) for each in catalogues) >= 20


@every_mutant
def test_a_mutant_replaces_exactly_one_step(mutant: ServiceMutant) -> None:
    base = mutant.part.__mro__[1]
    replaced = [name for name, value in vars(mutant.part).items() if inspect.isfunction(value) and hasattr(base, name)]
    assert len(replaced) == 1, replaced


def test_accepted_side_effects_are_of_mutants_and_clauses_that_exist() -> None:
    assert [pair for pair in ACCEPTED if pair[0] not in SERVICE_MUTANTS or pair[1] not in CLAUSES] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Never expires"}, "words joined by dashes"),
        ({"clause": "RDL-99"}, "'RDL-99' is no clause that binds the service"),
        ({"clause": "ACK-1"}, "'ACK-1' is no clause that binds the service"),
        ({"defect": "Never expires"}, "the defect is one sentence"),
        ({"part": dict}, "object is no part of the fake"),
    ],
)
def test_a_mutant_that_says_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    right = {"name": "sleeps", "clause": "RDL-1", "defect": "Sleeps all day.", "part": life.NeverRedelivers}
    ServiceMutant(**right)
    with pytest.raises(ValueError, match=message):
        ServiceMutant(**right | changes)


def test_two_mutants_of_one_name_are_refused() -> None:
    catalogue = Catalogue()
    catalogue.mutant("never-redelivers", "RDL-1")(life.NeverRedelivers)
    with pytest.raises(ValueError, match="never-redelivers is declared twice"):
        catalogue.mutant("never-redelivers", "RDL-1")(life.NeverRedelivers)


def test_every_part_that_can_have_a_defect_is_where_the_fake_looks_for_it() -> None:
    assert [(holder, name) for holder, name in HOLDERS.values() if not hasattr(holder, name)] == []
