"""What the tests of the poller's protocol share: a core without sockets, and answers of the gateway by hand."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tmcspec import top
from tmcspec.client.backoff import Backoff
from tmcspec.client.connection import Deliver, Odd
from tmcspec.client.errors import ConnectFailed
from tmcspec.client.exchange import Event, Interrupted
from tmcspec.client.message import OK, Message, Outcome
from tmcspec.client.polling import CONFIRM, CONSUME, Polling

SECRET = "9a7d1ba0aafe4ad6"
WALL = 1_795_448_992.0

FAILED = Outcome(kind="fail", reason="no stock")
RAISED = Outcome(kind="raise", reason="ValueError")

LOST = ConnectFailed("nobody there")
WEAK = top.Failure(code=15, msg="Remote service error", sub_code="isp.remote-service-timeout")
LIMITED = top.call_limited(1)

#: Always waits a second, so that times are round.
STEADY = Backoff(minimum=1.0, base=1.0, cap=1.0)


def new_polling(*, of: type[Polling] = Polling, **options: Any) -> Polling:
    return of(**{"app_key": "1023", "app_secret": SECRET, "rng": random.Random(1)} | options)


def raw(message_id: object, **members: object) -> dict[str, object]:
    """A message, as the gateway writes it."""
    return {"id": message_id, "topic": "taobao_trade_TradeCreate", "content": "{}"} | members


def consumed_raw(*messages: object) -> bytes:
    """The answer to a consume."""
    answer = {"messages": {"tmc_message": list(messages)}}
    return top.render(CONSUME, answer, format="json", simplify=False, request_id="r")


def consumed(*message_ids: int) -> bytes:
    return consumed_raw(*[raw(message_id) for message_id in message_ids])


def confirmed(success: object = True) -> bytes:
    """The answer to a confirm."""
    return top.render(CONFIRM, {"is_success": success}, format="json", simplify=False, request_id="r")


def refused(failure: top.Failure) -> bytes:
    return top.render_failure(failure, format="json", request_id="r")


def taken(core: Polling, now: float = 0.0) -> Mapping[str, str] | None:
    """What the core wants to post, checked as the gateway does: its sign is right."""
    form = core.take(now=now, wall=WALL + now)
    if form is not None:
        call = top.check(form, secret_of={"1023": SECRET}.get, now_ms=int((WALL + now) * 1000))
        assert isinstance(call, top.Call)
    return form


def asked(core: Polling, now: float = 0.0) -> int:
    """A consume is taken, and asks for so many."""
    form = taken(core, now)
    assert form is not None
    assert form["method"] == CONSUME
    return int(form["quantity"])


def confirming(core: Polling, now: float = 0.0) -> list[int]:
    """A confirm is taken, with these ids."""
    form = taken(core, now)
    assert form is not None
    assert form["method"] == CONFIRM
    return [int(text) for text in form["s_message_ids"].split(",")]


def consume(core: Polling, *message_ids: int, now: float = 0.0) -> list[Event]:
    """A consume is taken, and answered with these messages."""
    asked(core, now)
    return core.received(consumed(*message_ids), now=now)


def handled(core: Polling, *message_ids: int, now: float = 0.0, outcome: Outcome = OK) -> None:
    """The handlers of these messages are done."""
    for message_id in message_ids:
        core.handled(message_id, outcome, now=now)


def settled(*message_ids: int, now: float = 0.0, **options: Any) -> Polling:
    """A core that got these messages, whose handlers are done."""
    core = new_polling(**{"backoff": STEADY} | options)
    consume(core, *message_ids, now=now)
    handled(core, *message_ids, now=now)
    return core


def delivered(events: list[Event]) -> list[Message]:
    return [event.message for event in events if isinstance(event, Deliver)]


def odd(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, Odd)]


def interrupted(events: list[Event]) -> Interrupted:
    (event,) = [event for event in events if isinstance(event, Interrupted)]
    return event
