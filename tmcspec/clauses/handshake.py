"""HSK: the handshake, from the first frame on a connection to the token."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from tmcspec.clauses.admission import Admission
from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.conversation import Handshake, QueueName, Said, queue_of
from tmcspec.clauses.history import History
from tmcspec.clauses.starting import told_of
from tmcspec.events import (
    Accepted,
    Attempted,
    ClientError,
    ClientStarted,
    ClientStopped,
    Fault,
    Opened,
    Refused,
    Signed,
)
from tmcspec.frame import MessageType, ValueType
from tmcspec.messages import Connect
from tmcspec.timing import CONNECTACK_PATIENCE, PULL_INTERVAL
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: The fault that an application was given a wrong secret.
WRONG_SECRET = "wrong_secret"

#: How far a CONNECT timestamp may be from the present, in seconds. The HTTP gateway's tolerance; none is known for
#: CONNECT.
TIMESTAMP_TOLERANCE = 600.0


@clause(
    "HSK-1",
    Level.MUST,
    Binds.CLIENT,
    "The first TMC frame on a connection is CONNECT, in a binary WebSocket message; nothing else precedes the "
    "CONNECTACK.",
    source="observed: every published client; tmc.js pulls before the answer when it is late",
)
def first_frame_is_connect(history: History) -> Iterator[Finding]:
    """Before the CONNECTACK there is no token, so whatever else is sent cannot be attributed to an application."""
    for conversation in history.conversations.values():
        answered = next((each.answered for each in conversation.handshakes if each.answered), None)
        end = answered.seq if answered else float("inf")
        first = next((said for said in conversation.said if said.entry.seq < end), None)
        other = next((said for said in conversation.said if not said.is_a(MessageType.CONNECT)), None)
        if conversation.opened is None:
            continue  # the trace begins later, and so does not show what came first
        if any(said.corrupted for said in (first, other) if said):
            continue
        if conversation.text and conversation.text.seq < end:
            if history.corruption.of(conversation.connection, conversation.text.entry, "upstream"):
                continue
            yield broken("a text message came before the CONNECTACK", conversation.text.entry)
        elif other and other.entry.seq < end:
            yield broken(f"{_named(other)} came before the CONNECTACK", other.entry)
        elif first:
            yield held(first.entry)


@clause(
    "HSK-2",
    Level.MUST,
    Binds.CLIENT,
    "CONNECT carries app_key, group_name, timestamp and sign, all as strings.",
    source="observed: every published client",
)
def connect_carries_four_strings(history: History) -> Iterator[Finding]:
    """The service checks the sign over the first three; a missing or differently typed field is a wrong sign."""
    for handshake in history.handshakes:
        said = handshake.connect
        if said.corrupted:
            continue
        frame = said.at.event.frame
        fields = {key: type_ for key, type_, _ in frame.content or ()} if frame else {}
        wanted = ("app_key", "group_name", "timestamp", "sign")
        wrong = [key for key in wanted if fields.get(key) is not ValueType.STRING]
        if wrong:
            yield broken(f"CONNECT has no string {', '.join(wrong)}", said.entry)
        else:
            yield held(said.entry)


@clause(
    "HSK-3",
    Level.MUST,
    Binds.CLIENT,
    "sign is the upper-case hexadecimal MD5 of secret + sorted names and values of exactly app_key, group_name "
    "and timestamp + secret.",
    source="observed: every published client; computed by the official Java SDK",
)
def sign_is_right(history: History) -> Iterator[Finding]:
    """The trace holds no signs, only what the service found of them. Where a CONNECT was changed on the way, or the
    application was given a wrong secret on purpose, that says nothing of the client.
    """
    what = {"wrong": "is not the expected digest", "case": "is not in upper case", "missing": "is missing"}
    spoiled = {each.connect.connection for each in history.handshakes if each.connect.lost}
    tampered = {each.signed.seq for each in history.handshakes if each.signed and each.tampered}
    deceived = {at.event.target for at in history.events(Fault) if at.event.name == WRONG_SECRET}
    for at in history.events(Signed):
        if at.event.connection in spoiled or at.seq in tampered:
            continue
        if history.fleet.owner(at.event.connection) in deceived - {None}:
            continue
        if history.corruption.of(at.event.connection, at.entry, "upstream"):
            continue  # the service did not see what the client had signed
        if at.event.sign in what:
            yield broken(f"sign {what[at.event.sign]}", at.entry)
        elif at.event.sign == "right":
            yield held(at.entry)


@clause(
    "HSK-4",
    Level.SHOULD,
    Binds.CLIENT,
    f"timestamp is the present time in decimal epoch milliseconds, within {TIMESTAMP_TOLERANCE:.0f} seconds.",
    source="observed: all published clients but C#, which sends .NET ticks of local time",
)
def timestamp_is_now(history: History) -> Iterator[Finding]:
    """Production evidently accepts the C# ticks, so it is not known to look at the age; a service that did would refuse
    them. A missing timestamp is the matter of HSK-2.
    """
    if history.trace.world == "recorded" and not history.trace.epoch_ms:
        return  # nobody knows when that was
    for handshake in history.handshakes:
        said = handshake.connect
        if not isinstance(said.message, Connect) or not said.message.timestamp:
            continue
        text = said.message.timestamp
        if not (text.isascii() and text.isdecimal()):
            yield broken(f"timestamp is {text[:40]!r}, not a decimal number", said.entry)
            continue
        if not history.measured:
            continue  # the present of the run stood still
        present = history.trace.epoch_ms / 1000 + history.client_time(said.entry)
        # An entry has no more than 19 digits in a row: longer ones are masked, like the sign.
        away = abs(int(text) / 1000 - present)
        if away > TIMESTAMP_TOLERANCE:
            yield broken(f"timestamp {text} is {away:.0f} s away from the present", said.entry)
        else:
            yield held(said.entry)


@clause(
    "HSK-5",
    Level.SHOULD,
    Binds.CLIENT,
    "CONNECT has a flag above 0, and a CONNECTACK with another flag is not taken for its answer.",
    source="observed: the official Java and C# clients; Node and PHP clients send no flag and never look at it",
)
def flag_matches_answer_to_question(history: History) -> Iterator[Finding]:
    """The flag is the only thing that tells which question an answer belongs to."""
    for handshake in history.handshakes:
        if handshake.connect.corrupted:
            continue
        if handshake.flag <= 0:
            yield broken("CONNECT has no flag", handshake.connect.entry)
        else:
            yield held(handshake.connect.entry)
        answer = handshake.answer
        if answer and answer.token is not None and not answer.refused and answer.flag != handshake.flag:
            yield from _not_used(history, handshake, f"an answer with flag {answer.flag} to flag {handshake.flag}")


@clause(
    "HSK-6",
    Level.MUST,
    Binds.CLIENT,
    "A refused connection (CONNECTACK with a code above 0, or a phrase) is not used: no SEND follows on it.",
    source="observed: reference server and official clients; tmc.js pulls on without a token",
)
def refused_connection_is_not_used(history: History) -> Iterator[Finding]:
    """A client that goes on after a refusal looks alive and receives nothing, for ever. It shows when it first pulls,
    so it is watched for as long as the official clients wait before they do (15 s). One that pulls less often (tmcpy:
    every 50 s) is still missed.
    """
    for handshake in history.handshakes:
        if not handshake.refused and not (handshake.answer and handshake.answer.refused):
            continue
        refusal = handshake.refused or handshake.ack
        assert refusal is not None
        if history.corruption.ever(handshake.connect.connection):
            continue  # the client may not have been told so
        if handshake.use:
            yield broken(f"{_named(handshake.use)} after the refusal", refusal.entry, handshake.use.entry)
        else:
            yield from _left_alone(history, handshake, refusal.entry)


@clause(
    "HSK-7",
    Level.MUST,
    Binds.CLIENT,
    "When the first connection is refused, or the address does not answer, the application is told.",
    source="S21: 连接失败时会抛出异常, 请不要捕获, 避免未连接而不知晓",
    needs_handlers=True,
)
def refused_first_connection_is_told(history: History) -> Iterator[Finding]:
    """Told means that starting the client fails in the library's own way. A process that dies of it was not told, it
    was killed. A client that tried again and was accepted in time had nothing to tell.
    """
    clients = history.fleet.names if history.fleet.several else (None,)
    for client in clients:
        yield from _told_of_trouble(history, client)


@clause(
    "HSK-8",
    Level.MUST,
    Binds.CLIENT,
    "Every SEND carries the token of an accepted CONNECTACK.",
    source="observed: reference server and official clients; tmc.js and the PHP clients may pull without one",
)
def every_send_carries_a_token(history: History) -> Iterator[Finding]:
    """The token tells the service whose message this is; it belongs to the identity, not to the connection. So there is
    one for each group of an app: when another one is given for it, as after a restart of the service, the one before is
    good only on the connections that it was given on.
    """
    accepted = [(at.seq, at.event.connection, queue_of(at.event), at.event.token) for at in history.events(Accepted)]
    told = [
        (entry.seq, conversation.connection, None, token)
        for conversation in history.conversations.values()
        for token, entry in conversation.tokens.items()
    ]
    given = iter(sorted([*accepted, *told], key=lambda each: each[0]))
    following = next(given, None)
    latest: dict[QueueName | None, str] = {}
    ever: set[str | None] = set()
    on: set[tuple[str, str | None]] = set()
    for said in history.said:
        while following and following[0] < said.entry.seq:
            _, connection, queue, token = following
            if queue:
                latest[queue] = token
            ever.add(token)
            on.add((connection, token))
            following = next(given, None)
        frame = said.at.event.frame
        # Where the trace begins later, it does not show what was given out before.
        if frame is None or frame.type != MessageType.SEND or history.conversations[said.connection].opened is None:
            continue
        if (said.connection, frame.token) in on or frame.token in latest.values():
            yield held(said.entry)
        elif frame.token in ever:
            yield broken(f"{_named(said)} with a token that another one has replaced", said.entry)
        elif not history.corruption.ever(said.connection):
            what = "without a token" if frame.token is None else "with a token that was never given out"
            yield broken(f"{_named(said)} {what}", said.entry)


@clause(
    "HSK-9",
    Level.SHOULD,
    Binds.CLIENT,
    f"A CONNECTACK that never comes is given up within {CONNECTACK_PATIENCE:.0f} s.",
    source="observed: Java waits 5 s, C# 10 s; Node, Python and PHP clients wait for ever",
)
def silent_handshake_is_given_up(history: History) -> Iterator[Finding]:
    """A client that waits for ever is indistinguishable from one with nothing to do. Giving up shows as a close, as an
    error to the application, or as another attempt.
    """
    for handshake in history.handshakes:
        if handshake.told:
            continue
        connect = handshake.connect.entry
        conversation = history.conversations[handshake.connect.connection]
        owner = history.fleet.owner(conversation.connection)
        tries = [history.fleet.first_after(kind, connect, owner) for kind in (Opened, Attempted)]
        signs: list[Entry] = [at.entry for at in (*tries, history.fleet.first_after(ClientError, connect, owner)) if at]
        if handshake.following:
            signs.append(handshake.following.entry)
        if conversation.closed and not conversation.cut:
            signs.append(conversation.closed.entry)
        sign = min(signs, key=lambda entry: entry.seq, default=None)
        if sign and history.between(connect, sign) <= CONNECTACK_PATIENCE:
            yield held(connect, sign)
        elif why := history.overdue(connect, CONNECTACK_PATIENCE, on=conversation.connection):
            yield broken(f"still waiting for a CONNECTACK; {why}", connect)


@clause(
    "HSK-10",
    Level.SHOULD,
    Binds.CLIENT,
    "A CONNECTACK without a token is not success.",
    source="observed: Java reports 'got empty token'; tmc.js, tmcpy and the Node SDK go on",
)
def no_token_is_no_success(history: History) -> Iterator[Finding]:
    """Without a token nothing that the client sends can be attributed, so nothing it handles will ever be confirmed."""
    for handshake in history.handshakes:
        if handshake.answer and handshake.answer.token is None and not handshake.answer.refused:
            yield from _not_used(history, handshake, "an answer without a token")


@clause(
    "HSK-11",
    Level.MUST,
    Binds.SERVICE,
    "Every CONNECT is answered: one with a right sign is accepted; a wrong sign, an unknown app, an unknown group or "
    "an app without a subscription is refused with a code and a phrase.",
    source="S71 (isv.tmc-switch-off); observed: codes of the gateway; the sign check is inferred",
)
def handshake_is_answered_rightly(history: History) -> Iterator[Finding]:
    """Holds for whatever handshake a published client sends: odd Host, odd Origin, weak key, CONNECT after an empty
    PING. Answers that were made up on purpose are left out. Groups and subscriptions are judged by what the trace tells
    of them (`admission`).
    """
    fair = [handshake for handshake in history.handshakes if not handshake.scripted]
    for handshake in fair:
        if handshake.signed is None and _was_not_looked_at(history, handshake):
            yield broken("the CONNECT was not answered", handshake.connect.entry)
    for handshake, standing in Admission(history).standings(fair):
        signed, accepted, refused = handshake.signed, handshake.accepted, handshake.refused
        assert signed is not None
        if accepted and signed.event.sign != "right":
            yield broken(f"accepted though the sign was {signed.event.sign}", signed.entry, accepted.entry)
        elif accepted and standing.missing:
            what, since = standing.missing
            yield broken(f"accepted though {what}", since, signed.entry, accepted.entry)
        elif refused and signed.event.sign == "right" and standing.certain:
            yield broken("refused though the sign was right", signed.entry, refused.entry)
        elif refused and not (refused.event.code > 0 and refused.event.phrase):
            code, phrase = refused.event.code, refused.event.phrase
            yield broken(f"refused with code {code} and phrase {phrase!r}", signed.entry, refused.entry)
        elif answered := handshake.answered:
            yield held(signed.entry, answered)
        elif _was_ignored(history, handshake, signed.entry):
            yield broken("the CONNECT was not answered", signed.entry)


def _told_of_trouble(history: History, client: str | None) -> Iterator[Finding]:
    """Whether a client told its application of the trouble at its first connection; of several, whose was refused must
    be certain, and that nobody was there tells nothing of who tried.
    """
    fleet = history.fleet
    refused = next((at for at in fleet.events(Refused, client) if client in (None, fleet.of(at.event))), None)
    outages = (at for at in history.events(Fault) if at.event.name == "unreachable" and client is None)
    away = next(outages, None)
    trouble = min((at.entry for at in (refused, away) if at), key=lambda entry: entry.seq, default=None)
    if trouble:
        yield from told_of(history, client, trouble)


def _was_ignored(history: History, handshake: Handshake, since: Entry) -> bool:
    """Whether the service had time to answer, and the connection to do it on."""
    conversation = history.conversations[handshake.connect.connection]
    closed, following = conversation.closed, handshake.following
    ends = (
        following and following.entry,
        closed and closed.entry,
        conversation.ending,
        history.trace.entries[-1],
    )
    return min(entry.time for entry in ends if entry) - since.time >= CONNECTACK_PATIENCE


def _was_not_looked_at(history: History, handshake: Handshake) -> bool:
    """Whether the service did as if a CONNECT had never come. A recorded trace may not show what it found."""
    connect = handshake.connect
    said_so = isinstance(connect.message, Connect) and not (connect.lost or connect.corrupted)
    silent = handshake.answered is None and history.trace.world != "recorded"
    return said_so and silent and _was_ignored(history, handshake, connect.entry)


def _left_alone(history: History, handshake: Handshake, answer: Entry) -> Iterator[Finding]:
    """A finding when the client has done with a connection: it said so to the application, closed it of its own accord,
    asked anew, or had time enough to use it. That is at least until it pulls: before, there may be nothing to send.
    """
    conversation = history.conversations[handshake.connect.connection]
    left = handshake.following or (conversation.closed and not conversation.cut)
    limit = max(history.trace.patience, PULL_INTERVAL)
    if told := history.failed_start(answer, history.fleet.owner(conversation.connection)):
        yield held(answer, told)
    elif left or history.overdue(answer, limit, on=conversation.connection):
        yield held(answer)


def _not_used(history: History, handshake: Handshake, what: str) -> Iterator[Finding]:
    """Findings for an answer that must not count as success."""
    assert handshake.ack is not None
    out = handshake.ack.entry
    owner = history.fleet.owner(handshake.connect.connection)
    started = history.fleet.first_after(ClientStarted, out, owner)
    if history.corruption.ever(handshake.connect.connection):
        return  # the client may have been told something else
    if handshake.use:
        yield broken(f"{what} was taken for success: {_named(handshake.use)} followed", out, handshake.use.entry)
    elif started and not _rightly_started(history, out, started.entry, owner):
        yield broken(f"{what} was taken for success: the client reported itself connected", out, started.entry)
    else:
        yield from _left_alone(history, handshake, out)


def _rightly_started(history: History, out: Entry, started: Entry, client: str | None) -> bool:
    """Whether a client that reports itself connected after an odd answer may mean another one, since its last stop."""
    stopped = history.fleet.last_before(ClientStopped, out, client)
    index = bisect_left(history.successes, stopped.seq if stopped else 0)
    return index < len(history.successes) and history.successes[index] < started.seq


def _named(said: Said) -> str:
    if said.message is not None:
        return type(said.message).__name__
    return "a frame that does not decode" if said.at.event.frame is None else "a frame of unknown meaning"
