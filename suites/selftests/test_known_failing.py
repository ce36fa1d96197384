"""Known-failing lists: what they excuse, and that they cannot rot."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import result

from tmcspec.clauses import CLAUSES
from tmcsuites.known_failing import Expectation, KnownFailing, KnownFailingError, load
from tmcsuites.verdict import Verdict

CASE = "test_lid.py::a"
EVERY_CLAUSE = list(CLAUSES)


def entry(clause: str, reason: str = "rounds", case: str | None = None, verdict: Verdict | None = None) -> Expectation:
    return Expectation(clause=clause, reason=reason, case=case, verdict=verdict)


def stale(known: KnownFailing, cases: tuple[str, ...] = (CASE,), whole: bool = True) -> list[str]:
    return [each.clause for each in known.stale(clauses=EVERY_CLAUSE, cases=cases, whole=whole)]


# What is excused


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.NON_STRICT])
def test_an_entry_excuses_its_clause_everywhere(verdict: Verdict) -> None:
    known = KnownFailing([entry("LID-1")])
    assert known.expects(result(verdict, broken=["LID-1"])) == "rounds"
    assert known.expects(result(verdict, broken=["LID-1"], case="test_ack.py::b")) == "rounds"


def test_an_entry_that_names_a_case_excuses_it_alone() -> None:
    known = KnownFailing([entry("LID-1", case=CASE)])
    assert known.expects(result(Verdict.FAIL, broken=["LID-1"])) == "rounds"
    assert known.expects(result(Verdict.FAIL, broken=["LID-1"], case="test_lid.py::b")) is None


def test_each_broken_clause_needs_an_entry() -> None:
    broken = result(Verdict.FAIL, broken=["LID-1", "ACK-1"])
    assert KnownFailing([entry("LID-1")]).expects(broken) is None
    assert KnownFailing([entry("LID-1"), entry("ACK-1", "loses")]).expects(broken) == "rounds; loses"


def test_an_entry_with_a_verdict_excuses_no_other_verdict() -> None:
    known = KnownFailing([entry("LID-1", verdict=Verdict.NON_STRICT)])
    assert known.expects(result(Verdict.FAIL, broken=["LID-1"])) is None
    assert known.expects(result(Verdict.NON_STRICT, broken=["LID-1"])) == "rounds"


@pytest.mark.parametrize("verdict", [Verdict.CRASHED, Verdict.HUNG])
def test_a_death_is_excused_only_by_an_entry_that_names_case_and_verdict(verdict: Verdict) -> None:
    dead = result(verdict, broken=["LID-1", "ACK-1"])
    other = Verdict.HUNG if verdict is Verdict.CRASHED else Verdict.CRASHED
    assert KnownFailing([entry("LID-1")]).expects(dead) is None
    assert KnownFailing([entry("LID-1", case=CASE)]).expects(dead) is None
    assert KnownFailing([entry("LID-1", case=CASE, verdict=other)]).expects(dead) is None
    assert KnownFailing([entry("LID-1", case="test_lid.py::b", verdict=verdict)]).expects(dead) is None
    assert KnownFailing([entry("LID-1", case=CASE, verdict=verdict)]).expects(dead) == "rounds"


def test_a_death_is_excused_only_under_a_clause_that_the_case_is_about() -> None:
    known = KnownFailing([entry("ACK-1", case=CASE, verdict=Verdict.CRASHED)])
    assert known.expects(result(Verdict.CRASHED, broken=["ACK-1"])) is None


@pytest.mark.parametrize("verdict", [Verdict.SUITE_FAULT, Verdict.ADAPTER_FAULT])
def test_faults_are_never_excused(verdict: Verdict) -> None:
    # Not even by entries that no file can hold.
    known = KnownFailing([entry("LID-1"), entry("LID-1", case=CASE, verdict=verdict)])
    assert known.expects(result(verdict, broken=["LID-1"])) is None


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.INFO, Verdict.UNSUPPORTED])
def test_what_is_not_bad_needs_no_excuse_and_uses_up_no_entry(verdict: Verdict) -> None:
    known = KnownFailing([entry("LID-1")])
    assert known.expects(result(verdict)) is None
    assert stale(known) == ["LID-1"]


def test_a_failure_without_a_broken_clause_is_not_excused() -> None:
    assert KnownFailing([entry("LID-1")]).expects(result(Verdict.FAIL)) is None


# What is stale


def test_an_entry_that_was_needed_is_not_stale() -> None:
    known = KnownFailing([entry("LID-1")])
    known.expects(result(Verdict.FAIL, broken=["LID-1"]))
    assert stale(known) == []


def test_an_entry_that_was_not_enough_is_stale() -> None:
    known = KnownFailing([entry("LID-1")])
    known.expects(result(Verdict.FAIL, broken=["LID-1", "ACK-1"]))
    assert stale(known) == ["LID-1"]


def test_a_second_entry_for_the_same_is_stale() -> None:
    known = KnownFailing([entry("LID-1"), entry("LID-1", "said twice")])
    known.expects(result(Verdict.FAIL, broken=["LID-1"]))
    assert stale(known) == ["LID-1"]


def test_an_entry_about_a_case_that_does_not_exist_is_stale_in_a_whole_run() -> None:
    known = KnownFailing([entry("LID-1", case="test_lid.py::misspelt")])
    assert stale(known) == ["LID-1"]
    assert stale(known, whole=False) == []


def test_under_a_filter_only_entries_about_cases_that_ran_can_be_stale() -> None:
    known = KnownFailing([entry("LID-1"), entry("LID-3", case=CASE), entry("LID-4", case="test_lid.py::b")])
    assert stale(known, whole=False) == ["LID-3"]


def test_entries_about_clauses_outside_the_selection_are_left_alone() -> None:
    known = KnownFailing([entry("LID-1"), entry("ACK-1")])
    assert [each.clause for each in known.stale(clauses=["ACK-1"], cases=[CASE], whole=True)] == ["ACK-1"]


def test_an_entry_reads_as_a_sentence() -> None:
    assert str(entry("LID-1", case=CASE, verdict=Verdict.HUNG)) == f"LID-1 in {CASE} (HUNG): rounds"
    assert str(entry("LID-1")) == "LID-1: rounds"


# Files


def loaded(tmp_path: Path, text: str) -> KnownFailing:
    path = tmp_path / "known.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_a_list_is_read_from_toml(tmp_path: Path) -> None:
    known = loaded(
        tmp_path,
        """
        [[failing]]
        clause = "LID-1"
        case = "test_lid.py::a"
        verdict = "CRASHED"
        reason = "两半"

        [[failing]]
        clause = "ACK-4"
        reason = "says nothing"
        """,
    )
    assert known.entries == (
        entry("LID-1", "两半", case=CASE, verdict=Verdict.CRASHED),
        entry("ACK-4", "says nothing"),
    )


def test_an_empty_list_excuses_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").entries == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[failing]\n", "not TOML"),
        ("failing = 7", "a list of"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\n[other]\n', "and nothing else"),
        ("failing = [7]", "entry 1: a table is expected, not 7"),
        ('[[failing]]\nclause = "LID-99"\nreason = "r"', "entry 1: clause is 'LID-99'; known: HSK-1"),
        ('[[failing]]\nreason = "r"', "entry 1: clause is None"),
        ('[[failing]]\nclause = "LID-1"', "entry 1: a reason is missing"),
        ('[[failing]]\nclause = "LID-1"\nreason = ""', "entry 1: reason is ''"),
        ('[[failing]]\nclause = ["LID-1"]\nreason = "r"', r"entry 1: clause is \['LID-1'\]; text is expected"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nissue = "7"', "unknown issue; valid: clause, case, verdict"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nverdict = "PASS"', "verdict is 'PASS'; valid: FAIL, NON_STRICT"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nverdict = "SUITE_FAULT"', "verdict is 'SUITE_FAULT'"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nverdict = "CRASHED"', "expects CRASHED must name the case"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nverdict = "HUNG"', "expects HUNG must name the case"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\n[[failing]]\nclause = "x"', "entry 2: clause is 'x'"),
    ],
)
def test_a_wrong_list_is_refused_with_entry_member_and_value(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(KnownFailingError, match=complaint) as refused:
        loaded(tmp_path, text)
    assert str(refused.value).startswith(str(tmp_path / "known.toml"))


def test_a_list_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "known.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(KnownFailingError, match="not TOML"):
        load(tmp_path / "known.toml")


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnownFailingError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(KnownFailingError, match="Is a directory"):
        load(tmp_path)
