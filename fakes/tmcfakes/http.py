"""The HTTP front of the fake service: a port, and the handlers behind it, kept safe from who calls.

A handler is given requests whose body is there already (`await request.read()` returns it at once) and acts in one
step. Everything that a client could hold up or fill is bounded before that:

- the head of a request has at most 8190 bytes a line and 128 headers (the library's own limits), its body `max_body`;
- head and body have to be there within `patience` seconds each, and a connection may be idle for as long;
- a body that is packed (Content-Encoding) is refused: unpacked it might be a thousand times as large, and no published
  client packs what it sends;
- no answer shows where in the code something went wrong. What did is kept in `errors`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from tmcfakes.lines import Lines
from tmcfakes.listening import Ports

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Bytes of one body. A message to Taobao with the longest content and five files of the largest size fits twice.
MAX_BODY: Final = 16 * 2**20

#: Seconds of the event loop's time for the head of a request, for its body, and between requests.
PATIENCE: Final = 30.0

#: Errors of the fake's own that are kept; when it fails for each of many requests, the first ones say why.
MAX_ERRORS: Final = 100

# Seconds that what else comes is read after a refusal, so that a client that is still sending gets to read the answer.
_LINGER = 1.0

# Seconds that requests may still take when the front stops; 0 would be for ever.
_GRACE = 0.001

# The library logs whatever it cannot read, together with what that was: signs and sessions, perhaps.
_SILENT = logging.getLogger("tmcfakes.http")
_SILENT.disabled = True


class HttpFront:
    """Serves handlers on a TCP port.

    Call everything in the thread of the event loop that `start` ran in.

    Args:
        routes: methods, paths and handlers.
        host: address to listen on.
        port: port to listen on, 0 for any.
        max_body: largest body taken, in bytes, > 0; a larger one is answered with 413.
        patience: seconds of the event loop's time for the head of a request, for its body, and between requests, > 0.
        lines: what lies between the sockets and the front, with the faults of bytes; by default without any.

    Raises:
        ValueError: a limit is out of its range.

    Attributes:
        errors: exceptions that handlers raised, the first MAX_ERRORS. There should be none: they are faults of the
            fake.

    Example:
        async def hello(request: web.Request) -> web.Response:
            return web.Response(text="hello")

        front = HttpFront(routes=[web.get("/", hello)])
        await front.start()
    """

    def __init__(
        self,
        *,
        routes: Iterable[web.RouteDef],
        host: str = "127.0.0.1",
        port: int = 0,
        max_body: int = MAX_BODY,
        patience: float = PATIENCE,
        lines: Lines | None = None,
    ) -> None:
        for name, limit in (("max_body", max_body), ("patience", patience)):
            if not limit > 0:
                raise ValueError(f"{name} must be more than 0, not {limit!r}")
        self.max_body = max_body
        self.patience = patience
        self.errors: list[Exception] = []
        self._routes = list(routes)
        self._port = port
        # Who calls the gateway attempts no WebSocket. The port for anybody has the control API, too: somebody who has
        # let the service go down must be able to let it come back.
        self._ports = Ports(
            "http",
            host,
            Lines() if lines is None else lines,
            lambda client: self._protocol(),
            attempts=False,
            spared=True,
        )

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the address cannot be listened on.
        """
        # Handlers are wrapped here. As a middleware it would be found in a cache of the library, and with it the whole
        # service, long after that has ended.
        application = web.Application(client_max_size=self.max_body)
        application.add_routes(
            web.RouteDef(each.method, each.path, self._guarded(each.handler), each.kwargs) for each in self._routes
        )
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_SILENT,
            auto_decompress=False,
            keepalive_timeout=self.patience,
            lingering_time=_LINGER,
            shutdown_timeout=_GRACE,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        try:
            await self._ports.start(self._port)
        except BaseException:
            await self._runner.cleanup()
            raise

    @property
    def url(self) -> str:
        """The address of the root, `http://host:port/`.

        Raises:
            RuntimeError: the front does not listen.
        """
        return self._ports.url

    async def listen_for(self, client: str) -> str:
        """One more root, for a client of this name.

        Raises:
            ValueError: no client can have this name.
            RuntimeError: the front does not run.
            OSError: there is no port left to listen on.
        """
        return await self._ports.listen_for(client)

    async def stop(self) -> None:
        """Stops listening and cuts all connections. Waits for no client."""
        if not self._ports.open:
            return
        self._ports.shut()
        await self._ports.stop_listening()
        assert self._runner.server is not None
        transports = [connection.transport for connection in self._runner.server.connections]
        await self._runner.cleanup()
        for transport in transports:
            if transport is not None:
                transport.abort()  # closed it may be, but not while a client does not read
        await self._ports.wait_closed()
        # One turn of the loop for the connections to be told that they are lost, and one for their tasks to end.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _protocol(self) -> asyncio.BaseProtocol:
        assert self._runner.server is not None
        return self._runner.server()

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            refusal = await self._read(request)
            if refusal is not None:
                return refusal
            try:
                return await handler(request)
            except web.HTTPException:
                raise
            except Exception as error:
                # Whatever it is, it is ours: the request was read, and no handler may fail on what it says.
                if len(self.errors) < MAX_ERRORS:
                    self.errors.append(error)
                return _text(500, "the fake service failed; this is not the client's fault")

        return guarded

    async def _read(self, request: web.Request) -> web.Response | None:
        """Reads the body, which the request keeps; or the answer to one that is not taken.

        It is returned and not raised: what is raised keeps what was read of the body, until the garbage is collected.
        """
        if request.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
            return _text(415, "a body must not be packed (Content-Encoding)")
        if (request.content_length or 0) > self.max_body:
            return self._too_large()
        try:
            async with asyncio.timeout(self.patience):
                await request.read()
        except TimeoutError:
            return _text(408, f"the body was not there within {self.patience:g} s")
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        except (OSError, web.RequestPayloadError):
            return _text(400, "the body breaks off, or is in chunks that are none")
        return None

    def _too_large(self) -> web.Response:
        return _text(413, f"a body has at most {self.max_body} bytes")


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
