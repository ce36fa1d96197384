"""What each call of the control API does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from aiohttp import web

from tmcfakes.control_body import ID, Complaint, shown, value_of
from tmcfakes.directory import Application
from tmcfakes.fake import FakeTmc
from tmcfakes.service import Service
from tmcfakes.stats import rows
from tmcfakes.trace_lines import entry_lines, header_line
from tmcspec import ids
from tmcspec.routing import DEFAULT_GROUP, Environment

log = logging.getLogger("tmcfakes")

T = TypeVar("T")

#: Messages that are produced, and entries that are written, until the event loop may do something else.
BATCH = 1000

#: Bytes that one call may produce, contents and all.
PRODUCE_LIMIT = 128 * 2**20

#: Bytes of a message beside its content, about.
ENVELOPE = 320

#: Messages that are not settled, in all: more than a gigabyte of them helps nobody.
BACKLOG_LIMIT = 1_000_000

#: Seconds that somebody who reads the trace may not read.
READ_PATIENCE = 60.0

ENVIRONMENTS: tuple[Environment, ...] = ("production", "pre-release")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call.

    Args:
        tmc: the service that is called.
        request: what came.
        name: the part of the path that names something.
        given: the members of the body, or of the query where there is no body.
    """

    tmc: FakeTmc
    request: web.Request
    name: str
    given: dict[str, Any]

    def do(self, act: Callable[[Service, float], T]) -> T:
        """As `FakeTmc.do`. What the engine cannot do is a Complaint."""
        with complaining():
            return self.tmc.do(act)

    @property
    def app(self) -> Application:
        """The app that is named, by default the first one. Raises Complaint."""
        named = self.given["app_key"]
        return self.do(
            lambda service, now: (
                next(iter(service.directory.apps.values())) if named is None else service.directory.app(named)
            )
        )


Answer: TypeAlias = dict[str, Any] | web.StreamResponse
Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


@contextlib.contextmanager
def complaining(status: int = 400) -> Iterator[None]:
    """Around what the engine refuses with a ValueError."""
    try:
        yield
    except ValueError as error:
        raise Complaint(str(error), status=status) from None


# Messages


async def produce(call: Call) -> Answer:
    """Messages, for one app or for all that hold the user's grant. The clients get them between two batches."""
    given = call.given
    count = total = given["count"] or 1
    make = _broadcast(call) if given["broadcast"] else _point_to_point(call)
    if given["id"] is not None:
        last = given["id"] + count - 1
        if last > ids.MAXIMUM:
            raise Complaint(f'"id" and "count" make ids up to {last}, more than the largest, {ids.MAXIMUM}')
    size = count * (len((given["content"] or "").encode()) + ENVELOPE)
    if size > PRODUCE_LIMIT:
        raise Complaint(
            f"{count} such messages have some {size} bytes, more than the {PRODUCE_LIMIT} that one call may produce; "
            "make several calls"
        )
    made: list[str] = []
    began = call.tmc.recorder
    while count > 0:
        batch = min(count, BATCH)
        try:
            if call.tmc.recorder is not began:
                raise Complaint("the service was reset meanwhile", status=409)
            made += call.do(functools.partial(_batch, make=make, numbers=range(total - count, total - count + batch)))
        except Complaint as complaint:
            done = f"; {len(made)} messages were produced before" if made else ""
            raise Complaint(f"{complaint}{done}", status=complaint.status) from None
        count -= batch
        await asyncio.sleep(0)
    return {"ids": made}


#: Makes the messages of a number, counted from 0, at a time. Returns their ids.
Make: TypeAlias = Callable[[Service, float, int], list[int]]


def _point_to_point(call: Call) -> Make:
    given, app_key = call.given, call.app.key
    members = {name: given[name] for name in ("topic", "content", "group", "user_id", "nick", "data_id")}
    members["environment"] = given["environment"] or "production"
    first = given["id"]

    def make(service: Service, now: float, number: int) -> list[int]:
        id = None if first is None else first + number
        return [service.produce(app_key=app_key, now=now, id=id, **members)]

    return make


def _broadcast(call: Call) -> Make:
    given = call.given
    for name in ("app_key", "group", "id"):
        if given[name] is not None:
            raise Complaint(f'"{name}" and "broadcast" exclude each other: a broadcast goes to all apps of a user')
    if given["user_id"] is None and given["nick"] is None:
        raise Complaint('a broadcast is about a user; name one by "user_id" or "nick"')
    members = {name: given[name] for name in ("topic", "content", "user_id", "nick", "data_id")}
    members["environment"] = given["environment"] or "production"
    return lambda service, now, number: list(service.broadcast(now=now, **members).values())


def _batch(service: Service, now: float, *, make: Make, numbers: range) -> list[str]:
    unsettled = sum(queue.unsettled for queue in service.queues())
    if unsettled + len(numbers) > BACKLOG_LIMIT:
        raise Complaint(
            f"{unsettled} messages are not settled, and {BACKLOG_LIMIT} is the limit; consume some, or POST reset",
            status=409,
        )
    return [str(id) for number in numbers for id in make(service, now, number)]


async def look_up(call: Call) -> Answer:
    """The three tracks of a message: produced, pushed, confirmed (S64)."""
    id = value_of("id", call.name, ID)
    with complaining(404):
        message = call.tmc.do(lambda service, now: service.message(id))
    queue, at = message.queue.key, _moments(call.tmc)
    return {
        "id": str(message.id),
        "state": message.state.name.lower(),
        "produced": at(message.born)
        | {
            "app_key": queue.app_key,
            "group": queue.group,
            "environment": queue.environment,
            "kind": message.kind,
            "topic": message.topic,
            "user_id": None if message.user_id is None else str(message.user_id),
        },
        "pushes": [
            at(handed.time)
            | {"connection": handed.connection, "via": handed.via, "ip": handed.ip, "outcome": handed.outcome}
            for handed in message.handed
        ],
        "confirmed": message.confirmed
        and at(message.confirmed.time) | {"via": message.confirmed.via, "connection": message.confirmed.connection},
    }


def _moments(tmc: FakeTmc) -> Callable[[float], dict[str, Any]]:
    """What says when something was: in seconds of service time, and for people."""
    epoch_ms = tmc.conditions.epoch_ms

    def moment(time: float) -> dict[str, Any]:
        try:
            date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms + round(time * 1000))
        except OverflowError:
            return {"time": time, "at": None}  # the service runs in a year that has no date
        return {"time": time, "at": date.isoformat(timespec="milliseconds")}

    return moment


# Time


async def clock(call: Call) -> Answer:
    """Service time; `manual` where it only moves when it is advanced."""
    now, conditions = call.tmc.now(), call.tmc.conditions
    return {"now": now, "epoch_ms": conditions.epoch_ms + round(now * 1000), "manual": not conditions.client_clock}


async def advance(call: Call) -> Answer:
    """Service time jumps, and everything due happens."""
    call.tmc.advance(call.given["seconds"])
    log.info("advanced", extra={"members": {"seconds": call.given["seconds"]}})
    return {"now": round(call.tmc.now(), 6)}


# Looking in


async def stats(call: Call) -> Answer:
    """How it goes, in each group."""
    now, found = call.do(lambda service, now: (now, rows(service, now=now)))
    return {
        "now": round(now, 6),
        "groups": [
            {
                "app_key": row.app_key,
                "group": row.group,
                "environment": row.environment,
                "backlog": row.backlog,
                "produced": row.counts.produced,
                "pushed": row.counts.pushed,
                "confirmed": row.counts.confirmed,
                "failed": row.counts.failed,
                "expired": row.counts.expired,
                "connections": row.connections,
                "waiting": row.waiting,
                "dropped": row.counts.dropped,
                "flow": row.flow,
                "mode": row.mode,
                "deleted": row.deleted,
            }
            for row in found
        ],
    }


async def trace(call: Call) -> Answer:
    """The trace as it is now, as a trace file; or what came after an entry, without the header line."""
    tmc, since = call.tmc, call.given["since"] or 0
    recorder = tmc.recorder
    entries, first, last = recorder.entries, recorder.first, recorder.last
    if since > last:
        raise Complaint(f'"since" is {since}, and the trace ends at {last}: it began anew at a reset', status=409)
    chosen = entries[max(0, since + 1 - first) :]
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/jsonl; charset=utf-8",
            "Tmc-Trace-Last": str(last),
            "Tmc-Trace-Forgotten": str(first - 1),
        }
    )
    lines = [] if since else [header_line(tmc.conditions, forgotten=first - 1)]
    try:
        await response.prepare(call.request)
        for start in range(0, len(chosen) or 1, BATCH):
            lines += entry_lines(tmc.conditions, chosen[start : start + BATCH])
            async with asyncio.timeout(READ_PATIENCE):
                await response.write("".join(line + "\n" for line in lines).encode())
            lines = []
    except (ConnectionError, TimeoutError):
        # Whoever asked is gone, or does not read.
        if call.request.transport is not None:
            call.request.transport.abort()
    return response


async def reset(call: Call) -> Answer:
    """All is as at the start, but for the clock."""
    call.tmc.reset()
    return {"now": call.tmc.now()}


# What the operator of an app does, and its users


async def add_user(call: Call) -> Answer:
    """A user grants an app access, and the app takes the user's messages: all, or those about some topics."""
    given, app = call.given, call.app

    def add(service: Service, now: float) -> dict[str, Any]:
        console, nick = service.console(now=now), given["nick"]
        # First what is most likely to be wrong. A call that failed half way may be made again.
        if given["group"] is not None and given["group"] not in app.groups:
            console.create_group(app.key, given["group"])
        until = None if given["expires_in"] is None else now + given["expires_in"]
        relation = console.authorise(app.key, nick, user_id=given["user_id"], until=until)
        console.permit(app.key, nick, topics=given["topics"])
        if given["group"] is not None:
            console.add_to_group(app.key, given["group"], [nick])
        return {"user_id": str(relation.user.user_id), "session": relation.session}

    return call.do(add)


async def remove_user(call: Call) -> Answer:
    """A user takes the grant back, and the app takes no more of the user's messages."""
    nick, app = call.name, call.app

    def remove(service: Service, now: float) -> int | None:
        user = service.directory.user(nick=nick)
        if user is None or user.user_id not in app.relations:
            return None
        console = service.console(now=now)
        console.cancel(app.key, nick)
        console.revoke(app.key, nick)
        return user.user_id

    user_id = call.do(remove)
    if user_id is None:
        raise Complaint(f"app {app.key!r} has no user {shown(nick)}", status=404)
    return {"user_id": str(user_id)}


async def add_group(call: Call) -> Answer:
    """A group, if it is not there, and topics that are bound to it."""
    given, app = call.given, call.app
    group, topics = given["group"], given["topics"] or []

    def add(service: Service, now: float) -> None:
        console = service.console(now=now)
        if group not in app.groups:
            console.create_group(app.key, group)
        if topics:
            console.bind_topics(app.key, group, topics)

    call.do(add)
    bound = sorted(topic for topic, name in app.topic_groups.items() if name == group)
    return {"app_key": app.key, "group": group, "topics": bound}


async def remove_group(call: Call) -> Answer:
    """A group is deleted, with its messages."""
    group, app = call.name, call.app
    if group not in app.groups:
        raise Complaint(f"app {app.key!r} has no group {shown(group)}", status=404)

    def remove(service: Service, now: float) -> int:
        lost = sum(service.unsettled(app.key, group, environment) for environment in ENVIRONMENTS)
        service.console(now=now).delete_group(app.key, group)
        return lost

    return {"dropped": call.do(remove)}


async def set_flow(call: Call) -> Answer:
    """The flow value of a group; it is in force after some seconds (S45)."""
    app, group, value = call.app, call.given["group"] or DEFAULT_GROUP, call.given["value"]
    call.do(lambda service, now: service.console(now=now).set_flow(app.key, group, value))
    return {"app_key": app.key, "group": group, "value": value}


async def set_mode(call: Call) -> Answer:
    """Whether a group is pushed or pulled."""
    app, group, mode = call.app, call.given["group"] or DEFAULT_GROUP, call.given["mode"]
    call.do(lambda service, now: service.console(now=now).set_mode(app.key, group, mode))
    return {"app_key": app.key, "group": group, "mode": mode}


async def subscribe(call: Call) -> Answer:
    """The topics that an app has subscribed to."""
    app, topics = call.app, call.given["topics"]
    call.do(lambda service, now: service.console(now=now).subscribe(app.key, topics))
    return {"app_key": app.key, "topics": topics}


async def set_retention(call: Call) -> Answer:
    """How long messages are kept."""
    seconds = call.given["seconds"]
    call.do(lambda service, now: service.console(now=now).set_retention(seconds))
    return {"seconds": seconds}


async def set_topics_to_taobao(call: Call) -> Answer:
    """The topics that apps may publish to Taobao."""
    topics = call.given["topics"]

    def replace_topics(service: Service, now: float) -> None:
        service.directory.topics_to_taobao = None if topics is None else set(topics)

    call.do(replace_topics)
    return {"topics": topics}
