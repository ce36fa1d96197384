"""Fingerprints: the same failure has the same one in the next run, another failure has another one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from harness import judgement, result

from tmcsuites.fingerprint import WIDTH, Failure, failures, fingerprint
from tmcsuites.verdict import Verdict

CASE = "test_lid.py::a"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("1001 was handled and not confirmed; 5.013 s passed", "# was handled and not confirmed; # s passed"),
        ("an id became -9007199254740992", "an id became #"),
        ("an id became 9.007e+15", "an id became #"),
        ("1, 2, 3 and 4 were lost", "# were lost"),
        ("1 and 2 were lost", "# were lost"),
        ("connect to 127.0.0.1:40123 failed", "connect to #:# failed"),
        ("token 0badc0de0badc0de0badc0de was used", "token # was used"),
        ("the client ended by itself (exit 3)", "the client ended by itself (exit 3)"),
        ("the client ended by itself (signal SIGSEGV)", "the client ended by itself (signal SIGSEGV)"),
        ("the file 买家 \x1b[2J\ud800", r"the file 买家 \x#b[#J\ud#"),
        ("", ""),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(message: str, expected: str) -> None:
    assert fingerprint("LID-1", message) == f"LID-1: {expected}"


def test_it_is_short_whatever_a_client_says() -> None:
    print_ = fingerprint("LID-1", "x " * 10_000)
    assert len(print_) == WIDTH
    assert print_.endswith("x …")


def test_each_broken_clause_is_a_failure_and_each_finding_a_fingerprint_once() -> None:
    broken = replace(
        result(Verdict.FAIL),
        judgements=(judgement("LID-1", "1 became 2", "3 is lost", "4 became 5"), judgement("ACK-1", "6 is lost")),
    )
    assert failures(broken) == (
        Failure(
            case=CASE,
            verdict=Verdict.FAIL,
            clauses=("LID-1",),
            fingerprints=("LID-1: # became #", "LID-1: # is lost"),
        ),
        Failure(case=CASE, verdict=Verdict.FAIL, clauses=("ACK-1",), fingerprints=("ACK-1: # is lost",)),
    )


def test_a_client_that_gave_nothing_to_judge_by_has_a_fingerprint_of_its_own() -> None:
    silent = replace(result(Verdict.FAIL), judgements=(judgement("LID-1", exercised=0),))
    assert [each.fingerprints for each in failures(silent)] == [("LID-1: nothing to judge by",)]


def test_a_death_is_one_failure_whatever_it_broke_behind_it() -> None:
    message = "the client ended by itself (exit 3) while it was under test; its log says why; broken: LID-1: 7 is lost"
    dead = replace(result(Verdict.CRASHED, broken=["LID-1"], clauses=("LID-1", "LID-3")), message=message)
    (failure,) = failures(dead)
    assert failure.clauses == ("LID-1", "LID-3")
    assert failure.fingerprints == ("CRASHED: the client ended by itself (exit 3) while it was under test",)


@pytest.mark.parametrize(
    "verdict", [Verdict.PASS, Verdict.INFO, Verdict.UNSUPPORTED, Verdict.ADAPTER_FAULT, Verdict.SUITE_FAULT]
)
def test_there_is_no_failure_where_nothing_failed_and_where_nothing_may_be_excused(verdict: Verdict) -> None:
    assert failures(result(verdict, broken=["LID-1"])) == ()


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.CRASHED, Verdict.HUNG])
def test_a_client_that_could_not_be_set_up_has_no_failure_to_excuse(verdict: Verdict) -> None:
    assert failures(result(verdict, broken=["LID-1"]))
    assert failures(replace(result(verdict, broken=["LID-1"]), set_up=True)) == ()
