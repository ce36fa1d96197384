"""PUB: messages to Taobao (回流消息, S13), and what an application is told of them."""

from __future__ import annotations

from collections.abc import Iterator

from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.history import History
from tmcspec.clauses.honesty import TELLING_DELAY
from tmcspec.clauses.publications import Ack, Publication, Publications
from tmcspec.events import ClientStopped, Published
from tmcspec.frame_values import show
from tmcspec.routing import TOPIC_NAME_LIMIT
from tmcspec.timing import PUBLISH_CONTENT_LIMIT, PUBLISH_TIMEOUT
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: A SENDACK that came within so many seconds was in time for every client: half of what the official ones wait.
IN_TIME = PUBLISH_TIMEOUT / 2


@clause(
    "PUB-1",
    Level.MUST,
    Binds.CLIENT,
    "An application is told that its publish succeeded when the SENDACK with its flag has come, and not before.",
    source="observed: official Java and C# wait for the SENDACK of their flag; Java takes a push with that flag for it",
    needs_handlers=True,
    capability="publish",
)
def success_is_told_after_the_sendack(history: History) -> Iterator[Finding]:
    """Whoever believes that a message has arrived does not send it again. The frame of a SENDACK is written down before
    it leaves the service, so what an application was told earlier than that was made up, in every world. That nothing
    was made up shows only in the order of a simulation, or where a SENDACK is kept back for a while.
    """
    publications = Publications(history)
    for publication in publications.sent:
        sent, report, ack = publication.entry, publication.report, publication.known
        if history.corruption.ever(publication.said.connection):
            continue
        if report and report.event.ok and ack is None:
            yield broken(f"{_named(publication)} was told as a success before its SENDACK came", sent, report.entry)
        elif ack is None or ack.refused:
            continue  # what was not accepted is the matter of PUB-2
        elif report is None:
            if why := _never_told(history, publication, ack.entry):
                yield broken(f"{_named(publication)} was accepted and the application not told; {why}", ack.entry)
        elif not report.event.ok:
            if _must_know(history, publication, ack, report.entry):
                yield broken(f"{_named(publication)} was accepted and told as an error", ack.entry, report.entry)
        elif history.trace.world == "simulated" or history.between(sent, ack.entry) >= TELLING_DELAY:
            yield held(sent, ack.entry, report.entry)
    # Where the trace begins later, it does not show what was sent before.
    complete = all(conversation.opened for conversation in history.conversations.values())
    if complete and not history.corruption:
        for report in publications.lonely:
            yield broken(
                f"a publish about {show(report.event.topic)} was told as a success and never sent", report.entry
            )


@clause(
    "PUB-2",
    Level.MUST,
    Binds.CLIENT,
    "A publish that is answered with an error, or not answered at all, is an error to the application.",
    source="observed: official Java and C# raise code and phrase of the SENDACK, and after 2 s 'execution timeout'",
    needs_handlers=True,
    capability="publish",
)
def failure_is_told(history: History) -> Iterator[Finding]:
    """Where nothing came, a success is the matter of PUB-1. How long a client waits is its own business, as long as it
    does not wait for ever.
    """
    for publication in Publications(history).sent:
        sent, report, ack = publication.entry, publication.report, publication.known
        if (ack and not ack.refused) or history.corruption.ever(publication.said.connection):
            continue
        if report is None:
            what = "was refused" if ack else "was not answered"
            if why := _never_told(history, publication, ack.entry if ack else sent, dying=ack is not None):
                yield broken(f"{_named(publication)} {what} and the application not told; {why}", sent)
        elif not report.event.ok:
            yield held(sent, report.entry)
        elif ack:
            yield broken(f"{_named(publication)} was refused and told as a success", ack.entry, report.entry)


@clause(
    "PUB-3",
    Level.MUST,
    Binds.SERVICE,
    "A publish with a flag on an accepted connection is answered there by exactly one SENDACK with its flag, a success "
    f"if and only if it was accepted, within {PUBLISH_TIMEOUT:.0f} s.",
    source="observed: official Java and C# wait 2 s for it, by its flag; the reference server echoes flag and token",
)
def publish_is_answered_once(history: History) -> Iterator[Finding]:
    """Without an answer a good message is an error to the application, and sent twice."""
    for publication in Publications(history).sent:
        sent, ack, published = publication.entry, publication.ack, publication.published
        if not publication.accepted or publication.publish.flag <= 0 or publication.disturbed:
            continue
        if ack is None:
            end = publication.ended or history.trace.entries[-1]
            if (passed := end.time - sent.time) > PUBLISH_TIMEOUT:
                yield broken(f"{_named(publication)} was not answered; {passed:.1f} s passed", sent)
        elif publication.again:
            yield broken(f"{_named(publication)} was answered twice", ack.entry, publication.again)
        elif published and published.event.accepted == ack.refused:
            found, told = ("accepted", "an error") if ack.refused else ("refused", "a success")
            yield broken(f"{_named(publication)} was {found} and its SENDACK is {told}", published.entry, ack.entry)
        elif (passed := ack.entry.time - sent.time) > PUBLISH_TIMEOUT:
            yield broken(f"{_named(publication)} was answered only after {passed:.1f} s", sent, ack.entry)
        else:
            yield held(sent, ack.entry)


@clause(
    "PUB-4",
    Level.MUST,
    Binds.SERVICE,
    f"A publish is refused when its topic does not exist or has not 1 to {TOPIC_NAME_LIMIT} characters, or its content "
    f"has not 1 to {PUBLISH_CONTENT_LIMIT}; and whatever is refused gets a code or a phrase.",
    source="S72: topic 由对接的二方在开放平台内部去申请创建; the limits are those of taobao.tmc.message.produce",
)
def bad_publish_is_refused_with_a_reason(history: History) -> Iterator[Finding]:
    """A SENDACK with neither code nor phrase is a success. Which topics there are does not show in a trace, so this
    judges what was refused and what is out of its limits.
    """
    for at in history.events(Published):
        event = at.event
        explained = event.code != 0 or event.phrase is not None
        outside = [
            f"a {name} of {len(text)} characters"
            for name, text, limit in (
                ("topic", event.topic, TOPIC_NAME_LIMIT),
                ("content", event.content, PUBLISH_CONTENT_LIMIT),
            )
            if not 1 <= len(text) <= limit
        ]
        if event.accepted and outside:
            yield broken(f"a publish with {' and '.join(outside)} was accepted", at.entry)
        elif event.accepted and explained:
            yield broken(f"a publish was accepted with code {event.code}, phrase {show(event.phrase)}", at.entry)
        elif not event.accepted and not explained:
            yield broken("a publish was refused with neither a code nor a phrase", at.entry)
        elif not event.accepted:
            yield held(at.entry)


def _named(publication: Publication) -> str:
    return f"the publish with flag {publication.publish.flag}"


def _never_told(history: History, publication: Publication, since: Entry, *, dying: bool = False) -> str | None:
    """Why an application will not be told any more what became of a publish; None while it may be, or when it has
    itself stopped the client. Whether a death in the meantime is a sign, the caller knows. That no answer came needs
    nobody else to be told.
    """
    client = history.fleet.owner(publication.said.connection)
    ends = [history.fleet.first_after(ClientStopped, since, client), None if dying else history.death(since, client)]
    if any(end and history.between(since, end.entry) < history.trace.patience for end in ends):
        return None
    return history.overdue(since, client=client, alone=publication.ack is None)


def _must_know(history: History, publication: Publication, ack: Ack, told: Entry) -> bool:
    """Whether a client must have known of a SENDACK when it told something else: it came before the client gave up, and
    the connection was still there. Live, a busy machine may have kept it from that.
    """
    ended = publication.ended is not None and publication.ended.seq < told.seq
    in_time = history.between(publication.entry, ack.entry) <= IN_TIME
    if history.hindered(publication.entry, history.between(publication.entry, told), on=publication.said.connection):
        return False
    return history.trace.world == "simulated" and history.measured and in_time and not ended
