"""GRP: groups and routing, from what happens to a connection.

These clauses bind the service, but for GRP-7. They judge by what the trace tells of grants, permissions, subscriptions
and groups; what was so before the first event about it is not known, and nobody is accused for it (`registry`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from tmcspec.clauses.admission import CACHE_TOLERANCE
from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.chi_square import survival
from tmcspec.clauses.consumers import Consumers, Gate
from tmcspec.clauses.consumption import CONSUME
from tmcspec.clauses.conversation import QueueName, queue_of
from tmcspec.clauses.deliveries import Delivery, Handing, Life
from tmcspec.clauses.history import History
from tmcspec.clauses.registry import Over, Placed, Registry, told
from tmcspec.clauses.shares import Stretch, stretches
from tmcspec.events import ClientStarting, Consumed, Dropped, GroupCreated, GroupDeleted, HttpIn, Produced, Pushed
from tmcspec.messages import Connect
from tmcspec.routing import DEFAULT_GROUP, GROUP_LIMIT
from tmcspec.timing import SUBSCRIPTION_CACHE
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: Seconds that the service has to push what waits, when somebody comes who takes it.
PROMPT = 1.0

#: What chance does less often than this is no chance. See GRP-2.
UNLIKELY = 1e-8


@clause(
    "GRP-1",
    Level.MUST,
    Binds.SERVICE,
    "A message goes only to consumers of the app and group that it was produced for, and a user's broadcast is "
    "produced for the group that the user is in, else for the one that its topic is bound to, else for `default`.",
    source="S58: 组内用户的消息只会发送到相同组名的连接上; S12, S14; that user routing wins says the page of "
    "taobao.tmc.topic.group.add",
)
def messages_stay_in_their_group(history: History) -> Iterator[Finding]:
    """Groups are how an application keeps its important sellers apart from the others. A consumer is a connection that
    was accepted for the group, or a request over HTTP that names it; one that names none asks for `default`.
    """
    consumers = Consumers(history)
    for life, handing in _handed(history):
        consumer, queue = consumers.of(handing), queue_of(life.produced.event)
        if consumer is None:
            continue
        if consumer.queue is None:
            yield broken(f"{life.id} was pushed on {consumer.name}, which was not accepted", handing.entry)
        elif consumer.queue[:2] == queue[:2]:
            yield held(handing.entry)
        else:
            yield broken(
                f"{life.id} of group {_group(queue)} went to {consumer.name} of group {_group(consumer.queue)}",
                *_in_order(life.produced.entry, consumer.entry, handing.entry),
            )
    yield from _routed(history, "broadcast")


@clause(
    "GRP-2",
    Level.MUST,
    Binds.SERVICE,
    "Each message goes to one connection of its group, chosen at random, all with the same probability.",
    source="S60: 随机选择从分组内的多个连接中选择一个连接下发消息; that the choice is uniform is inferred",
)
def choice_is_uniform(history: History) -> Iterator[Finding]:
    """So machines can be added to share the load (S3: 可按需扩容机器数).

    Judged by a chi-square test over all stretches of the trace in which the same two or more connections took a queue,
    in push mode and without flow value, with at least five pushes for each of them; their statistics and degrees of
    freedom are added up. A violation is what chance does with a probability of less than 1e-8 by the chi-square
    distribution. With so few pushes the true probability is higher, by the exact count up to seventeen times as high
    for ten connections: so a trace of a service that is right is accused less than once in a million.

    That takes for granted that connections do not come and go because of what they were given. And whatever the
    chances are, a message that goes to two connections within a second went to both of them.
    """
    yield from _to_several(history)
    looked_at = [stretch for stretch in stretches(history) if stretch.telling]
    if not looked_at:
        return
    statistic = sum(stretch.statistic for stretch in looked_at)
    chance = survival(statistic, sum(stretch.freedom for stretch in looked_at))
    worst = min(looked_at, key=lambda stretch: stretch.chance)
    assert worst.first
    assert worst.last
    if chance < UNLIKELY:
        yield broken(
            f"of {worst.pushes} pushes of group {_group(worst.queue)}, {_counts(worst)}; in the whole trace, chance is "
            f"so uneven with a probability of {chance:.0e}",
            worst.first,
            worst.last,
        )
    else:
        yield held(worst.first, worst.last)


@clause(
    "GRP-3",
    Level.MUST,
    Binds.SERVICE,
    "A message that nobody is there to take waits, and is pushed as soon as a connection of its group comes.",
    source="S2: tmcClient长连接(websocket)监听消息; S56: 堆积消息依然继续推送",
)
def what_nobody_takes_waits(history: History) -> Iterator[Finding]:
    """A client that is restarted must miss nothing. As soon as means within a second, while no flow value and no pull
    mode is in force, and unless it was consumed over HTTP, settled or dropped before.
    """
    gates = {queue: Gate(history, queue, PROMPT) for queue in history.takings}
    for life in history.lives:
        produced, gate = life.produced.entry, gates.get(queue_of(life.produced.event))
        if gate is None or gate.open_at(produced):
            continue
        came = gate.opens_after(produced)
        limit = came.accepted.time + PROMPT if came else inf
        first = life.handed[0] if life.handed else None
        if first and first.entry.time <= limit:
            if isinstance(first, Delivery):
                yield held(produced, first.entry)
        elif came and not (life.ended and life.ended.time <= limit):
            yield broken(
                f"{life.id} waited, and was not pushed within {PROMPT:.0f} s after {came.accepted.event.connection} "
                "was there",
                produced,
                came.accepted.entry,
            )


@clause(
    "GRP-4",
    Level.MUST,
    Binds.SERVICE,
    f"An app has at most {GROUP_LIMIT} groups beside `default`.",
    source="S61: 每个应用最多创建50个分组,每个分组用户数不限",
)
def groups_are_few(history: History) -> Iterator[Finding]:
    """An application that makes a group for each seller must learn it before production does. Groups that were there
    before the trace began are not counted. It comes to bear where the limit is reached.
    """
    groups: dict[str, set[str]] = {}
    for entry in history.trace.entries:
        match entry.event:
            case GroupCreated(app_key=app_key, group=group):
                created = groups.setdefault(app_key, set())
                created.add(group)
                if len(created) > GROUP_LIMIT:
                    yield broken(f"app {app_key} has {len(created)} groups", entry)
                elif len(created) == GROUP_LIMIT:
                    yield held(entry)
            case GroupDeleted(app_key=app_key, group=group):
                groups.get(app_key, set()).discard(group)


@clause(
    "GRP-5",
    Level.MUST,
    Binds.SERVICE,
    "A broadcast is produced for an app only when its user has granted the app access and the app has permitted its "
    "topic for that user; a message from point to point for which its producer named no group lies in `default`, or in "
    "the group of its user or topic.",
    source="S9: 需要卖家用户授权appkey 且 appkey添加卖家用户到分组; S10; S11, S12: 一般发往 appkey的 default 默认分组",
)
def broadcasts_need_a_grant(history: History) -> Iterator[Finding]:
    """A seller's trade is nobody's business whom the seller has not let in. A grant or permission that has been there
    and ended is a matter of GRP-8.
    """
    for entry, registry in told(history):
        message = entry.event
        if not isinstance(message, Produced) or message.kind != "broadcast":
            continue
        grant, permitted = registry.grant(message), registry.permission(message)
        about = f"{message.message}, a broadcast of user {message.user_id} about {message.topic},"
        if message.user_id is None:
            yield broken(f"{message.message} is a broadcast of no user", entry)
        elif grant is None and registry.whole:
            yield broken(f"{about} was produced for app {message.app_key}, which has no grant of the user", entry)
        elif (permitted is None and registry.whole) or (permitted and permitted.never_had(message.topic)):
            yield broken(f"{about} was produced for app {message.app_key}, which never permitted it", entry)
        elif grant and permitted and not _too_late(registry, message, entry):
            yield held(grant.entry, entry)
    yield from _routed(history, "point_to_point")


@clause(
    "GRP-6",
    Level.MUST,
    Binds.SERVICE,
    "No message of one environment is handed out in the other.",
    source="S18: 各个环境消息隔离 但分组配置公用",
)
def environments_are_apart(history: History) -> Iterator[Finding]:
    """A version that is tried out in pre-release must not eat production's messages. It comes to bear where a trace
    shows both.
    """
    seen = {life.produced.event.environment for life in history.lives}
    seen |= {queue.environment for queue in history.takings}
    seen |= {at.event.environment for at in history.events(HttpIn)}
    if len(seen) < 2:
        return
    consumers = Consumers(history)
    for life, handing in _handed(history):
        consumer, environment = consumers.of(handing), life.produced.event.environment
        if consumer is None or consumer.queue is None:
            continue
        if consumer.queue.environment == environment:
            yield held(handing.entry)
        else:
            yield broken(
                f"{life.id} of {environment} went to {consumer.name} in {consumer.queue.environment}",
                *_in_order(life.produced.entry, consumer.entry, handing.entry),
            )


@clause(
    "GRP-7",
    Level.MUST,
    Binds.CLIENT,
    "A client consumes the group that its application tells it to: that is the group of every CONNECT and of every "
    "request that consumes, which may leave `default` out.",
    source="S58: 组内用户的消息只会发送到相同组名的连接上; taobao.tmc.messages.consume, group_name: 用户分组名称",
)
def client_consumes_the_group_it_was_told(history: History) -> Iterator[Finding]:
    """One in another group takes the messages of that one away from whoever should have them, and leaves its own to
    grow old. Whose a connection is may not be known where there are several clients; whose a request is never is.
    """
    for handshake in history.handshakes:
        connect, client = handshake.connect, history.fleet.owner(handshake.connect.connection)
        group = connect.message.group if isinstance(connect.message, Connect) else None
        if group and (client is not None or not history.fleet.several):
            yield from _as_told(history, connect.entry, client, group)
    for request in history.requests.of(CONSUME):
        if request.succeeded and request.queue and not history.fleet.several:
            yield from _as_told(history, request.at.entry, None, request.queue.group)


@clause(
    "GRP-8",
    Level.MUST,
    Binds.SERVICE,
    "After a subscription is cancelled, a grant has expired or a user was deleted, nothing new is produced for it from "
    f"about {SUBSCRIPTION_CACHE:.0f} s on, and what is queued is still delivered.",
    source="S54: 短时间(5分钟左右)可能会查出来缓存的关系; S55; "
    "S56: 不再产生新的消息, 但已产生的待消费堆积消息依然继续推送",
)
def ended_relations_fade(history: History) -> Iterator[Finding]:
    """The seller has gone; what the seller did before is still to be worked off."""
    delivered: set[Life] = set()
    for entry, registry in told(history):
        match entry.event:
            case Produced() as message:
                if over := _too_late(registry, message, entry):
                    yield broken(
                        f"{message.message} was produced {entry.time - over.since:.0f} s after {over.what} ended",
                        over.entry,
                        entry,
                    )
            case Pushed() | Consumed() | Dropped() as event:
                life = history.life(event.message)
                ended = _ended_since(registry, life, entry) if life else None
                if not life or not ended or life in delivered:
                    continue
                message, born = life.produced.event, life.produced.entry
                deleted = registry.deleted(message)
                if not isinstance(event, Dropped):
                    delivered.add(life)
                    yield held(*_in_order(born, ended.entry, entry))
                elif deleted is None or deleted.seq < born.seq:
                    yield broken(
                        f"{message.message} was dropped after {ended.what} ended",
                        *_in_order(born, ended.entry, entry),
                    )


def _handed(history: History) -> Iterator[tuple[Life, Handing]]:
    for life in history.lives:
        for handing in life.handed:
            yield life, handing


def _to_several(history: History) -> Iterator[Finding]:
    """Messages that went to another connection before anything could have come of their push."""
    for life in history.lives:
        for before, after in pairwise(life.deliveries):
            apart = after.entry.time - before.entry.time
            elsewhere = before.connection != after.connection
            if apart < PROMPT and elsewhere and not history.storm(before.entry, after.entry):
                yield broken(
                    f"{life.id} went to {before.connection} and to {after.connection}", before.entry, after.entry
                )


# Where messages belong


def _routed(history: History, kind: str) -> Iterator[Finding]:
    """Whether the messages of one kind of which nobody said where lie in the group that the events tell."""
    for entry, registry in told(history):
        message = entry.event
        if not isinstance(message, Produced) or message.kind != kind or message.routed == "named":
            continue
        user, topic = registry.user_group(message), registry.topic_group(message)
        wrong = _misplaced(message, user, topic)
        if wrong:
            what, placed = wrong
            evidence = [placed.entry, entry] if placed and placed.entry else [entry]
            yield broken(
                f"{message.message} was produced for group {message.group!r} (by {message.routed}), though {what}",
                *evidence,
            )
        elif user and topic:
            yield held(entry)


def _misplaced(message: Produced, user: Placed | None, topic: Placed | None) -> tuple[str, Placed | None] | None:
    """Why a message does not lie where it belongs, and what says so; None when it does, as far as is known."""
    if message.routed == "user" and message.user_id is None:
        return "it has no user", None
    if user and user.group != (message.group if message.routed == "user" else None):
        return f"its user is in {_named(user)}", user
    if message.routed == "user":
        return None
    if topic and topic.group != (message.group if message.routed == "topic" else None):
        return f"its topic is bound to {_named(topic)}", topic
    if message.routed == "default" and message.group != DEFAULT_GROUP:
        return "it belongs into 'default'", None
    return None


def _as_told(history: History, entry: Entry, client: str | None, group: str) -> Iterator[Finding]:
    """Whether a client that asks for the messages of a group was told to."""
    starting = history.fleet.last_before(ClientStarting, entry, client)
    if starting is None:
        return
    if group == starting.event.group:
        yield held(starting.entry, entry)
    else:
        yield broken(f"told to consume {starting.event.group!r}, the client asks for {group!r}", starting.entry, entry)


def _too_late(registry: Registry, message: Produced, entry: Entry) -> Over | None:
    """What ended so long before a message was produced that no cache can have it."""
    over = registry.over(message, entry.time)
    return over if over and entry.time > over.since + SUBSCRIPTION_CACHE + CACHE_TOLERANCE else None


def _ended_since(registry: Registry, life: Life, entry: Entry) -> Over | None:
    """What a message needed to be produced, and ended between its production and an entry."""
    over = registry.over(life.produced.event, entry.time)
    since = over and (over.since > life.produced.time or over.entry.seq > life.produced.seq)
    return over if since else None


# How it is told


def _in_order(*entries: Entry) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.seq)


def _group(queue: QueueName) -> str:
    return f"{queue.app_key}/{queue.group}"


def _named(placed: Placed) -> str:
    return "no group" if placed.group is None else repr(placed.group)


def _counts(stretch: Stretch) -> str:
    """Who got how many, the most first; of many, the extremes."""
    ranked = sorted(stretch.counts.items(), key=lambda each: -each[1])
    shown = [f"{name} got {count}" for name, count in ranked]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "…", *shown[-3:]])
