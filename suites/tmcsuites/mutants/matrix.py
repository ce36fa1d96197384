"""The kill matrix: which clauses accuse which mutant, and by which cases.

Simulated, so that a mutant goes through the whole suite in half a second, and always in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest

from tmcfakes.fake import FakeTmc
from tmcspec.clauses import CLAUSES, Level
from tmcsuites.casebook import MARK, Case, CaseFunction
from tmcsuites.mutants.base import Mutant
from tmcsuites.mutants.services.base import ServiceMutant
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
        return self.id.rpartition("::")[2] in LONG


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


def plays_for(mutant: Mutant | ServiceMutant) -> tuple[Play, ...]:
    """The cases that a mutant goes through: all but the long ones that are not about its clause."""
    return tuple(play for play in plays() if not play.long or mutant.clause in play.case.clauses)


def perform(
    subject: SubjectFactory, chosen: Iterable[Play], *, fake: type[FakeTmc] = FakeTmc
) -> tuple[CaseResult, ...]:
    """Puts a client, and perhaps another service, through some cases, judged by every clause."""
    setting = Setting(world="simulated", subject=subject, clauses=tuple(CLAUSES.values()), seed=0, fake=fake)
    results = (run_case(play.id, play.case, play.function, setting) for play in chosen)
    # What was found of them keeps what proves it. All traces of all mutants are some gigabytes.
    return tuple(replace(result, trace=None) for result in results)


def accusations(results: Iterable[CaseResult]) -> dict[str, str]:
    """By clause id, the first accusation that counts against the client: its case, and the words of the clause."""
    found: dict[str, str] = {}
    for result in results:
        for judgement in result.violated():
            if judgement.clause.level is Level.INFO:
                continue  # it counts, and accuses nobody
            found.setdefault(judgement.clause.id, f"{result.id}: {judgement.violations[0].message}")
    return found


def charges(results: Iterable[CaseResult]) -> dict[str, str]:
    """As `accusations`, of whomever they accuse: what a clause finds against the service makes a case void, and so is
    no verdict about the client.
    """
    found: dict[str, str] = {}
    for result in results:
        for judgement in result.judgements:
            if judgement.violations and judgement.clause.level is not Level.INFO:
                found.setdefault(judgement.clause.id, f"{result.id}: {judgement.violations[0].message}")
    return found


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
