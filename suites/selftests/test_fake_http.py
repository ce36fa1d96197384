"""The fake service over HTTP: its gateway beside its WebSocket, in any kind of test."""

from __future__ import annotations

import asyncio
import io
import json
import random
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from test_fake import TOPIC, confirm_frame, connect_frame, id_in, token_in
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync

from tmcfakes.clock import Clock
from tmcfakes.fake import FakeTmc
from tmcfakes.http import HttpFront
from tmcfakes.service import App
from tmcfakes.simulated_http import SimulatedConnector
from tmcfakes.simulation import EPOCH_MS, simulate
from tmcfakes.websocket import WebSocketFront
from tmcspec import top
from tmcspec.client import Message
from tmcspec.client.poller import TmcPoller
from tmcspec.events import (
    Closed,
    Confirmed,
    Consumed,
    Event,
    FrameIn,
    HttpIn,
    HttpOut,
    Opened,
    Produced,
    Published,
)
from tmcspec.flow import Flow

CONSUME = "taobao.tmc.messages.consume"
CONFIRM = "taobao.tmc.messages.confirm"


def signed(tmc: FakeTmc, api: str, *, now_ms: int | None = None, **arguments: Any) -> dict[str, str]:
    """A request as an application of the first app makes it now."""
    app = tmc.apps[0]
    texts = {name: str(value) for name, value in arguments.items()}
    return top.form(
        api, texts, app_key=app.key, secret=app.secret, now_ms=tmc.conditions.epoch_ms if now_ms is None else now_ms
    )


def call(tmc: FakeTmc, api: str, **arguments: Any) -> Mapping[str, Any] | top.Failure:
    """Calls the gateway in a plain test."""
    with urllib.request.urlopen(tmc.gateway_url, data=urlencode(signed(tmc, api, **arguments)).encode()) as response:
        return top.read_answer(response.read())


def status(url: str) -> int:
    """What a GET is answered with."""
    try:
        with urllib.request.urlopen(url) as response:
            found: int = response.status
            return found
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def ids(answer: Mapping[str, Any] | top.Failure) -> list[int]:
    assert not isinstance(answer, top.Failure), answer
    return [each["id"] for each in top.read_list(answer, "messages", "tmc_message")]


def kinds(tmc: FakeTmc, *of: type[Event]) -> list[type[Event]]:
    return [type(entry.event) for entry in tmc.trace().entries if isinstance(entry.event, of)]


# In every kind of test


def test_in_a_plain_test_messages_are_consumed_over_http_and_confirmed_over_a_websocket() -> None:
    with FakeTmc() as tmc:
        message = tmc.produce(topic=TOPIC, content="{}")
        assert ids(call(tmc, CONSUME)) == [message]
        tmc.advance(361)
        with connect_sync(tmc.url, proxy=None) as client:
            client.send(connect_frame())
            token = token_in(client.recv())
            assert id_in(client.recv()) == message
            client.send(confirm_frame(token, message))
            tmc.wait_for(Confirmed)
            pushed = tmc.produce(topic=TOPIC, content="{}")
            assert id_in(client.recv()) == pushed
        call(tmc, CONFIRM, s_message_ids=pushed)
        assert tmc.do(lambda service, now: service.unsettled("test")) == 0
    assert [entry.event.via for entry in tmc.trace().entries if isinstance(entry.event, Confirmed)] == ["ws", "http"]


def test_a_poller_gets_its_messages_in_virtual_time_and_the_same_seed_leaves_the_same_trace() -> None:
    async def scenario() -> list[str]:
        handled: list[int] = []
        loop = asyncio.get_running_loop()

        async def handle(message: Message) -> None:
            handled.append(message.id)

        async with SimulatedConnector() as connector, FakeTmc(seed=7, epoch_ms=EPOCH_MS) as tmc:
            poller = TmcPoller(
                app_key="test",
                app_secret="test-secret",
                url=tmc.gateway_url,
                handler=handle,
                rng=random.Random(1),
                wall_clock=lambda: EPOCH_MS / 1000 + loop.time(),
                connector=connector,
            )
            async with poller:
                produced = [tmc.produce(topic=TOPIC, content=str(number)) for number in range(150)]
                await tmc.wait_for_async(Confirmed, count=150, timeout=60)
                await asyncio.sleep(60)
        assert sorted(handled) == sorted(produced)
        assert kinds(tmc, Consumed).count(Consumed) == 150
        return [repr(entry) for entry in tmc.trace(world="simulated").entries]

    assert simulate(scenario) == simulate(scenario)


def test_an_asyncio_test_calls_the_gateway_in_its_own_loop() -> None:
    async def main() -> None:
        async with FakeTmc() as tmc, aiohttp.ClientSession() as session:
            message = tmc.produce(topic=TOPIC, content="{}")
            async with session.get(tmc.gateway_url, params=signed(tmc, CONSUME)) as response:
                assert ids(top.read_answer(await response.read())) == [message]
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_the_environments_have_addresses_of_their_own() -> None:
    with FakeTmc() as tmc:
        early = tmc.produce(topic=TOPIC, content="{}", environment="pre-release")
        assert ids(call(tmc, CONSUME)) == []
        url = tmc.http_url + "pre/router/rest"
        with urllib.request.urlopen(url, data=urlencode(signed(tmc, CONSUME)).encode()) as response:
            assert ids(top.read_answer(response.read())) == [early]


def test_what_is_not_the_gateway_is_not_found() -> None:
    with FakeTmc() as tmc:
        for path in ("", "router", "router/rest/", "premature/router/rest"):
            assert status(tmc.http_url + path) == 404
        assert status(tmc.gateway_url) == 200


# Time


def test_a_client_s_clock_does_not_move_with_the_service_s() -> None:
    for clock in (None, Clock.manual()):
        with FakeTmc(clock=clock) as tmc:
            tmc.advance(86_400)
            assert ids(call(tmc, CONSUME)) == []
            tomorrow = tmc.conditions.epoch_ms + 86_400_000
            answer = call(tmc, CONSUME, now_ms=tomorrow)
            assert isinstance(answer, top.Failure)
            assert answer.code == 31


def test_a_client_s_clock_runs_with_the_event_loop() -> None:
    async def scenario() -> list[int]:
        await asyncio.sleep(5000)
        codes = []
        async with (
            FakeTmc(epoch_ms=EPOCH_MS, clock=Clock.manual()) as tmc,
            SimulatedConnector() as connector,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            await asyncio.sleep(3600)
            for seconds in (2999, 3000, 4200, 4201):
                request = signed(tmc, CONSUME, now_ms=EPOCH_MS + seconds * 1000)
                async with session.post(tmc.gateway_url, data=request) as response:
                    answer = top.read_answer(await response.read())
                codes.append(answer.code if isinstance(answer, top.Failure) else 0)
        return codes

    assert simulate(scenario) == [31, 0, 0, 31]


# What it is made with


# S33: API调用流量有限
def test_calls_may_be_limited() -> None:
    async def scenario() -> list[int]:
        codes = []
        async with (
            FakeTmc(epoch_ms=EPOCH_MS, calls_per_second=2) as tmc,
            SimulatedConnector() as connector,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            for pause in (0.0, 0.0, 0.5, 0.5):
                await asyncio.sleep(pause)
                async with session.post(tmc.gateway_url, data=signed(tmc, CONSUME)) as response:
                    answer = top.read_answer(await response.read())
                codes.append(answer.code if isinstance(answer, top.Failure) else 0)
        return codes

    assert simulate(scenario) == [0, 0, 7, 0]


def test_a_call_limit_that_is_none_is_an_error_at_once() -> None:
    with pytest.raises(ValueError, match="calls_per_second must be 1 or more"):
        FakeTmc(calls_per_second=0)


def test_flow_server_address_and_topics_to_taobao_are_the_service_s() -> None:
    with FakeTmc(flow=Flow(value=0), server_ip="11.8.4.163", topics_to_taobao=["known"]) as tmc:
        with connect_sync(tmc.url, proxy=None) as client:
            client.send(connect_frame())
            client.recv()
            message = tmc.produce(topic=TOPIC, content="{}")  # a flow value of 0 keeps it from being pushed
            assert ids(call(tmc, CONSUME)) == [message]
        (handed,) = tmc.do(lambda service, now: service.message(message)).handed
        assert handed.ip == "127.0.0.1:null:11.8.4.163"
        assert not isinstance(call(tmc, "taobao.tmc.message.produce", topic="known", content="c"), top.Failure)
        assert isinstance(call(tmc, "taobao.tmc.message.produce", topic="unknown", content="c"), top.Failure)
        assert kinds(tmc, Published) == [Published] * 2


def test_the_address_of_the_server_is_in_the_tracks_of_pushed_messages_too() -> None:
    with FakeTmc(server_ip="11.8.4.163") as tmc, connect_sync(tmc.url, proxy=None) as client:
        client.send(connect_frame())
        client.recv()
        message = tmc.produce(topic=TOPIC, content="{}")
        (handed,) = tmc.do(lambda service, now: service.message(message)).handed
        assert handed.ip == "127.0.0.1:null:11.8.4.163"


def test_a_broadcast_goes_to_every_app_that_may_know() -> None:
    apps = [App(key=key, secret=f"{key}-secret") for key in ("one", "two", "three")]

    def permit(service: Any, now: float) -> None:
        for app in apps[:2]:
            service.console(now=now).authorise(app.key, "shop")
            service.console(now=now).permit(app.key, "shop")

    with FakeTmc(apps=apps) as tmc:
        tmc.do(permit)
        found = tmc.broadcast(topic=TOPIC, content="{}", nick="shop", data_id=7)
        assert found.keys() == {"one", "two"}
        assert ids(call(tmc, CONSUME)) == [found["one"]]


def test_more_routes_share_the_port() -> None:
    def routes(tmc: FakeTmc) -> list[web.RouteDef]:
        async def backlog(request: web.Request) -> web.Response:
            return web.json_response(tmc.do(lambda service, now: service.unsettled("test")))

        return [web.get("/backlog", backlog)]

    with FakeTmc(routes=routes) as tmc:
        tmc.produce(topic=TOPIC, content="{}")
        with urllib.request.urlopen(tmc.http_url + "backlog") as response:
            assert json.load(response) == 1


def test_a_service_without_end_forgets_what_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tmcfakes.fake.KEPT", 1000)
    with FakeTmc(endless=True) as tmc:
        for _ in range(1300):
            tmc.do(lambda service, now: service.produce(app_key="test", topic="t", content=None, now=now))
        assert len(ids(call(tmc, CONSUME))) == 100
        assert 1000 <= len(tmc.trace().entries) <= 1250
        assert tmc.trace().entries[-1].event == HttpOut(request=1)
        tmc.reset()
        for _ in range(1300):
            tmc.produce(topic=TOPIC, content=None)
        assert 1000 <= len(tmc.trace().entries) <= 1250


# Beginning anew


def test_after_a_reset_all_is_as_at_the_start_but_for_the_clock() -> None:
    with FakeTmc(clock=Clock.manual()) as tmc, connect_sync(tmc.url, proxy=None) as client:
        client.send(connect_frame())
        client.recv()
        tmc.do(lambda service, now: service.console(now=now).create_group("test", "shop"))
        tmc.advance(5)
        first = tmc.produce(topic=TOPIC, content="{}")
        old = tmc.recorder
        tmc.reset()
        assert old.entries[-1].event == Closed(connection="c1", by="service", code=1001, reason="the service was reset")
        assert (tmc.trace().entries, tmc.now()) == ((), 5.0)
        assert ids(call(tmc, CONSUME)) == []
        assert isinstance(call(tmc, CONSUME, group_name="shop"), top.Failure)
        assert tmc.produce(topic=TOPIC, content="{}") > first  # no id comes twice
        with connect_sync(tmc.url, proxy=None) as again:
            again.send(connect_frame())
            token_in(again.recv())
        assert [entry.seq for entry in tmc.trace().entries[:3]] == [1, 2, 3]
    assert kinds(tmc, HttpIn, Opened) == [HttpIn, HttpIn, Opened]


def test_what_a_client_sends_after_a_reset_on_a_connection_of_before_is_nothing() -> None:
    async def main() -> None:
        async with FakeTmc() as tmc, connect(tmc.url, proxy=None) as client:
            await client.send(connect_frame())
            await client.recv()
            sending = [asyncio.create_task(client.send(connect_frame())) for _ in range(3)]
            tmc.reset()
            await asyncio.gather(*sending, return_exceptions=True)
            await client.wait_closed()
            assert client.close_code == 1001
        assert kinds(tmc, FrameIn, Closed) == []

    asyncio.run(main())


def test_who_waits_and_who_listens_goes_on_after_a_reset() -> None:
    with FakeTmc() as tmc:
        told: list[str] = []
        tmc.recorder.listeners.append(lambda entry: told.append(entry.event.word))
        tmc.resets.append(lambda: told.append("reset"))
        waiting = threading.Thread(target=lambda: told.append(f"seen {tmc.wait_for(Produced).seq}"))
        waiting.start()
        while len(tmc.recorder.listeners) < 2:
            pass
        tmc.reset()
        tmc.produce(topic=TOPIC, content="{}")
        waiting.join()
        assert told == ["reset", "produced", "seen 1"]
        assert len(tmc.recorder.listeners) == 1


# Start and stop


def test_it_has_addresses_only_while_it_runs() -> None:
    tmc = FakeTmc()
    with tmc:
        assert tmc.gateway_url == tmc.http_url + "router/rest"
        assert tmc.http_url.startswith("http://127.0.0.1:")
    for use in (lambda: tmc.http_url, lambda: tmc.gateway_url, tmc.reset):
        with pytest.raises(RuntimeError, match="inside `with FakeTmc"):
            use()


def test_an_http_port_that_is_taken_is_an_error_and_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    with FakeTmc() as tmc:
        port = int(tmc.http_url[:-1].rsplit(":", 1)[1])
        clock = Clock.manual()
        with pytest.raises(OSError, match="in use"), FakeTmc(http_port=port, clock=clock):
            pass
        assert clock.listeners == []
    assert threading.active_count() == threads


@pytest.mark.parametrize("broken", [HttpFront, WebSocketFront])
def test_when_one_front_fails_to_stop_the_other_one_stops(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = broken.stop

    async def fails(front: object) -> None:
        await stop(front)
        raise LookupError("it does not stop")

    async def main() -> tuple[FakeTmc, list[str]]:
        tmc = FakeTmc()
        monkeypatch.setattr(broken, "stop", fails)
        with pytest.raises(LookupError, match="it does not stop"):
            async with tmc:
                addresses = [tmc.url, tmc.http_url]
        return tmc, addresses

    tmc, addresses = asyncio.run(main())
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(address[:-1].rsplit(":", 1)[1])))
    with pytest.raises(RuntimeError, match="inside `with FakeTmc"):
        tmc.now()


def test_a_fault_of_a_route_fails_the_test() -> None:
    def routes(tmc: FakeTmc) -> Sequence[web.RouteDef]:
        async def fails(request: web.Request) -> web.Response:
            raise LookupError("the route is broken")

        return [web.get("/fails", fails)]

    def use() -> None:
        with FakeTmc(routes=routes) as tmc:
            assert status(tmc.http_url + "fails") == 500

    with pytest.raises(ExceptionGroup, match="the fake service itself failed") as caught:
        use()
    assert [str(error) for error in caught.value.exceptions] == ["the route is broken"]


# Hostile clients


@pytest.mark.parametrize(
    "body",
    [
        "&".join(f"p{number}=1" for number in range(100_000)).encode(),
        b"&" * 10**6,
        b"a%41" * 10**5,
        b"a=" + b"\xff\0" * 10**5,
        b"messages=" + b"[" * 10**5 + b"&method=taobao.tmc.messages.produce",
        b"x" * (16 * 2**20 + 1),
    ],
)
def test_whatever_somebody_posts_others_are_served_as_before(body: bytes) -> None:
    async def main() -> None:
        async with (
            FakeTmc() as tmc,
            connect(tmc.url, proxy=None) as client,
            aiohttp.ClientSession() as session,
        ):
            await client.send(connect_frame())
            token = token_in(await client.recv())
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            hostile = [asyncio.create_task(answered(session, tmc.gateway_url, body, headers)) for _ in range(5)]
            for number in range(20):
                message = tmc.produce(topic=TOPIC, content=str(number))
                assert id_in(await client.recv()) == message
                await client.send(confirm_frame(token, message))
            await tmc.wait_for_async(Confirmed, count=20)
            assert set(await asyncio.gather(*hostile)) <= {200, 400, 413}
            await client.close()
            await tmc.wait_for_async(Closed)

    asyncio.run(main())


async def answered(session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    async with session.post(url, data=io.BytesIO(body), headers=headers) as response:
        return response.status


def test_a_message_that_is_confirmed_in_a_request_that_never_ends_stays_unconfirmed() -> None:
    async def scenario() -> int:
        async with FakeTmc(epoch_ms=EPOCH_MS) as tmc:
            message = tmc.produce(topic=TOPIC, content="{}", id=7)
            body = urlencode(signed(tmc, CONFIRM, s_message_ids=message)).encode()
            host, port = tmc.http_url[7:-1].rsplit(":", 1)
            reader, writer = await asyncio.open_connection(host, int(port))
            head = b"POST /router/rest HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            writer.write(head + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body)
            assert (await reader.readline()).endswith(b"408 Request Timeout\r\n")
            writer.close()
            assert kinds(tmc, HttpIn) == []
            return tmc.do(lambda service, now: service.unsettled("test"))

    assert simulate(scenario) == 1
