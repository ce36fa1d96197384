"""What a client's adapter reports, as events of the trace."""

from __future__ import annotations

import re

from tmcspec.events import Event, Handled, Id, Received
from tmcsuites.adapters.contract import ClientEvent, ClientHandled, ClientReceived


def reported(client: str, event: ClientEvent) -> Event | None:
    """The event of the trace that a report comes to; None when the trace has none for it.

    Ids outside 64 bits are shown as they are.
    """
    if isinstance(event, ClientReceived):
        return Received(
            client=client,
            message=_id(event.message_id),
            topic=event.topic,
            content=event.content,
            user_id=_id(event.user_id),
            data_id=_id(_number(event.data_id)),
            publish_time=_id(event.publish_time),
        )
    if isinstance(event, ClientHandled):
        return Handled(client=client, message=_id(event.message_id), outcome=event.outcome)
    return None


def _id(value: int | None) -> Id | None:
    return None if value is None else Id(value)


def _number(text: str | None) -> int | None:
    """`data_id` is text for adapters, since some libraries show it as text. None for what is no number."""
    return int(text) if text is not None and _DECIMAL.fullmatch(text) else None


# As long as an `Id` may be. int() alone would also take spaces, underscores and the digits of other scripts.
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
