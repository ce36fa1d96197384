"""Judges and traces of all kinds: good, empty, hostile and large."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import APP, CONFIRM, CONSUME, EPOCH_MS, GROUP, TOKEN, USER, Story
from test_clauses_service_is_right import Life

from tmcspec import strategies
from tmcspec.clauses import CLAUSES, Binds, Level, judge_trace
from tmcspec.events import (
    EVENTS,
    ClientDied,
    ClientError,
    ClientPublished,
    ClientStarted,
    ClientStopped,
    Consumed,
    Event,
    FrameIn,
    FrameOut,
    Handled,
    Id,
    Produced,
    Pushed,
    Received,
)
from tmcspec.frame import Frame, MessageType, encode
from tmcspec.instruction import Instruction
from tmcspec.messages import Confirm, Connect, Fail, Publish, PullRequest, Push
from tmcspec.timing import QUIET
from tmcspec.trace import Entry, Trace

FROM_ADAPTERS = (Received, Handled, ClientError, ClientPublished, ClientStarted, ClientStopped, ClientDied)

# Hostile traces

NAMES = st.sampled_from(["c1", "c2", "c3"])
CLIENTS = st.sampled_from(["client", "other"])
FAULTS = ["unreachable", "connectack", "lose_confirm", "disconnect", "abort", "else", "latency", "down"]
FAULTS += ["corrupt", "corrupt_field", "drop"]
IDS = st.sampled_from([0, 7, 8, 200, -56, -5, 2**53, 2**53 + 1, 2**63 - 1, 2**64 - 5, 10**20 - 1, 1 - 10**20]).map(Id)
CONTENTS = st.sampled_from(
    ["", "{}", "{", "棉", '{"tmcspec": 1}']
    + [
        Instruction(outcome=outcome, delay_ms=delay).content()
        for outcome in ("ok", "fail", "raise", "hang")
        for delay in (0, 2000)
    ]
)
SIGNED_64 = st.integers(-(2**63), 2**63 - 1)
ARGUMENTS = st.sampled_from(
    [("quantity", text) for text in ("", "0", "10", "x", "9" * 5000)]
    + [
        (name, text)
        for name in ("s_message_ids", "f_message_ids")
        for text in ("", ",", "7", "7,8,8", f"{2**53},-5", "9.007E+15", "1e999999999", "7 ,x", "9" * 5000)
    ]
    + [("group_name", "other")]
)


def messages() -> st.SearchStrategy[bytes]:
    """What clients and the service say to each other, in any direction, sensible or not."""
    tokens = st.sampled_from([None, TOKEN, "t"])
    ids = st.none() | st.sampled_from([7, 8, 200, -56, 2**53, 2**53 + 1]) | SIGNED_64
    return st.one_of(
        st.builds(Confirm, token=tokens, id=ids).map(lambda said: encode(said.to_frame())),
        st.builds(Fail, token=tokens, id=ids, reason=st.none() | st.text("x", max_size=130)).map(
            lambda said: encode(said.to_frame())
        ),
        st.builds(PullRequest, token=tokens).map(lambda said: encode(said.to_frame())),
        st.builds(
            Publish,
            token=tokens,
            flag=st.integers(-1, 2),
            topic=st.sampled_from(["t", "u"]),
            content=st.sampled_from(["", "{}"]),
        ).map(lambda said: encode(said.to_frame())),
        st.builds(
            Connect,
            app_key=st.just(APP),
            group=st.just(GROUP),
            timestamp=st.sampled_from(["", "0", "9" * 19, "9" * 20, "9" * 5000, "x", "١٢٣"]),
            sign=st.just("A" * 32),
            flag=st.integers(0, 2),
        ).map(lambda said: encode(said.to_frame())),
        st.builds(
            Push,
            token=tokens,
            id=ids,
            topic=st.none() | st.just("t"),
            content=st.sampled_from([None, "", "{}", b"\x1f\x8b"]),
            data_id=st.none() | SIGNED_64,
            time=st.none() | SIGNED_64,
            out_time=st.none() | SIGNED_64,
            retried=st.none() | st.integers(0, 127),
        ).map(lambda said: encode(said.to_frame())),
        st.builds(
            Frame,
            type=st.sampled_from([MessageType.CONNECTACK, MessageType.SENDACK, 9]),
            token=tokens,
            flag=st.integers(0, 2),
            status_code=st.integers(0, 2),
            status_phrase=st.none() | st.just("no"),
        ).map(encode),
        strategies.mutated(),
    )


def members(kind: type[Event]) -> st.SearchStrategy[Any]:
    """Any event of this kind: names and ids are few, so that events meet; all else is what its type allows."""
    special: dict[str, st.SearchStrategy[Any]] = {
        "connection": NAMES,
        "client": CLIENTS,
        "message": IDS,
        "app_key": st.just(APP),
        "group": st.just(GROUP),
        "token": st.sampled_from([TOKEN, "t"]),
        "content": CONTENTS,
        "name": st.sampled_from(FAULTS),
        "detail": st.sampled_from(["", "stream=upstream", "stream=downstream"]),
        "topic": st.sampled_from(["t", "u"]),
        "topics": st.sampled_from([(), ("t",), ("u", "*")]),
        "request": st.integers(1, 3),
        "method": st.sampled_from([None, CONSUME, CONFIRM, "x"]),
        "arguments": st.lists(ARGUMENTS, max_size=3).map(tuple),
        "value": st.sampled_from([None, -1, 0, 1, 2, 32, 2**63 - 1]),
        "target": st.none() | NAMES | CLIENTS | st.sampled_from(["nobody", "*"]),
        "seconds": st.floats(0, 1e6),
        "opcode": st.sampled_from(["text", "ping", "close"]),
        "fragments": st.integers(1, 3),
        "op": st.sampled_from([None, "start", "publish"]),
        "attempt": st.integers(-1, 200),
        "code": st.integers(0, 30),
    }
    hints = get_type_hints(kind)
    drawn = {}
    for member in fields(kind):
        if not member.init:
            continue
        shape = hints[member.name]
        if member.name in special:
            drawn[member.name] = special[member.name]
            if type(None) in get_args(shape):
                drawn[member.name] |= st.none()
        else:
            drawn[member.name] = st.from_type(shape) if Id not in (shape, *get_args(shape)) else st.none() | IDS
    if kind in (FrameIn, FrameOut):
        drawn["data"] = messages()
    return st.fixed_dictionaries(drawn)


def events() -> st.SearchStrategy[Event]:
    return st.one_of([members(kind).map(lambda values, kind=kind: kind(**values)) for kind in EVENTS.values()])  # type: ignore[misc]


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    entries, now = [], 0.0
    for seq, event in enumerate(draw(st.lists(events(), max_size=40)), start=1):
        now += draw(st.sampled_from([0.0, 0.0, 0.5, 5.0, 61.0, 360.0, 90_000.0]))
        entries.append(Entry(seq=seq, time=now, event=event))
    return Trace(
        entries=tuple(entries),
        world=draw(st.sampled_from(["simulated", "live", "recorded"])),
        handlers=draw(st.booleans()),
        patience=draw(st.sampled_from([1.0, 60.0])),
        client_clock=draw(st.booleans()),
        epoch_ms=draw(st.sampled_from([0, EPOCH_MS, 2**63 - 1, -(2**63)])),
    )


@settings(max_examples=100, deadline=None)
@given(traces())
def test_no_judge_trips_over_any_trace(trace: Trace) -> None:
    places = {entry.seq for entry in trace.entries}
    for judgement in judge_trace(trace):
        assert judgement.exercised >= len(judgement.violations)
        for finding in judgement.violations:
            assert finding.message
            assert finding.evidence
            assert {entry.seq for entry in finding.evidence} <= places
            assert list(finding.evidence) == list(dict.fromkeys(finding.evidence))


def test_an_empty_trace_exercises_nothing() -> None:
    assert {judgement.result for judgement in judge_trace(Trace(entries=()))} == {"not_exercised"}


@pytest.mark.parametrize("event", [Received(client="c", message=None), Received(client="c", message=Id(7))])
def test_a_handler_that_is_called_for_nothing_known_exercises_nothing(event: Event) -> None:
    trace = Trace(entries=(Entry(seq=1, time=0.0, event=event),), handlers=True)
    assert {judgement.result for judgement in judge_trace(trace)} == {"not_exercised"}


def good() -> Trace:
    """A good client of a good service."""
    story = Story()
    story.connect()
    story.started()
    for id in range(4160600490938325004, 4160600490938325014):
        story.push(id, user_id=id)
        story.received(id, user_id=id)
        story.handled(id)
        story.confirm(id)
    story.push(7)
    story.handles(7, "fail")
    story.fail(7, "no stock")
    story.wait(360)
    story.push(7)
    story.takes(7)
    story.close("service")
    story.wait(10)
    story.connect()
    story.wait(3600)
    story.consume(8)
    story.handles(8)
    story.confirm_by_http(8)
    story.authorises()
    story.permits()
    story.groups_user("vip")
    story.produce(9, user_id=USER, kind="broadcast", group="vip", routed="user")
    story.connect(group="vip")
    story.push(9)
    story.takes(9)
    story.stopped()
    story.close("client")
    return story.trace()


def bad_day() -> Trace:
    """Two good clients of one group, on a day when much goes wrong, and the quiet time behind it."""
    story = Story()
    for client in ("client", "other"):
        story.connect(client=client)
        story.started(client=client)
    story.sets_mode("pull")
    story.sets_mode("push")
    story.fault("timeout", "client")
    story.push(7, on="c1")
    story.fault("refuse_upgrade", detail="status=503")
    story.wait(100)
    story.heals("timeout", "client")
    story.close("fault", on="c1")
    story.attempts("client")
    story.wait(20)
    story.attempts("client")
    story.heals("refuse_upgrade", detail="status=503")
    story.wait(20)
    story.connect(client="client")
    story.wait(220)
    story.push(7, on="c2")
    story.handles(7, client="other")
    story.confirm(7, on="c2")
    story.fault("corrupt", "other", "stream=upstream")
    story.push(8, on="c2")
    story.handles(8, client="other")
    story.says(b"garbage", on="c2")
    story.close("service", on="c2")
    story.heals("corrupt", "other", "stream=upstream")
    story.wait(5)
    story.connect(client="other")
    story.wait(355)
    story.push(8)
    story.takes(8, client="other")
    story.consume(9)
    story.handles(9)
    story.confirm_by_http(9)
    story.produce(10)
    story.wait(0.5)
    story.push(10, on="c3")
    story.handles(10)
    story.confirm(10, on="c3")
    story.wait(QUIET)
    return story.trace()


def guilty(trace: Trace) -> list[str]:
    """The clauses that somebody broke; those that only count accuse nobody."""
    found = (judgement.clause for judgement in judge_trace(trace) if judgement.violations)
    return [clause.id for clause in found if clause.level is not Level.INFO]


DAYS = {"good": good(), "bad": bad_day()}


@pytest.mark.parametrize("day", DAYS)
def test_good_clients_of_a_good_service_break_nothing(day: str) -> None:
    assert guilty(DAYS[day]) == []


def recorded(trace: Trace) -> Trace:
    """The same, as somebody recorded it who knows of no run."""
    entries = tuple(replace(entry, seq=seq) for seq, entry in enumerate(trace.entries, start=1))
    return replace(trace, entries=entries, world="recorded")


def wire(trace: Trace) -> Trace:
    """What can be seen of it from the outside."""
    entries = tuple(entry for entry in trace.entries if not isinstance(entry.event, FROM_ADAPTERS))
    return replace(trace, entries=entries, handlers=False)


def unproduced(trace: Trace) -> Trace:
    """The same by somebody who does not see what is put in."""
    return replace(trace, entries=tuple(entry for entry in trace.entries if not isinstance(entry.event, Produced)))


@pytest.mark.parametrize("cut", [lambda trace: trace, recorded, wire, unproduced, lambda trace: recorded(wire(trace))])
@pytest.mark.parametrize("day", DAYS)
def test_good_clients_break_nothing_where_a_trace_shows_only_part_of_it(
    day: str, cut: Callable[[Trace], Trace]
) -> None:
    whole = DAYS[day]
    for first in range(len(whole.entries)):
        part = cut(replace(whole, entries=whole.entries[first:]))
        assert guilty(part) == [], f"entries from {whole.entries[first].seq} on"


@pytest.mark.parametrize("seed", [0, 3])
def test_a_good_service_breaks_nothing_where_a_trace_begins_later(seed: int) -> None:
    whole = Life(seed).live(150)
    bound = [clause for clause in CLAUSES.values() if clause.binds is Binds.SERVICE]
    for first in range(0, len(whole.entries), len(whole.entries) // 10):
        for cut in (lambda trace: trace, recorded, unproduced):
            part = cut(replace(whole, entries=whole.entries[first:]))
            assert [each.clause.id for each in judge_trace(part, bound) if each.violations] == []


# Large traces


def ordinary(size: int) -> Trace:
    """Messages that are handled one by one."""
    story = Story()
    story.connect()
    for id in range(size):
        story.push(id)
        story.takes(id)
    story.wait(600)
    return story.trace()


def unanswered(size: int) -> Trace:
    """Messages that a client takes and never answers, until it dies."""
    story = Story()
    story.connect()
    for id in range(size):
        story.push(2**53 + id, told=Instruction(outcome="raise", delay_ms=2000))
        story.handles(2**53 + id, "raise")
    story.wait(600)
    story.died()
    return story.trace()


def repeated(size: int) -> Trace:
    """One message, again and again, answered twice each time, on connections that never last."""
    story = Story()
    for _ in range(size):
        story.connect()
        story.push(7)
        story.takes(7)
        story.confirm(7)
        story.hears(b"\x02")
        story.close("client")
    story.wait(600)
    return story.trace()


def produced(size: int) -> Trace:
    """Messages that nobody takes."""
    story = Story()
    story.connect()
    for id in range(size):
        story.push(id)
    for _ in range(size):
        story.record(Pushed(message=Id(3), connection="c1", attempt=1))
        story.fail(3)
    story.wait(600)
    return story.trace()


def deadly(size: int) -> Trace:
    """Handlers that raise at one client, and deaths of another."""
    story = Story()
    story.connect()
    for id in range(size):
        story.push(id, told=Instruction(outcome="raise"))
        story.handles(id, "raise")
    for _ in range(size):
        story.died(client="other")
    return story.trace()


def refused(size: int) -> Trace:
    """Connections that the service refuses and ends, and errors of which the application never hears as such."""
    story = Story()
    for _ in range(size):
        story.connect()
        story.connects_again()
        story.refuses()
        story.close("service")
        story.wait(60)
    for _ in range(size):
        story.error("publish")
        story.fault("else")
    return story.trace()


def consumed(size: int) -> Trace:
    """Messages that are handed out over HTTP, all by requests of one number, and confirmed there all at once."""
    story = Story()
    for id in range(size):
        story.consume(id)
        story._requests = 0
    story.wait(100)
    story.confirm_by_http(*range(size))
    for _ in range(size):
        story.record(Consumed(message=Id(3), attempt=1, request=1))
        story.fail_by_http(3)
    return story.trace()


def awaited(size: int) -> Trace:
    """Messages that wait, and connections that come and go without taking them."""
    story = Story()
    for id in range(size):
        story.produce(id)
        story.connect()
        story.close()
    for _ in range(size):
        story.connect()
        story.sets_flow(1)
        story.sets_flow(None)
    story.wait(600)
    return story.trace()


def governed(size: int) -> Trace:
    """An operator who cannot leave it, and a retention that shrinks all the time."""
    story = Story()
    for id in range(size):
        story.authorises(id)
        story.permits("a", user=id)
        story.groups_user("vip", id)
        story.produce(id, user_id=id, kind="broadcast", group="vip", routed="user")
    for id in range(size):
        story.sets_retention(1e6 - id)
        story.cancels(id)
        story.subscribes(str(id))
        story.creates_group(str(id))
    story.wait(600)
    story.connect(group="vip")
    for id in range(size):
        story.push(id)
    return story.trace()


def published(size: int) -> Trace:
    """Publishes that are all alike, and of which the application is told at the end."""
    story = Story()
    story.connect()
    for flag in range(1, size + 1):
        story.publishes(flag=flag)
        story.published()
    for flag in range(1, size + 1):
        story.acknowledges(flag=flag)
    for _ in range(size):
        story.told_of_publish()
        story.told_of_publish(error="no")
    return story.trace()


def limited(size: int) -> Trace:
    """A backlog that is pushed too fast, fails, and comes again."""
    story = Story()
    story.connect()
    story.sets_flow(1)
    story.wait(11)
    for id in range(size):
        story.produce(id)
    for _ in range(2):
        for id in range(size):
            story.wait(0.1)
            story.push(id)
            story.fail(id)
        story.wait(500)
    return story.trace()


def polled(size: int) -> Trace:
    """Polls for messages that wait and do not come, or come again and again, and confirms of rounded ids."""
    story = Story()
    for id in range(size):
        story.produce(id)
        story.consume()
        story.consume(2**53 + id, 2**53 + id)
        story.confirm_by_http(2**53 + id - 1, 2**53 + id - 1)
        story.requests("x", sign="wrong")
        story.answers(25)
    return story.trace()


def hindered(size: int) -> Trace:
    """Faults that last, one in the other, on everybody and on connections of a client that comes and goes, and answers
    nothing.
    """
    story = Story()
    for number in range(size):
        story.fault("latency", "client", str(number))
        story.fault("corrupt", "other", str(number))
        story.connect(client="client")
        story.fault("down", story.connection)
        story.fault("corrupt", story.connection, "stream=downstream")
        story.push(7)
        story.received(7)
        story.handled(7)
        story.attempts("client")
        story.close("service")
        story.push(2**53 + number)
    for number in range(size):
        story.wait(1)
        story.heals("latency", "client", str(number))
        story.fault("abort", "client")
    story.wait(3600)
    return story.trace()


def fleet(size: int) -> Trace:
    """Many clients of one group, and messages that are lost with them."""
    story = Story()
    for number in range(size):
        story.connect(client=str(number % 50))
        story.started(client=str(number % 50))
        story.push(number)
        story.push(7)
        story.received(7, client=str(number % 7))
        story.hears(b"\x02")
        story.died(client=str(number % 50))
        story.close("service")
    story.wait(3600)
    return story.trace()


@pytest.mark.parametrize(
    "tell",
    [
        ordinary,
        unanswered,
        repeated,
        produced,
        deadly,
        refused,
        consumed,
        awaited,
        governed,
        published,
        limited,
        polled,
        hindered,
        fleet,
    ],
)
def test_judging_a_trace_eight_times_as_long_takes_about_eight_times_as_many_steps(
    tell: Callable[[int], Trace],
) -> None:
    # Judges that compared all with all would take sixty-four times as many.
    assert steps(tell(800)) < 10 * steps(tell(100))


def steps(trace: Trace) -> int:
    """How many calls judging a trace takes, of Python and of C: the same on every machine."""
    count = 0

    def step(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        judge_trace(trace)
    finally:
        sys.setprofile(before)
    return count
