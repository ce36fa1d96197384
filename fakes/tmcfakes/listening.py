"""What both fronts do with the port that they listen on."""

from __future__ import annotations

import asyncio


def address_of(server: asyncio.Server | None, scheme: str) -> str:
    """Where a server listens, `scheme://host:port/`. Raises RuntimeError: nowhere."""
    if server is None:
        raise RuntimeError("the front does not listen and so has no address: await start() first")
    host, port = server.sockets[0].getsockname()[:2]
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"


async def stop_listening(server: asyncio.Server) -> None:
    """No connection is accepted any more, and those that just were have arrived where all do.

    asyncio leaks connections that it is about to accept when their server is closed. They need one turn of the loop to
    be attached to it, and one more to arrive.
    """
    loop = server.get_loop()
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.close()
