"""What a mutant is, and how one is declared.

A mutant is the reference core with one seeded defect: a subclass that replaces one step of one of its parts, and leaves
everything else as it is. So whatever a clause finds against it, it finds against that step.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import cleandoc
from typing import TypeAlias, TypeVar

from tmcspec.clauses import CLAUSES, Binds
from tmcspec.client import Core, Deduplicated, Polling, TmcClient, TmcPoller
from tmcspec.client.session import Session
from tmcspec.client.wire import Wire
from tmcsuites.adapters.contract import Subject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.worlds import SubjectFactory

#: What of the client a defect may sit in.
Part: TypeAlias = type[Core] | type[TmcClient] | type[Wire] | type[Polling] | type[TmcPoller] | type[Deduplicated]

#: The two published PHP clients.
PHP = ("hyperf-taobao-tmc", "hucsuper/taobao-tmc")

P = TypeVar("P", bound=Part)


class Killed(BaseException):
    """What a mutant raises that dies: past everything that catches exceptions, so the client never works again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A client with one seeded defect.

    Args:
        name: lower-case words joined by dashes, unique.
        clause: the id of the clause that names the defect; it binds the client.
        defect: one sentence.
        published: published clients that have it, or one that comes to the same; empty when none is known to.
        part: what has the defect.

    Raises:
        ValueError: a name of another form, an unknown clause or one that binds the service, more or less than one
            sentence.
    """

    name: str
    clause: str
    defect: str
    published: tuple[str, ...]
    part: Part

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"the name of a mutant is words joined by dashes, as never-confirms; not {self.name!r}")
        if self.clause not in CLAUSES or CLAUSES[self.clause].binds is not Binds.CLIENT:
            raise ValueError(f"mutant {self.name}: {self.clause!r} is no clause that binds the client")
        if not self.defect.endswith(".") or "\n\n" in self.defect:
            raise ValueError(f"mutant {self.name}: the defect is one sentence; not {self.defect!r}")

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


class Catalogue(dict[str, Mutant]):
    """Mutants by name, in the order of their declaration."""

    def mutant(self, name: str, clause: str, *, published: tuple[str, ...] = ()) -> Callable[[P], P]:
        """Declares the decorated part as a mutant; its docstring is the defect.

        Raises:
            ValueError: the name is taken, or as `Mutant`.
        """

        def declare(part: P) -> P:
            if name in self:
                raise ValueError(f"mutant {name} is declared twice")
            self[name] = Mutant(
                name=name, clause=clause, defect=cleandoc(part.__doc__ or ""), published=published, part=part
            )
            return part

        return declare
