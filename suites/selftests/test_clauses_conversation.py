"""What was said on a connection, where that is not plain."""

from __future__ import annotations

from stories import Story

from tmcspec.clauses.conversation import read_conversations


def test_a_connect_that_was_answered_twice_makes_one_consumer() -> None:
    """As after a fault that doubles it; two at a time would be meant to get twice as much."""
    story = Story()
    story.connect()
    story.wait(1)
    again = story.accepts()
    first, second = read_conversations(story.trace())[story.connection].taking()
    assert first.over is not None
    assert first.over.time == second.accepted.time == again.time
    assert second.over is None


def test_a_connection_is_what_its_latest_connect_makes_of_it() -> None:
    story = Story()
    story.connect()
    story.wait(1)
    asked = story.connects_again(group="vip")
    story.wait(1)
    story.accepts()
    first, second = read_conversations(story.trace())[story.connection].taking()
    assert first.over is not None
    assert first.over.time == asked.time
    assert (second.queue.group, second.over) == ("vip", None)
