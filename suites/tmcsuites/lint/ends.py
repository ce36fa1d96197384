"""Three short visits: the service refuses it; a handler hangs, and SIGTERM comes; its input ends."""

from __future__ import annotations

from tmcspec.events import Refused
from tmcspec.instruction import Instruction
from tmcsuites.adapters.contract import ClientHandled, ClientReceived
from tmcsuites.adapters.process import PROBE
from tmcsuites.lint.checks import Check, declared, judged, noted, of, sound, wrong
from tmcsuites.lint.visit import Seen, Skipped, Visit, said

#: Seconds after which a handler that never returns would have, had it not been told so.
NEVER = 0.5

#: Seconds in which an adapter says that it was refused, if its library tells.
REFUSED_PATIENCE = 3.0


@of("refused-start", "'start' is not answered 'result' when the service refuses the client")
async def refused_start(visit: Visit) -> Seen:
    """With a wrong secret. Libraries may try again for ever, die, or take a refusal for success: what that is worth the
    clauses judge. An adapter that says so of its own accord is found at `start`, or by whoever reads the note.
    """
    declared(visit, "push")
    sent = "start with a wrong secret"
    answer = await visit.start("push", secret="not-the-secret", within=REFUSED_PATIENCE)
    if answer is not None and answer.status == "result":
        return noted(sent, "'result', but nobody was accepted; see whether the library tells a refusal from success")
    visit.refused = answer is not None and answer.status == "raised"
    refused = ", and the service has refused it" if visit.traced(Refused) else ""
    return sound(sent, f"{said(answer, visit.talk.silence(REFUSED_PATIENCE))}{refused}")


@of("stop-refused", "'stop' is answered 'result' after a 'start' that 'raised'")
async def stop_refused(visit: Visit) -> Seen:
    if not visit.refused:
        raise Skipped("the start did not raise")
    answer = await visit.talk.ask("stop", within=visit.deadlines.stop)
    came = said(answer, visit.talk.silence(visit.deadlines.stop))
    if answer is not None and answer.status == "unsupported" and not visit.declares("graceful_stop"):
        raise Skipped("the adapter does not declare 'graceful_stop', and answers 'unsupported'")
    return judged(answer is not None and answer.status == "result", "stop, after a refused start", came)


@of("at-work", "a command is answered while a handler is at work, and one that is told to hang is never done")
async def at_work(visit: Visit) -> Seen:
    if not visit.modes:
        raise Skipped("the adapter declares neither 'push' nor 'poll'")
    answer = await visit.start(visit.modes[0])
    if answer is None or answer.status != "result":
        raise Skipped("the client is not started")
    since = len(visit.talk.events)
    visit.produce(Instruction(outcome="hang").content())
    if await visit.event(ClientReceived, since=since) is None:
        raise Skipped("no message was received")
    sent = f"the operation {PROBE!r}, while a handler hangs"
    answer = await visit.talk.ask(PROBE, within=visit.deadlines.probe)
    if answer is None:
        return wrong(sent, visit.talk.silence(visit.deadlines.probe))

    def done() -> bool:
        return any(isinstance(each.event, ClientHandled) for each in visit.talk.events[since:])

    if await visit.talk.until(done, within=NEVER):
        return wrong("a message that tells its handler to hang", "'handled'")
    return sound(sent, said(answer, ""))


@of("sigterm", "SIGTERM ends it at once")
async def sigterm(visit: Visit) -> Seen:
    within = visit.deadlines.term
    visit.talk.terminate()
    if not await visit.talk.ended(within=within):
        return wrong("SIGTERM", f"it runs on after {within:g} s")
    return sound("SIGTERM", str(visit.talk.status))


@of("end-of-input", "the end of its input ends it with exit status 0 within 5 s")
async def end_of_input(visit: Visit) -> Seen:
    if visit.modes:
        await visit.start(visit.modes[0])
    within = visit.deadlines.bye
    visit.talk.close_input()
    if not await visit.talk.ended(within=within):
        return wrong("the end of its input", f"it runs on after {within:g} s")
    return judged(visit.talk.status == "exit 0", "the end of its input", str(visit.talk.status))


REFUSAL: tuple[Check, ...] = (refused_start, stop_refused)
HANGING: tuple[Check, ...] = (at_work, sigterm)
ORPHANED: tuple[Check, ...] = (end_of_input,)
