"""`--update-known-failing`: the list says what fails now, and keeps what people wrote beside it."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from harness import judgement, result

from tmcsuites import known_failing_update
from tmcsuites.known_failing import KnownFailingError, load, parse
from tmcsuites.known_failing_update import Draft
from tmcsuites.progress import RunFinished
from tmcsuites.verdict import CaseResult, ExitStatus, Verdict

TODAY = date(2026, 5, 1)
BROKEN = "test_lid.py::a"

LIST = '''\
# What acme breaks, and why.
# Lines are of its codec.js.

# a double
[[failing]]  # since 1.0
clause = "LID-1"     # everywhere
reason = """it rounds
[[failing]]
like that"""

# --- What dies ---

# two halves
[[failing]]
case = "test_lid.py::b"
# of two
verdict = "CRASHED"
reason = 'does not fit'

# unanswered
[[failing]]
clause = "ACK-1"
reason = "asked the authors"

# The end.
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "known.toml"
    path.write_text(LIST, encoding="utf-8")
    return path


def run(*results: CaseResult, status: ExitStatus = ExitStatus.FAILURE, faults: tuple[str, ...] = ()) -> RunFinished:
    return RunFinished(results=results, clauses=(), faults=faults, duration=1.0, exit_status=status)


def updated(path: Path, *results: CaseResult) -> str:
    """Updates a list by a run with these results, and returns what was said."""
    draft = Draft.of(path, today=TODAY)
    return draft.update(run(*(replace(each, expected=draft.known.expects(each)) for each in results)))


ROUNDS = result(Verdict.FAIL, broken=["LID-1"])
DIES = replace(result(Verdict.CRASHED, case="test_lid.py::b"), message="the client ended by itself (exit 7) while it")
LOSES = result(Verdict.FAIL, broken=["ACK-1"], case="test_ack.py::c", clauses=("ACK-1",))


def test_a_list_that_holds_stays_as_it_is_byte_for_byte(path: Path) -> None:
    before = path.stat()
    assert updated(path, ROUNDS, DIES, LOSES) == f"{path}: 0 new, 0 removed, 3 kept"
    assert path.read_text() == LIST
    assert path.stat().st_ino == before.st_ino


def test_what_holds_no_more_goes_with_what_stands_above_it_and_all_else_stays(path: Path) -> None:
    assert updated(path, ROUNDS, LOSES) == f"{path}: 0 new, 1 removed, 2 kept"
    gone = "# two halves\n[[failing]]\n" + LIST.partition("# two halves\n[[failing]]\n")[2].partition("# unans")[0]
    assert "does not fit" in gone
    assert path.read_text() == LIST.replace(gone, "")


def test_the_words_at_the_top_and_at_the_end_stay(path: Path) -> None:
    updated(path, DIES)
    text = path.read_text()
    assert text.startswith("# What acme breaks, and why.\n# Lines are of its codec.js.\n\n# --- What dies ---\n\n# two")
    assert text.endswith("reason = 'does not fit'\n\n# The end.\n")
    updated(path)
    assert path.read_text().endswith("# The end.\n")
    assert load(path).entries == ()


def test_what_is_new_is_added_and_waits_for_its_reason(path: Path) -> None:
    hangs = replace(result(Verdict.HUNG, case="test_lid.py::h"), message="the client did not answer 'stop' within 10 s")
    loses = result(Verdict.FAIL, broken=["LID-1", "ACK-2"], saying="7 was lost")
    said = updated(path, loses, DIES, LOSES, hangs)
    assert said == f"{path}: 2 new, 0 removed, 3 kept. Write down the reasons of the new ones"
    assert path.read_text() == LIST + (
        "\n"
        '[[failing]]\nclause = "ACK-2"\ncase = "test_lid.py::a"\nfingerprint = "ACK-2: # was lost"\nreason = ""\n'
        "\n"
        '[[failing]]\ncase = "test_lid.py::h"\nverdict = "HUNG"\n'
        'fingerprint = "HUNG: the client did not answer \'stop\' within # s"\nreason = ""\n'
    )
    with pytest.raises(KnownFailingError, match=r"entry 4 \(ACK-2 in test_lid.py::a\): reason is ''; find out why"):
        load(path)


def test_what_was_added_holds_in_the_next_run(path: Path) -> None:
    odd = result(
        Verdict.FAIL, broken=["ACK-2"], case='test_frm.py::t["\\\n\x00\x7f买]', saying='said "\\\x1b[2J\ud800" 7'
    )
    updated(path, ROUNDS, DIES, LOSES, odd)
    text = path.read_text(encoding="utf-8")
    known = parse(path, text.replace('reason = ""\n', 'reason = "odd"\n').encode())
    assert known.expects(odd) == "odd"
    assert updated(path, ROUNDS, DIES, LOSES, odd) == f"{path}: 0 new, 0 removed, 4 kept"
    assert path.read_text(encoding="utf-8") == text


def test_a_failure_that_is_another_one_now_loses_its_reason_but_not_the_memory_of_it(path: Path) -> None:
    path.write_text('[[failing]]\nclause = "LID-1"\nfingerprint = "LID-1: # is lost"\nreason = "a\\ndouble"\n')
    assert updated(path, ROUNDS).startswith(f"{path}: 1 new, 1 removed, 0 kept")
    assert path.read_text() == (
        '[[failing]]\nclause = "LID-1"\ncase = "test_lid.py::a"\nfingerprint = "LID-1: in some way"\n'
        'reason = "" # was: a\\ndouble\n'
    )


def test_what_has_expired_is_looked_at_again(path: Path) -> None:
    path.write_text('[[failing]]\nclause = "LID-1"\nreason = "soon"\nexpires = 2026-04-30\n')
    updated(path, ROUNDS)
    assert 'reason = "" # was: soon\n' in path.read_text()
    assert "expires" not in path.read_text()


def test_what_has_not_expired_keeps_its_date(path: Path) -> None:
    path.write_text(text := '[[failing]]\nclause = "LID-1"\nreason = "soon"\nexpires = 2026-05-01\n')
    updated(path, ROUNDS)
    assert path.read_text() == text


def test_a_broken_should_and_what_passes_need_no_entry(path: Path) -> None:
    updated(
        path,
        result(Verdict.NON_STRICT, broken=["LID-1"]),
        result(Verdict.NON_STRICT, broken=["LID-4"], clauses=("LID-4",)),
    )
    assert [entry.clause for entry in load(path).entries] == ["LID-1"]


def test_a_list_that_does_not_exist_begins(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    assert updated(path, ROUNDS).startswith(f"{path}: 1 new")
    assert [entry.case for entry in parse(path, path.read_bytes(), drafts=True).entries] == [BROKEN]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_an_empty_list_and_one_of_comments_alone_begin(path: Path) -> None:
    path.write_text("# Nothing yet.")
    updated(path, ROUNDS)
    assert path.read_text().startswith("# Nothing yet.\n\n[[failing]]\n")


def test_line_ends_links_and_modes_are_kept(path: Path, tmp_path: Path) -> None:
    path.write_bytes(LIST.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    updated(link, ROUNDS, LOSES, result(Verdict.FAIL, broken=["FRM-1"]))
    data = path.read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 20
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["known.toml", "link.toml"]


# What leaves a list as it is


def refused(path: Path, finished: RunFinished) -> str:
    draft = Draft.of(path, today=TODAY)
    for each in finished.results:
        draft.known.expects(each)
    with pytest.raises(KnownFailingError) as error:
        draft.update(finished)
    assert path.read_text() == LIST
    return str(error.value)


@pytest.mark.parametrize(
    ("finished", "why"),
    [
        (run(status=ExitStatus.INTERRUPTED), "it was interrupted"),
        (run(status=ExitStatus.NOTHING_RAN), "nothing ran"),
        (run(status=ExitStatus.SUITE_FAULT, faults=("test_x.py: ImportError",)), "a fault of the suite"),
        (run(faults=("test_x.py: ImportError",)), "a fault of the suite"),
        (run(result(Verdict.SUITE_FAULT), status=ExitStatus.SUITE_FAULT), "a fault of the suite"),
        (run(ROUNDS, result(Verdict.ADAPTER_FAULT)), "ADAPTER_FAULT in test_lid.py::a"),
        (run(ROUNDS, replace(result(Verdict.HUNG), set_up=True)), "HUNG in test_lid.py::a"),
        (run(ROUNDS, replace(result(Verdict.FAIL), set_up=True)), "FAIL in test_lid.py::a"),
        (run(ROUNDS, result(Verdict.FAIL)), "FAIL in test_lid.py::a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_run_that_did_not_end_well_changes_nothing(path: Path, finished: RunFinished, why: str) -> None:
    assert refused(path, finished) == f"{path} is left as it was, because the run did not end well: {why}"


def test_what_somebody_wrote_meanwhile_is_not_lost(path: Path) -> None:
    draft = Draft.of(path, today=TODAY)
    path.write_text("# mine\n")
    with pytest.raises(KnownFailingError, match="somebody changed it while the run went on"):
        draft.update(run())
    assert path.read_text() == "# mine\n"


def test_a_disk_that_is_full_costs_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "could not be rewritten, and is as it was: No space left" in refused(path, run())
    assert [each.name for each in path.parent.iterdir()] == ["known.toml"]


def test_a_text_that_would_not_say_what_it_should_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_failing_update, "_detached", lambda above: "[[failing]]\n")
    assert "written in an unusual way; edit it by hand" in refused(path, run(ROUNDS))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('failing = [{clause = "LID-1", reason = "r"}]', r"write its entries as \[\[failing\]\] tables"),
        ("failing = []", r"write its entries as \[\[failing\]\] tables"),
        ("[[failing]\n", "not TOML"),
        ('[[failing]]\nclause = "LID-99"\nreason = "r"', "clause is 'LID-99'"),
    ],
)
def test_a_list_that_cannot_be_rewritten_is_told_before_the_run(path: Path, text: str, complaint: str) -> None:
    path.write_text(text)
    with pytest.raises(KnownFailingError, match=complaint):
        Draft.of(path, today=TODAY)
    assert path.read_text() == text


def test_a_place_where_no_list_can_be_is_told_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(KnownFailingError, match="there is no such directory"):
        Draft.of(tmp_path / "none" / "known.toml", today=TODAY)
    with pytest.raises(KnownFailingError, match="Is a directory"):
        Draft.of(tmp_path, today=TODAY)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KnownFailingError, match="No such file"):
        Draft.of(tmp_path / "dangling", today=TODAY)


def test_a_draft_without_reasons_can_be_brought_up_to_date_again(path: Path) -> None:
    updated(path, DIES, LOSES, replace(ROUNDS, judgements=(judgement("FRM-1", "so"),)))
    assert updated(path, DIES, LOSES, ROUNDS).startswith(f"{path}: 1 new, 1 removed, 2 kept")
