"""Plays a plan in a simulated world.

Clients are started and restarted, messages produced and faults injected at their times. When the time of the plan is
over all faults are, and the world goes on quietly; then the trace is frozen, and the clients are stopped. A world may
end earlier, see `tmcsuites.chaos.ending`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeAlias

from tmcfakes.simulation import simulate
from tmcspec.trace import Entry, Trace
from tmcsuites.adapters.in_process import no_exit
from tmcsuites.chaos.ending import connection_limit
from tmcsuites.chaos.plan import ClientPlan, MessagePlan, Plan
from tmcsuites.chaos.world import World
from tmcsuites.worlds import SubjectFactory

Happening: TypeAlias = Callable[[World], Awaitable[None]]


def play(plan: Plan, subject: SubjectFactory, *, listeners: Iterable[Callable[[Entry], None]] = ()) -> Trace:
    """Plays a plan from its beginning to its end, and returns what happened.

    Args:
        plan: what is to happen.
        subject: makes a client; all clients of the fleet are of this make.
        listeners: told of each entry of the trace when it happens.

    Raises:
        SubjectError: a client could not be brought to life, died, hangs, or broke the contract; the world ends with it.
        Exception: whatever goes wrong in the fake or the suite, which is never the client's fault.
    """

    async def playing() -> Trace:
        connections = connection_limit(plan)
        async with World(
            subject, groups=plan.groups, seed=plan.seed, listeners=listeners, connections=connections
        ) as world:
            world.admit(plan.users)
            world.inject(plan.schedule)
            for time, happen in _events(plan):
                await world.sleep_until(time)
                if world.exhausted:
                    break
                await happen(world)
            await world.sleep_until(plan.seconds)
            world.heal()
            await world.sleep_until(plan.seconds + plan.quiet)
            # Frozen here: what happens while the clients are taken down is not their doing.
            return world.end()

    with no_exit():
        return simulate(playing, seed=plan.seed)


def _events(plan: Plan) -> list[tuple[float, Happening]]:
    """What happens when, in order; what comes at one time, as it stands in the plan."""
    found: list[tuple[float, Happening]] = []
    for client in plan.clients:
        found.append((client.starts, partial(_start, client)))
        found += [(time, partial(_restart, client)) for time in client.restarts]
    found += [(message.at, partial(_produce, message)) for message in plan.messages]
    return sorted(found, key=lambda event: event[0])


async def _start(client: ClientPlan, world: World) -> None:
    await world.add_client(client.name, group=client.group)


async def _restart(client: ClientPlan, world: World) -> None:
    world.restart_client(client.name)


async def _produce(message: MessagePlan, world: World) -> None:
    world.produce(message)
