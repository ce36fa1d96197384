"""The passes of shrinking, from coarse to fine: what is left out, and then what is made simpler.

Each looks at the plan that the search has come to, and at nothing else. So a plan that all of them leave as it is stays
as it is, however often they go over it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, replace
from functools import partial
from typing import Any, Final, TypeAlias

from tmcfakes.faults import EVERYBODY, Abort, AnswerFault, FrameFault, LastingFault, PlannedFault
from tmcspec.routing import DEFAULT_GROUP
from tmcsuites.chaos.plan import QUIET, SECONDS_LIMIT, ClientPlan, MessagePlan, Plan, UserPlan
from tmcsuites.chaos.search import Search, usual_clients, usual_groups, usual_targets, usual_users

Pass: TypeAlias = Callable[[Search], None]

#: What lossy readers begin to lose from here on: int32, unsigned int32, doubles at an even and at an odd number (S62).
ID_BASES: Final = (1, 2**31, 2**32, 2**53, 2**53 + 1)

#: Of these there are passes of their own.
TIMES: Final = frozenset({"at", "starts", "restarts"})
NAMES: Final = frozenset({"name", "id", "told"})


# What is left out


def end_sooner(search: Search) -> None:
    """What comes late may be nothing but more of the same. Half of all moments, a quarter, and so on are left out."""
    moments = _moments(search.plan)
    last, step = len(moments), len(moments)
    while step := step // 2:
        if search.attempt(_until, search.plan, max(1.0, float(math.ceil(moments[last - step])))):
            last -= step


def begin_later(search: Search) -> None:
    """What comes early may have nothing to do with it."""
    moments = _moments(search.plan)
    first, step = 0, len(moments)
    while step := step // 2:
        if search.attempt(_since, search.plan, moments[first + step]):
            first += step


def fewer_clients(search: Search) -> None:
    """Without the faults that are theirs alone."""
    search.thin(search.plan.clients, partial(_with_clients, search.plan))


def fewer_faults(search: Search) -> None:
    plan = search.plan
    search.thin(plan.faults, lambda kept: replace(plan, faults=kept))


def fewer_messages(search: Search) -> None:
    plan = search.plan
    search.thin(plan.messages, lambda kept: replace(plan, messages=kept))


def fewer_users(search: Search) -> None:
    """Messages about users who are left out go to the same groups, about nobody."""
    search.thin(search.plan.users, partial(_with_users, search.plan))


def fewer_restarts(search: Search) -> None:
    for place, client in enumerate(search.plan.clients):
        search.thin(client.restarts, partial(_with, search.plan, "clients", place, "restarts"))


# What is made simpler


def one_group(search: Search) -> None:
    """Everybody who is in a group moves to the default one."""
    for group in sorted(search.plan.groups - {DEFAULT_GROUP}):
        search.attempt(_without_group, search.plan, group)


def plainer_faults(search: Search) -> None:
    """Much of what goes wrong comes to the loss of a connection."""
    for place, fault in enumerate(search.plan.faults):
        search.attempt(_put, search.plan, "faults", place, Abort(at=fault.at, target=fault.target))


def as_usual(search: Search) -> None:
    """Members of anything as they are by default, or else as low as possible."""
    for kind in ("clients", "users", "messages", "faults"):
        for place, part in enumerate(getattr(search.plan, kind)):
            for member in fields(part):
                if member.name not in TIMES | NAMES:
                    _simplify(search, member, getattr(part, member.name), partial(_with, search.plan, kind, place))


def easier_handlers(search: Search) -> None:
    """What handlers are told, member by member."""
    for place, message in enumerate(search.plan.messages):
        for member in fields(message.told):
            _simplify(search, member, getattr(message.told, member.name), partial(_told, search.plan, place))


def closer_together(search: Search) -> None:
    """Between two moments nothing happens; what comes later comes sooner."""
    before = 0.0
    while later := [time for time in _moments(search.plan) if time > before]:
        at = float(later[0])
        before = search.lower(before, at, partial(_moved, search.plan, at))


def each_sooner(search: Search) -> None:
    """Each moment by itself."""
    for kind, name in (("clients", "starts"), ("messages", "at"), ("faults", "at")):
        for place, part in enumerate(getattr(search.plan, kind)):
            search.lower(0.0, float(getattr(part, name)), partial(_with, search.plan, kind, place, name))


def shorter(search: Search) -> None:
    """The quiet is there for clauses that say what must happen in the end. Others need none, or merely some time, which
    can be made shorter; quiet cannot, or it would not be what makes a client guilty.
    """
    plan = search.plan
    for quiet, seconds in ((0.0, plan.seconds), (0.0, plan.seconds + plan.quiet), (QUIET, plan.seconds)):
        if search.attempt(replace, plan, quiet=quiet, seconds=seconds):
            break
    plan = search.plan
    least = max([1.0, *(float(math.ceil(time)) for time in _moments(plan))])
    search.lower(least, float(plan.seconds), lambda seconds: replace(plan, seconds=seconds))


def small_ids(search: Search) -> None:
    """Ids that a person can tell apart: all of them, or else one after the other."""
    if not any(search.attempt(_numbered, search.plan, base) for base in ID_BASES):
        for place in range(len(search.plan.messages)):
            any(search.attempt(_with, search.plan, "messages", place, "id", base + place) for base in ID_BASES)


def first_of_a_group(search: Search) -> None:
    """Who is in trouble alone is the first of its group."""
    for place, fault in enumerate(search.plan.faults):
        if target := usual_targets(search.plan).get(fault.target):
            search.attempt(_with, search.plan, "faults", place, "target", target)


def usual_names(search: Search) -> None:
    """Clients, users and groups are called by their places."""
    for renamed in (_clients_renamed, _users_renamed, _groups_renamed):
        search.attempt(renamed, search.plan)


def no_luck(search: Search) -> None:
    """The seed is 0."""
    search.attempt(lambda: replace(search.plan, seed=0))


#: In this order, over and over until none of them changes anything.
PASSES: Final[tuple[Pass, ...]] = (
    end_sooner,
    begin_later,
    fewer_clients,
    fewer_faults,
    fewer_messages,
    fewer_users,
    fewer_restarts,
    one_group,
    plainer_faults,
    as_usual,
    easier_handlers,
    closer_together,
    each_sooner,
    shorter,
    small_ids,
    first_of_a_group,
    usual_names,
    no_luck,
)


# One plan from another


def _with(plan: Plan, kind: str, place: int, name: str, value: Any) -> Plan:
    """A plan in which one member of one part is another."""
    return _put(plan, kind, place, replace(getattr(plan, kind)[place], **{name: value}))


def _told(plan: Plan, place: int, name: str, value: Any) -> Plan:
    """A plan in which one handler is told something else."""
    return _with(plan, "messages", place, "told", replace(plan.messages[place].told, **{name: value}))


def _put(plan: Plan, kind: str, place: int, part: Any) -> Plan:
    """A plan in which one part is another, and which has enough seconds for it."""
    parts = getattr(plan, kind)
    changed: dict[str, Any] = {kind: (*parts[:place], part, *parts[place + 1 :])}
    if isinstance(part, PlannedFault) and plan.seconds < part.end < SECONDS_LIMIT:
        changed["seconds"] = float(math.ceil(part.end))
    return replace(plan, **changed)


def _with_clients(plan: Plan, kept: tuple[ClientPlan, ...]) -> Plan:
    return replace(plan, clients=kept, faults=_for(kept, plan.faults))


def _for(clients: Iterable[ClientPlan], faults: Iterable[PlannedFault]) -> tuple[PlannedFault, ...]:
    """The faults that concern one of these clients, or everybody."""
    there = {EVERYBODY} | {client.name for client in clients}
    return tuple(each for each in faults if each.target in there)


def _with_users(plan: Plan, kept: tuple[UserPlan, ...]) -> Plan:
    gone = {user.nick: user.group for user in plan.users if user not in kept}
    messages = tuple(
        replace(each, nick=None, group=gone[each.nick]) if each.nick in gone else each for each in plan.messages
    )
    return replace(plan, users=kept, messages=messages)


def _until(plan: Plan, seconds: float) -> Plan:
    """What of a plan happens until then."""
    faults = [_cut(each, seconds) for each in plan.faults if each.at < seconds]
    clients = [
        replace(each, restarts=tuple(time for time in each.restarts if time < seconds))
        for each in plan.clients
        if each.starts < seconds
    ]
    return replace(
        plan,
        seconds=seconds,
        clients=tuple(clients),
        messages=tuple(each for each in plan.messages if each.at < seconds),
        faults=_for(clients, faults),
    )


def _since(plan: Plan, time: float) -> Plan:
    """What of a plan happens from then on, or still goes on then; clients are there before."""
    clients = [
        replace(each, restarts=tuple(restart for restart in each.restarts if restart >= time)) for each in plan.clients
    ]
    return replace(
        plan,
        clients=tuple(clients),
        messages=tuple(each for each in plan.messages if each.at >= time),
        # Some wait for a frame, however long that takes: their end is when they begin.
        faults=tuple(each for each in plan.faults if each.end >= time or isinstance(each, FrameFault | AnswerFault)),
    )


def _cut(fault: PlannedFault, seconds: float) -> PlannedFault:
    if isinstance(fault, LastingFault) and fault.end > seconds:
        return replace(fault, duration=round(seconds - fault.at, 6))
    return fault


def _without_group(plan: Plan, group: str) -> Plan:
    return _regrouped(plan, {group: DEFAULT_GROUP})


def _regrouped(plan: Plan, groups: Mapping[str, str]) -> Plan:
    def moved(part: Any) -> Any:
        return replace(part, group=groups.get(part.group, part.group))

    return replace(
        plan,
        clients=tuple(map(moved, plan.clients)),
        users=tuple(map(moved, plan.users)),
        messages=tuple(map(moved, plan.messages)),
    )


def _moments(plan: Plan) -> list[float]:
    """All times at which anything begins."""
    starts = {time for client in plan.clients for time in (client.starts, *client.restarts)}
    return sorted(starts | {each.at for each in plan.messages} | {each.at for each in plan.faults})


def _moved(plan: Plan, begin: float, time: float) -> Plan:
    """A plan in which all from `begin` on happens from `time` on."""

    def moved(at: float) -> float:
        return at if at < begin else round(at - begin + time, 6)

    clients = [
        replace(each, starts=moved(each.starts), restarts=tuple(map(moved, each.restarts))) for each in plan.clients
    ]
    return replace(
        plan,
        seconds=max(1.0, moved(plan.seconds)),
        clients=tuple(clients),
        messages=tuple(replace(each, at=moved(each.at)) for each in plan.messages),
        faults=tuple(replace(each, at=moved(each.at)) for each in plan.faults),
    )


def _numbered(plan: Plan, base: int) -> Plan:
    messages: list[MessagePlan] = [replace(each, id=base + place) for place, each in enumerate(plan.messages)]
    return replace(plan, messages=tuple(messages))


def _clients_renamed(plan: Plan) -> Plan:
    names = usual_clients(plan)
    return replace(
        plan,
        clients=tuple(replace(each, name=names[each.name]) for each in plan.clients),
        faults=tuple(replace(each, target=names.get(each.target, each.target)) for each in plan.faults),
    )


def _users_renamed(plan: Plan) -> Plan:
    names = usual_users(plan)
    return replace(
        plan,
        users=tuple(replace(each, nick=names[each.nick]) for each in plan.users),
        messages=tuple(replace(each, nick=names[each.nick]) if each.nick else each for each in plan.messages),
    )


def _groups_renamed(plan: Plan) -> Plan:
    return _regrouped(plan, usual_groups(plan))


# One member


def _simplify(search: Search, member: Field[Any], value: Any, make: Callable[[str, Any], Plan]) -> None:
    """As it is by default, or else, when it is a number, as low as possible."""
    if member.default is not MISSING and search.attempt(make, member.name, member.default):
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and value != member.default:
        search.lower(type(value)(0), value, partial(make, member.name))
