"""Which client a fleet is made of, by name.

One that begins with `python:` names code that is run when it is asked for. So it counts when somebody says it, and not
when a file does: see `is_code`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from difflib import get_close_matches

from tmcfakes.simulation import EPOCH_MS, simulate
from tmcspec.clauses import CLAUSES, Clause
from tmcspec.frame_values import show
from tmcsuites.adapters.contract import Subject, Unavailable, choices
from tmcsuites.adapters.in_process import no_exit
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.imported import ImportFailed, factory_of
from tmcsuites.worlds import SubjectFactory, binding

#: The bundled reference core.
REFERENCE = "reference"

_MUTANT = "mutant:"
PYTHON = "python:"


class FleetError(ValueError):
    """There is no such client."""


def subject_of(name: str) -> SubjectFactory:
    """Makes clients of a name: `reference`, `mutant:NAME`, or `python:MODULE:FACTORY` for one in this process.

    Raises:
        FleetError: there is none; the message says what there is.
    """
    if name == REFERENCE:
        return _reference
    if is_code(name):
        try:
            return factory_of(name.removeprefix(PYTHON))
        except ImportFailed as error:
            raise FleetError(f"the client {show(name)}: {error}") from None
    if not name.startswith(_MUTANT):
        raise FleetError(f"the client is {name!r}; valid: '{REFERENCE}', '{_MUTANT}NAME', or '{PYTHON}MODULE:FACTORY'")
    # With all their parts, so only when they are needed.
    from tmcsuites.mutants import MUTANTS

    wanted = name.removeprefix(_MUTANT)
    if wanted not in MUTANTS:
        near = get_close_matches(wanted, MUTANTS, n=3)
        raise FleetError(f"there is no mutant {wanted!r}; {'near it: ' + ', '.join(near) if near else 'see MUTANTS'}")
    return MUTANTS[wanted].subject


def clauses_for(subject: SubjectFactory) -> tuple[Clause, ...]:
    """The clauses that a client of this make is held to, by what it declares.

    Raises:
        SubjectError: it cannot be brought to life, or cannot be pushed to, which is all that happens to a fleet.
    """

    async def declared() -> frozenset[str]:
        client = subject(lambda: EPOCH_MS / 1000, random.Random(0))
        try:
            await client.open(lambda event: None)
            return client.info.capabilities
        finally:
            await client.close()

    with no_exit():
        capabilities = simulate(declared)
    if "push" not in capabilities:
        raise Unavailable(
            f"it declares {choices(capabilities) or 'nothing'}, and a fleet is pushed to over WebSocket: "
            "a client that does so declares 'push'"
        )
    return binding(CLAUSES.values(), capabilities)


def is_code(name: str) -> bool:
    """Whether a name is that of code, which is run when clients of that name are made."""
    return name.startswith(PYTHON)


def _reference(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng)
