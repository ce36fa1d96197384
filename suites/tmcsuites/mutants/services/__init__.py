"""Services with exactly one seeded defect each, by area: a clause that binds the service must find one."""

from tmcsuites.mutants.services import flow, life, routing, talking
from tmcsuites.mutants.services.base import Catalogue, ServiceMutant

SERVICE_MUTANTS = Catalogue({**talking.MUTANTS, **life.MUTANTS, **routing.MUTANTS, **flow.MUTANTS})

__all__ = ["SERVICE_MUTANTS", "ServiceMutant"]
