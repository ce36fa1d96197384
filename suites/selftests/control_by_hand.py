"""What the tests of the control API share: a service in virtual time, and somebody who calls it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import aiohttp

from tmcfakes import control
from tmcfakes.fake import FakeTmc
from tmcfakes.simulated_http import SimulatedConnector
from tmcfakes.simulation import EPOCH_MS, simulate

T = TypeVar("T")


class Answer(NamedTuple):
    """What a call was answered."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Caller:
    """Calls the control API of a service."""

    def __init__(self, tmc: FakeTmc, session: aiohttp.ClientSession) -> None:
        self.tmc = tmc
        self._session = session

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Any call; `body` is sent as it is, or as JSON when it is no bytes."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = self.tmc.http_url.rstrip("/") + path
        async with self._session.request(method, url, data=data, headers=headers) as response:
            return Answer(response.status, await response.text(), dict(response.headers))

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """A call that must be answered with 200, and is with this."""
        answer = await self.ask(method, f"/_tmc/{path}", body)
        assert answer.status == 200, answer.text
        return answer.json

    async def refused(self, method: str, path: str, body: Any = None, *, status: int = 400) -> str:
        """A call that must be refused, and is for this reason."""
        answer = await self.ask(method, f"/_tmc/{path}", body)
        assert answer.status == status, answer.text
        error: str = answer.json.pop("error")
        return error


def called(scenario: Callable[[Caller], Awaitable[T]], **more: Any) -> T:
    """Runs a scenario against a service of its own, in virtual time. `more` is what `FakeTmc` takes."""

    async def main() -> T:
        settings: dict[str, Any] = {"routes": control.routes, "epoch_ms": EPOCH_MS, "seed": 1} | more
        async with (
            FakeTmc(**settings) as tmc,
            SimulatedConnector() as connector,
            aiohttp.ClientSession(connector=connector, auto_decompress=False) as session,
        ):
            return await scenario(Caller(tmc, session))

    return simulate(main)
