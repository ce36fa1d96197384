"""Traces as a recording proxy in production writes them: only what goes over the wire, and an unknown past.

Nobody is accused there of what the whole trace does not hold against them. What the wire proves still counts, and what
it cannot show is not exercised.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate

import pytest
from stories import APP, GROUP, TOKEN, Story

from tmcfakes.faults import Close, Corrupt, PlannedFault, Restart
from tmcspec.clauses import CLAUSES, Binds, Judgement, Level, judge_trace
from tmcspec.clauses.history import History
from tmcspec.events import (
    Accepted,
    Advanced,
    ClientDied,
    ClientError,
    ClientPublished,
    ClientStarted,
    ClientStarting,
    ClientStopped,
    Closed,
    Event,
    FrameIn,
    FrameOut,
    Handled,
    Id,
    Opened,
    Produced,
    Pushed,
    Received,
    WsIn,
    WsOut,
)
from tmcspec.frame import Frame, MessageType, string
from tmcspec.messages import Confirm, ConnectAck, PullRequest, Push
from tmcspec.timing import CONFIRM_TIMEOUT
from tmcspec.trace import Entry, Trace
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.play import play

FRAMES = (FrameIn, FrameOut, WsIn, WsOut)
WIRE = (Opened, Closed, *FRAMES)
FROM_ADAPTERS = (
    Received,
    Handled,
    ClientDied,
    ClientError,
    ClientPublished,
    ClientStarted,
    ClientStarting,
    ClientStopped,
)


def outside(trace: Trace, kinds: tuple[type[Event], ...] = WIRE, *, named: bool = True) -> Trace:
    """What a proxy writes down of it, by a clock that nobody moves; perhaps without whose a connection is."""
    jumps = [(entry.seq, entry.event.seconds) for entry in trace.entries if isinstance(entry.event, Advanced)]
    places, moved = [seq for seq, _ in jumps], [0.0, *accumulate(seconds for _, seconds in jumps)]
    entries = []
    for entry in trace.entries:
        event = entry.event
        if isinstance(event, kinds):
            if isinstance(event, Opened) and not named:
                event = replace(event, client=None)
            time = round(entry.time - moved[bisect_right(places, entry.seq)], 3)
            entries.append(Entry(seq=entry.seq, time=time, event=event))
    handlers = Handled in kinds
    return replace(trace, entries=tuple(entries), world="recorded", handlers=handlers)


def part(trace: Trace, begin: float, end: float) -> Trace:
    """From one share of its entries to another."""
    size = len(trace.entries)
    return replace(trace, entries=trace.entries[int(size * begin) : int(size * end)])


#: What may be recorded of a day.
RECORDINGS: dict[str, Callable[[Trace], Trace]] = {
    "all": outside,
    "unnamed": lambda trace: outside(trace, named=False),
    "frames": lambda trace: outside(trace, FRAMES),
    "without ends": lambda trace: outside(trace, (Opened, *FRAMES)),
    "with handlers": lambda trace: outside(trace, (*WIRE, *FROM_ADAPTERS)),
}


@functools.cache
def day(seed: int, clients: int, *, stormy: bool) -> Trace:
    """A day of the reference core. Networks that change what clients say are left out: no proxy can tell,
    and TCP has checksums.
    """
    plan = draw_plan(seed, hours=2, clients=clients, messages=120, stormy=stormy, quiet=700)
    faults = tuple(fault for fault in plan.faults if not isinstance(fault, Corrupt))
    return play(replace(plan, faults=faults), subject_of("reference"))


def accused(trace: Trace) -> dict[str, str]:
    """Every MUST and SHOULD that somebody broke, and how."""
    found = (each for each in judge_trace(trace) if each.violations and each.clause.level is not Level.INFO)
    return {each.clause.id: each.violations[0].message for each in found}


@functools.cache
def accused_on(seed: int, clients: int, *, stormy: bool) -> dict[str, str]:
    """What is wrong with a day for who knows everything."""
    return accused(day(seed, clients, stormy=stormy))


@pytest.mark.parametrize("recording", RECORDINGS)
@pytest.mark.parametrize("clients", [1, 3])
@pytest.mark.parametrize("stormy", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nobody_is_accused_for_what_a_recording_leaves_out(
    seed: int, stormy: bool, clients: int, recording: str
) -> None:
    whole = day(seed, clients, stormy=stormy)
    before, recorded = accused_on(seed, clients, stormy=stormy), RECORDINGS[recording](whole)
    for begin, end in [(0, 1), (0, 0.5), (0.3, 0.7), (0.9, 1)]:
        found = accused(part(recorded, begin, end))
        assert {id: why for id, why in found.items() if id not in before} == {}, (begin, end)


def test_a_recording_exercises_what_clients_owe_on_the_wire() -> None:
    judgements = judge_trace(outside(day(0, 3, stormy=True)))
    exercised = {each.clause.id: each.exercised for each in judgements if each.exercised}
    wanted = {"HSK-1", "HSK-2", "HSK-5", "HSK-8", "ACK-6", "ACK-7", "ACK-10", "LID-1", "CON-3", "CON-4", "FRM-13"}
    assert wanted <= exercised.keys()
    assert exercised["ACK-7"] > 100
    assert not [id for id in exercised if CLAUSES[id].binds is Binds.SERVICE or CLAUSES[id].needs_handlers]


# Clients with a defect that the wire shows

TWICE: tuple[PlannedFault, ...] = (Close(at=600.0), Close(at=600.5))
FORGETS: tuple[PlannedFault, ...] = (Restart(at=600.0),)

DEFECTS: dict[str, tuple[str, tuple[PlannedFault, ...]]] = {
    "reads-ids-as-doubles": ("LID-1", ()),
    "makes-up-a-token": ("HSK-8", ()),
    "keeps-the-first-token": ("HSK-8", FORGETS),
    "confirms-twice": ("ACK-6", ()),
    "pulls-before-the-answer": ("HSK-8", ()),
    "timestamp-in-seconds": ("HSK-4", ()),
    "repeats-its-first-connect": ("CON-4", FORGETS),
    "comes-back-at-once": ("CON-3", TWICE),
    "writes-the-kind-as-text": ("ACK-10", ()),
}


@pytest.mark.parametrize("mutant", DEFECTS)
def test_what_the_wire_proves_is_held_against_a_client(mutant: str) -> None:
    clause, faults = DEFECTS[mutant]
    plan = replace(draw_plan(1, hours=0.5, clients=1, messages=20, stormy=False, quiet=700), faults=faults)
    assert clause in accused(outside(play(plan, subject_of(f"mutant:{mutant}"))))


# What is read from frames


def told(story: Story, kinds: tuple[type[Event], ...] = WIRE) -> Trace:
    return outside(story.trace(), kinds)


def judged(clause: str, trace: Trace) -> Judgement:
    (judgement,) = judge_trace(trace, [CLAUSES[clause]])
    return judgement


def messages(clause: str, trace: Trace) -> list[str]:
    return [finding.message for finding in judged(clause, trace).violations]


def test_an_answer_without_an_error_accepts_and_a_push_frame_pushes() -> None:
    story = Story()
    story.connect(client="client")
    story.push(7, "text", user_id=5)
    story.push(7)
    history = History(told(story))
    (accepted,) = history.events(Accepted)
    assert accepted.event == Accepted(connection="c1", app_key=APP, group=GROUP, token=TOKEN)
    (produced,) = history.events(Produced)
    assert (produced.event.message, produced.event.content, produced.event.user_id) == (Id(7), "text", Id(5))
    assert [at.event.attempt for at in history.events(Pushed)] == [1, 2]


def test_an_error_and_an_answer_without_a_token_or_a_question_accept_nobody() -> None:
    story = Story()
    story.connects()
    story.refuses()
    story.connects()
    story.accepts(token=None)
    story.open()
    story.hears(ConnectAck(token=TOKEN, flag=1))
    assert list(History(told(story)).events(Accepted)) == []


def test_frames_that_make_no_sense_tell_nothing() -> None:
    story = Story()
    story.open()
    story.says(b"garbage")
    story.says(Frame(type=MessageType.SEND, content=(string("__kind", "x"),)))
    story.hears(b"garbage")
    history = History(told(story))
    assert len(history.trace.entries) == 4


def test_content_that_cannot_be_unfolded_is_none() -> None:
    story = Story()
    story.connect()
    story.hears(Push(token=TOKEN, id=7, topic="t", content=b"no gzip"))
    (produced,) = History(told(story)).events(Produced)
    assert produced.event.content is None


def test_whose_message_it_is_that_comes_on_an_older_connection_is_not_known() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.confirm(7)
    trace = told(story)
    later = replace(trace, entries=trace.entries[3:])
    assert list(History(later).events(Produced)) == []
    assert judged("ACK-7", later).result == "pass"


def test_evidence_is_what_was_recorded() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.confirm(7)
    again = story.confirm(7)
    trace = told(story)
    (finding,) = judged("ACK-6", trace).violations
    assert finding.evidence[-1] == again
    assert set(finding.evidence) <= set(trace.entries)


def test_a_trace_with_something_from_the_service_is_left_as_it_is() -> None:
    story = Story()
    story.connect()
    trace = outside(story.trace(), (*WIRE, Accepted))
    history = History(trace)
    assert history.trace is trace
    assert not history.outside


# What the past, the network and the application may explain


def test_a_token_that_was_never_given_out_is_wrong_from_the_beginning() -> None:
    story = Story()
    story.connect()
    story.says(PullRequest(token="mine"))
    assert messages("HSK-8", told(story)) == ["PullRequest with a token that was never given out"]


@pytest.mark.parametrize(("seconds", "found"), [(CONFIRM_TIMEOUT - 1, []), (CONFIRM_TIMEOUT, ["7"])])
def test_what_is_confirmed_soon_after_the_beginning_may_have_been_pushed_before(
    seconds: float, found: list[str]
) -> None:
    story = Story()
    story.connect()
    story.wait(seconds)
    story.says(Confirm(token=TOKEN, id=7))
    assert messages("ACK-7", told(story)) == [f"{id} was confirmed and had not been pushed" for id in found]


@pytest.mark.parametrize(("by", "found"), [("service", ["0.100 s between two attempts"]), ("client", [])])
def test_a_client_that_left_by_itself_may_have_been_started_anew(by: str, found: list[str]) -> None:
    story = Story()
    story.connect(client="client")
    story.close(by)  # type: ignore[arg-type]
    story.wait(0.1)
    story.connect(client="client")
    assert messages("CON-3", told(story)) == found


def test_connections_of_nobody_may_be_of_several_clients() -> None:
    story = Story()
    story.connect()
    story.close("service")
    story.wait(0.1)
    story.connect()
    assert messages("CON-3", told(story)) == []


@pytest.mark.parametrize("heard", [True, False])
def test_a_client_that_does_not_answer_is_late_when_it_was_heard_of_later(heard: bool) -> None:
    story = Story()
    story.connect(client="client")
    story.push(7)
    story.confirm(7, lost=True)
    story.push(7)
    story.wait(CONFIRM_TIMEOUT)
    if heard:
        story.pull()
    story.wait(1)
    story.hears_text()
    assert len(messages("ACK-8", told(story))) == heard


def test_a_client_that_does_not_come_back_may_have_been_kept_away() -> None:
    story = Story()
    story.connect(client="client")
    story.close("service")
    story.wait(3600)
    story.hears_text()
    assert judged("CON-1", told(story)).result == "not_exercised"
