"""Fake services with one seeded defect each: what the clauses that bind the service must find, or they are worth
nothing.

Each mutant is the fake with one step replaced. It meets the reference core in the cases, and clients by hand in the
`encounters`, which do what no client under test would.

Example:
    >>> SERVICE_MUTANTS["never-redelivers"].clause
    'RDL-1'
"""

from __future__ import annotations

from tmcsuites.mutants.base import ServiceMutant
from tmcsuites.mutants.service import flowcontrol, gateway, groups, handshake, publishing, redelivery

#: Every mutant of the service by name, area by area.
SERVICE_MUTANTS: dict[str, ServiceMutant] = {
    **handshake.MUTANTS,
    **redelivery.MUTANTS,
    **groups.MUTANTS,
    **publishing.MUTANTS,
    **gateway.MUTANTS,
    **flowcontrol.MUTANTS,
}

__all__ = ["SERVICE_MUTANTS", "ServiceMutant"]
