"""FRM: frames, odd and ordinary, and what must come of them.

Most clauses of this area say the same thing of different frames: this kind of push reaches the handler as it was sent.
They are a table of kinds; `_delivered` judges them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tmcspec.clauses.aftermath import Later, left_for_good
from tmcspec.clauses.base import Binds, Catalogue, Finding, Level, broken, held
from tmcspec.clauses.content import same_content
from tmcspec.clauses.deliveries import Answer, Delivery
from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.clauses.websocket import Sockets
from tmcspec.events import FrameOut, WsOut
from tmcspec.frame import FrameError, ValueType, decode
from tmcspec.ids import misreadings
from tmcspec.messages import Push
from tmcspec.trace import Entry

CLAUSES = Catalogue()
clause = CLAUSES.clause

#: From this many bytes on, content counts as large.
LARGE = 100_000

#: Formats that the captured production pushes do not use, so that a client may never have met them.
RARE_FORMATS = frozenset({ValueType.VOID, ValueType.INT16, ValueType.INT32, ValueType.BYTES})

#: Formats of integers that are smaller than an id.
SMALL_INTEGERS = frozenset({ValueType.BYTE, ValueType.INT16, ValueType.INT32})

#: Fields of the captured production pushes that no client's list of constants has.
USUAL_EXTRAS = frozenset({"born_time"})

#: Oddities of a frame that have a clause of their own. A frame with any other one is malformed.
TOLERABLE = frozenset({"unknown-header", "unknown-format", "trailing-bytes"})

Kind = Callable[[Delivery, Push], bool]


def _delivered(history: History, delivery: Delivery) -> Finding | None:
    """Whether a push reached the handler as it was sent, or, where only the wire speaks, was answered."""
    pushed = delivery.pushed.entry
    got = delivery.received
    if history.naming.mistaken_for(delivery.id):
        return None  # what the handler saw may have been another message
    if got is not None and history.corruption.misled(got.entry):
        return None
    if got is not None:
        sent = delivery.produced.event.content
        if same_content(sent, got.event.content):
            return held(pushed, got.entry)
        return broken(
            f"the content of {delivery.id} reached the handler as {_shown(got.event.content)} instead of "
            f"{_shown(sent)}",
            pushed,
            got.entry,
        )
    if history.trace.handlers:
        # A repeated message may be recognised as such, and answered without its handler.
        begun = delivery.life.begun
        if delivery.answers and begun and begun.number < delivery.number:
            return None
    elif answer := _answer(history, delivery):
        return held(pushed, answer.entry)
    if history.misread(delivery.id):
        return None
    if (why := history.overdue(delivery.sent, on=delivery.connection)) and not history.waited_its_turn(delivery):
        return broken(f"{delivery.id} did not reach the handler; {why}", pushed)
    return None


def _answer(history: History, delivery: Delivery) -> Answer | None:
    """The answer to a delivery; one that came after the next push of the same message may have been under way."""
    if delivery.answers:
        return delivery.answers[0]
    for answer in (delivery.confirmed_by, delivery.failed_by):
        if answer and history.between(delivery.sent, answer.entry) <= history.trace.patience:
            return answer
    return None


def _each(history: History, kind: Kind) -> Iterator[Finding]:
    for delivery in history.deliveries:
        push = history.push(delivery)
        if push is not None and kind(delivery, push):
            finding = _delivered(history, delivery)
            if finding is not None:
                yield finding


def _odd(anomaly: str) -> Kind:
    """Pushes whose frame has this anomaly."""
    return lambda delivery, push: anomaly in _anomalies(delivery.out)


def _ordinary(delivery: Delivery) -> bool:
    return not _anomalies(delivery.out)


def _anomalies(out: At[FrameOut] | None) -> frozenset[str]:
    frame = out.event.frame if out else None
    return frozenset(found.kind for found in frame.anomalies) if frame else frozenset()


def _data_ids(history: History, telling: Callable[[ValueType, int], bool]) -> Iterator[Finding]:
    """Whether each `dataid` reached the handler as it was sent, if its format and its value tell anything."""
    for delivery in history.deliveries:
        push, got = history.push(delivery), delivery.received
        frame = delivery.out.event.frame if delivery.out else None
        field = frame.get("dataid") if frame else None
        if push is None or got is None or field is None or push.data_id is None or not telling(field[1], push.data_id):
            continue
        shown = None if history.naming.mistaken_for(delivery.id) else got.event.data_id
        if shown == push.data_id:
            yield held(delivery.pushed.entry, got.entry)
        elif shown is not None:
            yield broken(f"dataid {push.data_id} reached the handler as {shown}", delivery.pushed.entry, got.entry)


@clause(
    "FRM-1",
    Level.MUST,
    Binds.CLIENT,
    "Each of the eight value formats is decoded.",
    source="observed: official Java and C#; the Node SDK and the PHP clients lose their place at a ByteArray",
)
def every_format_is_decoded(history: History) -> Iterator[Finding]:
    """The service may add fields at any time, in any format. A client that cannot step over one loses the fields behind
    it.
    """

    def rare(delivery: Delivery, push: Push) -> bool:
        return _ordinary(delivery) and any(type_ in RARE_FORMATS for _, type_, _ in push.extras)

    yield from _each(history, rare)


@clause(
    "FRM-2",
    Level.MUST,
    Binds.CLIENT,
    "Int64 is signed and exact.",
    source="observed: official Java, C#, tmc.js; tmcpy, the Node SDK and PHP read it unsigned",
    needs_handlers=True,
)
def int64_is_signed_and_exact(history: History) -> Iterator[Finding]:
    """Judged on `dataid`, which the handler is shown and the client has no other use for."""
    yield from _data_ids(history, lambda type_, value: type_ not in SMALL_INTEGERS and bool(misreadings(value)))


@clause(
    "FRM-3",
    Level.SHOULD,
    Binds.CLIENT,
    "Byte, Int16 and Int32 are signed.",
    source="observed: official Java, tmc.js; C# reads a Byte unsigned, tmcpy, the Node SDK and PHP all three",
    needs_handlers=True,
)
def small_integers_are_signed(history: History) -> Iterator[Finding]:
    """Production writes ids as Int64, and its few Bytes are positive, so nobody has noticed yet. Judged on `dataid`,
    like FRM-2, where it is negative and comes in one of these.
    """
    yield from _data_ids(history, lambda type_, value: type_ in SMALL_INTEGERS and value < 0)


@clause(
    "FRM-4",
    Level.MUST,
    Binds.CLIENT,
    "Date is epoch milliseconds.",
    source="captured: production dates decode to sensible days; tmcpy gives local-time text",
    needs_handlers=True,
)
def date_is_epoch_milliseconds(history: History) -> Iterator[Finding]:
    """Judged on `time`, as the handler is shown it; adapters translate whatever date type their library has."""
    for delivery in history.deliveries:
        push, got = history.push(delivery), delivery.received
        if push is None or got is None or push.time is None or got.event.publish_time is None:
            continue
        if history.naming.mistaken_for(delivery.id):
            continue
        if got.event.publish_time == push.time:
            yield held(delivery.pushed.entry, got.entry)
        else:
            yield broken(
                f"time {push.time} reached the handler as {got.event.publish_time}", delivery.pushed.entry, got.entry
            )


@clause(
    "FRM-5",
    Level.MUST,
    Binds.CLIENT,
    "Content sent as gzip bytes is delivered as text.",
    source="observed: official Java and C# unzip; the Node SDK loses the fields behind it",
)
def gzip_content_is_unzipped(history: History) -> Iterator[Finding]:
    """Content is a String, or a ByteArray that is gzip of UTF-8."""
    yield from _each(history, lambda delivery, push: isinstance(push.content, bytes))


@clause(
    "FRM-6",
    Level.MUST,
    Binds.CLIENT,
    "Empty, void and absent content are survived, and confirmed.",
    source="observed: official Java gives null and confirms; tmcpy reconnects in a loop",
)
def empty_content_is_survived(history: History) -> Iterator[Finding]:
    """A message may consist of its topic alone."""
    for delivery in history.deliveries:
        push = history.push(delivery)
        if push is None or push.content or not _ordinary(delivery):
            continue
        if confirm := delivery.confirmed_by:
            yield held(delivery.pushed.entry, confirm.entry)
        elif history.misread(delivery.id):
            continue
        elif why := history.unanswered(delivery):
            yield broken(f"{delivery.id}, which has no content, was not confirmed; {why}", delivery.pushed.entry)


@clause(
    "FRM-7",
    Level.MUST,
    Binds.CLIENT,
    "Text beyond ASCII and beyond the basic plane survives; lengths count bytes.",
    source="observed: tmcpy counts characters and cuts every Chinese string",
)
def text_survives(history: History) -> Iterator[Finding]:
    """Nicks and titles are Chinese, and buyers write emoji."""

    def beyond_ascii(delivery: Delivery, push: Push) -> bool:
        return not (delivery.produced.event.content or "").isascii() and isinstance(push.content, str)

    yield from _each(history, beyond_ascii)


@clause(
    "FRM-8",
    Level.MUST,
    Binds.CLIENT,
    "Unknown custom fields are ignored, and the order of fields does not matter.",
    source="captured: production sends data_id and born_time, which no client knows; Java writes fields in hash order",
)
def unknown_fields_are_ignored(history: History) -> Iterator[Finding]:
    """Also when one is named like a part of the envelope: tmc.js and the Node SDK take a custom field `token` for the
    token. Frames with anything rare in them are left to the clauses about that.
    """

    def unusual(delivery: Delivery, push: Push) -> bool:
        frame = delivery.out.event.frame if delivery.out else None
        fields = (frame.content if frame else None) or ()
        if not _ordinary(delivery) or any(type_ in RARE_FORMATS for _, type_, _ in fields):
            return False
        return fields[0][0] != "topic" or any(key not in USUAL_EXTRAS for key, _, _ in push.extras)

    yield from _each(history, unusual)


@clause(
    "FRM-9",
    Level.SHOULD,
    Binds.CLIENT,
    "An unknown header type without a body is skipped.",
    source="observed: official Java, C#, tmcpy, PHP; tmc.js dies",
)
def unknown_header_is_skipped(history: History) -> Iterator[Finding]:
    """One with a body cannot be skipped by anybody: it has no length."""
    yield from _each(history, _odd("unknown-header"))


@clause(
    "FRM-10",
    Level.SHOULD,
    Binds.CLIENT,
    "An unknown value format is read as a counted string.",
    source="observed: official Java, C#, tmcpy; the Node SDK loses its place, tmc.js dies",
)
def unknown_format_is_a_string(history: History) -> Iterator[Finding]:
    """The only way past a format that a newer service may introduce."""
    yield from _each(history, _odd("unknown-format"))


@clause(
    "FRM-11",
    Level.MUST,
    Binds.CLIENT,
    "After a malformed frame (truncated, wrong lengths, empty, garbage, text) the client still receives and confirms "
    "later messages; it may reconnect in between, it may not die.",
    source="observed: official Java closes and reconnects; tmc.js dies, tmcpy reconnects without a pause",
)
def malformed_frame_is_survived(history: History) -> Iterator[Finding]:
    """One bad frame must not stop a consumer for good."""
    later = Later(history)
    for entry in history.trace.entries:
        if not _malformed(history, entry):
            continue
        assert isinstance(entry.event, FrameOut | WsOut)
        client = history.fleet.owner(entry.event.connection)
        answered, ignored = later.answered(entry, client), later.ignored(entry, client)
        death = history.death(entry, client)
        if answered:
            yield held(entry, answered[0].pushed.entry, answered[1])
        elif death and history.between(entry, death.entry) <= history.trace.patience:
            yield broken(f"the client died ({death.event.status})", entry, death.entry)
        elif ignored:
            yield broken(f"nothing was confirmed after a malformed frame; {ignored[1]}", entry, ignored[0].pushed.entry)
        else:
            yield from left_for_good(history, entry, entry.event.connection)


@clause(
    "FRM-12",
    Level.MUST,
    Binds.CLIENT,
    "Messages of 100 KB and 1 MB are delivered.",
    source="the HTTP API lets 122,880 characters be produced; observed: every published client takes 1 MB",
)
def large_messages_are_delivered(history: History) -> Iterator[Finding]:
    """WebSocket libraries have limits of their own, some of them lower."""
    yield from _each(
        history,
        lambda delivery, push: isinstance(push.content, str) and len(push.content.encode()) >= LARGE,
    )


@clause(
    "FRM-13",
    Level.MUST,
    Binds.CLIENT,
    "What the client writes decodes strictly.",
    source="the official codec; observed: tmc.js writes a status code in 2 bytes, tmcpy cuts non-ASCII text",
)
def client_writes_strictly(history: History) -> Iterator[Finding]:
    """A frame that only a lenient reader understands says something else to the next reader."""
    for said in history.said:
        if said.corrupted:
            continue
        try:
            decode(said.at.event.data, strict=True)
        except FrameError as error:
            yield broken(f"a frame from the client is malformed: {error}", said.entry)
        else:
            yield held(said.entry)


@clause(
    "FRM-14",
    Level.SHOULD,
    Binds.CLIENT,
    "Bytes after the end of headers are ignored.",
    source="observed: official Java, tmc.js",
)
def trailing_bytes_are_ignored(history: History) -> Iterator[Finding]:
    """The end marker ends the frame, whatever the WebSocket message holds behind it."""
    yield from _each(history, _odd("trailing-bytes"))


@clause(
    "FRM-15",
    Level.SHOULD,
    Binds.CLIENT,
    "A message split over WebSocket fragments is delivered.",
    source="RFC 6455; observed: tmc.js, tmcpy and the Node SDK do, official Java closes the connection",
)
def fragments_are_joined(history: History) -> Iterator[Finding]:
    """Production never fragments, as far as anybody saw; a proxy in between may."""
    yield from _each(history, lambda delivery, push: delivery.out is not None and delivery.out.event.fragments > 1)


@clause(
    "FRM-16",
    Level.INFO,
    Binds.CLIENT,
    "Beside TMC frames a client sends PINGs, PONGs for the PINGs that it got, and a Close of at most 125 bytes with a "
    "code that is defined.",
    source="RFC 6455; observed: official Java closes with the whole text of an exception, with its own Close unmasked",
)
def control_frames_are_ordinary(history: History) -> Iterator[Finding]:
    """Counts, and accuses nobody: the service has lived with all of it for a decade. Two things that clients do do not
    show. The compression that tmc.js and the Node SDK offer is never agreed to, since the official Java client ends a
    connection at the first reserved bit; and a frame without a mask ends a connection, unless it is a Close.
    """
    yield from Sockets(history).control_frames()


def _malformed(history: History, entry: Entry) -> bool:
    """Whether `entry` is something sent to the client that makes no sense, or that no correct writer writes."""
    match entry.event:
        case FrameOut() as event:
            out = At(entry=entry, event=event)
            return history.heard(out) is None or not _anomalies(out) <= TOLERABLE
        case WsOut(opcode="text"):
            return True
    return False


def _shown(text: str | None) -> str:
    if text is None:
        return "nothing"
    return repr(text) if len(text) <= 60 else f"{text[:40]!r}… ({len(text)} characters)"
