"""aiohttp in a simulated world: its server as it is, its client with another connector."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tmcfakes.simulated_http import SimulatedConnector
from tmcfakes.simulation import simulate


async def echo(request: web.BaseRequest) -> web.Response:
    await asyncio.sleep(100)
    return web.Response(text=f"{request.host} {await request.text()}")


def test_client_and_server_talk_in_virtual_time_under_any_name() -> None:
    async def scenario() -> tuple[str, float]:
        runner = web.ServerRunner(web.Server(echo))
        await runner.setup()
        await web.TCPSite(runner, "a name", 8091).start()
        try:
            async with SimulatedConnector() as connector, aiohttp.ClientSession(connector=connector) as session:
                url = "http://gw.example:8091/"
                with pytest.raises(aiohttp.ClientConnectorError, match=r"gw\.example"):
                    await session.post(url, data=b"hello")
                await web.TCPSite(runner, "gw.example", 8091).start()
                async with session.post(url, data=b"hello") as response:
                    return await response.text(), asyncio.get_running_loop().time()
        finally:
            await runner.cleanup()

    assert simulate(scenario) == ("gw.example:8091 hello", 100.0)
