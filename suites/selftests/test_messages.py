"""What the frames say, in both directions."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmcspec import strategies
from tmcspec.frame import (
    Field,
    Frame,
    FrameError,
    MessageType,
    byte,
    date,
    decode,
    encode,
    int16,
    int32,
    int64,
    raw,
    string,
    void,
)
from tmcspec.messages import (
    CONTENT_LIMIT,
    Confirm,
    Connect,
    ConnectAck,
    Fail,
    Kind,
    MessageError,
    Publish,
    PullRequest,
    Push,
    SendAck,
    from_client,
    from_service,
    gunzip,
    gzipped,
)

# Empty text is not here: on the wire it is null, see below.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
maybe_texts = st.none() | texts
int64s = st.integers(-(2**63), 2**63 - 1)
maybe_int64s = st.none() | int64s
flags = st.integers(0, 2**31 - 1)
unknown_keys = texts.map("x-".__add__)
extras = st.dictionaries(unknown_keys, texts, max_size=3).map(
    lambda fields: tuple(string(key, value) for key, value in fields.items())
)

acks: dict[str, Any] = {"token": maybe_texts, "flag": flags, "status_code": flags, "status_phrase": maybe_texts}
client_messages = st.one_of(
    st.builds(Connect, app_key=texts, group=texts, timestamp=texts, sign=texts, flag=flags, extras=extras),
    st.builds(Confirm, token=maybe_texts, id=maybe_int64s),
    st.builds(Fail, token=maybe_texts, id=maybe_int64s, reason=maybe_texts),
    st.builds(PullRequest, token=maybe_texts),
    st.builds(Publish, token=maybe_texts, flag=flags, topic=texts, content=texts, session=maybe_texts),
    st.builds(SendAck, **acks),
)
service_messages = st.one_of(
    st.builds(ConnectAck, **acks),
    st.builds(SendAck, **acks),
    st.builds(
        Push,
        token=maybe_texts,
        id=maybe_int64s,
        topic=maybe_texts,
        content=maybe_texts | st.binary(max_size=20),
        user_id=maybe_int64s,
        nick=maybe_texts,
        publisher=maybe_texts,
        data_id=maybe_int64s,
        time=maybe_int64s,
        out_time=maybe_int64s,
        retried=st.none() | st.integers(0, 127),
        extras=extras,
    ),
)

ACK = "0201 0400 01000000 0500 24000000 {token} 0000"
TOKEN = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


def complaint(read: Callable[[Any], object], value: object) -> str:
    """What a reader says against a value; nothing when it takes it."""
    try:
        read(value)
    except MessageError as error:
        return str(error)
    return ""


def send(*content: Field) -> Frame:
    return Frame(type=MessageType.SEND, token="t", content=content)


@given(client_messages)
def test_what_a_client_says_is_what_the_service_reads(message: Any) -> None:
    assert from_client(message.to_frame()) == message
    assert from_client(decode(encode(message.to_frame()), strict=True)) == message


@given(service_messages)
def test_what_the_service_says_is_what_a_client_reads(message: Any) -> None:
    assert from_service(message.to_frame()) == message
    assert from_service(decode(encode(message.to_frame()), strict=True)) == message


@given(st.binary(max_size=100) | strategies.mutated())
def test_no_frame_makes_reading_raise_anything_but_message_error(data: bytes) -> None:
    try:
        frame = decode(data)
    except FrameError:
        return
    for read in (from_client, from_service):
        assert len(complaint(read, frame)) < 300


def test_a_push_has_the_fields_of_the_captured_production_pushes() -> None:
    push = Push(
        token=TOKEN,
        id=4160600490938325004,
        topic="taobao_trade_TradeCreate",
        content="{}",
        user_id=2074082786,
        nick="商家测试帐号",
        publisher="12497914",
        data_id=590021452708527,
        time=1394527362000,
        out_time=1394700162000,
        retried=1,
    )
    frame = push.to_frame()
    assert frame.content == (
        string("topic", "taobao_trade_TradeCreate"),
        int64("userid", 2074082786),
        byte("__kind", 3),
        string("publisher", "12497914"),
        byte("retried", 1),
        string("content", "{}"),
        int64("id", 4160600490938325004),
        int64("data_id", 590021452708527),
        date("time", 1394527362000),
        string("nick", "商家测试帐号"),
        int64("dataid", 590021452708527),
        int64("born_time", 1394527362000),
        date("outtime", 1394700162000),
    )
    # Version 2, SEND, the token first, and no flag.
    assert encode(frame).startswith(b"\2\2\5\0\x24\0\0\0" + TOKEN.encode() + b"\1\0\5\0\0\0topic\1")
    assert (frame.flag, frame.status_code, frame.status_phrase) == (0, 0, None)


def test_a_push_says_only_what_there_is() -> None:
    assert Push(token="t", id=None, topic=None).to_frame().content == (byte("__kind", 3),)


def test_gzip_content_is_pushed_as_a_byte_array() -> None:
    frame = Push(token="t", id=1, topic="t", content=gzipped("long")).to_frame()
    assert frame.get("content") == raw("content", gzipped("long"))


def test_more_than_127_pushes_are_written_as_127() -> None:
    assert Push(token="t", id=1, topic="t", retried=240).to_frame().get("retried") == byte("retried", 127)


def test_a_successful_connectack_is_the_52_bytes_that_were_captured() -> None:
    data = encode(ConnectAck(token=TOKEN, flag=1).to_frame())
    assert data == bytes.fromhex(ACK.format(token=TOKEN.encode().hex()))
    assert len(data) == 52


def test_a_confirm_has_a_64_bit_id_or_a_void_as_the_official_client_writes_it() -> None:
    assert Confirm(token="t", id=5).to_frame() == send(byte("__kind", 2), int64("id", 5))
    assert Confirm(token="t", id=None).to_frame() == send(byte("__kind", 2), void("id"))


def test_a_fail_has_a_reason_or_a_void() -> None:
    assert Fail(token="t", id=5, reason="no").to_frame() == send(
        byte("__kind", 20), int64("id", 5), string("msg", "no")
    )
    assert Fail(token="t", id=5).to_frame() == send(byte("__kind", 20), int64("id", 5), void("msg"))


def test_a_pull_request_is_a_kind() -> None:
    assert PullRequest(token="t").to_frame() == send(byte("__kind", 1))


def test_a_connect_has_no_token_and_its_extras_last() -> None:
    connect = Connect(app_key="1023", group="default", timestamp="1", sign="S", extras=(string("sdk", "x"),))
    fields = [field[0] for field in connect.to_frame().content or ()]
    assert fields == ["app_key", "group_name", "timestamp", "sign", "sdk"]
    assert connect.to_frame().token is None


@pytest.mark.parametrize("wrong", [2**63, -(2**63) - 1, 2**64, 10**30])
@pytest.mark.parametrize("kind", [Confirm, Fail])
def test_an_id_outside_of_64_bits_is_not_written(kind: type[Confirm | Fail], wrong: int) -> None:
    with pytest.raises(ValueError, match=r"must be an integer from -9223372036854775808 to 9223372036854775807"):
        kind(token="t", id=wrong).to_frame()
    with pytest.raises(ValueError, match=r"field 'id'"):
        Push(token="t", id=wrong, topic="t").to_frame()


# Lenient reading


@pytest.mark.parametrize(
    "field",
    [byte("id", -5), int16("id", -5), int32("id", -5), int64("id", -5), date("id", -5)],
    ids=lambda field: field[1].name,
)
def test_an_id_is_read_in_every_width(field: Field) -> None:
    assert from_client(send(byte("__kind", 2), field)) == Confirm(token="t", id=-5)
    assert from_client(send(field, byte("__kind", 20))) == Fail(token="t", id=-5)
    assert from_service(send(field)) == Push(token="t", id=-5, topic=None)


@pytest.mark.parametrize("content", [(), (void("id"),)])
def test_a_missing_or_void_id_is_none(content: tuple[Field, ...]) -> None:
    assert from_client(send(byte("__kind", 2), *content)) == Confirm(token="t", id=None)
    assert from_client(send(byte("__kind", 20), *content)) == Fail(token="t", id=None)
    assert from_service(send(*content)) == Push(token="t", id=None, topic=None)


@pytest.mark.parametrize("kind", [string("__kind", "1"), int16("__kind", 1), int32("__kind", 1), int64("__kind", 1)])
def test_a_kind_is_read_in_every_width_and_as_text(kind: Field) -> None:
    assert from_client(send(kind)) == PullRequest(token="t")


@pytest.mark.parametrize("text", ["", "x", "-1", "1.0", " 1", "٢", "²", "0002", "9" * 5000])
def test_a_kind_of_other_text_is_refused(text: str) -> None:
    with pytest.raises(MessageError, match=r"^__kind is '.*; an integer is expected"):
        from_client(send(string("__kind", text)))


@pytest.mark.parametrize("content", [(), (void("__kind"),), (byte("__kind", 0),), (byte("__kind", 4),)])
def test_an_unknown_kind_is_refused_with_the_known_ones(content: tuple[Field, ...]) -> None:
    with pytest.raises(
        MessageError, match=r"^__kind is (None|0|4); known: 1 PullRequest, 2 Confirm, 3 Data, 20 Failed"
    ):
        from_client(send(*content))


def test_a_fail_may_come_as_sendack() -> None:
    frame = Frame(type=MessageType.SENDACK, token="t", content=(byte("__kind", Kind.FAILED), int64("id", 7)))
    assert from_client(frame) == Fail(token="t", id=7)


def test_any_other_sendack_is_an_answer() -> None:
    # How the official Java client answers a push whose id it cannot cast.
    frame = Frame(type=MessageType.SENDACK, token="t", status_phrase="Integer cannot be cast", content=())
    assert from_client(frame) == SendAck(token="t", status_phrase="Integer cannot be cast")


def test_empty_text_is_null_on_the_wire() -> None:
    connect = Connect(app_key="", group="", timestamp="", sign="")
    assert from_client(decode(encode(connect.to_frame()))) == connect
    push = Push(token="", id=1, topic="", content="", nick="")
    assert from_service(decode(encode(push.to_frame()))) == Push(token=None, id=1, topic=None)


def test_a_connect_without_fields_has_empty_ones() -> None:
    assert from_client(Frame(type=MessageType.CONNECT)) == Connect(app_key="", group="", timestamp="", sign="")


def test_unknown_fields_are_kept_aside() -> None:
    unknown = (string("notify", "?"), string(None, "no key"), int64("later", 1))
    push = from_service(send(*unknown, int64("id", 1)))
    assert push == Push(token="t", id=1, topic=None, extras=unknown)
    connect = from_client(Frame(type=MessageType.CONNECT, content=(string("app_key", "1"), *unknown)))
    assert isinstance(connect, Connect)
    assert connect.extras == unknown


def test_of_a_repeated_field_the_last_counts() -> None:
    assert from_client(send(byte("__kind", 2), int64("id", 1), int64("id", 2))) == Confirm(token="t", id=2)


# Refusals


@pytest.mark.parametrize("type_", [-1, 4, 127, 255])
def test_a_type_that_the_sender_does_not_send_is_refused_with_the_known_ones(type_: int) -> None:
    for wrong in (type_, MessageType.CONNECTACK):
        with pytest.raises(MessageError, match=f"type {wrong:d}; known: CONNECT 0, SEND 2, SENDACK 3"):
            from_client(Frame(type=wrong))
    for wrong in (type_, MessageType.CONNECT):
        with pytest.raises(MessageError, match=f"type {wrong:d}; known: CONNECTACK 1, SEND 2, SENDACK 3"):
            from_service(Frame(type=wrong))


@pytest.mark.parametrize("wrong", [string("id", "5"), raw("id", b"5"), string("id", "x" * 10_000)])
def test_an_id_that_is_no_number_is_refused_in_short(wrong: Field) -> None:
    with pytest.raises(MessageError, match=r"^id is .{1,90}; an integer is expected$"):
        from_client(send(byte("__kind", 2), wrong))


@pytest.mark.parametrize("wrong", [int64("topic", 1), raw("topic", b"t")])
def test_text_that_is_no_text_is_refused(wrong: Field) -> None:
    with pytest.raises(MessageError, match=r"^topic is .*; a string is expected$"):
        from_service(send(wrong))


def test_content_that_is_a_number_is_refused() -> None:
    with pytest.raises(MessageError, match=r"^content is 5; a string, bytes or nothing is expected"):
        from_service(send(int64("content", 5)))


@pytest.mark.parametrize("content", [(), (string("topic", "t"),), (string("content", "c"),)])
def test_a_publish_without_topic_or_content_says_so_by_empty_text(content: tuple[Field, ...]) -> None:
    said = from_client(send(byte("__kind", 3), *content))
    assert isinstance(said, Publish)
    given = {key: value for key, _, value in content}
    assert (said.topic, said.content) == (given.get("topic", ""), given.get("content", ""))


def test_no_sign_is_shown() -> None:
    frame = Frame(type=MessageType.CONNECT, content=(raw("sign", b"0B2B9D01"),))
    with pytest.raises(MessageError, match=r"^sign is bytes; a string is expected$"):
        from_client(frame)
    assert "0B2B9D01" not in repr(Connect(app_key="1", group="g", timestamp="1", sign="0B2B9D01"))


@pytest.mark.parametrize("ack", [ConnectAck, SendAck])
def test_a_code_or_a_phrase_is_a_refusal(ack: type[ConnectAck | SendAck]) -> None:
    assert not ack(token="t").refused
    assert not ack(status_code=-1).refused
    assert ack(status_code=25).refused
    assert ack(status_phrase="no").refused


# Gzip


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_gzip_content_is_the_text_it_was_made_of(text: str) -> None:
    assert gunzip(gzipped(text)) == text
    assert gzipped(text) == gzipped(text)
    assert Push(token="t", id=1, topic="t", content=gzipped(text)).text() == text


def test_text_content_is_the_text_itself() -> None:
    assert Push(token="t", id=1, topic="t", content="{}").text() == "{}"
    assert Push(token="t", id=1, topic="t").text() is None


@given(st.binary() | st.binary().map(lambda tail: gzipped("text")[:10] + tail))
def test_no_bytes_make_gunzip_raise_anything_but_message_error(data: bytes) -> None:
    assert len(complaint(gunzip, data)) < 300


@pytest.mark.parametrize("size", range(len(gzipped("text"))))
def test_gzip_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(MessageError, match=r"ends too early"):
        gunzip(gzipped("text")[:size])


def test_gzip_with_a_wrong_checksum_is_refused() -> None:
    data = gzipped("text")
    with pytest.raises(MessageError, match=r"is not gzip: .*incorrect data check"):
        gunzip(data[:-8] + bytes(8))


@pytest.mark.parametrize("tail", [b"\0", b"garbage", gzipped("second")])
def test_bytes_behind_the_gzip_are_refused(tail: bytes) -> None:
    with pytest.raises(MessageError, match=rf"^{len(tail)} of \d+ bytes follow the gzip content"):
        gunzip(gzipped("text") + tail)


def test_gzip_of_bytes_that_are_no_utf_8_is_refused() -> None:
    with pytest.raises(MessageError, match=r"gzip content is not UTF-8"):
        gunzip(gzip.compress(b"\xff\xfe"))


def test_content_as_long_as_the_limit_is_read_and_longer_is_refused() -> None:
    assert len(gunzip(gzip.compress(bytes(CONTENT_LIMIT), 1))) == CONTENT_LIMIT
    with pytest.raises(MessageError, match=rf"unfolds to more than {CONTENT_LIMIT} bytes"):
        gunzip(gzip.compress(bytes(CONTENT_LIMIT + 1), 1))


def test_a_gzip_bomb_does_not_unfold() -> None:
    bomb = gzip.compress(bytes(8 * CONTENT_LIMIT), 1)
    tracemalloc.start()
    try:
        with pytest.raises(MessageError, match=r"unfolds to more than"):
            gunzip(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * CONTENT_LIMIT
    finally:
        tracemalloc.stop()
