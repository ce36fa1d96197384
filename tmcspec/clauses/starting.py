"""Whether an application is told that its client could not connect at first.

Told means that starting the client fails in the library's own way. A process that dies of it was not told, it was
killed. A client that tried again and was accepted in time had nothing to tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from tmcspec.clauses.base import Finding, broken, held
from tmcspec.clauses.history import History
from tmcspec.events import Accepted, Attempted, ClientStarted, ClientStopped, Fault
from tmcspec.trace import Entry


def told_of(history: History, client: str | None, trouble: Entry) -> Iterator[Finding]:
    """A finding about what became of trouble, unless a client was accepted before.

    Args:
        history: the trace.
        client: whose trouble it was; None for the one client that there is.
        trouble: what went wrong.
    """
    fleet = history.fleet
    started = next(fleet.events(ClientStarted, client), None)
    accepted = next(fleet.events(Accepted, client), None)
    if (accepted and accepted.seq < trouble.seq) or (started and started.seq < trouble.seq):
        return
    told = history.failed_start(trouble, client)
    stopped = fleet.first_after(ClientStopped, trouble, client)
    rightly = started is not None and accepted is not None and accepted.seq < started.seq
    if told and (started is None or told.seq < started.seq):
        yield held(trouble, told)
    elif started and not rightly:
        yield broken("the application was told that the client is connected", trouble, started.entry)
    elif started and history.between(trouble, started.entry) <= history.trace.patience:
        return
    elif stopped and history.between(trouble, stopped.entry) < history.trace.patience:
        return  # its application did not wait for it
    elif why := history.overdue(trouble, client=client, alone=not _said_by_service(trouble)):
        yield broken(f"the application was not told; {why}", trouble)


def _said_by_service(trouble: Entry) -> bool:
    """Whether the service had to say it, over a network that faults may have kept it from."""
    return not isinstance(trouble.event, Fault | Attempted)
