"""The stage: one fake service, one client under test, and what a case may do with them.

Cases only make interesting things happen. They start the client, produce messages, do odd things to the wire, let time
pass, and wait until something was observed or the client had its full patience; the clauses judge what came of it.

Two clocks matter. *Client time* is what the client's own timers live in: `wait` lets it pass. *Service time* can be
ahead of it: `pass_time` moves it on, in a live run without waiting, in simulation by waiting (which costs nothing).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

import aiohttp

from tmcfakes.console import Console
from tmcfakes.fake import FakeTmc
from tmcfakes.faults import PlannedFault, Schedule
from tmcfakes.service import Service
from tmcfakes.simulated_http import connector_of
from tmcspec import top
from tmcspec.clauses.handshake import WRONG_SECRET
from tmcspec.client.polling import CONSUME
from tmcspec.events import (
    Accepted,
    ClientDied,
    ClientError,
    ClientPublished,
    ClientStarted,
    ClientStarting,
    ClientStopped,
    Confirmed,
    Event,
    Failed,
    Fault,
    HttpOut,
)
from tmcspec.instruction import Instruction
from tmcspec.routing import DEFAULT_GROUP, PRE_RELEASE_PATH, Environment
from tmcspec.trace import Entry, Trace, World
from tmcsuites.adapters.contract import (
    AdapterFault,
    Answer,
    ClientEvent,
    Crashed,
    Hung,
    Mode,
    StartOptions,
    Subject,
    SubjectError,
    Unsupported,
)
from tmcsuites.adapters.reference import ReferenceSubject
from tmcsuites.obedience import Obedience
from tmcsuites.reported import reported

T = TypeVar("T")

APP_KEY = "12129701"
APP_SECRET = "tmcspec-app-secret"
TOPIC = "taobao_trade_TradeCreate"

#: The one topic that may be published to Taobao.
TOPIC_TO_TAOBAO = "tmcspec_topic_to_taobao"

#: The name of the one client in the trace.
CLIENT = "client"

#: Seconds that are waited beyond a client's patience: the judges count from when it was handed the message, or was done
#: with it, which is a little after the case began to wait.
MARGIN = 0.5

#: Seconds of client time that a client has to connect: starting a virtual machine takes its time.
START_PATIENCE = 15.0

#: Ids that a case does not care about start here. They are small, because long ids are a matter of their own (LID).
FIRST_ID = 1001


class NeverReady(Exception):
    """The client was started and did not get as far as an accepted connection."""


class CannotStart(NeverReady):
    """The client told its application that it could not connect, to a service that would have accepted it."""


class Stage:
    """What a case drives.

    Args:
        fake: the service, running.
        subject: the client, opened.
        world: `simulated` or `live`.
        patience: seconds of client time that a client has to do what it must.
        start_patience: seconds of client time that it has to connect, when that is more.
        wall_clock: seconds since the epoch, for bystanders.
        rng: of what a case draws.

    Attributes:
        starting: whether a case waits for the client to be accepted for the first time: until then, it has no client.
    """

    def __init__(
        self,
        *,
        fake: FakeTmc,
        subject: Subject,
        world: World,
        patience: float,
        start_patience: float = START_PATIENCE,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.fake = fake
        self.subject = subject
        self.world = world
        self.patience = patience
        self.start_patience = max(patience, start_patience)
        self.wall_clock = wall_clock
        self.rng = rng or random.Random(0)
        self.starting = False
        self.answered: set[int] = set()
        self.dishonest: AdapterFault | None = None
        self._obedience = Obedience()
        self._next_id = FIRST_ID
        self._polled = False
        self._started = False
        self._woken = asyncio.Event()
        fake.recorder.listeners.append(self._listen)

    # The client

    def client_says(self, event: ClientEvent) -> None:
        """What the client's adapter reports goes into the trace."""
        self._reported(CLIENT, event)
        wrong = self._obedience.hear(event)
        if wrong is not None and self.dishonest is None:
            self.dishonest = AdapterFault(wrong, log=self.subject.log)
            self._woken.set()

    def _reported(self, client: str, event: ClientEvent) -> None:
        told = reported(client, event)
        if told is not None:
            self.record(told)

    @contextlib.asynccontextmanager
    async def bystanders(self, count: int) -> AsyncIterator[None]:
        """More clients on the same group, as long as the context lasts. They are the reference core and do no wrong."""
        options = StartOptions(url=self.fake.url, gateway_url="", app_key=APP_KEY, app_secret=APP_SECRET)
        others = {
            f"bystander {number}": ReferenceSubject(wall_clock=self.wall_clock, rng=random.Random(number))
            for number in range(1, count + 1)
        }
        try:
            for name, other in others.items():
                await other.open(functools.partial(self._reported, name))
                self.record(ClientStarting(client=name))
                answer = await other.start(options)
                if answer.status != "result":
                    raise RuntimeError(f"{name} could not connect: {answer.error}")
                self.record(ClientStarted(client=name))
            yield
        finally:
            for name, other in others.items():
                self.record(ClientStopped(client=name))
                await other.close()

    def check(self) -> None:
        """Raises SubjectError: the client died, or its adapter broke the contract."""
        if self.dishonest is not None:
            raise self.dishonest
        self.subject.check()

    def watch(self) -> None:
        """From now on, the client's death goes into the trace at the moment it is noticed."""
        self.subject.died.add_done_callback(self._died)

    async def try_start(
        self,
        *,
        within: float | None = None,
        url: str | None = None,
        mode: Mode = "push",
        group: str = DEFAULT_GROUP,
        dedupe: tuple[str, ...] = (),
    ) -> Answer | None:
        """Starts the client, and tells how that ended; None when it did not end in time.

        Args:
            within: seconds of client time; its patience by default.
            url: where it is sent; to the service by default.
            mode: whether it shall be pushed to over WebSocket, or poll the HTTP gateway.
            group: what it shall consume.
            dedupe: members of the content by which messages of one topic are told apart; of which it shall handle each
                once.

        Raises:
            Unsupported: it does not do so, and never said that it does.
            SubjectError: it died, hangs, or broke the adapter contract.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (within or self.patience)
        address = self.fake.url if url is None else url
        options = StartOptions(
            url=address,
            gateway_url=self.fake.gateway_url,
            app_key=APP_KEY,
            app_secret=APP_SECRET,
            group=group,
            mode=mode,
            options={"dedupe": list(dedupe)} if dedupe else {},
        )
        self.record(ClientStarting(client=CLIENT, group=group, dedupe=dedupe))
        try:
            async with asyncio.timeout_at(end):
                answer = await self.subject.start(options)
        except Crashed:
            # The trace knows; whether dying was wrong here is for the clauses to say.
            return None
        except (TimeoutError, Hung):
            # Waiting for the service is not hanging: its handlers and its adapter must still answer.
            await self.subject.probe()
            await self.until(lambda: False, within=end - loop.time())
            return None
        if answer.status == "unsupported":
            if mode in self.subject.info.capabilities:
                raise AdapterFault(
                    f"the adapter declares {mode!r} and answers 'unsupported' to 'start'", log=self.subject.log
                )
            how = "connect by WebSocket" if mode == "push" else "poll"
            raise Unsupported(f"the client does not {how}: it answers 'unsupported' to 'start'")
        if answer.status == "raised":
            self.record(ClientError(client=CLIENT, error=answer.error or "", op="start"))
        elif answer.status == "result" and not self.subject.info.bare:
            self.record(ClientStarted(client=CLIENT))
        return answer

    async def start(self, mode: Mode = "push", *, group: str = DEFAULT_GROUP, dedupe: tuple[str, ...] = ()) -> None:
        """Starts the client and waits until the service has accepted it: a CONNECT, or a request that consumes.

        Raises:
            NeverReady: it was not accepted, or said that it could not start.
            SubjectError: it died, hangs, or broke the adapter contract.
        """
        self.starting = not self._started
        answer = await self.try_start(within=self.start_patience, mode=mode, group=group, dedupe=dedupe)
        if answer is not None and answer.status == "raised":
            raise CannotStart(f"the client could not start: {answer.error}")
        accepted = (lambda: bool(self.connections())) if mode == "push" else lambda: self._polled
        if not await self.until(accepted, within=self.start_patience):
            await self.subject.probe()
            what = "a CONNECT" if mode == "push" else "a request"
            raise NeverReady(f"the service never accepted {what} of the client")
        self.starting, self._started = False, True

    async def publish(self, content: str = "{}", *, topic: str = TOPIC_TO_TAOBAO) -> Answer | None:
        """Lets the client send a message to Taobao, and tells what it told its application; None when it said nothing.

        Raises:
            SubjectError: it died, hangs, or broke the adapter contract.
        """
        try:
            answer = await self.subject.publish(topic=topic, content=content, session=None)
        except Crashed:
            return None
        except Hung:
            # Waiting for the service is not hanging: its handlers and its adapter must still answer.
            await self.subject.probe()
            return None
        if answer.status == "unsupported":
            raise AdapterFault("the adapter declares 'publish' and answers 'unsupported' to it", log=self.subject.log)
        ok = answer.status == "result"
        self.record(
            ClientPublished(
                client=CLIENT, topic=topic, content=content, ok=ok, error=None if ok else answer.error or ""
            )
        )
        return answer

    async def stop(self) -> None:
        """The application stops the client gracefully; it may be started again when it has left.

        Raises:
            SubjectError: it died, hangs, or broke the adapter contract.
        """
        self.check()
        self.record(ClientStopped(client=CLIENT))
        answer = await self.subject.stop()
        if answer.status == "unsupported":
            raise AdapterFault(
                "the adapter declares 'graceful_stop' and answers 'unsupported' to 'stop'", log=self.subject.log
            )
        await self.until(lambda: not self.connections())

    async def finish(self) -> None:
        """Ends the case: the client is stopped, and the trace says when. Raises SubjectError as `try_start`."""
        self.check()
        await self.subject.probe()
        self.record(ClientStopped(client=CLIENT))
        await self.subject.stop()
        self.check()

    # The service

    @contextlib.contextmanager
    def nobody_listens(self) -> Iterator[str]:
        """An address that refuses connections, for as long as the context lasts."""
        self.record(Fault(name="unreachable"))
        if self.world == "simulated":
            yield "ws://127.0.0.1:9/"
            return
        # Bound and never listened on: nobody else gets the port, and whoever connects is refused.
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            yield f"ws://127.0.0.1:{bound.getsockname()[1]}/"

    def connections(self) -> tuple[str, ...]:
        """The accepted connections of the client, whatever group they consume."""

        def ask(service: Service, now: float) -> tuple[str, ...]:
            groups = service.directory.app(APP_KEY).groups
            return tuple(name for group in groups for name in service.connections(APP_KEY, group))

        return self.do(ask)

    def do(self, act: Callable[[Service, float], T]) -> T:
        """Calls `act` with the engine and service time, and does what comes of it."""
        return self.fake.do(act)

    def operate(self, act: Callable[[Console], T]) -> T:
        """Lets the operator of the app change users, groups, topics or flow, and does what comes of it."""
        return self.do(lambda service, now: act(service.console(now=now)))

    def inject(self, *faults: PlannedFault) -> None:
        """From now on these faults happen."""
        self.fake.inject(Schedule(faults=faults))

    def heal(self) -> None:
        """All faults are over."""
        self.fake.heal()

    def produce(self, content: str | None = "{}", *, told: Instruction | None = None, **more: Any) -> int:
        """Produces a message and returns its id.

        Args:
            content: the text for the handler.
            told: what the handler shall do with it, instead of `content`.
            more: what else `Service.produce` takes. Without an `id`, a small one.
        """
        if "id" not in more:
            more["id"] = self._draw_id()
        text = told.content(id=more["id"]) if told else content
        return self.fake.produce(topic=more.pop("topic", TOPIC), content=text, app_key=APP_KEY, **more)

    def broadcast(self, nick: str, *, environment: Environment = "production") -> list[int]:
        """Something happens to a seller. Returns the ids of the messages that come of it: one, or none."""
        id = self._draw_id()
        made = self.fake.broadcast(topic=TOPIC, content="{}", nick=nick, id=id, environment=environment)
        return list(made.values())

    def _draw_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    # Time

    async def until(self, wanted: Callable[[], bool], *, within: float | None = None) -> bool:
        """Waits until `wanted()` is true, asking after each event.

        Args:
            wanted: cheap, looks at the world.
            within: seconds of client time; by default its patience, and a little more.

        Returns:
            Whether it became true. It will not any more when the client has died.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.patience + MARGIN if within is None else within)
        while not wanted():
            if self.subject.died.done() or self.dishonest is not None or loop.time() >= end:
                return False
            self._woken.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._woken.wait()
            except TimeoutError:
                continue
        return True

    async def until_answered(self, *ids: int, within: float | None = None) -> bool:
        """Waits until each of these messages was confirmed or failed."""
        # Each id is looked at until it is answered, and not again: a burst has ten thousand of them.
        left = list(ids)

        def all_answered() -> bool:
            while left and left[-1] in self.answered:
                left.pop()
            return not left

        return await self.until(all_answered, within=within)

    async def until_event(self, wanted: Callable[[Event], bool], *, within: float | None = None) -> bool:
        """Waits until an event that is still to come is wanted."""
        seen: list[Entry] = []

        def look(entry: Entry) -> None:
            if wanted(entry.event):
                seen.append(entry)

        self.fake.recorder.listeners.insert(0, look)
        try:
            return await self.until(lambda: bool(seen), within=within)
        finally:
            self.fake.recorder.listeners.remove(look)

    async def until_back(self, *, within: float) -> bool:
        """Waits for an accepted connection, unless there is one."""
        return bool(self.connections()) or await self.until_new(within=within)

    async def until_new(self, *, within: float) -> bool:
        """Waits for another accepted connection."""
        return await self.until_event(lambda event: isinstance(event, Accepted), within=within)

    async def wait(self, seconds: float) -> None:
        """Lets client time pass."""
        await self.until(lambda: False, within=seconds)

    async def let_a_stranger_ask(self) -> None:
        """Somebody whose app the service does not know asks the HTTP gateway for messages."""
        await self.ask(CONSUME, app_key="tmcspec stranger", secret="unknown")

    async def ask(
        self,
        api: str,
        arguments: Mapping[str, str] = MappingProxyType({}),
        *,
        app_key: str = APP_KEY,
        secret: str = APP_SECRET,
        environment: Environment = "production",
    ) -> None:
        """Somebody who is not the client asks the HTTP gateway for something."""
        url = self.fake.gateway_url
        if environment == "pre-release":
            url = url.replace("/router/", f"{PRE_RELEASE_PATH}/router/")
        loop = asyncio.get_running_loop()
        self.record(Fault(name="request"))
        form = top.form(api, arguments, app_key=app_key, secret=secret, now_ms=int(self.wall_clock() * 1000))
        async with (
            aiohttp.ClientSession(connector=connector_of(loop), trust_env=False) as session,
            session.post(url, data=form) as answer,
        ):
            await answer.read()

    async def let_strangers_connect(self) -> None:
        """Somebody who cannot sign for the app, one of an app that the service does not know, and one who asks for a
        group that there is not.
        """
        strangers: tuple[dict[str, Any], ...] = (
            {"app_secret": "wrong"},
            {"app_key": "tmcspec stranger"},
            {"group": "tmcspec nobody"},
        )
        for number, odd in enumerate(strangers, start=1):
            name = f"stranger {number}"
            url = (await self.fake.listen_for(name)).url
            if "app_secret" in odd:
                self.record(Fault(name=WRONG_SECRET, target=name))
            usual: dict[str, Any] = {"app_key": APP_KEY, "app_secret": APP_SECRET, "group": DEFAULT_GROUP} | odd
            other = ReferenceSubject(wall_clock=self.wall_clock, rng=random.Random(number))
            await other.open(functools.partial(self._reported, name))
            try:
                answer = await other.start(StartOptions(url=url, gateway_url="", **usual))
                if answer.status == "raised":
                    self.record(ClientError(client=name, error=answer.error or "", op="start"))
            finally:
                self.record(ClientStopped(client=name))
                await other.close()

    async def pass_time(self, seconds: float) -> None:
        """Lets service time pass: in a live run the service's clock jumps and the client's does not."""
        if self.world == "live":
            self.fake.advance(seconds)
        else:
            # In pieces: a simulated loop that has nothing to do for a day is taken for one that has stopped.
            hours, rest = divmod(seconds, 3600.0)
            for _ in range(int(hours)):
                await asyncio.sleep(3600.0)
            await asyncio.sleep(rest)

    # The trace

    def entries(self) -> Sequence[Entry]:
        """Everything so far."""
        return self.fake.recorder.entries

    def record(self, event: Event) -> None:
        """Writes into the trace."""
        self.fake.recorder.record(event, now=self.fake.now())

    def trace(self) -> Trace:
        """What has happened so far."""
        trace = self.fake.trace(world=self.world, patience=self.patience)
        return replace(trace, handlers=not self.subject.info.bare)

    def _listen(self, entry: Entry) -> None:
        if isinstance(entry.event, Confirmed | Failed):
            self.answered.add(entry.event.message)
        elif isinstance(entry.event, HttpOut):
            self._polled = self._polled or entry.event.code == 0
        self._woken.set()

    def _died(self, died: asyncio.Future[SubjectError]) -> None:
        if not died.cancelled() and isinstance(error := died.result(), Crashed):
            self.record(ClientDied(client=CLIENT, status=error.status))
        self._woken.set()
