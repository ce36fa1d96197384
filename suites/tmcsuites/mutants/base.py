"""What a mutant is, and how one is declared.

A mutant has one seeded defect: a subclass that replaces one step of one part, and leaves everything else as it is. So
whatever a clause finds against it, it finds against that step. `Mutant` is the reference core with such a part,
`ServiceMutant` the fake service.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import cleandoc
from typing import ClassVar, Generic, TypeAlias, TypeVar

from tmcfakes.backlog import Backlog
from tmcfakes.connections import Connections
from tmcfakes.console import Console
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Application, Directory
from tmcfakes.fake import FakeTmc
from tmcfakes.gateway import Gateway
from tmcfakes.publishing import Publishing
from tmcfakes.queues import Queue
from tmcfakes.reception import Reception
from tmcfakes.service import Service
from tmcspec.clauses import CLAUSES, Binds
from tmcspec.client import Core, Deduplicated, Polling, TmcClient, TmcPoller
from tmcspec.client.session import Session
from tmcspec.client.wire import Wire
from tmcspec.flow import Valve
from tmcsuites.adapters.contract import Subject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.worlds import SubjectFactory

#: What of the client a defect may sit in.
Part: TypeAlias = type[Core] | type[TmcClient] | type[Wire] | type[Polling] | type[TmcPoller] | type[Deduplicated]

#: What of the service a defect may sit in, and where that has its place.
PLACES: dict[type, tuple[type, str]] = {
    Service: (FakeTmc, "service_type"),
    Gateway: (FakeTmc, "gateway_type"),
    Directory: (Service, "directory_type"),
    Connections: (Service, "connections_type"),
    Deliveries: (Service, "deliveries_type"),
    Publishing: (Service, "publishing_type"),
    Console: (Service, "console_type"),
    Reception: (Service, "reception_type"),
    Application: (Directory, "application_type"),
    Backlog: (Deliveries, "backlog_type"),
    Queue: (Deliveries, "queue_type"),
    Valve: (Deliveries, "valve_type"),
}

#: The two published PHP clients.
PHP = ("hyperf-taobao-tmc", "hucsuper/taobao-tmc")

P = TypeVar("P", bound=type)


class Killed(BaseException):
    """What a mutant raises that dies: past everything that catches exceptions, so the client never works again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One seeded defect.

    Args:
        name: lower-case words joined by dashes, unique.
        clause: the id of the clause that names the defect; it binds whoever has it.
        defect: one sentence.
        published: published clients that have it, or one that comes to the same; empty when none is known to.
        part: what has the defect.

    Raises:
        ValueError: a name of another form, an unknown clause or one that binds the other side, more or less than one
            sentence.
    """

    binds: ClassVar[Binds]

    name: str
    clause: str
    defect: str
    published: tuple[str, ...] = ()
    part: type

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"the name of a mutant is words joined by dashes, as never-confirms; not {self.name!r}")
        if self.clause not in CLAUSES or CLAUSES[self.clause].binds is not self.binds:
            raise ValueError(f"mutant {self.name}: {self.clause!r} is no clause that binds the {self.binds}")
        if not self.defect.endswith(".") or "\n\n" in self.defect:
            raise ValueError(f"mutant {self.name}: the defect is one sentence; not {self.defect!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant(Defect):
    """A client with one seeded defect."""

    binds: ClassVar[Binds] = Binds.CLIENT
    part: Part

    @property
    def subject(self) -> SubjectFactory:
        """Makes the client, as `tmcsuites.worlds.Setting` wants it."""
        make_subject = _subject_with(self.part)

        def make(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
            return make_subject(wall_clock=wall_clock, rng=rng)

        return make


def _subject_with(part: Part) -> Callable[..., ReferenceSubject]:
    """Makes the reference core with this part in its place."""
    if issubclass(part, Deduplicated):
        return partial(ReferenceSubject, dedupe_type=part)
    if issubclass(part, TmcPoller):
        return partial(ReferenceSubject, poller_type=part)
    if issubclass(part, Polling):
        return partial(ReferenceSubject, poller_type=type(part.__name__, (TmcPoller,), {"core_type": part}))
    return partial(ReferenceSubject, client_type=_client_with(part))


def _client_with(part: type[Core] | type[TmcClient] | type[Wire]) -> type[TmcClient]:
    if issubclass(part, TmcClient):
        return part
    if issubclass(part, Core):
        return type(part.__name__, (TmcClient,), {"core_type": part})
    session = type(part.__name__, (Session,), {"wire_type": part})
    return type(part.__name__, (TmcClient,), {"session_type": session})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMutant(Defect):
    """A fake service with one seeded defect."""

    binds: ClassVar[Binds] = Binds.SERVICE

    @property
    def fake(self) -> type[FakeTmc]:
        """Makes the service, as `tmcsuites.worlds.Setting` wants it."""
        made = self.part
        while not issubclass(made, FakeTmc):
            owner, name = next(place for part, place in PLACES.items() if issubclass(made, part))
            made = type(made.__name__, (owner,), {name: made})
        return made


D = TypeVar("D", bound=Defect)


class _Catalogue(dict[str, D], Generic[D]):
    """Mutants by name, in the order of their declaration."""

    kind: type[D]

    def mutant(self, name: str, clause: str, *, published: tuple[str, ...] = ()) -> Callable[[P], P]:
        """Declares the decorated part as a mutant; its docstring is the defect.

        Raises:
            ValueError: the name is taken, or as `Defect`.
        """

        def declare(part: P) -> P:
            if name in self:
                raise ValueError(f"mutant {name} is declared twice")
            self[name] = self.kind(
                name=name, clause=clause, defect=cleandoc(part.__doc__ or ""), published=published, part=part
            )
            return part

        return declare


class Catalogue(_Catalogue[Mutant]):
    """Mutants of the client by name."""

    kind = Mutant


class ServiceCatalogue(_Catalogue[ServiceMutant]):
    """Mutants of the service by name."""

    kind = ServiceMutant
