"""What is to happen in a chaotic world, as data: who consumes, what is produced, and what goes wrong.

A plan is the whole of a run: the same plan gives the same trace. It has a JSON form, so that a run that went wrong can
be kept, looked at, changed by hand and played again. Chance is in the making of a plan (see `tmcsuites.chaos.draw`),
and in what its seed decides: tokens, backoffs, who gets a message, the luck within a fault.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar

from tmcfakes.faults import EVERYBODY, FaultError, PlannedFault, Schedule, fault_from_json
from tmcfakes.faults.base import SCHEDULE_LIMIT
from tmcspec import __version__
from tmcspec.frame_values import show
from tmcspec.instruction import Instruction
from tmcspec.json_text import unique
from tmcspec.routing import DEFAULT_GROUP, GROUP_LIMIT, check_group_name

#: A run is not longer than a month, and has no more of anything than a trace can hold.
SECONDS_LIMIT = 31 * 24 * 3600.0
CLIENT_LIMIT = 100
USER_LIMIT = 1_000
MESSAGE_LIMIT = 200_000

#: Of so many names an error tells.
NAMES_SHOWN = 10

#: Bytes of a name, topic or reason.
TEXT_LIMIT = 100_000

#: Seconds without faults at the end of a run. By then a healthy service has pushed again what was lost (six minutes),
#: to clients that have noticed that their connection is dead (two) and were given a minute to confirm it; and twice
#: that, since what a client works on when the faults end may have to come once more.
QUIET = 1_800.0

#: What a handler does that is told nothing.
AT_ONCE = Instruction()

T = TypeVar("T")


class PlanError(ValueError):
    """A plan, or the file of one, is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPlan:
    """A client, and the application that runs it.

    Args:
        name: what faults and the trace call it.
        group: whose messages it consumes.
        starts: when the application starts it, in seconds of run time, >= 0. It tries again until that succeeds.
        restarts: when the application stops it gracefully, and starts it anew: after the start, each later than the
            one before.
    """

    name: str
    group: str = DEFAULT_GROUP
    starts: float = 0.0
    restarts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or self.name == "*":
            raise PlanError(f"a client needs a name that is not empty nor '*', not {show(self.name)}")
        _check_text("a client's name", self.name)
        _check_group(self.group)
        _check_times(f"client {self.name!r}", (self.starts, *self.restarts))
        for before, time in pairwise((self.starts, *self.restarts)):
            if time <= before:
                raise PlanError(
                    f"client {show(self.name)} is restarted at {show(time)} s, and that is not later than "
                    f"{show(before)} s; valid: restarts after the start, each later than the one before"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPlan:
    """A user who has granted the app access, and the group that the user is in."""

    nick: str
    group: str = DEFAULT_GROUP

    def __post_init__(self) -> None:
        if not self.nick:
            raise PlanError("a user needs a nick that is not empty")
        _check_text("a nick", self.nick)
        _check_group(self.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlan:
    """A message.

    Args:
        at: when it is produced, in seconds of run time, >= 0.
        id: its outgoing id, signed 64 bits, unique in the plan.
        group: whose it is, unless it is about a user.
        nick: the user whom it is about, and whose group gets it; None for nobody.
        topic: as `taobao_trade_TradeCreate`.
        told: what its handler does.
    """

    at: float
    id: int
    group: str = DEFAULT_GROUP
    nick: str | None = None
    topic: str = "taobao_trade_TradeCreate"
    told: Instruction = AT_ONCE

    def __post_init__(self) -> None:
        _check_times(f"message {show(self.id)}", (self.at,))
        if not isinstance(self.id, int) or not -(2**63) <= self.id < 2**63:
            raise PlanError(f"the id of a message is a signed 64-bit integer, not {show(self.id)}")
        _check_group(self.group)
        _check_text("a topic", self.topic)
        _check_text("a reason", self.told.reason or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is to happen in a run.

    Args:
        seed: of everything the run draws by chance, a signed 64-bit integer.
        seconds: how long clients are started, messages produced and things go wrong, > 0; nothing is planned later.
        quiet: how long the run goes on after that, with nothing wrong, >= 0.
        clients, users, messages, faults: who, what, and what goes wrong; faults end before the quiet, and are for
            everybody or for a client of the plan. All clients have names, so none is known by its connection.

    Raises:
        PlanError: the message shows the value and what is valid.
    """

    seed: int = 0
    seconds: float = 3_600.0
    quiet: float = QUIET
    clients: tuple[ClientPlan, ...] = ()
    users: tuple[UserPlan, ...] = ()
    messages: tuple[MessagePlan, ...] = ()
    faults: tuple[PlannedFault, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not -(2**63) <= self.seed < 2**63:
            raise PlanError(f"the seed of a plan is a signed 64-bit integer, not {show(self.seed)}")
        if not 0 < self.seconds <= SECONDS_LIMIT or not 0 <= self.quiet <= SECONDS_LIMIT:
            raise PlanError(
                f"a plan has more than 0 seconds and at least 0 of quiet, at most {SECONDS_LIMIT:.0f} of either; not "
                f"{show(self.seconds)} and {show(self.quiet)}"
            )
        _check_many("clients", self.clients, CLIENT_LIMIT, lambda client: client.name)
        _check_many("users", self.users, USER_LIMIT, lambda user: user.nick)
        _check_many("messages", self.messages, MESSAGE_LIMIT, lambda message: message.id)
        _check_count("faults", self.faults, SCHEDULE_LIMIT)
        if len(created := self.groups - {DEFAULT_GROUP}) > GROUP_LIMIT:
            raise PlanError(f"a plan has at most {GROUP_LIMIT} groups beside {DEFAULT_GROUP!r}, not {len(created)}")
        nicks = {user.nick for user in self.users}
        if strangers := [each.nick for each in self.messages if each.nick is not None and each.nick not in nicks]:
            raise PlanError(f"a message is about {show(strangers[0])}, who is no user of the plan")
        names = {client.name for client in self.clients}
        if lost := [each for each in self.faults if each.target != EVERYBODY and each.target not in names]:
            valid = ", ".join(map(show, (EVERYBODY, *(client.name for client in self.clients[:NAMES_SHOWN]))))
            more = ", …" if len(self.clients) > NAMES_SHOWN else ""
            raise PlanError(
                f"fault {show(lost[0].name)} at {lost[0].at:g} s is for {show(lost[0].target)}, who is no client of "
                f"the plan, so it can never act; valid: {valid}{more}"
            )
        self._check_in_time()

    def _check_in_time(self) -> None:
        """Raises PlanError: something is planned for when the seconds are over."""
        end = self.seconds
        late = [(f"client {show(each.name)} starts", each.starts) for each in self.clients if each.starts > end]
        for client in self.clients:
            late += [(f"client {show(client.name)} is restarted", time) for time in client.restarts if time > end]
        late += [(f"message {each.id} is produced", each.at) for each in self.messages if each.at > end]
        if late:
            what, time = late[0]
            raise PlanError(
                f"{what} at {show(time)} s, after the {show(end)} s of the plan; give the plan more seconds, or let it "
                "happen sooner"
            )
        if endless := [each for each in self.faults if not each.end <= end]:
            raise PlanError(
                f"fault {show(endless[0].name)} at {endless[0].at:g} s does not end within the {end:g} s of the plan; "
                "give it a duration, or let it begin earlier"
            )

    @property
    def schedule(self) -> Schedule:
        """The faults with the seed of their chance."""
        return Schedule(faults=self.faults, seed=self.seed)

    @property
    def groups(self) -> frozenset[str]:
        """All groups that somebody is in."""
        named = {each.group for each in self.clients} | {each.group for each in self.users}
        return frozenset(named | {each.group for each in self.messages} | {DEFAULT_GROUP})

    # Files

    def to_json(self) -> dict[str, Any]:
        """Its JSON form. Ids are decimal strings, because JSON readers round numbers above 2^53 (S62)."""
        return {
            "plan": 1,
            "tmcspec": __version__,
            "seed": self.seed,
            "seconds": self.seconds,
            "quiet": self.quiet,
            "clients": [_members(each) for each in self.clients],
            "users": [_members(each) for each in self.users],
            "messages": [_message_members(each) for each in self.messages],
            "faults": [each.to_json() for each in self.faults],
        }

    @classmethod
    def from_json(cls, value: Any) -> Plan:
        """A plan from its JSON form. Raises PlanError, which says where what is wrong."""
        if not isinstance(value, dict) or value.get("plan") != 1 or value["plan"] is True:
            raise PlanError(f'a plan is an object with "plan": 1; not {show(value)}')
        known = {"plan", "tmcspec", "seed", "seconds", "quiet", "clients", "users", "messages", "faults"}
        if unknown := sorted(set(value) - known):
            raise PlanError(f"a plan has no member {show(unknown[0])}; valid: {', '.join(sorted(known))}")
        numbers = {name: _number(name, value[name]) for name in ("seconds", "quiet") if name in value}
        return cls(
            seed=value.get("seed", 0),
            clients=_all("clients", value, _client_of),
            users=_all("users", value, _user_of),
            messages=_all("messages", value, _message_of),
            faults=_all("faults", value, fault_from_json),
            **numbers,
        )

    def dumps(self) -> str:
        """Its JSON form as text, for people to read."""
        return _pretty(self.to_json()) + "\n"

    @classmethod
    def loads(cls, text: str) -> Plan:
        """A plan from JSON text. Raises PlanError."""
        try:
            value = json.loads(text, object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"a plan is JSON; {error}") from None
        return cls.from_json(value)


def _pretty(value: dict[str, Any]) -> str:
    """One line for each member, and for each element of a list: a plan is read and edited by people."""
    lines = []
    for name, member in value.items():
        if isinstance(member, list) and member:
            elements = ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in member)
            lines.append(f' "{name}": [\n{elements}\n ]')
        else:
            lines.append(f' "{name}": {json.dumps(member)}')
    return "{\n" + ",\n".join(lines) + "\n}"


def _members(value: ClientPlan | UserPlan | MessagePlan | Instruction) -> dict[str, Any]:
    """The members that are not as usual."""
    members = {each.name: getattr(value, each.name) for each in fields(value)}
    return {each.name: members[each.name] for each in fields(value) if members[each.name] != each.default}


def _message_members(message: MessagePlan) -> dict[str, Any]:
    told = _members(message.told)
    return {name: value for name, value in _members(message).items() if name != "told"} | told | {"id": str(message.id)}


def _all(name: str, value: Mapping[str, Any], make: Callable[[Any], T]) -> tuple[T, ...]:
    listed = value.get(name, [])
    if not isinstance(listed, list):
        raise PlanError(f'"{name}" of a plan is a list, not {show(listed)}')
    found = []
    for place, each in enumerate(listed, 1):
        try:
            found.append(make(each))
        except (PlanError, FaultError, ValueError) as error:
            raise PlanError(f"{name.removesuffix('s')} {place}: {error}") from None
    return tuple(found)


def _taken(value: Any, what: str, members: Mapping[str, tuple[type, ...]], needed: Iterable[str]) -> dict[str, Any]:
    """The members of an object. Raises PlanError: it is none, has others, lacks some, or they are of another type."""
    if not isinstance(value, dict):
        raise PlanError(f"{what} is an object, not {show(value)}")
    if unknown := sorted(set(value) - set(members)):
        raise PlanError(f"{what} has no member {show(unknown[0])}; valid: {', '.join(members)}")
    if missing := [name for name in needed if name not in value]:
        raise PlanError(f"{what} needs a member {missing[0]!r}")
    for name, member in value.items():
        if not isinstance(member, members[name]) or isinstance(member, bool):
            raise PlanError(f'"{name}" of {what} is {show(member)}')
    return dict(value)


def _client_of(value: Any) -> ClientPlan:
    members = {"name": (str,), "group": (str,), "starts": (int, float), "restarts": (list,)}
    taken = _taken(value, "a client", members, ["name"])
    restarts = tuple(_number("restarts", each) for each in taken.pop("restarts", []))
    return ClientPlan(restarts=restarts, **taken)


def _user_of(value: Any) -> UserPlan:
    return UserPlan(**_taken(value, "a user", {"nick": (str,), "group": (str,)}, ["nick"]))


def _message_of(value: Any) -> MessagePlan:
    words: dict[str, tuple[type, ...]] = {"outcome": (str,), "delay_ms": (int,), "reason": (str,), "unusual": (bool,)}
    members = {"at": (int, float), "id": (str, int), "group": (str,), "nick": (str,), "topic": (str,)} | words
    taken = _taken(value, "a message", members, ["at", "id"])
    number = str(taken.pop("id"))
    if not re.fullmatch("-?[0-9]{1,19}", number):
        raise PlanError(f"the id of a message is a decimal number, not {show(value['id'])}")
    told = Instruction(**{name: taken.pop(name) for name in words if name in taken})
    return MessagePlan(id=int(number), told=told, **taken)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise PlanError(f'"{name}" of a plan is a number of seconds, not {show(value)}')
    return value


def _check_text(what: str, text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise PlanError(f"{what} must be text that UTF-8 can write, not {show(text)}") from None
    if size > TEXT_LIMIT:
        raise PlanError(f"{what} has at most {TEXT_LIMIT} bytes, not {size}: {show(text)}")


def _check_group(group: str) -> None:
    _check_text("a group", group)
    try:
        check_group_name(group)
    except ValueError as error:
        raise PlanError(str(error)) from None


def _check_times(whose: str, times: Iterable[float]) -> None:
    for time in times:
        if not 0 <= time <= SECONDS_LIMIT:
            raise PlanError(f"times of {whose} are seconds from 0 to {SECONDS_LIMIT:.0f}, not {show(time)}")


def _check_count(what: str, values: tuple[T, ...], limit: int) -> None:
    if len(values) > limit:
        raise PlanError(f"a plan has at most {limit} {what}, not {len(values)}")


def _check_many(what: str, values: tuple[T, ...], limit: int, name: Callable[[T], object]) -> None:
    _check_count(what, values, limit)
    counts = Counter(name(value) for value in values)
    if twice := [each for each, count in counts.items() if count > 1]:
        raise PlanError(f"two {what} of a plan are called {show(twice[0])}")
