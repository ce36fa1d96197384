"""The client's protocol, without sockets: CONNECT, and what it makes of CONNECTACK."""

from __future__ import annotations

import pytest
from core_by_hand import new_core, odd, online, push, receive, sent

from tmcspec.client.connection import Accepted, GivenUp, Refused, State
from tmcspec.client.core import SDK
from tmcspec.client.message import OK
from tmcspec.frame import string
from tmcspec.messages import Confirm, Connect, ConnectAck, PullRequest
from tmcspec.signing import sign_connect

# CONNECT


def test_connect_is_the_first_frame_and_is_signed_over_what_it_carries() -> None:
    core = new_core(group="vip")
    core.opened(now=5.0, wall=1_795_447_615.4029, intranet_ip="10.1.2.3")
    (connect,) = sent(core)
    assert connect == Connect(
        app_key="1023",
        group="vip",
        timestamp="1795447615402",
        sign=sign_connect(app_key="1023", group="vip", timestamp="1795447615402", secret="secret"),
        flag=1,
        extras=(string("sdk", SDK), string("intranet_ip", "10.1.2.3")),
    )
    assert SDK.startswith("tmcspec-python/")


def test_connect_of_the_published_vector() -> None:
    core = new_core()
    core.opened(now=0.0, wall=1_795_447_615.402)
    (connect,) = sent(core)
    assert isinstance(connect, Connect)
    assert connect.sign == "0B2B9D0163A30084311EB514ECECF284"


def test_nothing_is_sent_between_connect_and_connectack() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    core.tick(now=29.9)
    assert sent(core) == []


def test_each_connection_has_a_flag_of_its_own_and_a_fresh_sign() -> None:
    core = new_core()
    connects = []
    for number in range(3):
        core.opened(now=float(number), wall=1000.0 + number)
        connects += sent(core)
        core.lost()
    assert [c.flag for c in connects if isinstance(c, Connect)] == [1, 2, 3]
    assert len({c.sign for c in connects if isinstance(c, Connect)}) == 3
    assert [c.timestamp for c in connects if isinstance(c, Connect)] == ["1000000", "1001000", "1002000"]


def test_the_flag_stays_a_positive_int32() -> None:
    core = new_core()
    core._flag = 2**31 - 1
    core.opened(now=0.0, wall=0.0)
    (connect,) = sent(core)
    assert isinstance(connect, Connect)
    assert connect.flag == 1


# CONNECTACK


def test_a_connectack_with_a_token_brings_the_client_online_and_a_pull_goes_out() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    assert receive(core, ConnectAck(token="t9", flag=1)) == [Accepted()]
    assert core.state is State.ONLINE
    assert sent(core) == [PullRequest(token="t9")]


@pytest.mark.parametrize("flag", [0, 2])
def test_a_connectack_with_another_flag_or_none_is_not_ours(flag: int) -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    assert f"a CONNECTACK with flag {flag} while connecting" in odd(receive(core, ConnectAck(token="t", flag=flag)))
    assert core.state is State.CONNECTING
    assert receive(core, ConnectAck(token="t", flag=1)) == [Accepted()]


@pytest.mark.parametrize(("code", "phrase"), [(41, "no such group"), (41, None), (0, "sign error")])
def test_a_code_or_a_phrase_is_a_refusal_and_the_connection_is_not_used(code: int, phrase: str | None) -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    # Even with a token.
    ack = ConnectAck(token="t", flag=1, status_code=code, status_phrase=phrase)
    assert receive(core, ack) == [Refused(code=code, phrase=phrase)]
    assert core.tick(now=1000.0) == []
    assert core.deadline() is None
    assert sent(core, 1000.0) == []


def test_a_connectack_without_a_token_is_not_success() -> None:
    core = new_core()
    core.opened(now=0.0, wall=0.0)
    sent(core)
    (event,) = receive(core, ConnectAck(flag=1))
    assert event == GivenUp(reason="the CONNECTACK has neither a token nor an error")
    assert core.state is State.OVER


def test_a_connectack_that_does_not_come_is_given_up() -> None:
    core = new_core()
    core.opened(now=100.0, wall=0.0)
    assert core.deadline() == 110.0
    assert core.tick(now=109.9) == []
    assert core.tick(now=110.0) == [GivenUp(reason="no CONNECTACK within 10 s")]
    assert sent(core, 110.0) == []


def test_a_second_connectack_changes_nothing() -> None:
    core = online()
    assert "a CONNECTACK with flag 1 while online" in odd(receive(core, ConnectAck(token="other", flag=1)))
    receive(core, push(7))
    core.handled(7, OK)
    assert sent(core) == [Confirm(token="t1", id=7)]
