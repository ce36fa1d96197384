"""Frames are lost, changed and held back at random: the engine goes on, and so does the reference core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fault_strategies import frame_faults
from faults_by_hand import Day
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tmcfakes.faults import FrameFault, Oversize, luck
from tmcfakes.service import Service
from tmcspec.clauses import CLAUSES, Binds, Level, judge_trace
from tmcspec.events import Fault, FrameIn, Opened, Produced
from tmcspec.trace import Trace
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.casebook import Case
from tmcsuites.stage import APP_KEY, Stage
from tmcsuites.worlds import Setting, run_case

MUSTS = [clause for clause in CLAUSES.values() if clause.level is Level.MUST]

#: What may happen on a day: who does it, and what.
MOVES = st.tuples(
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["produce", "confirm", "fail", "pull", "publish", "connect", "again", "second", "minutes"]),
)


def lead(day: Day, moves: Sequence[tuple[str, str]]) -> None:
    """Lets a day take its course."""
    for place, (name, move) in enumerate(moves):
        group = "default" if name == "c1" else "shop"
        match move:
            case "produce":
                day.produce(group=group, id=place + 1)
            case "confirm":
                day.confirm(name, place)
            case "fail":
                day.fail(name, place)
            case "pull":
                day.pull(name)
            case "publish":
                day.publish(name, place + 1)
            case "connect":
                day.connect(name, group=group)
            case "again":
                day.closed(name)
                day.come(name, f"client-{name[1]}", group)
            case "second":
                day.live(day.now + 1)
            case "minutes":
                day.live(day.now + 400)


@settings(max_examples=200)
@given(faults=st.lists(frame_faults(), max_size=6), moves=st.lists(MOVES, max_size=40))
def test_the_engine_goes_on_whatever_befalls_its_frames(faults: list[FrameFault], moves: list[tuple[str, str]]) -> None:
    day = Day(*faults)
    lead(day, moves)
    day.service.clear_faults(day.now)
    day.live(day.now + 50)
    assert not day.service._outgoing.busy
    assert not day.service._incoming.busy
    assert day.service._outbox.later == []
    assert day.service._outbox._weight == 0


@settings(max_examples=100)
@given(faults=st.lists(frame_faults(), max_size=6), moves=st.lists(MOVES, max_size=40))
def test_what_clients_send_is_in_the_trace_as_they_sent_it_and_faults_say_whom_they_befell(
    faults: list[FrameFault], moves: list[tuple[str, str]]
) -> None:
    plain, day = Day(), Day(*faults)
    for each in (plain, day):
        lead(each, moves)
    assert day.events(FrameIn, Opened, Produced) == plain.events(FrameIn, Opened, Produced)
    assert {event.target for event in day.events(Fault) if isinstance(event, Fault)} <= {"c1", "c2"}


@settings(max_examples=100)
@given(faults=st.lists(frame_faults(), max_size=6), moves=st.lists(MOVES, max_size=40))
def test_what_faults_do_is_not_taken_for_the_doing_of_the_service(
    faults: list[FrameFault], moves: list[tuple[str, str]]
) -> None:
    day = Day(*faults)
    lead(day, moves)
    trace = Trace(entries=tuple(day.recorder.entries), world="simulated", epoch_ms=1_700_000_000_000)
    theirs = [clause for clause in MUSTS if clause.binds is Binds.SERVICE]
    assert [judged.violations for judged in judge_trace(trace, theirs) if judged.violations] == []


def survives(faults: Sequence[FrameFault], seed: int) -> None:
    """The reference core lives through faults, and afterwards settles everything; nobody is accused of anything."""

    def begin(service: Service, now: float) -> None:
        for key, fault in enumerate(faults):
            service.begin(key, fault, chance=partial(luck, seed, key), now=now)

    async def story(stage: Stage) -> None:
        await stage.start()
        stage.do(begin)
        for number in range(8):
            stage.produce(f'{{"number": "棉{number}"}}', data_id=2**60 + number)
            await stage.wait(7)
            if number % 3 == 1:
                await stage.publish()
                stage.do(lambda service, now: service.abort(now=now))
        stage.do(lambda service, now: service.clear_faults(now))
        for _ in range(10):
            await stage.pass_time(400)
        assert stage.do(lambda service, now: service.unsettled(APP_KEY)) == 0
        assert await stage.until(lambda: bool(stage.connections()), within=60)

    setting = Setting(
        world="simulated",
        subject=lambda wall_clock, rng: ReferenceSubject(wall_clock=wall_clock, rng=rng),
        clauses=MUSTS,
        seed=seed,
    )
    result = run_case("faults", Case(clauses=("ACK-1",)), story, setting)
    assert [judged.violations for judged in result.judgements if judged.violations] == []
    assert result.verdict == "PASS", result.message


@settings(max_examples=60)
@example(faults=[Oversize(frame="connectack", size=2**22)] * 2, seed=0)
@given(faults=st.lists(frame_faults(), min_size=1, max_size=6), seed=st.integers(0, 2**16))
def test_the_reference_core_lives_through_it_and_settles_everything_afterwards(
    faults: list[FrameFault], seed: int
) -> None:
    survives(faults, seed)
