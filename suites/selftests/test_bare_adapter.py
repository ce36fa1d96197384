"""A client without adapter: any program that reads the TMC_* variables."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tmcsuites.adapters.bare import BareSubject
from tmcsuites.adapters.contract import (
    Answer,
    Crashed,
    Deadlines,
    StartOptions,
    Subject,
    SubjectError,
    Unavailable,
    Unsupported,
)

pytestmark = pytest.mark.asyncio

OPTIONS = StartOptions(
    url="ws://127.0.0.1:1/",
    gateway_url="http://127.0.0.1:1/router/rest",
    app_key="12345",
    app_secret="correct-horse-battery",
    group="vip",
)
PATIENT = Deadlines(bye=60.0, term=60.0)

# Each program says "ready" when it is as it should be, and is then ended in its way.
READS_INPUT = "import sys; print('ready', flush=True); sys.stdin.read()"
WAITS_FOR_SIGTERM = "import signal; print('ready', flush=True); signal.pause()"
IGNORES_SIGTERM = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('ready', flush=True)
while True:
    signal.pause()
"""


def program(code: str, deadlines: Deadlines = PATIENT) -> BareSubject:
    return BareSubject([sys.executable, "-S", "-c", code], deadlines=deadlines)


@asynccontextmanager
async def opened(subject: BareSubject) -> AsyncIterator[BareSubject]:
    try:
        await subject.open(lambda event: None)
        yield subject
    finally:
        await subject.close()


async def written(subject: BareSubject, text: str) -> None:
    """Wait until the program has written this."""
    async with asyncio.timeout(60):
        while text not in subject.log:  # noqa: ASYNC110 - a log has no event to wait for
            await asyncio.sleep(0)


async def test_a_bare_program_is_known_by_its_name() -> None:
    subject: Subject = BareSubject("/usr/local/bin/consumer --fast")
    assert subject.info.name == "consumer"
    assert subject.info.transport == "bare"
    assert subject.info.bare
    assert subject.info.capabilities == {"push", "reconnect"}


async def test_the_variables_tell_it_where_the_service_is(tmp_path: Path) -> None:
    names = ["TMC_URL", "TMC_GATEWAY_URL", "TMC_APP_KEY", "TMC_APP_SECRET", "TMC_GROUP"]
    code = f"import os; open({str(tmp_path / 'seen')!r}, 'w').write('|'.join(os.environ[n] for n in {names}))"
    async with opened(program(f"{code}; {READS_INPUT}")) as subject:
        assert await subject.start(OPTIONS) == Answer(status="result")
        await written(subject, "ready")
    seen = (tmp_path / "seen").read_text().split("|")
    assert seen == [OPTIONS.url, OPTIONS.gateway_url, OPTIONS.app_key, OPTIONS.app_secret, OPTIONS.group]


async def test_its_log_is_standard_output_and_error_without_the_secret() -> None:
    code = "import os, sys; print(os.environ['TMC_APP_SECRET'], file=sys.stderr)"
    async with opened(program(f"{code}; {READS_INPUT}")) as subject:
        await subject.start(OPTIONS)
        await written(subject, "ready")
        await written(subject, "***")
        assert OPTIONS.app_secret not in subject.log


@pytest.mark.parametrize(
    ("code", "deadlines", "by", "status"),
    [
        (READS_INPUT, PATIENT, "eof", "exit 0"),
        (WAITS_FOR_SIGTERM, replace(PATIENT, bye=0.1), "SIGTERM", "signal SIGTERM"),
        (IGNORES_SIGTERM, replace(PATIENT, bye=0.1, term=0.1), "SIGKILL", "signal SIGKILL"),
    ],
)
async def test_stop_is_as_gentle_as_the_program_lets_it(code: str, deadlines: Deadlines, by: str, status: str) -> None:
    async with opened(program(code, deadlines)) as subject:
        await subject.start(OPTIONS)
        await written(subject, "ready")
        assert await subject.stop() == Answer(status="result", members={"exit": status, "by": by})
        assert subject.exit_status == status
        subject.check()
        assert not subject.died.done()


async def test_it_may_be_started_again_after_stop() -> None:
    async with opened(program(READS_INPUT)) as subject:
        await subject.start(OPTIONS)
        with pytest.raises(SubjectError, match=r"runs already; stop\(\) it"):
            await subject.start(OPTIONS)
        await subject.stop()
        assert subject.exit_status == "exit 0"
        assert await subject.start(OPTIONS) == Answer(status="result")
        assert subject.exit_status is None


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", "exit 3"), ("", "exit 0")])
async def test_a_program_that_ends_by_itself_has_crashed(code: str, status: str) -> None:
    async with opened(program(code)) as subject:
        await subject.start(OPTIONS)
        failure = await asyncio.wait_for(asyncio.shield(subject.died), 60)
        assert isinstance(failure, Crashed)
        assert failure.status == status
        for use in (subject.stop(), subject.start(OPTIONS)):
            with pytest.raises(Crashed):
                await use


async def test_status_127_says_that_it_is_not_supported() -> None:
    async with opened(program("raise SystemExit(127)")) as subject:
        await subject.start(OPTIONS)
        await asyncio.wait_for(asyncio.shield(subject.died), 60)
        with pytest.raises(Unsupported, match="exit status 127: it does not support what is asked of it"):
            subject.check()


async def test_a_missing_program_is_unavailable_before_anything_is_run() -> None:
    for command, why in (("/no/such/program", r"No such file or directory \(ENOENT\)"), (__file__, "EACCES")):
        subject = BareSubject(command)
        with pytest.raises(Unavailable, match=why):
            await subject.open(lambda event: None)
        assert subject.exit_status is None


async def test_a_program_that_cannot_be_executed_after_all_is_unavailable_when_it_is_started(tmp_path: Path) -> None:
    script = tmp_path / "consumer"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    async with opened(BareSubject([str(script)])) as subject:
        with pytest.raises(Unavailable, match="of a script, check its #! line too"):
            await subject.start(OPTIONS)


async def test_what_no_variable_can_say_is_unsupported() -> None:
    async with opened(program(READS_INPUT)) as subject:
        assert (await subject.start(replace(OPTIONS, mode="poll"))).status == "unsupported"
        assert (await subject.start(replace(OPTIONS, options={"prefetch": 1}))).status == "unsupported"
        assert (await subject.publish(topic="t", content="{}", session=None)).status == "unsupported"
        assert (await subject.stop()).status == "unsupported"


async def test_a_subject_that_is_not_open_says_so() -> None:
    subject = program(READS_INPUT)
    with pytest.raises(SubjectError, match=r"make a new subject and open\(\) it"):
        await subject.start(OPTIONS)
    with pytest.raises(SubjectError, match=r"make a new subject and open\(\) it"):
        _ = subject.died
    async with opened(subject):
        with pytest.raises(SubjectError, match="open already"):
            await subject.open(lambda event: None)
    await subject.close()
    with pytest.raises(SubjectError, match="this client is closed"):
        subject.check()
