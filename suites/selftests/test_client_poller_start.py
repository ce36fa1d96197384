"""The poller starts and stops: what its requests look like, what is raised when there is no start, how it leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from polling_by_hand import confirmed, consumed
from scripted_gateway import Answer, Gateway, body, failure, hang, messages, reset, status
from scripted_service import Gate, now, simulate, simulated

from tmcspec import top
from tmcspec.client import ConnectFailed, ConnectRefused, FailMessage, Message, Observation, Stats, TmcError
from tmcspec.client.core import SDK
from tmcspec.client.poller import TmcPoller


@simulated
async def test_a_request_is_a_form_without_anything_in_its_address() -> None:
    async with Gateway(messages(), messages()) as gateway, gateway.poller():
        await gateway.until(lambda: len(gateway.consumes) == 2)
        for request in gateway.requests:
            assert request.method == "POST"
            assert str(request.rel_url) == "/router/rest"
            headers = dict(request.headers)
            assert int(headers.pop("Content-Length")) > 100
            assert headers == {
                "Host": "gw",
                "Accept": "*/*",
                "User-Agent": SDK,
                "Accept-Encoding": "gzip",
                "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
            }


@simulated
async def test_cookies_are_not_kept() -> None:
    crumbs = body(consumed(), headers={"Set-Cookie": "a=b"})
    async with Gateway(crumbs) as gateway, gateway.poller():
        await gateway.until(lambda: len(gateway.consumes) == 3)
        assert not any("Cookie" in request.headers for request in gateway.requests)


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://proxy:3128")

    async def scenario() -> None:
        async with Gateway() as gateway, gateway.poller() as poller:
            assert poller.online

    simulate(scenario())


@pytest.mark.parametrize(
    ("refusal", "code", "text"),
    [
        (top.failure(25), 25, "code 25 'Invalid signature'"),
        (top.NOT_SUBSCRIBED, 15, "code 15 'Remote service error' .*isv.tmc-switch-off"),
        (top.call_limited(1), 7, "code 7 'App Call Limited'"),
    ],
    ids=["sign", "subscription", "limit"],
)
def test_a_first_consume_that_is_refused_raises(refusal: top.Failure, code: int, text: str) -> None:
    seen: list[Observation] = []

    async def scenario() -> None:
        async with Gateway(failure(refusal)) as gateway:
            poller = gateway.poller(observer=seen.append)
            with pytest.raises(ConnectRefused, match=text) as caught:
                await poller.start()
            assert caught.value.code == code
            assert not poller.online
            await asyncio.sleep(60)
            assert len(gateway.requests) == 1
            assert seen == []

    simulate(scenario())


@simulated
async def test_a_wrong_secret_raises() -> None:
    async with Gateway() as gateway:
        with pytest.raises(ConnectRefused, match="Invalid signature"):
            await gateway.poller(app_secret="wrong").start()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (status(503), "^http://gw:80/router/rest answers with HTTP 503$"),
        (status(302, Location="http://gw:80/router/rest"), "^http://gw:80/router/rest answers with HTTP 302$"),
        (reset, "^http://gw:80/router/rest does not answer: ServerDisconnectedError"),
        (hang, "^http://gw:80/router/rest gave no answer within 15 s$"),
        (body(b"<html>welcome</html>"), "^the gateway's answer cannot be used: .*welcome"),
    ],
    ids=["503", "redirect", "reset", "hang", "nonsense"],
)
def test_a_first_consume_without_a_usable_answer_raises(answer: Answer, text: str) -> None:
    async def scenario() -> None:
        async with Gateway(answer) as gateway:
            with pytest.raises(ConnectFailed, match=text):
                await gateway.poller().start()
            assert len(gateway.requests) == 1

    simulate(scenario())


@simulated
async def test_an_address_that_does_not_answer_raises() -> None:
    async with Gateway() as gateway:
        await gateway.down()
        with pytest.raises(OSError, match="http://gw:80/router/rest does not answer") as caught:
            await gateway.poller().start()
        assert isinstance(caught.value, TmcError)


@simulated
async def test_the_patience_with_the_gateway_may_be_chosen_and_is_exact() -> None:
    async with Gateway(hang) as gateway:
        with pytest.raises(ConnectFailed, match=r"no answer within 7\.25 s"):
            await gateway.poller(timeout=7.25).start()
        assert now() == pytest.approx(7.25)


@simulated
async def test_a_start_that_failed_may_be_tried_again() -> None:
    async with Gateway(status(503), messages(7)) as gateway:
        poller = gateway.poller()
        with pytest.raises(ConnectFailed):
            await poller.start()
        await asyncio.sleep(10)
        async with poller:
            await gateway.until(lambda: gateway.confirms)


@simulated
async def test_a_poller_is_started_once() -> None:
    async with Gateway() as gateway:
        poller = gateway.poller()
        await poller.start()
        with pytest.raises(RuntimeError, match="online> cannot be started again; make a new one"):
            await poller.start()
        await poller.stop()
        await poller.stop()
        never = gateway.poller()
        await never.stop()
        await never.wait_closed()
        with pytest.raises(RuntimeError, match="offline> cannot be started after it was stopped"):
            await never.start()


@simulated
async def test_a_start_that_is_cancelled_leaves_nothing_behind_and_may_be_tried_again() -> None:
    async with Gateway(hang) as gateway:
        poller = gateway.poller()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await poller.start()
        assert now() == pytest.approx(5.0)
        async with poller:
            assert len(gateway.consumes) == 2


@simulated
async def test_a_stop_while_starting_ends_the_start() -> None:
    async with Gateway(hang) as gateway:
        poller = gateway.poller()
        starting = asyncio.create_task(poller.start())
        await gateway.until(lambda: gateway.calls)
        await poller.stop()
        with pytest.raises(ConnectFailed, match="stopped before it was connected"):
            await starting


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be more than 0 seconds, not 0"),
        ({"max_size": 0}, "max_size must be more than 0 bytes, not 0"),
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"quantity": 500}, "quantity must be 10 to 200 messages, not 500"),
        ({"queue_size": 9}, "capacity must be 10 messages or more, not 9"),
        ({"url": "ws://gw/"}, "'ws://gw/' is not an address of the gateway; expected is one as http://gw.api"),
        ({"url": "http://"}, "is not an address"),
        ({"url": "http://gw:x/"}, "is not an address"),
        ({"url": "http://gw:0/"}, "is not an address"),
        ({"url": "http://[gw/"}, "is not an address"),
        ({"url": "http://a..b/"}, "is not an address"),
        ({"url": "http://user:pass@gw/"}, "must contain no user name, password, query or fragment"),
        ({"url": "http://gw/?app_key=1"}, "must contain no user name, password, query or fragment"),
        ({"url": "http://gw/#top"}, "must contain no user name, password, query or fragment"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    async def handle(message: Message) -> None: ...

    with pytest.raises(ValueError, match=message) as caught:
        TmcPoller(**{"app_key": "1023", "app_secret": "s", "handler": handle} | options)
    assert "pass@" not in str(caught.value)


def test_a_plain_function_is_no_handler() -> None:
    def handle(message: Message) -> None: ...

    with pytest.raises(TypeError, match="must be an `async def` function"):
        TmcPoller(app_key="1023", app_secret="s", handler=handle)  # type: ignore[arg-type]  # that is what is tested


# The end


@simulated
async def test_a_graceful_stop_confirms_what_was_handled_and_nothing_else() -> None:
    gate = Gate()
    async with Gateway(messages(1, 2, 3, 4)) as gateway:
        poller = gateway.poller(gate, workers=2)
        await poller.start()
        await asyncio.sleep(1.5)
        stopping = asyncio.create_task(poller.stop())
        await asyncio.sleep(1)
        polls = len(gateway.consumes)
        gate.open.set()
        await stopping
        assert now() == pytest.approx(2.5)
        assert gate.started == [1, 2]
        assert gateway.confirmed == [1, 2]
        assert not poller.online
        await asyncio.sleep(10)
        assert len(gateway.consumes) == polls == 2


@simulated
async def test_handlers_that_outlast_the_grace_are_cancelled_and_their_messages_not_confirmed() -> None:
    async def handle(message: Message) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            if message.id == 1:
                raise
            if message.id == 3:
                raise FailMessage("interrupted") from None

    async with Gateway(messages(1, 2, 3), confirms=(body(confirmed(), after=0.5),)) as gateway:
        poller = gateway.poller(handle)
        await poller.start()
        await asyncio.sleep(0.5)
        await poller.stop(grace=4)
        assert now() == pytest.approx(5.0)
        assert gateway.confirmed == [2]
        assert poller.stats == Stats(received=3, confirmed=1, failed=1)


@simulated
async def test_a_stop_waits_for_a_confirm_that_fails_at_first() -> None:
    async with Gateway(messages(7), confirms=(status(503),)) as gateway:
        poller = gateway.poller()
        await poller.start()
        await gateway.until(lambda: gateway.confirms)
        await poller.stop()
        assert gateway.confirmed == [7, 7]
        assert poller.stats.confirmed == 1


def test_a_stop_during_an_outage_is_no_longer_than_its_grace_and_says_what_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with Gateway(messages(7), confirms=(status(503),)) as gateway:
            poller = gateway.poller()
            await poller.start()
            await gateway.until(lambda: gateway.confirms)
            await gateway.down()
            before = now()
            await poller.stop(grace=20)
            assert now() - before == pytest.approx(20, abs=0.2)

    simulate(scenario())
    assert "1 answers could not be sent; their messages come again" in caplog.text


@simulated
async def test_a_stop_confirms_at_once_what_was_handled() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(message.id)

    async with Gateway(messages(1, 2)) as gateway:
        poller = gateway.poller(handle)
        await poller.start()
        await asyncio.sleep(1.25)
        await poller.stop()
        assert [(call.at, call.ids) for call in gateway.confirms] == [
            (pytest.approx(1.25), [1]),
            (pytest.approx(2.0), [2]),
        ]


@simulated
async def test_a_stop_does_not_wait_for_a_consume_that_hangs() -> None:
    async with Gateway(messages(), hang) as gateway:
        poller = gateway.poller()
        await poller.start()
        await gateway.until(lambda: len(gateway.consumes) == 2)
        await poller.stop()
        assert now() == pytest.approx(1.0)


@simulated
async def test_messages_that_come_after_the_stop_are_not_handled() -> None:
    gate = Gate()
    async with Gateway(messages(1), messages(2, after=3)) as gateway:
        poller = gateway.poller(gate)
        await poller.start()
        await asyncio.sleep(2)
        stopping = asyncio.create_task(poller.stop())
        await asyncio.sleep(5)
        gate.open.set()
        await stopping
        assert gate.started == [1]
        assert gateway.confirmed == [1]


@simulated
async def test_run_forever_ends_on_cancel_with_a_graceful_stop() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(5)

    async with Gateway(messages(1)) as gateway:
        poller = gateway.poller(handle)
        running = asyncio.create_task(poller.run_forever())
        await asyncio.sleep(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert gateway.confirmed == [1]


@simulated
async def test_run_forever_ends_when_the_poller_is_stopped() -> None:
    async with Gateway() as gateway, gateway.poller() as poller:
        running = asyncio.create_task(poller.run_forever())
        await asyncio.sleep(1)
        await poller.stop()
        await running


@simulated
async def test_a_connector_that_was_given_stays_open() -> None:
    async with Gateway() as gateway:
        async with gateway.poller():
            pass
        assert not gateway.connector.closed


def test_without_a_connector_it_talks_over_tcp() -> None:
    async def scenario() -> None:
        runner = web.ServerRunner(web.Server(body(consumed())))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        async with TmcPoller(app_key="1023", app_secret="s", handler=Gate(), url=url) as poller:
            assert poller.online
        await runner.cleanup()

    asyncio.run(scenario())
