"""Messages that wait for a flow-controlled client, and are pushed in slots: what the stories about FLW share."""

from __future__ import annotations

from stories import Story

from tmcspec.trace import Entry

#: Seconds that a slot of 32 lasts, with flow value 1, with 32, and in the literal reading of 1.
SLOW, FAST, LITERAL = 32 / 24, 1 / 24, 32.0


class Pushing:
    """Messages that wait, and get pushed in their order."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._next, self._end = 1, 1

    def produce(self, count: int) -> None:
        for id in range(self._end, self._end + count):
            self.story.produce(id)
        self._end += count

    def push(self, count: int) -> list[Entry]:
        self._next += count
        return [self.story.push(id) for id in range(self._next - count, self._next)]

    def slots(self, number: int, period: float, *, size: int = 32) -> list[Entry]:
        """Slots, one period after the other. The pushes are told."""
        pushed = []
        for _ in range(number):
            pushed += self.push(size)
            self.story.wait(period)
        return pushed


def limited(story: Story, value: int | None, *, waiting: int = 0, connect: bool = True) -> tuple[Entry, Pushing]:
    """A client, and a flow value that has just come into force. What set it is told."""
    if connect:
        story.connect()
    set_by = story.sets_flow(value)
    story.wait(10.002)
    pushing = Pushing(story)
    pushing.produce(waiting)
    return set_by, pushing
