"""`tmcspec adapter lint`: a sound adapter is called so, and each lie is found by the check that is about it."""

from __future__ import annotations

import ast
import asyncio
import os
import sys
from unittest import mock

import pytest
from harness import LIARS

from tmcsuites.adapters.warden import LINUX
from tmcsuites.lint.inspection import LINES, VISITS, Finding, Inspection, inspect

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
    # Whoever says that it is connected and is not, says so when it is refused, too.
    "ConnectsToNothing": {"start", "refused-start"},
    "NeverRefused": {"refused-start"},
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
AT_ONCE = 4


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


def test_every_lie_is_told_and_every_check_finds_one() -> None:
    tree = ast.parse((LIARS / "lies.py").read_text(encoding="utf-8"))
    told = {each.name for each in tree.body if isinstance(each, ast.ClassDef)} - {"Liar"}
    assert told == set(LIES)
    checks = {check.name for checks in VISITS for check in checks} | set(LINES)
    # What a library does with a refused publish is for the clauses to judge.
    assert checks - set().union(*LIES.values()) == {"refused-publish"}
