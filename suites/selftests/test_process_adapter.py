"""A client behind an adapter process: what an honest adapter gives, and what each miniature liar comes to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tmcsuites.adapters import process as process_module
from tmcsuites.adapters.child import Log, Process, as_command
from tmcsuites.adapters.contract import (
    AdapterFault,
    Answer,
    ClientEvent,
    ClientHandled,
    ClientInfo,
    ClientOffline,
    ClientOnline,
    ClientReceived,
    Crashed,
    Deadlines,
    Hung,
    StartOptions,
    Subject,
    SubjectError,
    Unavailable,
)
from tmcsuites.adapters.process import ProcessSubject
from tmcsuites.adapters.warden import LINUX

pytestmark = pytest.mark.asyncio

LIARS = Path(__file__).parent / "liars"
OPTIONS = StartOptions(
    url="ws://127.0.0.1:1/",
    gateway_url="http://127.0.0.1:1/router/rest",
    app_key="12345",
    app_secret="correct-horse-battery",
)
# Long for whatever comes, short for what never comes: a test that waits in vain is the only one to wait.
PATIENT = Deadlines(hello=60.0, start=60.0, publish=60.0, stop=60.0, probe=60.0, bye=60.0, term=60.0)


def liar(name: str, deadlines: Deadlines = PATIENT) -> ProcessSubject:
    return ProcessSubject([sys.executable, "-S", str(LIARS / f"{name}.py")], deadlines=deadlines)


class Events(list[ClientEvent]):
    """Collects events and lets a test wait for the n-th."""

    def __init__(self) -> None:
        super().__init__()
        self._arrived = asyncio.Event()

    def __call__(self, event: ClientEvent) -> None:
        self.append(event)
        self._arrived.set()

    async def first(self, count: int) -> list[ClientEvent]:
        async with asyncio.timeout(60):
            while len(self) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self[:count]


@asynccontextmanager
async def opened(
    subject: ProcessSubject, on_event: Callable[[ClientEvent], None] = lambda event: None
) -> AsyncIterator[ProcessSubject]:
    try:
        await subject.open(on_event)
        yield subject
    finally:
        await subject.close()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# What an honest adapter gives.


async def test_hello_tells_who_the_client_is() -> None:
    async with opened(liar("honest")) as subject:
        held: Subject = subject
        assert held.info == ClientInfo(
            name="honest",
            version="1.2",
            language="python",
            transport="process",
            capabilities=frozenset({"push", "publish", "graceful_stop"}),
        )


async def test_start_hands_over_every_option_and_a_deadline() -> None:
    async with opened(liar("honest")) as subject:
        answer = await subject.start(OPTIONS)
        options = ["app_key", "app_secret", "gateway_url", "group", "mode", "options", "url"]
        assert answer == Answer(status="result", members={"seen": sorted([*options, "deadline_ms", "id", "op"])})


async def test_events_arrive_in_order_with_all_digits_of_an_id() -> None:
    events = Events()
    async with opened(liar("honest"), events) as subject:
        await subject.start(OPTIONS)
        assert await events.first(3) == [
            ClientOnline(),
            ClientReceived(message_id=9007199254740993, topic="taobao_trade_TradeCreate", content="{}"),
            ClientHandled(message_id=9007199254740993, outcome="ok"),
        ]
        assert (await subject.stop()).status == "result"
        assert (await events.first(4))[-1] == ClientOffline(error=None)


async def test_an_error_of_the_library_is_an_answer() -> None:
    async with opened(liar("honest")) as subject:
        assert (await subject.publish(topic="t", content="{}", session="s")).status == "result"
        refused = await subject.publish(topic="t", content="{}", session=None)
        assert refused == Answer(status="raised", error="session is required", code="isv.missing-session")


async def test_operations_may_overlap() -> None:
    async with opened(liar("honest")) as subject:
        sent = [subject.publish(topic="t", content=str(n), session="s") for n in range(20)]
        assert {answer.status for answer in await asyncio.gather(*sent)} == {"result"}


async def test_bye_ends_an_honest_adapter_with_status_zero() -> None:
    subject = liar("honest")
    async with opened(subject):
        assert subject.exit_status is None
    assert subject.exit_status == "exit 0"


async def test_the_log_has_what_went_to_standard_error_without_the_secret() -> None:
    async with opened(liar("honest")) as subject:
        await subject.start(OPTIONS)
    assert subject.log == "connecting as 12345 with ***\n"


# Its life.


async def test_close_may_be_called_again_and_before_open() -> None:
    subject = liar("honest")
    await subject.close()
    await subject.open(Events())
    await subject.close()
    await subject.close()


async def test_a_subject_that_is_not_open_says_so() -> None:
    subject = liar("honest")
    for use in (subject.check, lambda: subject.info, lambda: subject.died):
        with pytest.raises(SubjectError, match=r"make a new subject and open\(\) it"):
            use()
    async with opened(subject):
        with pytest.raises(SubjectError, match="open already"):
            await subject.open(Events())
    with pytest.raises(SubjectError, match="this client is closed"):
        await subject.stop()


async def test_closing_ends_operations_that_wait() -> None:
    async with opened(liar("slow")) as subject:
        waiting = asyncio.create_task(subject.start(OPTIONS))
        await subject.probe()  # by now the command is there
        await subject.close()
        with pytest.raises(SubjectError, match="this client is closed"):
            await waiting


# What can go wrong before hello.


async def test_a_missing_program_is_unavailable() -> None:
    subject = ProcessSubject("/no/such/program --flag")
    with pytest.raises(
        Unavailable, match=r"'/no/such/program': No such file or directory \(ENOENT\); check the spelling"
    ):
        await subject.open(Events())
    await subject.close()


async def test_a_file_that_is_not_executable_is_unavailable(tmp_path: Path) -> None:
    (program := tmp_path / "client").write_text("")
    program.chmod(0o644)
    with pytest.raises(Unavailable, match=r"Permission denied \(EACCES\); make it executable"):
        await ProcessSubject([str(program)]).open(Events())


async def test_a_program_that_never_says_hello_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"did not say hello within 0\.1 s; is it an adapter\?"):
        await liar("plain", replace(PATIENT, hello=0.1)).open(Events())


async def test_a_program_that_ends_before_hello_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"ended \(exit 4\) before it said hello(.|\n)*out of order") as caught:
        await ProcessSubject(["sh", "-c", "echo out of order >&2; exit 4"]).open(Events())
    assert caught.value.log == "out of order\n"


@pytest.mark.parametrize(
    ("command", "complaint"),
    [("", "names no program"), ([], "names no program"), ('node "a', "No closing quotation"), (["a\0b"], "NUL")],
)
async def test_a_command_that_cannot_be_run_is_refused_at_once(command: str | list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ProcessSubject(command)


async def test_a_command_is_split_into_words_without_a_shell() -> None:
    assert as_command("node 'my adapter.js' $HOME; true") == ("node", "my adapter.js", "$HOME;", "true")


async def test_the_environment_is_added_to_that_of_the_runner() -> None:
    code = "import os, sys; sys.exit(int(os.environ['ADDED']) if 'PATH' in os.environ else 1)"
    with pytest.raises(Unavailable, match="exit 42"):
        await ProcessSubject([sys.executable, "-S", "-c", code], env={"ADDED": "42"}).open(Events())


# Clients that die.


@pytest.mark.parametrize(("name", "status"), [("exits", "exit 3"), ("killed", "signal SIGKILL")])
async def test_a_client_that_dies_in_an_operation_has_crashed(name: str, status: str) -> None:
    async with opened(liar(name)) as subject:
        with pytest.raises(Crashed) as caught:
            await subject.start(OPTIONS)
        assert caught.value.status == status
        with pytest.raises(Crashed):
            await subject.stop()


async def test_a_crash_carries_the_log() -> None:
    async with opened(liar("exits")) as subject:
        with pytest.raises(Crashed, match="The last it wrote:\nno route to anywhere") as caught:
            await subject.start(OPTIONS)
    assert caught.value.log == subject.log == "no route to anywhere\n"


async def test_a_client_that_leaves_unasked_is_noticed_after_its_last_words() -> None:
    events = Events()
    async with opened(liar("leaves"), events) as subject:
        subject.check()
        assert (await subject.start(OPTIONS)).status == "result"
        failure = await asyncio.wait_for(asyncio.shield(subject.died), 60)
        assert isinstance(failure, Crashed)
        assert failure.status == "exit 0"
        assert events == [ClientOffline(error="had enough")]
        with pytest.raises(Crashed):
            subject.check()


async def test_an_orderly_end_is_no_death() -> None:
    async with opened(liar("honest")) as subject:
        pass
    assert not subject.died.done()


@pytest.mark.skipif(not LINUX, reason="needs the parent-death signal of Linux")
async def test_a_client_whose_watchdog_is_killed_is_lost() -> None:
    said: asyncio.Queue[bytes] = asyncio.Queue()
    code = "import os, signal; print(os.getppid(), flush=True); signal.pause()"
    process = await Process.spawn(
        [sys.executable, "-S", "-c", code], environment=os.environ, on_output=said.put_nowait, log=Log()
    )
    watchdog = int(await said.get())
    os.kill(watchdog, signal.SIGKILL)
    # It has ended only when all its output has: the client is gone too.
    assert await asyncio.wait_for(asyncio.shield(process.ended), 60) == "unknown: its watchdog was killed"
    await process.close(patience=60.0)
    assert not is_there(watchdog)


# Clients that hang.


async def test_a_stopped_client_hangs() -> None:
    async with opened(liar("falls_asleep", replace(PATIENT, probe=2.0, bye=0.1))) as subject:
        await subject.start(OPTIONS)
        with pytest.raises(Hung, match=r"did not answer 'tmcspec-probe' within 2 s") as caught:
            await subject.probe()
        assert (caught.value.op, caught.value.deadline) == ("tmcspec-probe", 2.0)
        subject.check()  # slow is not dead
    assert subject.exit_status == "signal SIGTERM"


async def test_a_late_answer_is_dropped() -> None:
    async with opened(liar("slow", replace(PATIENT, start=0.1))) as subject:
        with pytest.raises(Hung):
            await subject.start(OPTIONS)
        assert (await subject.publish(topic="t", content="{}", session=None)).status == "result"
        await subject.probe()


async def test_the_factor_scales_every_deadline() -> None:
    assert PATIENT.scaled(0.5) == Deadlines(hello=30, start=30, publish=30, stop=30, probe=30, bye=30, term=30)
    with pytest.raises(ValueError, match=r"deadline hello is 0\.0; it must be more than 0 seconds"):
        ProcessSubject("true", deadline_factor=0.0)


# Adapters that break the contract.


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("chatty", r"line 3 of the adapter's standard output: not JSON: .*write logs to standard error"),
        ("endless", r"line 3 of the adapter's standard output is longer than 8388608 bytes \(8 MiB\)"),
        ("stranger", r"line 3 .*answer to id '4711', which no command waits for.*\(ids so far: '1' to '3'\)"),
        ("faulty", r"fault of its own in 'start': cannot load the client library"),
    ],
)
async def test_a_broken_adapter_is_a_fault_of_the_adapter(name: str, complaint: str) -> None:
    async with opened(liar(name)) as subject:
        with pytest.raises(AdapterFault, match=complaint):
            await subject.start(OPTIONS)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("twice", r"line 4 .*answer to id '3', which no command waits for: it was answered before"),
        (
            "rounding",
            r"line 4 .*member 'message_id' is 9007199254740992; 64-bit integers and dates are decimal strings",
        ),
    ],
)
async def test_a_fault_after_the_answer_is_noticed_without_asking(name: str, complaint: str) -> None:
    async with opened(liar(name)) as subject:
        assert (await subject.start(OPTIONS)).status == "result"
        failure = await asyncio.wait_for(asyncio.shield(subject.died), 60)
        assert isinstance(failure, AdapterFault)
        with pytest.raises(AdapterFault, match=complaint):
            subject.check()


async def test_a_late_answer_may_come_only_once() -> None:
    async with opened(liar("late_twice", replace(PATIENT, start=0.1))) as subject:
        with pytest.raises(Hung):
            await subject.start(OPTIONS)
        with pytest.raises(AdapterFault, match="answer to id '3', which no command waits for"):
            await subject.publish(topic="t", content="{}", session=None)


async def test_an_adapter_that_says_yes_to_anything_is_found_out_before_any_case() -> None:
    with pytest.raises(AdapterFault, match="answered 'result' to the operation 'tmcspec-probe', which does not exist"):
        await liar("yes_man").open(Events())


async def test_an_adapter_that_closes_its_output_and_runs_on_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "CLOSED_OUTPUT_PATIENCE", 0.1)
    async with opened(liar("mute", replace(PATIENT, bye=0.1))) as subject:
        with pytest.raises(AdapterFault, match="closed its standard output but runs on"):
            await subject.start(OPTIONS)


async def test_a_quoted_line_does_not_show_the_secret() -> None:
    async with opened(liar("chatty")) as subject:
        with pytest.raises(AdapterFault, match=r"INFO connected with \*\*\*"):
            await subject.start(OPTIONS)


# What is left.


async def test_nothing_is_left_of_a_client_that_ignores_everything() -> None:
    async with opened(liar("stubborn", replace(PATIENT, bye=0.1, term=0.1))) as subject:
        pids = (await subject.start(OPTIONS)).members["pids"]
        assert len(pids) == 4
        assert all(map(is_there, pids))
    assert not any(map(is_there, pids))
    assert subject.exit_status == "signal SIGKILL"


async def test_a_cancelled_close_still_ends_the_client() -> None:
    subject = liar("stubborn", replace(PATIENT, term=0.1))
    await subject.open(Events())
    pids = (await subject.start(OPTIONS)).members["pids"]
    closing = asyncio.create_task(subject.close())
    await asyncio.sleep(0)  # it waits for the end after bye
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert not any(map(is_there, pids))
    await subject.close()


async def test_a_client_ends_even_when_its_orderly_end_is_cancelled_over_and_over() -> None:
    subject = liar("stubborn")
    await subject.open(Events())
    pids = (await subject.start(OPTIONS)).members["pids"]
    closing = asyncio.create_task(subject.close())
    while not closing.done():
        await asyncio.sleep(0)
        closing.cancel()
    await subject.close()
    assert not any(map(is_there, pids))


async def test_a_flood_of_log_is_kept_at_both_ends() -> None:
    async with opened(liar("loud")) as subject:
        with pytest.raises(Crashed):
            await subject.start(OPTIONS)
    assert subject.log.startswith("the beginning\nxxx")
    assert subject.log.endswith("xxx\nthe end")
    written = len("the beginning\n") + 2**20 + len("\nthe end")
    assert f"\n[{written - 256 * 1024} bytes left out]\n" in subject.log


async def test_a_log_is_whole_until_it_is_too_long() -> None:
    log = Log(head=4, tail=3)
    log.write(b"abcdefg")
    assert log.text() == "abcdefg"
    for byte in b"hijklmnop":
        log.write(bytes([byte]))
    assert log.text() == "abcd\n[9 bytes left out]\nnop"
