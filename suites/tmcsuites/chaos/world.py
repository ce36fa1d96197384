"""A world to be played in: a fake service, a fleet of clients, and what may happen to them.

Each client is run by an application that does what a careful one would: it starts the client, tries again in half a
minute when that fails, and restarts it when it is told to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Self

from tmcfakes.clock import Clock
from tmcfakes.fake import FakeTmc
from tmcfakes.faults import Schedule, luck
from tmcfakes.service import App, Service
from tmcfakes.simulation import EPOCH_MS
from tmcspec.events import (
    Attempted,
    ClientDied,
    ClientError,
    ClientStarted,
    ClientStarting,
    ClientStopped,
    Event,
    Opened,
)
from tmcspec.routing import DEFAULT_GROUP
from tmcspec.trace import Entry, Trace
from tmcsuites.adapters.contract import AdapterFault, ClientEvent, Crashed, Hung, StartOptions, Subject, SubjectError
from tmcsuites.chaos.ending import CONNECTION_LIMIT
from tmcsuites.chaos.plan import MessagePlan, UserPlan
from tmcsuites.obedience import Obedience
from tmcsuites.reported import reported
from tmcsuites.stage import APP_KEY, APP_SECRET
from tmcsuites.worlds import SubjectFactory

#: Seconds until an application tries again to start a client.
NEXT_START = 30.0

#: Seconds that a world sleeps at a time.
LONGEST_SLEEP = 3_600.0

#: Entries of a trace: a day of storms redelivers much.
TRACE_LIMIT = 5_000_000


class World:
    """A world in the running simulated event loop, while it is entered with `async with`.

    Args:
        subject: makes a client; all clients of the fleet are of this make.
        groups: those of the app, beside `default`.
        seed: of everything that is drawn by chance.
        listeners: told of each entry of the trace when it happens.
        connections: how often the fleet may connect until no more time passes.
    """

    def __init__(
        self,
        subject: SubjectFactory,
        *,
        groups: Iterable[str] = (),
        seed: int = 0,
        listeners: Iterable[Callable[[Entry], None]] = (),
        connections: int = CONNECTION_LIMIT,
    ) -> None:
        loop = asyncio.get_running_loop()
        app = App(key=APP_KEY, secret=APP_SECRET, groups=frozenset(groups) | {DEFAULT_GROUP})
        chance = luck(seed, "service").getrandbits(32)
        self.fake = FakeTmc(apps=[app], seed=chance, clock=Clock.of_loop(loop), epoch_ms=EPOCH_MS)
        self.fake.recorder.limit = TRACE_LIMIT
        self.fake.recorder.listeners += listeners
        self._subject = subject
        self._seed = seed
        self._fleet: dict[str, _Application] = {}
        self._stack = AsyncExitStack()
        self._connections_left = connections
        self._over = loop.create_future()
        self._failure: BaseException | None = None
        self.fake.recorder.watchers.append(self._count)

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.fake)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def fleet(self) -> tuple[str, ...]:
        """The names of the clients."""
        return tuple(self._fleet)

    async def sleep_until(self, time: float) -> None:
        """Lets time pass, in seconds of the event loop; not when the world is exhausted.

        Raises:
            SubjectError: a client died, hangs, or broke the contract.
        """
        loop = asyncio.get_running_loop()
        # In pieces: a loop in which nothing happens for a day is taken for one that has stopped.
        while not self._over.done() and (left := time - loop.time()) > 0:
            await asyncio.wait({self._over}, timeout=min(left, LONGEST_SLEEP))
        self._check()

    @property
    def exhausted(self) -> bool:
        """Whether the fleet has connected so often that no more time passes."""
        return self._over.done()

    def _count(self, entry: Entry) -> None:
        if isinstance(entry.event, Opened | Attempted):
            self._connections_left -= 1
            if self._connections_left == 0 and not self._over.done():
                self._over.set_result(None)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, client: str, error: BaseException) -> None:
        """Ends the world with what has gone wrong first."""
        if self._failure is not None:
            return
        if isinstance(error, SubjectError):
            if isinstance(error, Crashed):
                self.record(ClientDied(client=client, status=error.status))
            now = asyncio.get_running_loop().time()
            error = SubjectError(f"{client}, after {now:g} s: {error}")
        self._failure = error
        if not self._over.done():
            self._over.set_result(None)

    async def add_client(self, name: str, *, group: str = DEFAULT_GROUP) -> None:
        """An application starts a client."""
        addresses = await self.fake.listen_for(name)
        options = StartOptions(
            url=addresses.url,
            gateway_url=addresses.gateway_url,
            app_key=APP_KEY,
            app_secret=APP_SECRET,
            group=group,
        )
        loop = asyncio.get_running_loop()
        chance = random.Random(luck(self._seed, "client", name).getrandbits(32))
        subject = self._subject(lambda: EPOCH_MS / 1000 + loop.time(), chance)
        application = self._fleet[name] = _Application(
            name, subject, options, record=self.record, fail=partial(self._fail, name)
        )
        self._stack.push_async_callback(application.close)
        await application.open()

    def restart_client(self, name: str) -> None:
        """Its application stops a client gracefully, and starts it anew."""
        self._fleet[name].restart()

    def admit(self, users: Iterable[UserPlan]) -> None:
        """Users grant the app access, and are put into their groups."""

        def admit(service: Service, now: float) -> None:
            console = service.console(now=now)
            for user in users:
                console.authorise(APP_KEY, user.nick)
                console.permit(APP_KEY, user.nick)
                if user.group != DEFAULT_GROUP:
                    console.add_to_group(APP_KEY, user.group, [user.nick])

        self.fake.do(admit)

    def produce(self, message: MessagePlan) -> None:
        """A message is produced, whatever its `at` says."""
        user = None
        if message.nick is not None:
            user = self.fake.do(lambda service, now: service.directory.user(nick=message.nick))
        self.fake.produce(
            topic=message.topic,
            content=message.told.content(),
            app_key=APP_KEY,
            id=message.id,
            group=None if user else message.group,
            user_id=user.user_id if user else None,
            nick=message.nick,
        )

    def inject(self, schedule: Schedule) -> None:
        """From now on these faults happen."""
        self.fake.inject(schedule)

    def heal(self) -> None:
        """All faults are over."""
        self.fake.heal()

    def record(self, event: Event) -> None:
        """Writes into the trace."""
        self.fake.recorder.record(event, now=self.fake.now())

    def end(self) -> Trace:
        """What has happened, to the end: all clients are about to be stopped.

        Raises:
            SubjectError: a client died, hangs, or broke the contract.
            Exception: what an application itself has failed with; no client is to blame for that.
        """
        for application in self._fleet.values():
            application.check()
        self._check()
        for name in self._fleet:
            self.record(ClientStopped(client=name))
        return replace(self.fake.trace(world="simulated"), seed=self._seed, handlers=True)


class _Application:
    """What runs a client, and keeps it running."""

    def __init__(
        self,
        name: str,
        subject: Subject,
        options: StartOptions,
        *,
        record: Callable[[Event], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._name = name
        self._subject = subject
        self._options = options
        self._record = record
        self._fail = fail
        self._obedience = Obedience(asyncio.get_running_loop().time)
        self._restarts = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._subject.open(self._reported)
        self._subject.died.add_done_callback(self._has_died)
        self._task = asyncio.create_task(self._run(), name=f"application of {self._name}")
        self._task.add_done_callback(self._has_ended)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._subject.close()

    def restart(self) -> None:
        self._restarts.set()

    def check(self) -> None:
        """Tells the world what has gone wrong with its client, if it was not noticed yet."""
        try:
            self._subject.check()
        except SubjectError as error:
            self._fail(error)

    def _has_died(self, died: asyncio.Future[SubjectError]) -> None:
        if not died.cancelled():
            self._fail(died.result())

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _run(self) -> None:
        while True:
            starting = asyncio.create_task(self._start())
            starting.add_done_callback(self._has_ended)
            try:
                await self._restarts.wait()
                self._restarts.clear()
            finally:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            if not starting.cancelled():
                starting.result()
            self._record(ClientStopped(client=self._name))
            await self._subject.stop()

    async def _start(self) -> None:
        while True:
            self._record(ClientStarting(client=self._name, group=self._options.group))
            try:
                answer = await self._subject.start(self._options)
            except Hung:
                # Waiting for the service is not hanging: its adapter must still answer.
                await self._subject.probe()
                return
            if answer.status == "result":
                self._record(ClientStarted(client=self._name))
                return
            if answer.status == "unsupported":
                raise AdapterFault("it declares 'push' and answers 'unsupported' to 'start'", log=self._subject.log)
            self._record(ClientError(client=self._name, error=answer.error or answer.status, op="start"))
            await asyncio.sleep(NEXT_START)

    def _reported(self, event: ClientEvent) -> None:
        told = reported(self._name, event)
        if told is not None:
            self._record(told)
        if (wrong := self._obedience.hear(event)) is not None:
            self._fail(AdapterFault(wrong, log=self._subject.log))
