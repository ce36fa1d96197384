"""The requests to the HTTP gateway, and how each was answered."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from tmcspec.clauses.conversation import QueueName
from tmcspec.clauses.timeline import At, Timeline
from tmcspec.events import HttpIn, HttpOut
from tmcspec.routing import DEFAULT_GROUP

CONFIRM = "taobao.tmc.messages.confirm"

#: An id as it stands in a request. A confirm names at most 200 of them, but a trace may be anybody's.
_ID = re.compile(r"-?[0-9]{1,20}")


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One request; `answered` is None as long as it is not."""

    at: At[HttpIn]
    answered: At[HttpOut] | None = None

    @property
    def succeeded(self) -> bool:
        return self.answered is not None and self.answered.event.code == 0

    @property
    def queue(self) -> QueueName | None:
        """The queue that it asks of or speaks of; the group is `default` when it names none. None without an app."""
        event = self.at.event
        if event.app_key is None:
            return None
        group = dict(event.arguments).get("group_name") or DEFAULT_GROUP
        return QueueName(event.app_key, group, event.environment)

    def ids(self, parameter: str) -> list[int]:
        """The ids that a parameter lists, each once; what is no id is left out."""
        text = dict(self.at.event.arguments).get(parameter, "")
        return list(dict.fromkeys(int(each) for each in text.split(",") if _ID.fullmatch(each.strip())))


class Requests:
    """All requests of a trace, by number; a number that comes twice begins another request."""

    def __init__(self, timeline: Timeline) -> None:
        self._all: list[Request] = []
        self._by_number: dict[int, list[Request]] = {}
        for at in timeline.events(HttpIn):
            request = Request(at=at)
            self._all.append(request)
            self._by_number.setdefault(at.event.request, []).append(request)
        for answer in timeline.events(HttpOut):
            asked = self.get(answer.event.request, answer.seq)
            if asked and asked.answered is None:
                asked.answered = answer

    def of(self, method: str) -> Iterator[Request]:
        """The requests that call one method, in order."""
        return (request for request in self._all if request.at.event.method == method)

    def get(self, number: int, seq: int) -> Request | None:
        """The request of this number before a place in the trace; None when the trace does not have it."""
        found = self._by_number.get(number, [])
        index = bisect_left(found, seq, key=lambda request: request.at.seq)
        return found[index - 1] if index else None
