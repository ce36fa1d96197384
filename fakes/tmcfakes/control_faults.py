"""Calls of the control API about faults: what goes wrong, from now on or no more, and who a fault can be aimed at."""

from __future__ import annotations

from typing import Any

from tmcfakes.control_body import Complaint, shown
from tmcfakes.control_calls import Answer, Call
from tmcfakes.faults import FaultError, Schedule
from tmcfakes.faults.base import SCHEDULE_LIMIT

#: Clients that have addresses of their own; each takes two ports.
CLIENT_LIMIT = 100


async def inject(call: Call) -> Answer:
    """Faults happen from now on, beside those that there are."""
    schedule = {"faults": call.given["faults"], "seed": call.given["seed"] or 0}
    try:
        faults = Schedule.from_json(schedule)
    except FaultError as error:
        raise Complaint(str(error)) from None
    there = call.tmc.faults.active + call.tmc.faults.waiting
    if len(there) + len(faults.faults) > SCHEDULE_LIMIT:
        raise Complaint(f"{len(there)} faults are there, and at most {SCHEDULE_LIMIT} can be; DELETE them", status=409)
    call.tmc.inject(faults)
    return _there(call)


async def heal(call: Call) -> Answer:
    """All faults are over, and those that were still to come do not."""
    call.tmc.heal()
    return _there(call)


async def look(call: Call) -> Answer:
    """The faults that are there: those that have begun, and those that wait for their time."""
    return _there(call)


async def add_client(call: Call) -> Answer:
    """Addresses of its own for a client, so that it has a name, in the trace and for faults."""
    name = call.given["name"]
    if name not in call.tmc.clients and len(call.tmc.clients) >= CLIENT_LIMIT:
        raise Complaint(f"{CLIENT_LIMIT} clients have addresses, and no more can", status=409)
    try:
        addresses = await call.tmc.listen_for(name)
    except ValueError:
        raise Complaint(f'"name" is {shown(name)}; valid: anything but "*", which is everybody') from None
    return {"name": name, "url": addresses.url, "gateway_url": addresses.gateway_url}


def _there(call: Call) -> dict[str, Any]:
    faults = call.tmc.faults
    return {
        "active": [each.to_json() for each in faults.active],
        "waiting": [each.to_json() for each in faults.waiting],
    }
