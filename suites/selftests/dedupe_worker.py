"""A process that handles messages with a store in an SQLite file, and says what it does.

dedupe_worker.py race PATH COUNT            says "ready", waits for a line, gets messages 0 to COUNT - 1, all at once,
                                            and stays until its input ends.
dedupe_worker.py hang PATH ID WALL_CLOCK    gets one message, says that it handles it, and never ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from tmcspec.client.dedupe import Deduplicated
from tmcspec.client.dedupe_keys import by_id
from tmcspec.client.dedupe_sqlite import SqliteStore
from tmcspec.client.message import Handler, Message


def say(words: str) -> None:
    print(words, flush=True)


async def race(path: str, count: int) -> None:
    async def handle(message: Message) -> None:
        say(f"handled {message.id}")

    async def get(handler: Handler, number: int) -> None:
        await handler(Message(id=number, topic="t"))
        say(f"returned {number}")

    async with SqliteStore(path, busy_timeout=60.0) as store:
        handler = Deduplicated(handle, store, key=by_id, patience=59.0, poll_interval=0.001)
        say("ready")
        sys.stdin.readline()
        await asyncio.gather(*(get(handler, number) for number in range(count)))
        sys.stdin.read()


async def hang(path: str, message_id: int, wall_clock: Callable[[], float] = time.time) -> None:
    async def handle(message: Message) -> None:
        say(f"handling {message.id}")
        await asyncio.Event().wait()

    async with SqliteStore(path) as store:
        handler = Deduplicated(handle, store, key=by_id, lease=600.0, wall_clock=wall_clock)
        await handler(Message(id=message_id, topic="t"))


if __name__ == "__main__":
    mode, path, number, *more = sys.argv[1:]
    if mode == "race":
        asyncio.run(race(path, int(number)))
    else:
        asyncio.run(hang(path, int(number), lambda: float(more[0])))
