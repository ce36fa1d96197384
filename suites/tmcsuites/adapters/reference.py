"""The bundled reference core as a client under test, in this process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from itertools import count

import aiohttp

from tmcfakes.simulated_http import connector_of
from tmcspec import __version__
from tmcspec.client import (
    Deduplicated,
    FailMessage,
    Handled,
    Handler,
    MemoryStore,
    Message,
    Observation,
    Observer,
    Offline,
    Online,
    Received,
    TmcClient,
    TmcError,
    TmcPoller,
    by_content_fields,
)
from tmcspec.client.message import OK
from tmcspec.client.pool import outcome_of
from tmcspec.instruction import instruction
from tmcsuites.adapters.contract import (
    Answer,
    ClientEvent,
    ClientHandled,
    ClientInfo,
    ClientOffline,
    ClientOnline,
    ClientReceived,
    OnEvent,
    StartOptions,
    SubjectError,
)


class HandlerRaised(Exception):
    """What a handler raises that was told to raise."""


class UnusuallyRaised(BaseException):
    """The same, past everything that catches exceptions, as `asyncio.CancelledError` goes."""


class ReferenceSubject:
    """A `Subject` around `TmcClient` and `TmcPoller`, or subclasses of them.

    Args:
        wall_clock: seconds since the epoch, for the timestamps of its CONNECTs and requests.
        rng: for its backoff.
        client_type: which client is pushed to; a subclass of `TmcClient`.
        poller_type: which client polls; a subclass of `TmcPoller`.
        dedupe_type: what handles each business key once; a subclass of `Deduplicated`.
    """

    def __init__(
        self,
        *,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
        client_type: type[TmcClient] = TmcClient,
        poller_type: type[TmcPoller] = TmcPoller,
        dedupe_type: type[Deduplicated] = Deduplicated,
    ) -> None:
        self._wall_clock = wall_clock
        self._rng = rng
        self._client_type = client_type
        self._poller_type = poller_type
        self._dedupe_type = dedupe_type
        # Outlives its clients: what was handled is known across a restart. Threads, as the other stores have them, do
        # not go with virtual time.
        self._store = MemoryStore()
        self._owners = count(1)
        self._client: TmcClient | TmcPoller | None = None
        self._connector: aiohttp.BaseConnector | None = None  # of a poller
        self._on_event: OnEvent = lambda event: None
        self._died: asyncio.Future[SubjectError] | None = None

    @property
    def info(self) -> ClientInfo:
        return ClientInfo(
            name="tmcspec reference core",
            version=__version__,
            language="python",
            transport="in-process",
            capabilities=frozenset(
                {"push", "poll", "publish", "fail", "raise", "dedupe", "reconnect", "graceful_stop"}
            ),
        )

    @property
    def died(self) -> asyncio.Future[SubjectError]:
        """Never completes: this client lives and dies with the runner."""
        if self._died is None:
            self._died = asyncio.get_running_loop().create_future()
        return self._died

    @property
    def log(self) -> str:
        return ""

    async def open(self, on_event: OnEvent) -> None:
        self._on_event = on_event

    async def start(self, options: StartOptions) -> Answer:
        client = self._pushed(options) if options.mode == "push" else self._polling(options)
        try:
            await client.start()
        except (TmcError, OSError) as error:
            return Answer(status="raised", error=str(error), code=getattr(error, "code", None))
        self._client = client
        return Answer(status="result")

    async def publish(self, *, topic: str, content: str, session: str | None) -> Answer:
        if not isinstance(self._client, TmcClient):
            return Answer(status="raised", error="no client is started that has a connection to publish on")
        try:
            await self._client.publish(topic, content, session=session)
        except (TmcError, ValueError) as error:
            return Answer(status="raised", error=str(error), code=getattr(error, "code", None))
        return Answer(status="result")

    async def stop(self) -> Answer:
        await self.close()
        return Answer(status="result")

    async def probe(self) -> None:
        """Alive as long as this loop is."""

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.stop(grace=1.0)
        if self._connector is not None:
            await self._connector.close()

    def check(self) -> None:
        """Nothing can go wrong with it that would not be an exception here."""

    def _pushed(self, options: StartOptions) -> TmcClient:
        return self._client_type(
            app_key=options.app_key,
            app_secret=options.app_secret,
            group=options.group,
            url=options.url,
            handler=self._handler(options),
            wall_clock=self._wall_clock,
            rng=self._rng,
            observer=self._observer(options),
        )

    def _polling(self, options: StartOptions) -> TmcPoller:
        self._connector = connector_of(asyncio.get_running_loop())
        return self._poller_type(
            app_key=options.app_key,
            app_secret=options.app_secret,
            group=options.group,
            url=options.gateway_url,
            handler=self._handler(options),
            wall_clock=self._wall_clock,
            rng=self._rng,
            observer=self._observer(options),
            connector=self._connector,
        )

    def _handler(self, options: StartOptions) -> Handler:
        if not (fields := options.options.get("dedupe")):
            return _obey
        return self._dedupe_type(
            self._tell_and_obey,
            self._store,
            key=by_content_fields(*fields),
            wall_clock=self._wall_clock,
            new_owner=lambda: str(next(self._owners)),
        )

    def _observer(self, options: StartOptions) -> Observer:
        return self._observe_connection if options.options.get("dedupe") else self._observe

    async def _tell_and_obey(self, message: Message) -> None:
        """The handler behind a deduplication: what the client observes is that around it, which copies come to, too."""
        self._observe(Received(message=message))
        try:
            await _obey(message)
        except Exception as error:
            self._observe(Handled(message=message, outcome=outcome_of(error)))
            raise
        self._observe(Handled(message=message, outcome=OK))

    def _observe_connection(self, seen: Observation) -> None:
        if isinstance(seen, Online | Offline):
            self._observe(seen)

    def _observe(self, seen: Observation) -> None:
        self._on_event(_translated(seen))


async def _obey(message: Message) -> None:
    """The handler of a client under test: does what the message says."""
    told = instruction(message.content)
    if told.delay_ms:
        await asyncio.sleep(told.delay)
    match told.outcome:
        case "fail":
            raise FailMessage(told.reason or "")
        case "raise":
            kind = UnusuallyRaised if told.unusual else HandlerRaised
            raise kind(*([told.reason] if told.reason is not None else []))
        case "hang":
            await asyncio.get_running_loop().create_future()


def _translated(seen: Observation) -> ClientEvent:
    match seen:
        case Received(message=message):
            return ClientReceived(
                message_id=message.id,
                topic=message.topic,
                content=message.content,
                user_id=message.user_id,
                nick=message.nick,
                publisher=message.publisher,
                data_id=None if message.data_id is None else str(message.data_id),
                publish_time=message.time,
                outgoing_time=message.out_time,
            )
        case Handled(message=message, outcome=outcome):
            return ClientHandled(message_id=message.id, outcome=outcome.kind)
        case Online():
            return ClientOnline()
        case Offline(error=error):
            return ClientOffline(error=str(error))
