"""Faults of frames: what happens to whole TMC frames, chosen by what they say.

Each acts on the `nth` frame of its kind, to or from its target, after its time, and on the `count - 1` that follow.
What a client sent is traced as it sent it, and what the service made of it follows from the fault. What the service
sends is traced as it goes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from tmcfakes.faults.base import PlannedFault, fault

#: Kinds of frames, as `tmcspec.messages` reads them.
FromClient: TypeAlias = Literal["connect", "confirm", "failed", "pull_request", "publish"]
FromService: TypeAlias = Literal["connectack", "push", "sendack"]
FrameKind: TypeAlias = FromClient | FromService

FROM_CLIENT: tuple[str, ...] = get_args(FromClient)
FROM_SERVICE: tuple[str, ...] = get_args(FromService)

#: Twice what a client is known to take.
OVERSIZE_LIMIT = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFault(PlannedFault):
    """A fault of some frames.

    Args:
        frame: their kind.
        nth: the first of them that it acts on, counting from 1 at its time.
        count: on how many in a row, >= 1.
    """

    frame: FrameKind
    nth: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        self.one_of("frame", (*FROM_CLIENT, *FROM_SERVICE))
        self.whole("nth", 1, 10**9)
        self.whole("count", 1, 10**9)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFrameFault(FrameFault):
    """A fault of what the service sends."""

    frame: FrameKind = "push"

    def __post_init__(self) -> None:
        FrameFault.__post_init__(self)
        self.one_of("frame", FROM_SERVICE)


# What may happen to frames both ways


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(FrameFault):
    """The frame gets lost."""

    name = "drop"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(FrameFault):
    """The frame comes twice."""

    name = "duplicate"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(FrameFault):
    """The frame comes so many seconds later, > 0; those behind it do not wait."""

    name = "delay"
    delay: float

    def __post_init__(self) -> None:
        FrameFault.__post_init__(self)
        self.within("delay", 0, 24 * 3600, above=True)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(FrameFault):
    """The frame comes behind the one that follows it on its connection, or 10 seconds later."""

    name = "reorder"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(FrameFault):
    """Of the frame only the first `keep` bytes come, >= 0; of a shorter one, all but the last byte."""

    name = "truncate"
    keep: int = 7

    def __post_init__(self) -> None:
        FrameFault.__post_init__(self)
        self.whole("keep", 0, OVERSIZE_LIMIT)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class CorruptField(FrameFault):
    """One field of the frame has another value, of the same type and length.

    Args:
        field: the key of a custom field, as `id`, or `token`, `flag`, `status_code`.
    """

    name = "corrupt_field"
    field: str = "id"

    def __post_init__(self) -> None:
        FrameFault.__post_init__(self)
        self.text_of("field", 65_536)
        if not self.field:
            raise self.wrong("field", "the key of a custom field, or 'token', 'flag', 'status_code'")


# What may happen to frames from the service only


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage(ServiceFrameFault):
    """So many random bytes come before the frame, 0 to 65,536, in a message of their own."""

    name = "garbage"
    size: int = 32

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.whole("size", 0, 65_536)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class TextFrame(ServiceFrameFault):
    """A WebSocket text message comes before the frame."""

    name = "text_frame"
    text: str = "not for you"

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.text_of("text", 65_536)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment(ServiceFrameFault):
    """The frame comes in so many WebSocket fragments, 2 to 1,000."""

    name = "fragment"
    fragments: int = 3

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.whole("fragments", 2, 1000)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class Oversize(ServiceFrameFault):
    """The frame has a custom field more, of so many bytes, 1 to 64 MiB."""

    name = "oversize"
    size: int = 2**20

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.whole("size", 1, OVERSIZE_LIMIT)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownHeader(ServiceFrameFault):
    """A header of a type that nobody knows, 6 to 32,767, stands before the end of the frame."""

    name = "unknown_header"
    type: int = 99

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.whole("type", 6, 32_767)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFormat(ServiceFrameFault):
    """A custom field of a value type that nobody knows, 8 to 255, is among those of the frame."""

    name = "unknown_format"
    type: int = 99

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.whole("type", 8, 255)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownType(ServiceFrameFault):
    """The frame has a message type that nobody knows, 4 to 255."""

    name = "unknown_type"
    type: int = 99

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.whole("type", 4, 255)


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class WrongToken(ServiceFrameFault):
    """The frame has the token of somebody else."""

    name = "wrong_token"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class MissingToken(ServiceFrameFault):
    """The frame has no token."""

    name = "missing_token"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class WrongFlag(ServiceFrameFault):
    """The frame has a flag that nobody waits for."""

    name = "wrong_flag"


@fault
@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFlag(ServiceFrameFault):
    """The push has the flag of a publish that waits for its SENDACK, or else the next one that would: 1."""

    name = "publish_flag"

    def __post_init__(self) -> None:
        ServiceFrameFault.__post_init__(self)
        self.one_of("frame", ("push",))
