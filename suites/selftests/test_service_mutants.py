"""The clauses that bind the service find services with one seeded defect each, and find nothing else about them."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest

from tmcfakes.backlog import Backlog
from tmcfakes.fake import FakeTmc
from tmcfakes.queues import Queue
from tmcfakes.reception import Reception
from tmcspec.clauses import CLAUSES, Binds, Level
from tmcsuites.mutants.accepted import SERVICE_ACCEPTED
from tmcsuites.mutants.base import PLACES, ServiceCatalogue, ServiceMutant
from tmcsuites.mutants.matrix import meetings, perform_service, plays, service_accusations
from tmcsuites.mutants.report import service_results_of
from tmcsuites.mutants.service import (
    SERVICE_MUTANTS,
    encounters,
    flowcontrol,
    gateway,
    groups,
    handshake,
    publishing,
    redelivery,
)
from tmcsuites.verdict import Verdict

SERVICE = [id for id, clause in CLAUSES.items() if clause.binds is Binds.SERVICE]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A client whose service is wrong logs a lot, and pytest keeps it all."""
    caplog.set_level(logging.CRITICAL)


every_mutant = pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=f"{mutant.name}-{mutant.clause}") for mutant in SERVICE_MUTANTS.values()]
)


@every_mutant
def test_a_mutant_is_found_by_the_clause_that_names_its_defect(mutant: ServiceMutant) -> None:
    about = [result for result in service_results_of(mutant.name) if mutant.clause in result.clauses]
    assert mutant.clause in service_accusations(about), f"{mutant.clause} does not see it: {mutant.defect}"


@every_mutant
def test_a_mutant_is_accused_of_nothing_else_and_no_client_is_accused_for_it(mutant: ServiceMutant) -> None:
    accused = service_accusations(service_results_of(mutant.name))
    accepted = {clause for name, clause in SERVICE_ACCEPTED if name == mutant.name}
    assert {id: why for id, why in accused.items() if id != mutant.clause and id not in accepted} == {}
    assert accepted <= set(accused), "what is accepted here does not happen any more"


@every_mutant
def test_a_mutant_does_wrong_and_does_not_break_down(mutant: ServiceMutant) -> None:
    # Where a clause accuses it, the verdict says so, and else what the suite, or the fake, stumbled over.
    broken = [result for result in service_results_of(mutant.name) if result.verdict is Verdict.SUITE_FAULT]
    assert [result.message for result in broken if not result.message.startswith("the fake service itself broke")] == []


def test_the_unmutated_fake_is_accused_of_nothing() -> None:
    results = perform_service(FakeTmc, [*meetings(), *(play for play in plays() if not play.long)])
    assert service_accusations(results) == {}
    assert [(result.id, result.message) for result in results if result.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("play", meetings(), ids=lambda play: play.id)
def test_an_encounter_brings_every_clause_to_bear_that_it_names(play: Any) -> None:
    (result,) = perform_service(FakeTmc, [play])
    exercised = {each.clause.id for each in result.judgements if each.exercised}
    assert set(play.case.clauses) <= exercised


def test_encounters_are_about_services() -> None:
    assert {id for play in meetings() for id in play.case.clauses} <= set(SERVICE)
    assert set(encounters.ENCOUNTERS) >= encounters.LONG


def test_every_must_that_binds_the_service_names_the_defect_of_a_mutant() -> None:
    musts = {id for id in SERVICE if CLAUSES[id].level is Level.MUST}
    assert sorted(musts - {mutant.clause for mutant in SERVICE_MUTANTS.values()}) == []


def test_no_two_mutants_share_a_name() -> None:
    catalogues = (handshake, redelivery, groups, publishing, gateway, flowcontrol)
    assert len(SERVICE_MUTANTS) == sum(len(each.MUTANTS) for each in catalogues)


@every_mutant
def test_a_mutant_replaces_exactly_one_step(mutant: ServiceMutant) -> None:
    base = mutant.part.__mro__[1]
    replaced = [name for name, value in vars(mutant.part).items() if inspect.isfunction(value) and hasattr(base, name)]
    assert base in PLACES
    assert len(replaced) == 1, replaced


@pytest.mark.parametrize("part", [Backlog, Queue, Reception, FakeTmc])
def test_a_part_gets_its_place_in_a_service_in_which_all_else_is_as_it_is(part: type) -> None:
    mutated = type("Mutated", (part,), {"__doc__": "Says nothing wrong."})
    made = ServiceMutant(name="says-nothing-wrong", clause="RDL-1", defect="None.", part=mutated).fake
    assert issubclass(made, FakeTmc)
    assert FakeTmc.service_type.deliveries_type.backlog_type is Backlog
    while made is not mutated:
        # Each owner is the usual one but for one attribute.
        (made,) = [value for name, value in vars(made).items() if name.endswith("_type")]


def test_accepted_side_effects_are_of_mutants_and_clauses_that_exist() -> None:
    assert [pair for pair in SERVICE_ACCEPTED if pair[0] not in SERVICE_MUTANTS or pair[1] not in CLAUSES] == []


def test_a_mutant_of_the_service_is_about_a_clause_that_binds_it() -> None:
    with pytest.raises(ValueError, match="mutant sleeps: 'ACK-1' is no clause that binds the service"):
        ServiceCatalogue().mutant("sleeps", "ACK-1")(Backlog)
