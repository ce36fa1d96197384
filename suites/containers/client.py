"""The reference core as a client in an image: `client.py adapter` speaks JSON Lines, `client.py bare` reads TMC_*."""

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

NAMES = {ClientReceived: "received", ClientHandled: "handled", ClientOnline: "online", ClientOffline: "offline"}
INTEGERS = {"message_id", "user_id", "publish_time", "outgoing_time"}


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def report(event: ClientEvent) -> None:
    members = {each.name: getattr(event, each.name) for each in fields(event)}
    texts = {name: str(value) for name, value in members.items() if name in INTEGERS and value is not None}
    say({"event": NAMES[type(event)], **members, **texts})


async def obey(subject: ReferenceSubject, command: dict[str, Any]) -> None:
    id, op = command.pop("id"), command.pop("op")
    del command["deadline_ms"]
    match op:
        case "hello":
            client = {"name": "core", "version": subject.info.version, "language": "python"}
            capabilities = sorted(subject.info.capabilities)
            answer = Answer(status="result", members={"protocol": 1, "client": client, "capabilities": capabilities})
        case "start":
            answer = await subject.start(StartOptions(**command))
        case "publish":
            answer = await subject.publish(**command)
        case "stop" | "bye":
            answer = await subject.stop()
        case _:
            answer = Answer(status="unsupported")
    say({"id": id, "status": answer.status, "error": answer.error, "code": answer.code, **answer.members})


async def lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**23)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def adapter() -> None:
    subject = ReferenceSubject()
    await subject.open(report)
    print("the core is up", file=sys.stderr, flush=True)
    at_work = set()
    async for line in await lines():
        command = json.loads(line)
        # A start may wait for the service for ever; whatever still does at the end is cancelled with the loop.
        at_work.add(task := asyncio.create_task(obey(subject, command.copy())))
        if command["op"] == "bye":
            await task
            break
    await subject.close()


async def bare() -> None:
    subject = ReferenceSubject()
    await subject.open(lambda event: print(NAMES[type(event)], flush=True))
    names = {"url": "URL", "gateway_url": "GATEWAY_URL", "app_key": "APP_KEY", "app_secret": "APP_SECRET"}
    settings = {name: os.environ[f"TMC_{variable}"] for name, variable in names.items()}
    await subject.start(StartOptions(**settings, group=os.environ["TMC_GROUP"]))
    await (await lines()).read()
    await subject.close()


if __name__ == "__main__":
    asyncio.run({"adapter": adapter, "bare": bare}[sys.argv[1]]())
