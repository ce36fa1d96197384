"""Mutants that poll the HTTP gateway wrongly."""

from __future__ import annotations

from collections.abc import Sequence

from tmcspec.client import Outcome, Polling
from tmcspec.client.connection import Deliver
from tmcspec.client.exchange import Event, Request
from tmcspec.client.message import OK
from tmcspec.ids import as_double
from tmcsuites.mutants.base import Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("signs-a-request-wrongly-now-and-then", "HTP-1")
class SignsWrongly(Polling):
    """Sends every confirm with the digest in lower case."""

    def form(self, request: Request, wall: float) -> dict[str, str]:
        form = super().form(request, wall)
        return form | {"sign": form["sign"].lower()} if "s_message_ids" in request.arguments else form


@mutant("asks-for-too-many", "HTP-2")
class AsksForTooMany(Polling):
    """Asks for 500 messages at once."""

    def quantity(self, room: int) -> int:
        return 500


@mutant("confirms-what-it-consumed", "HTP-3")
class ConfirmsWhatItConsumed(Polling):
    """Confirms a message over HTTP as soon as it has it."""

    def message_received(self, raw: object, now: float) -> list[Event]:
        events = super().message_received(raw, now)
        for event in events:
            if isinstance(event, Deliver):
                self.handled(event.message.id, OK, now=now)
        return events


@mutant("confirms-what-failed-over-http", "HTP-3")
class ConfirmsWhatFailed(Polling):
    """Confirms a message over HTTP whatever came of it."""

    def deserves_confirm(self, outcome: Outcome) -> bool:
        return True


@mutant("polls-without-a-pause", "HTP-4")
class PollsWithoutAPause(Polling):
    """Asks again at once when nothing was there."""

    def pause_after(self, *, asked: int, came: int, fresh: int) -> float:
        return 0.05


@mutant("rounds-ids-over-http", "LID-2", published=("alibaba/top",))
class RoundsIds(Polling):
    """Reads the ids of messages as the doubles that JSON numbers are elsewhere."""

    def confirm(self, message_ids: Sequence[int]) -> Request:
        return super().confirm([as_double(each) for each in message_ids])
