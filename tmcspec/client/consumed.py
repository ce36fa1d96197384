"""A message as `taobao.tmc.messages.consume` answers it, read for the application.

    {"id": 2124200000370057463, "topic": "taobao_trade_TradeCreate", "content": "{…}", "user_id": 2074082786,
     "user_nick": "…", "pub_time": "2013-10-05 10:55:58", "pub_app_key": "12497914"}

Ids are JSON numbers of 64 bits there, beyond what a double holds (S62), so they must never have been one. Some
gateways and proxies quote them; a decimal text is as good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tmcspec import ids, top
from tmcspec.client.message import Message
from tmcspec.frame_values import show

# 19 digits are enough for every 64-bit number; longer ones are not worth reading.
_INTEGER = re.compile(r"-?[0-9]{1,19}")


def message_of(raw: object) -> Message:
    """The message in a JSON object.

    A message whose time cannot be read is a message all the same: it gets none.

    Raises:
        ValueError: it is no object, has no id, or a member of another type.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"a message must be an object, not {show(raw)}")
    message_id = _integer(raw, "id")
    if message_id is None:
        raise ValueError(f"a message without id, topic {show(raw.get('topic'))}; it cannot be confirmed")
    return Message(
        id=message_id,
        topic=_text(raw, "topic") or "",
        content=_text(raw, "content"),
        user_id=_integer(raw, "user_id"),
        nick=_text(raw, "user_nick"),
        publisher=_text(raw, "pub_app_key"),
        time=top.read_timestamp(time) if isinstance(time := raw.get("pub_time"), str) else None,
    )


def _integer(raw: Mapping[str, object], name: str) -> int | None:
    value = raw.get(name)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if value is None:
        return None
    # A float has lost its digits already, and True is an int to Python only.
    if not isinstance(value, int) or isinstance(value, bool) or not ids.MINIMUM <= value <= ids.MAXIMUM:
        raise ValueError(f"`{name}` must be a signed 64-bit integer, not {show(value)}")
    return value


def _text(raw: Mapping[str, object], name: str) -> str | None:
    value = raw.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"`{name}` must be text, not {show(value)}")
