"""The two frames that make up nearly all traffic, without the codec: a push out, a confirm in.

Of two deliveries of a message the bytes differ in three places: the token of the connection, `retried`, and `outtime`.
So what is between them is written when the message is produced, and a delivery only puts the pieces together. And a
confirm is, but for token and id, always the same bytes, in one of two orders. That is many times faster than the codec,
and must never say anything else than the codec does; tests hold them together.
"""

from __future__ import annotations

from dataclasses import replace
from struct import Struct
from struct import error as StructError
from typing import Final

from tmcspec.frame import ValueType, decode, field_head
from tmcspec.messages import Kind, Push, from_service

_START: Final = b"\x02\x02"
_END: Final = b"\0\0"
_TOKEN: Final = Struct("<Hi").pack
_LONG: Final = Struct("<q").pack
_LENGTH: Final = Struct("<i").pack
_read_length: Final = Struct("<i").unpack_from
_read_long: Final = Struct("<q").unpack_from

_TOPIC: Final = field_head("topic", ValueType.STRING)
_USER: Final = field_head("userid", ValueType.INT64)
_KIND: Final = field_head("__kind", ValueType.BYTE) + bytes([Kind.DATA])
_PUBLISHER: Final = field_head("publisher", ValueType.STRING)
_RETRIED: Final = field_head("retried", ValueType.BYTE)
_TEXT: Final = field_head("content", ValueType.STRING)
_ID: Final = field_head("id", ValueType.INT64)
_DATA_ID: Final = field_head("data_id", ValueType.INT64)
_TIME: Final = field_head("time", ValueType.DATE)
_NICK: Final = field_head("nick", ValueType.STRING)
_DATAID: Final = field_head("dataid", ValueType.INT64)
_BORN: Final = field_head("born_time", ValueType.INT64)
_OUT: Final = field_head("outtime", ValueType.DATE)

#: A Byte holds no more, so 127 stands for more.
RETRIED_LIMIT = 127

_RETRIES: Final = [bytes([number]) for number in range(RETRIED_LIMIT + 1)]

#: Type of a header that holds a token.
_TOKEN_HEADER: Final = 5


class Letter:
    """What a message says in every delivery of it: a push in protocol version 2, with the fields of the captured ones.

    Args:
        id: the outgoing id.
        topic, content, user_id, nick, publisher, data_id, time: as in `Push`; content is text.

    Attributes:
        after: the bytes between `retried` and `outtime`, which begin with the content.

    Raises:
        ValueError: a number that its field cannot hold, or text that UTF-8 cannot write.

    Example:
        >>> letter = Letter(id=7, topic="t", content="{}", publisher="12497914", time=0)
        >>> decode(letter.written(token=b"token", retried=0, out_time=5)).value("id")
        7
    """

    __slots__ = ("_before", "after")

    def __init__(
        self,
        *,
        id: int,
        topic: str,
        content: str | None,
        publisher: str,
        time: int,
        user_id: int | None = None,
        nick: str | None = None,
        data_id: int | None = None,
    ) -> None:
        try:
            user = b"" if user_id is None else _USER + _LONG(user_id)
            self._before = _field(_TOPIC, topic) + user + _KIND + _field(_PUBLISHER, publisher) + _RETRIED
            born = _LONG(time)
            data = data_again = b""
            if data_id is not None:
                number = _LONG(data_id)
                data, data_again = _DATA_ID + number, _DATAID + number
            self.after = b"".join(
                (
                    b"" if content is None else _field(_TEXT, content),
                    _ID + _LONG(id),
                    data,
                    _TIME + born,
                    b"" if nick is None else _field(_NICK, nick),
                    data_again,
                    _BORN + born,
                    _OUT,
                )
            )
        except (StructError, UnicodeEncodeError):
            # The codec has the words for what is wrong.
            Push(
                token=None,
                id=id,
                topic=topic,
                content=content,
                user_id=user_id,
                nick=nick,
                publisher=publisher,
                data_id=data_id,
                time=time,
            ).to_frame()
            raise

    def written(self, *, token: bytes, retried: int, out_time: int) -> bytes:
        """One delivery.

        Args:
            token: of the connection, in UTF-8, not empty.
            retried: how often it was delivered before.
            out_time: of this delivery, in epoch milliseconds.
        """
        return b"".join(
            (
                _START,
                _TOKEN(_TOKEN_HEADER, len(token)),
                token,
                self._before,
                _RETRIES[retried if retried < RETRIED_LIMIT else RETRIED_LIMIT],
                self.after,
                _LONG(out_time),
                _END,
            )
        )

    @property
    def content(self) -> str | None:
        """The content."""
        return content_of(self.after)

    def push(self, *, token: str, retried: int, out_time: int) -> Push:
        """The same delivery for those who write it in their own way. An empty nick comes as none."""
        said = from_service(decode(self.written(token=token.encode(), retried=retried, out_time=out_time)))
        assert isinstance(said, Push)
        # Readers take empty text for none, and these two are written all the same.
        return replace(said, topic=said.topic or "", content=self.content)


# `__kind` 2, and what comes before the id.
_CONFIRM: Final = field_head("__kind", ValueType.BYTE) + bytes([Kind.CONFIRM])
_KIND_FIRST: Final = _CONFIRM + _ID
_CONFIRM_SIZE: Final = len(_KIND_FIRST) + 8 + len(_END)
_TOKEN_START: Final = _START + b"\x05\x00"


def confirmed_id(data: bytes) -> int | None:
    """The id in these bytes, if they are a confirm as clients mostly write it: version 2, a token, no flag, an Int64,
    nothing odd. None for all else, which the codec must look at.

    Example:
        >>> from tmcspec.frame import encode
        >>> from tmcspec.messages import Confirm
        >>> confirmed_id(encode(Confirm(token="t", id=2**62).to_frame())) == 2**62
        True
    """
    start = len(data) - _CONFIRM_SIZE
    if start < 8 or not data.startswith(_TOKEN_START) or _read_length(data, 4)[0] != start - 8 or start == 8:
        return None
    # Either order is common (observed: Java writes the id first, others the kind).
    if data.startswith(_KIND_FIRST, start):
        at = start + len(_KIND_FIRST)
    elif data.startswith(_ID, start) and data.startswith(_CONFIRM, start + len(_ID) + 8):
        at = start + len(_ID)
    else:
        return None
    return _read_long(data, at)[0] if data.endswith(_END) else None


def content_of(after: bytes) -> str | None:
    """The content in what a letter says after `retried`."""
    if not after.startswith(_TEXT):
        return None
    start = len(_TEXT) + 4
    return after[start : start + _read_length(after, len(_TEXT))[0]].decode()


def _field(head: bytes, text: str) -> bytes:
    data = text.encode()
    return head + _LENGTH(len(data)) + data
