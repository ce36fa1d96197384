"""What a client behind an adapter may say: so much, and nothing of the app secret."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from test_process_adapter import OPTIONS, PATIENT, Events, liar, opened

from tmcspec.trace import ENTRY_LIMIT
from tmcsuites.adapters import process as process_module
from tmcsuites.adapters.contract import AdapterFault, Answer, ClientOffline, ClientReceived, SubjectError, Unavailable
from tmcsuites.adapters.process import ProcessSubject

pytestmark = pytest.mark.asyncio

LIARS = str(Path(__file__).parent / "liars")

HANDLES_FOR_EVER = """
import honest
def start(command):
    honest.start(command)
    while True:
        honest.say({"event": "handled", "message_id": "1", "outcome": "ok"})
"""
TELLS_ALL = """
import honest
def start(command):
    secret = command["app_secret"]
    honest.say({"event": "received", "message_id": "1", "topic": secret, "content": "{" + secret + "}"})
    honest.say({"event": "offline", "error": "cannot sign with " + secret})
    honest.answer(command, "raised", error="secret " + secret + " refused", code=secret)
"""


def speaking(code: str) -> ProcessSubject:
    """An adapter whose `start` is the one in `code`."""
    program = f"import sys; sys.path.insert(0, {LIARS!r})\n{code}\nhonest.serve(start=start)"
    return ProcessSubject([sys.executable, "-S", "-c", program], deadlines=PATIENT)


async def test_an_adapter_that_reports_events_without_end_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "MAX_EVENTS", 1_000)
    events = Events()
    async with opened(speaking(HANDLES_FOR_EVER), events) as subject:
        assert (await subject.start(OPTIONS)).status == "result"
        failure = await asyncio.wait_for(asyncio.shield(subject.died), 60)
        assert isinstance(failure, AdapterFault)
        with pytest.raises(AdapterFault, match=r"line 1004 .* more than 1000 events of one process"):
            subject.check()
    assert len(events) == 1_000


async def test_an_adapter_that_writes_bytes_without_end_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "MAX_OUTPUT", 100_000)
    events = Events()
    async with opened(speaking(HANDLES_FOR_EVER), events) as subject:
        await subject.start(OPTIONS)
        failure = await asyncio.wait_for(asyncio.shield(subject.died), 60)
        assert isinstance(failure, AdapterFault)
        with pytest.raises(AdapterFault, match="more than 100000 bytes of one process"):
            subject.check()
    assert 0 < len(events) < 10_000


async def test_a_burst_is_far_within_the_bound_and_the_bound_far_within_a_trace() -> None:
    assert 10 * 20_000 <= process_module.MAX_EVENTS <= ENTRY_LIMIT // 5


async def test_no_text_of_an_adapter_shows_the_secret() -> None:
    events = Events()
    async with opened(speaking(TELLS_ALL), events) as subject:
        assert await subject.start(OPTIONS) == Answer(status="raised", error="secret *** refused", code="***")
        assert events == [
            ClientReceived(message_id=1, topic="***", content="{***}"),
            ClientOffline(error="cannot sign with ***"),
        ]


async def test_a_subject_that_could_not_be_opened_stays_closed() -> None:
    subject = ProcessSubject("/no/such/program")
    with pytest.raises(Unavailable):
        await subject.open(Events())
    with pytest.raises(SubjectError, match="this client is closed"):
        await subject.stop()
    with pytest.raises(SubjectError, match="open already"):
        await subject.open(Events())
    assert not subject.died.done()
    await subject.close()


async def test_the_exit_status_is_unknown_until_a_process_ran() -> None:
    assert liar("honest").exit_status is None
