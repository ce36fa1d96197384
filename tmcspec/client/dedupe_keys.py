"""What a message is about: the keys by which messages are the same or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from tmcspec.client.message import Message
from tmcspec.frame_values import show

Key = Callable[[Message], str | None]
"""Messages with the same key are the same; None: this one is like no other."""

#: A store is given keys of at most so many characters.
KEY_LIMIT = 200

_DIGEST = "sha256:"


def by_id(message: Message) -> str | None:
    """The key is the outgoing id: 唯一键,可以是msgId (S41).

    It finds what comes again because its confirm was late or lost. It does not find the same message under another
    id (S42).

    Example:
        >>> by_id(Message(id=2**62 + 1, topic="taobao_trade_TradeCreate"))
        'id:4611686018427387905'
    """
    return f"id:{message.id}"


def by_content_fields(*fields: str) -> Key:
    """The key is the topic with these members of the content: 也可以是消息内容中的唯一标识字段 (S41).

    A message whose content is no JSON object, or that lacks one of them, has no key: such messages are all handled.
    (Observed: the official Java client gives all trades without a tid the key "trade_null", and drops all but one.)
    A member counts when it is a text that is not empty, an integer (exactly, however large), true or false. A number
    with a fraction does not: it is no id, and readers round it.

    Args:
        fields: names of members; together they must tell one event of a topic from every other.

    Raises:
        ValueError: no field is given, or one is not a text.

    Example:
        >>> key = by_content_fields("tid", "oid")
        >>> key(Message(id=1, topic="taobao_trade_TradeCreate", content='{"tid": 4160600490938325004, "oid": 7}'))
        '["taobao_trade_TradeCreate", {"tid": 4160600490938325004, "oid": 7}]'
        >>> key(Message(id=2, topic="taobao_trade_TradeCreate", content='{"tid": 4160600490938325004}')) is None
        True
    """
    if not fields or not all(isinstance(field, str) and field for field in fields):
        raise ValueError(f"fields must be names of members of the content, at least one, not {fields!r}")

    def key(message: Message) -> str | None:
        content = _object(message.content)
        values = {field: content.get(field) for field in fields}
        if all(_identifies(value) for value in values.values()):
            return json.dumps([message.topic, values])
        return None

    return key


def bounded(key: str) -> str:
    """The key as stores get it: itself, or its SHA-256 when it is longer than KEY_LIMIT or not printable.

    Raises:
        TypeError: it is not a text.
        ValueError: it is empty. Messages without a key are not all the same: None says that there is none.

    Example:
        >>> bounded("tid:7")
        'tid:7'
        >>> bounded(1000 * "7")[:20]
        'sha256:2fb8ebc720944'
    """
    if not isinstance(key, str):
        raise TypeError(f"the key of a message must be a text or None, not {show(key)}")
    if not key:
        raise ValueError("the key of a message is empty; None says that it has none")
    # Not printable are NUL and lone surrogates, too, which not every store can hold. What looks like a digest is
    # digested as well, so that no key can be chosen that is the digest of some other.
    if len(key) <= KEY_LIMIT and key.isprintable() and not key.startswith(_DIGEST):
        return key
    return _DIGEST + sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _object(content: str | None) -> dict[str, Any]:
    try:
        value = json.loads(content or "")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _identifies(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and value != "")
