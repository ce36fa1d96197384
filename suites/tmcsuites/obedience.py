"""Whether an adapter's handlers do what they are told, by its own reports.

What a handler shall do is in the content of its message (see `tmcspec.instruction`), and the clauses believe what the
adapter reports of it. So one whose handlers do something else is of no use, and its client cannot be judged.
"""

from __future__ import annotations

from collections.abc import Callable

from tmcspec.instruction import instruction
from tmcsuites.adapters.contract import ClientEvent, ClientHandled, ClientReceived

#: Seconds that a handler may be done too early: timers are not exact.
TOLERANCE = 0.01

OBEY = "an adapter's handler must obey the member 'tmcspec' of the content it is given"


class Obedience:
    """Listens to the reports of one client.

    Args:
        clock: seconds at which a report comes, where those are exact; then a handler must also work as long as it is
            told. None: reports of another process come when they come.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._told: dict[int | None, set[str]] = {}
        self._earliest: dict[int | None, float] = {}

    def hear(self, event: ClientEvent) -> str | None:
        """What is wrong with a report; None when nothing is.

        A client that cannot tell two ids apart shows both under one: then what either was told is honest.
        """
        if isinstance(event, ClientReceived):
            told = instruction(event.content)
            self._told.setdefault(event.message_id, set()).add(told.outcome)
            if self._clock is not None:
                done = self._clock() + told.delay
                self._earliest[event.message_id] = min(done, self._earliest.get(event.message_id, done))
        elif isinstance(event, ClientHandled):
            return self._judge(event)
        return None

    def _judge(self, event: ClientHandled) -> str | None:
        outcomes = self._told.get(event.message_id, {"ok"})
        if event.outcome not in outcomes:
            told = ", ".join(sorted(outcomes))
            return f"the handler of message {event.message_id} was told {told} and reports {event.outcome}; {OBEY}"
        if self._clock is not None:
            early = self._earliest.get(event.message_id, 0.0) - self._clock()
            if early > TOLERANCE:
                return f"the handler of message {event.message_id} is done {early:.3f} s before it was told to; {OBEY}"
        return None
