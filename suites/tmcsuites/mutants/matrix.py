"""The kill matrix: which clauses accuse which mutant, and by which cases.

Simulated, so that a mutant goes through the whole suite in half a second, and always in the same way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest

from tmcfakes.fake import FakeTmc
from tmcspec.clauses import CLAUSES, Binds, Judgement, Level
from tmcsuites.adapters.contract import Subject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.casebook import MARK, Case, CaseFunction
from tmcsuites.mutants.base import Mutant, ServiceMutant
from tmcsuites.mutants.service import encounters
from tmcsuites.session import CASES
from tmcsuites.stage import Stage
from tmcsuites.verdict import CaseResult
from tmcsuites.worlds import Setting, SubjectFactory, run_case

#: Cases that simulate long times, or ten thousand messages. They take more time than all others together, and what they
#: show beyond those is about the clauses that they name: only mutants of these clauses go through them.
LONG = frozenset(
    {
        "test_a_burst_beyond_the_queue_loses_nothing",
        "test_a_confirmed_message_never_comes_again",
        "test_a_late_confirm_still_settles",
        "test_a_message_nobody_could_handle_expires",
        "test_a_message_whose_handler_fails_is_not_confirmed_and_comes_again",
        "test_what_was_confirmed_over_http_never_comes_again",
        "test_who_does_not_confirm_is_slowed_down",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A case with its parameters, ready to run."""

    id: str
    case: Case
    function: CaseFunction

    @property
    def long(self) -> bool:
        return self.id.rpartition("::")[2] in LONG | encounters.LONG


@cache
def plays() -> tuple[Play, ...]:
    """All cases, as pytest collects them.

    Raises:
        RuntimeError: they cannot be collected.
    """
    collector = _Collector()
    arguments = [str(CASES), "-c", str(CASES / "pytest.ini"), "--collect-only", "--disable-plugin-autoload"]
    plugins = [
        part for name in ("cacheprovider", "terminal", "logging", "faulthandler") for part in ("-p", f"no:{name}")
    ]
    status = pytest.main([*arguments, "--capture=no", *plugins], plugins=[collector])
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"pytest could not collect the cases in {CASES}: exit status {status}")
    return tuple(_play(item) for item in collector.items)


def plays_for(mutant: Mutant) -> tuple[Play, ...]:
    """The cases that a mutant goes through: all but the long ones that are not about its clause."""
    return tuple(play for play in plays() if not play.long or mutant.clause in play.case.clauses)


@cache
def meetings() -> tuple[Play, ...]:
    """What a service meets beside the cases."""
    return tuple(
        Play(id=f"encounters::{name}", case=case, function=function)
        for name, (case, function) in encounters.ENCOUNTERS.items()
    )


def perform(subject: SubjectFactory, chosen: Iterable[Play]) -> tuple[CaseResult, ...]:
    """Puts a client through some cases, judged by every clause."""
    setting = Setting(world="simulated", subject=subject, clauses=tuple(CLAUSES.values()), seed=0)
    return tuple(_result(play, setting) for play in chosen)


def perform_service(fake: type[FakeTmc], chosen: Iterable[Play]) -> tuple[CaseResult, ...]:
    """Puts a service through some cases, with the reference core as its client, judged by every clause; and through
    some encounters, judged by those that bind the service.
    """
    found = []
    for play in chosen:
        clauses = [each for each in CLAUSES.values() if play not in meetings() or each.binds is Binds.SERVICE]
        setting = Setting(world="simulated", subject=_reference, clauses=clauses, seed=0, fake=fake)
        found.append(_result(play, setting))
    return tuple(found)


def service_plays_for(mutant: ServiceMutant) -> tuple[Play, ...]:
    """The encounters, which come first since they are the shortest account of what they find, and the cases that name
    a clause that binds the service. Of the long ones, only those about its clause.
    """
    about_services = [play for play in plays() if any(CLAUSES[id].binds is Binds.SERVICE for id in play.case.clauses)]
    return tuple(play for play in (*meetings(), *about_services) if not play.long or mutant.clause in play.case.clauses)


def accusations(results: Iterable[CaseResult]) -> dict[str, str]:
    """By clause id, the first accusation that counts against the client: its case, and the words of the clause."""
    return _first(results, lambda result: result.violated())


def service_accusations(results: Iterable[CaseResult]) -> dict[str, str]:
    """As `accusations`, against the service, or against a client that it led astray."""
    return _first(results, lambda result: (*_of_service(result), *result.violated()))


def _of_service(result: CaseResult) -> list[Judgement]:
    return [each for each in result.judgements if each.violations and each.clause.binds is Binds.SERVICE]


def _first(results: Iterable[CaseResult], guilty: Callable[[CaseResult], Iterable[Judgement]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for result in results:
        for judgement in guilty(result):
            if judgement.clause.level is Level.INFO:
                continue  # it counts, and accuses nobody
            found.setdefault(judgement.clause.id, f"{result.id}: {judgement.violations[0].message}")
    return found


def _result(play: Play, setting: Setting) -> CaseResult:
    """What was found keeps the entries that prove it. The whole traces of all mutants are some gigabytes."""
    return replace(run_case(play.id, play.case, play.function, setting), trace=None)


def _reference(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng)


class _Collector:
    """A pytest plugin that keeps what was collected."""

    def __init__(self) -> None:
        self.items: Sequence[pytest.Item] = ()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = tuple(session.items)


def _play(item: pytest.Item) -> Play:
    assert isinstance(item, pytest.Function)
    mark = item.get_closest_marker(MARK)
    assert mark is not None
    function = item.obj
    parameters = dict(item.callspec.params) if hasattr(item, "callspec") else {}

    async def play(stage: Stage) -> None:
        await function(tmc_stage=stage, **parameters)

    return Play(id=item.nodeid, case=mark.args[0], function=play)
