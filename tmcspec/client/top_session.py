"""Posts to the HTTP gateway: aiohttp's client, with the habits that TMC needs.

- Everything goes into the body, as a form: an address gets into logs and errors, and a sign must not (observed: the
  official Java client puts the sign into the address).
- No proxy, no redirect, no cookies, no `.netrc`: a call goes where the application said, or nowhere.
- Bounded: `max_size` bytes of answer, before and after unpacking, in `timeout` seconds. The library would unpack
  while it reads, so it is told to leave that to us: a thousandth of `max_size` in gzip can be all of it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

import aiohttp

from tmcspec.client.core import SDK
from tmcspec.client.errors import ConnectFailed
from tmcspec.frame_values import show

_HEADERS = {
    "User-Agent": SDK,
    "Accept-Encoding": "gzip",
    "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
}

# 16 tells zlib to expect the header of gzip.
_GZIP = 16 + zlib.MAX_WBITS

_CHUNK = 64 * 1024


class TopSession:
    """One address of the gateway, while it is needed: `async with TopSession(…) as session`.

    Args:
        url: of the gateway.
        timeout: seconds for one exchange, from the first byte of the connection to the last of the answer.
        max_size: bytes of one answer.
        connector: what connects; None for TCP. One that was given stays open, and is the giver's to close.
    """

    def __init__(
        self, *, url: str, timeout: float, max_size: int, connector: aiohttp.BaseConnector | None = None
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._max_size = max_size
        self._connector = connector
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=self._connector is None,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            # Ours is for the whole exchange, and exact; the library rounds up to seconds.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._http is not None
        await self._http.close()

    async def post(self, form: Mapping[str, str]) -> bytes:
        """Posts a form, and returns what was answered, unpacked.

        Raises:
            ConnectFailed: no answer, none in time, one too long, not HTTP 200, or one that cannot be unpacked.
        """
        try:
            async with asyncio.timeout(self._timeout):
                body, encoding = await self._exchange(urlencode(form).encode())
        except ConnectFailed:
            raise  # it is an OSError, too
        except TimeoutError:
            raise ConnectFailed(f"{self._url} gave no answer within {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Some of these texts quote what the other end sent.
            raise ConnectFailed(f"{self._url} does not answer: {type(error).__name__} {show(str(error))}") from error
        return self._unpacked(body, encoding)

    async def _exchange(self, body: bytes) -> tuple[bytes, str]:
        """Returns the answer as it came, and its encoding."""
        assert self._http is not None
        async with self._http.post(self._url, data=body, allow_redirects=False) as response:
            if response.status != 200:
                raise self._refused(f"HTTP {response.status}")
            answer = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                answer += chunk
                if len(answer) > self._max_size:
                    raise self._too_long()
            return bytes(answer), response.headers.get("Content-Encoding", "").strip().lower()

    def _unpacked(self, body: bytes, encoding: str) -> bytes:
        if encoding in ("", "identity"):
            return body
        if encoding != "gzip":
            raise self._refused(f"the encoding {show(encoding)}, which was not asked for")
        unpacker = zlib.decompressobj(_GZIP)
        try:
            unpacked = unpacker.decompress(body, self._max_size + 1)
        except zlib.error as error:
            raise self._refused(f"what is no gzip: {error}") from None
        if len(unpacked) > self._max_size:
            raise self._too_long()
        if not unpacker.eof:
            raise self._refused("gzip that breaks off")
        return unpacked

    def _refused(self, what: str) -> ConnectFailed:
        return ConnectFailed(f"{self._url} answers with {what}")

    def _too_long(self) -> ConnectFailed:
        return self._refused(f"more than {self._max_size} bytes")


def check_gateway_url(url: str) -> str:
    """Gives back a usable address. Raises ValueError."""
    example = "expected is one as http://gw.api.taobao.com/router/rest"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        (parts.hostname or "").encode("idna")  # what the resolver will do with it
    except ValueError:  # a port that is none, brackets that do not match, a name that is none
        usable = False
    if not usable:
        raise ValueError(f"{show(url)} is not an address of the gateway; {example}")
    if parts.username is not None or parts.query or parts.fragment:
        # It would end up in logs.
        raise ValueError(f"the url must contain no user name, password, query or fragment; {example}")
    return url
