"""What one case says of a client: which verdict wins when several things went wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from harness import judgement, result

from tmcspec.clauses import CLAUSES, Level
from tmcsuites.adapters.contract import AdapterFault, Crashed, Hung, SubjectError, Unavailable, Unsupported
from tmcsuites.stage import CannotStart, NeverReady
from tmcsuites.verdict import BAD, CaseResult, ExitStatus, Verdict, decide

MUST, SHOULD, OTHER_MUST, SERVICE = "ACK-1", "ACK-4", "LID-1", "RDL-4"
CRASHED = Crashed("it fell", status="exit 1", log="the client's\nlast words")
HUNG = Hung("it sleeps", op="start", deadline=1.0, log="the client's\nlast words")


def test_a_case_with_nothing_broken_passes() -> None:
    assert decide(clauses=[MUST], judgements=[judgement(MUST)], error=None) == (Verdict.PASS, "")


def test_a_broken_must_fails_any_case() -> None:
    found = decide(clauses=[SHOULD], judgements=[judgement(SHOULD), judgement(MUST, "lost")], error=None)
    assert found == (Verdict.FAIL, "ACK-1: lost")


def test_a_broken_should_makes_non_strict_only_the_case_that_is_about_it() -> None:
    judgements = [judgement(SHOULD, "silent"), judgement(MUST)]
    assert decide(clauses=[SHOULD], judgements=judgements, error=None) == (Verdict.NON_STRICT, "ACK-4: silent")
    assert decide(clauses=[MUST], judgements=judgements, error=None) == (Verdict.PASS, "")


def test_a_broken_info_clause_is_told_and_no_more() -> None:
    clause = replace(CLAUSES[SHOULD], level=Level.INFO)
    verdict, _ = decide(clauses=[SHOULD], judgements=[judgement(clause, "so it is")], error=None)
    assert verdict is Verdict.INFO
    assert not result(verdict).bad


def test_a_broken_must_outweighs_a_broken_should() -> None:
    judgements = [judgement(SHOULD, "silent"), judgement(MUST, "lost")]
    assert decide(clauses=[SHOULD, MUST], judgements=judgements, error=None) == (Verdict.FAIL, "ACK-1: lost")


def test_all_broken_clauses_of_the_worst_level_are_named() -> None:
    judgements = [judgement(MUST, "lost", "lost again"), judgement(OTHER_MUST, "rounded")]
    assert decide(clauses=[MUST], judgements=judgements, error=None)[1] == "ACK-1: lost; LID-1: rounded"


@pytest.mark.parametrize("error", [None, CRASHED, HUNG, NeverReady("not there")], ids=repr)
def test_a_fault_of_the_fake_outweighs_everything(error: Exception | None) -> None:
    judgements = [judgement(SERVICE, "expired early"), judgement(MUST, "lost")]
    verdict, message = decide(clauses=[MUST], judgements=judgements, error=error)
    assert verdict is Verdict.SUITE_FAULT
    assert message == "the fake service itself broke RDL-4: expired early"


def test_a_clause_that_the_client_gave_nothing_to_judge_by_is_never_green() -> None:
    silent = judgement(MUST, exercised=0)
    nothing = "the client gave nothing to judge ACK-1 by"
    assert decide(clauses=[MUST, SHOULD], judgements=[silent], error=None) == (Verdict.FAIL, nothing)
    assert decide(clauses=[MUST], judgements=[silent], error=None, may_be_silent=True) == (
        Verdict.UNSUPPORTED,
        nothing,
    )


def test_nothing_to_judge_a_should_by_is_no_failure() -> None:
    verdict, _ = decide(clauses=[SHOULD], judgements=[judgement(SHOULD, exercised=0)], error=None)
    assert verdict is Verdict.UNSUPPORTED


def test_a_failure_without_a_broken_clause_is_explained_by_what_was_not_proved() -> None:
    silent = CaseResult(
        id="a", area="ACK", verdict=Verdict.FAIL, clauses=(MUST,), judgements=(judgement(MUST, exercised=0),)
    )
    assert silent.violated() == ()
    assert silent.broken == (MUST,)


def test_a_clause_of_the_service_need_not_be_exercised() -> None:
    judgements = [judgement(SERVICE, exercised=0), judgement(MUST)]
    assert decide(clauses=[MUST, SERVICE], judgements=judgements, error=None) == (Verdict.PASS, "")


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (CRASHED, Verdict.CRASHED),
        (HUNG, Verdict.HUNG),
        (Unsupported("exit 127"), Verdict.UNSUPPORTED),
        (AdapterFault("two answers"), Verdict.ADAPTER_FAULT),
        (Unavailable("gone"), Verdict.CRASHED),
        (SubjectError("closed"), Verdict.CRASHED),
        (NeverReady("not there"), Verdict.HUNG),
        (RuntimeError("ours"), Verdict.SUITE_FAULT),
        (TimeoutError("ours"), Verdict.SUITE_FAULT),
        (SystemExit(0), Verdict.SUITE_FAULT),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_ended_a_case_early_decides_its_verdict(error: BaseException, verdict: Verdict) -> None:
    found, message = decide(clauses=[MUST], judgements=[judgement(MUST, exercised=0)], error=error)
    assert found is verdict
    assert "\n" not in message
    assert str(error).partition("\n")[0] in message


@pytest.mark.parametrize("error", [CRASHED, HUNG], ids=["crashed", "hung"])
def test_what_a_dying_client_broke_is_named_beside_its_death(error: Exception) -> None:
    _, message = decide(clauses=[MUST], judgements=[judgement(MUST, "lost")], error=error)
    assert message.endswith("; broken: ACK-1: lost")


def test_a_client_that_never_got_ready_fails_when_the_trace_shows_a_broken_must() -> None:
    error = NeverReady("not accepted")
    assert decide(clauses=[MUST], judgements=[judgement("HSK-2", "wrong sign")], error=error) == (
        Verdict.FAIL,
        "HSK-2: wrong sign",
    )


def test_a_broken_should_does_not_explain_why_a_client_never_got_ready() -> None:
    verdict, message = decide(
        clauses=[SHOULD], judgements=[judgement(SHOULD, "silent")], error=NeverReady("not accepted")
    )
    assert (verdict, message) == (Verdict.HUNG, "not accepted; broken: ACK-4: silent")


def test_saying_unsupported_does_not_undo_a_broken_must() -> None:
    error = Unsupported("the program ended with exit status 127")
    verdict, message = decide(clauses=[MUST], judgements=[judgement(MUST, "lost")], error=error)
    assert (verdict, message) == (Verdict.FAIL, "ACK-1: lost")


def test_an_expected_verdict_is_not_bad() -> None:
    for verdict in Verdict:
        assert result(verdict).bad == (verdict in BAD)
        assert not replace(result(verdict), expected="known").bad


def test_a_result_counts_what_the_case_is_about_and_every_must() -> None:
    judgements = (
        judgement("LID-1", "rounded"),
        judgement("LID-4", "no case of ours"),
        judgement("ACK-4", "silent"),
        judgement(SERVICE, "ours"),
        judgement(MUST),
    )
    ended = replace(result(Verdict.FAIL, clauses=["ACK-4"]), judgements=judgements)
    assert [each.clause.id for each in ended.violated()] == ["LID-1", "ACK-4"]


def test_exit_statuses_mean_what_they_mean_in_pytest() -> None:
    for ours, theirs in {
        ExitStatus.OK: pytest.ExitCode.OK,
        ExitStatus.FAILURE: pytest.ExitCode.TESTS_FAILED,
        ExitStatus.INTERRUPTED: pytest.ExitCode.INTERRUPTED,
        ExitStatus.SUITE_FAULT: pytest.ExitCode.INTERNAL_ERROR,
        ExitStatus.USAGE: pytest.ExitCode.USAGE_ERROR,
        ExitStatus.NOTHING_RAN: pytest.ExitCode.NO_TESTS_COLLECTED,
    }.items():
        assert int(ours) == int(theirs)


def test_a_client_that_says_it_cannot_start_failed_and_one_that_says_nothing_hangs() -> None:
    told = decide(clauses=[MUST], judgements=[], error=CannotStart("the client could not start: no route"))
    assert told == (Verdict.FAIL, "the client could not start: no route")
    assert decide(clauses=[MUST], judgements=[], error=NeverReady("never accepted"))[0] is Verdict.HUNG
