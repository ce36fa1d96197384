"""`tmcspec simulate`: one seeded world, told, written down and judged."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from harness import tmcspec

from tmcspec import trace_file
from tmcspec.client import Message, TmcClient
from tmcspec.client.message import OK
from tmcsuites.adapters.contract import Answer, ClientInfo, StartOptions, Subject, Unavailable
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.chaos import ending
from tmcsuites.chaos.counterexample import CounterExample, load
from tmcsuites.chaos.plan import Plan

SMALL = ("simulate", "--no-shrink", "--hours", "0.2", "--clients", "2", "--messages", "20")


def test_it_tells_what_happened_and_judges_it() -> None:
    done = tmcspec(*SMALL)
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("seed 0: 0.2 h, 2 clients in ")
    assert lines[0].endswith("20 messages, 0 faults")
    assert lines[1].startswith("messages: 20 settled, 0 expired, 0 left; handed out 20 times, 0 recovered")
    assert "clauses exercised, 0 broken" in lines[-1]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for path in (first, second):
        tmcspec(*SMALL, "--faults", "random", "--seed", "7", "--trace", str(path))
    tmcspec(*SMALL, "--faults", "random", "--seed", "8", "--trace", str(other))
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    assert trace_file.load(first).seed == 7


def test_for_machines_it_says_so_in_json() -> None:
    done = tmcspec(*SMALL, "--json")
    told = json.loads(done.out)
    assert (told["seed"], told["seconds"], told["clients"], told["planned_faults"]) == (0, 720.0, 2, 0)
    assert told["messages"]["produced"] == told["messages"]["settled"] == 20
    (first,) = (clause for clause in told["clauses"] if clause["id"] == "ACK-1")
    assert (first["result"], first["exercised"], first["violations"]) == ("pass", 20, 0)
    assert (told["ended"], told["counterexample"]) == (None, None)


def test_a_client_that_breaks_a_must_is_shown_and_the_exit_status_says_so() -> None:
    done = tmcspec(*SMALL, "--client", "mutant:confirms-first")
    assert done.status == 1
    assert "ACK-2 MUST: " in done.out
    assert "was confirmed" in done.out


def test_the_cause_is_told_as_a_story_and_kept_in_a_file(tmp_path: Path) -> None:
    done = tmcspec(
        *SMALL[:1], *SMALL[2:], "--client", "mutant:confirms-first", "--counter-examples", str(tmp_path / "found")
    )
    assert done.status == 1
    file = tmp_path / "found" / "ACK-2.json"
    assert f"tmcspec replay {file}" in done.out
    example = load(file.read_text(encoding="utf-8"))
    assert isinstance(example, CounterExample)
    assert (example.clause, example.client) == ("ACK-2", "mutant:confirms-first")
    assert (len(example.plan.clients), len(example.plan.messages), len(example.plan.faults)) == (1, 1, 0)
    assert tmcspec("replay", str(file)).status == 1


def test_machines_are_told_the_cause_too(tmp_path: Path) -> None:
    done = tmcspec(
        *SMALL[:1], *SMALL[2:], "--client", "mutant:confirms-first", "--counter-examples", str(tmp_path), "--json"
    )
    assert done.status == 1
    cause = json.loads(done.out)["counterexample"]
    assert (cause["clause"], cause["file"], cause["exhausted"]) == ("ACK-2", str(tmp_path / "ACK-2.json"), False)
    assert cause["tried"] > 1
    assert "What happened:" in cause["story"]


class Impatient(ReferenceSubject):
    """Confirms first, and who looks on presses Ctrl-C when it is started for the sixth time."""

    starts: ClassVar[int] = 0

    def __init__(self, **more: Any) -> None:
        super().__init__(client_type=Hasty, **more)

    async def start(self, options: StartOptions) -> Answer:
        Impatient.starts += 1
        if Impatient.starts == 6:
            signal.raise_signal(signal.SIGINT)
        return await super().start(options)


def test_ctrl_c_ends_the_search_and_the_smallest_plan_so_far_is_told_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Impatient, "starts", 0)
    words = ("--client", f"python:{__name__}:Impatient", "--counter-examples", str(tmp_path))
    done = tmcspec(*SMALL[:1], *SMALL[2:], *words)
    file = tmp_path / "ACK-2.json"
    assert done.status == 1, done.err
    assert f"Interrupted. The smallest plan so far is kept: {file}; its story follows" in done.err
    assert f"tried, and it was interrupted: there may be a smaller one: {file}" in done.out
    assert "What happened:" in done.out
    assert isinstance(load(file.read_text(encoding="utf-8")), CounterExample)


def test_a_search_may_take_so_long_and_no_longer(tmp_path: Path) -> None:
    words = ("--client", "mutant:confirms-first", "--counter-examples", str(tmp_path), "--shrink-for", "1e-9")
    done = tmcspec(*SMALL[:1], *SMALL[2:], *words)
    assert done.status == 1
    assert "of 1 tried, and there was no time for more: there may be a smaller one: " in done.out
    example = load((tmp_path / "ACK-2.json").read_text(encoding="utf-8"))
    assert isinstance(example, CounterExample)
    assert len(example.plan.messages) == 20


def test_a_world_that_ended_early_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ending, "CONNECTION_LIMIT", 500)
    monkeypatch.chdir(tmp_path)
    Path("down.json").write_text('[{"fault": "down", "at": 400, "duration": 300}]')
    hasty = ("--client", "mutant:comes-back-at-once")
    done = tmcspec(*SMALL, "--faults", "down.json", "--plan", "plan.json", *hasty)
    assert done.status == 0  # what it does is against a SHOULD
    assert done.out.splitlines()[1].startswith("ended after 0.1 h: the fleet connected 50")
    ended = json.loads(tmcspec(*SMALL, "--faults", "down.json", "--json", *hasty).out)["ended"]
    assert 400 < ended["seconds"] < 410
    assert ended["connections"] >= 500
    replayed = tmcspec("replay", "plan.json", *hasty)
    assert "The world ended after 0.1 h: the fleet connected 50" in replayed.out.splitlines()[-2]
    assert json.loads(tmcspec("replay", "plan.json", "--json", *hasty).out)["ended"] == ended


# Clients in this process


class Hasty(TmcClient):
    """Confirms first."""

    def _starting(self, message: Message) -> None:
        self._core.handled(message.id, OK)
        super()._starting(message)


def hasty(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng, client_type=Hasty)


class Plain(ReferenceSubject):
    """As `hasty`, and declares nothing but push."""

    def __init__(self, **more: Any) -> None:
        super().__init__(client_type=Hasty, **more)

    @property
    def info(self) -> ClientInfo:
        return replace(super().info, capabilities=frozenset({"push"}))


def stillborn(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    raise LookupError("no credentials")


class Moody(ReferenceSubject):
    """Confirms first, as long as it is in the mood."""

    moods: ClassVar[list[Callable[[], type[TmcClient]]]] = []

    def __init__(self, **more: Any) -> None:
        super().__init__(client_type=self.moods.pop(0)() if self.moods else TmcClient, **more)


def moody(monkeypatch: pytest.MonkeyPatch, *moods: Callable[[], type[TmcClient]]) -> tuple[str, ...]:
    """A day with a client that is another one from play to play; before the first it is asked what it can."""
    monkeypatch.setattr(Moody, "moods", [lambda: TmcClient, *moods])
    return (*SMALL[:1], *SMALL[2:], "--clients", "1", "--client", f"python:{__name__}:Moody")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_client_that_errs_once_and_not_again_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    words = () if form == "text" else ("--json",)
    done = tmcspec(*moody(monkeypatch, lambda: Hasty), "--counter-examples", str(tmp_path / "none"), *words)
    assert done.status == 1, done.err
    lines = done.err.splitlines()
    assert lines[0] == "ACK-2 was broken once and not again: the client is not deterministic. At first:"
    assert lines[1].startswith("ACK-2 MUST: ")
    assert "was confirmed" in lines[3]
    assert not (tmp_path / "none").exists()
    if form == "json":
        assert json.loads(done.out)["counterexample"] is None


def test_a_client_that_dies_while_the_cause_is_looked_for_ends_with_6(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> type[TmcClient]:
        raise Unavailable("it is gone")

    done = tmcspec(*moody(monkeypatch, lambda: Hasty, gone))
    assert done.status == 6
    assert "ACK-2 MUST: " in done.out
    assert f"The client could not be measured: {__name__}:Moody: Unavailable: it is gone" in done.err


def test_any_client_in_this_process_lives_through_a_day_and_its_story_says_how_to_show_it_again(tmp_path: Path) -> None:
    words = ("--client", f"python:{__name__}:hasty", "--counter-examples", str(tmp_path))
    done = tmcspec(*SMALL[:1], *SMALL[2:], "--faults", "random", *words)
    assert done.status == 1, done.err
    file = tmp_path / "ACK-2.json"
    assert done.out.splitlines()[-4:] == [
        "Again:",
        f"  tmcspec replay {file} --client python:{__name__}:hasty",
        "  tmcspec simulate --seed 0 --hours 0.2 --clients 2 --messages 20 --faults random "
        f"--client python:{__name__}:hasty",
        f"  tmcspec run --python {__name__}:hasty --clause ACK-2",
    ]
    replayed = tmcspec("replay", str(file), "--client", f"python:{__name__}:hasty")
    assert replayed.status == 1
    assert f"  tmcspec run --python {__name__}:hasty --clause ACK-2" in replayed.out


def test_what_a_file_says_is_code_is_not_run(tmp_path: Path) -> None:
    module = tmp_path / "tmcspec_test_of_files.py"
    module.write_text("raise SystemExit('this was run')\n", encoding="utf-8")
    example = CounterExample(clause="ACK-2", client=f"python:{module.stem}:make", plan=Plan())
    (tmp_path / "found.json").write_text(example.dumps(), encoding="utf-8")
    with contextlib.chdir(tmp_path):
        done = tmcspec("replay", "found.json")
    assert done.status == 4
    assert "code that a file names is not run; name the client with --client" in done.err
    assert module.stem not in sys.modules


def test_a_client_is_held_to_what_it_declares() -> None:
    told = json.loads(tmcspec(*SMALL, "--json", "--client", f"python:{__name__}:Plain").out)
    judged = {clause["id"] for clause in told["clauses"]}
    assert {"ACK-2", "LID-1"} <= judged
    assert not {"ACK-4", "CON-6", "DUP-1"} & judged


def test_a_client_that_cannot_be_made_ends_with_6() -> None:
    done = tmcspec(*SMALL, "--client", f"python:{__name__}:stillborn")
    assert done.status == 6
    assert f"could not be measured: {__name__}:stillborn: LookupError: no credentials" in done.err


# More


def test_every_event_can_be_seen_on_a_line() -> None:
    lines = tmcspec(*SMALL, "--messages", "1", "--log").out.splitlines()
    (produced,) = (line for line in lines if " s  produced message " in line)
    assert any(" s  confirmed message " in line for line in lines)
    assert not any("from client: Connect" in line for line in lines)
    assert float(produced.split()[0]) > 0
    assert any("from client: Connect" in line for line in tmcspec(*SMALL, "--log", "--log").out.splitlines())


def test_machines_find_the_events_beside_the_json() -> None:
    done = tmcspec(*SMALL, "--messages", "1", "--log", "--json")
    assert json.loads(done.out)["messages"]["produced"] == 1
    assert any(" s  produced message " in line for line in done.err.splitlines())


def test_a_schedule_from_a_file_is_what_goes_wrong(tmp_path: Path) -> None:
    schedule = tmp_path / "schedule.json"
    schedule.write_text('[{"fault": "drop", "frame": "push", "count": 1000}]')
    done = tmcspec(*SMALL, "--faults", str(schedule))
    assert done.status == 0, done.out
    assert "20 recovered" in done.out
    assert "faults: drop " in done.out


def test_what_is_to_happen_can_be_written_down(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    tmcspec(*SMALL, "--faults", "random", "--plan", str(path))
    plan = Plan.loads(path.read_text(encoding="utf-8"))
    assert (len(plan.clients), len(plan.messages)) == (2, 20)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--hours", "0"), "--hours"),
        (("--clients", "101"), "--clients"),
        (("--messages", "-1"), "--messages"),
        (("--faults", "/no/such/file"), "/no/such/file: No such file or directory"),
        (("--faults", "Random"), "--faults is 'Random'; valid: none, random, or the file of a schedule"),
        (("--client", "java"), "the client is 'java'; valid: 'reference', 'mutant:NAME', or 'python:MODULE:FACTORY'"),
        (("--client", "python:mine"), "the client 'python:mine': 'mine' names no factory; MODULE:FACTORY is expected"),
        (("--client", "python:os:nothing"), "AttributeError: module 'os' has no attribute 'nothing'"),
        (("--trace", "/no/such/place/trace"), "--trace /no/such/place/trace: No such file or directory"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_wrong_usage_is_said(words: tuple[str, ...], text: str) -> None:
    done = tmcspec(*SMALL, *words)
    assert done.status == 4
    assert text in done.err


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"{", "a schedule is JSON; "),
        (b'[{"fault": "lag"}]', "fault 1: unknown fault 'lag'"),
        (b'[{"fault": "down"}]', "does not end within the 720 s of the plan"),
        (b"\xff", "no UTF-8 text: "),
        (b'{"seed": 7}', "has the seed 7, and one seed decides all of a world: pass --seed 7, or leave it out of the"),
    ],
    ids=["json", "fault", "end", "text", "seed"],
)
def test_a_schedule_that_is_none_is_refused(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "schedule.json"
    path.write_bytes(data)
    done = tmcspec(*SMALL, "--faults", str(path))
    assert done.status == 4
    assert text in done.err.replace("\n", " ")


def test_what_is_more_than_a_trace_holds_is_not_played_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmcspec.trace.WHOLE_WEIGHT_LIMIT", 100_000)
    path = tmp_path / "schedule.json"
    path.write_text('[{"fault": "oversize", "size": 20000, "count": 100}]')
    done = tmcspec(*SMALL, "--faults", str(path))
    assert done.status == 4
    assert done.err.startswith(
        "This cannot be played to its end: the trace is full: what it holds has more than 100000"
    )


def test_a_schedule_may_say_the_seed_that_it_is_played_with(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text('{"seed": 7, "faults": []}')
    assert tmcspec(*SMALL, "--faults", str(path), "--seed", "7").status == 0
