"""A stateful test whose rules are the moves of the operator, of the network, and of time.

Hypothesis makes the moves; each is done to a `World` at once, so the machine is driven synchronously, and time passes
only when it is told to. At the end all faults are over, the world goes on quietly, and every clause judges. What was
wrong at any time is in the trace, so nothing need be asked after each move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tmcfakes.faults import EVERYBODY, PlannedFault, Schedule
from tmcfakes.simulation import SimulatedLoop
from tmcspec.clauses import CLAUSES, Clause, Judgement, Level, judge_trace
from tmcspec.instruction import Instruction
from tmcspec.trace import Trace
from tmcsuites.chaos.plan import QUIET, MessagePlan, UserPlan
from tmcsuites.chaos.strategies import GROUPS, instructions, message_ids, planned_faults
from tmcsuites.chaos.world import World
from tmcsuites.report.words import describe_finding
from tmcsuites.worlds import SubjectFactory

T = TypeVar("T")

#: Clients of a fleet, in the order in which they are started.
NAMES = tuple(f"client-{number}" for number in range(1, 5))

#: Users, one in each group.
USERS = tuple(UserPlan(nick=f"shop-{number}", group=group) for number, group in enumerate(GROUPS, 1))

#: Seconds that a fault of the machine lasts at most.
LONGEST_FAULT = 300.0


class ChaosMachine(RuleBasedStateMachine):
    """The moves. `machine_for` makes one for a client.

    Attributes:
        subject: makes the client.
        clauses: those that judge at the end.
    """

    subject: ClassVar[SubjectFactory]
    clauses: ClassVar[tuple[Clause, ...]] = tuple(CLAUSES.values())

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner(loop_factory=SimulatedLoop)
        self._ids: set[int] = set()
        self._world = self._run(self._begin())

    async def _begin(self) -> World:
        world = await World(type(self).subject, groups=GROUPS).__aenter__()
        world.admit(USERS)
        return world

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(doing)

    # The operator

    @precondition(lambda self: len(self._world.fleet) < len(NAMES))
    @rule(group=st.sampled_from(GROUPS))
    def a_client_is_started(self, group: str) -> None:
        self._run(self._world.add_client(NAMES[len(self._world.fleet)], group=group))

    @precondition(lambda self: self._world.fleet)
    @rule(data=st.data())
    def a_client_is_restarted(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self._world.fleet)), label="client")

        async def restart() -> None:
            self._world.restart_client(name)

        self._run(restart())

    @rule(id=message_ids(), where=st.sampled_from((*GROUPS, *USERS)), told=instructions())
    def a_message_is_produced(self, id: int, where: str | UserPlan, told: Instruction) -> None:
        if id in self._ids:
            return
        self._ids.add(id)
        nick = where.nick if isinstance(where, UserPlan) else None
        group = where if isinstance(where, str) else GROUPS[0]

        async def produce() -> None:
            self._world.produce(MessagePlan(at=0, id=id, group=group, nick=nick, told=told))

        self._run(produce())

    # The network, and the service

    @rule(fault=planned_faults(seconds=LONGEST_FAULT, at=st.just(0.0), targets=st.sampled_from((EVERYBODY, *NAMES))))
    def something_goes_wrong(self, fault: PlannedFault) -> None:
        async def inject() -> None:
            self._world.inject(Schedule(faults=(fault,)))

        self._run(inject())

    @rule()
    def all_is_well_again(self) -> None:
        async def heal() -> None:
            self._world.heal()

        self._run(heal())

    # Time

    @rule(seconds=st.sampled_from((0.1, 1.0, 10.0, 60.0, 400.0)))
    def time_passes(self, seconds: float) -> None:
        self._run(self._wait(seconds))

    # The end

    def teardown(self) -> None:
        """Judges. Raises AssertionError: a MUST was broken; the text says which, and by what."""
        try:
            trace = self._run(self._end())
        finally:
            self._run(self._world.__aexit__(None, None, None))
            self._runner.close()
        check(judge_trace(trace, self.clauses))

    async def _end(self) -> Trace:
        self._world.heal()
        await self._wait(QUIET)
        return self._world.end()

    async def _wait(self, seconds: float) -> None:
        await self._world.sleep_until(asyncio.get_running_loop().time() + seconds)


def machine_for(subject: SubjectFactory, *, clauses: Iterable[Clause] = ()) -> type[ChaosMachine]:
    """The machine for a client.

    Args:
        subject: makes it.
        clauses: those that judge; all by default.

    Example:
        from hypothesis.stateful import run_state_machine_as_test

        run_state_machine_as_test(machine_for(subject_of("reference")))
    """
    members = {"subject": staticmethod(subject), "clauses": tuple(clauses) or ChaosMachine.clauses}
    return type("ChaosMachine", (ChaosMachine,), members)


def check(judgements: Iterable[Judgement]) -> None:
    """Raises AssertionError: a MUST was broken; the text says which, and by what."""
    lines = []
    for each in judgements:
        if each.violations and each.clause.level is Level.MUST:
            lines.append(f"{each.clause.id}: {each.clause.statement}")
            lines += [line.plain for line in describe_finding(each.violations[0])]
    if lines:
        raise AssertionError("\n".join(lines))
