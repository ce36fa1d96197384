"""The ports that a front listens on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tmcfakes.faults import EVERYBODY
from tmcfakes.lines import Lines


class Ports:
    """One port for anybody, and one more for each client that is to be known by name.

    Args:
        scheme: of their addresses, as `ws`.
        host: address to listen on.
        lines: what lies between the sockets and the protocols.
        serve: makes the protocol that serves a connection of a client, None for one without a name.
        attempts: whether a client that a fault keeps away is reported, see `Lines.wrap`.
        spared: whether faults of bytes do not concern the port for anybody.
    """

    def __init__(
        self,
        scheme: str,
        host: str,
        lines: Lines,
        serve: Callable[[str | None], asyncio.BaseProtocol],
        *,
        attempts: bool = True,
        spared: bool = False,
    ) -> None:
        self._scheme = scheme
        self._host = host
        self._lines = lines
        self._serve = serve
        self._attempts = attempts
        self._spared = spared
        self._servers: dict[str | None, asyncio.Server] = {}
        self._leaving: tuple[asyncio.Server, ...] = ()
        self._one_by_one = asyncio.Lock()

    @property
    def open(self) -> bool:
        """Whether connections are served."""
        return bool(self._servers)

    @property
    def url(self) -> str:
        """The address for anybody, `scheme://host:port/`. Raises RuntimeError: nobody listens."""
        if not self.open:
            raise RuntimeError("the front does not listen and so has no address: await start() first")
        return self._address(None)

    async def start(self, port: int) -> None:
        """Listens for anybody. Raises OSError: the address cannot be listened on."""
        await self._listen(None, port)

    async def listen_for(self, client: str) -> str:
        """Listens for a client of this name, if it does not yet; returns the address.

        Raises:
            ValueError: no client can have this name.
            RuntimeError: the front does not run.
            OSError: there is no port left to listen on.
        """
        if not client or client == EVERYBODY:
            raise ValueError(f"{client!r} is not the name of a client: it must not be empty, nor {EVERYBODY!r}")
        async with self._one_by_one:
            if not self.open:
                raise RuntimeError("the front does not run, so nobody can listen for a client: await start() first")
            if client not in self._servers:
                await self._listen(client, 0)
            return self._address(client)

    def shut(self) -> None:
        """From now on, connections are not served. Faults end, and what nobody serves is cut."""
        self._leaving, self._servers = tuple(self._servers.values()), {}
        self._lines.close()

    async def stop_listening(self) -> None:
        """After `shut`: no connection is accepted any more, and those that just were have arrived where all do.

        asyncio leaks connections that it is about to accept when their server is closed. They need one turn of the loop
        to be attached to it, and one more to arrive.
        """
        for server in self._leaving:
            for listening in server.sockets:
                server.get_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for server in self._leaving:
            server.close()

    async def wait_closed(self) -> None:
        """After `stop_listening`: waits until all connections are gone."""
        for server in self._leaving:
            await server.wait_closed()

    async def _listen(self, client: str | None, port: int) -> None:
        def connected() -> asyncio.BaseProtocol:
            served = self._serve(client)
            if client is None and self._spared:
                return served
            return self._lines.wrap(served, client=client, attempts=self._attempts)

        self._servers[client] = await asyncio.get_running_loop().create_server(connected, self._host, port)

    def _address(self, client: str | None) -> str:
        host, port = self._servers[client].sockets[0].getsockname()[:2]
        return f"{self._scheme}://[{host}]:{port}/" if ":" in host else f"{self._scheme}://{host}:{port}/"
