"""The poller against a gateway: it consumes, handles and confirms, at a pace that the gateway can bear."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from typing import Any

import pytest
from polling_by_hand import STEADY, confirmed, consumed_raw, raw
from scripted_gateway import Answer, Gateway, body, failure, hang, messages, reset, status
from scripted_service import SECRET, Gate, now, simulate, simulated

from tmcspec import top
from tmcspec.client import (
    ConnectFailed,
    FailMessage,
    Handled,
    Message,
    Observation,
    Offline,
    Online,
    Outcome,
    Received,
    Stats,
)
from tmcspec.client.exchange import CallRefused
from tmcspec.client.poller import TmcPoller
from tmcspec.client.polling import Polling


@simulated
async def test_a_message_is_confirmed_when_its_handler_is_done_and_not_before() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(20)

    async with Gateway(messages(2**62 + 1)) as gateway, gateway.poller(handle) as poller:
        await gateway.until(lambda: gateway.confirms)
        assert gateway.confirmed == [2**62 + 1]
        assert gateway.confirms[0].at == pytest.approx(20.0)
        await asyncio.sleep(1)
        assert poller.stats == Stats(received=1, confirmed=1)


@pytest.mark.parametrize(
    "error",
    [FailMessage("no stock"), ValueError("bad tid"), asyncio.CancelledError(), GeneratorExit()],
    ids=lambda error: type(error).__name__,
)
def test_a_message_whose_handler_raises_is_not_confirmed_and_the_poller_goes_on(error: BaseException) -> None:
    async def handle(message: Message) -> None:
        if message.id == 7:
            raise error

    async def scenario() -> None:
        async with Gateway(messages(7, 8)) as gateway, gateway.poller(handle, workers=1) as poller:
            await asyncio.sleep(60)
            assert gateway.confirmed == [8]
            assert poller.stats == Stats(received=2, confirmed=1, failed=1)

    simulate(scenario())


@simulated
async def test_a_message_that_comes_again_after_a_failure_is_handled_again() -> None:
    seen: list[float] = []

    async def handle(message: Message) -> None:
        seen.append(now())
        if len(seen) == 1:
            raise FailMessage

    async with Gateway(messages(7), messages(), messages(7)) as gateway, gateway.poller(handle):
        await gateway.until(lambda: gateway.confirms)
        assert seen == [0.0, 2.0]
        assert gateway.confirmed == [7]


@simulated
async def test_ids_are_confirmed_exactly_whether_they_come_as_numbers_or_as_text() -> None:
    numbers, texts = [2**63 - 1, 2**53 + 1, -(2**63), -5, 0], [2**63 - 2, 2**53 + 3, -(2**63) + 1, -6]
    answer = consumed_raw(*[raw(number) for number in numbers], *[raw(str(text)) for text in texts])
    async with Gateway(body(answer)) as gateway, gateway.poller():
        await gateway.until(lambda: gateway.confirms)
        assert gateway.confirmed == numbers + texts


@simulated
async def test_a_message_that_cannot_be_used_does_not_stop_the_others() -> None:
    answer = consumed_raw(raw(1), {"topic": "t"}, "text", raw("x"), raw(2))
    async with Gateway(body(answer)) as gateway, gateway.poller() as poller:
        await gateway.until(lambda: gateway.confirms)
        assert gateway.confirmed == [1, 2]
        assert poller.stats.bad_frames == 3


@simulated
async def test_a_message_that_comes_twice_is_not_handled_twice_at_a_time() -> None:
    gate = Gate()
    async with Gateway(messages(7, 7), messages(7)) as gateway, gateway.poller(gate):
        await asyncio.sleep(10)
        assert gate.started == [7]
        gate.open.set()
        await gateway.until(lambda: gateway.confirms)
        assert gateway.confirmed == [7]


# Pace


@simulated
async def test_empty_answers_are_followed_by_a_pause_of_a_second() -> None:
    async with Gateway(*[messages(after=0.25)] * 10) as gateway, gateway.poller():
        await gateway.until(lambda: len(gateway.consumes) == 10)
        gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(gateway.consumes)]
        assert gaps == [pytest.approx(1.25)] * 9


@simulated
async def test_the_pause_after_an_empty_answer_may_be_longer() -> None:
    async with Gateway() as gateway, gateway.poller(idle_pause=7.5):
        await gateway.until(lambda: len(gateway.consumes) == 3)
        assert [call.at for call in gateway.consumes] == [0.0, 7.5, 15.0]


@simulated
async def test_a_pause_is_not_shortened_by_a_handler_that_ends_just_before_it_is_over() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(0.999995)
        raise FailMessage

    async with Gateway(messages(7)) as gateway, gateway.poller(handle):
        await gateway.until(lambda: len(gateway.consumes) == 2)
        assert 1.0 <= gateway.consumes[1].at < 1.001


@simulated
async def test_a_pause_whose_end_the_clock_cannot_show_ends_all_the_same() -> None:
    # In floats, 1.006 + 1.0 is more than 2.006.
    late = status(503, after=0.006)
    async with Gateway(messages(), late, messages(7)) as gateway, gateway.poller(backoff=STEADY):
        await gateway.until(lambda: gateway.confirms)
        assert now() == pytest.approx(2.006, abs=1e-4)


@simulated
async def test_full_answers_are_followed_by_the_next_consume_at_once_and_a_short_one_by_a_pause() -> None:
    async with (
        Gateway(messages(*range(20)), messages(*range(20, 40)), messages(40)) as gateway,
        gateway.poller(quantity=20),
    ):
        await gateway.until(lambda: len(gateway.consumes) == 4)
        assert [call.at for call in gateway.consumes] == [0.0, 0.0, 0.0, 1.0]
        assert {call.arguments["quantity"] for call in gateway.consumes} == {"20"}


@simulated
async def test_a_backlog_against_a_slow_handler_is_fetched_no_faster_than_there_is_room() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(1.0)

    backlog = iter(range(1000))

    async def serve(request: Any) -> Any:
        quantity = int(gateway.consumes[-1].arguments["quantity"])
        return await messages(*itertools.islice(backlog, quantity))(request)

    async with Gateway(*[serve] * 1000) as gateway, gateway.poller(handle, queue_size=50, workers=10) as poller:
        in_hand: list[int] = []
        while len(gateway.confirmed) < 1000:
            await asyncio.sleep(0.25)
            in_hand.append(poller.stats.received - poller.stats.confirmed)
        assert max(in_hand) == 50
        assert Counter(gateway.confirmed) == Counter(range(1000))
        assert gateway.busiest == 1
        assert all(10 <= int(call.arguments["quantity"]) <= 50 for call in gateway.consumes)
        assert now() == pytest.approx(100.0, abs=5.0)


@simulated
async def test_no_more_than_200_are_confirmed_together() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(0.1)

    batches = [messages(*range(first, first + 200)) for first in (0, 200, 400)]
    async with Gateway(*batches) as gateway, gateway.poller(handle, quantity=200, queue_size=1000, workers=1000):
        await gateway.until(lambda: len(gateway.confirmed) == 600)
        assert [(call.at, len(call.ids)) for call in gateway.confirms] == [(pytest.approx(0.1), 200)] * 3


@simulated
async def test_a_confirm_waits_for_others_half_a_second_and_no_longer() -> None:
    async def handle(message: Message) -> None:
        await asyncio.sleep(message.id * 0.13)

    async with Gateway(messages(*range(1, 9), 1000)) as gateway, gateway.poller(handle, workers=9):
        await gateway.until(lambda: len(gateway.confirmed) == 9)
        assert [(call.at, call.ids) for call in gateway.confirms] == [
            (pytest.approx(0.63), [1, 2, 3, 4]),
            (pytest.approx(1.15), [5, 6, 7, 8]),
            (pytest.approx(130.0), [1000]),
        ]


# Trouble


@pytest.mark.parametrize(
    "trouble",
    [reset, status(503), failure(top.failure(15, "isp.remote-service-timeout")), body(b"<html>"), hang],
    ids=["reset", "503", "isp", "nonsense", "hang"],
)
def test_a_confirm_that_fails_is_sent_again(trouble: Answer) -> None:
    async def scenario() -> None:
        async with Gateway(messages(7), confirms=(trouble, trouble)) as gateway, gateway.poller() as poller:
            await gateway.until(lambda: len(gateway.confirms) == 3)
            assert gateway.confirmed == [7, 7, 7]
            assert all(later.at - earlier.at >= 1.0 for earlier, later in itertools.pairwise(gateway.confirms))
            assert gateway.confirms[-1].at < 60.0
            await asyncio.sleep(100)
            assert len(gateway.confirms) == 3
            assert poller.stats.confirmed == 1

    simulate(scenario())


def test_a_confirm_without_success_is_logged_and_not_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with Gateway(messages(7), confirms=(body(confirmed(False)),)) as gateway, gateway.poller() as poller:
            await asyncio.sleep(100)
            assert gateway.confirmed == [7]
            assert poller.stats == Stats(received=1, bad_frames=1)

    simulate(scenario())
    assert "is_success False for the confirm of 1 messages" in caplog.text


TROUBLES = (
    reset,
    status(503),
    status(302, Location="http://other/"),
    failure(top.failure(15, "isp.remote-service-timeout")),
    failure(top.failure(25)),
    body(b"nonsense"),
    hang,
)


@simulated
async def test_trouble_after_a_good_start_is_observed_and_tried_again_at_least_a_second_apart() -> None:
    seen: list[tuple[float, Observation]] = []
    async with (
        Gateway(messages(), *TROUBLES, messages(7)) as gateway,
        gateway.poller(observer=lambda event: seen.append((now(), event))) as poller,
    ):
        await gateway.until(lambda: gateway.confirms)
        assert poller.online
        await poller.stop()
        assert poller.stats == Stats(received=1, confirmed=1, reconnects=1, bad_frames=1)
        gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(gateway.consumes)]
        assert all(gap >= 1.0 for gap in gaps)
    message = Message(id=7, topic="taobao_trade_TradeCreate", content="{}")
    events = [event for _, event in seen]
    errors = [event.error for event in events if isinstance(event, Offline)]
    assert [type(error) for error in errors] == [
        *[ConnectFailed] * 3,
        *[CallRefused] * 2,
        *[ConnectFailed] * 2,
    ]
    assert [event for event in events if not isinstance(event, Offline)] == [
        Online(),
        Online(),
        Received(message=message),
        Handled(message=message, outcome=Outcome(kind="ok")),
    ]


@simulated
async def test_an_outage_is_survived() -> None:
    async with Gateway() as gateway, gateway.poller() as poller:
        await asyncio.sleep(10)
        await gateway.down()
        await asyncio.sleep(300)
        assert not poller.online
        gateway.scripts["taobao.tmc.messages.consume"] = [messages(7)]
        await gateway.up()
        await gateway.until(lambda: gateway.confirms)
        assert now() <= 310 + 31
        assert poller.online
        assert poller.stats.reconnects == 1


@simulated
async def test_a_handler_that_ends_during_an_outage_is_confirmed_after_it() -> None:
    gate = Gate()
    async with Gateway(messages(7)) as gateway, gateway.poller(gate):
        await asyncio.sleep(10)
        await gateway.down()
        gate.open.set()
        await asyncio.sleep(60)
        await gateway.up()
        await gateway.until(lambda: gateway.confirms)
        assert gateway.confirmed == [7]


@simulated
async def test_after_too_many_calls_the_pause_is_longer() -> None:
    async with Gateway(messages(), failure(top.call_limited(1))) as gateway, gateway.poller():
        await gateway.until(lambda: len(gateway.consumes) == 3)
        assert 11.0 <= gateway.consumes[2].at - gateway.consumes[1].at <= 12.0


@simulated
async def test_a_fault_of_ours_does_not_end_the_poller() -> None:
    class Stumbling(Polling):
        def answer(self, body: bytes) -> Any:
            if body == b"a stone":
                raise LookupError("a bug")
            return super().answer(body)

    poller_type = type("StumblingPoller", (TmcPoller,), {"core_type": Stumbling})
    async with (
        Gateway(messages(), body(b"a stone"), messages(7)) as gateway,
        gateway.poller(of=poller_type) as poller,
    ):
        await gateway.until(lambda: gateway.confirms)
        assert poller.stats.reconnects == 1


@simulated
async def test_an_observer_that_raises_does_not_end_the_poller() -> None:
    def observe(event: Observation) -> None:
        raise LookupError("a bug of the application")

    async with Gateway(messages(7)) as gateway, gateway.poller(observer=observe):
        await gateway.until(lambda: gateway.confirms)


def test_no_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    errors: list[Exception] = []

    def observe(event: Observation) -> None:
        if isinstance(event, Offline):
            errors.append(event.error)

    async def scenario() -> None:
        async with Gateway(messages(), *TROUBLES, messages(7)) as gateway, gateway.poller(observer=observe) as poller:
            await gateway.until(lambda: gateway.confirms)
            shown = [repr(poller), str(vars(poller))]
            for error in errors:
                shown += [repr(error), str(error), repr(error.__cause__), str(error.__cause__)]
            texts = caplog.text + "".join(shown)
            assert len(gateway.forms) > len(TROUBLES)
            assert not [form["sign"] for form in gateway.forms if form["sign"] in texts]
            assert SECRET not in texts

    with caplog.at_level(logging.DEBUG):
        simulate(scenario())
