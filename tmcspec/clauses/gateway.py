"""HTP: the HTTP gateway, over which a client consumes by asking again and again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.connection import EARLY
from tmcspec.clauses.consumption import (
    CONSUME,
    LEAST_QUANTITY,
    MOST_IDS,
    MOST_QUANTITY,
    Confirming,
    Consumption,
    Named,
    handed_to,
    quantity,
    requests_of_clients,
)
from tmcspec.clauses.conversation import queue_of
from tmcspec.clauses.deliveries import Life
from tmcspec.clauses.history import History
from tmcspec.clauses.honesty import HONEST_DELAY, TELLING_DELAY
from tmcspec.clauses.pointer import Pointer
from tmcspec.clauses.requests import Request
from tmcspec.events import ClientDied, ClientStopped, Confirmed, Consumed, Fault, HttpIn, HttpOut, Published
from tmcspec.frame_values import show
from tmcspec.timing import REDELIVERY_DELAY
from tmcspec.top_failures import CODES
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: S35: 如拉取消息量为空时, 等待1秒以上再轮询.
PAUSE = 1.0

#: Codes by which the gateway refuses system parameters; of the codes for any argument, these are about such.
UNREADABLE = frozenset({21, 23, 24, 28, 30, 31, 32, 33})
_ARGUMENTS = frozenset({40, 41})
_SYSTEM = (":sign_method", ":simplify")

_SIGNS = {"wrong": "is not the expected digest", "case": "is not in upper case", "missing": "is missing"}


@clause(
    "HTP-1",
    Level.MUST,
    Binds.CLIENT,
    "A request has its system parameters, each as it should be, and the sign over all parameters: md5, hmac or "
    "hmac-sha256 in upper-case hexadecimal.",
    source="page of the system parameters; observed: official Java signs with hmac-sha256, C# with hmac, Node with md5",
)
def request_is_what_it_should_be(history: History) -> Iterator[Finding]:
    """The trace holds no signs, only what the service found of them, and of the other parameters what it answered."""
    for request in requests_of_clients(history):
        at, answer = request.at, request.answered
        if at.event.sign in _SIGNS:
            yield broken(f"sign {_SIGNS[at.event.sign]}", at.entry)
        elif answer is None:
            continue
        elif _is_unreadable(answer.event) and not _disturbed(history, at.entry, answer.entry):
            yield broken(f"the gateway refused it: {CODES[answer.event.code].msg}", at.entry, answer.entry)
        elif at.event.sign == "right":
            yield held(at.entry, answer.entry)


@clause(
    "HTP-2",
    Level.MUST,
    Binds.CLIENT,
    f"A consume asks for {LEAST_QUANTITY} to {MOST_QUANTITY} messages, and a confirm names 1 to {MOST_IDS} ids.",
    source="pages of taobao.tmc.messages.consume and taobao.tmc.messages.confirm",
)
def requests_keep_their_limits(history: History) -> Iterator[Finding]:
    """Whatever is beyond them is refused as a whole. A consume may leave the quantity to the service."""
    for request in requests_of_clients(history, CONSUME):
        text, wanted = dict(request.at.event.arguments).get("quantity"), quantity(request)
        if text and (wanted is None or not LEAST_QUANTITY <= wanted <= MOST_QUANTITY):
            yield broken(f"a consume asks for {show(text)} messages", request.at.entry)
        else:
            yield held(request.at.entry)
    for confirming in Consumption(history).confirms:
        longest = max(len(confirming.handled), len(confirming.named) - len(confirming.handled))
        if not 1 <= longest <= MOST_IDS:
            yield broken(f"a confirm names {longest} ids", confirming.entry)
        else:
            yield held(confirming.entry)


@clause(
    "HTP-3",
    Level.MUST,
    Binds.CLIENT,
    "Over HTTP a message is confirmed only when it was consumed and its handler has succeeded.",
    source="S73: 业务处理完成, 主动上报确认; S38: 消费确认后的消息无法再次获取",
    needs_handlers=True,
)
def only_what_was_handled_is_confirmed(history: History) -> Iterator[Finding]:
    """Over HTTP a failure is reported by not confirming; the list of failed ids that a confirm may have is deprecated
    and does the same. As on the WebSocket, order proves
    something only in simulation or where a handler was told to take its time, and ids that went wrong are the business
    of LID-2.
    """
    consumption = Consumption(history)
    for confirming in consumption.confirms:
        if len(confirming.handled) > MOST_IDS:
            continue  # it is refused as a whole, and a trace does not hold all of it
        for named in confirming.handled:
            if not named.rounded and not consumption.mistaken_for(confirming, named.value):
                yield from _confirmed(history, consumption, confirming, named)


@clause(
    "HTP-4",
    Level.SHOULD,
    Binds.CLIENT,
    f"After a consume that brought nothing, the next one is at least {PAUSE:.0f} s later.",
    source="S35: 如拉取消息量为空时, 等待1秒以上再轮询; the page of the API says 100 ms, official C# waits 5 s",
)
def empty_polls_are_apart(history: History) -> Iterator[Finding]:
    """Calls are limited (S33: API调用流量有限), and who has spent them on nothing cannot confirm. Only the requests of
    one poller can be compared: not where two were under way at once, nor where the application tried anew.
    """
    if history.fleet.several or not history.measured:
        return
    pollers: dict[tuple[object, ...], list[Request]] = {}
    for request in requests_of_clients(history, CONSUME):
        pollers.setdefault((request.queue, request.at.event.ip), []).append(request)
    handed = handed_to(history)
    for requests in pollers.values():
        pairs = [(before.answered, before, after) for before, after in pairwise(requests)]
        if any(answer is not None and after.at.seq < answer.seq for answer, _, after in pairs):
            continue
        for answer, before, after in pairs:
            if answer is None or answer.event.code or before.at.seq in handed or _ended(history, answer.entry, after):
                continue
            if history.delayed(answer.entry, after.at.entry):
                continue
            gap = history.between(answer.entry, after.at.entry)
            if gap < PAUSE - EARLY:
                yield broken(f"{gap:.3f} s from an empty answer to the next consume", answer.entry, after.at.entry)
            else:
                yield held(answer.entry, after.at.entry)


@clause(
    "HTP-5",
    Level.MUST,
    Binds.SERVICE,
    f"Consuming moves on: within about {REDELIVERY_DELAY:.0f} s a message is not handed out again, over HTTP or on a "
    "connection; and as all share one queue, a consume that gets less than it asks for leaves nothing that waits.",
    source="S37: 消息消费后,指针自动后移,下次调用自动获取到未消费过的消息; S3: 多种消费方式协作消费同一个队列; S39",
)
def consuming_moves_on(history: History) -> Iterator[Finding]:
    """That an unconfirmed message comes again in time is the matter of RDL-1, wherever somebody is connected. Over HTTP
    it comes to whoever asks next.
    """
    yield from Pointer(history).findings()


@clause(
    "HTP-6",
    Level.MUST,
    Binds.SERVICE,
    "A request whose sign is not right, or whose app does not exist, is refused, and nothing is handed out, confirmed "
    "or published by it.",
    source="codes 24, 25, 28 and 29 of the gateway",
)
def unsigned_request_is_refused(history: History) -> Iterator[Finding]:
    """Whoever cannot sign for an app must not take its messages away."""
    done = _done_by_unsigned(history)
    for at in history.events(HttpIn):
        request = history.requests.get(at.event.request, at.seq + 1)
        if at.event.sign == "right" or request is None or request.answered is None:
            continue
        if trace := done.get(at.seq):
            yield broken(f"a request whose sign is {at.event.sign} had an effect", at.entry, trace)
        elif request.answered.event.code == 0:
            yield broken(f"a request whose sign is {at.event.sign} succeeded", at.entry, request.answered.entry)
        else:
            yield held(at.entry, request.answered.entry)


@clause(
    "HTP-7",
    Level.MUST,
    Binds.SERVICE,
    "A consume is handed at most as many messages as it asks for, and only such of its app, its environment and the "
    "group that it names.",
    source="page of taobao.tmc.messages.consume; S18: 各个环境消息隔离",
)
def consume_gets_what_it_asks_for(history: History) -> Iterator[Finding]:
    """A client makes room for as many as it asks for, and is done with what it takes out of its own queue."""
    for messages in handed_to(history).values():
        request = history.requests.get(messages[0].event.request, messages[0].seq)
        assert request is not None
        wanted = quantity(request)
        limit = MOST_QUANTITY if wanted is None else wanted
        lives = [(at, history.life(at.event.message)) for at in messages]
        strange = [at for at, life in lives if life and queue_of(life.produced.event) != request.queue]
        if request.at.event.method != CONSUME:
            yield broken(f"{messages[0].event.message} was handed to a request that asks for none", messages[0].entry)
        elif strange:
            yield broken(
                f"{strange[0].event.message} is of another queue than that of request {request.at.event.request}",
                request.at.entry,
                strange[0].entry,
            )
        elif len(messages) > limit:
            yield broken(
                f"request {request.at.event.request} got {len(messages)} messages, and asked for {limit} at most",
                request.at.entry,
                messages[limit].entry,
            )
        else:
            yield held(request.at.entry, messages[-1].entry)


def _is_unreadable(answer: HttpOut) -> bool:
    """Whether the gateway says that a system parameter is not what it should be."""
    about_system = answer.sub_code is not None and answer.sub_code.endswith(_SYSTEM)
    return answer.code in UNREADABLE or (answer.code in _ARGUMENTS and about_system)


def _disturbed(history: History, start: Entry, end: Entry) -> bool:
    fault = history.first_after(Fault, start)
    return fault is not None and fault.seq < end.seq


def _ended(history: History, answer: Entry, after: Request) -> bool:
    """Whether the next consume was made anew, by a client that was stopped or died."""
    ends = [history.first_after(kind, answer) for kind in (ClientStopped, ClientDied)]
    return any(end is not None and end.seq < after.at.seq for end in ends)


def _confirmed(history: History, consumption: Consumption, confirming: Confirming, named: Named) -> Iterator[Finding]:
    """What is to be said of one confirm of one message."""
    life = history.life(named.value) if named.value is not None else None
    index = bisect_left(life.handed, confirming.entry.seq, key=lambda handing: handing.entry.seq) if life else 0
    if life is None or not index:
        # An id may also have been masked, because it holds a secret.
        seen = consumption.consumed(confirming, named.value) or "*" in named.text
        if consumption.complete and not seen:
            yield broken(f"{show(named.text)} was confirmed and had not been consumed", confirming.entry)
        return
    yield from _in_order(history, life, index - 1, confirming.entry)


def _in_order(history: History, life: Life, number: int, confirm: Entry) -> Iterator[Finding]:
    """Whether a message was confirmed when its handler had succeeded. See ACK-2."""
    handing, told = life.handed[number], life.instruction
    start = life.begun if life.begun and life.begun.number < number else handing
    worked = history.between(start.entry, confirm)
    done = [at for at in (handing.handled, life.succeeded) if at]
    succeeded = life.succeeded is not None and life.succeeded.seq < confirm.seq
    simulated = history.trace.world == "simulated"
    if told.outcome == "hang":
        yield broken(f"{life.id} was confirmed while its handler hangs", handing.entry, confirm)
    elif history.measured and worked < told.delay * HONEST_DELAY:
        yield broken(
            f"{life.id} was confirmed {worked:.3f} s after it was consumed; its handler works for {told.delay:.3f} s",
            start.entry,
            confirm,
        )
    elif handing.handled and handing.handled.event.outcome != "ok" and not succeeded:
        yield broken(f"{life.id} was confirmed though its handler failed", handing.handled.entry, confirm)
    elif simulated and not any(at.seq < confirm.seq for at in done):
        later = [at.entry for at in done[:1]]
        yield broken(f"{life.id} was confirmed before its handler was done", handing.entry, confirm, *later)
    elif simulated or (history.measured and told.delay >= TELLING_DELAY):
        yield held(start.entry, confirm)


def _done_by_unsigned(history: History) -> dict[int, Entry]:
    """By place of the request, the first thing that one whose sign is not right brought about."""
    found: dict[int, Entry] = {}
    answers: dict[int, Request] = {}
    good: set[int] = set()  # the requests under way
    bad: dict[int, None] = {}
    for entry in history.trace.entries if _any_unsigned(history) else ():
        match entry.event:
            case HttpIn() as event:
                request = history.requests.get(event.request, entry.seq + 1)
                if request is None or request.answered is None:
                    continue
                answers[request.answered.seq] = request
                if event.sign == "right":
                    good.add(entry.seq)
                else:
                    bad[entry.seq] = None
            case HttpOut() if request := answers.get(entry.seq):
                good.discard(request.at.seq)
                bad.pop(request.at.seq, None)
            case Consumed() as event:
                request = history.requests.get(event.request, entry.seq)
                if request and request.at.event.sign != "right":
                    found.setdefault(request.at.seq, entry)
            case Confirmed(via="http") | Published(via="http") if bad and not good:
                # While a good request is under way, too, it may have been that one.
                found.setdefault(next(reversed(bad)), entry)
    return found


def _any_unsigned(history: History) -> bool:
    return any(at.event.sign != "right" for at in history.events(HttpIn))
