"""An adapter for a client with threads and callbacks. It speaks the contract of docs/adapter.md.

    tmcspec run --client "python examples/adapters/python-threads/adapter.py"

To hold another client, rewrite what stands under "The client". The rest knows nothing of it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from client import ThreadedClient

from tmcspec import __version__
from tmcspec.client import FailMessage, Message, TmcError

Command = dict[str, Any]

# ---- The client -----------------------------------------------------------------------------------------------------

NAME, VERSION = "tmcspec reference core with threads", __version__
CAPABILITIES = ["push", "publish", "fail", "raise", "reconnect", "graceful_stop"]  # what is not here is never asked for
ERRORS = (TmcError, OSError, ValueError)  # what the library raises to its application; anything else is our own fault
GRACE = 3.0  # seconds for handlers at the end; the contract gives five from the end of input to the exit


def new_client(command: Command) -> ThreadedClient:
    return ThreadedClient(
        **{name: command[name] for name in ("app_key", "app_secret", "group", "url")},
        on_message=handle,
        on_online=lambda: say(event="online"),
        on_offline=lambda error: say(event="offline", error=str(error)),
    )


def handle(message: Message) -> None:
    """The handler, as a user of the library writes it. It is called by several threads at a time."""
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
    time.sleep(delay)
    if outcome == "hang":
        threading.Event().wait()
    say(event="handled", message_id=decimal(message.id), outcome=outcome)  # before the library can know
    if outcome == "fail":
        raise FailMessage(reason)
    if outcome == "raise":
        raise raised(reason)


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
SAYING = threading.Lock()


def say(**line: Any) -> None:
    """From any thread. Without the lock, lines of two threads run into each other: `print` writes in pieces."""
    with SAYING:
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
        self.client: ThreadedClient | None = None
        self.operations: dict[str, Callable[[Command], dict[str, Any] | None]] = {
            "hello": self.hello,
            "start": self.start,
            "publish": self.publish,
            "stop": self.stop,
        }

    def hello(self, command: Command) -> dict[str, Any]:
        client = {"name": NAME, "version": VERSION, "language": "python"}
        return {"protocol": 1, "client": client, "capabilities": CAPABILITIES}

    def start(self, command: Command) -> None:
        if command["mode"] != "push":
            raise Unsupported
        self.client = client = new_client(command)
        client.start()  # may be stopped meanwhile, by another thread

    def publish(self, command: Command) -> None:
        if self.client is None:
            raise ConnectionError("the client is not started")
        self.client.publish(command["topic"], command["content"], command["session"])

    def stop(self, command: Command | None = None) -> None:
        """Perhaps before a start has come to its end, which then raises."""
        client, self.client = self.client, None
        if client is not None:
            client.stop(GRACE)

    def obey(self, command: Command) -> None:
        status, members = "result", {}
        try:
            if command["op"] not in self.operations:
                raise Unsupported
            members = self.operations[command["op"]](command) or {}
        except Unsupported:
            status = "unsupported"
        except ERRORS as error:
            status, members = "raised", {"error": str(error), "code": getattr(error, "code", None)}
        except Exception as error:
            status, members = "fault", {"error": repr(error)}
        say(id=command["id"], status=status, **members)

    def run(self) -> None:
        """Commands, until `bye` or the end of input. Each has a thread of its own: none may hold up the next."""
        for line in sys.stdin.buffer:
            command = json.loads(line)
            if command["op"] == "bye":
                say(id=command["id"], status="result")
                break
            threading.Thread(target=self.obey, args=(command,), daemon=True).start()
        self.stop()


if __name__ == "__main__":
    Adapter().run()
