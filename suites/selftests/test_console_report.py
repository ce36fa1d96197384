"""What people see of a run, on a console of a fixed width."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from harness import judgement
from rich.console import Console

from tmcspec.clauses import CLAUSES
from tmcspec.events import ClientError, Confirmed, FrameIn, FrameOut, Handled
from tmcspec.frame import Frame, byte, encode
from tmcspec.messages import Confirm, ConnectAck
from tmcspec.trace import Entry, Trace
from tmcsuites.adapters.contract import ClientInfo
from tmcsuites.known_failing import Complaint, Expectation, Trouble
from tmcsuites.progress import CaseFinished, CaseStarted, ClauseResult, RunEvent, RunFinished, RunStarted
from tmcsuites.report.console import LOG_LINES, ConsoleReport
from tmcsuites.report.words import visible
from tmcsuites.verdict import CaseResult, ExitStatus, Verdict

CLIENT = ClientInfo(
    name="acme", version="1.2", language="go", transport="process", capabilities=frozenset({"push"}), bare=False
)
CONFIRM = encode(Confirm(id=9007199254740992, token="t").to_frame())
FRAME_IN = Entry(seq=7, time=0.25, event=FrameIn(connection="c1", data=CONFIRM))
HANDLED = Entry(seq=6, time=0.125, event=Handled(client="client", message=9007199254740993, outcome="ok"))
ROUNDED = "9007199254740993 was confirmed as 9007199254740992"
CASE = "test_lid.py::test_ids_are_confirmed_exactly[above_2_53]"
FAILED = CaseResult(
    id=CASE,
    area="LID",
    verdict=Verdict.FAIL,
    clauses=("LID-1",),
    judgements=(judgement("LID-1", ROUNDED, evidence=[HANDLED, FRAME_IN]),),
    message=f"LID-1: {ROUNDED}",
    log="connecting\nconnected\n",
    trace=Trace(entries=()),
)
PASSED = CaseResult(id="test_hsk.py::test_a", area="HSK", verdict=Verdict.PASS, clauses=("HSK-1",))


def started(client: ClientInfo = CLIENT) -> RunStarted:
    return RunStarted(
        client=client,
        cases=2,
        clauses=(CLAUSES["LID-1"],),
        world="live",
        seed=7,
        started=datetime(2026, 1, 1, tzinfo=UTC),
    )


def finished(
    *results: CaseResult,
    status: ExitStatus = ExitStatus.FAILURE,
    complaints: tuple[Complaint, ...] = (),
    faults: tuple[str, ...] = (),
) -> RunFinished:
    clauses = (
        ClauseResult(clause=CLAUSES["HSK-1"], exercised=0, violations=0, result="not_exercised"),
        ClauseResult(clause=CLAUSES["LID-1"], exercised=3, violations=1, result="violated"),
    )
    return RunFinished(
        results=results, clauses=clauses, complaints=complaints, faults=faults, duration=1.25, exit_status=status
    )


def shown(*events: RunEvent, terminal: bool = False) -> str:
    file = io.StringIO()
    report = ConsoleReport(
        Console(width=120, file=file, force_terminal=terminal, _environ={}),
        command=["tmcspec", "run", "--client", "node adapter.js"],
        report="out",
    )
    for event in events:
        report(event)
    report.close()
    return file.getvalue()


def block(result: CaseResult) -> str:
    return shown(CaseFinished(result=result))


def test_a_run_begins_with_who_the_client_is() -> None:
    assert shown(started()) == "acme 1.2 (go, process), live, seed 7: 2 cases, 1 clause\n"


def test_a_failure_is_a_block_down_to_the_command_that_runs_it_again() -> None:
    clause = CLAUSES["LID-1"]
    assert block(FAILED).splitlines() == [
        "",
        f"1. {CASE}  FAIL",
        f"   LID-1 MUST: {clause.statement}",
        f"   source: {clause.source}",
        "     9007199254740993 was confirmed as 9007199254740992",
        "            0.125 s  handled client 'client', message 9007199254740993, outcome 'ok'",
        "            0.250 s  c1 from client: Confirm, __kind BYTE 2, id INT64 9007199254740992",
        "   the client wrote:",
        "     connecting",
        "     connected",
        "   log:   out/traces/test_lid.py.test_ids_are_confirmed_exactly-above_2_53.log",
        "   trace: out/traces/test_lid.py.test_ids_are_confirmed_exactly-above_2_53.jsonl",
        f"   again: tmcspec run --client 'node adapter.js' --case '{CASE}' --report out/again",
    ]


def test_a_pass_makes_no_block() -> None:
    assert block(PASSED) == ""
    assert block(replace(PASSED, verdict=Verdict.UNSUPPORTED, message="no")) == ""


def test_blocks_are_counted() -> None:
    text = shown(CaseFinished(result=FAILED), CaseFinished(result=PASSED), CaseFinished(result=FAILED))
    assert f"\n1. {CASE}" in text
    assert f"\n2. {CASE}" in text


@pytest.mark.parametrize("verdict", [Verdict.CRASHED, Verdict.HUNG, Verdict.ADAPTER_FAULT, Verdict.SUITE_FAULT])
def test_what_ended_a_case_early_is_told_before_what_was_broken(verdict: Verdict) -> None:
    text = block(replace(FAILED, verdict=verdict, message="it ended (signal SIGKILL)"))
    assert f"{CASE}  {verdict}\n   it ended (signal SIGKILL)\n   LID-1 MUST" in text


def test_an_expected_failure_is_two_lines() -> None:
    text = block(replace(FAILED, expected="reads ids through doubles"))
    assert text == f"\n1. {CASE}  FAIL (expected): LID-1\n   reads ids through doubles\n"


def test_many_findings_and_much_evidence_are_cut() -> None:
    many = judgement("LID-1", *(f"finding {number}" for number in range(8)), evidence=[HANDLED] * 20)
    text = block(replace(FAILED, judgements=(many,)))
    assert "finding 2" in text
    assert "finding 3" not in text
    assert "and 5 more" in text
    assert text.count("handled client") == 3 * 6


def test_only_the_end_of_a_long_log_is_shown() -> None:
    text = block(replace(FAILED, log="\n".join(f"line {number}" for number in range(100))))
    assert "line 99" in text
    assert f"line {100 - LOG_LINES}\n" in text
    assert f"line {100 - LOG_LINES - 1}\n" not in text


def test_a_long_event_is_one_short_line() -> None:
    event = Entry(seq=1, time=0.0, event=ClientError(client="client", error="x" * 5000))
    text = block(replace(FAILED, judgements=(judgement("LID-1", "so", evidence=[event]),)))
    (line,) = (line for line in text.splitlines() if "client_error" in line)
    assert line.endswith("…")
    assert len(line) < 200


def test_a_case_without_trace_and_log_shows_neither() -> None:
    text = block(replace(FAILED, trace=None, log=" \n"))
    assert "trace:" not in text
    assert "the client wrote" not in text


def test_lines_are_not_wrapped_so_that_they_can_be_copied() -> None:
    text = block(replace(FAILED, message="word " * 100, verdict=Verdict.HUNG))
    assert "word " * 99 in text


# The end


def test_a_run_ends_with_what_was_judged() -> None:
    text = shown(finished(PASSED, FAILED, replace(FAILED, expected="known")))
    assert "│ LID  │ long ids  │ 2     │      │ 2    │" in text
    assert "│ LID-1  │ must  │ client │ violated      │ 3         │ 1        │" in text
    assert "Not exercised, so nothing is known of them: HSK-1\n" in text
    assert text.endswith("1 PASS, 2 FAIL, 1 of them expected in 1.2 s. Not as expected (exit status 1). Report: out\n")


def test_a_clause_that_no_case_of_the_run_is_about_is_shown_only_when_it_was_broken() -> None:
    about_lid = replace(FAILED, clauses=("LID-1",))
    assert "HSK-1" not in shown(finished(about_lid))
    about_hsk = replace(PASSED, clauses=("HSK-1",))
    assert "LID-1" in shown(finished(about_hsk))


def test_the_end_says_why_cases_were_unsupported_and_what_a_client_was_not_held_to() -> None:
    why = "the client does not declare fail"
    closed = replace(PASSED, verdict=Verdict.UNSUPPORTED, message=why)
    run = finished(closed, closed, FAILED)
    clauses = (replace(run.clauses[0], result="unsupported"), run.clauses[1])
    text = shown(replace(run, clauses=clauses))
    assert "MUST clauses that this client was not held to: HSK-1\n" in text
    assert f"UNSUPPORTED, 2 cases: {why}\n" in text


def test_a_clause_that_was_broken_besides_is_named_without_counting() -> None:
    besides = replace(FAILED, judgements=(*FAILED.judgements, judgement("ACK-4", "no Failed")))
    assert "   broken, too, and not what this case is about: ACK-4\n" in block(besides)


def test_a_frame_shows_its_envelope() -> None:
    refusal = ConnectAck(flag=7, status_code=25, status_phrase="Invalid signature").to_frame()
    out = Entry(seq=1, time=0.0, event=FrameOut(connection="c1", data=encode(refusal)))
    unknown = Frame(type=2, token="t", content=(byte("__kind", 99),))
    odd = Entry(seq=2, time=0.0, event=FrameIn(connection="c1", data=encode(unknown)))
    text = block(replace(FAILED, judgements=(judgement("LID-1", "so", evidence=[out, odd]),)))
    assert "c1 to client: ConnectAck, status 25, phrase 'Invalid signature', flag 7, no token\n" in text
    assert "c1 from client: type 2, __kind BYTE 99\n" in text


@pytest.mark.parametrize("results", [(PASSED,), ()])
def test_complaints_about_the_known_failing_list_are_told(results: tuple[CaseResult, ...]) -> None:
    entry = Expectation(clause="LID-1", case=CASE, reason="was so once")
    complaint = Complaint(trouble=Trouble.STALE, entry=entry, advice="remove it")
    text = shown(finished(*results, complaints=(complaint,)))
    assert f"Stale known-failing entry: LID-1 in {CASE}: was so once\n  remove it\n" in text


def test_faults_of_the_suite_are_named_even_when_nothing_ran() -> None:
    text = shown(finished(status=ExitStatus.SUITE_FAULT, faults=("test_x.py: ImportError: no [red] module",)))
    assert text.splitlines() == [
        "Fault of the suite: test_x.py: ImportError: no [red] module",
        "Nothing in 1.2 s. A fault of the suite, not of the client (exit status 3). Report: out",
    ]


def test_a_run_of_nothing_says_so() -> None:
    assert shown(finished(status=ExitStatus.NOTHING_RAN)).splitlines() == [
        "No case was left to run by these filters.",
        "Nothing in 1.2 s. Nothing was judged (exit status 5). Report: out",
    ]


@pytest.mark.parametrize("status", list(ExitStatus))
def test_every_exit_status_has_words(status: ExitStatus) -> None:
    assert f"(exit status {int(status)})" in shown(finished(PASSED, status=status))


# Hostile text

HOSTILE = "[/] [bold]x[/bold] [link=file:///etc/passwd]y[/link] \\[z \\"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\x00\x08\u202eabc\u2028\ud800\x7f"


def test_markup_of_a_client_is_only_text() -> None:
    info = replace(CLIENT, name=HOSTILE, version=HOSTILE, language=HOSTILE)
    assert shown(started(info)).count(HOSTILE) == 3
    event = Entry(seq=1, time=0.0, event=ClientError(client="client", error=HOSTILE))
    ended = replace(
        FAILED,
        verdict=Verdict.HUNG,
        message=HOSTILE,
        log=f"{HOSTILE}\n{HOSTILE}",
        judgements=(judgement("LID-1", HOSTILE, evidence=[event]),),
    )
    text = block(ended)
    assert text.count(HOSTILE) == 4
    assert repr(HOSTILE) in text
    assert HOSTILE in block(replace(ended, expected=HOSTILE))


def test_nothing_that_a_terminal_obeys_gets_through() -> None:
    info = replace(CLIENT, name=ESCAPES, version=ESCAPES, language=ESCAPES)
    event = Entry(seq=1, time=0.0, event=ClientError(client=ESCAPES, error=ESCAPES))
    ended = replace(
        FAILED,
        verdict=Verdict.HUNG,
        message=ESCAPES,
        log=f"a\t{ESCAPES}\rb\n",
        judgements=(judgement("LID-1", ESCAPES, evidence=[event]),),
    )
    known = Complaint(
        trouble=Trouble.DIFFERENT, entry=Expectation(case=ESCAPES, fingerprint=ESCAPES, reason=ESCAPES), advice=ESCAPES
    )
    text = shown(
        started(info),
        CaseFinished(result=ended),
        CaseFinished(result=replace(ended, expected=ESCAPES)),
        finished(ended, complaints=(known,), faults=(ESCAPES,)),
    )
    assert {char for char in text if not char.isprintable()} == {"\n"}
    text.encode()  # no lone surrogates, either
    assert r"\x1b[2J\x1b]0;owned\x07" in text


def test_a_client_cannot_write_lines_of_ours() -> None:
    text = block(replace(FAILED, verdict=Verdict.HUNG, message="x\n69 PASS in 1.0 s. As expected"))
    assert r"   x\n69 PASS in 1.0 s." in text


def test_printable_text_of_any_script_stays_as_it_is() -> None:
    assert visible("买家备注 é 😀 [x] \\") == "买家备注 é 😀 [x] \\"
    assert visible("\x1b\n") == r"\x1b\n"


def test_on_a_terminal_there_is_a_progress_bar_that_goes_away() -> None:
    text = shown(
        started(),
        CaseStarted(id="test_a.py::test_b[/]"),
        CaseFinished(result=FAILED),
        finished(FAILED),
        terminal=True,
    )
    assert "\x1b[31mFAIL\x1b[0m" in text
    assert "\x1b[?25h" in text  # the cursor is back


def test_evidence_names_what_a_frame_carried_or_that_it_does_not_decode() -> None:
    odd = Entry(seq=9, time=1.0, event=FrameIn(connection="c2", data=b"\xff\x00"))
    settled = Entry(seq=10, time=2.0, event=Confirmed(message=5, via="ws", connection=None))
    text = block(replace(FAILED, judgements=(judgement("LID-1", "so", evidence=[FRAME_IN, odd, settled]),)))
    assert "0.250 s  c1 from client: Confirm, " in text
    assert "id INT64 9007199254740992" in text
    assert "1.000 s  c2 from client: 2 bytes that do not decode: ff00" in text
    assert "2.000 s  confirmed message 5, via 'ws'" in text
