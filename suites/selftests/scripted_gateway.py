"""What the tests of the poller share: a scripted HTTP gateway in memory, and pollers of it."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from polling_by_hand import confirmed, consumed, refused
from scripted_service import EPOCH, SECRET, nothing, now

from tmcfakes.simulated_http import SimulatedConnector
from tmcspec import top
from tmcspec.client import Message
from tmcspec.client.poller import TmcPoller
from tmcspec.client.polling import CONFIRM, CONSUME

URL = "http://gw:80/router/rest"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that came: when, and with which arguments of its own."""

    at: float
    api: str
    arguments: Mapping[str, str]

    @property
    def ids(self) -> list[int]:
        return [int(text) for text in self.arguments["s_message_ids"].split(",")]


def body(answer: bytes, *, after: float = 0.0, zipped: bool = False, **options: Any) -> Answer:
    """Answers with these bytes, after so many seconds."""

    async def script(request: web.Request) -> web.Response:
        await asyncio.sleep(after)
        if zipped:
            return web.Response(body=gzip.compress(answer), headers={"Content-Encoding": "gzip"})
        return web.Response(body=answer, **options)

    return script


def messages(*message_ids: int, after: float = 0.0) -> Answer:
    return body(consumed(*message_ids), after=after)


def failure(failure: top.Failure) -> Answer:
    return body(refused(failure))


def status(code: int, *, after: float = 0.0, **headers: str) -> Answer:
    return body(b"no", after=after, status=code, headers=headers)


async def hang(request: web.Request) -> web.Response:
    """No answer."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def reset(request: web.Request) -> web.Response:
    """The connection breaks instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class Gateway:
    """A gateway that answers each consume, and each confirm, with the next of its scripts; without one, with success.

    It refuses what is not signed well. `calls` has what came.
    """

    def __init__(self, *consumes: Answer, confirms: tuple[Answer, ...] = ()) -> None:
        self.scripts = {CONSUME: list(consumes), CONFIRM: list(confirms)}
        self.calls: list[Call] = []
        self.requests: list[web.Request] = []
        self.forms: list[Mapping[str, str]] = []
        self.busy = 0
        self.busiest = 0
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Gateway:
        self.connector = SimulatedConnector()
        await self.up()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.down()
        await self.connector.close()

    async def up(self) -> None:
        app = web.Application()
        app.router.add_post("/router/rest", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "gw", 80).start()

    async def down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def consumes(self) -> list[Call]:
        return [call for call in self.calls if call.api == CONSUME]

    @property
    def confirms(self) -> list[Call]:
        return [call for call in self.calls if call.api == CONFIRM]

    @property
    def confirmed(self) -> list[int]:
        return [message_id for call in self.confirms for message_id in call.ids]

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until what came fulfils a condition."""
        async with asyncio.timeout(3600), self._news:
            await self._news.wait_for(condition)

    def poller(
        self,
        handler: Callable[[Message], Awaitable[None]] = nothing,
        *,
        of: type[TmcPoller] = TmcPoller,
        **options: Any,
    ) -> TmcPoller:
        defaults: dict[str, Any] = {
            "app_key": "1023",
            "app_secret": SECRET,
            "url": URL,
            "rng": random.Random(1),
            "wall_clock": lambda: EPOCH + now(),
            "connector": self.connector,
        }
        return of(handler=handler, **defaults | options)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(request)
        self.forms.append(form)
        call = top.check(form, secret_of={"1023": SECRET}.get, now_ms=int((EPOCH + now()) * 1000))
        if isinstance(call, top.Failure):
            return await failure(call)(request)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            self.calls.append(Call(at=now(), api=call.api, arguments=dict(call.arguments)))
            async with self._news:
                self._news.notify_all()
            scripts = self.scripts[call.api]
            script = scripts.pop(0) if scripts else body(consumed() if call.api == CONSUME else confirmed())
            return await script(request)
        finally:
            self.busy -= 1
