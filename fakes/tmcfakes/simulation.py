"""A whole world in one deterministic event loop: service, client and network, with virtual time and in-memory sockets.

Nobody waits: when all tasks sleep, time jumps to the next timer. The real `websockets` library runs on both sides, over
sockets that are queues in memory. A run is a function of its seed as long as nothing in it asks the machine for time or
chance: clocks and random sources are parameters everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import async_solipsism

T = TypeVar("T")

#: Wall-clock time of simulated time 0, in epoch milliseconds: 2026-01-01, so that timestamps look like timestamps.
EPOCH_MS = 1_767_225_600_000


def simulate(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs `main()` in a world of its own, from virtual time 0, and returns what it returns.

    A loop whose next timer is a day away or more sleeps for ever, says `async_solipsism`: pass longer times in pieces.

    Raises:
        RuntimeError: called from within an event loop; a world has a loop of its own.
        Exception: whatever `main` raises; `async_solipsism.SleepForeverError` when everybody waits for somebody else.

    Example:
        >>> async def an_hour() -> float:
        ...     await asyncio.sleep(3600)
        ...     return asyncio.get_running_loop().time()
        >>> simulate(an_hour)
        3600.0
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("simulate() makes an event loop of its own; call it from outside of any")
    with asyncio.Runner(loop_factory=async_solipsism.EventLoop) as runner:
        return runner.run(main())
