"""What the application sees of the client: observations, errors about arguments, and no secrets."""

from __future__ import annotations

import functools
import logging
from typing import Any

import pytest
from scripted_service import (
    SECRET,
    Service,
    accept,
    answer,
    client,
    hang_up,
    nothing,
    now,
    silence,
    simulate,
    simulated,
)

from tmcspec.client import (
    FailMessage,
    Handled,
    Message,
    Observation,
    Offline,
    Online,
    Outcome,
    Received,
    Stats,
    TmcClient,
)
from tmcspec.client.wire import Wire


@simulated
async def test_an_observer_sees_what_happens_in_order() -> None:
    async def handle(message: Message) -> None:
        if message.id == 2:
            raise FailMessage("later")

    seen: list[Observation] = []
    async with Service() as service, client(handle, observer=seen.append):
        await (await service.online()).push(1, 2)
        await service.until(lambda: len(service.inbox) == 2)
        await service.peer.close()
        await service.online(2)
    assert isinstance(seen[5], Offline)
    message = functools.partial(Message, topic="taobao_trade_TradeCreate", content="{}")
    assert [event for event in seen if not isinstance(event, Offline)] == [
        Online(),
        Received(message=message(id=1)),
        Received(message=message(id=2)),
        Handled(message=message(id=1), outcome=Outcome(kind="ok")),
        Handled(message=message(id=2), outcome=Outcome(kind="fail", reason="later")),
        Online(),
    ]


def test_an_observer_that_raises_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    def observer(event: Observation) -> None:
        raise RuntimeError("metrics are down")

    async def scenario() -> None:
        async with Service() as service, client(observer=observer):
            await (await service.online()).push(1)
            await service.until(lambda: service.inbox)

    simulate(scenario())
    assert "the observer raised for Handled" in caplog.text


def test_neither_the_secret_nor_a_sign_is_in_the_repr_or_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tmc = client()

    async def scenario() -> None:
        async with Service(accept, answer(status_code=1), accept) as service:
            await tmc.start()
            await (await service.online()).close()
            await service.online(2)
            await tmc.stop()
            for connect in service.connects:
                assert connect.sign not in caplog.text

    simulate(scenario())
    assert caplog.records
    # The library's own debug log shows frames.
    assert not [r for r in caplog.records if r.name == "tmcspec.client.websocket" and r.levelno < logging.INFO]
    assert SECRET not in caplog.text
    assert repr(tmc) == "<TmcClient app_key='1023' group='default' url='ws://tmc:80/' offline>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be 1 or more, not 0"),
        ({"queue_size": 0}, "capacity must be 1 message or more, not 0"),
        ({"open_timeout": 0}, "open_timeout must be more than 0 seconds, not 0"),
        ({"max_size": 0}, "max_size must be more than 0 bytes, not 0"),
        ({"url": "http://mc.api.taobao.com/"}, "expected is one as ws://mc.api.taobao.com/"),
        ({"url": f"ws://{70 * 'a'}/"}, "is not an address of the service .*label too long"),
        ({"url": "ws://me:hush@tmc/"}, "must not contain a user name or password"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        client(**options)
    assert "hush" not in str(caught.value)


def test_a_client_has_sound_defaults() -> None:
    tmc = TmcClient(app_key="1023", app_secret=SECRET, handler=nothing)
    assert tmc.url == "ws://mc.api.taobao.com/"
    assert tmc.stats == Stats()
    assert not tmc.online


@simulated
async def test_a_wire_without_an_address_is_shown_as_loopback() -> None:
    class Addressless(Wire):
        local_address = None

    assert Addressless.local_ip.fget(object.__new__(Addressless)) == "127.0.0.1"  # type: ignore[attr-defined]


def test_the_same_seed_gives_the_same_run() -> None:
    async def scenario() -> list[tuple[float, object]]:
        seen: list[tuple[float, object]] = []
        async with Service(accept, hang_up, silence, accept) as service:
            async with client(observer=lambda event: seen.append((now(), repr(event)))):
                await (await service.online()).push(1, 2, 3)
                await service.until(lambda: len(service.inbox) == 3)
                service.peer.transport.abort()
                await service.online(2)
            return [*seen, *service.inbox, *((at, "attempt") for at in service.attempts)]

    assert simulate(scenario()) == simulate(scenario())
