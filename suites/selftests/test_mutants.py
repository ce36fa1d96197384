"""The suite finds clients with one seeded defect each, and finds nothing else about them."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest

from tmcspec.clauses import CLAUSES, Binds, Level
from tmcspec.client import Core, TmcClient
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.mutants import (
    MUTANTS,
    acknowledgement,
    connection,
    duplicates,
    frames,
    groups,
    handshake,
    longid,
    polling,
    publishing,
    redelivery,
    wholequeue,
)
from tmcsuites.mutants.accepted import ACCEPTED
from tmcsuites.mutants.base import Catalogue, Mutant
from tmcsuites.mutants.matrix import accusations, perform, plays
from tmcsuites.mutants.report import results_of
from tmcsuites.verdict import Verdict


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Mutants log a lot, and pytest keeps it all."""
    caplog.set_level(logging.CRITICAL)


every_mutant = pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=f"{mutant.name}-{mutant.clause}") for mutant in MUTANTS.values()]
)


@every_mutant
def test_a_mutant_is_found_by_the_clause_that_names_its_defect(mutant: Mutant) -> None:
    about = [result for result in results_of(mutant.name) if mutant.clause in result.clauses]
    assert mutant.clause in accusations(about), f"{mutant.name}: {mutant.defect} {mutant.clause} does not see it"


@every_mutant
def test_a_mutant_is_accused_of_nothing_else(mutant: Mutant) -> None:
    accused = accusations(results_of(mutant.name))
    accepted = {clause for name, clause in ACCEPTED if name == mutant.name}
    assert {id: why for id, why in accused.items() if id != mutant.clause and id not in accepted} == {}
    assert accepted <= set(accused), "what is accepted here does not happen any more"


@every_mutant
def test_a_mutant_is_the_client_s_fault_and_not_the_suite_s(mutant: Mutant) -> None:
    ours = {Verdict.SUITE_FAULT, Verdict.ADAPTER_FAULT}
    assert [(result.id, result.message) for result in results_of(mutant.name) if result.verdict in ours] == []


def test_the_unmutated_core_is_accused_of_nothing() -> None:
    # The one case that is about the service alone takes a simulated day.
    about_clients = [play for play in plays() if any(CLAUSES[id].binds is Binds.CLIENT for id in play.case.clauses)]
    results = perform(lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng), about_clients)
    assert [(result.id, result.message) for result in results if result.verdict is not Verdict.PASS] == []


def test_every_must_that_binds_the_client_names_the_defect_of_a_mutant() -> None:
    musts = {id for id, each in CLAUSES.items() if each.binds is Binds.CLIENT and each.level is Level.MUST}
    assert sorted(musts - {mutant.clause for mutant in MUTANTS.values()}) == []


def test_no_two_mutants_share_a_name() -> None:
    catalogues = (
        handshake,
        frames,
        acknowledgement,
        redelivery,
        groups,
        longid,
        connection,
        publishing,
        polling,
        wholequeue,
        duplicates,
    )
    assert len(MUTANTS) == sum(len(each.MUTANTS) for each in catalogues)


@every_mutant
def test_a_mutant_replaces_exactly_one_step(mutant: Mutant) -> None:
    base = mutant.part.__mro__[1]
    replaced = [name for name, value in vars(mutant.part).items() if inspect.isfunction(value) and hasattr(base, name)]
    assert len(replaced) == 1, replaced


def test_accepted_side_effects_are_of_mutants_and_clauses_that_exist() -> None:
    assert [pair for pair in ACCEPTED if pair[0] not in MUTANTS or pair[1] not in CLAUSES] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Never confirms"}, "words joined by dashes"),
        ({"clause": "ACK-99"}, "'ACK-99' is no clause that binds the client"),
        ({"clause": "RDL-1"}, "'RDL-1' is no clause that binds the client"),
        ({"defect": ""}, "the defect is one sentence"),
        ({"defect": "Never confirms"}, "the defect is one sentence"),
    ],
)
def test_a_mutant_that_says_nonsense_is_refused(changes: dict[str, Any], message: str) -> None:
    right = {"name": "sleeps", "clause": "ACK-1", "defect": "Sleeps all day.", "published": (), "part": TmcClient}
    Mutant(**right)
    with pytest.raises(ValueError, match=message):
        Mutant(**right | changes)


def test_a_mutant_is_declared_once() -> None:
    catalogue = Catalogue()

    class Sleeps(Core):
        """Sleeps all day."""

    catalogue.mutant("sleeps", "ACK-1")(Sleeps)
    with pytest.raises(ValueError, match="mutant sleeps is declared twice"):
        catalogue.mutant("sleeps", "ACK-2")(Sleeps)
