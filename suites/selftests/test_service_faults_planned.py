"""Faults of the service, planned: what it does to its clients on a bad day, and that nothing else changes."""

from __future__ import annotations

from functools import partial
from typing import cast

import pytest
from faults_by_hand import Day
from service_by_hand import TWO

from tmcfakes.effects import Abort as AbortEffect
from tmcfakes.effects import Close as CloseEffect
from tmcfakes.faults import (
    Abort,
    AnswerFault,
    ClockJump,
    Close,
    Degrade,
    Down,
    LateConnectack,
    Latency,
    NoConnectack,
    Ping,
    PlannedFault,
    Pong,
    RedeliveryStorm,
    Refuse,
    RefuseUpgrade,
    Restart,
    SecondId,
    SilentAccept,
    StopReading,
    luck,
)
from tmcspec.delivery import State
from tmcspec.events import (
    Accepted,
    Event,
    Fault,
    FlowSet,
    FrameOut,
    Produced,
    Pushed,
    Refused,
    Signed,
    WsOut,
)
from tmcspec.flow import Flow
from tmcspec.messages import Confirm


@pytest.mark.parametrize(
    "fault",
    [Latency(delay=1), Down(), SilentAccept(), StopReading(), RefuseUpgrade(), ClockJump(seconds=1)],
    ids=lambda fault: fault.name,
)
def test_what_the_engine_cannot_do_is_an_error(fault: PlannedFault) -> None:
    with pytest.raises(TypeError, match=f"'{fault.name}' is no fault of the service engine"):
        Day().begin(fault)


def test_the_end_of_what_is_not_there_is_nothing() -> None:
    Day().service.end(5, now=0.0)


# Answers


def answers(day: Day) -> list[str]:
    return [event.word for event in day.events(Accepted, Refused)]


def test_so_many_connects_are_refused() -> None:
    day = Day()
    day.begin(Refuse(code=15, phrase="gone", count=2))
    day.forget()
    for number in range(3, 6):
        day.come(f"c{number}", f"client-{number}")
    assert answers(day) == ["refused", "refused", "accepted"]
    assert day.events(Refused)[0] == Refused(connection="c3", code=15, phrase="gone")
    refused = [Fault(name="connectack", target=name, detail="code=15 phrase=gone") for name in ("c3", "c4")]
    assert day.events(Fault) == refused


def test_connects_are_not_answered() -> None:
    day = Day()
    day.begin(NoConnectack())
    day.forget()
    day.come("c3", "client-3")
    assert [event.word for event in day.events(Event)] == ["opened", "frame_in", "signed", "fault"]
    day.connect("c3")
    assert answers(day) == ["accepted"]


def test_a_late_answer_comes_late_and_nothing_is_pushed_before() -> None:
    day = Day()
    day.closed("c1")
    day.begin(LateConnectack(delay=10))
    day.forget()
    day.come("c3", "client-3")
    day.produce(id=7)
    assert [event.word for event in day.events(Event)] == ["opened", "frame_in", "signed", "fault", "produced"]
    assert day.service.deadline() == 10
    day.at(10)
    assert [event.word for event in day.events(Event)[5:]] == ["accepted", "frame_out", "pushed", "frame_out"]


@pytest.mark.parametrize("end", ["closed", "closing"])
def test_a_late_answer_does_not_come_on_a_connection_that_has_ended(end: str) -> None:
    day = Day()
    day.begin(LateConnectack(delay=10))
    day.come("c3", "client-3")
    day.forget()
    if end == "closed":
        day.closed("c3")
    else:
        day.service.abort(now=0.0, connection="c3")
    day.at(10)
    assert day.events(Accepted, FrameOut) == []


def test_a_late_refusal_comes_late() -> None:
    day = Day()
    day.begin(LateConnectack(delay=10))
    day.service.opened("c3", now=0.0)
    day.forget()
    day.connect("c3", TWO, "no such group")
    assert day.events(Refused) == []
    day.at(10)
    assert len(day.events(Refused)) == 1


@pytest.mark.parametrize("fault", [Refuse(target="client-4"), NoConnectack(target="client-4")], ids=repr)
def test_only_the_target_is_answered_oddly(fault: AnswerFault) -> None:
    day = Day()
    day.begin(fault)
    day.forget()
    day.come("c3", "client-3")
    day.come("c4", "client-4")
    assert [event.target for event in day.events(Fault) if isinstance(event, Fault)] == ["c4"]
    assert len(day.events(Accepted)) == 1


def test_two_faults_of_answers_come_one_after_the_other() -> None:
    day = Day()
    day.begin(Refuse(), 1)
    day.begin(NoConnectack(), 2)
    day.forget()
    for number in (3, 4, 5):
        day.come(f"c{number}", f"client-{number}")
    assert answers(day) == ["refused", "accepted"]
    assert len(day.events(Signed)) == 3


@pytest.mark.parametrize("clear", [False, True])
def test_a_fault_of_answers_that_is_over_does_not_act(clear: bool) -> None:
    day = Day()
    day.begin(Refuse())
    if clear:
        day.service.clear_faults(0.0)
    else:
        day.service.end(0, now=0.0)
    day.forget()
    day.come("c3", "client-3")
    assert answers(day) == ["accepted"]


# Connections


def test_the_connections_of_the_target_are_closed() -> None:
    day = Day()
    day.service.effects()
    day.forget()
    day.begin(Close(target="client-2", code=1012, reason="service restart"))
    assert day.service.effects() == [CloseEffect(connection="c2", code=1012, reason="service restart")]
    assert day.events(Event) == [Fault(name="disconnect", target="c2", detail="1012 service restart")]


def test_all_connections_are_aborted_accepted_or_not() -> None:
    day = Day()
    day.service.opened("c3", now=0.0)
    day.service.effects()
    day.begin(Abort())
    assert day.service.effects() == [AbortEffect(connection=name) for name in ("c1", "c2", "c3")]
    assert day.events(Fault) == [Fault(name="abort", target=name) for name in ("c1", "c2", "c3")]
    day.begin(Abort())  # nobody is left
    assert day.service.effects() == []


@pytest.mark.parametrize(("fault", "opcode"), [(Ping(text="hi"), "ping"), (Pong(text="hi"), "pong")])
def test_control_frames_come_on_accepted_connections(fault: PlannedFault, opcode: str) -> None:
    day = Day()
    day.service.opened("c3", now=0.0)
    day.forget()
    day.begin(fault)
    assert day.events(Event) == [
        event
        for name in ("c1", "c2")
        for event in (Fault(name=opcode, target=name), WsOut(connection=name, opcode=opcode, data=b"hi"))
    ]


# A restart


def restarted(*, keeps_tokens: bool) -> tuple[Day, str, str]:
    """A day on which `client-1` came back as `c3` after a restart, and the tokens that it had before and after."""
    day = Day()
    day.produce(id=7)
    day.service.begin(0, Restart(keeps_tokens=keeps_tokens), chance=partial(luck, 1), now=0.0)
    for name in ("c1", "c2"):
        day.service.closed(name, now=0.0, by="fault", code=None, reason="")
    day.come("c3", "client-1")
    before, after = [
        cast(Accepted, event) for event in day.events(Accepted) if cast(Accepted, event).group == "default"
    ]
    return day, before.token, after.token


def test_a_restart_ends_nothing_itself_and_pushes_to_nobody_who_was_there() -> None:
    day = Day()
    day.service.effects()
    day.forget()
    day.begin(Restart())
    day.produce(id=7)
    assert day.service.effects() == []
    assert [event.word for event in day.events(Event)] == ["produced"]


def test_a_service_that_has_forgotten_its_tokens_gives_others_and_does_not_listen_to_the_old() -> None:
    day, before, after = restarted(keeps_tokens=False)
    assert before != after
    day.say("c3", Confirm(token=before, id=7).to_frame())
    assert day.service.state(7) is State.PUSHED
    assert day.events(Fault) == [Fault(name="forgotten_token", target="c3", detail="confirm")]
    day.say("c3", Confirm(token=after, id=7).to_frame())
    assert day.service.state(7) is State.CONFIRMED


def test_a_service_that_has_kept_its_tokens_goes_on_with_them() -> None:
    day, before, after = restarted(keeps_tokens=True)
    assert before == after
    day.say("c3", Confirm(token=before, id=7).to_frame())
    assert day.service.state(7) is State.CONFIRMED
    assert day.events(Fault) == []


# Messages


def pushed(day: Day) -> list[tuple[int, str]]:
    return [(int(event.message), event.connection) for event in day.events(Pushed) if isinstance(event, Pushed)]


def test_what_was_handed_out_and_is_not_settled_comes_again_at_once() -> None:
    day = Day()
    for id in (7, 8, 9):
        day.produce(id=id)
    day.confirm("c1", 7)
    day.fail("c1", 8)
    day.live(100)  # the others have missed their minute
    day.produce(id=10)
    day.produce(TWO, id=11)
    day.service.fail(11, app_key="2", group="default", now=day.now, via="http")  # and was never handed out
    day.forget()
    day.begin(RedeliveryStorm())
    assert day.events(Fault, Pushed)[0] == Fault(name="redelivery_storm")
    assert pushed(day) == [(8, "c1"), (9, "c1"), (10, "c1")]
    assert day.service.state(11) is State.FAILED
    day.live(459.9)
    assert len(pushed(day)) == 3
    day.live(460)
    assert len(pushed(day)) == 6


def test_what_waits_is_not_pushed_twice_by_a_storm() -> None:
    day = Day()
    day.produce(id=7)
    day.closed("c1")
    day.at(5)
    day.begin(RedeliveryStorm())
    day.at(6)
    day.begin(RedeliveryStorm())
    assert day.service.message(7).waiting_since == 5
    day.forget()
    day.come("c3", "client-3")
    assert pushed(day) == [(7, "c3")]


def test_a_storm_of_one_client_is_about_what_its_connections_were_given() -> None:
    day = Day()
    day.produce(id=7)
    day.produce(id=8, group="shop")
    day.forget()
    day.begin(RedeliveryStorm(target="client-2"))
    assert day.events(Fault) == [Fault(name="redelivery_storm", target="client-2")]
    assert pushed(day) == [(8, "c2")]


def test_the_latest_message_is_produced_again_under_another_id() -> None:
    day = Day()
    day.produce(id=7, topic="u", user_id=5, nick="shop", data_id=6, group="shop")
    day.confirm("c2", 7)
    day.forget()
    day.begin(SecondId())
    told, again = day.events(Fault, Produced)
    assert told == Fault(name="second_id", detail="of 7")
    assert isinstance(again, Produced)
    assert again.message != 7
    assert (again.app_key, again.group, again.topic, again.user_id, again.content) == ("1", "shop", "u", 5, "{}")
    (name, push), *_ = day.pushes()[-1:]
    assert (name, push.data_id, push.nick) == ("c2", 6, "shop")


def test_before_the_first_message_there_is_none_to_produce_again() -> None:
    day = Day()
    day.begin(SecondId())
    assert day.events(Fault, Produced) == []


def test_nothing_is_produced_again_for_a_group_that_is_gone() -> None:
    day = Day()
    day.produce(id=7, group="shop")
    day.console.delete_group("1", "shop")
    day.forget()
    day.begin(SecondId())
    assert day.events(Fault, Produced) == []


def test_nothing_is_produced_again_about_a_topic_that_was_left() -> None:
    day = Day()
    day.produce(id=7)
    day.console.subscribe("1", ["other"])
    day.at(1000)
    day.forget()
    day.begin(SecondId())
    assert day.events(Fault, Produced) == []


# Flow


def flows(day: Day) -> list[tuple[str, str, int | None]]:
    return [(each.app_key, each.group, each.value) for each in day.events(FlowSet) if isinstance(each, FlowSet)]


GROUPS = [("1", "default"), ("1", "shop"), ("2", "default")]


def test_all_groups_are_slow_for_a_while_and_then_as_they_were() -> None:
    day = Day(flow=Flow(latency=0))
    day.console.set_flow("1", "shop", 32)
    day.forget()
    day.begin(Degrade(flow=2))
    assert flows(day) == [(*group, 2) for group in GROUPS]
    day.forget()
    day.service.end(0, now=0.0)
    assert flows(day) == [("1", "default", None), ("1", "shop", 32), ("2", "default", None)]


def test_of_two_that_slow_everybody_down_the_one_that_is_left_counts() -> None:
    day = Day()
    day.begin(Degrade(flow=2), 1)
    day.begin(Degrade(flow=3), 2)
    day.forget()
    day.service.end(1, now=0.0)
    assert flows(day) == []  # it is the other one, and stays
    day.service.end(2, now=0.0)
    assert flows(day) == [(*group, None) for group in GROUPS]


def test_when_faults_are_cleared_nobody_is_slow() -> None:
    day = Day()
    day.begin(Degrade(flow=2), 1)
    day.begin(Degrade(flow=3), 2)
    day.forget()
    day.service.clear_faults(0.0)
    assert flows(day) == [(*group, None) for group in GROUPS]
    day.service.end(1, now=0.0)
    assert len(flows(day)) == 3


def test_a_group_that_is_gone_is_left_alone() -> None:
    day = Day()
    day.begin(Degrade(flow=2))
    day.console.delete_group("1", "shop")
    day.forget()
    day.service.end(0, now=0.0)
    assert flows(day) == [("1", "default", None), ("2", "default", None)]


def test_a_group_that_was_made_while_everybody_was_slow_is_not_slow_for_ever() -> None:
    day = Day()
    day.begin(Degrade(flow=5), 1)
    day.console.create_group("1", "late")
    day.begin(Degrade(flow=2), 2)
    day.forget()
    day.service.clear_faults(0.0)
    assert ("1", "late", None) in flows(day)


def test_a_flow_value_that_was_set_while_everybody_was_slow_stays() -> None:
    day = Day()
    day.begin(Degrade(flow=5), 1)
    day.console.set_flow("1", "shop", 500)
    day.begin(Degrade(flow=2), 2)
    day.forget()
    day.service.end(2, now=0.0)
    day.service.end(1, now=0.0)
    assert [value for _, group, value in flows(day) if group == "shop"] == [5, 500]


def test_a_degraded_service_pushes_slowly() -> None:
    day = Day(flow=Flow(latency=0))
    day.begin(Degrade(flow=1))
    day.at(1)
    for _ in range(100):
        day.produce()
    assert len(pushed(day)) == 32


@pytest.mark.parametrize(
    "fault",
    [Refuse(target="client-9"), Close(target="client-9"), Ping(target="client-9"), RedeliveryStorm(target="client-9")],
    ids=lambda fault: fault.name,
)
def test_a_fault_of_somebody_who_is_not_there_changes_nothing(fault: PlannedFault) -> None:
    plain, day = Day(), Day(fault)
    for each in (plain, day):
        each.talk()
    assert [event for event in day.events(Event) if not isinstance(event, Fault)] == plain.events(Event)
