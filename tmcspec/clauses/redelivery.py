"""RDL: redelivery, and the life of a message in the service.

Both channels hand out the messages of one queue (S3: 多种消费方式协作消费同一个队列), so these clauses judge pushes and
HTTP answers alike. Where flow control or pull mode may have held a message back, none is called late.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import Said, queue_of
from tmcspec.clauses.deliveries import Delivery, Handing, Life
from tmcspec.clauses.history import History
from tmcspec.clauses.requests import CONFIRM, Request
from tmcspec.clauses.timeline import At
from tmcspec.events import Expired, Fault
from tmcspec.messages import Confirm
from tmcspec.timing import CONFIRM_TIMEOUT, REDELIVERY_DELAY, REDELIVERY_TOLERANCE, RETENTION
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: Rounding of the times in a trace, in seconds.
TICK = 0.001

#: Seconds that a Close may be on its way.
CROSSING = 1.0

#: How late the service may be to drop a message, in seconds.
LATE = 60.0


@clause(
    "RDL-1",
    Level.MUST,
    Binds.SERVICE,
    "A message that was handed out, on a connection or over HTTP, and neither confirmed nor failed is handed out again "
    f"about {REDELIVERY_DELAY:.0f} s after that.",
    source="S39: 如果不确认…约6分钟重发; S52a",
)
def unconfirmed_comes_again(history: History) -> Iterator[Finding]:
    """About means within a minute; comments in older SDK samples say five minutes. While no connection is there it
    waits, for one or for somebody who asks over HTTP. In a storm of redeliveries, made on purpose, it may come sooner.
    """
    for life in history.lives:
        for handing, following in _with_following(life):
            if not _failed_between(life, handing, following):
                since = "its push" if isinstance(handing, Delivery) else "it was consumed"
                yield from _comes_again(history, life, [handing.entry], following, since)


@clause(
    "RDL-2",
    Level.MUST,
    Binds.SERVICE,
    f"A message that was reported failed, on a connection or over HTTP, is handed out again about "
    f"{REDELIVERY_DELAY:.0f} s after the report.",
    source="S25: 标记消息消费失败 约6分钟后重新加入消费队列待消费",
)
def failed_comes_again(history: History) -> Iterator[Finding]:
    """Failing is not a way to have a message sooner: 不要滥用,否则会引起雪崩 (S26). When it was reported twice, either
    report counts.
    """
    for life in history.lives:
        for handing, following in _with_following(life):
            if failed := _failed_between(life, handing, following):
                yield from _comes_again(history, life, failed, following, "its Failed")


@clause(
    "RDL-3",
    Level.MUST,
    Binds.SERVICE,
    "A confirmed message is never handed out again, on either channel, whichever it was confirmed over.",
    source="S38: 消费确认后的消息无法再次获取",
)
def confirmed_never_comes_again(history: History) -> Iterator[Finding]:
    """A client that confirms has done the work and keeps nothing back. So this counts a confirm that the service should
    have taken and did not, too: one that came in time, from where the message was handed out, and was not lost on
    purpose. That late ones are taken is the matter of RDL-6.
    """
    for life in history.lives:
        for handing, following in pairwise(life.handed):
            if unheard := _unheard(history, life, handing, following):
                yield _again(life, unheard, following)
        if life.confirmed is None:
            continue
        again = _first_after(life, life.confirmed.entry)
        yield _again(life, life.confirmed.entry, again) if again else held(life.confirmed.entry)
    for request in history.requests.of(CONFIRM):
        for life, last in _named(history, request):
            if again := _unheard_by_http(history, life, last, request):
                yield _again(life, request.at.entry, again)


@clause(
    "RDL-4",
    Level.MUST,
    Binds.SERVICE,
    f"Nothing is handed out past its retention ({RETENTION / 3600:.0f} h, unless another one was set), and what "
    "reaches it expires, not before.",
    source="S53: 消息最多保留8至24小时(不同集群有差异), 不论发没发, 有没有重发; S7",
)
def nothing_outlives_its_retention(history: History) -> Iterator[Finding]:
    """Retention may be shorter in a cluster or an emergency. One that is set in a run holds for new messages; those
    that are there are kept no longer than they were to be. A recorded trace may not tell of it, so there it may have
    been as short as anything.
    """
    whole, recorded = history.complete, history.trace.world == "recorded"
    ends = history.settings.retention_ends([life.produced.entry for life in history.lives])
    for life, end in zip(history.lives, ends, strict=True):
        produced, born = life.produced.entry, life.produced.time
        late = next((each for each in life.handed if each.entry.time > end + TICK), None)
        after = _first_after(life, life.expired.entry) if life.expired else None
        if life.expired and after:
            yield broken(f"{life.id} was {_verb(after)} after it had expired", life.expired.entry, after.entry)
        elif late and (whole or recorded):
            hours = (late.entry.time - born) / 3600
            yield broken(f"{life.id} was {_verb(late)} {hours:.1f} h after it was produced", produced, late.entry)
        elif whole and _settled(life) > end + LATE <= history.trace.entries[-1].time:
            yield broken(f"{life.id} was neither settled nor dropped within its retention", produced)
        elif life.expired and life.expired.time < end - TICK and _first(life, life.expired) and whole:
            hours = (life.expired.time - born) / 3600
            yield broken(f"{life.id} expired {hours:.1f} h after it was produced", produced, life.expired.entry)
        elif life.expired:
            yield held(produced, life.expired.entry)


@clause(
    "RDL-5",
    Level.MUST,
    Binds.SERVICE,
    "A repeated push tells that it is one: `retried` counts how often the message was handed out before, over HTTP "
    "too, and `outtime` is the time of this push.",
    source="captured: `retried` Byte 1 and outtime two days after time in redelivered messages; that HTTP counts is "
    "inferred from S65",
)
def attempt_shows(history: History) -> Iterator[Finding]:
    """Pushes whose frame was made odd on purpose are left out."""
    dated = history.trace.world != "recorded" or bool(history.trace.epoch_ms)
    for delivery in history.deliveries:
        push, number = history.push(delivery), delivery.number
        if number == 0 or push is None or delivery.out is None or push.retried is None:
            continue
        present = history.trace.epoch_ms + delivery.pushed.time * 1000
        if push.retried != min(number, 127) or delivery.pushed.event.attempt != number + 1:
            yield broken(
                f"push {number + 1} of {delivery.id} says retried {push.retried}, attempt "
                f"{delivery.pushed.event.attempt}",
                delivery.out.entry,
            )
        elif dated and (push.out_time is None or abs(push.out_time - present) > 1000):
            yield broken(f"push {number + 1} of {delivery.id} has outtime {push.out_time}", delivery.out.entry)
        else:
            yield held(delivery.out.entry)


@clause(
    "RDL-6",
    Level.MUST,
    Binds.SERVICE,
    f"A confirm that comes after the confirm timeout ({CONFIRM_TIMEOUT:.0f} s), on a connection or over HTTP, still "
    "settles the message.",
    source="S24: 将导致确认超时, 会导致重发消息; that a late confirm settles is inferred from S38",
)
def late_confirm_settles(history: History) -> Iterator[Finding]:
    """The handler did its work; bringing the message again for a day would only repeat it."""
    for life in history.lives:
        for handing in life.handed:
            for said in handing.frames:
                late = said.entry.time - handing.entry.time > CONFIRM_TIMEOUT
                if late and isinstance(said.message, Confirm) and _can_settle(history, life, said):
                    yield _settles(life, handing, said.entry, said.following.entry if said.following else None)
    for request in history.requests.of(CONFIRM):
        asked, answered = request.at.entry, request.answered.entry if request.answered else None
        for life, last in _named(history, request):
            late = asked.time - last.entry.time > CONFIRM_TIMEOUT
            if late and _can_settle_by_http(history, life, request):
                yield _settles(life, last, asked, answered)


@clause(
    "RDL-7",
    Level.MUST,
    Binds.CLIENT,
    "A second delivery of the same id is handled like the first, or recognised as a duplicate and answered.",
    source="S40, S42: at least once; 消费者主动重发、因客户端重投机制导致的重复",
)
def repeated_delivery_is_taken(history: History) -> Iterator[Finding]:
    """A client that throws repetitions away never gets rid of a message whose confirm was lost. On the wire alone, a
    client that never answered this message may be one whose handler fails each time.
    """
    for life in history.lives:
        answered = False
        for before, delivery in pairwise(life.handed):
            answered = answered or bool(before.answers)
            if not isinstance(delivery, Delivery):
                continue
            answer = delivery.confirmed_by or delivery.failed_by
            sign = delivery.received.entry if delivery.received else answer and answer.entry
            if sign:
                yield held(delivery.pushed.entry, sign)
            elif not (answered or history.trace.handlers) or life.instruction.outcome == "hang":
                continue
            elif (
                history.misread(delivery.id) is None
                and history.plain(delivery)
                and (why := history.unanswered(delivery))
                and not history.waited_its_turn(delivery)
                and not _crossed(history, delivery)
            ):
                yield broken(f"{delivery.id} came again and was ignored; {why}", delivery.pushed.entry)


def _crossed(history: History, delivery: Delivery) -> bool:
    """Whether a delivery crossed with the Close of its client, which reads nothing any more. It comes once more, if it
    has not expired.
    """
    closed = history.conversations[delivery.connection].closed
    if closed is None or closed.event.by != "client":
        return False
    return 0 <= history.between(delivery.sent, closed.entry) < CROSSING


@clause(
    "RDL-8",
    Level.MUST,
    Binds.SERVICE,
    "What was lost with its group is gone: it is never handed out or settled afterwards, not by a group that is "
    "created under the same name either.",
    source="page of the API taobao.tmc.group.delete: the messages of a deleted group that were not consumed are lost",
)
def dropped_is_gone(history: History) -> Iterator[Finding]:
    """An operator who deletes a group to get rid of a backlog must not meet it again. Whether the service says that it
    is lost makes no difference.
    """
    for life in history.lives:
        if life.lost and life.after_loss:
            yield broken(
                f"{life.id} was lost with its group, and then {life.after_loss.event.word}", life.lost, life.after_loss
            )
        elif life.lost:
            yield held(life.lost)


def _with_following(life: Life) -> Iterator[tuple[Handing, Handing | None]]:
    # One that was never handed out has none.
    yield from zip(life.handed, [*life.handed[1:], None], strict=False)


def _first_after(life: Life, entry: Entry) -> Handing | None:
    """The first time that a message was handed out after an entry."""
    index = bisect_right(life.handed, entry.seq, key=_place)
    return life.handed[index] if index < len(life.handed) else None


def _named(history: History, request: Request) -> Iterator[tuple[Life, Handing]]:
    """The messages that a confirm over HTTP names and that were handed out before, and when they last were."""
    for life in map(history.life, request.ids("s_message_ids")):
        index = bisect_left(life.handed, request.at.seq, key=_place) if life else 0
        if life and index:
            yield life, life.handed[index - 1]


def _place(handing: Handing) -> int:
    return handing.entry.seq


def _again(life: Life, confirm: Entry, again: Handing) -> Finding:
    return broken(f"{life.id} was {_verb(again)} again after its confirm", confirm, again.entry)


def _in_time(handing: Handing, confirm: Entry) -> bool:
    return confirm.time - handing.entry.time <= CONFIRM_TIMEOUT


def _confirmed_before(life: Life, handing: Handing) -> bool:
    return life.confirmed is not None and life.confirmed.seq < handing.entry.seq


def _unheard(history: History, life: Life, handing: Handing, following: Handing) -> Entry | None:
    """A confirm that should have settled a message before it was handed out again, and did not."""
    if _confirmed_before(life, following) or history.trace.world == "recorded":
        return None  # who recorded it may have seen a confirm go that never came
    confirms = (said for said in handing.frames if isinstance(said.message, Confirm) and _in_time(handing, said.entry))
    return next((said.entry for said in confirms if _can_settle(history, life, said)), None)


def _unheard_by_http(history: History, life: Life, handing: Handing, request: Request) -> Handing | None:
    """The next time that a message was handed out, when a confirm over HTTP should have settled it before."""
    following = next(iter(life.handed[handing.number + 1 : handing.number + 2]), None)
    if following is None or _confirmed_before(life, following) or not _in_time(handing, request.at.entry):
        return None
    answered = request.answered is not None and request.answered.seq < following.entry.seq
    return following if answered and _can_settle_by_http(history, life, request) else None


def _verb(handing: Handing) -> str:
    return "pushed" if isinstance(handing, Delivery) else "consumed"


def _failed_between(life: Life, handing: Handing, following: Handing | None) -> Sequence[Entry]:
    """The reports of failure between a handing out and the one after it."""
    start = bisect_right(life.failed, handing.entry.seq, key=lambda at: at.seq)
    end = bisect_right(life.failed, following.entry.seq, key=lambda at: at.seq) if following else len(life.failed)
    return [at.entry for at in life.failed[start:end]]


def _first(life: Life, end: At[Expired]) -> bool:
    """Whether a message was not settled otherwise before."""
    return life.ended is end.entry


def _settled(life: Life) -> float:
    """When a message was settled or dropped, in service time."""
    return life.ended.time if life.ended else inf


def _can_settle(history: History, life: Life, confirm: Said) -> bool:
    """Whether a confirm came from where the message was consumed, was not lost on purpose, and found it unsettled."""
    at = confirm.entry.seq
    conversation = history.conversations[confirm.connection]
    accepted = [each for each in conversation.accepted if each.seq < at][-1:]
    ours = [each for each in accepted if queue_of(each.event) == queue_of(life.produced.event)]
    # A connection is what its latest CONNECT makes of it.
    again = any(each.seq < shake.connect.entry.seq < at for shake in conversation.handshakes for each in ours)
    settled = life.ended is not None and life.ended.seq < at
    return bool(ours) and not again and not settled and not confirm.lost


def _can_settle_by_http(history: History, life: Life, request: Request) -> bool:
    """As `_can_settle`, of a request that was answered with success."""
    if not request.succeeded or request.queue != queue_of(life.produced.event):
        return False
    lost = history.first_after(Fault, request.at.entry)
    if lost and lost.event.name == "lose_confirm" and request.answered and lost.seq < request.answered.seq:
        return False
    return life.ended is None or life.ended.seq > request.at.seq


def _settles(life: Life, handing: Handing, confirm: Entry, following: Entry | None) -> Finding:
    """Whether a late confirm settled a message before what followed it."""
    settled = life.confirmed
    if settled and (following is None or settled.seq < following.seq):
        return held(handing.entry, confirm, settled.entry)
    return broken(
        f"{life.id} was not settled by a confirm {confirm.time - handing.entry.time:.0f} s after "
        f"{'its push' if isinstance(handing, Delivery) else 'it was consumed'}",
        handing.entry,
        confirm,
    )


def _comes_again(
    history: History, life: Life, since: Sequence[Entry], following: Handing | None, what: str
) -> Iterator[Finding]:
    """Whether a message comes again about six minutes after the first or the last of these entries."""
    message, first, last = life.produced.event, since[0], since[-1]
    due = last.time + REDELIVERY_DELAY
    if following is None:
        end = history.trace.entries[-1].time
        limit = due + REDELIVERY_TOLERANCE
        if limit < min(end, _settled(life)) and history.reachable(message, due, limit):
            yield broken(f"{life.id} did not come again; {end - last.time:.0f} s passed since {what}", last)
        return
    again, verb = following.entry, _verb(following)
    if _settled(life) < again.time:
        return  # it should not have come at all
    gap = again.time - first.time
    if gap < REDELIVERY_DELAY - REDELIVERY_TOLERANCE and not history.storm(first, again):
        yield broken(f"{life.id} was {verb} again {gap:.3f} s after {what}", first, again)
    elif again.time > due + REDELIVERY_TOLERANCE and history.reachable(message, due, again.time):
        yield broken(f"{life.id} was {verb} again only {again.time - last.time:.0f} s after {what}", last, again)
    else:
        yield held(last, again)
