"""Hypothesis strategies for chaos: messages, clients, faults, and whole plans.

They draw small worlds, which Hypothesis makes smaller when one goes wrong. For a whole day see `tmcsuites.chaos.draw`.

Example:
    >>> from hypothesis import find
    >>> find(plans(), lambda plan: len(plan.messages) > 1).faults
    ()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tmcfakes.faults import EVERYBODY, LastingFault, PlannedFault
from tmcspec.instruction import Instruction
from tmcspec.routing import DEFAULT_GROUP
from tmcsuites.chaos.plan import QUIET, ClientPlan, MessagePlan, Plan, UserPlan
from tmcsuites.chaos.storm import MEMBERS

GROUPS = (DEFAULT_GROUP, "group-2", "group-3")

#: Where readers that are not exact go wrong: at 32 bits, beyond a double's 53, at the sign, at the end.
ID_CENTRES = (0, 2**31, 2**32, 2**53, 2**62, 2**63 - 16, -(2**31), -(2**53), -(2**63) + 16)

FOR_EVERYBODY = st.just(EVERYBODY)


def message_ids() -> st.SearchStrategy[int]:
    """Ids near the places where lossy readers make two into one, and such as production has."""
    near = st.builds(lambda centre, step: centre + step, st.sampled_from(ID_CENTRES), st.integers(-8, 8))
    usual = st.integers(4_600_000_000_000_000_000, 4_600_000_000_000_001_000)
    return st.one_of(st.integers(1, 100), near, usual)


def instructions() -> st.SearchStrategy[Instruction]:
    """What handlers do: mostly well, some slowly, some never well."""
    return st.builds(
        Instruction,
        outcome=st.sampled_from(("ok", "ok", "ok", "ok", "fail", "raise")),
        delay_ms=st.sampled_from((0, 0, 0, 100, 5_000, 61_000)),
    )


def messages(
    *, seconds: float = 600.0, groups: Sequence[str] = GROUPS, users: Sequence[UserPlan] = ()
) -> st.SearchStrategy[MessagePlan]:
    """One message, at a whole second, for a group or about a user."""
    about = st.sampled_from((None, *(user.nick for user in users)))
    return st.builds(
        lambda at, id, group, nick, told: MessagePlan(
            at=float(at), id=id, group=group if nick is None else DEFAULT_GROUP, nick=nick, told=told
        ),
        st.integers(0, int(seconds) - 1),
        message_ids(),
        st.sampled_from(tuple(groups)),
        about,
        instructions(),
    )


@st.composite
def fleets(draw: st.DrawFn, *, seconds: float = 600.0, most: int = 8) -> tuple[ClientPlan, ...]:
    """1 to `most` clients in 1 to 3 groups; some are restarted."""
    groups = GROUPS[: draw(st.integers(1, 3))]
    count = draw(st.integers(1, most))
    restarts = st.lists(st.integers(30, int(seconds) - 1), max_size=2, unique=True)
    return tuple(
        ClientPlan(
            name=f"client-{number + 1}",
            group=groups[number % len(groups)],
            restarts=tuple(float(time) for time in sorted(draw(restarts))),
        )
        for number in range(count)
    )


@st.composite
def planned_faults(
    draw: st.DrawFn,
    *,
    seconds: float = 600.0,
    kinds: Sequence[type[PlannedFault]] = (),
    at: st.SearchStrategy[float] | None = None,
    targets: st.SearchStrategy[str] = FOR_EVERYBODY,
) -> PlannedFault:
    """One fault that ends in time.

    Args:
        seconds: by when.
        kinds: of which it is one; any there is by default.
        at: when it begins, at least 2 seconds before; at any whole second by default.
        targets: for whom, where its kind is not for everybody anyway.
    """
    kind = draw(st.sampled_from(tuple(kinds) or tuple(MEMBERS)))
    begin = draw(st.integers(0, int(seconds) - 2).map(float) if at is None else at)
    target = EVERYBODY if kind.for_all else draw(targets)
    members: dict[str, Any] = MEMBERS[kind](draw(st.randoms(use_true_random=False)))
    if issubclass(kind, LastingFault):
        members["duration"] = draw(st.integers(1, max(1, min(300, int(seconds - begin) - 1))))
    return kind(at=begin, target=target, **members)


@st.composite
def plans(draw: st.DrawFn, *, seconds: float = 600.0, clients: int = 8, messages_: int = 20, faults_: int = 4) -> Plan:
    """A whole plan: a fleet of up to `clients`, so many messages, and so many faults, at most."""
    fleet = draw(fleets(seconds=seconds, most=clients))
    groups = tuple(dict.fromkeys(client.group for client in fleet))
    users = tuple(UserPlan(nick=f"shop-{place}", group=group) for place, group in enumerate(groups, 1))
    about = messages(seconds=seconds, groups=groups, users=users)
    produced = draw(st.lists(about, min_size=1, max_size=messages_, unique_by=lambda message: message.id))
    targets = st.sampled_from((EVERYBODY, *(client.name for client in fleet)))
    wrong = draw(st.lists(planned_faults(seconds=seconds, targets=targets), max_size=faults_))
    return Plan(
        seed=draw(st.integers(0, 3)),
        seconds=seconds,
        quiet=QUIET,
        clients=fleet,
        users=users,
        messages=tuple(sorted(produced, key=lambda message: message.at)),
        faults=tuple(sorted(wrong, key=lambda fault: fault.at)),
    )


def without_faults(plan: Plan) -> Plan:
    """The same plan on a good day."""
    return replace(plan, faults=())
