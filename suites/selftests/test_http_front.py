"""The HTTP front: what no client can do to it, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc
import weakref
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web

from tmcfakes.http import MAX_ERRORS, Handler, HttpFront
from tmcfakes.simulated_http import SimulatedConnector
from tmcfakes.simulation import simulate

T = TypeVar("T")
GET = b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def size(request: web.Request) -> web.Response:
    """Answers with the size of the body, and in one step, as handlers here do."""
    reading = request.read()
    try:
        reading.send(None)
    except StopIteration as read:
        return web.Response(text=str(len(read.value)))
    raise AssertionError("the body was not there yet")


def front(handler: Handler = size, **options: Any) -> HttpFront:
    return HttpFront(routes=[web.get("/", handler, allow_head=False), web.post("/", handler)], **options)


class Served:
    """A front that listens, and bare connections to it."""

    def __init__(self, handler: Handler = size, **options: Any) -> None:
        self.front = front(handler, **options)

    async def __aenter__(self) -> Served:
        await self.front.start()
        self.host, self.port = self.front.url[7:-1].rsplit(":", 1)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.front.stop()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, int(self.port))

    async def say(self, data: bytes) -> tuple[bytes, float]:
        """Sends bytes, and returns what is answered until the front hangs up, and after how many seconds it does."""
        reader, writer = await self.connect()
        began = asyncio.get_running_loop().time()
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return answer, asyncio.get_running_loop().time() - began


def in_both_worlds(main: Callable[[], Coroutine[Any, Any, T]]) -> list[T]:
    """Runs `main` in virtual time with sockets in memory, and in real time over loopback."""
    return [simulate(main), asyncio.run(main())]


# Start and stop


def test_it_serves_what_it_is_given_and_its_url_says_where() -> None:
    async def main() -> tuple[int, str]:
        async with (
            Served() as served,
            aiohttp.ClientSession() as session,
            session.post(served.front.url, data=b"12345") as response,
        ):
            return response.status, await response.text()

    assert asyncio.run(main()) == (200, "5")


def test_the_library_s_client_talks_to_it_in_virtual_time() -> None:
    async def main() -> tuple[int, str]:
        async with (
            Served(host="gw", port=80),
            SimulatedConnector() as connector,
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://gw:80/", data=b"12345") as response,
        ):
            return response.status, await response.text()

    assert simulate(main) == (200, "5")


def test_it_has_an_address_only_while_it_listens() -> None:
    async def main() -> None:
        served = front()
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = served.url
        await served.start()
        assert served.url.startswith("http://127.0.0.1:")
        await served.stop()
        await served.stop()
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = served.url

    asyncio.run(main())


def test_an_ipv6_address_is_written_in_brackets() -> None:
    async def main() -> str:
        async with Served(host="::1") as served:
            return served.front.url

    assert asyncio.run(main()).startswith("http://[::1]:")


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with Served() as served:
            with pytest.raises(OSError, match="in use"):
                await front(port=int(served.port)).start()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("sent", [b"", b"POST", POST + b"\r\n", POST + b"Content-Length: 9\r\n\r\n1", POST * 50])
def test_it_stops_at_once_whatever_clients_are_at(sent: bytes) -> None:
    async def main() -> float:
        served = Served()
        async with served:
            reader, writer = await served.connect()
            writer.write(sent)
            await served.say(GET)  # by then it came
            began = asyncio.get_running_loop().time()
        took = asyncio.get_running_loop().time() - began
        await reader.read()
        writer.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert served.front.errors == []
        return took

    virtual, _ = in_both_worlds(main)
    assert virtual < 0.01


def test_it_stops_while_a_client_does_not_read_its_answer() -> None:
    answer = b"x" * 32 * 2**20

    async def much(request: web.Request) -> web.Response:
        return web.Response(body=answer)

    async def main() -> int:
        async with Served(much) as served:
            reader, writer = await served.connect()
            writer.write(GET)
            await reader.readexactly(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        read = 0
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(2**20):
                read += len(data)
        writer.close()
        return read

    assert asyncio.run(main()) < len(answer)


def test_clients_that_are_about_to_be_accepted_do_not_hold_it_up() -> None:
    async def main() -> None:
        async with Served() as served:
            connecting = [asyncio.ensure_future(served.connect()) for _ in range(20)]
            await asyncio.sleep(0)
        for connection in await asyncio.gather(*connecting, return_exceptions=True):
            if not isinstance(connection, BaseException):
                connection[1].close()

    asyncio.run(main())


def test_nothing_holds_on_to_a_front_that_is_gone() -> None:
    class Service:
        async def serve(self, request: web.Request) -> web.Response:
            return web.Response()

    async def main() -> weakref.ref[Service]:
        service = Service()
        async with Served(service.serve) as served:
            await served.say(GET)
        return weakref.ref(service)

    gone = asyncio.run(main())
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("limit", ["max_body", "patience"])
def test_a_limit_is_more_than_0(limit: str) -> None:
    limits: dict[str, Any] = {limit: 0}
    with pytest.raises(ValueError, match=f"{limit} must be more than 0, not 0"):
        front(**limits)


# What clients may send


def answered(data: bytes, **options: Any) -> tuple[str, float]:
    """The first line of the answer, and after how many seconds of virtual time the front hangs up."""

    async def main() -> tuple[bytes, float]:
        async with Served(**options) as served:
            answer, seconds = await served.say(data)
            # Others are served as before.
            assert (await served.say(GET))[0].endswith(b"\r\n\r\n0")
            assert served.front.errors == []
        return answer.partition(b"\r\n")[0], seconds

    line, seconds = simulate(main)
    return line.decode(), seconds


def test_other_methods_and_paths_are_refused() -> None:
    assert answered(b"HEAD / HTTP/1.0\r\nHost: x\r\n\r\n")[0] == "HTTP/1.0 405 Method Not Allowed"
    assert answered(b"PUT / HTTP/1.0\r\nHost: x\r\n\r\n")[0] == "HTTP/1.0 405 Method Not Allowed"
    assert answered(b"GET /other HTTP/1.0\r\nHost: x\r\n\r\n")[0] == "HTTP/1.0 404 Not Found"


def test_a_body_may_be_as_large_as_the_limit_and_no_larger() -> None:
    body = b"x" * 1000
    for announced in (
        b"Content-Length: 1000\r\n\r\n" + body,
        b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + body + b"\r\n0\r\n\r\n",
    ):
        request = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + announced
        assert answered(request, max_body=1000)[0] == "HTTP/1.1 200 OK"
        assert answered(request, max_body=999)[0] == "HTTP/1.1 413 Request Entity Too Large"


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes() -> None:
    line, _ = answered(POST + b"Content-Length: 1000000000000\r\n\r\n")
    assert line == "HTTP/1.1 413 Request Entity Too Large"


def test_a_packed_body_is_not_unpacked() -> None:
    bomb = zlib.compress(b"\0" * 2**24, 9)
    for encoding in (b"gzip", b"deflate", b"GZIP", b"br", b"identity, gzip"):
        head = POST + b"Content-Encoding: " + encoding + b"\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        assert answered(head + bomb)[0] == "HTTP/1.1 415 Unsupported Media Type"
    plain = POST + b"Content-Encoding: identity\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"
    assert answered(plain)[0] == "HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\0\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_a_bad_request(request_: bytes) -> None:
    assert "400 Bad Request" in answered(request_)[0]


def test_a_head_that_does_not_end_is_waited_for_only_so_long() -> None:
    for head in (b"GET / HTTP/1.1\r\nHost:", b""):
        line, seconds = answered(head, patience=30.0)
        assert (line, round(seconds, 3)) == ("", 30.0)


def test_a_head_that_comes_drop_by_drop_does_not_win_time() -> None:
    async def main() -> float:
        async with Served(patience=30.0) as served:
            reader, writer = await served.connect()
            end = asyncio.ensure_future(reader.read())
            for drop in b"GET / HTTP/1.1\r\nX: " + b"a" * 100:
                writer.write(bytes([drop]))
                await asyncio.wait([end], timeout=1.0)
                if end.done():
                    break
            writer.close()
            return asyncio.get_running_loop().time()

    assert simulate(main) == pytest.approx(30.0)


def test_a_body_that_comes_drop_by_drop_is_waited_for_only_so_long() -> None:
    async def main() -> tuple[bytes, float]:
        async with Served(patience=30.0) as served:
            reader, writer = await served.connect()
            writer.write(POST + b"Content-Length: 1000\r\n\r\n")
            status = asyncio.ensure_future(reader.readline())
            while not status.done():
                writer.write(b"x")
                await asyncio.wait([status], timeout=1.0)
            writer.close()
            return status.result(), asyncio.get_running_loop().time()

    line, seconds = simulate(main)
    assert (line, round(seconds, 3)) == (b"HTTP/1.1 408 Request Timeout\r\n", 30.0)


def test_an_idle_connection_is_kept_for_a_while() -> None:
    async def main() -> float:
        async with Served(patience=30.0) as served:
            reader, writer = await served.connect()
            for _ in range(3):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n0")
                await asyncio.sleep(20.0)
            assert await reader.read() == b""
            writer.close()
            return asyncio.get_running_loop().time()

    assert simulate(main) == pytest.approx(70.0)


def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_error_of_ours() -> None:
    async def main() -> list[Exception]:
        async with Served() as served:
            for sent in (
                b"",
                b"GET",
                POST + b"Content-Length: 9\r\n\r\n1",
                POST + b"Transfer-Encoding: chunked\r\n\r\n1",
            ):
                _, writer = await served.connect()
                writer.write(sent)
                await served.say(GET)  # by then it came
                writer.transport.abort()
            await served.say(GET)
            return served.front.errors

    assert in_both_worlds(main) == [[], []]


def test_requests_that_come_in_a_row_are_all_answered() -> None:
    async def main() -> bytes:
        async with Served() as served:
            answer, _ = await served.say(
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100 + b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"
            )
            return answer

    assert [answer.count(b"200 OK") for answer in in_both_worlds(main)] == [101, 101]


def test_however_much_clients_send_memory_does_not_grow_with_it() -> None:
    """Forty times what one request may have, where what is refused is not kept."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b"x" * 2**16

    async def main() -> int:
        async with Served(max_body=2**20) as served, aiohttp.ClientSession() as session:
            tracemalloc.start()
            try:
                for _ in range(40):
                    async with session.post(served.front.url, data=chunks()) as response:
                        assert response.status == 413
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert asyncio.run(main()) < 8 * 2**20


# Errors


def test_a_handler_that_fails_is_answered_for_without_telling_where_and_is_kept() -> None:
    async def fails(request: web.Request) -> web.Response:
        raise LookupError("the cause")

    async def main() -> tuple[bytes, list[Exception]]:
        async with Served(fails) as served:
            for _ in range(MAX_ERRORS + 5):
                answer, _ = await served.say(b"GET / HTTP/1.0\r\nAccept: text/html\r\n\r\n")
            return answer, served.front.errors

    answer, errors = simulate(main)
    assert answer.startswith(b"HTTP/1.0 500 Internal Server Error\r\n")
    assert b"cause" not in answer
    assert b"File" not in answer
    assert [str(error) for error in errors] == ["the cause"] * MAX_ERRORS


def test_a_handler_may_refuse_in_the_library_s_way() -> None:
    async def refuses(request: web.Request) -> web.Response:
        raise web.HTTPForbidden

    async def main() -> tuple[bytes, list[Exception]]:
        async with Served(refuses) as served:
            return (await served.say(GET))[0], served.front.errors

    answer, errors = simulate(main)
    assert answer.startswith(b"HTTP/1.0 403 Forbidden")
    assert errors == []


def test_nothing_is_logged_of_what_clients_send(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Served() as served:
            await served.say(b"GET /?sign=ABC\0 HTTP/1.1\r\n\r\n")
            await served.say(b"GET /?sign=ABC HTTP/1.0\r\n\r\n")

    simulate(main)
    assert caplog.records == []
