"""What a client under test looks like to the suites, however it is held.

A `Subject` is one client: an adapter process or a bare program, either of them in a container or not, or an object in
this process. The suites drive it with a few operations and listen to its events. They never learn how it is held.

An operation ends in one of two ways. An `Answer` is the client's own word, and it is judged: `raised` means that the
client library reported an error, `unsupported` that this client cannot do it. A `SubjectError` means that there is
nothing to judge: the client could not be started, died, hung, or broke the adapter contract. Each maps to one verdict.

| error | meaning | verdict |
|---|---|---|
| `Unavailable` | the program is missing, or never said hello | exit status 6: could not measure |
| `Unsupported` | a bare program ended with exit status 127 | UNSUPPORTED |
| `Crashed` | the process ended although nobody asked it to | CRASHED |
| `Hung` | no answer within the deadline | HUNG |
| `AdapterFault` | the adapter broke the contract: the adapter is judged unsound, not the client | ADAPTER_FAULT |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Protocol, TypeAlias, get_args

PROTOCOL_VERSION = 1

Transport: TypeAlias = Literal["process", "bare", "container", "bare-container", "in-process"]
Mode: TypeAlias = Literal["push", "poll"]
Status: TypeAlias = Literal["result", "raised", "unsupported", "fault"]
Outcome: TypeAlias = Literal["ok", "fail", "raise"]

TRANSPORTS: frozenset[str] = frozenset(get_args(Transport))
MODES: frozenset[str] = frozenset(get_args(Mode))
STATUSES: frozenset[str] = frozenset(get_args(Status))
OUTCOMES: frozenset[str] = frozenset(get_args(Outcome))

CAPABILITIES = frozenset(
    {
        "push",  # receives over the WebSocket
        "poll",  # receives over the HTTP gateway
        "publish",  # can send a message to the service
        "fail",  # the library lets a handler report a failed message
        "raise",  # a handler of this library may raise
        "dedupe",  # handles each business key once
        "manual_confirm",  # the handler confirms, not the library
        "codec",  # encodes and decodes single frames
        "reconnect",  # comes back by itself after a lost connection
        "graceful_stop",  # can be closed without loss
    }
)


def choices(valid: frozenset[str]) -> str:
    """The valid values of a member, as error messages list them."""
    return ", ".join(repr(name) for name in sorted(valid))


def _must_be(name: str, value: str, valid: frozenset[str]) -> None:
    if value not in valid:
        raise ValueError(f"{name} is {value!r}; valid: {choices(valid)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """Who the client is and what it says it can do.

    Args:
        name, version, language: shown in reports; never empty.
        transport: how it is held.
        capabilities: a subset of `CAPABILITIES`. What is not declared is UNSUPPORTED, never green.
        bare: a program without adapter, so only what shows on the wire is judged.

    Raises:
        ValueError: an empty name, an unknown transport or capability, or a member of another type.
    """

    name: str
    version: str
    language: str
    transport: Transport
    capabilities: frozenset[str]
    bare: bool = False

    def __post_init__(self) -> None:
        for member in ("name", "version", "language"):
            value = getattr(self, member)
            if not isinstance(value, str):
                raise ValueError(f"client {member} is {value!r}; a text is expected")
            if not value:
                raise ValueError(f"client {member} is empty; use 'unknown' when it is not known")
        _must_be("transport", self.transport, TRANSPORTS)
        if not isinstance(self.capabilities, Set) or not all(isinstance(each, str) for each in self.capabilities):
            raise ValueError(
                f"client capabilities is {self.capabilities!r}; a frozenset of names is expected, "
                f"any of {choices(CAPABILITIES)}"
            )
        if unknown := sorted(self.capabilities - CAPABILITIES):
            raise ValueError(f"unknown capabilities {unknown}; valid: {choices(CAPABILITIES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """Where the service is and as whom to connect.

    Args:
        url: WebSocket address, `ws://127.0.0.1:PORT/`.
        gateway_url: TOP HTTP router, `http://127.0.0.1:PORT/router/rest`.
        app_key, app_secret: credentials. The secret is not in the repr.
        group: group to consume.
        mode: receive by push or by polling.
        options: handed to the adapter as they are; JSON values only.

    Raises:
        ValueError: mode is neither push nor poll.
    """

    url: str
    gateway_url: str
    app_key: str
    app_secret: str = field(repr=False)
    group: str = "default"
    mode: Mode = "push"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _must_be("mode", self.mode, MODES)

    def members(self) -> dict[str, Any]:
        """The parameters of the `start` command."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        return values | {"options": dict(self.options)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The client's own word on one operation.

    Args:
        status: `fault` never reaches a caller of a `Subject`: it is raised as `AdapterFault`.
        error: what the client library reported, with `raised`; otherwise None or a remark.
        code: the error code that came with it, if any.
        members: everything else in the answer.

    Raises:
        ValueError: an unknown status.
    """

    status: Status
    error: str | None = None
    code: int | str | None = None
    members: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _must_be("status", self.status, STATUSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientReceived:
    """The client's handler is being called. Every member is what the library shows its user, right or wrong.

    `message_id`, `user_id` and the two times (epoch ms) may be outside the signed 64-bit range: a library that reads
    them unsigned or through doubles shows such numbers, and that is for the clauses to judge. None: the library shows
    none.
    """

    message_id: int | None
    topic: str | None
    content: str | None
    user_id: int | None = None
    nick: str | None = None
    publisher: str | None = None
    data_id: str | None = None
    publish_time: int | None = None
    outgoing_time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHandled:
    """The client's handler is done.

    Raises:
        ValueError: an unknown outcome.
    """

    message_id: int | None
    outcome: Outcome

    def __post_init__(self) -> None:
        _must_be("outcome", self.outcome, OUTCOMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOnline:
    """The client says that the service has accepted its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOffline:
    """The client says that it has lost its connection."""

    error: str | None = None


ClientEvent: TypeAlias = ClientReceived | ClientHandled | ClientOnline | ClientOffline
OnEvent: TypeAlias = Callable[[ClientEvent], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a client may take, in seconds, each > 0. Generous: no verdict may depend on how fast this machine is.

    `bye` is the contract's five seconds from end of input to exit, `term` the time from SIGTERM to SIGKILL.

    Raises:
        ValueError: a deadline is not more than 0.
    """

    hello: float = 10.0
    start: float = 15.0
    publish: float = 10.0
    stop: float = 10.0
    probe: float = 5.0
    bye: float = 5.0
    term: float = 5.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if not getattr(self, each.name) > 0:
                raise ValueError(
                    f"deadline {each.name} is {getattr(self, each.name)!r}; it must be more than 0 seconds"
                )

    def scaled(self, factor: float) -> Deadlines:
        """All deadlines times `factor` (> 0): one knob for slow machines."""
        return Deadlines(**{each.name: getattr(self, each.name) * factor for each in fields(self)})


class Subject(Protocol):
    """A client under test, however it is held. One caller at a time starts and stops it; publishes may overlap."""

    @property
    def info(self) -> ClientInfo:
        """Who it is; valid after `open`."""

    async def open(self, on_event: OnEvent) -> None:
        """Bring the client to life and learn who it is. `on_event` is called in the event loop, as events arrive."""

    async def start(self, options: StartOptions) -> Answer:
        """Connect. `result`: the first connection was accepted; `raised`: it was refused."""

    async def publish(self, *, topic: str, content: str, session: str | None) -> Answer:
        """Send one message to the service. `result`: the service has acknowledged it."""

    async def stop(self) -> Answer:
        """Close the client gracefully; `start` may follow."""

    async def probe(self) -> None:
        """Ask for a sign of life. Raises Hung when none comes."""

    @property
    def died(self) -> asyncio.Future[SubjectError]:
        """Completes with the fault as soon as the client has died or broken the contract."""

    async def close(self) -> None:
        """End the client by all means. Idempotent; never raises for a client that is already dead."""

    def check(self) -> None:
        """Raise what has gone wrong with the client since, if anything."""

    @property
    def log(self) -> str:
        """What the client wrote for humans: the first 64 KiB and the last 192 KiB of it."""


class SubjectError(Exception):
    """The client under test could not be asked. `log` is what it had written for humans so far."""

    def __init__(self, message: str, *, log: str = "") -> None:
        tail = log[-2000:].strip()
        super().__init__(f"{message}\nThe last it wrote:\n{tail}" if tail else message)
        self.log = log


class Unavailable(SubjectError):
    """The client could not be brought to life: nothing was measured."""


class Unsupported(SubjectError):
    """A bare program says with exit status 127 that it does not support what is asked of it."""


class Crashed(SubjectError):
    """The process ended although nobody asked it to. `status` is like "exit 1" or "signal SIGKILL"."""

    def __init__(self, message: str, *, status: str, log: str = "") -> None:
        super().__init__(message, log=log)
        self.status = status


class Hung(SubjectError):
    """No answer to operation `op` within `deadline` seconds. The process is still there."""

    def __init__(self, message: str, *, op: str, deadline: float, log: str = "") -> None:
        super().__init__(message, log=log)
        self.op = op
        self.deadline = deadline


class AdapterFault(SubjectError):
    """The adapter broke the contract, so nothing it says can be trusted."""
