"""Which messages are the same to the application: those with the same business key (S41).

Only where the client was told what a key is. It is the topic with some members of the content, which must be an object
that has them all, each a text that is not empty, an integer, true or false; a number with a fraction is no id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tmcspec.clauses.conversation import QueueName, queue_of
from tmcspec.clauses.deliveries import Life
from tmcspec.clauses.timeline import Timeline
from tmcspec.events import ClientStarting, Produced


class Copies:
    """The messages of a trace by business key.

    Attributes:
        groups: those with one key, in the order of their production; one that has no copy is a group, too. None at all
            when nobody told what a key is, or clients were told different things.
    """

    def __init__(self, timeline: Timeline, lives: Iterable[Life]) -> None:
        told = {at.event.dedupe for at in timeline.events(ClientStarting)}
        fields = told.pop() if len(told) == 1 else ()
        groups: dict[tuple[QueueName, str], list[Life]] = {}
        for life in lives if fields else ():
            if key := business_key(life.produced.event, fields):
                groups.setdefault((queue_of(life.produced.event), key), []).append(life)
        self.groups: Sequence[list[Life]] = [*groups.values()]
        self._group = {life: group for group in self.groups for life in group}

    def of(self, life: Life) -> list[Life] | None:
        """The group that a message is in; None when it has no key."""
        return self._group.get(life)

    def has_any(self, life: Life) -> bool:
        """Whether there is another message with its key."""
        return len(self._group.get(life, ())) > 1


def business_key(message: Produced, fields: Sequence[str]) -> str | None:
    """What a message is about; None when its content does not tell."""
    try:
        content = json.loads(message.content or "")
    except (ValueError, RecursionError):
        return None
    values = [content.get(field) for field in fields] if isinstance(content, dict) else [None]
    return json.dumps([message.topic, values]) if all(_identifies(value) for value in values) else None


def _identifies(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value != "")
