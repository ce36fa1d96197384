"""Any bad day: the reference core breaks no MUST on it, and clients with a defect are found.

Small worlds, drawn by Hypothesis, which makes them smaller when one goes wrong; then some longer days. `nightly` plays
many more of both.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tmcfakes.faults import EVERYBODY, PlannedFault
from tmcspec.clauses import CLAUSES, judge_trace
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.machine import check, machine_for
from tmcsuites.chaos.plan import Plan
from tmcsuites.chaos.play import play
from tmcsuites.chaos.strategies import planned_faults, plans, without_faults

#: How much more is done at night.
MORE = 50 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 1

REFERENCE = subject_of("reference")

#: A play takes a second, whatever a health check thinks of that; and nobody is to be told of a failure a minute late.
SLOWLY = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=15 * MORE)

#: Defects that only a bad day shows, or that every day does: the client, and the clause that names it.
DEFECTS = {
    "confirms-first": "ACK-2",
    "forgets-its-queue": "QUE-1",
    "keeps-the-first-token": "HSK-8",
    "comes-back-at-once": "CON-3",
    "reads-ids-as-doubles": "LID-1",
}


@given(planned_faults(seconds=60.0, at=st.just(55.0), targets=st.just("client-2")))
def test_a_fault_is_drawn_for_when_and_whom_it_is_wanted(fault: PlannedFault) -> None:
    assert fault.at == 55.0
    assert fault.target in (EVERYBODY, "client-2")
    assert fault.end <= 60


@SLOWLY
@given(plan=plans(messages_=12, clients=4))
def test_the_reference_core_breaks_no_must_in_any_small_world(plan: Plan) -> None:
    check(judge_trace(play(plan, REFERENCE)))


@settings(parent=SLOWLY, max_examples=5 * MORE)
@given(plan=plans(messages_=12, clients=4))
def test_on_a_good_day_everything_that_can_be_handled_is_settled(plan: Plan) -> None:
    trace = play(without_faults(plan), REFERENCE)
    (lost,) = judge_trace(trace, [CLAUSES["QUE-1"]])
    assert lost.violations == ()
    assert lost.exercised == sum(message.told.outcome == "ok" for message in plan.messages)


def test_the_reference_core_breaks_no_must_whatever_operator_and_network_do() -> None:
    run_state_machine_as_test(
        machine_for(REFERENCE), settings=settings(parent=SLOWLY, max_examples=10 * MORE, stateful_step_count=20)
    )


def test_the_machine_finds_a_client_that_confirms_before_it_has_handled() -> None:
    hurried = settings(parent=SLOWLY, max_examples=50, phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises(AssertionError, match="ACK-2"):
        run_state_machine_as_test(
            machine_for(subject_of("mutant:confirms-first"), clauses=[CLAUSES["ACK-2"]]), settings=hurried
        )


@pytest.mark.parametrize("seed", range(MORE))
def test_the_reference_core_breaks_no_must_on_a_bad_day(seed: int) -> None:
    check(judge_trace(play(draw_plan(seed, hours=6, clients=4, messages=600), REFERENCE)))


@pytest.mark.parametrize("mutant", DEFECTS)
def test_a_client_with_a_defect_is_found_on_one_of_the_first_bad_days(mutant: str) -> None:
    clause = CLAUSES[DEFECTS[mutant]]
    for seed in range(20):
        plan = draw_plan(seed, hours=6, clients=2, messages=600, quiet=700)
        (judgement,) = judge_trace(play(plan, subject_of(f"mutant:{mutant}")), [clause])
        if judgement.violations:
            return
    pytest.fail(f"{mutant} went through 20 bad days, and {clause.id} found nothing")
