"""Clients with one seeded defect each: what the suite must find, or it is worth nothing.

Each mutant is the reference core with one step replaced. The clause that names its defect must find it, and no
unrelated clause may accuse it.

Example:
    >>> MUTANTS["confirms-first"].clause
    'ACK-2'
"""

from __future__ import annotations

from tmcsuites.mutants import (
    acknowledgement,
    connection,
    duplicates,
    frames,
    groups,
    handshake,
    longid,
    polling,
    publishing,
    redelivery,
    wholequeue,
)
from tmcsuites.mutants.base import Mutant

#: Every mutant by name, area by area.
MUTANTS: dict[str, Mutant] = {
    **handshake.MUTANTS,
    **frames.MUTANTS,
    **acknowledgement.MUTANTS,
    **redelivery.MUTANTS,
    **groups.MUTANTS,
    **longid.MUTANTS,
    **connection.MUTANTS,
    **publishing.MUTANTS,
    **polling.MUTANTS,
    **wholequeue.MUTANTS,
    **duplicates.MUTANTS,
}

__all__ = ["MUTANTS", "Mutant"]
