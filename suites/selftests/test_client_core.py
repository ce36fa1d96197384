"""The client's protocol, without sockets: its times, its bounds and its states."""

from __future__ import annotations

from typing import Any

import pytest
from core_by_hand import new_core, online, push, receive, sent

from tmcspec.client.connection import TRANSITIONS, GivenUp, Input, Ping, State
from tmcspec.client.core import Core
from tmcspec.client.message import OK, Stats
from tmcspec.messages import Confirm, PullRequest

# Time


# S19: 其它语言建议采用推模式接收消息
def test_a_pull_goes_out_every_fifteen_seconds() -> None:
    core = online(now=100.0)
    assert core.deadline() == 115.0
    assert core.tick(now=114.9) == []
    assert sent(core, 114.9) == []
    core.tick(now=115.0)
    core.tick(now=115.0)
    assert sent(core, 115.0) == [PullRequest(token="t1")]
    assert core.deadline() == 130.0


def test_a_ping_goes_out_after_forty_five_seconds_without_traffic() -> None:
    core = online(new_core(pull_interval=1000.0, silence_limit=None))
    assert core.deadline() == 45.0
    core.heard(now=20.0)
    core.tick(now=45.0)
    assert sent(core, 45.0) == []
    assert core.deadline() == 65.0
    core.tick(now=65.0)
    core.tick(now=65.0)
    assert sent(core, 65.0) == [Ping()]
    assert core.deadline() == 110.0


def test_a_connection_silent_for_ninety_seconds_is_given_up() -> None:
    core = online(new_core(pull_interval=1000.0, heartbeat_interval=1000.0))
    core.heard(now=10.0)
    assert core.deadline() == 100.0
    assert core.tick(now=99.9) == []
    assert core.tick(now=100.0) == [GivenUp(reason="nothing was heard for 90 s")]
    assert core.state is State.OVER


def test_silence_may_be_allowed_for_ever() -> None:
    core = online(new_core(silence_limit=None, pull_interval=1e6, heartbeat_interval=1e6))
    assert core.tick(now=1e5) == []
    assert core.state is State.ONLINE


def test_a_client_that_does_not_listen_does_not_take_that_for_silence() -> None:
    core = online(new_core(capacity=1, pull_interval=1e6, heartbeat_interval=1e6))
    receive(core, push(7))
    assert core.full
    assert core.deadline() == 1e6
    assert core.tick(now=500.0) == []
    core.handled(7, OK)
    assert sent(core, 500.0) == [Confirm(token="t1", id=7)]
    assert core.deadline() == 590.0
    assert core.tick(now=589.0) == []


# Bounds, and the end


def test_the_client_is_full_while_so_many_messages_are_open_or_settled() -> None:
    core = online(new_core(capacity=2))
    receive(core, push(7))
    assert not core.full
    receive(core, push(8))
    assert core.full
    core.handled(7, OK)
    assert core.full
    sent(core)
    assert not core.full


def test_a_draining_client_takes_nothing_new_and_answers_what_it_has() -> None:
    core = online(new_core(capacity=1))
    receive(core, push(7))
    core.drain()
    assert not core.full
    assert receive(core, push(8)) == []
    core.tick(now=15.0)
    assert sent(core, 15.0) == []
    assert core.deadline() == 45.0
    core.handled(7, OK)
    assert sent(core, 15.0) == [Confirm(token="t1", id=7)]
    assert core.stats == Stats(received=1, confirmed=1)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Input)
def test_every_input_in_every_state_is_in_the_table_or_an_error(state: State, cause: Input) -> None:
    core = new_core()
    core._state = state
    if (state, cause) in TRANSITIONS:
        core._step(cause)
        assert core.state is TRANSITIONS[state, cause]
    else:
        with pytest.raises(RuntimeError, match=f"{cause.value} while {state.value}"):
            core._step(cause)


def test_nothing_is_left_to_send_when_a_connection_is_lost() -> None:
    core = online()
    core.tick(now=15.0)
    core.lost()
    assert core.deadline() is None
    assert core.tick(now=100.0) == []
    assert sent(core, 100.0) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"app_key": ""}, "app_key is empty"),
        ({"app_secret": ""}, "app_secret is empty"),
        ({"group": ""}, "group is empty"),
        ({"capacity": 0}, "capacity must be 1 message or more, not 0"),
        ({"pull_interval": 0}, "pull_interval must be more than 0 seconds, not 0"),
        ({"heartbeat_interval": -1}, "heartbeat_interval must be"),
        ({"connectack_timeout": 0}, "connectack_timeout must be"),
        ({"silence_limit": 0}, "silence_limit must be"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Core(**({"app_key": "1023", "app_secret": "secret"} | options))


def test_the_secret_does_not_show() -> None:
    assert "secret" not in repr(new_core())
