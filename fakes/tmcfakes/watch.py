"""Waiting until something has happened: for an event in the trace of a service."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from typing import TypeAlias

from tmcspec.events import Event, FrameIn, FrameOut
from tmcspec.trace import Entry, Recorder

#: Which events are waited for: all of a class, or those that a predicate is true of.
Wanted: TypeAlias = type[Event] | Callable[[Event], bool]


class Watch:
    """Waits until an event was recorded a number of times; used in the thread of the recorder."""

    def __init__(self, recorder: Recorder, wanted: Wanted, count: int) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count!r}")
        self.found: concurrent.futures.Future[Entry] = concurrent.futures.Future()
        self._recorder = recorder
        self._wanted = wanted
        self._count = count
        self._seen = 0

    def begin(self) -> None:
        for entry in self._recorder.entries:
            self._look(entry)
        self._recorder.listeners.append(self._look)

    def end(self) -> None:
        self._recorder.listeners.remove(self._look)

    def missed(self, timeout: float) -> TimeoutError:
        name = getattr(self._wanted, "__name__", repr(self._wanted))
        # The frames repeat in bytes what the other events say.
        told = [entry for entry in self._recorder.entries if not isinstance(entry.event, FrameIn | FrameOut)]
        last = "".join(f"\n  {entry.time:.6f} {entry.event}" for entry in told[-8:])
        return TimeoutError(
            f"waited {timeout} s for {self._count} x {name}, saw {self._seen}; the last events:{last or ' none'}"
        )

    def _look(self, entry: Entry) -> None:
        if self.found.done():
            return
        try:
            self._seen += self._is_wanted(entry.event)
        except Exception as error:
            self.found.set_exception(error)  # to whoever waits, not to the engine that recorded the event
            return
        if self._seen == self._count:
            self.found.set_result(entry)

    def _is_wanted(self, event: Event) -> bool:
        return isinstance(event, self._wanted) if isinstance(self._wanted, type) else bool(self._wanted(event))
