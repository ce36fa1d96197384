"""Mutants that misread or miswrite frames, or what is in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.protocol import Event as WsEvent

from tmcspec.client import Core, Message, TmcClient
from tmcspec.client.connection import Event, State
from tmcspec.client.wire import Wire
from tmcspec.frame import Field, FieldValue, Frame, FrameError, ValueType, string
from tmcspec.ids import as_double, as_uint64
from tmcspec.messages import Push
from tmcsuites.mutants.base import PHP, Catalogue, Killed

MUTANTS = Catalogue()
mutant = MUTANTS.mutant

#: By format of an integer that is smaller than an id, how many bits it has.
SMALL = {ValueType.BYTE: 8, ValueType.INT16: 16, ValueType.INT32: 32}


@mutant("loses-its-place-at-bytes", "FRM-1", published=("official Node SDK", *PHP))
class LosesItsPlaceAtBytes(Core):
    """Does not step over a ByteArray, and so loses every field behind it."""

    def decoded(self, data: bytes) -> Frame:
        return _cut_at(super().decoded(data), ValueType.BYTES)


@mutant("loses-its-place-at-int16", "FRM-1")
class LosesItsPlaceAtInt16(Core):
    """Takes an Int16 for four bytes, and so loses every field behind it."""

    def decoded(self, data: bytes) -> Frame:
        return _cut_at(super().decoded(data), ValueType.INT16)


@mutant("reads-int64-unsigned", "FRM-2", published=("tmcpy", *PHP))
class ReadsInt64Unsigned(Core):
    """Shows `dataid` without its sign."""

    def message(self, message_id: int, push: Push) -> Message:
        right = super().message(message_id, push)
        return replace(right, data_id=None if right.data_id is None else as_uint64(right.data_id))


@mutant("reads-int64-as-a-double", "FRM-2", published=("official Node SDK",))
class ReadsInt64AsADouble(Core):
    """Shows `dataid` through a double."""

    def message(self, message_id: int, push: Push) -> Message:
        right = super().message(message_id, push)
        return replace(right, data_id=None if right.data_id is None else as_double(right.data_id))


@mutant("reads-small-integers-unsigned", "FRM-3", published=("tmcpy", "jyh-taobao-topsdk", *PHP))
class ReadsSmallIntegersUnsigned(Core):
    """Reads Byte, Int16 and Int32 without their signs."""

    def decoded(self, data: bytes) -> Frame:
        frame = super().decoded(data)
        return replace(frame, content=tuple(_unsigned(*field) for field in frame.content or ()))


@mutant("reads-dates-in-seconds", "FRM-4")
class ReadsDatesInSeconds(Core):
    """Takes the milliseconds of a Date for seconds."""

    def message(self, message_id: int, push: Push) -> Message:
        right = super().message(message_id, push)
        return replace(right, time=None if right.time is None else right.time * 1000)


@mutant("hands-on-gzip", "FRM-5", published=("tmc.js",))
class HandsOnGzip(Core):
    """Gives the handler gzip content as it came, as bytes."""

    def message(self, message_id: int, push: Push) -> Message:
        if isinstance(push.content, bytes):
            push = replace(push, content=push.content.decode("latin-1"))
        return super().message(message_id, push)


@mutant("drops-gzip", "FRM-5")
class DropsGzip(Core):
    """Throws away messages whose content is not text."""

    def push_received(self, push: Push) -> list[Event]:
        return [] if isinstance(push.content, bytes) else super().push_received(push)


@mutant("drops-messages-without-content", "FRM-6")
class DropsMessagesWithoutContent(Core):
    """Throws away messages without content."""

    def push_received(self, push: Push) -> list[Event]:
        return super().push_received(push) if push.content else []


@mutant("breaks-off-at-empty-content", "FRM-6", published=("tmcpy",))
class BreaksOffAtEmptyContent(Core):
    """Raises while reading a message without content, and connects anew."""

    def message(self, message_id: int, push: Push) -> Message:
        if not push.content:
            raise TypeError("the JSON object must be str, bytes or bytearray, not NoneType")
        return super().message(message_id, push)


@mutant("knows-ascii-only", "FRM-7")
class KnowsAsciiOnly(Core):
    """Puts a question mark for every character beyond ASCII in text content."""

    def message(self, message_id: int, push: Push) -> Message:
        if isinstance(push.content, str):
            push = replace(push, content=push.content.encode("ascii", "replace").decode())
        return super().message(message_id, push)


@mutant("knows-the-basic-plane-only", "FRM-7")
class KnowsTheBasicPlaneOnly(Core):
    """Puts a question mark for every character beyond the basic multilingual plane in text content."""

    def message(self, message_id: int, push: Push) -> Message:
        if isinstance(push.content, str):
            push = replace(push, content="".join(each if each < "\U00010000" else "?" for each in push.content))
        return super().message(message_id, push)


@mutant("counts-characters-when-reading", "FRM-7")
class CountsCharactersWhenReading(Core):
    """Takes the length of text for characters, and so cuts the end off text beyond ASCII."""

    def message(self, message_id: int, push: Push) -> Message:
        if isinstance(push.content, str):
            beyond = len(push.content.encode()) - len(push.content)
            push = replace(push, content=push.content[: len(push.content) - beyond])
        return super().message(message_id, push)


@mutant("takes-a-field-for-the-message-type", "FRM-8", published=("official Node SDK", "tmc.js"))
class TakesAFieldForTheMessageType(Core):
    """Takes a custom field `messageType` for the type of the message."""

    def decoded(self, data: bytes) -> Frame:
        frame = super().decoded(data)
        named = frame.value("messageType")
        return replace(frame, type=int(named)) if isinstance(named, str) else frame


@mutant("takes-a-field-for-the-flag", "FRM-8", published=("official Node SDK", "tmc.js"))
class TakesAFieldForTheFlag(Core):
    """Takes a custom field `flag` for the flag, and the push for an answer that nobody waits for."""

    def push_received(self, push: Push) -> list[Event]:
        return [] if any(key == "flag" for key, _, _ in push.extras) else super().push_received(push)


@mutant("expects-the-usual-order", "FRM-8")
class ExpectsTheUsualOrder(Core):
    """Looks for the id only behind the topic."""

    def decoded(self, data: bytes) -> Frame:
        frame = super().decoded(data)
        keys = [key for key, _, _ in frame.content or ()]
        if "id" in keys and "topic" in keys[keys.index("id") :]:
            frame = replace(frame, content=tuple(each for each in frame.content or () if each[0] != "id"))
        return frame


@mutant("refuses-unknown-headers", "FRM-9", published=("tmc.js",))
class RefusesUnknownHeaders(Core):
    """Throws away a frame with a header of an unknown type."""

    def decoded(self, data: bytes) -> Frame:
        return _without(super().decoded(data), "unknown-header")


@mutant("refuses-unknown-formats", "FRM-10", published=("tmc.js", "official Node SDK"))
class RefusesUnknownFormats(Core):
    """Throws away a frame with a field of an unknown format."""

    def decoded(self, data: bytes) -> Frame:
        return _without(super().decoded(data), "unknown-format")


@mutant("dies-of-a-malformed-frame", "FRM-11", published=("tmc.js",))
class DiesOfAMalformedFrame(Core):
    """Never works again after a frame that does not decode."""

    def decoded(self, data: bytes) -> Frame:
        try:
            return super().decoded(data)
        except FrameError as error:
            raise Killed from error


@mutant("goes-deaf-after-a-malformed-frame", "FRM-11")
class GoesDeafAfterAMalformedFrame(Core):
    """Stays connected after a frame that it cannot use, and hears nothing any more."""

    def received(self, data: bytes, *, now: float) -> list[Event]:
        deaf = self.state is State.ONLINE and self.stats.bad_frames > 0
        return [] if deaf else super().received(data, now=now)


@mutant("goes-deaf-after-text", "FRM-11")
class GoesDeafAfterText(Core):
    """Stays connected after a text message, and takes no messages any more."""

    def text_received(self, length: int, *, now: float) -> list[Event]:
        self.drain()
        return super().text_received(length, now=now)


@mutant("takes-64-kb", "FRM-12")
class Takes64Kb(TmcClient):
    """Closes the connection at a message of more than 64 KB."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, max_size=64 * 1024)


@mutant("cuts-content-at-64-kb", "FRM-12")
class CutsContentAt64Kb(Core):
    """Keeps the first 64 K characters of the content."""

    def message(self, message_id: int, push: Push) -> Message:
        right = super().message(message_id, push)
        return replace(right, content=right.content and right.content[: 64 * 1024])


@mutant("counts-characters-when-writing", "FRM-13", published=("tmcpy",))
class CountsCharactersWhenWriting(Core):
    """Writes as many bytes of a text as it has characters."""

    def encoded(self, frame: Frame) -> bytes:
        texts = [value for _, _, value in frame.content or () if isinstance(value, str) and not value.isascii()]
        data = super().encoded(replace(frame, content=tuple(_stand_in(each) for each in frame.content or ())))
        for text in texts:
            data = data.replace(STAND_IN * len(text), text.encode()[: len(text)], 1)
        return data


@mutant("writes-behind-the-end", "FRM-13")
class WritesBehindTheEnd(Core):
    """Sends its whole write buffer, not only what it has written."""

    def encoded(self, frame: Frame) -> bytes:
        return super().encoded(frame).ljust(4096, b"\0")


@mutant("refuses-what-follows-the-end", "FRM-14")
class RefusesWhatFollowsTheEnd(Core):
    """Throws away a frame with bytes behind its end."""

    def decoded(self, data: bytes) -> Frame:
        return _without(super().decoded(data), "trailing-bytes")


@mutant("takes-fragments-for-messages", "FRM-15", published=("official Java SDK",))
class TakesFragmentsForMessages(Wire):
    """Takes every WebSocket fragment for a message of its own."""

    def process_event(self, event: WsEvent) -> None:
        if isinstance(event, WsFrame) and (event.opcode is Opcode.CONT or not event.fin):
            event = WsFrame(Opcode.BINARY, event.data)
        super().process_event(event)


STAND_IN = b"\x1a"


def _stand_in(field: tuple[str | None, ValueType, Any]) -> tuple[str | None, ValueType, Any]:
    """A placeholder for each character, when the text goes beyond ASCII; else the field as it is."""
    key, _, value = field
    if isinstance(value, str) and not value.isascii():
        return string(key, STAND_IN.decode() * len(value))
    return field


def _unsigned(key: str | None, type_: ValueType, value: FieldValue) -> Field:
    """A field whose value lost its sign, if its format is smaller than an id."""
    if type_ in SMALL and isinstance(value, int) and value < 0:
        return key, ValueType.INT64, value % 2 ** SMALL[type_]
    return key, type_, value


def _cut_at(frame: Frame, type_: ValueType) -> Frame:
    """The frame without its fields from the first one of this type on."""
    fields = frame.content or ()
    at = next((place for place, each in enumerate(fields) if each[1] is type_), len(fields))
    return replace(frame, content=fields[:at])


def _without(frame: Frame, anomaly: str) -> Frame:
    """The frame, unless it has this anomaly. Raises FrameError."""
    for found in frame.anomalies:
        if found.kind == anomaly:
            raise FrameError(found.offset, found.detail)
    return frame
