"""Adapters that tell one lie each, and are sound in all else: `python lies.py LIE`."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

from sound import Adapter, Command, run

from tmcspec.instruction import instruction
from tmcsuites.adapters.contract import Answer, ClientEvent, ClientHandled, ClientReceived

LIES: dict[str, type[Adapter]] = {}


class Liar(Adapter):
    """A subclass is a lie, called as its class."""

    def __init_subclass__(cls) -> None:
        LIES[cls.__name__] = cls


class Nameless(Liar):
    async def hello(self, command: Command) -> None:
        self.answer(command, "result", protocol=1, client={"name": "x", "version": "1"}, capabilities=["push"])


class Flies(Liar):
    def capabilities(self) -> list[str]:
        return [*super().capabilities(), "fly"]


class YesMan(Liar):
    async def unknown(self, command: Command) -> None:
        self.answer(command, "result")


class KnowsTheProbe(Liar):
    async def unknown(self, command: Command) -> None:
        self.answer(command, "unsupported" if command["op"] == "tmcspec-probe" else "result")


class Forgetful(Liar):
    """Knows the last id only, and takes a moment, in which others come."""

    def take(self, command: Command) -> None:
        self.last = command["id"]
        super().take(command)

    async def obey(self, command: Command) -> None:
        await asyncio.sleep(0.2)
        await super().obey(command)

    def answer(self, command: Command, status: str, **members: Any) -> None:
        super().answer(command | {"id": self.last}, status, **members)


class NumericIds(Liar):
    def answer(self, command: Command, status: str, **members: Any) -> None:
        id = command["id"]
        super().answer(command | {"id": int(id) if id.isdecimal() and id[0] != "0" else id}, status, **members)


class SaysItTwice(Liar):
    async def stop(self, command: Command) -> None:
        await super().stop(command)
        self.answer(command, "result")


class Chatty(Liar):
    async def start(self, command: Command) -> None:
        print("INFO connecting with", command["app_secret"], flush=True)
        await super().start(command)


class Rounds(Liar):
    def form(self, value: int | str | None) -> int | str | None:
        return value


class Inventive(Liar):
    async def start(self, command: Command) -> None:
        self.write({"event": "reconnecting"})
        await super().start(command)


class ConnectsToNothing(Liar):
    async def start(self, command: Command) -> None:
        self.answer(command, "result")


class NeverRefused(Liar):
    def told(self, command: Command, answer: Answer) -> None:
        super().told(command, Answer(status="result") if command["op"] == "start" else answer)


class Doubles(Liar):
    """No lie of an adapter: so does one whose library shows doubles."""

    def form(self, value: int | str | None) -> int | str | None:
        return super().form(int(float(value)) if isinstance(value, int) else value)


class FiresAndForgets(Liar):
    """No lie of an adapter: so does one whose library does not look at what the service answers."""

    def told(self, command: Command, answer: Answer) -> None:
        super().told(command, Answer(status="result") if command["op"] == "publish" else answer)


class OnlyPolls(Liar):
    """No lie at all."""

    def capabilities(self) -> list[str]:
        return ["poll", "graceful_stop"]

    async def publish(self, command: Command) -> None:
        await self.unknown(command)


class DoesNothing(Liar):
    """No lie either."""

    def capabilities(self) -> list[str]:
        return []


class Alike(Liar):
    """Reports nothing of which message was handled."""

    def event(self, event: ClientEvent) -> None:
        super().event(
            ClientHandled(message_id=None, outcome=event.outcome) if isinstance(event, ClientHandled) else event
        )


class Ascii(Liar):
    def form(self, value: int | str | None) -> int | str | None:
        formed = super().form(value)
        return formed.encode("ascii", "replace").decode() if isinstance(formed, str) else formed


class AsciiOut(Liar):
    async def publish(self, command: Command) -> None:
        await super().publish(command | {"content": command["content"].encode("ascii", "replace").decode()})


class Short(Liar):
    def form(self, value: int | str | None) -> int | str | None:
        formed = super().form(value)
        return formed[:1000] if isinstance(formed, str) else formed


class AllIsWell(Liar):
    def event(self, event: ClientEvent) -> None:
        super().event(
            ClientHandled(message_id=event.message_id, outcome="ok") if isinstance(event, ClientHandled) else event
        )


class Hasty(Liar):
    """Reports that a handler is done as soon as it is called, when it is told to take its time."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: dict[int | None, int] = {}

    def event(self, event: ClientEvent) -> None:
        if isinstance(event, ClientReceived):
            self.delays[event.message_id] = instruction(event.content).delay_ms
        if not (isinstance(event, ClientHandled) and self.delays[event.message_id]):
            super().event(event)
        if isinstance(event, ClientReceived) and self.delays[event.message_id]:
            super().event(ClientHandled(message_id=event.message_id, outcome="ok"))


class Pretends(Liar):
    """Reports that a handler is done that hangs."""

    def event(self, event: ClientEvent) -> None:
        super().event(event)
        if isinstance(event, ClientReceived) and instruction(event.content).outcome == "hang":
            super().event(ClientHandled(message_id=event.message_id, outcome="ok"))


class Blocks(Liar):
    """Hangs as a whole when a handler does."""

    def event(self, event: ClientEvent) -> None:
        super().event(event)
        if isinstance(event, ClientReceived) and instruction(event.content).outcome == "hang":
            time.sleep(60)


class Undeclared(Liar):
    def capabilities(self) -> list[str]:
        return [name for name in super().capabilities() if name != "publish"]


class PublishesNothing(Liar):
    async def publish(self, command: Command) -> None:
        self.answer(command, "result")


class Dies(Liar):
    async def publish(self, command: Command) -> None:
        print("no memory left", file=sys.stderr, flush=True)
        os._exit(3)


class GoesDeaf(Liar):
    """Its loop is blocked for good when it is to publish."""

    async def publish(self, command: Command) -> None:
        signal.pause()


class HoldsBack(Liar):
    """Reports nothing while it waits for the library."""

    held: list[ClientEvent] | None = None

    def event(self, event: ClientEvent) -> None:
        if self.held is None:
            super().event(event)
        else:
            self.held.append(event)

    async def publish(self, command: Command) -> None:
        self.held = []
        await super().publish(command)
        held, self.held = self.held, None
        for event in held:
            self.event(event)


class NeverStops(Liar):
    async def stop(self, command: Command) -> None:
        self.answer(command, "result")


class StopsOnlyWhatRuns(Liar):
    runs = False

    def told(self, command: Command, answer: Answer) -> None:
        self.runs = self.runs or (command["op"] == "start" and answer.status == "result")
        super().told(command, answer)

    async def stop(self, command: Command) -> None:
        if self.runs:
            await super().stop(command)
        else:
            self.answer(command, "raised", error="not started")


class Once(Liar):
    starts = 0

    async def start(self, command: Command) -> None:
        self.starts += 1
        await (super().start(command) if self.starts == 1 else self.unknown(command))


class LeavesInAnger(Liar):
    async def bye(self, command: Command) -> None:
        await self.subject.close()
        os._exit(3)


class WaitsForBye(Liar):
    async def leave(self) -> None:
        await asyncio.Event().wait()

    async def bye(self, command: Command) -> None:
        self.answer(command, "result")
        await super().leave()


class HasChildren(Liar):
    async def bye(self, command: Command) -> None:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        sleeps = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
        subprocess.Popen(sleeps, start_new_session=True, **quiet)  # noqa: ASYNC220 - it is not waited for
        await super().bye(command)


class IgnoresSigterm(Liar):
    async def run(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        await super().run()


if __name__ == "__main__":
    run(LIES[sys.argv[1]])
