"""What a fault is: data that says what goes wrong, for whom, when, and for how long.

A fault is planned before a run and applied by `tmcfakes.injector` during it. It is a value: equal faults do the same,
and its JSON form, `{"fault": NAME, …}`, is the whole of it. Times are seconds of run time: the time of the event loop
since the injector began, which a jump of the service clock does not move.

What has to do with chance within a fault is drawn from `luck`: one seed, split by who is concerned, so that one more
connection changes nothing for the others.
"""

from __future__ import annotations

import json
import math
import random
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from tmcspec.frame_values import show
from tmcspec.json_text import unique

#: The target that is every client.
EVERYBODY = "*"

#: A run is not longer than a year.
TIME_LIMIT = 366 * 24 * 3600.0

#: Bytes of the name of a client.
NAME_LIMIT = 1_000

#: So many faults are more than anybody can tell apart.
SCHEDULE_LIMIT = 10_000

F = TypeVar("F", bound="PlannedFault")

#: Where one fault of a schedule draws from: gives the random source of somebody, told by names and numbers.
Chance: TypeAlias = Callable[..., random.Random]

#: Every kind of fault, by its name.
FAULTS: dict[str, type[PlannedFault]] = {}


def fault(kind: type[F]) -> type[F]:
    """Registers the decorated class under its name.

    Raises:
        ValueError: the name is taken.
    """
    if kind.name in FAULTS:
        raise ValueError(f"fault {kind.name!r} is declared twice")
    FAULTS[kind.name] = kind
    return kind


class FaultError(ValueError):
    """A fault, or a schedule of faults, is not what it should be."""


def luck(seed: int, *who: str | int) -> random.Random:
    """The random source of somebody: the same for the same names, and of no concern to anybody else.

    Example:
        >>> luck(7, "latency", "client-1").random() == luck(7, "latency", "client-1").random()
        True
        >>> luck(7, "latency", "client-1").random() == luck(7, "latency", "client-2").random()
        False
    """
    return random.Random("/".join(str(part) for part in (seed, *who)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """Something that is to go wrong. Subclasses are the vocabulary.

    Args:
        at: when it begins, in seconds of run time, >= 0.
        target: the name of a client, or `*` for all of them.

    Raises:
        FaultError: a member is out of its range; the message shows the value and what is valid.
    """

    name: ClassVar[str]
    #: It concerns everybody, so it has no other target.
    for_all: ClassVar[bool] = False

    at: float = 0.0
    target: str = EVERYBODY

    def __post_init__(self) -> None:
        self.within("at", 0, TIME_LIMIT)
        self.text_of("target", NAME_LIMIT)
        if not self.target:
            raise self.wrong("target", f"the name of a client, or {EVERYBODY!r} for all")
        if self.for_all and self.target != EVERYBODY:
            raise self.wrong("target", f"{EVERYBODY!r}: it concerns everybody")

    @property
    def end(self) -> float:
        """When it is over, in seconds of run time; infinite when it lasts until it is cleared. What waits for frames or
        CONNECTs may act later.
        """
        return self.at

    def concerns(self, client: str) -> bool:
        """Whether it is about this client."""
        return self.target in (EVERYBODY, client)

    # For subclasses

    def wrong(self, member: str, valid: str) -> FaultError:
        """The error of a member that is not valid."""
        return FaultError(f"{member} of {self.name!r} is {show(getattr(self, member))}; valid: {valid}")

    def within(self, member: str, low: float, high: float, *, above: bool = False) -> None:
        """Raises FaultError unless a member is a number from `low` (or `above` it) to `high`."""
        value = getattr(self, member)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high or (above and value == low):
            least = f"more than {low:g}" if above else f"{low:g} or more"
            raise self.wrong(member, f"a number, {least}, at most {high:g}")

    def whole(self, member: str, low: int, high: int) -> None:
        """Raises FaultError unless a member is an integer from `low` to `high`."""
        value = getattr(self, member)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(member, f"an integer, {low} or more, at most {high}")

    def text_of(self, member: str, limit: int) -> None:
        """Raises FaultError unless a member is a text that UTF-8 can write in so many bytes."""
        try:
            size = len(getattr(self, member).encode())
        except UnicodeEncodeError:
            raise self.wrong(member, "text that UTF-8 can write, without half a surrogate pair") from None
        if size > limit:
            raise self.wrong(member, f"at most {limit} bytes, and these are {size}")

    def one_of(self, member: str, valid: Iterable[str]) -> None:
        """Raises FaultError unless a member is one of these texts."""
        choices = tuple(valid)
        if getattr(self, member) not in choices:
            raise self.wrong(member, ", ".join(repr(choice) for choice in choices))

    # Files

    def to_json(self) -> dict[str, Any]:
        """Its JSON form: members that are as usual are left out."""
        members = {each.name: getattr(self, each.name) for each in fields(self)}
        usual = {each.name: each.default for each in fields(self)}
        return {"fault": self.name} | {name: value for name, value in members.items() if value != usual[name]}

    @classmethod
    def of_members(cls, members: Mapping[str, Any]) -> Self:
        """A fault of this kind from the members of its JSON form. Raises FaultError."""
        known = {each.name: each for each in fields(cls)}
        if unknown := [name for name in members if name not in known]:
            raise FaultError(
                f"fault {cls.name!r} has no member {show(unknown[0])}; valid: {', '.join(map(repr, known))}"
            )
        if missing := [name for name, each in known.items() if each.default is MISSING and name not in members]:
            raise FaultError(f"fault {cls.name!r} needs a member {missing[0]!r}")
        hints = get_type_hints(cls)
        for name, value in members.items():
            if not _fits(value, hints[name]):
                raise FaultError(f"{name} of {cls.name!r} is {show(value)}; valid: {_spelled(hints[name])}")
        return cls(**members)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastingFault(PlannedFault):
    """A fault that is there for a while.

    Args:
        duration: for how long, in seconds, > 0; None until it is cleared.
    """

    duration: float | None = None

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        if self.duration is not None:
            self.within("duration", 0, TIME_LIMIT, above=True)

    @property
    def end(self) -> float:
        return math.inf if self.duration is None else self.at + self.duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The faults of one run.

    Args:
        faults: in any order; the injector sorts them by time.
        seed: of what the faults draw by chance, a signed 64-bit integer.

    Raises:
        FaultError: the seed is none, there are too many faults, or something is none.

    Example:
        >>> from tmcfakes.faults import Latency
        >>> schedule = Schedule(faults=(Latency(at=10, duration=60, delay=0.5),), seed=7)
        >>> Schedule.loads(schedule.dumps()) == schedule
        True
    """

    faults: tuple[PlannedFault, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not -(2**63) <= self.seed < 2**63:
            raise FaultError(f"the seed of a schedule must be a signed 64-bit integer, not {show(self.seed)}")
        if not isinstance(self.faults, tuple) or not all(isinstance(each, PlannedFault) for each in self.faults):
            raise FaultError(f"the faults of a schedule are a tuple of faults, as (Down(),), not {show(self.faults)}")
        if len(self.faults) > SCHEDULE_LIMIT:
            raise FaultError(f"a schedule has at most {SCHEDULE_LIMIT} faults, not {len(self.faults)}")

    def to_json(self) -> dict[str, Any]:
        """Its JSON form."""
        return {"seed": self.seed, "faults": [each.to_json() for each in self.faults]}

    @classmethod
    def from_json(cls, value: Any) -> Schedule:
        """A schedule from its JSON form, or from a list of faults alone. Raises FaultError, which names the fault."""
        value = {"faults": value} if isinstance(value, list) else value
        if not isinstance(value, dict) or not isinstance(listed := value.get("faults", []), list):
            raise FaultError(
                'a schedule is {"seed": 0, "faults": [{"fault": NAME, …}, …]}, or a list of faults; '
                f"not {show(value)}"
            )
        if unknown := sorted(set(value) - {"seed", "faults"}):
            raise FaultError(f"a schedule has no member {show(unknown[0])}; valid: 'seed', 'faults'")
        if len(listed) > SCHEDULE_LIMIT:
            raise FaultError(f"a schedule has at most {SCHEDULE_LIMIT} faults, not {len(listed)}")
        faults = tuple(_numbered(place, each) for place, each in enumerate(listed, 1))
        return cls(faults=faults, seed=value.get("seed", 0))

    def dumps(self) -> str:
        """Its JSON form as text."""
        return json.dumps(self.to_json())

    @classmethod
    def loads(cls, text: str) -> Schedule:
        """A schedule from JSON text. Raises FaultError."""
        try:
            value = json.loads(text, object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            raise FaultError(f"a schedule is JSON; {error}") from None
        return cls.from_json(value)


def fault_from_json(value: Any) -> PlannedFault:
    """A fault from its JSON form.

    Raises:
        FaultError: it is none; the message says what is wrong and what is valid.

    Example:
        >>> fault_from_json({"fault": "reset_peer", "at": 5, "target": "client-1"})
        ResetPeer(at=5, target='client-1', duration=None, toxicity=1.0, timeout=0.0)
    """
    if not isinstance(value, dict):
        raise FaultError(f'a fault is an object with a member "fault", its name; not {show(value)}')
    if "fault" not in value:
        members = ", ".join(show(name) for name in list(value)[:10]) or "none"
        raise FaultError(f'a fault is an object with a member "fault", its name; this one has {members}')
    kind = FAULTS.get(value["fault"]) if isinstance(value["fault"], str) else None
    if kind is None:
        raise FaultError(f"unknown fault {show(value['fault'])}; valid: {', '.join(sorted(FAULTS))}")
    return kind.of_members({name: member for name, member in value.items() if name != "fault"})


def _numbered(place: int, value: Any) -> PlannedFault:
    try:
        return fault_from_json(value)
    except FaultError as error:
        raise FaultError(f"fault {place}: {error}") from None


def _fits(value: object, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if origin is Literal:
        return value in get_args(hint) and isinstance(value, str)
    if hint is type(None):
        return value is None
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float) if hint is float else isinstance(value, hint)


def _spelled(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_spelled(each) for each in get_args(hint))
    if origin is Literal:
        return ", ".join(repr(each) for each in get_args(hint))
    words = {float: "a number", int: "an integer", str: "a text", bool: "true or false", type(None): "null"}
    return words[hint]
