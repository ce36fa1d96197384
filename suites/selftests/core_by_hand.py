"""What the tests of the client's protocol share: a core without sockets, driven by hand."""

from __future__ import annotations

from typing import Any

from tmcspec.client.connection import Accepted, Deliver, Event, Odd, Ping
from tmcspec.client.core import Core
from tmcspec.client.message import Message, Outcome
from tmcspec.frame import decode, encode
from tmcspec.messages import ClientMessage, Connect, ConnectAck, PullRequest, Push, SendAck, from_client

FAILED = Outcome(kind="fail", reason="no stock")


def new_core(**options: Any) -> Core:
    return Core(app_key="1023", app_secret="secret", **options)


def online(core: Core | None = None, *, now: float = 0.0, token: str = "t1") -> Core:
    """A core whose connection is accepted, and which has nothing more to send."""
    core = core or new_core()
    core.opened(now=now, wall=1_795_447_615.402)
    connect = sent(core, now)[0]
    assert isinstance(connect, Connect)
    assert receive(core, ConnectAck(token=token, flag=connect.flag), now) == [Accepted()]
    assert sent(core, now) == [PullRequest(token=token)]
    return core


def receive(core: Core, message: ConnectAck | Push | SendAck, now: float = 0.0) -> list[Event]:
    return core.received(encode(message.to_frame()), now=now)


def push(message_id: int | None = 7, **fields: Any) -> Push:
    return Push(**{"token": "t1", "id": message_id, "topic": "taobao_trade_TradeCreate", "content": "{}"} | fields)


def sent(core: Core, now: float = 0.0) -> list[ClientMessage | Ping]:
    """Everything there is to send, read strictly: what the client writes is written well."""
    items: list[ClientMessage | Ping] = []
    while (item := core.take(now=now)) is not None:
        items.append(item if isinstance(item, Ping) else from_client(decode(item, strict=True)))
    return items


def delivered(events: list[Event]) -> Message:
    (event,) = events
    assert isinstance(event, Deliver)
    return event.message


def odd(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, Odd)
    return event.reason
