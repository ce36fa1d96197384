"""RDL: redelivery, and the life of a message in the service."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import inf

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import Said
from tmcspec.clauses.deliveries import Delivery, Life
from tmcspec.clauses.history import History
from tmcspec.messages import Confirm
from tmcspec.timing import CONFIRM_TIMEOUT, REDELIVERY_DELAY, REDELIVERY_TOLERANCE, RETENTION
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: Rounding of the times in a trace, in seconds.
TICK = 0.001

#: How late the service may be to drop a message, in seconds.
LATE = 60.0


@clause(
    "RDL-1",
    Level.MUST,
    Binds.SERVICE,
    f"A message that was pushed and neither confirmed nor failed is pushed again about {REDELIVERY_DELAY:.0f} s "
    "after that push.",
    source="S39: 如果不确认…约6分钟重发; S52a",
)
def unconfirmed_comes_again(history: History) -> Iterator[Finding]:
    """About means within a minute; comments in older SDK samples say five minutes. While no connection is there it
    waits.
    """
    for life in history.lives:
        for delivery, following in _with_following(life):
            if not _failed_between(life, delivery, following):
                yield from _comes_again(history, life, [delivery.pushed.entry], following, "its push")


@clause(
    "RDL-2",
    Level.MUST,
    Binds.SERVICE,
    f"A message that was reported failed is pushed again about {REDELIVERY_DELAY:.0f} s after the report.",
    source="S25: 标记消息消费失败 约6分钟后重新加入消费队列待消费",
)
def failed_comes_again(history: History) -> Iterator[Finding]:
    """Failing is not a way to have a message sooner: 不要滥用,否则会引起雪崩 (S26). When it was reported twice, either
    report counts.
    """
    for life in history.lives:
        for delivery, following in _with_following(life):
            if failed := _failed_between(life, delivery, following):
                yield from _comes_again(history, life, failed, following, "its Failed")


@clause(
    "RDL-3",
    Level.MUST,
    Binds.SERVICE,
    "A confirmed message is never pushed again.",
    source="S38: 消费确认后的消息无法再次获取",
)
def confirmed_never_comes_again(history: History) -> Iterator[Finding]:
    """Whichever channel it was confirmed over."""
    for life in history.lives:
        if life.confirmed is None:
            continue
        again = next((each for each in life.deliveries if each.pushed.seq > life.confirmed.seq), None)
        if again:
            yield broken(f"{again.id} was pushed again after its confirm", life.confirmed.entry, again.pushed.entry)
        else:
            yield held(life.confirmed.entry)


@clause(
    "RDL-4",
    Level.MUST,
    Binds.SERVICE,
    f"Nothing is pushed past its retention ({RETENTION / 3600:.0f} h at most), and what reaches it is dropped.",
    source="S53: 消息最多保留8至24小时(不同集群有差异), 不论发没发, 有没有重发; S7",
)
def nothing_outlives_its_retention(history: History) -> Iterator[Finding]:
    """Retention may be shorter in a cluster or an emergency, never longer."""
    for life in history.lives:
        message, born = life.produced.event.message, life.produced.time
        late = next((each.pushed for each in life.deliveries if each.pushed.time > born + RETENTION + TICK), None)
        after = [each.pushed for each in life.deliveries if life.expired and each.pushed.seq > life.expired.seq]
        if life.expired and after:
            yield broken(f"{message} was pushed after it had expired", life.expired.entry, after[0].entry)
        elif late:
            hours = (late.time - born) / 3600
            yield broken(f"{message} was pushed {hours:.1f} h after it was produced", life.produced.entry, late.entry)
        elif life.expired:
            yield held(life.produced.entry, life.expired.entry)
        elif _settled(life) > born + RETENTION + LATE <= history.trace.entries[-1].time:
            yield broken(f"{message} was neither settled nor dropped within its retention", life.produced.entry)


@clause(
    "RDL-5",
    Level.MUST,
    Binds.SERVICE,
    "A repeated push tells that it is one: `retried` counts the pushes before it, and `outtime` is the time of "
    "this push.",
    source="captured: `retried` Byte 1 and outtime two days after time in redelivered messages",
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
    f"A confirm that comes after the confirm timeout ({CONFIRM_TIMEOUT:.0f} s) still settles the message.",
    source="S24: 将导致确认超时, 会导致重发消息; that a late confirm settles is inferred from S38",
)
def late_confirm_settles(history: History) -> Iterator[Finding]:
    """The handler did its work; bringing the message again for a day would only repeat it."""
    for life in history.lives:
        for delivery in life.deliveries:
            for confirm in delivery.answers:
                late = confirm.entry.time - delivery.pushed.time > CONFIRM_TIMEOUT
                if not late or not isinstance(confirm.message, Confirm) or not _can_settle(history, life, confirm):
                    continue
                settled = life.confirmed
                if settled and (confirm.following is None or settled.seq < confirm.following.entry.seq):
                    yield held(delivery.pushed.entry, confirm.entry, settled.entry)
                else:
                    yield broken(
                        f"{delivery.id} was not settled by a confirm {confirm.entry.time - delivery.pushed.time:.0f} s "
                        "after its push",
                        delivery.pushed.entry,
                        confirm.entry,
                    )


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
        for before, delivery in pairwise(life.deliveries):
            answered = answered or bool(before.answers)
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
            ):
                yield broken(f"{delivery.id} came again and was ignored; {why}", delivery.pushed.entry)


def _with_following(life: Life) -> Iterator[tuple[Delivery, Delivery | None]]:
    # One that was never pushed has none.
    yield from zip(life.deliveries, [*life.deliveries[1:], None], strict=False)


def _failed_between(life: Life, delivery: Delivery, following: Delivery | None) -> Sequence[Entry]:
    """The reports of failure between a delivery and the one after it."""
    start = bisect_right(life.failed, delivery.pushed.seq, key=lambda at: at.seq)
    end = bisect_right(life.failed, following.pushed.seq, key=lambda at: at.seq) if following else len(life.failed)
    return [at.entry for at in life.failed[start:end]]


def _settled(life: Life) -> float:
    """When a message was settled or dropped, in service time."""
    return min((at.time for at in (life.confirmed, life.expired) if at), default=inf)


def _can_settle(history: History, life: Life, confirm: Said) -> bool:
    """Whether a confirm came from where the message was consumed, was not lost on purpose, and found it unsettled."""
    message, at = life.produced.event, confirm.entry.seq
    conversation = history.conversations[confirm.connection]
    accepted = [each for each in conversation.accepted if each.seq < at][-1:]
    ours = [each for each in accepted if (each.event.app_key, each.event.group) == (message.app_key, message.group)]
    # A connection is what its latest CONNECT makes of it.
    again = any(each.seq < shake.connect.entry.seq < at for shake in conversation.handshakes for each in ours)
    settled = any(end.seq < at for end in (life.confirmed, life.expired) if end)
    return bool(ours) and not again and not settled and not confirm.lost


def _comes_again(
    history: History, life: Life, since: Sequence[Entry], following: Delivery | None, what: str
) -> Iterator[Finding]:
    """Whether a message comes again about six minutes after the first or the last of these entries."""
    message, first, last = life.produced.event, since[0], since[-1]
    due = last.time + REDELIVERY_DELAY
    if following is None:
        end = history.trace.entries[-1].time
        limit = due + REDELIVERY_TOLERANCE
        if limit < min(end, _settled(life)) and history.reachable(message, due, limit):
            yield broken(f"{message.message} did not come again; {end - last.time:.0f} s passed since {what}", last)
    elif _settled(life) < following.pushed.time:
        return  # it should not have come at all
    elif (gap := following.pushed.time - first.time) < REDELIVERY_DELAY - REDELIVERY_TOLERANCE:
        yield broken(f"{message.message} was pushed again {gap:.3f} s after {what}", first, following.pushed.entry)
    elif following.pushed.time > due + REDELIVERY_TOLERANCE and history.reachable(message, due, following.pushed.time):
        gap = following.pushed.time - last.time
        yield broken(f"{message.message} was pushed again only {gap:.0f} s after {what}", last, following.pushed.entry)
    else:
        yield held(last, following.pushed.entry)
