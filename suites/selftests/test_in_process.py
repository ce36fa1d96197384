"""Clients in this process that somebody else has written: whatever they do is told as it is, in a word that fits."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import Ended, tmcspec

from tmcfakes.simulation import simulate
from tmcspec.client import Message, TmcClient
from tmcsuites.adapters.contract import (
    Answer,
    ClientHandled,
    ClientInfo,
    ClientReceived,
    Crashed,
    Hung,
    OnEvent,
    StartOptions,
    Subject,
)
from tmcsuites.adapters.in_process import InProcessSubject, no_exit
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.imported import ImportFailed, factory_of


def day(name: str, *words: str) -> Ended:
    client = ("--client", f"python:{__name__}:{name}")
    return tmcspec("simulate", "--no-shrink", "--hours", "0.2", "--clients", "2", "--messages", "20", *client, *words)


def not_measured(name: str) -> str:
    ended = day(name)
    assert ended.status == 6, ended.err
    (said,) = ended.err.splitlines()
    return said.removeprefix("The client could not be measured: ")


class Sound(ReferenceSubject):
    """As it should be."""


def test_a_sound_client_is_passed_on_as_it_is() -> None:
    assert day("Sound").status == 0


# Clients that never connect


class Waits(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        return await asyncio.get_running_loop().create_future()


class Hangs(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        raise Hung("no answer", op="start", deadline=15)


class Raises(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        return Answer(status="raised", error="no route")


class Lies(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        return Answer(status="result")


class Faults(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        return Answer(status="fault", error="broken")


class Declines(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        return Answer(status="unsupported")


class Polls(ReferenceSubject):
    @property
    def info(self) -> ClientInfo:
        return replace(super().info, capabilities=frozenset({"poll"}))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Waits", "the client never connected in 0.7 h: 'start' never came to an end"),
        ("Hangs", "the client never connected in 0.7 h: 'start' never came to an end"),
        ("Raises", "the client never connected in 0.7 h: the last answer to 'start' was an error: no route"),
        ("Lies", "the client never connected in 0.7 h: the last answer to 'start' was that it has"),
        ("Faults", f"{__name__}:Faults: start answered 'fault': broken"),
        ("Declines", "it declares 'push' and answers 'unsupported' to 'start'"),
        ("Polls", "it declares 'poll', and a fleet is pushed to over WebSocket: a client that does so declares 'push'"),
    ],
)
def test_a_client_that_never_connects_was_not_measured(name: str, said: str) -> None:
    assert not_measured(name).endswith(said)


# Clients that die


class Exits(TmcClient):
    def _starting(self, message: Message) -> None:
        sys.exit()


class Interrupts(TmcClient):
    def _starting(self, message: Message) -> None:
        raise KeyboardInterrupt


class Patient(TmcClient):
    """Its user presses Ctrl-C."""

    def _starting(self, message: Message) -> None:
        signal.raise_signal(signal.SIGINT)


def exits(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng, client_type=Exits)


def interrupts(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng, client_type=Interrupts)


def patient(*, wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng, client_type=Patient)


class Dies(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        asyncio.get_running_loop().call_later(100, self.die)
        return await super().start(options)

    def die(self) -> None:
        if not self.died.done():
            self.died.set_result(self.death)

    death: Any = Crashed("out of memory", status="exit 1")


class DiesOddly(Dies):
    death = None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exits", "the client raised SystemExit(), which ends a process"),
        ("interrupts", "the client raised KeyboardInterrupt(), which ends a process"),
        ("DiesOddly", f"{__name__}:DiesOddly: died is None; a SubjectError is expected"),
    ],
)
def test_a_client_that_ends_was_not_measured(name: str, said: str) -> None:
    assert not_measured(name).endswith(said)


def test_a_death_is_told_with_its_time_and_seen_when_it_is_noticed() -> None:
    ended = day("Dies", "--log")
    assert ended.status == 6
    assert ended.err.endswith(" s: out of memory\n")
    assert "status 'exit 1'" in ended.out


def test_ctrl_c_of_the_user_interrupts() -> None:
    ended = day("patient")
    assert "could not be measured" not in ended.err
    assert ended.status not in (0, 6)


@pytest.mark.parametrize(("code", "status"), [(None, "exit 0"), (7, "exit 7"), ("no", "exit 1")])
def test_an_exit_has_the_status_that_the_process_would_have_had(code: Any, status: str) -> None:
    with pytest.raises(Crashed) as found, no_exit():
        sys.exit(code)
    assert found.value.status == status


def test_an_exit_of_a_client_is_its_end_in_the_conformance_suite_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = tmcspec("run", "--python", f"{__name__}:exits", "--clause", "ACK-1")
    assert ended.status == 6
    assert "CRASHED\n   the client raised SystemExit(), which ends a process" in ended.out


# Clients whose handlers do as they like


class Careless(ReferenceSubject):
    """Reports that all is well, at once, whatever the message says."""

    async def open(self, on_event: OnEvent) -> None:
        def hasty(event: Any) -> None:
            if isinstance(event, ClientReceived):
                on_event(event)
                on_event(ClientHandled(message_id=event.message_id, outcome="ok"))

        await super().open(hasty)


def test_a_handler_that_does_not_do_as_it_is_told_is_the_adapter_s_fault() -> None:
    said = not_measured("Careless")
    assert "the handler of message " in said
    assert said.endswith("an adapter's handler must obey the member 'tmcspec' of the content it is given")


# What is no client


def nothing(*, wall_clock: Callable[[], float], rng: random.Random) -> Any:
    return None


class Listed(ReferenceSubject):
    @property
    def info(self) -> ClientInfo:
        return replace(super().info, capabilities=["push"])  # type: ignore[arg-type]


class Mute(ReferenceSubject):
    @property
    def info(self) -> ClientInfo:
        return "mute"  # type: ignore[return-value]


class Deathless(ReferenceSubject):
    died = None  # type: ignore[assignment]


class Explodes(ReferenceSubject):
    started = False

    async def start(self, options: StartOptions) -> Answer:
        self.started = True
        raise ZeroDivisionError("in start")

    async def close(self) -> None:
        if self.started:
            raise ZeroDivisionError("in close")


class Silent(ReferenceSubject):
    async def start(self, options: StartOptions) -> Answer:
        return None  # type: ignore[return-value]


class Stays(ReferenceSubject):
    async def close(self) -> None:
        raise ZeroDivisionError("in close")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "gives None, which is no client: it has no open, start, publish, stop, probe, close, check; see"),
        ("Listed", ": info raised ValueError: client capabilities is ['push']; a frozenset of names is expected, any"),
        ("Mute", ": info gives 'mute'; ClientInfo is expected, see Subject in tmcsuites.adapters.contract"),
        ("Deathless", ": died gives None; Future is expected"),
        ("Explodes", ": start raised ZeroDivisionError: in start"),
        ("Silent", ": start gives None; Answer is expected"),
        ("Stays", ": close raised ZeroDivisionError: in close"),
    ],
)
def test_what_does_not_keep_to_the_contract_is_told_what_that_wants(name: str, said: str) -> None:
    assert f"{__name__}:{name}{said if said.startswith(':') else ' ' + said}" in not_measured(name)


def test_a_death_is_found_by_a_check() -> None:
    async def dies() -> None:
        inner = ReferenceSubject(wall_clock=lambda: 0.0, rng=random.Random(0))
        subject = InProcessSubject("it", inner)
        await subject.open(lambda event: None)
        subject.check()
        inner.died.set_result(Crashed("gone", status="exit 1"))
        await asyncio.sleep(0)
        with pytest.raises(Crashed, match="gone"):
            subject.check()

    simulate(dies)


def test_a_module_that_exits_when_it_is_imported_is_no_module_of_a_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmcspec_test_exits.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportFailed, match="SystemExit: 0"):
        factory_of("tmcspec_test_exits:make")
