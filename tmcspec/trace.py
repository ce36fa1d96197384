"""The trace: everything that happened in a run, in order.

A run leaves a trace; the clauses judge nothing else. An `Entry` gives an event its place and time, a `Recorder` writes
them down while the run goes on, a `Trace` is what is left.

Secrets stay out. A CONNECT carries a sign, a digest over the app secret that could be searched offline; so does a
request to the HTTP gateway, and a client may quote that one wherever it gives a reason. A publish may carry a session,
the grant of a user. An `Entry` masks signs and sessions in the bytes and texts it holds, length kept, and the service
records what it found of a CONNECT's sign as `Signed`. So whoever makes the entries, a trace can be published as it is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

from tmcspec.events import ClientError, ClientPublished, Closed, Event, Failed, FrameIn, WsIn
from tmcspec.frame import Frame, MessageType
from tmcspec.frame_reader import STATUS_PHRASE, FrameReader
from tmcspec.frame_values import FieldValue, show
from tmcspec.timing import CONFIRM_TIMEOUT

World = Literal["simulated", "live", "recorded"]

#: Seconds from here on are refused: a double does not tell one from the next. It leaves out NaN and infinity, too.
TIME_LIMIT = 2.0**53

#: Integers of a trace are signed 64-bit ones: what other languages can read.
INTEGER_LIMIT = 2**63

#: So many entries fit into the memory of a small machine. The largest case of the suites, a burst, makes some 60,000.
ENTRY_LIMIT = 1_000_000

#: Bytes of a run without end after which half of its trace is forgotten; so at most some three times as many are kept.
WEIGHT_LIMIT = 128 * 2**20

#: Bytes that a run with an end may hold. The largest case of the suites holds some megabytes.
WHOLE_WEIGHT_LIMIT = 512 * 2**20


class TraceError(ValueError):
    """A trace, a trace file, or one of its lines is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event in its place: `seq` counts from 1, `time` is service time in seconds since the start of the run.

    Signs in the bytes and texts of `event` are masked.

    Raises:
        TraceError: `seq` or `time` is out of its range, 1 to INTEGER_LIMIT and 0 to TIME_LIMIT.

    Example:
        >>> text = b"sign=0B2B9D0163A30084311EB514ECECF284"
        >>> Entry(seq=1, time=0.0, event=WsIn(connection="c1", opcode="text", data=text)).event
        WsIn(connection='c1', opcode='text', data=b'sign=********************************')
    """

    seq: int
    time: float
    event: Event

    def __post_init__(self) -> None:
        if not 1 <= self.seq < INTEGER_LIMIT:
            raise TraceError(f"seq must be an integer from 1 to 2^63 - 1, not {show(self.seq)}")
        if not 0 <= self.time < TIME_LIMIT:
            raise TraceError(f"time must be in seconds since the start, from 0 to 2^53, not {show(self.time)}")
        if isinstance(self.event, FrameIn | WsIn | ClientError | ClientPublished | Closed | Failed):
            object.__setattr__(self, "event", _masked(self.event))

    def check_follows(self, before: Entry) -> None:
        """Raises TraceError unless this entry may come after `before`."""
        if self.seq <= before.seq or self.time < before.time:
            raise TraceError(
                f"entry {self.seq} at {self.time} s follows entry {before.seq} at {before.time} s: "
                "seq grows and time never goes back"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """All entries of one run, and under what conditions they were recorded.

    Args:
        entries: in order of `seq`, which may leave gaps; times never go back.
        world: `simulated` (one loop, so the order of any two entries is exact), `live` (what an adapter reports comes
            by another pipe than what the wire shows: their order is not evidence), or `recorded` (from the outside, in
            production).
        handlers: whether the client's adapter reported what its handler saw (`Received`, `Handled`, …); else only the
            wire speaks.
        patience: seconds of client time that the run gave a client to do what it must, more than 0; in simulation the
            confirm timeout.
        client_clock: whether the client's time ran. False: the run's clock moved only by hand, so seconds of client
            time were not measured.
        seed: what the run drew its randomness from, a signed 64-bit integer.
        epoch_ms: wall-clock time of service time 0, in epoch milliseconds, a signed 64-bit integer.

    Raises:
        TraceError: one of them is out of its range.
    """

    entries: tuple[Entry, ...]
    world: World = "recorded"
    handlers: bool = False
    patience: float = CONFIRM_TIMEOUT
    client_clock: bool = True
    seed: int | None = None
    epoch_ms: int = 0

    def __post_init__(self) -> None:
        if self.world not in get_args(World):
            raise TraceError(f"world must be one of {', '.join(get_args(World))}, not {show(self.world)}")
        if not 0 < self.patience < TIME_LIMIT:
            raise TraceError(f"patience must be more than 0 and less than 2^53 seconds, not {show(self.patience)}")
        for name, number in (("seed", self.seed or 0), ("epoch_ms", self.epoch_ms)):
            if not -INTEGER_LIMIT <= number < INTEGER_LIMIT:
                raise TraceError(f"{name} must be a signed 64-bit integer, not {show(number)}")
        for before, after in pairwise(self.entries):
            after.check_follows(before)


class Recorder:
    """Where a run writes its trace: gives each event its place and tells those who listen.

    A listener is called in the middle of what is recorded, so it must not record itself.

    Args:
        listeners: told of each entry.
        watchers: told of the entries that are recorded and not of those that are noted (see `note`), so they do not
            make a busy run slower.
        limit: how many entries there may be. It is the last line of defence against a run without end: whoever feeds a
            recorder stops a client that floods it long before.
        keep: of a run that is meant to have no end, the latest entries that are kept, at least so many; the older ones
            are forgotten, and there is no limit. None keeps all. When what is recorded is large (see `weigh`), less is
            kept.

    Raises:
        ValueError: `limit` or `keep` is less than 1.

    Example:
        >>> from tmcspec.events import Opened
        >>> recorder = Recorder()
        >>> recorder.record(Opened(connection="c1"), now=0.0).seq
        1
    """

    __slots__ = (
        "_entries",
        "_forgotten",
        "_full",
        "_keep",
        "_last",
        "_limit",
        "_now",
        "_rows",
        "_weight",
        "listeners",
        "watchers",
    )

    def __init__(
        self,
        *,
        listeners: Iterable[Callable[[Entry], None]] = (),
        watchers: Iterable[Callable[[Entry], None]] = (),
        limit: int = ENTRY_LIMIT,
        keep: int | None = None,
    ) -> None:
        for name, number in (("limit", limit), ("keep", keep)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be 1 entry or more, not {number!r}")
        self.listeners = list(listeners)
        self.watchers = list(watchers)
        self._limit = sys.maxsize if keep else limit
        self._keep = keep
        self._forgotten = 0
        self._entries: list[Entry] = []
        # What came after those and is no entry yet: time, what makes the event, what of, and so on in one flat list.
        # That leaves the garbage collector nothing to look at. Without a maker the third is an entry already.
        self._rows: list[Any] = []
        self._full = self._room()
        self._now: float = 0.0  # the last `now`, and what it was rounded to
        self._last = 0.0
        self._weight = 0

    @property
    def limit(self) -> int:
        """How many entries there may be."""
        return self._limit

    @limit.setter
    def limit(self, entries: int) -> None:
        self._limit = entries
        self._full = self._room()

    @property
    def entries(self) -> list[Entry]:
        """All entries that are kept, in order. It is the recorder's own list, so look and do not touch."""
        if self._rows:
            seq = self._forgotten + len(self._entries)
            rows = iter(self._rows)
            for time, make, members in zip(rows, rows, rows, strict=True):
                seq += 1
                self._entries.append(Entry(seq=seq, time=time, event=make(*members)) if make else members)
            self._rows = []
            self._full = self._room()
        return self._entries

    @property
    def last(self) -> int:
        """The `seq` of the last entry; 0 before the first."""
        return self._forgotten + len(self._entries) + len(self._rows) // 3

    @property
    def first(self) -> int:
        """The `seq` of the first entry that is kept."""
        return self._forgotten + 1

    def record(self, event: Event, *, now: float) -> Entry:
        """Appends `event` at service time `now` (seconds since the start of the run) and tells every listener.

        Raises:
            TraceError: `now` is before the last entry or before the start, or not finite; or the trace is full. Nothing
                is recorded then.
        """
        if len(self._rows) >= self._full:
            self._make_room()
        entry = Entry(seq=self.last + 1, time=_rounded(now), event=event)
        if entry.time < self._last:
            entry.check_follows(self.entries[-1])
        self._now, self._last = now, entry.time
        self._rows += (entry.time, None, entry)
        for listener in (*self.listeners, *self.watchers):
            listener(entry)
        return entry

    def note(self, now: float, make: Callable[..., Event], *members: Any) -> None:
        """As `record`, of the event that `make(*members)` gives; it is made when somebody looks.

        That saves most of the cost where an event happens a hundred thousand times and nobody listens.

        Args:
            now: as in `record`.
            make: must not fail.
            members: must not change any more.

        Raises:
            TraceError: as `record`.
        """
        if now != self._now or self.listeners:
            time = _rounded(now)
            if self.listeners or not self._last <= time < TIME_LIMIT:
                self.record(make(*members), now=now)
                return
            self._now, self._last = now, time
        if len(self._rows) >= self._full:
            self._make_room()
        self._rows += (self._last, make, members)

    def weigh(self, size: int) -> None:
        """What was just recorded holds so many bytes. Where the latest entries are kept, too many bytes make that
        fewer: else some large frames after the other would fill the memory.

        Raises:
            TraceError: all entries are kept, and hold over 512 MiB.
        """
        self._weight += size
        if self._keep is None and self._weight > WHOLE_WEIGHT_LIMIT:
            raise TraceError(
                f"the trace is full: what it holds has more than {WHOLE_WEIGHT_LIMIT} bytes; "
                "let a run do less, or what is sent in it be smaller"
            )
        if self._keep is not None and self._weight > WEIGHT_LIMIT:
            self._weight = 0
            self._forget((self.last - self._forgotten) // 2)

    def _room(self) -> int:
        """How long the rows may become. A quarter more than is kept: then forgetting costs nothing worth counting."""
        most = self._limit - self._forgotten if self._keep is None else self._keep + max(1, self._keep // 4)
        return 3 * (most - len(self._entries))

    def _make_room(self) -> None:
        """Forgets what need not be kept, the oldest first. Raises TraceError when all must be."""
        if self._keep is None:
            raise TraceError(
                f"the trace is full: it has {self.last} entries, and {self._limit} is the limit; "
                "let a run do less, or give its Recorder a higher limit"
            )
        self._forget(self.last - self._forgotten - self._keep)

    def _forget(self, surplus: int) -> None:
        old = min(surplus, len(self._entries))
        del self._entries[:old]
        del self._rows[: 3 * (surplus - old)]
        self._forgotten += surplus
        self._full = self._room()


def _rounded(now: float) -> float:
    """Microseconds are finer than anything a judge looks at, and keep the rounding noise of float sums out of files."""
    return round(float(now), 6)


# The custom field `sign` up to its value: length of the key (little-endian, or big-endian as version 1 may have it),
# key, a format with a length, that length, and the hexadecimal digits that the value begins with.
_SIGN = re.compile(rb"(?:(\x04\0{3})|\0{3}\x04)[Ss][Ii][Gg][Nn][^\0\2-\6](.{4})([0-9A-Fa-f]*)", re.DOTALL)

# The same for the custom field `session`, whose value is text.
_SESSION = re.compile(
    rb"(?:(\x07\0{3})|\0{3}\x07)[Ss][Ee][Ss][Ss][Ii][Oo][Nn][^\0\2-\6](.{4})([0-9A-Za-z]*)", re.DOTALL
)

# Digests that stand elsewhere: 32 digits of MD5, 64 of SHA-256, or what damage left of them. No other field of a
# CONNECT has that many in a row: decimal ids have 19, the timestamp of the C# client 18.
_DIGEST = re.compile("[0-9A-Fa-f]{20,}")
_DIGEST_BYTES = re.compile(_DIGEST.pattern.encode())

# In the reason that a client gives, where an application writes what it likes, only whole digests and the parameter of
# a request, which the limit of 128 characters may have cut.
_QUOTED = re.compile(r"[0-9A-Fa-f]{32,}|(?<=\bsign=)[0-9A-Fa-f]+", re.IGNORECASE)
_QUOTED_BYTES = re.compile(_QUOTED.pattern.encode(), re.IGNORECASE)


def _masked(event: Event) -> Event:
    """The same event with asterisks for signs. Length and layout stay: a frame still decodes like the original."""
    match event:
        case ClientError(error=str(error)) | ClientPublished(error=str(error)):
            # Libraries report requests that went wrong with their address, which holds a sign, too.
            return replace(event, error=_DIGEST.sub(_asterisks, error))
        case Closed():
            # The text of the Close frame, which came as `WsIn`.
            return replace(event, reason=_DIGEST.sub(_asterisks, event.reason))
        case Failed(reason=str(reason)):
            return replace(event, reason=_QUOTED.sub(_asterisks, reason))
        case WsIn():
            # A whole CONNECT may come as text.
            return replace(event, data=_without_signs(event.data))
        case FrameIn(frame=frame) if _may_hold_sign(frame):
            return replace(event, data=_without_signs(event.data))
        case FrameIn(frame=frame) if frame is not None and _has(frame, "session"):
            return replace(event, data=_without(_SESSION, event.data))
        case FrameIn() if _QUOTED_BYTES.search(event.data):
            return replace(event, data=_without_quoted_signs(event.data))
    return event


def _asterisks(found: re.Match[str]) -> str:
    return "*" * len(found[0])


def _asterisk_bytes(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _may_hold_sign(frame: Frame | None) -> bool:
    """A CONNECT, whatever looks like one with another type, and whatever is damaged: it may have been one."""
    if frame is None or frame.anomalies or frame.type == MessageType.CONNECT:
        return True
    return _has(frame, "sign")


def _has(frame: Frame, name: str) -> bool:
    return any(key is not None and key.lower() == name for key, _, _ in frame.content or ())


def _without_signs(data: bytes) -> bytes:
    return _DIGEST_BYTES.sub(_asterisk_bytes, _without(_SESSION, _without(_SIGN, data)))


def _without(secret: re.Pattern[bytes], data: bytes) -> bytes:
    """The bytes with asterisks for the value of a secret field."""
    clean = bytearray(data)
    for found in secret.finditer(data):
        # The length may be wrong, so the digits count, too.
        length = int.from_bytes(found[2], "little" if found[1] else "big", signed=True)
        start, end = found.start(3), max(found.end(3), min(found.start(3) + length, len(data)))
        clean[start:end] = b"*" * (end - start)
    return bytes(clean)


def _without_quoted_signs(data: bytes) -> bytes:
    """A sound frame without the signs in the reasons it gives.

    Ids, topic, content and all other fields are not touched: what they are is for the clauses to judge.
    """
    reader = _ReasonFinder(data, strict=False)
    reader.decode()
    clean = bytearray(data)
    for start, end in reader.reasons:
        clean[start:end] = _QUOTED_BYTES.sub(_asterisk_bytes, data[start:end])
    return bytes(clean)


class _ReasonFinder(FrameReader):
    """Finds where in a frame a client gives reasons: the value of `msg` in a Failed, the status phrase of a SENDACK."""

    def __init__(self, data: bytes, *, strict: bool) -> None:
        super().__init__(data, strict=strict)
        self.reasons: list[tuple[int, int]] = []

    def custom_field(self, start: int) -> str | None:
        key = super().custom_field(start)
        if key == "msg":
            self._ended_here(self.fields[-1][2])
        return key

    def envelope_header(self, header: int, start: int) -> None:
        super().envelope_header(header, start)
        if header == STATUS_PHRASE:
            self._ended_here(self.envelope[STATUS_PHRASE])

    def _ended_here(self, value: FieldValue) -> None:
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            self.reasons.append((self.pos - len(value), self.pos))
