"""One process of an adapter, and a service that it is shown: what the checks work with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

from tmcfakes.fake import FakeTmc
from tmcfakes.service import App
from tmcspec.events import Accepted, Event, HttpIn
from tmcsuites.adapters.contract import (
    CAPABILITIES,
    Answer,
    ClientEvent,
    ClientHandled,
    ClientInfo,
    ClientReceived,
    Deadlines,
    Mode,
    StartOptions,
)
from tmcsuites.adapters.protocol import parse_hello
from tmcsuites.lint.talk import Heard, Talk, shortened

Verdict: TypeAlias = Literal["sound", "wrong", "noted", "skipped"]

APP_KEY = "12129701"
APP_SECRET = "tmcspec-lint-secret"
TOPIC = "taobao_trade_TradeCreate"
TOPIC_TO_TAOBAO = "tmcspec_topic_to_taobao"

#: Seconds, before the factor, until a message must have come to a handler: a client that polls has 15 between requests.
MESSAGE_PATIENCE = 20.0

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a check saw.

    Args:
        verdict: `noted` is worth knowing and does not make an adapter unsound: it may be its library's doing.
        sent: what was sent to the adapter, in words.
        came: what came of it.
    """

    verdict: Verdict
    sent: str
    came: str


class Skipped(Exception):
    """A check cannot be made, or has nothing to look at; the text says why."""


class Visit:
    """A process of an adapter that has said hello, and a service of its own.

    Args:
        talk: with the adapter, begun.
        fake: the service, running.
        factor: scales every deadline, > 0.

    Attributes:
        greeting: its answer to hello; None until that was right.
        info: who it says it is, likewise.
        started: the mode it is started in, None while it is not.
        stopped: whether it was stopped as the contract wants.
        given_up: whether it does not even answer what any adapter can.
        refused: whether its start raised, at a service that refused it.
        received: the content of the first message, and its event, for checks that look at them again.
    """

    def __init__(self, talk: Talk, fake: FakeTmc, factor: float) -> None:
        self.talk = talk
        self.fake = fake
        self.deadlines = Deadlines().scaled(factor)
        self.patience = MESSAGE_PATIENCE * factor
        self.greeting: Answer | None = None
        self.info: ClientInfo | None = None
        self.stopped = False
        self.refused = False
        self.given_up = False
        self.started: Mode | None = None
        self.received: tuple[str, ClientReceived] | None = None
        talk.hide(APP_SECRET)
        fake.recorder.listeners.append(lambda entry: talk.wake())

    # What it declares

    @property
    def modes(self) -> Sequence[Mode]:
        """In which modes it says that it can be started, push first."""
        modes: tuple[Mode, ...] = ("push", "poll")
        return [mode for mode in modes if self.declares(mode)]

    def declares(self, capability: str) -> bool:
        """Whether it says that it can do so."""
        return self.info is not None and capability in self.info.capabilities

    def needs_started(self) -> None:
        """Raises Skipped: it is not started."""
        if self.started is None:
            raise Skipped("the client is not started")

    # What it is asked for

    async def start(self, mode: Mode, *, secret: str = APP_SECRET, within: float | None = None) -> Answer | None:
        """Lets it connect, and returns its answer; None when there is none within so many seconds."""
        options = StartOptions(
            url=self.fake.url,
            gateway_url=self.fake.gateway_url,
            app_key=APP_KEY,
            app_secret=secret,
            mode=mode,
        )
        answer = await self.talk.ask("start", within=within or self.deadlines.start, **options.members())
        self.started = mode if answer is not None and answer.status == "result" else None
        return answer

    def accepted(self, *, since: int) -> bool:
        """Whether the service has let it in, in what happened after so many entries of the trace."""
        if self.started == "poll":
            return any(each.sign == "right" for each in self.traced(HttpIn, since=since))
        return bool(self.traced(Accepted, since=since))

    def traced(self, kind: type[E], *, since: int = 0) -> list[E]:
        """What the service saw."""
        return [each.event for each in self.fake.recorder.entries[since:] if isinstance(each.event, kind)]

    @property
    def now(self) -> int:
        """How many entries the trace has."""
        return len(self.fake.recorder.entries)

    def produce(self, content: str, **more: Any) -> int:
        """A message for its handler. Returns the id."""
        return self.fake.produce(topic=TOPIC, content=content, **more)

    def connected(self) -> bool:
        """Whether the service has a connection of it."""
        return bool(self.fake.do(lambda service, now: service.connections(APP_KEY)))

    # What it reports

    async def event(self, kind: type[ClientEvent], *, since: int) -> Heard | None:
        """The first event of this kind behind so many; None when none comes."""

        def found() -> list[Heard]:
            return [heard for heard in self.talk.events[since:] if isinstance(heard.event, kind)]

        await self.talk.until(lambda: bool(found()), within=self.patience)
        return next(iter(found()), None)

    async def handling(self, content: str, **more: Any) -> tuple[int, Heard | None, Heard | None]:
        """Produces a message and waits until its handler was called and is done. Returns its id and both events."""
        since = len(self.talk.events)
        message = self.produce(content, **more)
        received = await self.event(ClientReceived, since=since)
        handled = None if received is None else await self.event(ClientHandled, since=since)
        return message, received, handled


def service() -> FakeTmc:
    """What an adapter is shown."""
    return FakeTmc(apps=[App(key=APP_KEY, secret=APP_SECRET)], topics_to_taobao=[TOPIC_TO_TAOBAO])


def greeted(answer: Answer) -> ClientInfo:
    """Who the client is, from an answer to hello. Capabilities that nobody knows are left out.

    Raises:
        LineError: the rest of it breaks the contract.
    """
    members = dict(answer.members)
    if isinstance(listed := members.get("capabilities"), list):
        members["capabilities"] = [each for each in listed if not isinstance(each, str) or each in CAPABILITIES]
    return parse_hello(replace(answer, members=members))


def said(answer: Answer | None, silence: str) -> str:
    """An answer in words."""
    if answer is None:
        return silence
    why = f": {shortened(answer.error)}" if answer.error is not None else ""
    code = f" (code {answer.code})" if answer.code is not None else ""
    return f"'{answer.status}'{code}{why}"
