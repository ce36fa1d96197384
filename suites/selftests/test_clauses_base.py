"""Judging: clauses and their catalogue, the history that judges read, and traces of all kinds, hostile ones too."""

from __future__ import annotations

import doctest
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stories import APP, EPOCH_MS, GROUP, TOKEN, Story

import tmcspec.clauses
from tmcfakes.service import App, Service
from tmcspec import strategies
from tmcspec.clauses import AREAS, CLAUSES, Binds, Clause, Level, judge, judge_trace
from tmcspec.clauses.base import Catalogue, Finding, broken, held
from tmcspec.clauses.history import History
from tmcspec.events import EVENTS, Closed, Event, FrameIn, FrameOut, Id, Produced, Pushed, Received
from tmcspec.frame import Frame, MessageType, encode
from tmcspec.instruction import Instruction
from tmcspec.messages import Confirm, Connect, Fail, PullRequest, Push
from tmcspec.signing import sign_connect
from tmcspec.trace import Entry, Recorder, Trace, decoded

# Clauses and their catalogue


def empty(*, handlers: bool = True) -> History:
    return History(Trace(entries=(), handlers=handlers))


def clause_with(judge: Callable[[History], list[Finding]], **more: Any) -> Clause:
    return Clause(
        id="ABC-1", level=Level.MUST, binds=Binds.CLIENT, statement="s", source="s", rationale="r", judge=judge, **more
    )


def test_a_judge_that_finds_nothing_leaves_its_clause_not_exercised() -> None:
    judgement = judge(clause_with(lambda history: []), empty())
    assert (judgement.result, judgement.exercised, judgement.violations) == ("not_exercised", 0, ())


def test_a_judge_that_only_finds_what_held_passes() -> None:
    judgement = judge(clause_with(lambda history: [held(), held()]), empty())
    assert (judgement.result, judgement.exercised) == ("pass", 2)


def test_one_violation_among_others_counts() -> None:
    wrong = broken("no")
    judgement = judge(clause_with(lambda history: [held(), wrong]), empty())
    assert (judgement.result, judgement.exercised, judgement.violations) == ("violated", 2, (wrong,))


def test_a_clause_that_needs_handlers_is_not_judged_on_the_wire_alone() -> None:
    clause = clause_with(lambda history: [broken("no")], needs_handlers=True)
    assert judge(clause, empty(handlers=False)).result == "not_exercised"
    assert judge(clause, empty()).result == "violated"


def test_a_catalogue_takes_the_rationale_from_the_judge() -> None:
    catalogue = Catalogue()

    @catalogue.clause("ABC-1", Level.SHOULD, Binds.SERVICE, "It does.", source="S1", capability="fail")
    def it_does(history: History) -> Iterator[Finding]:
        """Because.

        And why not.
        """
        yield held()

    clause = catalogue["ABC-1"]
    assert clause.rationale == "Because.\n\nAnd why not."
    assert (clause.area, clause.capability, clause.judge) == ("ABC", "fail", it_does)


def test_a_clause_cannot_be_declared_twice() -> None:
    catalogue = Catalogue()
    declare = catalogue.clause("ABC-1", Level.MUST, Binds.CLIENT, "s", source="s")
    declare(lambda history: [])
    with pytest.raises(ValueError, match="clause ABC-1 is declared twice"):
        declare(lambda history: [])


@pytest.mark.parametrize("id", ["ABC1", "abc-1", "ABCD-1", "ABC-0", "ABC-01", ""])
def test_a_clause_id_that_is_malformed_is_refused(id: str) -> None:
    with pytest.raises(ValueError, match=r"three capital letters, a dash and a number, as ACK-2; not"):
        Catalogue().clause(id, Level.MUST, Binds.CLIENT, "s", source="s")(lambda history: [])


@pytest.mark.parametrize("clause", CLAUSES.values(), ids=list(CLAUSES))
def test_every_clause_says_what_it_wants_where_it_comes_from_and_why(clause: Clause) -> None:
    assert clause.statement.endswith(".")
    assert clause.source
    assert clause.rationale
    assert clause.area in AREAS
    assert "  " not in clause.statement


def test_every_area_has_clauses_in_their_order() -> None:
    areas = [clause.area for clause in CLAUSES.values()]
    assert list(dict.fromkeys(areas)) == list(AREAS)
    numbers = [int(id[4:]) for id in CLAUSES]
    assert all(a < b for a, b, x, y in zip(numbers, numbers[1:], areas, areas[1:], strict=False) if x == y)


def test_the_examples_in_the_documentation_are_right() -> None:
    assert doctest.testmod(tmcspec.clauses).failed == 0


def test_a_trace_can_be_judged_by_some_clauses() -> None:
    story = Story()
    story.connect()
    chosen = [CLAUSES["HSK-1"], CLAUSES["ACK-1"]]
    assert [(each.clause.id, each.result) for each in judge_trace(story.trace(), chosen)] == [
        ("HSK-1", "pass"),
        ("ACK-1", "not_exercised"),
    ]


# The history


def test_the_clients_clock_leaves_out_the_seconds_that_the_services_was_moved() -> None:
    story = Story()
    first = story.open()
    story.wait(5)
    moved = story.advance(360)
    story.wait(5)
    last = story.close()
    history = History(story.trace())
    assert history.between(first, last) == 10
    assert history.between(first, moved) == 5
    assert history.left(moved) == 5


def test_an_entry_is_looked_up_by_kind_before_and_after_another() -> None:
    story = Story()
    first, second, third = story.open(), story.open(), story.close()
    history = History(story.trace())
    kind = type(first.event)
    after, before = history.first_after(kind, first), history.last_before(kind, third)
    assert after
    assert before
    assert (after.entry, before.entry) == (second, second)
    assert history.first_after(kind, second) is None
    assert history.last_before(Closed, second) is None


def test_a_slow_handler_is_done_with_the_delivery_that_it_began_with() -> None:
    story = Story(world="live")
    story.connect()
    story.push(7)
    story.received(7)
    story.advance(360)
    story.push(7)
    story.received(7)
    story.handled(7, "fail")
    story.handled(7)
    first, second = History(story.trace()).deliveries
    assert first.handled
    assert second.handled
    assert (first.handled.event.outcome, second.handled.event.outcome) == ("fail", "ok")


def test_what_a_client_was_at_work_on_ends_with_its_process() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.received(7)
    story.died()
    story.close("client")
    story.connect()
    story.wait(360)
    story.push(7)
    story.received(7)
    done = story.handled(7)
    first, second = History(story.trace()).deliveries
    assert first.handled is None
    assert second.handled
    assert second.handled.entry == done


def test_a_handler_that_was_never_called_and_is_done_belongs_to_the_latest_delivery() -> None:
    story = Story()
    story.connect()
    story.push(7)
    done = story.handled(7)
    story.handled(7)
    (delivery,) = History(story.trace()).deliveries
    assert delivery.handled
    assert delivery.handled.entry == done
    assert delivery.received is None


def test_a_delivery_whose_connection_is_closed_does_not_arrive_any_more() -> None:
    story = Story(world="live")
    story.connect()
    story.push(7)
    story.close("fault")
    story.advance(360)
    story.connect()
    story.push(7)
    story.received(7)
    first, second = History(story.trace()).deliveries
    assert (first.received, second.received is not None) == (None, True)


def test_a_delivery_that_a_client_did_not_take_in_time_does_not_arrive_any_more() -> None:
    story = Story()
    story.connect()
    story.push(7)
    story.wait(360)
    story.push(7)
    story.received(7)
    # A third call has no delivery of its own.
    story.received(7)
    first, second = History(story.trace()).deliveries
    assert (first.received, second.received is not None) == (None, True)


def test_what_a_rounding_client_shows_belongs_to_the_message_that_was_sent() -> None:
    story = Story()
    story.connect()
    story.produce(2**53)
    story.push(2**53 + 1)
    story.received(2**53)
    (delivery,) = History(story.trace()).deliveries
    assert delivery.received


def test_programs_without_an_adapter_are_told_nothing() -> None:
    for handlers in (True, False):
        story = Story(handlers=handlers)
        story.connect()
        story.push(7, told=Instruction(outcome="hang"))
        (delivery,) = History(story.trace()).deliveries
        assert delivery.instruction.outcome == ("hang" if handlers else "ok")


def test_a_message_is_reachable_while_one_connection_takes_its_group_all_the_time() -> None:
    story = Story()
    message = story.produce(7).event
    assert isinstance(message, Produced)
    story.wait(10)
    story.connect()
    story.wait(10)
    story.close()
    story.connect()
    history = History(story.trace())
    assert history.reachable(message, 10, 20)
    assert history.reachable(message, 20, 1e9)
    assert not history.reachable(message, 9, 20)
    assert not history.reachable(message, 15, 25)
    other = Produced(message=Id(8), app_key=APP, group="other", topic="t")
    assert not history.reachable(other, 10, 20)


# The order of stories is that of the service


def test_a_story_records_in_the_order_of_the_real_service() -> None:
    recorder = Recorder()
    app = App(key=APP, secret="secret")
    service = Service(apps=[app], recorder=recorder, rng=random.Random(0), epoch_ms=EPOCH_MS)
    sign = sign_connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), secret="secret")
    connect = Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign=sign, flag=1)
    wrong = Connect(app_key=APP, group=GROUP, timestamp=str(EPOCH_MS), sign="A" * 32, flag=1)
    service.opened("c1", now=0.0)
    service.received("c1", encode(connect.to_frame()), now=0.0)
    service.produce(app_key=APP, topic="t", content="{}", id=7, now=0.0)
    service.received("c1", encode(Confirm(token=TOKEN, id=8).to_frame()), now=0.0)
    service.received("c1", encode(Fail(token=TOKEN, id=7).to_frame()), now=0.0)
    service.lose_confirms(1)
    service.received("c1", encode(Confirm(token=TOKEN, id=7).to_frame()), now=0.0)
    service.received("c1", encode(Confirm(token=TOKEN, id=7).to_frame()), now=0.0)
    service.opened("c2", now=0.0)
    service.received("c2", encode(wrong.to_frame()), now=0.0)

    story = Story()
    story.connect()
    story.push(7)
    story.confirm(8)
    story.fail(7)
    story.confirm(7, lost=True)
    story.confirm(7)
    story.connects(sign="wrong")
    story.refuses()
    told = [entry.event.name for entry in story.trace().entries[:-1]]
    assert [entry.event.name for entry in recorder.entries] == told
    assert judge_trace(Trace(entries=tuple(recorder.entries), epoch_ms=EPOCH_MS))[0].result == "pass"


# Hostile traces

NAMES = st.sampled_from(["c1", "c2", "c3"])
CLIENTS = st.sampled_from(["client", "other"])
IDS = st.sampled_from([0, 7, 8, 200, -56, -5, 2**53, 2**53 + 1, 2**63 - 1, 2**64 - 5, 10**20 - 1, 1 - 10**20]).map(Id)
CONTENTS = st.sampled_from(
    [None, "", "{}", "{", "棉", '{"tmcspec": 1}']
    + [
        Instruction(outcome=outcome, delay_ms=delay).content()
        for outcome in ("ok", "fail", "raise", "hang")
        for delay in (0, 2000)
    ]
)
SIGNED_64 = st.integers(-(2**63), 2**63 - 1)


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
        "kind": st.sampled_from(["unreachable", "connectack", "lose_confirm", "disconnect", "abort", "else"]),
        "target": st.none() | NAMES | st.just("nobody"),
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
        shape = hints[member.name]
        if member.name in special:
            drawn[member.name] = special[member.name]
            if type(None) in get_args(shape):
                drawn[member.name] |= st.none()
        else:
            drawn[member.name] = st.from_type(shape) if Id not in (shape, *get_args(shape)) else st.none() | IDS
    if kind in (FrameIn, FrameOut):
        drawn.pop("frame")
        return messages().flatmap(
            lambda data: st.fixed_dictionaries(drawn | {"data": st.just(data), "frame": st.just(decoded(data))})
        )
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


def test_a_good_client_of_a_good_service_breaks_nothing() -> None:
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
    story.stopped()
    story.close("client")
    assert [judgement for judgement in judge_trace(story.trace()) if judgement.violations] == []


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


@pytest.mark.parametrize("tell", [ordinary, unanswered, repeated, produced])
def test_judging_a_trace_eight_times_as_long_takes_about_eight_times_as_long(tell: Callable[[int], Trace]) -> None:
    def cost(size: int) -> float:
        trace = tell(size)
        costs = []
        for _ in range(3):
            began = time.process_time()
            judge_trace(trace)
            costs.append(time.process_time() - began)
        return min(costs)

    # Judges that compared all with all would take sixty-four times as long.
    assert cost(1600) < 24 * cost(200)
