"""A sound miniature adapter with no client behind it. The liars beside it replace one operation each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

Command = dict[str, Any]
Operation = Callable[[Command], None]


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def answer(command: Command, status: str = "result", **members: Any) -> None:
    say({"id": command["id"], "status": status, **members})


def hello(command: Command) -> None:
    client = {"name": "honest", "version": "1.2", "language": "python"}
    answer(command, protocol=1, client=client, capabilities=["push", "publish", "graceful_stop"])


def start(command: Command) -> None:
    """Connects to nothing, and hands its handler one message whose id no double can hold."""
    print(f"connecting as {command['app_key']} with {command['app_secret']}", file=sys.stderr, flush=True)
    say({"event": "online"})
    answer(command, seen=sorted(command))
    say({"event": "received", "message_id": "9007199254740993", "topic": "taobao_trade_TradeCreate", "content": "{}"})
    say({"event": "handled", "message_id": "9007199254740993", "outcome": "ok"})


def publish(command: Command) -> None:
    if command["session"] is None:
        answer(command, "raised", error="session is required", code="isv.missing-session")
    else:
        answer(command)


def stop(command: Command) -> None:
    answer(command)
    say({"event": "offline", "error": None})


OPERATIONS: dict[str, Operation] = {"hello": hello, "start": start, "publish": publish, "stop": stop}


def unknown(command: Command) -> None:
    answer(command, "unsupported")


def serve(unknown: Operation = unknown, **replaced: Operation) -> None:
    """Obey commands until `bye` or the end of input."""
    operations = {**OPERATIONS, **replaced}
    for line in sys.stdin:
        command = json.loads(line)
        if command["op"] == "bye":
            answer(command)
            return
        operations.get(command["op"], unknown)(command)


if __name__ == "__main__":
    serve()
