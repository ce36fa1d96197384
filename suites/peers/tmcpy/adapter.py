"""Puts the PyPI package tmcpy under test. It speaks the adapter contract: one JSON object a line, commands on standard
input, answers and events on standard output, log on standard error.

    pip install --require-hashes -r requirements.txt && python adapter.py
    python adapter.py --dates

With --dates it turns the dates of the library, which are text in local time and have no milliseconds any more, into
numbers again. Every message has one, and every case would be about nothing else: so usually it shows none.

The library is used as its README shows, with one repair. On Python 3 it cannot connect as published: for its CONNECT it
calls `bytes(timestamp)` (utils.py:41, called by client.py:113), which on Python 2 was the number's text and here asks
for more than a terabyte of zeros. `decimal_to_binary` gives the library what it had on Python 2; nothing else of it is
touched, and no other defect is hidden.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from typing import Any

import tmcpy.client
from tmcpy import TmcClient
from tornado.ioloop import IOLoop

PACKAGE = "tmcpy"

#: Seconds between two pulls. The library's default is 50, and its users may choose from 1 to 59. What it does wrong
#: with its token shows when it pulls, so that with 50 each such case would have to last a minute.
PULL_EVERY = 5

#: Seconds from the end of input to the exit; the contract gives five.
IN_FLIGHT = 4.0

#: Seconds that a handler that hangs takes.
FOR_EVER = 10**6

#: How the library writes a date for its users, in local time, and whether the adapter reads it.
DATE = "%Y-%m-%d %H:%M:%S"
DATES = "--dates" in sys.argv[1:]

original_to_binary: Callable[..., bytes] = tmcpy.client.to_binary


def decimal_to_binary(value: Any, *more: Any) -> bytes:
    """What the library's own function gives for everything but a number, and for that what it gave on Python 2."""
    return original_to_binary(str(value) if isinstance(value, int) else value, *more)


tmcpy.client.to_binary = decimal_to_binary


class Adapter:
    """One process with one client.

    The library is one event loop, and calls its handlers in it: while one works, everything else waits. Commands are
    read by a thread of their own, so that the adapter answers while the library cannot. It confirms a message and then
    calls the handler, so an answer must not overtake what is still to be said of a message that is confirmed.
    """

    def __init__(self) -> None:
        self.loop = IOLoop.current()
        self.starting: dict[str, Any] | None = None  # the start command that waits for the first connection
        self.started = False
        self.at_work: str | None = None  # what the handler that takes its time will come to
        self._line = threading.Lock()

    # What is said

    def say(self, **line: Any) -> None:
        text = json.dumps(line)
        with self._line:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def answer(self, command: dict[str, Any], status: str, **members: Any) -> None:
        self.say(id=command["id"], status=status, **members)

    # Commands

    def read_commands(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            operation = {"hello": self.hello, "start": self.start, "bye": self.bye}.get(command["op"])
            self.let_the_library_speak()
            if operation:
                operation(command)
            else:
                self.answer(command, "unsupported")
        self.leave()

    def let_the_library_speak(self) -> None:
        """Waits until the loop has done what it was at, or a handler takes its time, and everything before is said."""
        came_round = threading.Event()
        self.loop.add_callback(came_round.set)
        while not (came_round.wait(0.01) or self.at_work):
            pass

    def hello(self, command: dict[str, Any]) -> None:
        """There is no way to report a failed message but to raise. `close` is no stop: the library takes the end of its
        own connection for a lost one, and comes back.
        """
        language = f"python ({platform.python_version()}, tornado {version('tornado')})"
        client = {"name": PACKAGE, "version": version(PACKAGE), "language": language}
        self.answer(command, "result", protocol=1, client=client, capabilities=["push", "raise", "reconnect"])

    def start(self, command: dict[str, Any]) -> None:
        """Answered when the library says that its handshake was a success. It has nothing to say when it was not."""
        if command["mode"] != "push":
            self.answer(command, "unsupported", error="the library cannot poll")
        elif self.started:
            self.answer(command, "unsupported", error="the library cannot be stopped, so it is started only once")
        else:
            self.starting, self.started = command, True
            self.loop.add_callback(self.connect, command)

    def connect(self, command: dict[str, Any]) -> None:
        try:
            client = TmcClient(
                command["url"],
                command["app_key"],
                command["app_secret"],
                command["group"],
                query_message_interval=PULL_EVERY,
            )
        except Exception as error:  # whatever it is, the library's user would have got it
            self.answer(command, "raised", error=repr(error))
            return
        client.on("handshake_success", self.online)
        client.on("connection_lost", self.offline)
        client.on("message", self.handle)

    def bye(self, command: dict[str, Any]) -> None:
        self.answer(command, "result")
        self.leave()

    def leave(self) -> None:
        """Lets the handler that works come to its end. The interpreter's own end would wait for the loop."""
        end = time.monotonic() + IN_FLIGHT
        while self.at_work not in (None, "hang") and time.monotonic() < end:
            time.sleep(0.01)
        os._exit(0)

    # What the library tells its users

    def online(self, token: str | None) -> None:
        self.say(event="online")
        if self.starting:
            self.answer(self.starting, "result")
            self.starting = None

    def offline(self, client: TmcClient) -> None:
        self.say(event="offline", error=None)

    def handle(self, message: Any) -> None:
        """The handler: a plain function, for the library does not wait for a coroutine."""
        fields = message.content
        self.say(
            event="received",
            message_id=decimal(fields.get("id")),
            topic=text(fields.get("topic")),
            content=text(fields.get("content")),
            user_id=decimal(fields.get("userid")),
            nick=text(fields.get("nick")),
            publisher=text(fields.get("publisher")),
            data_id=text(fields.get("dataid")),
            publish_time=epoch_ms(fields.get("time")),
            outgoing_time=epoch_ms(fields.get("outtime")),
        )
        outcome, delay, reason, raised = wish(fields.get("content"))
        if outcome == "hang" or delay:
            self.at_work = outcome
            time.sleep(FOR_EVER if outcome == "hang" else delay)
        self.say(event="handled", message_id=decimal(fields.get("id")), outcome=outcome)
        self.at_work = None
        if outcome == "raise":
            raise raised(reason or "")


def decimal(value: Any) -> str | None:
    """An integer as the contract has it, whether it is the one that was sent or not."""
    return str(value) if isinstance(value, int) and abs(value) < 10**20 else None


def text(value: Any) -> str | None:
    """The library hands over what it took for JSON parsed."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def epoch_ms(value: Any) -> str | None:
    """What is left of a date."""
    if not DATES or not isinstance(value, str):
        return None
    return str(round(datetime.strptime(value, DATE).timestamp() * 1000))


class Unusual(BaseException):
    """What `except Exception` misses."""


def wish(content: Any) -> tuple[str, float, str | None, type[BaseException]]:
    """What a message asks of its handler: outcome, seconds, reason, and what it raises, if anything."""
    told = content.get("tmcspec") if isinstance(content, dict) else None
    if not isinstance(told, dict):
        return "ok", 0.0, None, RuntimeError
    raised = Unusual if told.get("unusual") else RuntimeError
    return told.get("outcome", "ok"), told.get("delay_ms", 0) / 1000, told.get("reason"), raised


def main() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    adapter = Adapter()
    threading.Thread(target=adapter.read_commands, daemon=True).start()
    adapter.loop.start()


if __name__ == "__main__":
    main()
