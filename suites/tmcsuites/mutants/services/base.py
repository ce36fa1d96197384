"""What a mutant of the service is, and how one is declared.

As with clients, it is the fake with one seeded defect: a subclass that replaces one step of one of its parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Final, TypeAlias, TypeVar

from tmcfakes.backlog import Backlog
from tmcfakes.console import Console
from tmcfakes.delivering import Deliveries
from tmcfakes.directory import Directory
from tmcfakes.fake import FakeTmc
from tmcfakes.gateway import Gateway
from tmcfakes.publishing import Publishing
from tmcfakes.queues import Queue
from tmcfakes.reception import Reception
from tmcfakes.service import Service
from tmcspec.clauses import CLAUSES, Binds
from tmcspec.flow import Valve

#: Whose part each is, and what it is called there.
HOLDERS: Final[dict[type[Any], tuple[type[Any], str]]] = {
    Backlog: (Deliveries, "backlog_type"),
    Queue: (Deliveries, "queue_type"),
    Valve: (Deliveries, "valve_type"),
    Console: (Service, "console_type"),
    Deliveries: (Service, "deliveries_type"),
    Directory: (Service, "directory_type"),
    Publishing: (Service, "publishing_type"),
    Reception: (Service, "reception_type"),
    Gateway: (FakeTmc, "gateway_type"),
    Service: (FakeTmc, "service_type"),
}

Part: TypeAlias = type[Any]
P = TypeVar("P", bound=Part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMutant:
    """A service with one seeded defect.

    Args:
        name: lower-case words joined by dashes, unique.
        clause: the id of the clause that names the defect; it binds the service.
        defect: one sentence.
        part: what has the defect.

    Raises:
        ValueError: a name of another form, an unknown clause or one that binds the client, more or less than one
            sentence, or no part of the fake.
    """

    name: str
    clause: str
    defect: str
    part: Part

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"the name of a mutant is words joined by dashes, as never-expires; not {self.name!r}")
        if self.clause not in CLAUSES or CLAUSES[self.clause].binds is not Binds.SERVICE:
            raise ValueError(f"mutant {self.name}: {self.clause!r} is no clause that binds the service")
        if not self.defect.endswith(".") or "\n\n" in self.defect:
            raise ValueError(f"mutant {self.name}: the defect is one sentence; not {self.defect!r}")
        if self.part.__mro__[1] not in HOLDERS:
            known = ", ".join(sorted(each.__name__ for each in HOLDERS))
            raise ValueError(f"mutant {self.name}: {self.part.__mro__[1].__name__} is no part of the fake: {known}")

    @property
    def fake(self) -> type[FakeTmc]:
        """The fake that has this part in its place."""
        part, kind = self.part, self.part.__mro__[1]
        while kind is not FakeTmc:
            kind, place = HOLDERS[kind]
            part = type(self.part.__name__, (kind,), {place: part})
        return part


class Catalogue(dict[str, ServiceMutant]):
    """Mutants by name, in the order of their declaration."""

    def mutant(self, name: str, clause: str) -> Callable[[P], P]:
        """Declares the decorated part as a mutant; its docstring is the defect.

        Raises:
            ValueError: the name is taken, or as `ServiceMutant`.
        """

        def declare(part: P) -> P:
            if name in self:
                raise ValueError(f"mutant {name} is declared twice")
            self[name] = ServiceMutant(name=name, clause=clause, defect=cleandoc(part.__doc__ or ""), part=part)
            return part

        return declare
