"""HTTP in the simulated world: aiohttp's client and server, over sockets that are queues in memory.

The server needs nothing: `aiohttp.web.TCPSite` listens in a `tmcfakes.simulation` as it does anywhere. The client needs
a connector that asks the simulated loop for connections, instead of making sockets of its own.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import async_solipsism
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler


class SimulatedConnector(aiohttp.TCPConnector):
    """Connects aiohttp's client within a simulation. Any text is a host, as for WebSockets there; no TLS.

    To be made inside of the simulation, and closed by who made it.

    Example:
        async with SimulatedConnector() as connector, aiohttp.ClientSession(connector=connector) as session:
            await session.get("http://gateway:80/")
    """

    def __init__(self) -> None:
        super().__init__(resolver=_Names(), use_dns_cache=False)

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[Any],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **options: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        [make_protocol] = args
        [(*_, (host, port, *_)), *_] = addr_infos
        try:
            return await asyncio.get_running_loop().create_connection(make_protocol, host, port)
        except OSError as error:
            raise client_error(req.connection_key, error) from error


def connector_of(loop: asyncio.AbstractEventLoop) -> aiohttp.BaseConnector:
    """What connects aiohttp's client in this event loop, virtual or not. To be closed by who asked for it."""
    return SimulatedConnector() if isinstance(loop, async_solipsism.EventLoop) else aiohttp.TCPConnector()


class _Names(AbstractResolver):
    """Every name is the address of the host with this name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""
