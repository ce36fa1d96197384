"""Known-failing lists: what they excuse, and that they cannot rot."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest
from harness import result

from tmcspec.clauses import CLAUSES
from tmcsuites.known_failing import Expectation, KnownFailing, KnownFailingError, Trouble, load
from tmcsuites.verdict import Verdict

CASE = "test_lid.py::a"
EVERY_CLAUSE = list(CLAUSES)
SO = "LID-1: in some way"
TODAY = date(2026, 5, 1)
ADAPTER_DOCUMENT = Path(__file__).parents[2] / "docs" / "adapter.md"


def entry(clause: str, reason: str = "rounds", case: str | None = None, verdict: Verdict | None = None) -> Expectation:
    return Expectation(clause=clause, reason=reason, case=case, verdict=verdict)


def troubles(
    known: KnownFailing,
    cases: tuple[str, ...] = (CASE,),
    known_cases: tuple[str, ...] | None = (CASE, "test_lid.py::b"),
    whole: bool = True,
) -> list[tuple[str | None, Trouble]]:
    told = known.complaints(clauses=EVERY_CLAUSE, cases=cases, known_cases=known_cases, whole=whole)
    return [(each.entry.clause, each.trouble) for each in told]


def advice(known: KnownFailing) -> str:
    (complaint,) = known.complaints(clauses=EVERY_CLAUSE, cases=[CASE], known_cases=[CASE], whole=True)
    return complaint.advice


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
    assert troubles(known) == [("LID-1", Trouble.STALE)]


def test_a_failure_without_a_broken_clause_is_not_excused() -> None:
    assert KnownFailing([entry("LID-1")]).expects(result(Verdict.FAIL)) is None


def test_an_entry_without_a_clause_excuses_all_that_its_case_breaks() -> None:
    known = KnownFailing([Expectation(case=CASE, reason="all wrong")])
    assert known.expects(result(Verdict.FAIL, broken=["LID-1", "ACK-1"])) == "all wrong"
    assert known.expects(result(Verdict.FAIL, broken=["LID-1"], case="test_lid.py::b")) is None
    assert known.expects(result(Verdict.CRASHED, broken=["LID-1"])) is None
    assert troubles(known) == []


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.CRASHED, Verdict.HUNG])
def test_a_client_that_could_not_be_set_up_is_never_excused(verdict: Verdict) -> None:
    entries = [entry("LID-1"), entry("LID-1", case=CASE, verdict=verdict), Expectation(case=CASE, reason="never runs")]
    assert KnownFailing(entries).expects(result(verdict, broken=["LID-1"])) is not None
    assert KnownFailing(entries).expects(replace(result(verdict, broken=["LID-1"]), set_up=True)) is None


def test_an_entry_with_a_fingerprint_excuses_that_failure_alone() -> None:
    known = KnownFailing([replace(entry("LID-1"), fingerprint=SO)])
    assert known.expects(result(Verdict.FAIL, broken=["LID-1"])) == "rounds"
    assert known.expects(result(Verdict.FAIL, broken=["LID-1"], saying="in another way")) is None


def test_an_entry_excuses_until_the_day_it_names() -> None:
    broken = result(Verdict.FAIL, broken=["LID-1"])
    dated = replace(entry("LID-1"), expires=TODAY)
    assert KnownFailing([dated], today=TODAY).expects(broken) == "rounds"
    assert KnownFailing([dated], today=date(2026, 5, 2)).expects(broken) is None


# What fails the run


def test_an_entry_that_was_needed_is_no_trouble() -> None:
    known = KnownFailing([entry("LID-1")])
    known.expects(result(Verdict.FAIL, broken=["LID-1"]))
    assert troubles(known) == []


def test_an_entry_that_was_not_enough_is_no_trouble_beside_the_failure() -> None:
    # To say that nothing of it fails any more would be wrong, and the run fails anyway.
    known = KnownFailing([entry("LID-1")])
    assert known.expects(result(Verdict.FAIL, broken=["LID-1", "ACK-1"])) is None
    assert troubles(known) == []


def test_an_entry_of_which_nothing_fails_any_more_is_stale() -> None:
    known = KnownFailing([entry("LID-1")])
    known.expects(result(Verdict.FAIL, broken=["ACK-1"]))
    assert troubles(known) == [("LID-1", Trouble.STALE)]
    assert advice(known) == "nothing of it fails any more: remove it"


@pytest.mark.parametrize("reason", ["rounds", "said twice"])
def test_a_second_entry_for_the_same_is_stale(reason: str) -> None:
    known = KnownFailing([entry("LID-1"), entry("LID-1", reason)])
    known.expects(result(Verdict.FAIL, broken=["LID-1"]))
    assert troubles(known) == [("LID-1", Trouble.STALE)]
    assert advice(known) == "the entries above it excuse all of it: remove it, or put it above them"


@pytest.mark.parametrize("whole", [True, False])
def test_an_entry_about_a_case_that_does_not_exist_matches_nothing(whole: bool) -> None:
    known = KnownFailing([entry("LID-1", case="test_lid.py::aa"), entry("LID-1", case="?")])
    assert troubles(known, whole=whole) == [("LID-1", Trouble.UNMATCHED)] * 2
    told = known.complaints(clauses=EVERY_CLAUSE, cases=[CASE], known_cases=[CASE], whole=whole)
    assert [each.advice for each in told] == [
        f"there is no such case; the closest: {CASE}",
        "there is no such case; the closest: none",
    ]


def test_where_not_all_cases_are_known_none_is_said_not_to_exist() -> None:
    known = KnownFailing([entry("LID-1", case="test_lid.py::b")])
    assert troubles(known, known_cases=None, whole=False) == []


def test_an_entry_with_another_fingerprint_is_told_apart_from_a_stale_one() -> None:
    known = KnownFailing([replace(entry("LID-1"), fingerprint=SO)])
    known.expects(result(Verdict.FAIL, broken=["LID-1"], saying="7 is lost"))
    assert troubles(known) == [("LID-1", Trouble.DIFFERENT)]
    assert advice(known) == (
        f"expected was {SO!r}, and now it is 'LID-1: # is lost': find out why, then write down the new one"
    )


@pytest.mark.parametrize(
    ("broken", "advised"),
    [
        (["LID-1"], "it expired on 2026-04-30, and it fails still: mend the client, or give it another date"),
        (["ACK-1"], "it expired on 2026-04-30, and nothing fails: remove it"),
    ],
)
def test_an_entry_that_has_expired_says_whether_it_is_still_needed(broken: list[str], advised: str) -> None:
    known = KnownFailing([replace(entry("LID-1"), expires=date(2026, 4, 30))], today=TODAY)
    known.expects(result(Verdict.FAIL, broken=broken))
    assert troubles(known) == [("LID-1", Trouble.EXPIRED)]
    assert advice(known) == advised


def test_under_a_filter_only_entries_about_cases_that_ran_can_be_stale() -> None:
    known = KnownFailing([entry("LID-1"), entry("LID-3", case=CASE), entry("LID-4", case="test_lid.py::b")])
    assert troubles(known, whole=False) == [("LID-3", Trouble.STALE)]


def test_entries_about_clauses_outside_the_selection_are_left_alone() -> None:
    known = KnownFailing([entry("LID-1"), entry("ACK-1")])
    told = known.complaints(clauses=["ACK-1"], cases=[CASE], known_cases=[CASE], whole=True)
    assert [each.entry.clause for each in told] == ["ACK-1"]


def test_entries_and_complaints_read_as_sentences() -> None:
    assert str(entry("LID-1", case=CASE, verdict=Verdict.HUNG)) == f"LID-1 in {CASE} (HUNG): rounds"
    assert str(entry("LID-1")) == "LID-1: rounds"
    assert str(Expectation(case=CASE, reason="rounds")) == f"{CASE}: rounds"
    (complaint,) = KnownFailing([entry("LID-1")]).complaints(clauses=EVERY_CLAUSE, cases=[], known_cases=[], whole=True)
    assert str(complaint) == "Stale known-failing entry: LID-1: rounds; nothing of it fails any more: remove it"


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
        fingerprint = "ACK-4: nothing to judge by"
        reason = "says nothing"
        expires = 2027-03-31

        [[failing]]
        case = "test_lid.py::a"
        reason = "all wrong"
        """,
    )
    assert known.entries == (
        entry("LID-1", "两半", case=CASE, verdict=Verdict.CRASHED),
        replace(entry("ACK-4", "says nothing"), fingerprint="ACK-4: nothing to judge by", expires=date(2027, 3, 31)),
        Expectation(case=CASE, reason="all wrong"),
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
        ('[[failing]]\nreason = "r"', "entry 1: a clause is missing, or a case; name what is known to fail"),
        ('[[failing]]\nclause = "LID-1"', "entry 1: a reason is missing"),
        ('[[failing]]\nclause = "LID-1"\nreason = ""', r"entry 1 \(LID-1\): reason is ''; find out why this fails"),
        ('[[failing]]\nclause = ""\nreason = "r"', "entry 1: clause is ''; text is expected"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nexpires = "2027-03-31"', "2027-03-31 without quotes"),
        ('[[failing]]\nclause = "LID-1"\nreason = "r"\nexpires = 2027-03-31T00:00:00', "a date is expected"),
        ("failing = " + "[" * 100_000, "not TOML"),
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


def test_the_document_shows_a_list_that_is_one(tmp_path: Path) -> None:
    text = ADAPTER_DOCUMENT.read_text(encoding="utf-8").partition("## Known-failing lists")[2]
    shown = "\n".join(line.removeprefix("    ") for line in text.splitlines() if line.startswith("    "))
    assert [(entry.clause, entry.verdict) for entry in loaded(tmp_path, shown).entries] == [
        ("LID-1", None),
        (None, Verdict.CRASHED),
    ]


def test_the_document_names_every_member_and_every_complaint() -> None:
    text = ADAPTER_DOCUMENT.read_text(encoding="utf-8").partition("## Known-failing lists")[2]
    rows = [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("|")]
    named = [row for row in rows if row not in ("member", "complaint", "---")]
    assert set(named) == {each.name for each in fields(Expectation)} | {each.value for each in Trouble}
