"""ACK: confirm and fail, the promise that a message was handled or was not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tmcspec.clauses.aftermath import Later, left_for_good
from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import Said
from tmcspec.clauses.deliveries import Delivery
from tmcspec.clauses.history import History
from tmcspec.clauses.honesty import honest
from tmcspec.clauses.workload import Workload, in_hand, last_work
from tmcspec.events import Consumed, Id, Pushed
from tmcspec.frame import MessageType, ValueType
from tmcspec.instruction import Outcome, instruction
from tmcspec.messages import Confirm, Fail
from tmcspec.timing import CLIENT_QUEUE_SIZE, CONFIRM_TIMEOUT, FAIL_REASON_LIMIT

CLAUSES = Catalogue()
clause = CLAUSES.clause


@clause(
    "ACK-1",
    Level.MUST,
    Binds.CLIENT,
    "A message whose handler succeeded is confirmed, with its id, within the confirm timeout "
    f"({CONFIRM_TIMEOUT:.0f} s).",
    source="S24: 阻塞1分钟仍未处理完毕…将导致确认超时, 会导致重发消息; S66",
    needs_handlers=True,
)
def success_is_confirmed(history: History) -> Iterator[Finding]:
    """What is not confirmed comes again every six minutes, for a day. Nobody knows what a client had written that died
    right after its handler was done: the end of its process takes that along, or not.
    """
    for delivery in history.deliveries:
        done, confirm = delivery.handled, delivery.confirmed_by
        if done is None or done.event.outcome != "ok":
            continue
        late = history.between(done.entry, confirm.entry) if confirm else 0.0
        if confirm and late <= CONFIRM_TIMEOUT:
            yield held(done.entry, confirm.entry)
        elif history.misread(delivery.id) or history.died_within(
            done.entry, min(history.trace.patience, CONFIRM_TIMEOUT), done.event.client
        ):
            continue
        elif confirm and history.overdue(done.entry, CONFIRM_TIMEOUT, on=delivery.connection):
            yield broken(
                f"{delivery.id} was confirmed {late:.0f} s after its handler was done", done.entry, confirm.entry
            )
        elif not confirm and (why := history.overdue(done.entry, on=delivery.connection)):
            yield broken(f"{delivery.id} was handled and not confirmed; {why}", delivery.pushed.entry, done.entry)


@clause(
    "ACK-2",
    Level.MUST,
    Binds.CLIENT,
    "A message is never confirmed before its handler is done.",
    source="S73: 业务处理完成, 主动上报确认; observed: tmcpy, tmc.js and the PHP clients confirm first",
    needs_handlers=True,
)
def nothing_is_confirmed_before_it_is_handled(history: History) -> Iterator[Finding]:
    """A message confirmed too early is lost when the handler then fails. What proves it is said in `honesty`."""
    for delivery in history.deliveries:
        confirm = delivery.confirm
        if history.naming.mistaken_for(delivery.id):
            continue
        if confirm is None:
            if _told(delivery, "hang") and history.overdue(delivery.sent, on=delivery.connection):
                yield held(delivery.pushed.entry)
        elif finding := honest(history, delivery, confirm):
            yield finding


@clause(
    "ACK-3",
    Level.MUST,
    Binds.CLIENT,
    "A message that failed is not confirmed.",
    source="S25: 标记消息消费失败 约6分钟后重新加入消费队列待消费",
    needs_handlers=True,
)
def failure_is_not_confirmed(history: History) -> Iterator[Finding]:
    """Confirming a failure loses the message; the service would have brought it again. A library that swallows the
    failure reports success, so what the message told its handler counts as well.
    """
    for delivery in history.deliveries:
        done = delivery.handled
        if done and done.event.outcome == "fail":
            yield from _unconfirmed(history, delivery, "its handler failed")
        else:
            yield from _defied(delivery, "fail")


@clause(
    "ACK-4",
    Level.SHOULD,
    Binds.CLIENT,
    "A message that failed is reported with Failed: a SEND of kind 20 with its id and a reason of at most "
    f"{FAIL_REASON_LIMIT} characters.",
    source="S25; observed: official Java 2021 and C# 2023; missing in older SDKs, the Node SDK and tmcpy",
    needs_handlers=True,
    capability="fail",
)
def failure_is_reported(history: History) -> Iterator[Finding]:
    """Without it the service only learns of the failure when the confirm timeout is over, and the console shows no
    reason. The Java client does not cut reasons given by `status.fail`, so the length is not known to matter to
    production.
    """
    for delivery in history.deliveries:
        done, fail = delivery.handled, delivery.failed_by
        if done is None or done.event.outcome != "fail":
            continue
        reason = fail.message.reason if fail and isinstance(fail.message, Fail) else None
        if fail and reason and len(reason) > FAIL_REASON_LIMIT:
            yield broken(f"the reason of {delivery.id} has {len(reason)} characters", done.entry, fail.entry)
        elif fail and fail.said and not fail.said.is_a(MessageType.SEND):
            # The README of tmc.js advises this; whether production takes it is not known.
            yield broken(f"the Failed of {delivery.id} is not a SEND", done.entry, fail.entry)
        elif fail and history.between(done.entry, fail.entry) <= CONFIRM_TIMEOUT:
            yield held(done.entry, fail.entry)
        elif history.misread(delivery.id):
            continue
        elif why := history.overdue(done.entry, CONFIRM_TIMEOUT if fail else None, on=delivery.connection):
            yield broken(f"{delivery.id} failed and no Failed was sent; {why}", delivery.pushed.entry, done.entry)


@clause(
    "ACK-5",
    Level.MUST,
    Binds.CLIENT,
    "When a handler raises, the message is not confirmed, and the client goes on.",
    source="observed: official Java sends Failed; tmc.js dies, tmcpy has already confirmed",
    needs_handlers=True,
    capability="raise",
)
def raising_handler_is_survived(history: History) -> Iterator[Finding]:
    """Handlers have bugs. One poisonous message must not stop the others, nor be lost, whatever the library makes of
    the exception.
    """
    work, later = history.once(Workload), Later(history)
    for delivery in history.deliveries:
        done = delivery.handled
        if done is None or done.event.outcome != "raise":
            yield from _defied(delivery, "raise")
            continue
        client = history.fleet.owner(delivery.connection)
        death, ignored = history.death(done.entry, done.event.client), later.ignored(done.entry, client)
        if death and not work.went_on(client, done.entry, death.entry):
            yield broken(f"the client died ({death.event.status})", done.entry, death.entry)
        elif ignored and not work.went_on(client, done.entry, history.trace.entries[-1]):
            behind, why = ignored
            yield broken(f"no message was taken after a handler raised; {why}", done.entry, behind.pushed.entry)
        else:
            left = list(left_for_good(history, done.entry, delivery.connection))
            yield from left or _unconfirmed(history, delivery, "its handler raised")


@clause(
    "ACK-6",
    Level.MUST,
    Binds.CLIENT,
    "One delivery is answered at most once: not both Confirm and Failed, and neither of them twice.",
    source="observed: official Java in manual-confirm mode sends both, in either order",
)
def one_answer_for_one_delivery(history: History) -> Iterator[Finding]:
    """Two answers leave it to chance whether the message comes again. An answer may come after the next push of the
    same message, so they are counted. A frame that went out twice may be answered twice.
    """
    for life in history.lives:
        answers: list[Said] = []
        copies = 0
        for count, handing in enumerate(life.handed, start=1):
            answers += [said for said in handing.frames if not history.corruption.misled(said.entry)]
            copies += handing.copies if isinstance(handing, Delivery) else 0
            if len(answers) > count + copies:
                kinds = ", ".join(type(said.message).__name__ for said in answers)
                how = "pushed" if len(life.deliveries) == len(life.handed) else "handed out"
                times = f"{count} time{'s' if count > 1 else ''}"
                yield broken(
                    f"{life.id} was {how} {times} and answered {len(answers)} times ({kinds})",
                    *(said.entry for said in answers),
                )
                break
        else:
            if answers:
                yield held(*(said.entry for said in answers))


@clause(
    "ACK-7",
    Level.MUST,
    Binds.CLIENT,
    "Nothing is confirmed that was not delivered.",
    source="observed: Java confirms a null id when a push has none",
)
def only_what_was_delivered_is_confirmed(history: History) -> Iterator[Finding]:
    """Ids that went wrong by rounding are the business of LID-1 and LID-3. An id that was changed on the way was
    delivered, too.
    """
    delivered: set[int] = set()
    places = [(at.seq, at.event.message) for at in history.events(Pushed)]
    places += [(entry.seq, Id(id)) for entry, id in history.strays]
    places += [(at.seq, at.event.message) for at in history.events(Consumed)]
    handed = iter(sorted(places))
    following = next(handed, None)
    for said in history.said:
        if not isinstance(said.message, Confirm):
            continue
        while following and following[0] < said.entry.seq:
            delivered.add(following[1])
            following = next(handed, None)
        confirmed = said.message.id
        if confirmed is None:
            yield broken("a Confirm without an id", said.entry)
        elif confirmed in delivered:
            yield held(said.entry)
        # Where the trace begins later, it does not show what was pushed before.
        elif not history.naming.mistaken_for(confirmed) and history.conversations[said.connection].opened:
            if history.corruption.misled(said.entry) or history.past_may_tell(said.entry):
                continue
            yield broken(f"{confirmed} was confirmed and had not been pushed", said.entry)


@clause(
    "ACK-8",
    Level.MUST,
    Binds.CLIENT,
    "A message that comes again although it was confirmed (its confirm was lost) is confirmed again.",
    source="S40: MQ无法避免消息重复; S38",
)
def lost_confirm_is_repeated(history: History) -> Iterator[Finding]:
    """The service knows nothing of a confirm that did not arrive; ignoring the repetition makes it come for a day."""
    for life in history.lives:
        for before, after in pairwise(life.handed):
            if before.confirm is None or life.instruction.outcome != "ok" or not isinstance(after, Delivery):
                continue
            if confirm := after.confirmed_by:
                yield held(before.confirm.entry, after.pushed.entry, confirm.entry)
            elif history.push(after) and (why := history.unanswered(after)):
                yield broken(
                    f"{after.id} came again after its confirm was lost and was not confirmed; {why}",
                    before.confirm.entry,
                    after.pushed.entry,
                )


@clause(
    "ACK-9",
    Level.SHOULD,
    Binds.CLIENT,
    "One slow, hanging or failing handler does not keep other messages from being handled.",
    source="S24, S43; observed: official Java handles in cores x 10 threads",
    needs_handlers=True,
)
def slow_handler_does_not_stop_others(history: History) -> Iterator[Finding]:
    """A single slow message would make everything behind it miss its confirm timeout. Several of them may."""
    for slow, behind in history.once(Workload).behind_one_slow():
        told, end = slow.instruction, slow.handled
        # What was handled before comes again when its answer did not arrive, and needs no handler.
        if not history.plain(behind) or (behind.answers and not behind.received):
            continue
        # One that came when the slow handler was nearly done proves nothing.
        waited = history.between(slow.sent, behind.sent)
        if told.outcome != "hang" and (waited > told.delay / 2 or not history.measured):
            continue
        if behind.received and (end is None or behind.received.seq < end.seq):
            yield held(slow.pushed.entry, behind.received.entry)
        elif behind.received:
            yield broken(
                f"{behind.id} waited until the handler of {slow.id} was done", slow.pushed.entry, behind.received.entry
            )
        elif (why := history.overdue(behind.sent, on=behind.connection)) and not _taken_as_another(history, behind):
            yield broken(
                f"{behind.id} was not handled while the handler of {slow.id} works; {why}",
                slow.pushed.entry,
                behind.pushed.entry,
            )


@clause(
    "ACK-10",
    Level.SHOULD,
    Binds.CLIENT,
    "In Confirm and Failed, `__kind` is a Byte and `id` an Int64.",
    source="observed: official Java and C#; tmc.js, tmcpy and PHP choose the width by magnitude",
)
def answers_have_the_official_types(history: History) -> Iterator[Finding]:
    """A reader that casts, as the official one does with pushes, cannot read an id in another width."""
    for said in history.said:
        frame = said.at.event.frame
        if frame is None or not isinstance(said.message, Confirm | Fail):
            continue
        for key, wanted in (("__kind", ValueType.BYTE), ("id", ValueType.INT64)):
            found = frame.get(key)
            if found is None or found[1] is not wanted:
                kind = found[1].name if found else "missing"
                yield broken(f"{key} is {kind}, not {wanted.name}", said.entry)
                break
        else:
            yield held(said.entry)


@clause(
    "ACK-11",
    Level.MUST,
    Binds.CLIENT,
    f"With more messages in hand than its queue holds ({CLIENT_QUEUE_SIZE}), a client loses nothing, and the "
    "connection survives.",
    source="S29, S30: 任务最大堆积量 默认 2000; observed: official Java drops confirms under back-pressure",
)
def full_queue_loses_nothing(history: History) -> Iterator[Finding]:
    """Every message is answered, or comes again because it was not."""
    for burst in history.once(Workload).bursts():
        conversation = history.conversations[burst[0].connection]
        closed = None if conversation.cut else conversation.closed
        lost = [each for each in burst if not _settled(history, each)]
        last = last_work(burst)
        span = history.between(burst[0].pushed.entry, closed.entry) if closed else 0.0
        if closed and history.hindered(burst[0].pushed.entry, span, on=conversation.connection):
            continue  # it may have been right to give the connection up
        if closed and (dropped := in_hand(burst, closed.entry)):
            yield broken(
                f"the client closed the connection with {len(dropped)} messages in hand",
                dropped[0].pushed.entry,
                closed.entry,
            )
        elif not lost:
            yield held(burst[0].pushed.entry, last)
        elif why := history.overdue(last, on=conversation.connection):
            yield broken(
                f"{len(lost)} of {len(burst)} messages of a burst were never answered; {why}", lost[0].pushed.entry
            )


def _settled(history: History, delivery: Delivery) -> bool:
    """Whether it was answered, then or after it came again, or cannot be."""
    if delivery.instruction.outcome == "hang" or history.misread(delivery.id) or history.push(delivery) is None:
        return True
    return bool(delivery.confirmed_by or delivery.failed_by)


def _taken_as_another(history: History, delivery: Delivery) -> bool:
    """Whether a handler got the message in time all the same, as another push of it: when the clock of the service
    jumps, the same message comes several times at once.
    """
    taken = (each.received.entry for each in delivery.life.deliveries if each.received)
    return any(
        entry.seq > delivery.sent.seq and history.between(delivery.sent, entry) < history.trace.patience
        for entry in taken
    )


def _told(delivery: Delivery, outcome: Outcome) -> bool:
    """Whether a handler was called and told to do this. When the library had damaged the content, which is a matter of
    FRM, it was told nothing.
    """
    got = delivery.received
    return bool(got and delivery.instruction.outcome == outcome and instruction(got.event.content).outcome == outcome)


def _defied(delivery: Delivery, outcome: Outcome) -> Iterator[Finding]:
    """A finding when a message was confirmed whose handler was told to fail or raise, whatever was reported of it."""
    if delivery.received and delivery.confirm and _told(delivery, outcome):
        yield broken(
            f"{delivery.id} was confirmed though its handler was told to {outcome}",
            delivery.received.entry,
            delivery.confirm.entry,
        )


def _unconfirmed(history: History, delivery: Delivery, why: str) -> Iterator[Finding]:
    """Findings for a delivery that must not be confirmed."""
    done = delivery.handled or delivery.pushed
    if delivery.confirm:
        yield broken(f"{delivery.id} was confirmed though {why}", done.entry, delivery.confirm.entry)
    elif fail := delivery.failed_by:
        yield held(done.entry, fail.entry)
    elif history.overdue(done.entry, on=delivery.connection):
        yield held(done.entry)
