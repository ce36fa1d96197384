"""What the application sees: the message it gets, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Self

from tmcspec.messages import Push


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message for the application.

    Args:
        id: the outgoing id. It names a delivery, not a fact: the same fact may come under two ids (S42), so
            deduplicate by a key in the content (S41).
        topic: as `taobao_trade_TradeCreate`; empty when the push had none.
        content: text, usually JSON; None when the push had none.
        user_id, nick: whose message it is.
        publisher: app key of the producer.
        data_id: the business object, as a trade id.
        time, out_time: of production, and of this push, in epoch milliseconds.
        retried: how often it was pushed before.
    """

    id: int
    topic: str
    content: str | None = None
    user_id: int | None = None
    nick: str | None = None
    publisher: str | None = None
    data_id: int | None = None
    time: int | None = None
    out_time: int | None = None
    retried: int = 0

    @classmethod
    def of(cls, message_id: int, push: Push) -> Self:
        """What a push says. Raises MessageError when its content cannot be unpacked."""
        return cls(
            id=message_id,
            topic=push.topic or "",
            content=push.text(),
            user_id=push.user_id,
            nick=push.nick,
            publisher=push.publisher,
            data_id=push.data_id,
            time=push.time,
            out_time=push.out_time,
            retried=push.retried or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a handler ended.

    `ok` (it returned), `fail` (FailMessage) or `raise` (anything else), the last two with a reason.
    """

    kind: Literal["ok", "fail", "raise"]
    reason: str = ""


OK = Outcome(kind="ok")

Handler = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts since the client was made.

    Args:
        received: messages taken from the service.
        confirmed, failed: answers handed to a connection.
        published: publishes that the service acknowledged.
        reconnects: accepted connections after the first.
        bad_frames: what came from the service and could not be used.
    """

    received: int = 0
    confirmed: int = 0
    failed: int = 0
    published: int = 0
    reconnects: int = 0
    bad_frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Online:
    """The service accepted a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """An accepted connection ended, or an attempt to replace it failed."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """The handler is about to be called."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """The handler is done."""

    message: Message
    outcome: Outcome


Observation = Online | Offline | Received | Handled
Observer = Callable[[Observation], None]
