"""The control API as HTTP: what is there and what is not, who may call, and what hostile callers are answered."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from control_by_hand import Answer, Caller, called

from tmcfakes import control
from tmcfakes.fake import FakeTmc

CREATED = {"topic": "t", "content": "{}"}
SERVE_MD = Path(__file__).parents[2] / "docs" / "serve.md"


# What is there


@pytest.mark.parametrize("path", ["/_tmc/", "/_tmc"])
def test_the_root_lists_the_calls(path: str) -> None:
    async def scenario(call: Caller) -> None:
        answer = await call.ask("GET", path)
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert {"GET /_tmc/", "POST /_tmc/messages", "GET /_tmc/messages/{id}"} <= set(answer.json["endpoints"])

    called(scenario)


@pytest.mark.parametrize(
    "path", ["nope", "messages/", "messages/1/2", "clock/", "Clock", "users", "flow/", "/clock", "users/"]
)
def test_what_is_not_there_is_answered_with_what_is(path: str) -> None:
    async def scenario(call: Caller) -> None:
        error = await call.refused("GET", path, status=405 if path == "users" else 404)
        assert "takes POST" in error if path == "users" else "there are: GET /_tmc/, POST /_tmc/messages" in error

    called(scenario)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "messages", "POST"),
        ("HEAD", "clock", "GET"),
        ("OPTIONS", "reset", "POST"),
        ("PATCH", "faults", "POST, GET, DELETE"),
        ("POST", "messages/1", "GET"),
        ("DELETE", "", "GET"),
        ("GET", "flow", "PUT"),
    ],
)
def test_a_wrong_method_is_answered_with_the_right_ones(method: str, path: str, allowed: str) -> None:
    async def scenario(call: Caller) -> None:
        answer = await call.ask(method, f"/_tmc/{path}")
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        if method != "HEAD":
            assert answer.json == {"error": f"/_tmc/{path} takes {allowed}, not {method}"}

    called(scenario)


def test_a_path_that_is_no_utf_8_is_refused() -> None:
    with FakeTmc(http_port=0, routes=control.routes) as tmc:
        answer = raw(tmc, b"DELETE /_tmc/users/%FF HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"400 Bad Request" in answer
    assert b"the path is not UTF-8" in answer


# Who may call


def test_a_web_page_may_not_call() -> None:
    async def scenario(call: Caller) -> None:
        for path in ("/_tmc/reset", "/_tmc/nope", "/metrics"):
            answer = await call.ask("POST", path, Origin="https://evil.example")
            assert (answer.status, answer.json) == (
                403,
                {"error": 'web pages from "https://evil.example" may not call the control API'},
            )
        assert (await call.ask("GET", "/_tmc/clock", Host="evil.example")).status == 403

    called(scenario)


def test_with_a_token_who_brings_it_may_call() -> None:
    async def scenario(call: Caller) -> None:
        for path in ("/_tmc/stats", "/metrics"):
            answer = await call.ask("GET", path)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert (await call.ask("GET", path, Authorization="Bearer s3cret")).status == 200

    called(scenario, routes=functools.partial(control.routes, token="s3cret"))


def test_a_token_of_odd_bytes_is_a_wrong_one() -> None:
    with FakeTmc(http_port=0, routes=functools.partial(control.routes, token="s3cret")) as tmc:
        head = b"GET /_tmc/clock HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        assert b"401 Unauthorized" in raw(tmc, head + b"Authorization: Bearer \xff\xfe\r\n\r\n")


def test_the_gateway_is_open_where_the_control_api_is_off() -> None:
    with FakeTmc(http_port=0, host="0.0.0.0", routes=control.routes) as tmc:
        head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert b"403 Forbidden" in raw(tmc, b"GET /_tmc/clock" + head)
        assert b"the control API is off" in raw(tmc, b"GET /metrics" + head)
        assert b"200 OK" in raw(tmc, b"GET /router/rest" + head)


# Hostile callers


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"topic": "t", "content": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
        b'{"topic": "t", "content": {"a": NaN}}',
        b'{"topic": "t", "content": "\\ud800"}',
        b'{"topic": "t", "topic": "u", "content": "x"}',
        b'{"topic": "t", "content": 1e999}',
        b'{"__class__": "x"}',
        b"topic=t&content=x",
    ],
    ids=lambda body: body[:24],
)
def test_a_hostile_body_is_refused_in_json_without_a_stack_trace(body: bytes) -> None:
    async def scenario(call: Caller) -> None:
        answer = await call.ask("POST", "/_tmc/messages", body)
        check_refusal(answer, 400)
        assert call.tmc.recorder.entries == []

    called(scenario)


def test_a_body_has_a_limit() -> None:
    head = b"POST /_tmc/messages HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    size = 4 * 2**20 + 1
    with FakeTmc(http_port=0, routes=control.routes) as tmc:
        answer = raw(tmc, head % size + b" " * size)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the body is longer than 4194304 bytes" in answer


def check_refusal(answer: Answer, status: int) -> None:
    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert len(answer.text) < 1000
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text


def test_an_error_of_our_own_shows_nothing_and_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(service: Any, now: float) -> Any:
        raise LookupError("secret")

    monkeypatch.setattr("tmcfakes.control_calls.rows", broken)

    async def scenario(call: Caller) -> None:
        answer = await call.ask("GET", "/_tmc/stats")
        assert answer.status == 500
        assert "secret" not in answer.text

    with pytest.raises(ExceptionGroup) as failed:
        called(scenario)
    assert failed.group_contains(LookupError)


def test_somebody_who_leaves_while_the_trace_is_told_disturbs_nobody() -> None:
    with FakeTmc(http_port=0, routes=control.routes) as tmc:
        for _ in range(20_000):
            tmc.do(lambda service, now: service.produce(app_key="test", topic="t", content="x" * 500, now=now))
        with socket.create_connection(address(tmc)) as caller:
            caller.sendall(b"GET /_tmc/trace HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.1 200 OK")
        # A call that is answered after that; an error would come out at the end.
        assert b'"now"' in raw(tmc, b"GET /_tmc/clock HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")


def test_somebody_who_does_not_read_the_trace_holds_up_nobody_and_is_cut_off() -> None:
    async def scenario(call: Caller) -> None:
        await call("POST", "messages", {"topic": "t", "content": "x" * 500, "count": 10_000})
        reader, writer = await asyncio.open_connection(*address(call.tmc))
        writer.write(b"GET /_tmc/trace HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await call("GET", "clock")
        await asyncio.sleep(61)
        got = await reader.read()
        assert got.startswith(b"HTTP/1.1 200 OK")
        assert b'"seq":10000,' not in got
        writer.close()

    called(scenario)


def address(tmc: FakeTmc) -> tuple[str, int]:
    found = re.fullmatch(r"http://(.*):(\d+)/", tmc.http_url)
    assert found is not None
    return "127.0.0.1", int(found[2])


def raw(tmc: FakeTmc, request: bytes) -> bytes:
    """What comes back for these bytes."""
    with socket.create_connection(address(tmc), timeout=30) as caller:
        caller.sendall(request)
        answer = b""
        while chunk := caller.recv(65536):
            answer += chunk
    return answer


# Documentation


def test_the_documentation_has_every_call() -> None:
    text = SERVE_MD.read_text(encoding="utf-8")
    for endpoint in control.ENDPOINTS:
        assert f"`{endpoint.method} /_tmc/{endpoint.path}`" in text
        for member in endpoint.members or ():
            assert f"`{member}`" in text
