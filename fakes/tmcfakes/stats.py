"""What goes on in each queue, in numbers: the rows of `/_tmc/stats` and of the metrics."""

from __future__ import annotations

from dataclasses import dataclass

from tmcfakes.queues import Counts
from tmcfakes.service import Service
from tmcspec.flow import Mode
from tmcspec.routing import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group of one app in one environment.

    Attributes:
        backlog: messages that are not settled.
        waiting: those of them that are not with a client.
        counts: what has happened so far.
        connections: how many take its messages.
        flow: the flow value that is in force, None for no limit.
        mode: whether it is pushed or pulled.
        deleted: whether there is no such group any more.
    """

    app_key: str
    group: str
    environment: Environment
    backlog: int
    waiting: int
    counts: Counts
    connections: int
    flow: int | None
    mode: Mode
    deleted: bool


def rows(service: Service, *, now: float) -> list[Row]:
    """All groups in production, and what else anybody has used, by app, group and environment."""
    apps = service.directory.apps
    for app in apps.values():
        for group in app.groups:
            service.unsettled(app.key, group)  # a queue is there as soon as somebody has asked for it
    found = [
        Row(
            app_key=queue.key.app_key,
            group=queue.key.group,
            environment=queue.key.environment,
            backlog=queue.unsettled,
            waiting=queue.waiting,
            counts=queue.counts,
            connections=len(queue.takers),
            flow=queue.valve.value(now=now),
            mode="pull" if queue.pulled else "push",
            deleted=queue.key.group not in apps[queue.key.app_key].groups,
        )
        for queue in service.queues()
    ]
    return sorted(found, key=lambda row: (row.app_key, row.group, row.environment != "production"))
