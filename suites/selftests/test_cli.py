"""The `tmcspec` command: each exit status really produced, and what a person reads with it."""

from __future__ import annotations

import contextlib
import os
import random
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
from harness import CHINESE, CONNECTS, GARBLING, Ended, Garbling, liar, results, tmcspec

from tmcspec.clauses import CLAUSES, Finding
from tmcspec.clauses.history import History
from tmcsuites import run_command, session
from tmcsuites.adapters.contract import ClientInfo
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.adapters.warden import LINUX
from tmcsuites.cli import tmcspec as command

FAILS = "test_ack.py::test_a_long_reason_is_cut"


@pytest.fixture(autouse=True)
def _in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Clients in this process, for --python


class Humble(ReferenceSubject):
    """Declares nothing but push."""

    @property
    def info(self) -> ClientInfo:
        return replace(super().info, name="humble [/] \x1b[2J", capabilities=frozenset({"push"}))


def stillborn(*, wall_clock: Callable[[], float], rng: random.Random) -> Any:
    raise LookupError("no credentials")


def known_failing(text: str) -> str:
    Path("known.toml").write_text(text, encoding="utf-8")
    return "known.toml"


# 0


def test_a_sound_client_ends_with_0() -> None:
    ended = tmcspec("run", "--case", CONNECTS)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("tmcspec reference core")
    assert ended.out.endswith("As expected (exit status 0). Report: tmcspec-report\n")
    assert results()["exit_status"] == 0
    assert ElementTree.parse("tmcspec-report/junit.xml").getroot().find("testsuite") is not None


def test_the_report_goes_where_it_is_wanted() -> None:
    assert tmcspec("run", "--case", CONNECTS, "--report", "a/b").status == 0
    assert sorted(path.name for path in Path("a/b").iterdir()) == ["junit.xml", "results.json", "traces"]
    assert not Path("tmcspec-report").exists()


def test_an_expected_failure_ends_with_0() -> None:
    path = known_failing(f'[[failing]]\nclause = "FRM-7"\ncase = "{CHINESE}"\nreason = "speaks ASCII"')
    ended = tmcspec(*GARBLING, "--known-failing", path)
    assert ended.status == 0
    assert f"1. {CHINESE}  FAIL (expected): FRM-7\n   speaks ASCII\n" in ended.out
    assert "1 FAIL, 1 of them expected" in ended.out


# 1


def test_a_broken_must_ends_with_1() -> None:
    ended = tmcspec(*GARBLING)
    assert ended.status == 1
    assert f"1. {CHINESE}  FAIL\n   FRM-7 MUST: " in ended.out
    assert results()["cases"][0]["broken"] == ["FRM-7"]


def test_a_stale_entry_ends_with_1() -> None:
    path = known_failing(f'[[failing]]\nclause = "HSK-1"\ncase = "{CONNECTS}"\nreason = "was so once"')
    ended = tmcspec("run", "--case", CONNECTS, "--known-failing", path)
    assert ended.status == 1
    assert (
        f"Stale known-failing entry: HSK-1 in {CONNECTS}: was so once\n  nothing of it fails any more: remove it\n"
        in ended.out
    )


def test_the_printed_words_run_a_case_again() -> None:
    ended = tmcspec(*GARBLING[:-2], "--clause", "FRM-7", "--level=must", "--report", "elsewhere", "--", "-k", "chinese")
    assert ended.status == 1
    (line,) = (line for line in ended.out.splitlines() if line.startswith("   again: "))
    words = shlex.split(line.partition(": ")[2])
    assert words[0] == "tmcspec"
    again = tmcspec(*words[1:])
    assert again.status == 1
    (case,) = results("elsewhere/again")["cases"]
    assert (case["id"], case["verdict"]) == (CHINESE, "FAIL")
    assert results("elsewhere")["cases"] != []
    # Word for word the same, down to the line itself, but for where the report goes.
    assert line.replace("elsewhere/again", "elsewhere/again/again") in again.out


# 2


def begun(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """A run in the middle of cases whose client never connects."""
    # The last word is for nobody but these tests: it makes the client known among all processes.
    client = f"{liar('honest')} {tmp_path}"
    run = subprocess.Popen(
        [sys.executable, "-c", "from tmcsuites.cli import main; main()", "run", "--client", client, *words],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline().startswith("honest 1.2")
    return run


def descendants(run: subprocess.Popen[str], at_least: int) -> list[int]:
    """Its workers, the wardens of their clients, and the clients; as soon as there are so many."""
    found: list[int] = []
    while len(found) < at_least:
        found = [run.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += map(int, children.read_text().split())
        del found[0]
    return found


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_ctrl_c_ends_with_2_and_leaves_nothing_running(tmp_path: Path, jobs: str) -> None:
    run = begun(tmp_path, "--area", "HSK", "-n", jobs)
    if LINUX:
        descendants(run, 3 * int(jobs) - (jobs == "1"))
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (2, "")
    assert "Interrupted (exit status 2)" in out
    assert results()["exit_status"] == 2
    if LINUX:
        assert not [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path) in _command_line(pid)]


@pytest.mark.skipif(not LINUX, reason="needs Linux: /proc, pidfd")
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_run_that_is_killed_leaves_nothing_running(tmp_path: Path, jobs: str) -> None:
    run = begun(tmp_path, "--area", "HSK", "-n", jobs)
    watched = [os.pidfd_open(pid) for pid in descendants(run, 3 * int(jobs) - (jobs == "1"))]
    run.kill()
    run.communicate(timeout=60)
    for descriptor in watched:
        try:
            assert select.select([descriptor], [], [], 60)[0], "a process lives on"
        finally:
            os.close(descriptor)


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""  # it has just ended


# 3


def test_a_case_that_raises_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    (cases / "pytest.ini").write_text((session.CASES / "pytest.ini").read_text())
    (cases / "test_wrong_for_cli.py").write_text(
        'from tmcsuites.casebook import case\n\n@case("HSK-1")\nasync def test_wrong(tmc_stage):\n    assert 1 == 2\n'
    )
    monkeypatch.setattr(session, "CASES", cases)
    ended = tmcspec("run")
    assert ended.status == 3
    assert "test_wrong_for_cli.py::test_wrong  SUITE_FAULT\n   AssertionError: assert 1 == 2\n" in ended.out
    assert "A fault of the suite, not of the client (exit status 3)" in ended.out


def test_a_judge_that_raises_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(history: History) -> Iterator[Finding]:
        raise ZeroDivisionError("in a judge")

    monkeypatch.setitem(CLAUSES, "HSK-1", replace(CLAUSES["HSK-1"], judge=judge))
    ended = tmcspec("run", "--case", CONNECTS)
    assert ended.status == 3
    assert "ZeroDivisionError: in a judge" in ended.out


def test_a_report_that_cannot_be_written_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *arguments: object, **options: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    ended = tmcspec("run", "--case", CONNECTS)
    assert ended.status == 3
    assert "The report could not be written: [Errno 28] No space left on device" in ended.err


def test_a_bug_of_ours_ends_with_3_and_not_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_at(setting: object) -> ClientInfo:
        raise LookupError("a bug")

    monkeypatch.setattr(run_command, "look_at", look_at)
    ended = tmcspec("run", "--case", CONNECTS)
    assert ended.status == 3
    assert "LookupError: a bug" in ended.err


# 4


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--client", "a", "--bare", "b"], "exclude each other: one client at a time"),
        (["--client", "a", "--python", "b:c"], "exclude each other"),
        (["--client", "a", "--world", "simulated"], "other processes have real clocks"),
        (["--client", ""], "names no program"),
        (["--bare", "'"], "cannot be split into words"),
        (["--clause", "LID-11"], "did you mean LID-1?"),
        (["--area", "LIB"], "did you mean LID?"),
        (["--case", "test_lid.py::test_ids"], "unknown case 'test_lid.py::test_ids'; the closest: test_lid.py::"),
        (["--level", "may"], "'may' is not one of 'must', 'should', 'info'"),
        (["--clause", "LID-4", "--level", "must"], "no clause of level must among those asked for"),
        (["--python", "nothing"], "MODULE:FACTORY is expected"),
        (["--python", "no_such_module:make"], "No module named 'no_such_module'"),
        (["--python", "broken_module:make"], "SyntaxError"),
        (["--python", "falling_module:make"], "ZeroDivisionError"),
        (["--python", "os:no_such_factory"], "has no attribute 'no_such_factory'"),
        (["--python", "os:sep"], "'/', which cannot be called"),
        (["--deadline-factor", "0"], "must be more than 0 and finite, not 0.0"),
        (["--deadline-factor", "-1"], "must be more than 0 and finite, not -1.0"),
        (["--deadline-factor", "inf"], "must be more than 0 and finite, not inf"),
        (["--deadline-factor", "nan"], "must be more than 0 and finite, not nan"),
        (["-n", "0"], "'0' is neither a number from 1 to 64 nor 'auto'"),
        (["-n", "65"], "'65' is neither"),
        (["-n", "-1"], "'-1' is neither"),
        (["-n", "²"], "'²' is neither"),
        (["-n", "many"], "'many' is neither"),
        (["--seed", "x"], "'x' is not a valid integer"),
        (["--update-known-failing"], "needs the list: --known-failing FILE"),
        (["--known-failing", "k.toml", "--update-known-failing", "--area", "LID"], "needs a run of all cases"),
        (["--known-failing", "k.toml", "--update-known-failing", "--clause", "LID-1"], "needs a run of all cases"),
        (["--known-failing", "k.toml", "--update-known-failing", "--case", CONNECTS], "needs a run of all cases"),
        (["--known-failing", "k.toml", "--update-known-failing", "--level", "must"], "needs a run of all cases"),
        (["--known-failing", "k.toml", "--update-known-failing", "--", "-x"], "needs a run of all cases"),
        (["--known-failing", "wrong.toml", "--update-known-failing"], "wrong.toml: entry 1: clause is 'LID-99'"),
        (["--known-failing", "none.toml"], "none.toml: No such file or directory"),
        (["--known-failing", "wrong.toml"], "wrong.toml: entry 1: clause is 'LID-99'"),
        (["--report", "wrong.toml"], "--report wrong.toml: File exists"),
        (["--report", "full"], "--report full: File exists"),
        (["--no-such-option"], "No such option"),
        (["--", "--no-such-option-of-pytest"], "--no-such-option-of-pytest"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_ends_with_4_and_says_what_was_wrong(words: list[str], complaint: str) -> None:
    Path("wrong.toml").write_text('[[failing]]\nclause = "LID-99"\nreason = "r"')
    Path("broken_module.py").write_text("def :")
    Path("falling_module.py").write_text("1 / 0")
    Path("full").mkdir()
    Path("full/traces").write_text("no directory")
    ended = tmcspec("run", *words)
    assert ended.status == 4
    assert complaint in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("words", [[], ["frame"], ["no-such-command"], ["clauses", "--area", "XYZ"]], ids=" ".join)
def test_no_command_and_an_unknown_one_end_with_4(words: list[str]) -> None:
    assert tmcspec(*words).status == 4


# 5


def test_filters_that_leave_nothing_end_with_5() -> None:
    ended = tmcspec("run", "--clause", "LID-1", "--case", CONNECTS)
    assert ended.status == 5
    assert "No case was left to run by these filters." in ended.out
    assert results()["cases"] == []


def test_a_client_that_supports_nothing_that_was_asked_ends_with_5() -> None:
    ended = tmcspec("run", "--python", f"{__name__}:Humble", "--case", FAILS)
    assert ended.status == 5
    assert "1 UNSUPPORTED in " in ended.out
    assert results()["cases"][0]["message"] == "the client does not declare fail"


def test_one_unsupported_case_beside_a_passed_one_is_no_failure() -> None:
    ended = tmcspec("run", "--python", f"{__name__}:Humble", "--case", FAILS, "--case", CONNECTS)
    assert ended.status == 0
    assert r"humble [/] \x1b[2J" in ended.out


# 6


def with_client(client: str, *words: str, option: str = "--client") -> Ended:
    return tmcspec("run", option, client, "--case", CONNECTS, *words)


def not_measured(ended: Ended) -> str:
    assert ended.status == 6
    assert ended.out == ""
    assert ended.err.startswith("The client could not be measured: ")
    assert not Path("tmcspec-report/results.json").exists()
    return ended.err


def test_a_program_that_does_not_exist_ends_with_6() -> None:
    Path("tmcspec-report").mkdir()
    # Of an earlier run; nobody shall take it for this one's.
    Path("tmcspec-report/results.json").write_text("{}")
    assert "cannot execute the client './no-such-program': No such file" in not_measured(
        with_client("./no-such-program")
    )


def test_a_program_that_never_says_hello_ends_with_6() -> None:
    told = not_measured(with_client(liar("plain"), "--deadline-factor", "0.03"))
    assert "did not say hello within 0.3 s; is it an adapter?" in told


def test_a_program_that_ends_before_hello_ends_with_6_and_its_words_are_shown() -> None:
    Path("dies.py").write_text("import sys\nsys.exit('no \\x1b[2J[/]config\\tfile')\n")
    told = not_measured(with_client(f"{sys.executable} -S dies.py"))
    assert "the adapter ended (exit 1) before it said hello" in told
    assert r"no \x1b[2J[/]config        file" in told


def test_a_factory_that_raises_ends_with_6() -> None:
    ended = tmcspec("run", "--python", f"{__name__}:stillborn", "--case", CONNECTS)
    assert "LookupError: no credentials" in not_measured(ended)


def test_a_client_that_dies_in_a_case_ends_with_6_and_its_words_are_shown() -> None:
    ended = with_client(liar("exits"))
    assert ended.status == 6
    assert f"1. {CONNECTS}  CRASHED\n   the client ended by itself (exit 3)" in ended.out
    assert "   the client wrote:\n     no route to anywhere\n" in ended.out
    assert "Not all could be measured: the client died, hung, or its adapter is unsound (exit status 6)" in ended.out


def test_a_client_that_hangs_in_a_case_ends_with_6_and_its_words_are_shown() -> None:
    ended = with_client(liar("dozes"), "--deadline-factor", "0.2")
    assert ended.status == 6
    assert f"1. {CONNECTS}  HUNG\n" in ended.out
    assert "   the client wrote:\n     connecting as 12129701 with ***\n" in ended.out


def test_a_bare_program_that_never_connects_ends_with_6() -> None:
    ended = with_client(liar("plain"), "--deadline-factor", "0.03", option="--bare")
    assert ended.status == 6
    assert f"1. {CONNECTS}  HUNG\n   the service never accepted a CONNECT" in ended.out


def test_a_bare_program_that_dies_ends_with_6_and_its_words_are_shown() -> None:
    Path("dies.py").write_text("import os, sys\nsys.exit('wrong secret: ' + os.environ['TMC_APP_SECRET'])\n")
    ended = with_client(f"{sys.executable} -S dies.py", option="--bare")
    assert ended.status == 6
    assert f"1. {CONNECTS}  CRASHED\n   the client ended by itself (exit 1)" in ended.out
    assert "     wrong secret: ***\n" in ended.out


def test_a_death_is_excused_by_an_entry_that_says_so() -> None:
    path = known_failing(
        f'[[failing]]\nclause = "HSK-1"\ncase = "{CONNECTS}"\nverdict = "CRASHED"\nreason = "needs a route"'
    )
    ended = with_client(liar("exits"), "--known-failing", path)
    assert ended.status == 0
    assert "CRASHED (expected)\n   needs a route\n" in ended.out


# The known-failing list


def small_suite(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of two cases, so that a run of all of them is over at once."""
    folder.mkdir()
    (folder / "pytest.ini").write_text((session.CASES / "pytest.ini").read_text())
    # A name of its own: pytest imports test modules by their names.
    (folder / f"test_{folder.parent.name}.py").write_text(
        """
from tmcsuites.casebook import case

@case("FRM-7")
async def test_speaks(tmc_stage):
    await tmc_stage.start()
    await tmc_stage.until_answered(tmc_stage.produce("两"))

@case("HSK-1")
async def test_connects(tmc_stage):
    await tmc_stage.start()
"""
    )
    monkeypatch.setattr(session, "CASES", folder)


def test_a_list_is_begun_explained_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_suite(tmp_path / "cases", monkeypatch)
    words = ("run", "--python", f"harness:{Garbling.__name__}", "--known-failing", "known.toml")
    first = tmcspec(*words, "--update-known-failing")
    assert first.status == 1
    assert "known.toml: 1 new, 0 removed, 0 kept. Write down the reasons of the new ones\n" in first.out
    assert "again: tmcspec run --python harness:Garbling --case" in first.out
    unexplained = tmcspec(*words)
    assert unexplained.status == 4
    assert f"entry 1 (FRM-7 in test_{tmp_path.name}.py::test_speaks): reason is ''" in unexplained.err
    text = Path("known.toml").read_text(encoding="utf-8")
    known_failing(text.replace('reason = ""', 'reason = "speaks ASCII"'))
    assert tmcspec(*words).status == 0
    # A sound client makes it stale, and another update removes what is stale.
    sound = ("run", "--known-failing", "known.toml")
    assert tmcspec(*sound).status == 1
    assert tmcspec(*sound, "--update-known-failing").out.endswith("known.toml: 0 new, 1 removed, 0 kept\n")
    assert tmcspec(*sound).status == 0


def test_an_entry_that_has_expired_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_suite(tmp_path / "cases", monkeypatch)
    path = known_failing('[[failing]]\nclause = "FRM-7"\nreason = "speaks ASCII"\nexpires = 2026-01-31\n')
    ended = tmcspec("run", "--python", f"harness:{Garbling.__name__}", "--known-failing", path)
    assert ended.status == 1
    assert (
        "Expired known-failing entry: FRM-7: speaks ASCII\n  it expired on 2026-01-31, and it fails still" in ended.out
    )


def test_a_client_that_dies_before_hello_fills_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_suite(tmp_path / "cases", monkeypatch)
    ended = tmcspec("run", "--client", liar("yes_man"), "--known-failing", "known.toml", "--update-known-failing")
    assert ended.status == 6
    assert not Path("known.toml").exists()


def test_a_client_that_never_connects_fills_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_suite(tmp_path / "cases", monkeypatch)
    words = ("--deadline-factor", "0.03", "--known-failing", "known.toml", "--update-known-failing")
    ended = tmcspec("run", "--client", liar("honest"), *words)
    assert ended.status == 6
    assert "known.toml is left as it was, because the run did not end well: HUNG in test_" in ended.err
    assert not Path("known.toml").exists()


# Help


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, ...]]:
    for name, each in group.commands.items():
        yield (*before, name)
        if isinstance(each, click.Group):
            yield from commands(each, *before, name)


@pytest.mark.parametrize("words", [(), *commands(command)], ids=" ".join)
def test_every_command_explains_itself_with_an_example(words: tuple[str, ...]) -> None:
    ended = tmcspec(*words, "--help")
    assert ended.status == 0
    assert "Example:\n" in ended.out
    assert "tmcspec " in ended.out.partition("Example:\n")[2]


def test_the_version_is_told() -> None:
    assert tmcspec("--version").out.startswith("tmcspec, version ")


def test_a_terminal_that_knows_no_chinese_is_no_reason_to_fail() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from tmcsuites.cli import main; main()", "clauses", "--area", "RDL"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert rb"\u" in run.stdout
