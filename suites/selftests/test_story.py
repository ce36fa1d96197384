"""A story says who did what when, and what was wrong about that, in lines that no terminal obeys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness import judgement

from tmcfakes.faults import CorruptField, Drop, Latency, Restart
from tmcspec.events import (
    Accepted,
    ClientError,
    Closed,
    Confirmed,
    Event,
    Fault,
    FrameIn,
    Handled,
    Healed,
    Id,
    Opened,
    Produced,
    Pushed,
    Received,
    UnknownConfirm,
    WsIn,
)
from tmcspec.frame import encode
from tmcspec.instruction import Instruction
from tmcspec.messages import Confirm, PullRequest
from tmcspec.trace import Entry, Trace
from tmcsuites.chaos import story as story_module
from tmcsuites.chaos.fleet import subject_of
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan, UserPlan
from tmcsuites.chaos.play import play
from tmcsuites.chaos.story import LINES_LIMIT, SENTENCES, clock, short_ids, story


def trace_of(*events: tuple[float, Event]) -> Trace:
    return Trace(entries=tuple(Entry(seq=seq, time=time, event=event) for seq, (time, event) in enumerate(events, 1)))


def produced(id: int) -> Produced:
    return Produced(message=Id(id), app_key="1", group="default", topic="t")


def pushed(id: int, connection: str = "c1", attempt: int = 1) -> Pushed:
    return Pushed(message=Id(id), connection=connection, attempt=attempt)


def frame(id: int, connection: str = "c1") -> FrameIn:
    return FrameIn(connection=connection, data=encode(Confirm(token="t", id=id).to_frame()))


PLAN = Plan(
    seconds=90.0,
    quiet=1800.0,
    clients=(ClientPlan(name="client-1", restarts=(75.5,)), ClientPlan(name="client-2", group="vip", starts=2)),
    users=(UserPlan(nick="shop-1", group="vip"),),
    messages=(
        MessagePlan(at=0.321, id=7),
        MessagePlan(at=1, id=8, nick="shop-1", told=Instruction(outcome="fail", delay_ms=1500, reason="no stock")),
        MessagePlan(at=2, id=9, group="vip", told=Instruction(delay_ms=250)),
        MessagePlan(at=3, id=10, told=Instruction(outcome="hang")),
    ),
    faults=(Latency(at=61, duration=10, delay=0.5, target="client-2"), Restart(at=80)),
)

TRACE = trace_of(
    (0.0, Opened(connection="c1", client="client-1")),
    (0.0, Accepted(connection="c1", app_key="1", group="default", token="secret-token")),
    (0.0, FrameIn(connection="c1", data=encode(PullRequest(token="t").to_frame()))),
    (0.321, produced(7)),
    (0.321, pushed(7)),
    (0.322, frame(7)),
    (0.322, Confirmed(message=Id(7), via="ws", connection="c1")),
    (1.0, produced(8)),
    (2.0, Opened(connection="c2", client="client-2")),
    (61.0, Fault(name="latency", target="client-2", detail="delay=0.5")),
    (71.0, Healed(name="latency", target="client-2", detail="delay=0.5")),
    (80.0, Fault(name="restart")),
    (80.0, Closed(connection="c1", by="fault")),
    (90.0, produced(9)),
)


def test_what_was_planned_is_told_in_order() -> None:
    lines = story(PLAN, TRACE, [])
    assert lines[: lines.index("")] == [
        "Planned:",
        "  shop-1 is a user in group vip",
        "    0.000 s  client-1 starts",
        "    0.321 s  message 7 is produced",
        "    1.000 s  message 8 is produced about shop-1; its handler works for 1.5 s and fails ('no stock')",
        "    2.000 s  client-2 starts in group vip",
        "    2.000 s  message 9 is produced for group vip; its handler works for 0.25 s",
        "    3.000 s  message 10 is produced; its handler never returns",
        "    0:01:01  fault latency for client-2: duration=10 delay=0.5",
        "    0:01:15  client-1 is restarted by its application",
        "    0:01:20  fault restart for everybody",
        "    0:31:30  the end, after 0:30:00 without faults",
    ]


def test_of_what_happened_only_that_is_told_which_the_accusation_is_about() -> None:
    evidence = [TRACE.entries[4], TRACE.entries[5]]
    lines = story(PLAN, TRACE, [judgement("ACK-2", "7 was confirmed too soon", evidence=evidence)])
    begin = lines.index("What happened:")
    assert lines[begin : lines.index("", begin)] == [
        "What happened:",
        "    0.000 s  client-1 opens connection c1",
        "    0.000 s  the service accepts c1",
        "    0.321 s  message 7 is produced",
        "    0.321 s  message 7 is pushed on c1",
        "    0.322 s  c1 from client: Confirm, __kind BYTE 2, id INT64 7",
    ]


def test_the_accusation_comes_with_its_clause_and_its_proof_and_then_the_way_to_see_it_again() -> None:
    lines = story(
        PLAN,
        TRACE,
        [judgement("LID-1"), judgement("ACK-2", "too soon", evidence=[TRACE.entries[4]])],
        again=["tmcspec replay ACK-2.json", "tmcspec simulate --seed 7"],
    )
    at = next(place for place, each in enumerate(lines) if each.startswith("ACK-2 "))
    assert lines[at] == "ACK-2 MUST: A message is never confirmed before its handler is done."
    assert lines[at + 1].startswith("source: S73")
    assert lines[at + 2 :] == [
        "     too soon",
        "            0.321 s  pushed message 7, connection 'c1', attempt 1",
        "",
        "Again:",
        "  tmcspec replay ACK-2.json",
        "  tmcspec simulate --seed 7",
    ]
    assert not any("LID-1" in each for each in lines), "a clause that was not broken accuses nobody"


def test_a_push_whose_id_was_changed_on_its_way_is_told_with_the_id_that_the_client_was_sent() -> None:
    plan = Plan(
        seconds=10.0,
        quiet=0.0,
        clients=(ClientPlan(name="client-1"),),
        messages=(MessagePlan(at=1.0, id=1), MessagePlan(at=2.0, id=2)),
        faults=(CorruptField(frame="push", at=1.5),),
    )
    trace = play(plan, subject_of("reference"))
    (strange,) = (entry for entry in trace.entries if isinstance(entry.event, UnknownConfirm))
    lines = story(plan, trace, [judgement("ACK-7", "confirmed twice", evidence=[strange])])
    assert isinstance(strange.event, UnknownConfirm)
    (name,) = short_ids([int(strange.event.id or 0)]).values()
    told = [line for line in lines if "the push that goes out" in line]
    assert told == [f"    2.000 s  the push that goes out on c1 has the id {name}, which no message has"]
    assert f"    2.000 s  message {name} is confirmed on c1, and nobody waits for that" in lines


def test_faults_that_never_acted_are_told() -> None:
    plan = replace(PLAN, faults=(*PLAN.faults, Drop(frame="sendack")))
    lines = story(plan, TRACE, [judgement("ACK-2", "too soon", evidence=[TRACE.entries[4]])])
    assert lines[lines.index("Of 3 faults, 1 never acted: drop for everybody.") - 1] == ""
    assert not any("never acted" in line for line in story(PLAN, TRACE, []))


def test_where_nobody_is_accused_the_messages_are_told() -> None:
    lines = story(PLAN, TRACE, [])
    happened = lines[lines.index("What happened:") + 1 :]
    assert "    0.322 s  message 7 is confirmed on c1" in happened
    assert "    0:01:11  fault latency for client-2 is over: delay=0.5" in happened
    assert "    0:01:20  c1 is cut by the fault" in happened
    assert not any("PullRequest" in each or "Confirm," in each for each in happened)


def test_an_empty_trace_has_a_story_too() -> None:
    assert story(Plan(), Trace(entries=()), [])[-1] == "  nothing that is worth telling"


def test_a_plan_without_quiet_ends_at_once() -> None:
    assert story(Plan(seconds=5.0, quiet=0.0), Trace(entries=()), [])[1] == "    5.000 s  the end, at once"


def test_a_token_is_not_told() -> None:
    evidence = [TRACE.entries[1]]
    told = story(PLAN, TRACE, [judgement("HSK-8", "with another token", evidence=evidence)])
    assert not any("secret-token" in line for line in told if not line.startswith("      "))


def test_a_day_that_was_not_made_smaller_is_told_in_part() -> None:
    count = 10 * LINES_LIMIT
    plan = Plan(seconds=count, messages=tuple(MessagePlan(at=id, id=id) for id in range(1, count)))
    trace = trace_of(*[(id, event) for id in range(1, count) for event in (produced(id), pushed(id))])
    proof = [entry for entry in trace.entries if entry.event in (produced(200), pushed(200))]
    lines = story(plan, trace, [judgement("ACK-1", *(str(number) for number in range(5)), evidence=proof)])
    assert lines[: lines.index("")] == [
        "Planned:",
        "    0:03:20  message 200 is produced",
        "  and 398 messages more",
        "    0:36:40  the end, after 0:30:00 without faults",
    ]
    assert "     and 2 more" in lines
    everything = story(plan, trace, [])
    assert len(everything) < 2 * LINES_LIMIT + 10


def test_what_is_told_of_too_much_is_the_proof_and_what_came_just_before() -> None:
    trace = trace_of(*[(float(time), pushed(7, attempt=time)) for time in range(1, 200)])
    lines = story(PLAN, trace, [judgement("ACK-1", "never", evidence=[trace.entries[0], trace.entries[99]])])
    told = [line for line in lines[lines.index("What happened:") :] if "is pushed on c1" in line]
    assert len(told) == LINES_LIMIT
    assert told[0] == "    1.000 s  message 7 is pushed on c1"
    assert told[-1] == "    0:01:40  message 7 is pushed on c1, for the 100. time"


def test_many_faults_are_counted() -> None:
    faults = tuple(Restart(at=time) for time in range(LINES_LIMIT + 3))
    lines = story(Plan(seconds=1000.0, faults=faults), Trace(entries=()), [])
    assert "  and 3 lines more" in lines


def test_ids_are_as_short_as_they_can_be_told_apart() -> None:
    near, far = 4_600_000_000_000_000_123, 4_600_000_000_000_010_123
    assert short_ids([near]) == {near: "…0123"}
    assert short_ids([near, far]) == {near: "…00123", far: "…10123"}
    assert short_ids([12_345_678, 123_456_789]) == {12_345_678: "12345678", 123_456_789: "…6789"}
    assert short_ids([-near, near, 123]) == {-near: str(-near), near: str(near), 123: "123"}
    assert short_ids([]) == {}


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0.000 s"), (0.3214, "0.321 s"), (59.9994, "59.999 s"), (59.9996, "0:01:00"), (60, "0:01:00"),
     (3725.9, "1:02:05"), (3599.9999, "1:00:00"), (90_061, "25:01:01")],
)  # fmt: skip
def test_times_are_told_as_people_say_them(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_no_terminal_obeys_a_story() -> None:
    evil = "\x1b[2J"
    plan = Plan(
        clients=(ClientPlan(name=evil),),
        users=(UserPlan(nick=evil),),
        messages=(MessagePlan(at=0, id=1, nick=evil, told=Instruction(outcome="raise", reason=evil * 100)),),
    )
    trace = trace_of(
        (0.0, ClientError(client=evil, error=evil * 100)),
        (0.0, WsIn(connection="c1", opcode="text", data=evil.encode())),
        (0.0, UnknownConfirm(id=None, via="ws", connection=None)),
    )
    lines = story(plan, trace, [judgement("ACK-2", evil, evidence=trace.entries)], again=[evil])
    assert all(line.isprintable() for line in lines)
    assert any("a message without id is confirmed, and nobody waits for that" in line for line in lines)
    assert max(map(len, lines)) < 300


EVERY: dict[str, Any] = {
    "message": Id(7), "id": Id(7), "client": "client-1", "connection": "c1", "group": "vip", "by": "client", "code": 0,
    "reason": "", "attempt": 2, "phrase": None, "outcome": "ok", "error": "oops", "status": "9", "name": "down",
    "target": None, "detail": "", "seconds": 5, "app_key": "1", "token": "t", "topic": "t", "via": "ws", "request": 1,
}  # fmt: skip


@pytest.mark.parametrize("kind", SENTENCES, ids=lambda kind: kind.word)
def test_every_event_that_is_told_has_a_sentence(kind: type[Event]) -> None:
    members = {name: EVERY[name] for name in kind.__dataclass_fields__ if name in EVERY}
    text = story_module._sentence(Entry(seq=1, time=0, event=kind(**members)), {7: "seven"}, frozenset())
    assert "{" not in text
    assert ("seven" in text) == ("message" in members or "id" in members)


def test_the_handler_s_side_is_told() -> None:
    trace = trace_of(
        (0.0, Received(client="client-1", message=Id(7))),
        (1.0, Handled(client="client-1", message=Id(7), outcome="ok")),
    )
    assert story(Plan(), trace, [])[-2:] == [
        "    0.000 s  client-1 hands message 7 to its handler",
        "    1.000 s  the handler of client-1 is done with message 7: ok",
    ]
