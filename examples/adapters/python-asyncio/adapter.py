"""An adapter for a client on asyncio. It speaks the contract of docs/adapter.md, around `tmcspec.client.TmcClient`.

    tmcspec run --client "python examples/adapters/python-asyncio/adapter.py"

To hold another client, rewrite what stands under "The client". The rest knows nothing of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tmcspec import __version__
from tmcspec.client import FailMessage, Message, Observation, Offline, Online, TmcClient, TmcError

Command = dict[str, Any]

# ---- The client -----------------------------------------------------------------------------------------------------

NAME, VERSION = "tmcspec reference core on asyncio", __version__
CAPABILITIES = ["push", "publish", "fail", "raise", "reconnect", "graceful_stop"]  # what is not here is never asked for
ERRORS = (TmcError, OSError, ValueError)  # what the library raises to its application; anything else is our own fault
GRACE = 3.0  # seconds for handlers at the end; the contract gives five from the end of input to the exit


def new_client(command: Command) -> TmcClient:
    names = ("app_key", "app_secret", "group", "url")
    return TmcClient(**{name: command[name] for name in names}, handler=handle, observer=observe)


async def handle(message: Message) -> None:
    """The handler, as a user of the library writes it."""
    say(
        event="received",
        message_id=decimal(message.id),
        topic=message.topic,
        content=message.content,
        user_id=decimal(message.user_id),
        nick=message.nick,
        publisher=message.publisher,
        data_id=decimal(message.data_id),
        publish_time=decimal(message.time),
        outgoing_time=decimal(message.out_time),
    )
    outcome, delay, reason, raised = told(message.content)
    await asyncio.sleep(delay)
    if outcome == "hang":
        await asyncio.Event().wait()
    say(event="handled", message_id=decimal(message.id), outcome=outcome)  # before the library can know
    if outcome == "fail":
        raise FailMessage(reason)
    if outcome == "raise":
        raise raised(reason)


def observe(seen: Observation) -> None:
    match seen:
        case Online():
            say(event="online")
        case Offline(error=error):
            say(event="offline", error=str(error))


# ---- What the handler does: it is written in the message ------------------------------------------------------------


class Unusual(BaseException):
    """What `except Exception` misses."""


def told(content: str | None) -> tuple[str, float, str, type[BaseException]]:
    """Outcome, seconds before it, reason, and what is raised, if anything."""
    try:
        words = json.loads(content or "")["tmcspec"]
        raised = Unusual if words.get("unusual") else RuntimeError
        return words.get("outcome", "ok"), words.get("delay_ms", 0) / 1000, words.get("reason") or "", raised
    except (ValueError, LookupError, TypeError, AttributeError):
        return "ok", 0, "", RuntimeError  # an ordinary message


# ---- Lines: one JSON object each ------------------------------------------------------------------------------------

# Standard output is ours alone: what anybody prints, from here on, goes to the log.
OUTPUT = os.fdopen(os.dup(1), "w", encoding="ascii")
os.dup2(2, 1)


def say(**line: Any) -> None:
    print(json.dumps(line), file=OUTPUT, flush=True)


def decimal(value: int | None) -> str | None:
    """64-bit integers are strings, because JSON readers round them."""
    return None if value is None else str(value)


# ---- Operations -----------------------------------------------------------------------------------------------------


class Unsupported(Exception):
    """This adapter cannot do so."""


class Adapter:
    """One method for each operation. What it returns goes into the answer."""

    def __init__(self) -> None:
        self.client: TmcClient | None = None
        self.operations: dict[str, Callable[[Command], Awaitable[dict[str, Any] | None]]] = {
            "hello": self.hello,
            "start": self.start,
            "publish": self.publish,
            "stop": self.stop,
        }

    async def hello(self, command: Command) -> dict[str, Any]:
        client = {"name": NAME, "version": VERSION, "language": "python"}
        return {"protocol": 1, "client": client, "capabilities": CAPABILITIES}

    async def start(self, command: Command) -> None:
        if command["mode"] != "push":
            raise Unsupported
        self.client = new_client(command)
        await self.client.start()

    async def publish(self, command: Command) -> None:
        if self.client is None:
            raise ConnectionError("the client is not started")
        await self.client.publish(command["topic"], command["content"], session=command["session"])

    async def stop(self, command: Command | None = None) -> None:
        """Perhaps before a start has come to its end, which then raises."""
        client, self.client = self.client, None
        if client is not None:
            await client.stop(GRACE)

    async def obey(self, command: Command) -> None:
        status, members = "result", {}
        try:
            if command["op"] not in self.operations:
                raise Unsupported
            members = await self.operations[command["op"]](command) or {}
        except Unsupported:
            status = "unsupported"
        except ERRORS as error:
            status, members = "raised", {"error": str(error), "code": getattr(error, "code", None)}
        except Exception as error:
            status, members = "fault", {"error": repr(error)}
        say(id=command["id"], status=status, **members)

    async def run(self) -> None:
        """Commands, until `bye` or the end of input. Each has a task of its own: none may hold up the next."""
        tasks = set()
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            command = json.loads(line)
            if command["op"] == "bye":
                say(id=command["id"], status="result")
                break
            tasks.add(task := asyncio.create_task(self.obey(command)))
            task.add_done_callback(tasks.discard)
        await self.stop()


if __name__ == "__main__":
    asyncio.run(Adapter().run())
