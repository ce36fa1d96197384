"""What the operator of a service had set, as judges look it up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import APP, GROUP, Story

from tmcspec.clauses.history import History
from tmcspec.clauses.settings import Settings
from tmcspec.clauses.timeline import Timeline
from tmcspec.events import FlowSet, Id, ModeSet, Produced, RetentionSet
from tmcspec.timing import RETENTION
from tmcspec.trace import Entry, Trace, World


def settings(story: Story) -> Settings:
    return History(story.trace()).settings


def test_where_nothing_was_set_everything_is_pushed_at_once() -> None:
    assert settings(Story()).pushes(APP, "default", 0, 1e9)


def test_a_flow_value_holds_back_from_when_it_is_set_until_it_is_surely_gone() -> None:
    story = Story()
    story.wait(100)
    story.sets_flow(5)
    story.sets_flow(0)
    story.wait(100)
    story.sets_flow(None)
    # Taken back twice: nothing more to take back.
    story.sets_flow(None)
    found = settings(story)
    assert found.pushes(APP, "default", 0, 99.9)
    assert not found.pushes(APP, "default", 0, 100)
    assert not found.pushes(APP, "default", 150, 160)
    assert not found.pushes(APP, "default", 210, 220)
    assert found.pushes(APP, "default", 210.1, 1e9)
    assert found.pushes(APP, "vip", 0, 1e9)
    assert found.pushes("2", "default", 0, 1e9)


def test_pull_mode_holds_back_until_it_ends_if_it_ends() -> None:
    story = Story()
    story.sets_mode("push")
    story.wait(10)
    story.sets_mode("pull")
    story.sets_mode("pull")
    story.wait(10)
    story.sets_mode("push")
    story.wait(10)
    story.record(ModeSet(app_key=APP, mode="pull", group="vip"))
    found = settings(story)
    assert found.pushes(APP, "default", 0, 9)
    assert not found.pushes(APP, "default", 15, 16)
    assert found.pushes(APP, "default", 21, 1e9)
    assert not found.pushes(APP, "vip", 1e9, 1e9)


def test_a_group_that_is_deleted_takes_its_settings_along() -> None:
    story = Story()
    story.record(FlowSet(app_key=APP, value=1, group="vip"))
    story.record(ModeSet(app_key=APP, mode="pull", group="vip"))
    story.wait(50)
    story.deletes_group("vip")
    story.creates_group("vip")
    found = settings(story)
    assert not found.pushes(APP, "vip", 10, 20)
    assert found.pushes(APP, "vip", 51, 1e9)


# Retention


def brute(born: Entry, sets: list[Entry]) -> float:
    """When the retention of a message is over, worked out by living through it."""
    end = born.time + RETENTION
    for entry in sets:
        assert isinstance(entry.event, RetentionSet)
        if entry.seq < born.seq:
            end = born.time + entry.event.seconds
        elif entry.time < end:
            end = max(entry.time, min(end, born.time + entry.event.seconds))
    return end


#: Steps of time, each followed by a new message or by so many seconds that are set.
moments = st.tuples(
    st.sampled_from([0.0, 1.0, 10.0, 500.0, 90_000.0]),
    st.none() | st.sampled_from([1.0, 5.0, 10.0, 300.0, 500.0, 1000.0, 100_000.0]),
)


@given(st.lists(moments, max_size=40))
def test_retention_ends_as_if_it_was_lived_through(drawn: list[tuple[float, float | None]]) -> None:
    entries, now = [], 0.0
    for seq, (step, seconds) in enumerate(drawn, start=1):
        now += step
        event = (
            Produced(message=Id(seq), app_key="a", group="g", topic="t")
            if seconds is None
            else RetentionSet(seconds=seconds)
        )
        entries.append(Entry(seq=seq, time=now, event=event))
    births = [entry for entry in entries if isinstance(entry.event, Produced)]
    sets = [entry for entry in entries if isinstance(entry.event, RetentionSet)]
    ends = Settings(Timeline(Trace(entries=tuple(entries)))).retention_ends(births)
    assert ends == [brute(born, sets) for born in births]
    assert ends == sorted(ends)


@pytest.mark.parametrize("world", ["simulated", "recorded"])
def test_where_a_trace_begins_later_a_group_is_pushed_to_from_when_that_is_known(world: World) -> None:
    story = Story(world=world)
    story.produce(7)
    story.wait(10)
    story.sets_flow(None)
    story.wait(10)
    story.sets_mode("push")
    story.wait(100)
    whole = story.trace()
    later = Settings(Timeline(replace(whole, entries=whole.entries[1:])))
    assert [later.pushes(APP, GROUP, at, at) for at in (5.0, 15.0, 31.0)] == [False, False, True]
    assert not later.pushes(APP, "other", 31.0, 31.0)
    assert Settings(Timeline(whole)).pushes(APP, "other", 31.0, 31.0) is (world == "simulated")
