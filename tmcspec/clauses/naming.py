"""Which ids the client named, and which of them were another's.

A client that rounds ids confirms a neighbour. Such a *stray* confirm is the business of the LID clauses alone; the
others would only accuse the same defect again.
"""

from __future__ import annotations

from collections.abc import Iterable

from tmcspec.clauses.conversation import Said
from tmcspec.clauses.timeline import Timeline
from tmcspec.events import Confirmed, Pushed, Received
from tmcspec.ids import misreadings
from tmcspec.messages import Confirm, Fail
from tmcspec.trace import Entry


class Naming:
    """The ids in what the client said.

    Attributes:
        confirms: the Confirm frames that name an id, by id, in order.
        by_http: the ids that were confirmed over HTTP, as they are.
        last_named: by id, where it was last seen at the client: at its handler, in a Confirm or in a Failed.
    """

    def __init__(self, timeline: Timeline, said: Iterable[Said]) -> None:
        self.confirms: dict[int, list[Said]] = {}
        self.by_http = {at.event.message for at in timeline.events(Confirmed) if at.event.via == "http"}
        self.last_named: dict[int, Entry] = {}
        entries = []
        for each in said:
            if isinstance(each.message, Confirm | Fail) and each.message.id is not None:
                entries.append((each.message.id, each.entry))
                if isinstance(each.message, Confirm):
                    self.confirms.setdefault(each.message.id, []).append(each)
        entries += [(at.event.message, at.entry) for at in timeline.events(Received) if at.event.message is not None]
        for value, entry in sorted(entries, key=lambda named: named[1].seq):
            self.last_named[value] = entry
        # By lossy reading, the pushed ids that it comes from and that were never confirmed as they are.
        self._lost: dict[int, set[int]] = {}
        for pushed in {at.event.message for at in timeline.events(Pushed)} - self.confirms.keys() - self.by_http:
            for wrong in misreadings(pushed).values():
                self._lost.setdefault(wrong, set()).add(pushed)

    def mistaken_for(self, value: int) -> set[int]:
        """The pushed ids that were never confirmed as they are and of which `value` is a lossy reading."""
        return self._lost.get(value, set())
