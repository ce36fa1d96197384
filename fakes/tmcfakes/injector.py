"""Applies a schedule of faults to a running fake: each begins at its time, and ends at its time.

It decides nothing but when. What a fault does is done where it acts: to bytes in `lines`, to frames and by the service
in the engine. It runs by the time of the event loop, so that a jump of the service clock moves no fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from functools import partial
from typing import TYPE_CHECKING

from tmcfakes.faults import (
    EVERYBODY,
    AnswerFault,
    ClockJump,
    FrameFault,
    LastingFault,
    PlannedFault,
    Schedule,
    luck,
)
from tmcfakes.lines import LINE_FAULTS
from tmcfakes.tampering import ENGINE_FAULTS
from tmcspec.events import Event, Fault, Healed

if TYPE_CHECKING:
    from tmcfakes.fake import FakeTmc


class Injector:
    """Applies one schedule after the other; their times count from when they are given. In the event loop of the fake.

    Args:
        fake: what it is applied to.
    """

    def __init__(self, fake: FakeTmc) -> None:
        self._fake = fake
        self._count = 0
        self._timers: dict[int, asyncio.TimerHandle] = {}  # of faults that are to begin or to end
        self._waiting: dict[int, PlannedFault] = {}
        self._active: dict[int, PlannedFault] = {}  # those that were begun, and can be ended

    def inject(self, schedule: Schedule) -> None:
        """From now on these faults happen, beside those that are there."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        order = sorted(enumerate(schedule.faults), key=lambda numbered: numbered[1].at)
        for place, fault in order:
            self._count += 1
            key = self._count
            begin = partial(self.begin, key, fault, seed=schedule.seed, place=place)
            if fault.at <= 0:
                begin()
            else:
                self._waiting[key] = fault
                self._timers[key] = loop.call_at(began + fault.at, begin)

    def clear(self) -> None:
        """All faults are over, and those that were still to come do not."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._waiting.clear()
        for key in tuple(self._active):
            self.end(key)

    @property
    def active(self) -> tuple[PlannedFault, ...]:
        """The faults that have begun and are not over. What acts on frames or answers is over when it has acted for the
        last time.
        """
        return self._fake.do(lambda service, now: self._still_active(service.acting))

    @property
    def waiting(self) -> tuple[PlannedFault, ...]:
        """The faults that are still to begin."""
        return tuple(self._waiting.values())

    def begin(self, key: int, fault: PlannedFault, *, seed: int, place: int) -> None:
        """A fault begins."""
        self._timers.pop(key, None)
        self._waiting.pop(key, None)
        self._active[key] = fault
        lasting = isinstance(fault, LastingFault)
        if lasting or isinstance(fault, ClockJump):
            self._record(Fault(name=fault.name, target=_target(fault), detail=detail(fault)))
        chance = partial(luck, seed, fault.name, place)
        if isinstance(fault, LINE_FAULTS):
            self._fake.lines.begin(key, fault, chance=chance)
        if isinstance(fault, ENGINE_FAULTS):
            self._fake.do(lambda service, now: service.begin(key, fault, chance=chance, now=now))
        if isinstance(fault, ClockJump):
            self._fake.advance(fault.seconds)
        if isinstance(fault, LastingFault) and fault.duration is not None:
            loop = asyncio.get_running_loop()
            self._timers[key] = loop.call_later(fault.duration, self.end, key)
        elif not lasting and not isinstance(fault, FrameFault | AnswerFault):
            del self._active[key]

    def end(self, key: int) -> None:
        """A fault ends, whether or not it has done all that it could."""
        self._timers.pop(key, None)
        fault = self._active.pop(key)
        if isinstance(fault, LINE_FAULTS):
            self._fake.lines.end(key)
        if isinstance(fault, ENGINE_FAULTS):
            self._fake.do(lambda service, now: service.end(key, now=now))
        if isinstance(fault, LastingFault):
            self._record(Healed(name=fault.name, target=_target(fault), detail=detail(fault)))

    def _still_active(self, acting: Set[int]) -> tuple[PlannedFault, ...]:
        for key, fault in tuple(self._active.items()):
            if isinstance(fault, FrameFault | AnswerFault) and key not in acting:
                del self._active[key]
        return tuple(self._active.values())

    def _record(self, event: Event) -> None:
        self._fake.do(lambda service, now: service.record(event, now=now))


def _target(fault: PlannedFault) -> str | None:
    return None if fault.target == EVERYBODY else fault.target


def detail(fault: PlannedFault) -> str:
    """What a fault does, in the words of its members, without where and when.

    Example:
        >>> from tmcfakes.faults import Latency
        >>> detail(Latency(at=10, duration=60, delay=0.5))
        'duration=60 delay=0.5'
    """
    members = fault.to_json()
    return " ".join(f"{name}={value}" for name, value in members.items() if name not in ("fault", "at", "target"))
