"""What the service makes of Confirm and Failed: what is settled, what comes again, and what is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from service_by_hand import EPOCH_MS, ONE, TWO, World

from tmcspec.delivery import State
from tmcspec.events import Confirmed, Failed, Id, Pushed, UnknownConfirm
from tmcspec.frame import Field, Frame, MessageType, byte, int16, int32, int64
from tmcspec.messages import Confirm, Fail, SendAck


@pytest.fixture
def world() -> World:
    return World()


# S38: 消费确认后的消息无法再次获取
def test_a_confirmed_message_never_comes_again(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.confirm("c1", message)
    assert world.service.state(message) is State.CONFIRMED
    assert world.service.unsettled("1") == 0
    assert world.service.deadline() is None
    world.pushes()
    world.at(9999.0)
    assert world.pushes() == []
    assert world.events(Confirmed) == [Confirmed(message=Id(message), via="ws", connection="c1")]


# S52a: 消费了不确认, 每间隔约6分钟重发一次
def test_an_unconfirmed_message_comes_again_with_its_attempt_showing(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.at(360.0)
    world.at(720.0)
    shown = [(push.id, push.retried, push.time, push.out_time) for _, push in world.pushes()]
    assert shown == [
        (message, 0, EPOCH_MS, EPOCH_MS),
        (message, 1, EPOCH_MS, EPOCH_MS + 360_000),
        (message, 2, EPOCH_MS, EPOCH_MS + 720_000),
    ]
    assert [event.attempt for event in world.events(Pushed) if isinstance(event, Pushed)] == [1, 2, 3]


# S25: 约6分钟后重新加入消费队列待消费
def test_a_failed_message_comes_again_six_minutes_after_the_failed(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.now = 100.0
    world.fail("c1", message)
    world.pushes()
    assert world.service.state(message) is State.FAILED
    assert world.events(Failed) == [Failed(message=Id(message), reason="no", connection="c1")]
    world.at(459.0)
    assert world.pushes() == []
    world.at(460.0)
    assert [push.id for _, push in world.pushes()] == [message]


def test_a_second_failed_is_not_recorded_and_does_not_postpone_the_message(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.fail("c1", message)
    world.now = 300.0
    world.fail("c1", message)
    assert len(world.events(Failed)) == 1
    assert world.events(UnknownConfirm) == []
    assert world.service.deadline() == 360.0


def test_a_late_confirm_settles(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.at(100.0)
    assert world.service.state(message) is State.OVERDUE
    world.confirm("c1", message)
    assert world.service.state(message) is State.CONFIRMED


def test_a_confirm_after_a_failed_settles(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.fail("c1", message)
    world.confirm("c1", message)
    assert world.service.state(message) is State.CONFIRMED


def test_a_confirm_by_http_settles_a_message_that_waits_to_be_pushed_again(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.service.closed("c1", now=0.0, by="client", code=1000, reason="")
    world.at(400.0)
    assert world.service.state(message) is State.WAITING
    assert world.service.confirm(message, app_key="1", group="default", now=400.0, via="http")
    world.connected("c2")
    world.at(9999.0)
    assert [push.id for _, push in world.pushes()] == [message]
    assert world.events(Confirmed) == [Confirmed(message=Id(message), via="http", connection=None)]


def test_a_failed_by_http_makes_a_waiting_message_wait_six_minutes_more(world: World) -> None:
    message = world.produce()
    assert world.service.fail(message, app_key="1", group="default", now=0.0, via="http")
    world.at(360.0)
    world.connected("c1")
    assert [push.id for _, push in world.pushes()] == [message]
    assert not world.service.fail(5, app_key="1", group="default", now=360.0, via="http")


@pytest.mark.parametrize(
    ("number", "field"),
    [(5, byte("id", 5)), (-5, int16("id", -5)), (70_000, int32("id", 70_000)), (2**62, int64("id", 2**62))],
)
def test_ids_are_understood_in_every_integer_width(world: World, number: int, field: Field) -> None:
    world.connected("c1")
    world.produce(id=number)
    world.say("c1", Frame(type=MessageType.SEND, content=(field, byte("__kind", 2))))
    assert world.service.state(number) is State.CONFIRMED


def test_a_failed_may_come_on_a_sendack(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.say("c1", replace(Fail(token=None, id=message).to_frame(), type=MessageType.SENDACK))
    assert world.service.state(message) is State.FAILED


def test_a_confirm_on_a_sendack_is_no_confirm(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.say("c1", replace(Confirm(token=None, id=message).to_frame(), type=MessageType.SENDACK))
    assert world.service.state(message) is State.PUSHED


def test_an_error_sendack_to_a_push_is_tolerated(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.say("c1", SendAck(token="t", status_phrase="java.lang.ClassCastException").to_frame())
    assert world.service.state(message) is State.PUSHED


def unknown(world: World) -> list[int | None]:
    return [event.id for event in world.events(UnknownConfirm) if isinstance(event, UnknownConfirm)]


@pytest.mark.parametrize("settled", [True, False])
def test_a_confirm_of_what_is_not_unsettled_is_unknown(world: World, settled: bool) -> None:
    world.connected("c1")
    message = world.produce()
    if settled:
        world.confirm("c1", message)
    else:
        world.at(10_000.0)
    world.confirm("c1", message)
    world.fail("c1", message)
    world.confirm("c1", message + 1)
    assert unknown(world) == [message, message, message + 1]


def test_a_confirm_without_an_id_is_unknown(world: World) -> None:
    world.connected("c1")
    world.confirm("c1", None)
    world.say("c1", Frame(type=MessageType.SEND, content=(byte("__kind", 2),)))
    assert unknown(world) == [None, None]


def test_a_confirm_from_another_app_or_group_is_unknown(world: World) -> None:
    world.connected("right")
    message = world.produce()
    world.confirm(world.connected("other app", TWO), message)
    world.fail(world.connected("other group", ONE, "shop"), message)
    assert unknown(world) == [message, message]
    assert world.service.state(message) is State.PUSHED


def test_a_confirm_without_an_accepted_connection_is_unknown(world: World) -> None:
    message = world.produce()
    world.service.opened("c1", now=0.0)
    world.confirm("c1", message)
    assert world.events(UnknownConfirm) == [UnknownConfirm(id=Id(message), via="ws", connection="c1")]


# S59: 同一个组支持多个连接
def test_a_confirm_settles_on_any_connection_of_the_group(world: World) -> None:
    world.connected("c1")
    message = world.produce()
    world.confirm(world.connected("c2"), message)
    assert world.service.state(message) is State.CONFIRMED
