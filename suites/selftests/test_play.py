"""Plans are played: what was to happen happens, in virtual time, and always in the same way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tmcfakes import faults
from tmcspec import trace_file
from tmcspec.clauses import Level, judge_trace
from tmcspec.events import (
    ClientError,
    ClientStarted,
    ClientStopped,
    Confirmed,
    Handled,
    Opened,
    Produced,
    Received,
)
from tmcspec.instruction import Instruction
from tmcspec.trace import Trace
from tmcsuites.adapters.contract import Answer, StartOptions
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.chaos import ending
from tmcsuites.chaos.census import census
from tmcsuites.chaos.draw import draw_plan
from tmcsuites.chaos.ending import connection_limit, early_end, never_connected
from tmcsuites.chaos.fleet import FleetError, subject_of
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan, UserPlan
from tmcsuites.chaos.play import play

REFERENCE = subject_of("reference")
CALM = Plan(
    seconds=60,
    quiet=0,
    clients=(ClientPlan(name="client-1"), ClientPlan(name="client-2", group="vip")),
    users=(UserPlan(nick="shop", group="vip"),),
    messages=(
        MessagePlan(at=5, id=1),
        MessagePlan(at=6, id=2, group="vip"),
        MessagePlan(at=7.5, id=3, nick="shop", told=Instruction(delay_ms=2000)),
    ),
)


def events(trace: Trace, kind: type) -> list[tuple[float, Any]]:
    return [(entry.time, entry.event) for entry in trace.entries if isinstance(entry.event, kind)]


def test_messages_are_produced_at_their_times_and_reach_the_clients_of_their_groups() -> None:
    trace = play(CALM, REFERENCE)
    produced = [(time, event.message, event.group) for time, event in events(trace, Produced)]
    assert produced == [(5, 1, "default"), (6, 2, "vip"), (7.5, 3, "vip")]
    assert [(event.client, event.message) for _, event in events(trace, Received)] == [
        ("client-1", 1),
        ("client-2", 2),
        ("client-2", 3),
    ]
    assert [time for time, _ in events(trace, Handled)] == [5, 6, 9.5]
    assert [event.message for _, event in events(trace, Confirmed)] == [1, 2, 3]
    assert trace.entries[-1].time <= 60
    assert (trace.world, trace.handlers) == ("simulated", True)


def test_connections_have_the_names_of_their_clients() -> None:
    assert [event.client for _, event in events(play(CALM, REFERENCE), Opened)] == ["client-1", "client-2"]


def test_an_application_restarts_its_client_when_the_plan_says_so() -> None:
    plan = replace(CALM, clients=(ClientPlan(name="client-1", starts=1, restarts=(30.0,)),))
    trace = play(plan, REFERENCE)
    assert [time for time, _ in events(trace, ClientStarted)] == [1, 30]
    assert [time for time, _ in events(trace, ClientStopped)] == [30, 60]


def test_an_application_tries_again_to_start_a_client_that_nobody_answers() -> None:
    plan = replace(CALM, quiet=60, faults=(faults.Down(at=0, duration=50),))
    trace = play(plan, REFERENCE)
    assert {event.op for _, event in events(trace, ClientError)} == {"start"}
    assert [event.client for _, event in events(trace, ClientStarted)] == ["client-1", "client-2"]
    assert [time for time, _ in events(trace, ClientStarted)] == [60, 60]


def test_faults_are_over_when_the_quiet_begins() -> None:
    plan = replace(CALM, seconds=8, quiet=60, faults=(faults.Drop(at=0, frame="push", count=1000),))
    counts = census(play(plan, REFERENCE))
    assert counts.faults == {"drop": 3}
    assert (counts.produced, counts.settled, counts.left) == (3, 0, 3)


def test_what_was_lost_in_the_storm_is_recovered_in_the_quiet() -> None:
    plan = replace(CALM, seconds=8, quiet=400, faults=(faults.Drop(at=0, frame="push", count=1000),))
    counts = census(play(plan, REFERENCE))
    assert (counts.settled, counts.recovered, counts.duplicated, counts.left) == (3, 3, 0, 0)


def test_a_lost_confirm_makes_a_message_come_twice() -> None:
    plan = replace(CALM, quiet=400, faults=(faults.Drop(at=0, frame="confirm"),))
    counts = census(play(plan, REFERENCE))
    assert (counts.settled, counts.handed, counts.duplicated) == (3, 4, 1)


# Ends


HASTY = replace(CALM, seconds=600, faults=(faults.Down(at=10, duration=500),))


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "CONNECTION_LIMIT", 500)


@pytest.mark.usefixtures("_impatient")
def test_a_world_ends_when_its_fleet_has_connected_often_enough() -> None:
    trace = play(HASTY, subject_of("mutant:comes-back-at-once"))
    assert census(trace).attempts == pytest.approx(500, abs=10)
    assert trace.entries[-1].time < 20
    found = early_end(HASTY, trace)
    assert found is not None
    assert found.seconds == trace.entries[-1].time
    assert found.connections == census(trace).attempts + census(trace).connections


@pytest.mark.usefixtures("_impatient")
def test_when_a_world_ended_is_its_own_time_wherever_the_clock_of_the_service_jumped() -> None:
    found = early_end(HASTY, play(HASTY, subject_of("mutant:comes-back-at-once")))
    jumping = replace(HASTY, faults=(*HASTY.faults, faults.ClockJump(at=1, seconds=3600)))
    assert found is not None
    assert early_end(jumping, play(jumping, subject_of("mutant:comes-back-at-once"))) == found


def test_a_world_that_came_to_its_end_did_not_end_early() -> None:
    assert early_end(CALM, play(CALM, REFERENCE)) is None


@pytest.mark.parametrize(("quiet", "excused"), [(0, True), (59, True), (61, False)])
def test_who_never_connected_is_excused_while_there_are_faults(quiet: float, excused: bool) -> None:
    plan = replace(CALM, quiet=quiet, faults=(faults.Down(at=0, duration=60),))
    down = play(replace(CALM, faults=(faults.Down(at=0, duration=60),)), REFERENCE)
    found = never_connected(plan, down)
    assert found is not None
    assert (found.excused, found.seconds) == (excused, 60 + quiet)
    assert str(found).startswith(f"the client never connected in {60 + quiet:g} s: the last answer to 'start' was an e")


def test_nobody_is_missed_who_connected_or_was_not_there() -> None:
    assert never_connected(CALM, play(CALM, REFERENCE)) is None
    nobody = replace(CALM, clients=())
    assert never_connected(nobody, play(nobody, REFERENCE)) is None


def test_a_large_fleet_may_connect_more_often_before_it_is_enough() -> None:
    day = draw_plan(0, hours=24, clients=4, messages=0)
    assert connection_limit(day) == 20_000
    assert connection_limit(draw_plan(0, hours=24, clients=20, messages=0)) == 98_000
    assert connection_limit(draw_plan(0, hours=744, clients=100, messages=0)) == 250_000


def test_a_careful_client_that_nobody_answers_all_the_time_does_not_end_a_world() -> None:
    hour = replace(
        CALM, clients=CALM.clients[:1], messages=(), seconds=3600, faults=(faults.Down(at=0, duration=3600),)
    )
    assert census(play(hour, REFERENCE)).attempts < ending.CONNECTIONS_AN_HOUR


# Applications


class Unready(ReferenceSubject):
    """What makes it does not know at first how to start it."""

    tries = 0

    async def start(self, options: StartOptions) -> Answer:
        self.tries += 1
        if self.tries == 1:
            raise RuntimeError("no such setting")
        return await super().start(options)


@pytest.mark.parametrize("restarts", [(), (30.0,)], ids=["left alone", "restarted"])
def test_what_an_application_itself_fails_with_is_raised(restarts: tuple[float, ...]) -> None:
    plan = replace(CALM, clients=(ClientPlan(name="client-1", restarts=restarts),))
    with pytest.raises(RuntimeError, match="no such setting"):
        play(plan, lambda wall_clock, rng: Unready(wall_clock=wall_clock, rng=rng))


# Determinism


def digest(trace: Trace) -> str:
    return hashlib.sha256("\n".join(trace_file.dump(trace)).encode()).hexdigest()


def stormy(seed: int) -> Plan:
    return draw_plan(seed, hours=1, clients=3, messages=30, quiet=400)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_plan_gives_the_same_trace(seed: int) -> None:
    assert digest(play(stormy(seed), REFERENCE)) == digest(play(stormy(seed), REFERENCE))


@pytest.mark.parametrize(
    "corrupt", [faults.Corrupt(rate=1, stream="downstream"), faults.Corrupt(rate=0.01, stream="upstream")]
)
def test_the_same_plan_gives_the_same_trace_where_keys_and_masks_are_corrupted(corrupt: faults.Corrupt) -> None:
    plan = Plan(
        seconds=600,
        clients=(ClientPlan(name="client-1"),),
        messages=(MessagePlan(at=5, id=7),),
        faults=(replace(corrupt, duration=599),),
    )
    for seed in range(3):
        assert digest(play(replace(plan, seed=seed), REFERENCE)) == digest(play(replace(plan, seed=seed), REFERENCE))


def test_another_process_with_other_hashes_gives_the_same_trace() -> None:
    script = "import sys; from test_play import *; print(*[digest(play(stormy(seed), REFERENCE)) for seed in range(2)])"
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()[-1]
        for hashes in ("0", "random")
    }
    assert found == {digest(play(stormy(1), REFERENCE))}


def test_other_seeds_give_other_traces() -> None:
    assert len({digest(play(stormy(seed), REFERENCE)) for seed in range(3)}) == 3


# Fleets


def test_a_fleet_of_mutants_is_accused_of_what_they_do() -> None:
    trace = play(CALM, subject_of("mutant:confirms-first"))
    broken = [each.clause.id for each in judge_trace(trace) if each.violations and each.clause.level is Level.MUST]
    assert broken == ["ACK-2"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("java", "the client is 'java'; valid: 'reference', 'mutant:NAME', or 'python:MODULE:FACTORY'"),
        ("mutant:confirms-frist", "there is no mutant 'confirms-frist'; near it: confirms-first"),
        ("mutant:x", "there is no mutant 'x'; see MUTANTS"),
    ],
)
def test_a_client_that_nobody_knows_is_refused(name: str, text: str) -> None:
    with pytest.raises(FleetError) as error:
        subject_of(name)
    assert str(error.value).startswith(text)
