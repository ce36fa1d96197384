"""A recorder that is fed fast: events that are made when somebody looks, and runs without end."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmcspec.events import Advanced, Event, FrameIn, Opened
from tmcspec.frame import encode
from tmcspec.messages import Connect
from tmcspec.signing import sign
from tmcspec.trace import WEIGHT_LIMIT, WHOLE_WEIGHT_LIMIT, Entry, Recorder, Trace, TraceError

SIGN = sign({"app_key": "1023"}, "secret")


def opened(name: str) -> Opened:
    return Opened(connection=name)


def connections(recorder: Recorder) -> list[str]:
    return [entry.event.connection for entry in recorder.entries if isinstance(entry.event, Opened)]


# Events that are made when somebody looks


def test_a_noted_event_is_made_once_and_not_before_somebody_looks() -> None:
    made: list[str] = []

    def make(name: str) -> Opened:
        made.append(name)
        return opened(name)

    recorder = Recorder()
    recorder.note(1.0, make, "c1")
    recorder.note(2.0, make, "c2")
    assert made == []
    assert recorder.last == 2
    entries = [Entry(seq=1, time=1.0, event=opened("c1")), Entry(seq=2, time=2.0, event=opened("c2"))]
    assert recorder.entries == entries
    assert recorder.entries == entries
    assert made == ["c1", "c2"]


def test_what_is_noted_and_what_is_recorded_stay_in_order() -> None:
    recorder = Recorder()
    recorder.note(0.0, opened, "c1")
    assert recorder.record(opened("c2"), now=0.0).seq == 2
    recorder.note(0.0, opened, "c3")
    assert connections(recorder) == ["c1", "c2", "c3"]
    assert recorder.record(opened("c4"), now=0.0).seq == 4
    assert [entry.seq for entry in recorder.entries] == [1, 2, 3, 4]
    Trace(entries=tuple(recorder.entries))


def test_listeners_are_told_of_what_is_noted_at_once() -> None:
    heard: list[Entry] = []
    recorder = Recorder()
    recorder.note(0.0, opened, "before")
    recorder.listeners.append(heard.append)
    recorder.note(0.0, opened, "c1")
    recorder.note(0.5, opened, "c2")
    recorder.listeners.clear()
    recorder.note(0.5, opened, "after")
    assert heard == recorder.entries[1:3]
    assert connections(recorder) == ["before", "c1", "c2", "after"]


def test_times_of_what_is_noted_are_rounded_to_microseconds_too() -> None:
    recorder = Recorder()
    for now in (0.1 + 0.2, 0.1 + 0.2, 7, 1e9 + 1e-9):
        recorder.note(now, opened, "c")
    assert [entry.time for entry in recorder.entries] == [0.3, 0.3, 7.0, 1e9]
    assert isinstance(recorder.entries[2].time, float)


@pytest.mark.parametrize("now", [4.9, 0.0, -1.0, nan, inf, -inf, 2.0**53])
@pytest.mark.parametrize("before", ["recorded", "noted", "looked at"])
def test_time_that_goes_back_and_what_is_no_time_is_refused(now: float, before: str) -> None:
    recorder = Recorder()
    if before == "recorded":
        recorder.record(opened("c1"), now=5.0)
    else:
        recorder.note(5.0, opened, "c1")
    if before == "looked at":
        assert len(recorder.entries) == 1
    refused = r"time never goes back|time must be in seconds since the start"
    with pytest.raises(TraceError, match=refused):
        recorder.note(now, opened, "c2")
    with pytest.raises(TraceError, match=refused):
        recorder.record(opened("c3"), now=now)
    recorder.note(5.0, opened, "c4")
    assert connections(recorder) == ["c1", "c4"]


def test_before_the_start_nothing_is_noted() -> None:
    with pytest.raises(TraceError, match="time must be in seconds since the start"):
        Recorder().note(-0.1, opened, "c")


def test_what_is_noted_shows_no_sign() -> None:
    recorder = Recorder()
    connect = Connect(app_key="1023", group="default", timestamp="1", sign=SIGN)
    recorder.note(0.0, lambda data: FrameIn(connection="c", data=data), encode(connect.to_frame()))
    (entry,) = recorder.entries
    assert isinstance(entry.event, FrameIn)
    assert SIGN.encode() not in entry.event.data


def test_a_full_recorder_takes_no_notes_and_counts_those_it_has() -> None:
    recorder = Recorder(limit=3)
    for name in ("c1", "c2", "c3"):
        recorder.note(0.0, opened, name)
    for looked in (False, True):
        if looked:
            assert len(recorder.entries) == 3
        with pytest.raises(TraceError, match="the trace is full: it has 3 entries, and 3 is the limit"):
            recorder.note(0.0, opened, "c4")
        with pytest.raises(TraceError, match="the trace is full: it has 3 entries, and 3 is the limit"):
            recorder.record(opened("c4"), now=0.0)
    assert connections(recorder) == ["c1", "c2", "c3"]


# Runs without end


@pytest.mark.parametrize("name", ["limit", "keep"])
@pytest.mark.parametrize("number", [0, -1])
def test_a_recorder_keeps_at_least_one_entry(name: str, number: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 1 entry or more, not {number}"):
        Recorder(**{name: number})  # type: ignore[arg-type]  # either of two integers


def test_the_first_and_last_number_of_an_empty_recorder() -> None:
    assert (Recorder().first, Recorder().last) == (1, 0)
    assert Recorder(keep=5).entries == []


def test_a_run_without_end_forgets_the_oldest_and_numbers_go_on() -> None:
    recorder = Recorder(keep=8, limit=1)
    for number in range(1, 12):
        recorder.record(opened(f"c{number}"), now=number)
        assert recorder.last == number
    # A quarter at a time.
    assert (recorder.first, recorder.last) == (3, 11)
    assert [entry.seq for entry in recorder.entries] == list(range(3, 12))
    assert connections(recorder) == [f"c{number}" for number in range(3, 12)]
    with pytest.raises(TraceError, match=r"entry 12 at 10\.0 s follows entry 11 at 11\.0 s"):
        recorder.record(opened("back"), now=10.0)


def test_what_is_forgotten_without_being_looked_at_is_never_made() -> None:
    def make(number: int) -> Event:
        assert number > 1000 - 5, "nobody asked for it"
        return Advanced(seconds=number)

    recorder = Recorder(keep=4)
    for number in range(1001):
        recorder.note(0.0, make, number)
    assert [entry.event for entry in recorder.entries] == [
        Advanced(seconds=number) for number in range(1001 - len(recorder.entries), 1001)
    ]


@pytest.mark.parametrize("looked", [False, True])
def test_large_things_make_it_keep_less(looked: bool) -> None:
    recorder = Recorder(keep=100)
    for number in range(1, 11):
        recorder.note(0.0, opened, f"c{number}")
    if looked:
        assert len(recorder.entries) == 10
    recorder.weigh(WEIGHT_LIMIT)
    assert (recorder.first, recorder.last) == (1, 10)
    recorder.weigh(1)
    assert (recorder.first, recorder.last) == (6, 10)
    assert connections(recorder) == [f"c{number}" for number in range(6, 11)]
    # And it is counted from zero again.
    recorder.weigh(WEIGHT_LIMIT)
    assert recorder.first == 6
    assert recorder.record(opened("next"), now=0.0).seq == 11


def test_a_run_with_an_end_keeps_everything_however_large() -> None:
    recorder = Recorder()
    recorder.record(opened("c1"), now=0.0)
    recorder.record(opened("c2"), now=0.0)
    recorder.weigh(2 * WEIGHT_LIMIT)
    assert connections(recorder) == ["c1", "c2"]


def test_a_run_with_an_end_that_holds_more_than_memory_can_is_full() -> None:
    recorder = Recorder()
    recorder.weigh(WHOLE_WEIGHT_LIMIT)
    with pytest.raises(TraceError, match=f"the trace is full: what it holds has more than {WHOLE_WEIGHT_LIMIT} bytes"):
        recorder.weigh(1)


steps = st.lists(
    st.tuples(
        st.sampled_from(["record", "note", "note", "note", "look", "listen", "go back"]),
        st.sampled_from([0.0, 0.0, 1e-7, 0.25, 100.0]),
    ),
    max_size=60,
)


@given(steps=steps, keep=st.none() | st.integers(1, 9))
@example(steps=[("note", 0.0)] * 60, keep=3)
@example(steps=[("note", 0.0), ("record", 0.0), ("look", 0.0)] * 10, keep=1)
def test_however_it_is_fed_it_keeps_the_latest_in_order(steps: list[tuple[str, float]], keep: int | None) -> None:
    recorder = Recorder(keep=keep)
    expected: list[tuple[float, Event]] = []
    heard: list[Entry] = []
    now = 1.0
    for number, (step, pause) in enumerate(steps):
        event = Advanced(seconds=number)
        now += pause if step in ("record", "note") else 0.0
        if step == "record":
            entry = recorder.record(event, now=now)
            assert (entry.seq, entry.event) == (len(expected) + 1, event)
            expected.append((round(now, 6), event))
        elif step == "note":
            recorder.note(now, lambda number: Advanced(seconds=number), number)
            expected.append((round(now, 6), event))
        elif step == "look":
            assert [entry.event for entry in recorder.entries[-1:]] == [event for _, event in expected[-1:]]
        elif step == "listen":
            recorder.listeners = [] if recorder.listeners else [heard.append]
        elif expected:
            with pytest.raises(TraceError):
                recorder.note(expected[-1][0] - 0.5, opened, "back")
        assert recorder.last == len(expected)
        assert recorder.last - recorder.first + 1 <= (len(expected) if keep is None else keep + max(1, keep // 4))
    kept = [(entry.seq, entry.time, entry.event) for entry in recorder.entries]
    everything = [(seq, time, event) for seq, (time, event) in enumerate(expected, 1)]
    assert kept == everything[len(everything) - len(kept) :]
    assert len(kept) >= min(len(everything), keep or len(everything))
    assert recorder.first == len(everything) - len(kept) + 1
    assert all((each.seq, each.time, each.event) in everything for each in heard)


def test_watchers_are_told_of_what_is_recorded_and_not_of_what_is_noted() -> None:
    seen: list[Entry] = []
    recorder = Recorder(watchers=[seen.append])
    recorder.note(0.0, opened, "c1")
    recorder.record(opened("c2"), now=1.0)
    assert [entry.seq for entry in seen] == [2]
    assert [entry.seq for entry in recorder.entries] == [1, 2]
