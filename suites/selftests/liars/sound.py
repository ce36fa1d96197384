"""A sound adapter with a real client behind it, the reference core. The lies beside it replace one step each."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import fields
from typing import Any

from tmcsuites.adapters.contract import (
    Answer,
    ClientEvent,
    ClientHandled,
    ClientOffline,
    ClientOnline,
    ClientReceived,
    StartOptions,
)
from tmcsuites.adapters.reference import ReferenceSubject

Command = dict[str, Any]

WORDS = {ClientReceived: "received", ClientHandled: "handled", ClientOnline: "online", ClientOffline: "offline"}


class Adapter:
    """Each step that an adapter can get wrong is a method of its own."""

    def __init__(self) -> None:
        self.subject = ReferenceSubject()
        self.tasks: set[asyncio.Task[None]] = set()

    # What it says

    def write(self, line: dict[str, Any]) -> None:
        print(json.dumps(line), flush=True)

    def answer(self, command: Command, status: str, **members: Any) -> None:
        self.write({"id": command["id"], "status": status, **members})

    def event(self, event: ClientEvent) -> None:
        members = {each.name: getattr(event, each.name) for each in fields(event)}
        self.write({"event": WORDS[type(event)]} | {name: self.form(value) for name, value in members.items()})

    def form(self, value: int | str | None) -> int | str | None:
        return str(value) if isinstance(value, int) else value

    def told(self, command: Command, answer: Answer) -> None:
        why = {} if answer.error is None else {"error": answer.error, "code": answer.code}
        self.answer(command, answer.status, **why)

    # What it is asked for

    async def hello(self, command: Command) -> None:
        client = {"name": "sound", "version": "1.0", "language": "python"}
        self.answer(command, "result", protocol=1, client=client, capabilities=self.capabilities())

    def capabilities(self) -> list[str]:
        return sorted(self.subject.info.capabilities)

    async def start(self, command: Command) -> None:
        names = [each.name for each in fields(StartOptions)]
        self.told(command, await self.subject.start(StartOptions(**{name: command[name] for name in names})))

    async def publish(self, command: Command) -> None:
        words = {name: command[name] for name in ("topic", "content", "session")}
        self.told(command, await self.subject.publish(**words))

    async def stop(self, command: Command) -> None:
        self.told(command, await self.subject.stop())

    async def bye(self, command: Command) -> None:
        self.answer(command, "result")
        await self.leave()

    async def unknown(self, command: Command) -> None:
        self.answer(command, "unsupported")

    # Its life

    async def obey(self, command: Command) -> None:
        operations = ("hello", "start", "publish", "stop", "bye")
        await (getattr(self, command["op"]) if command["op"] in operations else self.unknown)(command)

    def take(self, command: Command) -> None:
        """Does not wait for it: answers may come out of order."""
        task = asyncio.create_task(self.obey(command))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def leave(self) -> None:
        await self.subject.close()
        os._exit(0)

    async def run(self) -> None:
        await self.subject.open(self.event)
        lines = asyncio.StreamReader(limit=8 * 2**20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            self.take(json.loads(line))
        await self.leave()


def run(adapter: type[Adapter]) -> None:
    asyncio.run(adapter().run())


if __name__ == "__main__":
    run(Adapter)
