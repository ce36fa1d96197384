"""Faults of bytes: what a network between a client and the service does to its connections.

The names and meanings are Toxiproxy's, because people know them. `stream` is `upstream` (what the client sends),
`downstream` (what the service sends), or `both`. A fault concerns the connections that are open while it lasts, and
those that are opened while it lasts; `half_open` only the former.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from tmcfakes.faults.base import LastingFault, fault

Stream: TypeAlias = Literal["upstream", "downstream", "both"]

#: A megabyte a millisecond is as good as no limit.
RATE_LIMIT = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFault(LastingFault):
    """A fault of bytes.

    Args:
        toxicity: the share of connections that it concerns, 0 to 1; each is asked once, when it first could.
    """

    toxicity: float = 1.0

    def __post_init__(self) -> None:
        LastingFault.__post_init__(self)
        self.within("toxicity", 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault(WireFault):
    """A fault of the bytes in one direction, or in both."""

    stream: Stream = "both"

    def __post_init__(self) -> None:
        WireFault.__post_init__(self)
        self.one_of("stream", get_args(Stream))


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(StreamFault):
    """All bytes come later, in their order.

    Args:
        delay: by how many seconds, 0 to 3,600.
        jitter: and so many seconds more or less, at most `delay`.
    """

    name = "latency"
    delay: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        StreamFault.__post_init__(self)
        self.within("delay", 0, 3600)
        self.within("jitter", 0, self.delay)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(StreamFault):
    """No more than so many bytes a second. `rate` is at least 1."""

    name = "bandwidth"
    rate: int

    def __post_init__(self) -> None:
        StreamFault.__post_init__(self)
        self.whole("rate", 1, RATE_LIMIT)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer(StreamFault):
    """What is sent in one piece comes in many.

    Args:
        average_size: bytes in a piece, >= 1.
        size_variation: and so many more or less, >= 0 and less than `average_size`.
        delay: seconds between two pieces, 0 to 3,600.
    """

    name = "slicer"
    average_size: int
    size_variation: int = 0
    delay: float = 0.0

    def __post_init__(self) -> None:
        StreamFault.__post_init__(self)
        self.whole("average_size", 1, RATE_LIMIT)
        self.whole("size_variation", 0, self.average_size - 1)
        self.within("delay", 0, 3600)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData(StreamFault):
    """A connection ends after so many more bytes, >= 0, in the middle of a frame if need be."""

    name = "limit_data"
    bytes: int

    def __post_init__(self) -> None:
        StreamFault.__post_init__(self)
        self.whole("bytes", 0, RATE_LIMIT)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose(WireFault):
    """That one side has closed a connection, the other learns so many seconds later. `delay` is > 0."""

    name = "slow_close"
    delay: float

    def __post_init__(self) -> None:
        WireFault.__post_init__(self)
        self.within("delay", 0, 3600, above=True)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(StreamFault):
    """A black hole: no byte passes, and nobody is told. What was sent into it is lost, so when it is over its
    connections are cut: a stream with a hole in it is none.

    Args:
        timeout: seconds until the connection is cut, > 0; 0 for not before the fault is over.
    """

    name = "timeout"
    timeout: float = 0.0

    def __post_init__(self) -> None:
        StreamFault.__post_init__(self)
        self.within("timeout", 0, 24 * 3600)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen(WireFault):
    """The connections that are open become black holes, as when a router on the way forgets them; those opened later
    are sound. When it is over its connections are cut.
    """

    name = "half_open"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer(WireFault):
    """Connections are cut, without a closing handshake. `timeout` is seconds from its opening, or from the beginning
    of the fault for those that are open then, >= 0.
    """

    name = "reset_peer"
    timeout: float = 0.0

    def __post_init__(self) -> None:
        WireFault.__post_init__(self)
        self.within("timeout", 0, 24 * 3600)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Down(WireFault):
    """Nobody is there: connections are cut, and those that are opened end at once."""

    name = "down"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Corrupt(StreamFault):
    """Some bytes are others. `rate` is how many of them, > 0 and at most 1."""

    name = "corrupt"
    rate: float

    def __post_init__(self) -> None:
        StreamFault.__post_init__(self)
        self.within("rate", 0, 1, above=True)
