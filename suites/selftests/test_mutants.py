"""The suite finds clients with one seeded defect each, and finds nothing else about them."""

from __future__ import annotations

import inspect
import logging
from functools import cache
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
from tmcsuites.mutants.base import Catalogue, Mutant
from tmcsuites.mutants.matrix import accusations, perform, plays, plays_for
from tmcsuites.verdict import CaseResult, Verdict

# What else is found, and why that cannot be otherwise. By mutant and clause.
NO_TOKEN = "there is no token that it could send"
BLIND = "what it sends blindly comes behind the answer, and nobody can tell that from using it"
SAME_LOSS = "the same loss, where no neighbour is pending"
ACCEPTED: dict[tuple[str, str], str] = {
    ("pulls-before-the-answer", "HSK-5"): BLIND,
    ("pulls-before-the-answer", "HSK-6"): BLIND,
    ("pulls-before-the-answer", "HSK-8"): NO_TOKEN,
    ("pulls-before-the-answer", "HSK-10"): BLIND,
    ("takes-a-refusal-for-success", "HSK-7"): "it tells the application that it is connected",
    ("keeps-a-refusal-to-itself", "CON-7"): "that an upgrade is refused it keeps to itself, too",
    ("takes-a-refusal-for-success", "HSK-8"): NO_TOKEN,
    ("takes-a-refusal-by-phrase-for-success", "HSK-7"): "it tells the application that it is connected",
    ("takes-a-refusal-by-phrase-for-success", "HSK-8"): NO_TOKEN,
    ("connects-without-a-token", "HSK-8"): NO_TOKEN,
    ("loses-its-place-at-bytes", "FRM-5"): "gzip content is bytes",
    ("reads-int64-unsigned", "FRM-3"): "it shows `dataid` without its sign, in whatever format that came",
    ("never-confirms", "RDL-7"): "a copy that comes again is known, and not confirmed either",
    ("confirms-first", "DUP-1"): "it confirms a copy first, too",
    ("never-confirms", "FRM-6"): "the clause asks for a confirm",
    ("never-confirms", "FRM-11"): "the clause asks for a confirm",
    ("never-confirms", "QUE-1"): "what is never confirmed never leaves the queue",
    ("loses-confirms-that-come-together", "ACK-8"): "messages whose confirms were lost come again together",
    ("confirms-what-takes-long", "ACK-3"): "a handler that takes long may fail in the end",
    ("dies-of-a-raising-handler", "ACK-1"): "what it had in hand dies with it",
    ("reads-ids-unsigned", "ACK-1"): "an id that it cannot write ends its connection, and with it what waited behind",
    ("loses-confirms-that-come-together", "QUE-1"): "what it does not confirm does not leave the queue",
    ("never-confirms", "CON-6"): "what it never confirms it does not confirm before it leaves",
    ("loses-confirms-that-come-together", "CON-6"): "handlers that are done together are lost on the way out, too",
    ("confirms-what-takes-long", "CON-6"): "a handler takes long while it is stopped, too",
    ("confirms-all-it-has-when-it-stops", "ACK-2"): "what it confirms as it stops, no handler has done",
    ("never-comes-back", "CON-2"): "it does not come back after an outage either",
    ("never-comes-back", "CON-7"): "it does not try again, whatever ended its connection",
    ("never-comes-back", "QUE-1"): "what waits for it never leaves the queue",
    ("confirms-first", "ACK-3"): "what is confirmed first is confirmed whatever comes of it",
    ("confirms-first", "ACK-5"): "what is confirmed first is confirmed whatever comes of it",
    ("swallows-failures", "ACK-2"): "nothing shows that its handler was done before",
    ("swallows-failures", "ACK-5"): "it swallows every exception alike",
    ("counts-characters-when-writing", "GRP-7"): "the service reads another group than it was told to consume",
    ("counts-characters-when-writing", "HSK-3"): "the service checks the sign against what it can read of the group",
    (
        "counts-characters-when-writing",
        "PUB-1",
    ): "what arrives, and is acknowledged, is another text than was published",
    ("tells-of-success-at-once", "PUB-2"): "whoever does not wait for an answer does not see an error either",
    ("ignores-a-repetition", "ACK-8"): "what is ignored is not confirmed",
    ("forgets-its-queue", "RDL-7"): "what it has forgotten is ignored when it comes again",
    ("reads-ids-as-doubles", "LID-1"): SAME_LOSS,
    ("confirms-through-a-double", "LID-1"): SAME_LOSS,
    ("reads-ids-as-int32", "LID-1"): SAME_LOSS,
    ("confirms-in-the-smallest-width", "LID-1"): SAME_LOSS,
}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Mutants log a lot, and pytest keeps it all."""
    caplog.set_level(logging.CRITICAL)


every_mutant = pytest.mark.parametrize(
    "mutant", [pytest.param(mutant, id=f"{mutant.name}-{mutant.clause}") for mutant in MUTANTS.values()]
)


@cache
def results_of(name: str) -> tuple[CaseResult, ...]:
    """One mutant through the suite."""
    return perform(MUTANTS[name].subject, plays_for(MUTANTS[name]))


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
