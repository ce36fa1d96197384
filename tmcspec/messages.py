"""What the frames say: typed messages over frames.

A frame is an envelope; these are the eight letters that go in it. Four message types and one custom field, `__kind`,
tell them apart:

    from the client                         from the service
    CONNECT                 Connect         CONNECTACK          ConnectAck
    SEND, __kind 1          PullRequest     SEND                Push
    SEND, __kind 2          Confirm         SENDACK             SendAck
    SEND, __kind 3          Publish
    SEND, __kind 20         Fail
    SENDACK, __kind 20      Fail
    SENDACK                 SendAck

The same SEND means another thing in each direction, so there are two readers, `from_client` and `from_service`. Reading
is as lenient as the official service must be towards its clients: field order does not matter, an id may come in any
integer width (observed: tmc.js, tmcpy and the PHP clients choose the width by magnitude), a Fail may come as SENDACK
(the README of tmc.js tells so), unknown fields are kept aside. What cannot be understood at all is `MessageError`.
Writing is strict, and in the field order that was observed; a value out of the range of its field is a ValueError.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, TypeVar

from tmcspec.frame import Field, Frame, MessageType, byte, date, int64, raw, string, void
from tmcspec.frame_values import show

#: More than this from one gzip content is refused: 1 MB of zeros in a kilobyte is how a small message kills a consumer.
CONTENT_LIMIT = 16 * 1024 * 1024


class Kind(IntEnum):
    """Values of the custom field `__kind`, a Byte (observed: official Java 2021, C# 2023)."""

    NONE = 0
    PULL_REQUEST = 1
    CONFIRM = 2
    DATA = 3
    # Missing in SDKs before 2021, and in the Node and Python clients: those just do not confirm.
    FAILED = 20


class MessageError(ValueError):
    """A frame that decodes but does not say what its type and kind promise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """The first frame on a connection.

    Args: app_key, group, timestamp, sign: what is signed, and the sign (see `signing`). The timestamp is decimal epoch
        milliseconds. flag: > 0, echoed by the CONNECTACK; 0 for none (the Node and PHP clients send none). extras:
        further custom fields: sdk, intranet_ip, minor_group, …
    """

    app_key: str
    group: str
    timestamp: str
    # Out of the repr, which ends up in logs: the app secret could be searched for with it.
    sign: str = field(repr=False)
    flag: int = 0
    extras: tuple[Field, ...] = ()

    def to_frame(self) -> Frame:
        content = (
            string("app_key", self.app_key),
            string("group_name", self.group),
            string("timestamp", self.timestamp),
            string("sign", self.sign),
            *self.extras,
        )
        return Frame(type=MessageType.CONNECT, flag=self.flag, content=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ack:
    """An answer. `flag` is that of what is answered; an error has a code above 0, or a phrase, or both."""

    type: ClassVar[MessageType]

    token: str | None = None
    flag: int = 0
    status_code: int = 0
    status_phrase: str | None = None

    @property
    def refused(self) -> bool:
        """The official clients take a code above 0 or any phrase for a refusal."""
        return self.status_code > 0 or self.status_phrase is not None

    def to_frame(self) -> Frame:
        code, phrase = self.status_code, self.status_phrase
        return Frame(type=self.type, token=self.token, flag=self.flag, status_code=code, status_phrase=phrase)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectAck(_Ack):
    """The answer to a CONNECT: a token, or an error."""

    type = MessageType.CONNECTACK


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAck(_Ack):
    """The answer to a SEND that had a flag: success, or an error."""

    type = MessageType.SENDACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A message for the application, from the service.

    Args:
        token: of the CONNECTACK of this connection; None only on an odd push.
        id: the outgoing id, which the confirm must name; None only on an odd push.
        topic: as `taobao_trade_TradeCreate`.
        content: text (JSON, usually), or bytes: gzip of UTF-8; None when absent.
        user_id, nick: whose message it is.
        publisher: app key of the producer; production's own is 12497914 (captured).
        data_id: the business object, as a trade id.
        time, out_time: of production, and of this push, in epoch milliseconds.
        retried: how often it was pushed before, from 0; a Byte (captured), so 127 stands for more.
        extras: fields with no place above.

    Example:
        >>> push = Push(token="t", id=2**62 + 1, topic="taobao_trade_TradeCreate", content="{}")
        >>> from_service(push.to_frame()) == push
        True
    """

    token: str | None
    id: int | None
    topic: str | None
    content: str | bytes | None = None
    user_id: int | None = None
    nick: str | None = None
    publisher: str | None = None
    data_id: int | None = None
    time: int | None = None
    out_time: int | None = None
    retried: int | None = None
    extras: tuple[Field, ...] = ()

    def to_frame(self) -> Frame:
        """In the field order of the captured production pushes: token first, no flag."""
        content = self.content
        # Captured pushes carry two values twice, the second time as fields that no client knows.
        written: tuple[tuple[str, Callable[[str, Any], Field], object], ...] = (
            ("topic", string, self.topic),
            ("userid", int64, self.user_id),
            ("__kind", byte, Kind.DATA),
            ("publisher", string, self.publisher),
            ("retried", byte, None if self.retried is None else min(self.retried, 127)),
            ("content", raw if isinstance(content, bytes) else string, content),
            ("id", int64, self.id),
            ("data_id", int64, self.data_id),
            ("time", date, self.time),
            ("nick", string, self.nick),
            ("dataid", int64, self.data_id),
            ("born_time", int64, self.time),
            ("outtime", date, self.out_time),
        )
        fields = (make(key, value) for key, make, value in written if value is not None)
        return Frame(type=MessageType.SEND, token=self.token, content=(*fields, *self.extras))

    def text(self) -> str | None:
        """The content as the application must get it: bytes are gunzipped. Raises MessageError, as `gunzip`."""
        return gunzip(self.content) if isinstance(self.content, bytes) else self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """The message with this id was handled. `id` is None when there is none, or a Void (observed: official Java)."""

    token: str | None
    id: int | None

    def to_frame(self) -> Frame:
        return _send(self.token, byte("__kind", Kind.CONFIRM), _id_field(self.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The message with this id could not be handled; it will come again."""

    token: str | None
    id: int | None
    reason: str | None = None

    def to_frame(self) -> Frame:
        reason = void("msg") if self.reason is None else string("msg", self.reason)
        return _send(self.token, byte("__kind", Kind.FAILED), _id_field(self.id), reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """Wakes the service up. It carries no amount, and nothing answers it but pushes."""

    token: str | None

    def to_frame(self) -> Frame:
        return _send(self.token, byte("__kind", Kind.PULL_REQUEST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """A message to Taobao (回流消息, S13); the SENDACK with the same flag answers it."""

    token: str | None
    flag: int
    topic: str
    content: str
    session: str | None = field(default=None, repr=False)  # a user's grant

    def to_frame(self) -> Frame:
        fields = [byte("__kind", Kind.DATA), string("topic", self.topic), string("content", self.content)]
        if self.session is not None:
            fields.append(string("session", self.session))
        return Frame(type=MessageType.SEND, token=self.token, flag=self.flag, content=tuple(fields))


ClientMessage = Connect | Confirm | Fail | PullRequest | Publish | SendAck
ServiceMessage = ConnectAck | Push | SendAck


def from_client(frame: Frame) -> ClientMessage:
    """What a client said.

    Raises:
        MessageError: a type that clients do not send, an unknown kind, or a field of the wrong type.
    """
    match frame.type:
        case MessageType.CONNECT:
            return _read_connect(frame)
        case MessageType.SENDACK if frame.value("__kind") != Kind.FAILED:
            return _read_ack(SendAck, frame)
        case MessageType.SEND | MessageType.SENDACK:
            return _read_client_send(frame)
    raise MessageError(f"clients do not send message type {frame.type}; known: CONNECT 0, SEND 2, SENDACK 3")


def from_service(frame: Frame) -> ServiceMessage:
    """What the service said. Raises MessageError, as `from_client`."""
    match frame.type:
        case MessageType.CONNECTACK:
            return _read_ack(ConnectAck, frame)
        case MessageType.SENDACK:
            return _read_ack(SendAck, frame)
        case MessageType.SEND:
            return _read_push(frame)
    raise MessageError(f"the service does not send message type {frame.type}; known: CONNECTACK 1, SEND 2, SENDACK 3")


def gunzip(data: bytes) -> str:
    """Content that came as gzip bytes, as text.

    Raises:
        MessageError: the bytes are not gzip, fail their checksum, end too early, have something behind them, unfold to
            more than CONTENT_LIMIT bytes (never more are unfolded), or are no UTF-8. The official Java client ignores
            what follows the gzip; here damage does not pass for a message.

    Example:
        >>> gunzip(gzipped("content"))
        'content'
    """
    unzip = zlib.decompressobj(wbits=31)
    try:
        # One byte over the limit, so that content of just that size can still come to its end.
        text = unzip.decompress(data, CONTENT_LIMIT + 1)
    except zlib.error as error:
        raise MessageError(f"content of {len(data)} bytes is not gzip: {error}") from None
    if len(text) > CONTENT_LIMIT:
        raise MessageError(f"content of {len(data)} gzip bytes unfolds to more than {CONTENT_LIMIT} bytes")
    if not unzip.eof:
        raise MessageError(f"content of {len(data)} gzip bytes ends too early")
    if unzip.unused_data:
        raise MessageError(f"{len(unzip.unused_data)} of {len(data)} bytes follow the gzip content")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"gzip content is not UTF-8: {error}") from None


def gzipped(text: str) -> bytes:
    """Text as gzip bytes, the same bytes every time."""
    return gzip.compress(text.encode(), mtime=0)


_AckT = TypeVar("_AckT", bound=_Ack)


def _send(token: str | None, *fields: Field) -> Frame:
    return Frame(type=MessageType.SEND, token=token, content=fields)


def _id_field(value: int | None) -> Field:
    return void("id") if value is None else int64("id", value)


def _read_ack(kind: type[_AckT], frame: Frame) -> _AckT:
    return kind(token=frame.token, flag=frame.flag, status_code=frame.status_code, status_phrase=frame.status_phrase)


_CONNECT_FIELDS: frozenset[str | None] = frozenset({"app_key", "group_name", "timestamp", "sign"})


def _read_connect(frame: Frame) -> Connect:
    return Connect(
        app_key=_text(frame, "app_key") or "",
        group=_text(frame, "group_name") or "",
        timestamp=_text(frame, "timestamp") or "",
        sign=_text(frame, "sign") or "",
        flag=frame.flag,
        extras=_others(frame, _CONNECT_FIELDS),
    )


def _read_client_send(frame: Frame) -> ClientMessage:
    kind = _kind(frame)
    match kind:
        case Kind.PULL_REQUEST:
            return PullRequest(token=frame.token)
        case Kind.CONFIRM:
            return Confirm(token=frame.token, id=_integer(frame, "id"))
        case Kind.FAILED:
            return Fail(token=frame.token, id=_integer(frame, "id"), reason=_text(frame, "msg"))
        case Kind.DATA:
            return _read_publish(frame)
    raise MessageError(f"__kind is {kind!r}; known: 1 PullRequest, 2 Confirm, 3 Data, 20 Failed")


def _read_publish(frame: Frame) -> Publish:
    # Whoever sent nothing is told so by the answer to it.
    topic, content = _text(frame, "topic") or "", _text(frame, "content") or ""
    return Publish(token=frame.token, flag=frame.flag, topic=topic, content=content, session=_text(frame, "session"))


# The fields of a push with everything. Of those written twice, `dataid` and `time` count.
_EVERYTHING = Push(
    token=None, id=0, topic="", content="", user_id=0, nick="", publisher="", data_id=0, time=0, out_time=0, retried=0
)
_PUSH_FIELDS = frozenset(key for key, _, _ in _EVERYTHING.to_frame().content or ())


def _read_push(frame: Frame) -> Push:
    content = frame.value("content")
    if not isinstance(content, str | bytes | None):
        raise MessageError(f"content is {show(content)}; a string, bytes or nothing is expected")
    return Push(
        token=frame.token,
        id=_integer(frame, "id"),
        topic=_text(frame, "topic"),
        content=content,
        user_id=_integer(frame, "userid"),
        nick=_text(frame, "nick"),
        publisher=_text(frame, "publisher"),
        data_id=_integer(frame, "dataid"),
        time=_integer(frame, "time"),
        out_time=_integer(frame, "outtime"),
        retried=_integer(frame, "retried"),
        extras=_others(frame, _PUSH_FIELDS),
    )


def _others(frame: Frame, known: frozenset[str | None]) -> tuple[Field, ...]:
    return tuple(each for each in frame.content or () if each[0] not in known)


def _kind(frame: Frame) -> int | None:
    # A String "1" was seen from an old Python client; everyone else writes a Byte.
    value = frame.value("__kind")
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 4:
        return int(value)
    return _integer(frame, "__kind")


def _integer(frame: Frame, key: str) -> int | None:
    """Of any width. None for a void field and for none at all."""
    value = frame.value(key)
    if value is None or isinstance(value, int):
        return value
    raise MessageError(f"{key} is {show(value)}; an integer is expected")


def _text(frame: Frame, key: str) -> str | None:
    value = frame.value(key)
    if value is None or isinstance(value, str):
        return value
    # Errors end up in logs, where no sign may be.
    raise MessageError(f"{key} is {type(value).__name__ if key == 'sign' else show(value)}; a string is expected")
