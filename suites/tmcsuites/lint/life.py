"""The first visit: an adapter leads a whole life, and ends when it is told bye."""

from __future__ import annotations

import asyncio
import json

from tmcfakes.handshake import AckScript
from tmcspec.events import Published
from tmcspec.instruction import Instruction, Outcome
from tmcsuites.adapters.contract import (
    CAPABILITIES,
    PROTOCOL_VERSION,
    Answer,
    ClientHandled,
    ClientReceived,
)
from tmcsuites.adapters.process import PROBE
from tmcsuites.adapters.protocol import LineError
from tmcsuites.lint.checks import Check, declared, judged, noted, of, sound, wrong
from tmcsuites.lint.talk import shortened
from tmcsuites.lint.visit import TOPIC_TO_TAOBAO, Seen, Skipped, Visit, greeted, said

#: No double holds it: 2^53 + 1.
LONG_ID = 2**53 + 1

#: Three scripts, a character beyond 16 bits, what JSON escapes, and two that some readers end lines at.
TEXT = '订单 é ж 😀 "\\/ \u2028\u2029 \t end'

#: Characters of a long text. A reader of lines with 64 KiB for one cannot hold its line.
LONG = 60_000

#: Milliseconds that a handler is told to take.
DELAY_MS = 1_000

#: Seconds of service time that a SENDACK is kept back; the clock is moved by hand when it may come.
KEPT_BACK = 30.0

#: Seconds of real time that it is kept back at most: libraries give up after 2.
HELD = 1.5
ATTEMPTS = 3


@of(
    "hello",
    "'hello' is answered with protocol 1, the client's name, version and language, and its capabilities",
    posthumous=True,
)
async def hello(visit: Visit) -> Seen:
    sent = f"hello, protocol {PROTOCOL_VERSION}"
    answer = await visit.talk.ask("hello", within=visit.deadlines.hello, protocol=PROTOCOL_VERSION)
    if answer is None:
        return wrong(sent, visit.talk.silence(visit.deadlines.hello))
    try:
        info = greeted(answer)
    except LineError as error:
        return wrong(sent, str(error))
    visit.greeting, visit.info = answer, info
    return sound(sent, f"{info.name} {info.version} ({info.language})")


@of("capabilities", f"each declared capability is one of {', '.join(sorted(CAPABILITIES))}")
async def capabilities(visit: Visit) -> Seen:
    if visit.greeting is None:
        raise Skipped("the answer to hello was wrong")
    listed: list[str] = visit.greeting.members["capabilities"]
    unknown = sorted(set(listed) - CAPABILITIES)
    if unknown:
        return wrong("hello", f"unknown: {', '.join(map(repr, unknown))}")
    return sound("hello", ", ".join(sorted(listed)) or "none")


@of("unknown-op", "an operation that the adapter does not have is answered 'unsupported'")
async def unknown_op(visit: Visit) -> Seen:
    # Two, so that it does not do to know the name of the one that a run asks for.
    for op in (PROBE, "tmcspec-lint"):
        answer = await visit.talk.ask(op, within=visit.deadlines.probe)
        if answer is None or answer.status != "unsupported":
            return wrong(f"the operation {op!r}", said(answer, visit.talk.silence(visit.deadlines.probe)))
    return sound("two operations that nobody has", "'unsupported', twice")


@of("ids", "an answer repeats the id of its command, a string, and no command is answered twice")
async def ids(visit: Visit) -> Seen:
    """Several at once. What it says to other questions is looked at in the end."""
    within = visit.deadlines.probe
    asked = [visit.talk.send(PROBE, within=within, id=id) for id in ("lint-1", "007", "订单")]
    sent = f"three commands at once, with the ids {', '.join(asked)}"
    await visit.talk.until(lambda: all(visit.talk.answer(id) for id in asked), within=within)
    missing = [id for id in asked if visit.talk.answer(id) is None]
    if missing:
        return wrong(sent, f"no answer to {', '.join(missing)} within {within:g} s")
    return sound(sent, "an answer to each")


@of("start", "'start' is answered 'result' when the service has accepted the client, and then it has")
async def start(visit: Visit) -> Seen:
    if not visit.modes:
        raise Skipped("the adapter declares neither 'push' nor 'poll'")
    mode = visit.modes[0]
    return await started(visit, mode, f"start with mode {mode}, at a sound service")


async def started(visit: Visit, mode: str, sent: str) -> Seen:
    """Starts it and looks whether the service knows."""
    since = visit.now
    answer = await visit.start("poll" if mode == "poll" else "push")
    came = said(answer, visit.talk.silence(visit.deadlines.start))
    if visit.started is None:
        return wrong(sent, came)
    if not visit.accepted(since=since):
        visit.started = None
        return wrong(sent, f"{came}, but the service has not accepted anybody")
    return sound(sent, f"{came}, and the service has accepted it")


@of("events", "a message is reported 'received' when the handler is called, and 'handled' when it is done")
async def events(visit: Visit) -> Seen:
    visit.needs_started()
    content = json.dumps({"text": TEXT}, ensure_ascii=False)
    message, received, handled = await visit.handling(content, id=LONG_ID)
    sent = f"a message with the id {message}"
    if received is None:
        return wrong(sent, f"no 'received' within {visit.patience:g} s")
    assert isinstance(received.event, ClientReceived)
    visit.received = content, received.event
    if handled is None:
        return wrong(sent, f"'received', and no 'handled' within {visit.patience:g} s")
    assert isinstance(handled.event, ClientHandled)
    if handled.place < received.place:
        return wrong(sent, "'handled' before 'received'")
    if handled.event.message_id != received.event.message_id:
        ids = f"{received.event.message_id} and {handled.event.message_id}"
        return wrong(sent, f"'received' and 'handled' with different ids, {ids}")
    if received.event.message_id != message:
        return noted(sent, f"both with the id {received.event.message_id}; see whether the library shows it so")
    return sound(sent, "both, with this id")


@of("text-in", "text beyond ASCII reaches the runner as the service sent it")
async def text_in(visit: Visit) -> Seen:
    if visit.received is None:
        raise Skipped("no message was received")
    content, received = visit.received
    sent = f"a message with the content {shortened(content)}"
    if received.content == content:
        return sound(sent, "the same")
    return wrong(sent, f"{shortened(str(received.content))}: standard output is UTF-8, wherever the adapter runs")


@of("long-lines", "a line may have 8 MiB")
async def long_lines(visit: Visit) -> Seen:
    visit.needs_started()
    content = json.dumps({"text": "长" * LONG}, ensure_ascii=False)
    sent = f"a message with {len(content)} characters"
    _, received, _ = await visit.handling(content)
    if received is None:
        return wrong(sent, f"no 'received' within {visit.patience:g} s")
    assert isinstance(received.event, ClientReceived)
    came = f"{len(received.event.content or '')} characters"
    # Of other text the check before has told.
    return judged(len(received.event.content or "") >= LONG, sent, came)


@of("outcomes", "a handler does what the message tells it, and reports just that: ok, fail (if declared), raise (too)")
async def outcomes(visit: Visit) -> Seen:
    visit.needs_started()
    told: list[Outcome] = ["ok"]
    told += [outcome for outcome in ("fail", "raise") if visit.declares(outcome)]
    for outcome in told:
        content = Instruction(outcome=outcome, reason="as told").content()
        _, _, handled = await visit.handling(content)
        sent = f"a message that tells its handler to {outcome}"
        if handled is None:
            return wrong(sent, f"no 'handled' within {visit.patience:g} s")
        assert isinstance(handled.event, ClientHandled)
        if handled.event.outcome != outcome:
            return wrong(sent, f"'handled' with the outcome {handled.event.outcome!r}")
    return sound(f"messages that tell their handlers to {', '.join(told)}", "each as told")


@of("delay", "a handler takes as long as the message tells it")
async def delay(visit: Visit) -> Seen:
    visit.needs_started()
    # Counted from before the message is there: whatever is slow makes it longer, and only a lie makes it shorter.
    began = asyncio.get_running_loop().time()
    _, _, handled = await visit.handling(Instruction(delay_ms=DELAY_MS).content())
    sent = f"a message that tells its handler to take {DELAY_MS} ms"
    if handled is None:
        return wrong(sent, f"no 'handled' within {visit.patience:g} s")
    took = (handled.at - began) * 1000
    return judged(took >= DELAY_MS, sent, f"'handled' {took:.0f} ms after it was produced")


@of("publish", "'publish' is 'result' when the service has acknowledged it; undeclared, it is 'unsupported'")
async def publish(visit: Visit) -> Seen:
    visit.needs_started()
    since = visit.now
    content = json.dumps({"text": "plain"})
    answer = await ask_publish(visit, content)
    came = said(answer, visit.talk.silence(visit.deadlines.publish))
    if not visit.declares("publish"):
        unsupported = answer is not None and answer.status == "unsupported"
        return judged(unsupported, "a publish, which is not declared", came)
    if answer is None or answer.status != "result":
        return wrong("a publish that the service accepts", came)
    there = [each for each in visit.traced(Published, since=since) if each.accepted]
    if not there:
        return wrong("a publish", f"{came}, but the service has got none")
    return sound("a publish", f"{came}, and the service has it")


async def ask_publish(visit: Visit, content: str, topic: str = TOPIC_TO_TAOBAO) -> Answer | None:
    within = visit.deadlines.publish
    return await visit.talk.ask("publish", within=within, topic=topic, content=content, session=None)


def can_publish(visit: Visit) -> None:
    """Raises Skipped: it does not publish, or not now."""
    declared(visit, "publish")
    if visit.started != "push":
        raise Skipped("the client is not started with mode push")


@of("text-out", "text beyond ASCII, and a long one, reach the service as the runner sent them")
async def text_out(visit: Visit) -> Seen:
    can_publish(visit)
    for text in (TEXT, "长" * LONG):
        since = visit.now
        content = json.dumps({"text": text}, ensure_ascii=False)
        answer = await ask_publish(visit, content)
        sent = f"a publish of {shortened(content)}"
        there = visit.traced(Published, since=since)
        if not there:
            came = said(answer, visit.talk.silence(visit.deadlines.publish))
            return wrong(sent, f"{came}, and nothing at the service")
        if there[0].content != content:
            return wrong(sent, f"at the service {shortened(there[0].content)}: standard input is UTF-8")
    return sound("a publish of many scripts, and a long one", "the same at the service")


@of("refused-publish", "'publish' is 'raised' when the library reports an error")
async def refused_publish(visit: Visit) -> Seen:
    can_publish(visit)
    answer = await ask_publish(visit, "{}", topic="tmcspec_topic_that_nobody_created")
    sent = "a publish that the service refuses"
    came = said(answer, visit.talk.silence(visit.deadlines.publish))
    if answer is not None and answer.status == "result":
        return noted(sent, f"{came}; see whether the library reports an error")
    return judged(answer is not None and answer.status == "raised", sent, came)


@of("meanwhile", "events are reported while a command waits for its answer")
async def meanwhile(visit: Visit) -> Seen:
    can_publish(visit)
    sent = "a message, while a publish waits to be acknowledged"
    for _ in range(ATTEMPTS):  # a slow machine has more than one
        if await overtaken(visit):
            return sound(sent, "its events, and then the answer")
    return wrong(sent, "its events only after the answer, if at all")


async def overtaken(visit: Visit) -> bool:
    """Whether a message is handled before the answer to a publish, which is acknowledged when that was seen."""
    visit.fake.do(lambda service, now: service.script_sendacks(AckScript(delay=KEPT_BACK)))
    since, before = len(visit.talk.events), visit.now
    members = {"topic": TOPIC_TO_TAOBAO, "content": "{}", "session": None}
    id = visit.talk.send("publish", within=visit.deadlines.publish, **members)
    await visit.talk.until(lambda: bool(visit.traced(Published, since=before)), within=HELD)
    visit.produce("{}")

    def handled() -> list[int]:
        return [each.place for each in visit.talk.events[since:] if isinstance(each.event, ClientHandled)]

    await visit.talk.until(lambda: bool(handled()), within=HELD)
    visit.fake.advance(KEPT_BACK)
    await visit.talk.until(lambda: visit.talk.answer(id) is not None, within=visit.deadlines.publish)
    await visit.event(ClientHandled, since=since)
    return visit.talk.answer(id) is not None and bool(handled()) and handled()[0] < visit.talk.place(id)


@of("stop", "'stop' is answered 'result' when the client is closed")
async def stop(visit: Visit) -> Seen:
    visit.needs_started()
    mode = visit.started
    answer = await visit.talk.ask("stop", within=visit.deadlines.stop)
    came = said(answer, visit.talk.silence(visit.deadlines.stop))
    if answer is not None and answer.status == "unsupported" and not visit.declares("graceful_stop"):
        raise Skipped("the adapter does not declare 'graceful_stop', and answers 'unsupported'")
    if answer is None or answer.status != "result":
        return wrong("stop", came)
    visit.started = None
    if mode == "push" and not await visit.talk.until(lambda: not visit.connected(), within=visit.deadlines.stop):
        return wrong("stop", f"{came}, but the service still has its connection")
    visit.stopped = True
    return sound("stop", came)


@of("start-again", "'start' may follow 'stop', in each mode that is declared")
async def start_again(visit: Visit) -> Seen:
    if not visit.stopped:
        raise Skipped("the client was not stopped")
    mode = visit.modes[-1]
    return await started(visit, mode, f"start with mode {mode}, after stop")


@of("bye", "'bye' ends it with exit status 0 within 5 s")
async def bye(visit: Visit) -> Seen:
    within = visit.deadlines.bye
    visit.talk.send("bye", within=within)
    if not await visit.talk.ended(within=within):
        return wrong("bye", f"it runs on after {within:g} s")
    return judged(visit.talk.status == "exit 0", "bye", str(visit.talk.status))


@of("leftovers", "nothing that it has started outlives it", posthumous=True)
async def leftovers(visit: Visit) -> Seen:
    if visit.talk.status is None:
        raise Skipped("it runs on")
    left = await visit.talk.left()
    if left is None:
        raise Skipped("this system does not tell")
    return judged(left == 0, "bye", f"{left} processes are left" if left else "nothing is left")


LIFE: tuple[Check, ...] = (
    hello,
    capabilities,
    unknown_op,
    ids,
    start,
    events,
    text_in,
    long_lines,
    outcomes,
    delay,
    publish,
    text_out,
    refused_publish,
    meanwhile,
    stop,
    start_again,
    bye,
    leftovers,
)
