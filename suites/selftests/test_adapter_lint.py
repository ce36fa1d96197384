"""`tmcspec adapter lint`: a sound adapter is called so, and each lie is found by the check that is about it."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import shlex
import sys
from unittest import mock

import pytest
from harness import LIARS, liar, tmcspec

from tmcsuites.adapters.warden import LINUX
from tmcsuites.lint.inspection import LINES, VISITS, Finding, Inspection, inspect
from tmcsuites.lint.life import LIFE

SOUND = (sys.executable, str(LIARS / "sound.py"))

#: What finds each lie; "HasChildren" only where /proc tells.
LIES: dict[str, set[str]] = {
    "Nameless": {"hello"},
    "Flies": {"capabilities"},
    "YesMan": {"unknown-op"},
    "KnowsTheProbe": {"unknown-op"},
    "Forgetful": {"ids"},
    "NumericIds": {"ids"},
    "SaysItTwice": {"ids"},
    "Chatty": {"json-lines"},
    "Rounds": {"decimal-strings"},
    "Inventive": {"members"},
    "ConnectsToNothing": {"start"},
    "NeverRefused": set(),
    "Doubles": set(),
    "FiresAndForgets": set(),
    "OnlyPolls": set(),
    "DoesNothing": set(),
    "Alike": {"events"},
    "Ascii": {"text-in"},
    "AsciiOut": {"text-out"},
    "Short": {"long-lines"},
    "AllIsWell": {"outcomes"},
    "Hasty": {"delay"},
    "Pretends": {"at-work"},
    "Blocks": {"at-work"},
    "Undeclared": {"publish"},
    # It has an answer before anything could happen meanwhile.
    "PublishesNothing": {"publish", "text-out", "meanwhile"},
    "Dies": {"publish"},
    "GoesDeaf": {"publish"},
    "HoldsBack": {"meanwhile"},
    "NeverStops": {"stop"},
    "StopsOnlyWhatRuns": {"stop-refused"},
    "Once": {"start-again"},
    "LeavesInAnger": {"bye"},
    "WaitsForBye": {"end-of-input"},
    "HasChildren": {"leftovers"} if LINUX else set(),
    "IgnoresSigterm": {"sigterm"},
}

#: So many are asked at once: they wait more than they work.
AT_ONCE = 8


@pytest.fixture(scope="module")
def inspections(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Inspection]:
    """Of the sound adapter, called "", and of each liar."""
    # Processes by the hundred: what they import is compiled once.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with mock.patch.dict(os.environ, environment, clear=True):
        return asyncio.run(_inspected())


async def _inspected() -> dict[str, Inspection]:
    places = asyncio.Semaphore(AT_ONCE)

    async def inspected(name: str) -> Inspection:
        async with places:
            return await inspect([sys.executable, str(LIARS / "lies.py"), name] if name else SOUND)

    names = ["", *LIES]
    return dict(zip(names, await asyncio.gather(*map(inspected, names)), strict=True))


def verdicts(inspection: Inspection, verdict: str) -> dict[str, Finding]:
    return {each.check: each for each in inspection.findings if each.verdict == verdict}


def test_a_sound_adapter_is_sound_in_every_check(inspections: dict[str, Inspection]) -> None:
    inspection = inspections[""]
    assert inspection.sound
    assert {each.check: each for each in inspection.findings if each.verdict != "sound"} == {}
    assert [each.check for each in inspection.findings] == [
        *(check.name for checks in VISITS for check in checks),
        *LINES,
    ]
    assert inspection.info is not None
    assert inspection.info.name == "sound"


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_by_the_check_that_is_about_it_and_by_no_other(
    inspections: dict[str, Inspection], name: str
) -> None:
    found = verdicts(inspections[name], "wrong")
    assert set(found) == LIES[name], found
    assert inspections[name].sound == (not LIES[name])


def test_what_may_be_the_librarys_doing_is_noted(inspections: dict[str, Inspection]) -> None:
    (events,) = verdicts(inspections["Doubles"], "noted").values()
    assert events.check == "events"
    assert events.came == "both with the id 9007199254740992; see whether the library shows it so"
    (refused,) = verdicts(inspections["FiresAndForgets"], "noted").values()
    assert refused.check == "refused-publish"
    for name in ("NeverRefused", "ConnectsToNothing"):
        (refused,) = verdicts(inspections[name], "noted").values()
        assert refused.check == "refused-start"
        assert refused.came == (
            "'result', but nobody was accepted; see whether the library tells a refusal from success"
        )


def test_what_is_not_declared_is_skipped(inspections: dict[str, Inspection]) -> None:
    polls = verdicts(inspections["OnlyPolls"], "skipped")
    assert polls["text-out"].came == "the adapter does not declare 'publish'"
    assert polls["refused-start"].came == "the adapter does not declare 'push'"
    assert verdicts(inspections["OnlyPolls"], "sound")["start"].sent == "start with mode poll, at a sound service"
    idle = verdicts(inspections["DoesNothing"], "skipped")
    assert idle["start"].came == "the adapter declares neither 'push' nor 'poll'"
    assert idle["events"].came == "the client is not started"


def test_after_a_death_what_is_left_is_skipped_and_the_log_says_why(inspections: dict[str, Inspection]) -> None:
    dead = inspections["Dies"]
    assert verdicts(dead, "wrong")["publish"].came == "the process ended (exit 3)"
    assert verdicts(dead, "skipped")["stop"].came == "the process has ended (exit 3)"
    assert "no memory left" in dead.log


def test_who_does_not_answer_any_more_is_not_asked_any_more(inspections: dict[str, Inspection]) -> None:
    assert verdicts(inspections["GoesDeaf"], "wrong")["publish"].came == "nothing within 10 s"
    assert verdicts(inspections["GoesDeaf"], "skipped")["stop"].came == "it does not answer any more"


def test_a_finding_says_what_was_sent_what_came_and_what_is_wanted(inspections: dict[str, Inspection]) -> None:
    found = verdicts(inspections["AllIsWell"], "wrong")["outcomes"]
    assert found.sent == "a message that tells its handler to fail"
    assert found.came == "'handled' with the outcome 'ok'"
    assert found.wants.startswith("a handler does what the message tells it")
    bad = verdicts(inspections["Rounds"], "wrong")["decimal-strings"]
    assert "member 'message_id' is 9007199254740993; 64-bit integers and dates are decimal strings" in bad.came


def test_nothing_shows_the_app_secret(inspections: dict[str, Inspection]) -> None:
    found = verdicts(inspections["Chatty"], "wrong")["json-lines"]
    assert "INFO connecting with ***" in found.came
    assert "tmcspec-lint-secret" not in str(inspections["Chatty"])


def test_every_lie_is_told_and_every_check_finds_one() -> None:
    tree = ast.parse((LIARS / "lies.py").read_text(encoding="utf-8"))
    told = {each.name for each in tree.body if isinstance(each, ast.ClassDef)} - {"Liar"}
    assert told == set(LIES)
    checks = {check.name for checks in VISITS for check in checks} | set(LINES)
    # What a library does with a refusal is for the clauses to judge.
    assert checks - set().union(*LIES.values()) == {"refused-start", "refused-publish"}


# The command


def test_a_sound_adapter_ends_with_0() -> None:
    ended = tmcspec("adapter", "lint", "--client", shlex.join(SOUND))
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"sound   hello           {LIFE[0].wants}"
    assert lines[1].strip() == "sent hello, protocol 1; came sound 1.0 (python)"
    assert lines[-1] == "The adapter is sound (exit status 0)."


def test_an_adapter_without_a_client_is_found_out_in_words_and_ends_with_1() -> None:
    ended = tmcspec("adapter", "lint", "--client", liar("honest"), "--deadline-factor", "0.2")
    assert ended.status == 1
    assert "wrong   start           " in ended.out
    assert "came 'result', but the service has not accepted anybody" in ended.out
    assert "connecting as 12129701 with ***" in ended.out
    assert "check failed (exit status 1)." in ended.out


def test_a_machine_is_told_the_same() -> None:
    ended = tmcspec("adapter", "lint", "--json", "--client", liar("yes_man"), "--deadline-factor", "0.2")
    assert ended.status == 1
    report = json.loads(ended.out)
    assert (report["sound"], report["exit_status"], report["client"]["name"]) == (False, 1, "honest")
    (unknown,) = (each for each in report["checks"] if each["check"] == "unknown-op")
    assert unknown == {
        "check": "unknown-op",
        "verdict": "wrong",
        "sent": "the operation 'tmcspec-probe'",
        "came": "'result'",
        "wants": "an operation that the adapter does not have is answered 'unsupported'",
    }


def test_an_adapter_that_writes_without_end_is_read_to_a_bound() -> None:
    ended = tmcspec("adapter", "lint", "--json", "--client", liar("endless"), "--deadline-factor", "0.1")
    assert ended.status == 1
    (lines,) = (each for each in json.loads(ended.out)["checks"] if each["check"] == "json-lines")
    assert lines["verdict"] == "wrong"
    assert "longer than 8388608 bytes" in lines["came"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "Missing option '--client'"),
        (["--client", ""], "names no program"),
        (["--client", "true", "--deadline-factor", "0"], "--deadline-factor must be more than 0"),
    ],
)
def test_wrong_usage_ends_with_4(words: list[str], complaint: str) -> None:
    ended = tmcspec("adapter", "lint", *words)
    assert ended.status == 4
    assert complaint in ended.err


@pytest.mark.parametrize(
    ("client", "complaint"),
    [
        ("/no/such/program", "cannot execute the client '/no/such/program'"),
        (
            "sh -c 'echo out of order >&2; exit 4'",
            "never spoke: the process ended (exit 4)\nThe last it wrote:\nout of order",
        ),
        (liar("plain"), "never spoke: nothing within 1 s"),
        ("echo connected", "never spoke: the process ended (exit 0)"),
    ],
)
def test_a_program_that_never_speaks_ends_with_6(client: str, complaint: str) -> None:
    ended = tmcspec("adapter", "lint", "--client", client, "--deadline-factor", "0.1")
    assert (ended.status, ended.out) == (6, "")
    assert complaint in ended.err
