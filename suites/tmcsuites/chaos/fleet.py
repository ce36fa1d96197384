"""Which client a fleet is made of, by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from difflib import get_close_matches

from tmcsuites.adapters.contract import Subject
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.worlds import SubjectFactory

#: The bundled reference core.
REFERENCE = "reference"

_MUTANT = "mutant:"


class FleetError(ValueError):
    """There is no such client."""


def subject_of(name: str) -> SubjectFactory:
    """Makes clients of a name: `reference`, or `mutant:NAME`.

    Raises:
        FleetError: there is none; the message says what there is.
    """
    if name == REFERENCE:
        return _reference
    if not name.startswith(_MUTANT):
        raise FleetError(f"the client is {name!r}; valid: '{REFERENCE}', or '{_MUTANT}NAME'")
    # With all their parts, so only when they are needed.
    from tmcsuites.mutants import MUTANTS

    wanted = name.removeprefix(_MUTANT)
    if wanted not in MUTANTS:
        near = get_close_matches(wanted, MUTANTS, n=3)
        raise FleetError(f"there is no mutant {wanted!r}; {'near it: ' + ', '.join(near) if near else 'see MUTANTS'}")
    return MUTANTS[wanted].subject


def _reference(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
    return ReferenceSubject(wall_clock=wall_clock, rng=rng)
