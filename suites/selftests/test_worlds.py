"""One case in its world: simulated or live, judged alike, and whose fault it is when it does not end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness import LIARS, collected, liar, tmcspec

from tmcfakes.fake import FakeTmc
from tmcspec import trace_file
from tmcspec.clauses import CLAUSES, Clause, Finding
from tmcspec.clauses.history import History
from tmcspec.events import ClientDied, ClientStopped
from tmcspec.timing import CONFIRM_TIMEOUT
from tmcsuites import worlds
from tmcsuites.adapters.bare import BareSubject
from tmcsuites.adapters.contract import Answer, ClientInfo, Deadlines, Hung, StartOptions, Subject, Unavailable
from tmcsuites.adapters.process import ProcessSubject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.casebook import Case, CaseFunction
from tmcsuites.stage import Stage
from tmcsuites.verdict import CaseResult, Verdict
from tmcsuites.worlds import Setting, SubjectFactory, WorldName, look_at, run_case, unsupported

#: A few cases that are over at once in a live run, too.
QUICK = [
    "test_ack.py::test_handled_messages_are_confirmed",
    "test_ack.py::test_a_failed_message_is_reported_and_not_confirmed",
    "test_ack.py::test_a_raising_handler_is_survived",
    "test_frm.py::test_gzip_content_is_delivered_as_text",
    "test_hsk.py::test_a_client_connects_and_signs",
    "test_lid.py::test_ids_are_confirmed_exactly[largest]",
    "test_rdl.py::test_a_confirmed_message_never_comes_again",
]
#: The client draws its backoff by chance.
RECONNECTION = "test_con.py::test_a_client_comes_back_after_an_abort"

CASE = Case(clauses=("HSK-1",))


@pytest.fixture(scope="module")
def cases() -> dict[str, tuple[Case, CaseFunction]]:
    return collected()


def reference(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng)


def setting(
    *,
    world: WorldName = "simulated",
    subject: SubjectFactory = reference,
    clauses: tuple[Clause, ...] = tuple(CLAUSES.values()),
    seed: int = 0,
    factor: float = 1.0,
) -> Setting:
    return Setting(world=world, subject=subject, clauses=clauses, seed=seed, factor=factor)


def held(name: str, **deadlines: float) -> Setting:
    """A live run of a miniature adapter, which is given little time for what never comes."""
    given = Deadlines(**{"hello": 60.0, "start": 60.0, "probe": 60.0, "bye": 0.1, "term": 0.1, **deadlines})
    subject: SubjectFactory = lambda wall_clock, rng: ProcessSubject(liar(name), deadlines=given)  # noqa: E731
    return setting(world="live", subject=subject, factor=0.03)


async def starts(stage: Stage) -> None:
    await stage.start()


def lines(result: CaseResult) -> list[str]:
    assert result.trace is not None
    return list(trace_file.dump(result.trace))


# Determinism


@pytest.mark.parametrize("id", [QUICK[0], RECONNECTION])
def test_a_simulated_case_leaves_the_same_trace_again(cases: dict[str, tuple[Case, CaseFunction]], id: str) -> None:
    first, again = (lines(run_case(id, *cases[id], setting(seed=7))) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("id", [QUICK[0], RECONNECTION])
def test_another_seed_leaves_another_trace(cases: dict[str, tuple[Case, CaseFunction]], id: str) -> None:
    assert lines(run_case(id, *cases[id], setting(seed=7))) != lines(run_case(id, *cases[id], setting(seed=8)))


def test_each_case_has_a_chance_of_its_own(cases: dict[str, tuple[Case, CaseFunction]]) -> None:
    case, function = cases[QUICK[4]]
    assert lines(run_case("one", case, function, setting())) != lines(run_case("another", case, function, setting()))


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_leaves_the_same_traces(tmp_path: Path, hash_seed: str) -> None:
    words = ["run", "--seed", "7", "--case", QUICK[0], "--case", QUICK[5], "--case", RECONNECTION]
    here, there = tmp_path / "here", tmp_path / "there"
    assert tmcspec(*words, "--report", str(here)).status == 0
    subprocess.run(
        [sys.executable, "-c", "from tmcsuites.cli import main; main()", *words, "--report", str(there)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
        timeout=120,
    )
    names = sorted(path.name for path in (here / "traces").iterdir())
    assert len(names) == 3
    for name in names:
        assert (here / "traces" / name).read_bytes() == (there / "traces" / name).read_bytes()


# Two worlds


@pytest.mark.parametrize("id", [*QUICK, RECONNECTION])
def test_a_case_has_the_same_verdict_in_both_worlds(cases: dict[str, tuple[Case, CaseFunction]], id: str) -> None:
    simulated, live = (run_case(id, *cases[id], setting(world=world)) for world in ("simulated", "live"))
    assert (simulated.verdict, simulated.message) == (live.verdict, live.message) == (Verdict.PASS, "")
    assert simulated.trace is not None
    assert live.trace is not None
    assert (simulated.trace.world, live.trace.world) == ("simulated", "live")
    exercised = [
        {each.clause.id for each in result.judgements if each.exercised and each.clause.id in result.clauses}
        for result in (simulated, live)
    ]
    assert exercised[0] == exercised[1] == set(simulated.clauses)


def test_a_client_has_its_full_official_time_in_simulation_and_a_scaled_one_live() -> None:
    assert setting(factor=2.0).patience == CONFIRM_TIMEOUT
    assert setting(world="live", factor=2.0).patience == 2.0 * setting(world="live").patience
    assert setting(world="live", factor=2.0).start_patience == 2.0 * setting(world="live").start_patience


# Faults of the suite


@pytest.mark.parametrize("world", ["simulated", "live"])
def test_a_case_that_raises_is_a_fault_of_the_suite(world: WorldName) -> None:
    async def play(stage: Stage) -> None:
        await stage.start()
        raise LookupError("a case asserts nothing")

    result = run_case("a", CASE, play, setting(world=world))
    assert (result.verdict, result.message) == (Verdict.SUITE_FAULT, "LookupError: a case asserts nothing")
    assert result.trace is not None
    assert result.bad


def test_a_case_in_which_everybody_waits_for_ever_is_a_fault_of_the_suite() -> None:
    async def play(stage: Stage) -> None:
        await asyncio.get_running_loop().create_future()

    result = run_case("a", CASE, play, setting())
    assert result.verdict is Verdict.SUITE_FAULT
    assert result.message.startswith("SleepForeverError: ")


def test_a_live_case_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(stage: Stage) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(worlds, "CASE_LIMIT", 0.05)
    # However small the factor: it makes a client's time shorter, not the suite's.
    result = run_case("a", CASE, play, setting(world="live", factor=0.001))
    assert (result.verdict, result.message) == (
        Verdict.SUITE_FAULT,
        "TimeoutError: the case did not end within 0.05 s",
    )


def test_a_timeout_of_a_live_case_of_its_own_is_told_as_it_is() -> None:
    async def play(stage: Stage) -> None:
        raise TimeoutError("its own")

    assert run_case("a", CASE, play, setting(world="live")).message == "TimeoutError: its own"


def test_a_judge_that_raises_is_a_fault_of_the_suite() -> None:
    def judge(history: History) -> Iterator[Finding]:
        raise ZeroDivisionError("in a judge")

    result = run_case("a", CASE, starts, setting(clauses=(replace(CLAUSES["HSK-1"], judge=judge),)))
    assert (result.verdict, result.message) == (Verdict.SUITE_FAULT, "ZeroDivisionError: in a judge")
    assert result.trace is not None


def test_a_fake_that_fails_hides_what_it_did_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stop(fake: FakeTmc) -> None:
        await stop_well(fake)
        raise ExceptionGroup("the fake service itself failed", [LookupError("in the engine")])

    stop_well = FakeTmc._stop
    monkeypatch.setattr(FakeTmc, "_stop", stop)
    result = run_case("a", CASE, starts, held("exits"))
    assert result.verdict is Verdict.SUITE_FAULT
    assert "the fake service itself failed" in result.message


def test_ctrl_c_is_no_verdict() -> None:
    async def play(stage: Stage) -> None:
        signal.raise_signal(signal.SIGINT)
        await stage.wait(1)

    with pytest.raises(KeyboardInterrupt):
        run_case("a", CASE, play, setting())


# Clients that do not live to be judged


@pytest.mark.parametrize("name", ["exits", "killed", "leaves"])
def test_a_client_that_ends_in_the_middle_has_crashed(name: str) -> None:
    result = run_case("a", CASE, starts, held(name))
    assert result.verdict is Verdict.CRASHED
    assert "ended by itself" in result.message
    assert result.trace is not None
    assert isinstance(result.trace.entries[-1].event, ClientDied)


def test_what_a_crashed_client_wrote_is_kept_without_the_secret() -> None:
    result = run_case("a", CASE, starts, held("loud"))
    assert result.log.startswith("the beginning")
    assert result.log.endswith("the end")
    assert "no route to anywhere" in run_case("a", CASE, starts, held("exits")).log


def test_a_sleeping_client_is_hung_and_its_log_is_kept_without_the_secret() -> None:
    result = run_case("a", CASE, starts, held("dozes", probe=2.0))
    assert result.verdict is Verdict.HUNG
    assert "did not answer 'tmcspec-probe'" in result.message
    assert result.log == "connecting as 12129701 with ***\n"


def test_a_client_that_says_started_and_never_connects_is_hung() -> None:
    result = run_case("a", CASE, starts, held("honest"))
    assert (result.verdict, result.message) == (
        Verdict.HUNG,
        "the service never accepted a CONNECT of the client",
    )


@pytest.mark.parametrize("name", ["twice", "stranger", "chatty", "rounding", "faulty"])
def test_an_adapter_that_breaks_the_contract_is_at_fault_itself(name: str) -> None:
    assert run_case("a", CASE, starts, held(name)).verdict is Verdict.ADAPTER_FAULT


# Set up


async def tries(stage: Stage) -> None:
    await stage.try_start(within=0.5)
    await stage.subject.probe()


async def starts_and_hangs(stage: Stage) -> None:
    await stage.start()
    raise Hung("sleeps", op="publish", deadline=1.0)


class Declines(ReferenceSubject):
    """Tells its application that it cannot start, to a service that would have accepted it."""

    async def start(self, options: StartOptions) -> Answer:
        return Answer(status="raised", error="no")


class Missigns(ReferenceSubject):
    """Signs with another secret."""

    async def start(self, options: StartOptions) -> Answer:
        return await super().start(replace(options, app_secret="another"))


def simulated(client: type[ReferenceSubject]) -> Setting:
    return setting(subject=lambda wall_clock, rng: client(wall_clock=wall_clock, rng=rng))


def missing() -> Setting:
    return setting(world="live", subject=lambda wall_clock, rng: ProcessSubject("./no-such-program"))


@pytest.mark.parametrize(
    ("function", "given", "verdict", "set_up"),
    [
        (starts, missing, Verdict.CRASHED, True),
        (starts, lambda: held("plain", hello=0.5), Verdict.CRASHED, True),
        (starts, lambda: held("honest"), Verdict.HUNG, True),
        (starts, lambda: held("dozes", probe=0.5), Verdict.HUNG, True),
        (tries, lambda: held("dozes", probe=0.5), Verdict.HUNG, False),
        (starts, lambda: held("exits"), Verdict.CRASHED, False),
        (starts_and_hangs, lambda: simulated(ReferenceSubject), Verdict.HUNG, False),
        (starts, lambda: simulated(Declines), Verdict.FAIL, True),
        (starts, lambda: simulated(Missigns), Verdict.FAIL, False),
        (starts, lambda: simulated(ReferenceSubject), Verdict.PASS, False),
    ],
)
def test_what_ends_before_the_client_was_accepted_is_told_apart(
    function: CaseFunction, given: Callable[[], Setting], verdict: Verdict, set_up: bool
) -> None:
    """No list excuses a client that was not set up, because nothing was measured. Dying is a client's own doing."""
    result = run_case("a", CASE, function, given())
    assert (result.verdict, result.set_up) == (verdict, set_up)


def test_a_bare_program_that_cannot_be_executed_was_never_set_up(tmp_path: Path) -> None:
    (script := tmp_path / "consumer").write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    subject: SubjectFactory = lambda wall_clock, rng: BareSubject([str(script)])  # noqa: E731
    result = run_case("a", CASE, starts, setting(world="live", subject=subject))
    assert (result.verdict, result.set_up) == (Verdict.CRASHED, True)


def test_nothing_of_a_client_outlives_its_case() -> None:
    found: list[int] = []

    class Watched(ProcessSubject):
        async def start(self, options):  # type: ignore[no-untyped-def]
            answer = await super().start(options)
            found.extend(answer.members["pids"])
            return answer

    async def play(stage: Stage) -> None:
        await stage.try_start(within=60.0)

    given = Deadlines(hello=60.0, start=60.0, probe=2.0, bye=0.1, term=0.1)
    subject: SubjectFactory = lambda wall_clock, rng: Watched(liar("stubborn"), deadlines=given)  # noqa: E731
    result = run_case("a", CASE, play, setting(world="live", subject=subject))
    assert result.verdict is Verdict.HUNG
    assert len(found) == 4
    for pid in found:
        assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_bare_program_that_ends_with_127_is_unsupported(tmp_path: Path) -> None:
    program = tmp_path / "declines.py"
    program.write_text("raise SystemExit(127)")
    subject: SubjectFactory = lambda wall_clock, rng: BareSubject([sys.executable, "-S", str(program)])  # noqa: E731
    result = run_case("a", Case(clauses=("HSK-1",), handlers=False), starts, setting(world="live", subject=subject))
    assert result.verdict is Verdict.UNSUPPORTED
    assert "exit status 127" in result.message


def test_a_bare_program_that_never_connects_is_hung() -> None:
    given = Deadlines(bye=0.5, term=0.5)
    command = [sys.executable, "-S", str(LIARS / "plain.py")]
    subject: SubjectFactory = lambda wall_clock, rng: BareSubject(command, deadlines=given)  # noqa: E731
    result = run_case("a", CASE, starts, setting(world="live", subject=subject, factor=0.03))
    assert result.verdict is Verdict.HUNG
    assert result.trace is not None
    assert result.trace.handlers is False


def test_what_happens_while_a_client_is_taken_down_is_not_its_doing() -> None:
    result = run_case("a", CASE, starts, setting())
    assert result.trace is not None
    (stopped,) = (entry.seq for entry in result.trace.entries if isinstance(entry.event, ClientStopped))
    assert {entry.event.word for entry in result.trace.entries[stopped:]} <= {"ws_in", "ws_out", "closed"}


# Who the client is


def test_a_client_is_looked_at_once_before_all_cases() -> None:
    assert look_at(setting()).name == "tmcspec reference core"
    info = look_at(held("honest"))
    assert (info.name, info.version, info.transport) == ("honest", "1.2", "process")


def test_a_client_that_cannot_be_brought_to_life_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="No such file"):
        look_at(setting(subject=lambda wall_clock, rng: ProcessSubject("./no-such-program")))


def client(*capabilities: str, bare: bool = False) -> ClientInfo:
    return ClientInfo(
        name="c", version="1", language="l", transport="bare", capabilities=frozenset(capabilities), bare=bare
    )


ALL = tuple(CLAUSES.values())


def test_a_case_that_needs_more_than_a_client_declares_is_unsupported() -> None:
    case = Case(clauses=("ACK-3", "ACK-4"), needs=frozenset({"fail", "raise"}))
    declined = unsupported("a", case, client("push", "raise"), ALL)
    assert declined is not None
    assert (declined.verdict, declined.message) == (Verdict.UNSUPPORTED, "the client does not declare fail")
    assert declined.clauses == ("ACK-3", "ACK-4")
    assert unsupported("a", case, client("fail", "raise"), ALL) is None


def test_a_bare_program_does_only_what_takes_no_handler() -> None:
    declined = unsupported("a", CASE, client("push", bare=True), ALL)
    assert declined is not None
    assert declined.message == "a bare program cannot be told what its handler shall do"
    assert unsupported("a", replace(CASE, handlers=False), client("push", bare=True), ALL) is None


def test_a_result_names_only_clauses_that_judge() -> None:
    case = Case(clauses=("ACK-3", "ACK-4"), needs=frozenset({"fail"}))
    declined = unsupported("a", case, client("push"), (CLAUSES["ACK-4"],))
    assert declined is not None
    assert declined.clauses == ("ACK-4",)
    two = run_case("a", Case(clauses=("HSK-1", "HSK-2")), starts, setting(clauses=(CLAUSES["HSK-2"],)))
    assert two.clauses == ("HSK-2",)


def test_a_case_knows_how_long_it_took() -> None:
    began = time.perf_counter()
    result = run_case("a", CASE, starts, setting())
    assert 0 < result.duration <= time.perf_counter() - began
