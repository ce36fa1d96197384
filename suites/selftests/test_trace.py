"""The trace while it is written: order, time, and no secrets."""

from __future__ import annotations

import base64
from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tmcspec import events as vocabulary
from tmcspec import strategies
from tmcspec.events import (
    EVENTS,
    ClientError,
    ClientPublished,
    Closed,
    Event,
    Failed,
    FrameIn,
    FrameOut,
    Id,
    Opened,
    WsIn,
    decoded,
)
from tmcspec.frame import Frame, MessageType, byte, encode, int16, int64, raw, string
from tmcspec.messages import Confirm, Connect, Fail, Publish, SendAck, from_client
from tmcspec.signing import sign
from tmcspec.trace import ENTRY_LIMIT, Entry, Recorder, Trace, TraceError
from tmcspec.trace_file import dump

MD5 = sign({"app_key": "1023"}, "secret")
SHA256 = sign({"app_key": "1023"}, "secret", method="hmac-sha256")
OPENED = Opened(connection="c1")


def connect(signature: str = MD5, **members: Any) -> Connect:
    extras = (string("sdk", "top-sdk-java"), string("intranet_ip", "10.0.0.1"))
    ticks = "638678450154020000"
    return Connect(app_key="12497914", group="default", timestamp=ticks, sign=signature, extras=extras, **members)


def entry(seq: int = 1, time: float = 0.0, event: Event = OPENED) -> Entry:
    return Entry(seq=seq, time=time, event=event)


def received(data: bytes) -> FrameIn:
    """The frame as a trace holds it."""
    held = entry(event=FrameIn(connection="c1", data=data)).event
    assert isinstance(held, FrameIn)
    return held


def saved(event: Event) -> str:
    return "\n".join(dump(Trace(entries=(entry(event=event),))))


def leaked(secret: str, event: Event, digits: int) -> list[str]:
    """The pieces of a secret, `digits` long, that a saved trace of `event` shows."""
    text = saved(event)
    pieces = [secret[at : at + digits] for at in range(len(secret) - digits + 1)]
    return [piece for piece in pieces if piece in text or piece.encode().hex() in text]


# Vocabulary


def test_every_event_class_is_in_the_vocabulary_under_its_name() -> None:
    classes = {
        kind.word: kind
        for kind in vars(vocabulary).values()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }
    assert classes == EVENTS


@pytest.mark.parametrize("number", [0, 2**63, 2**64 - 1, 2**64, -(2**63), 10**20 - 1])
def test_an_id_is_an_integer_of_up_to_twenty_digits(number: int) -> None:
    assert Id(number) == number


@pytest.mark.parametrize("number", [10**20, -(10**20), 10**4000])
def test_a_longer_id_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="an id has at most twenty digits"):
        Id(number)


# Recording


def test_a_recorder_numbers_entries_and_tells_listeners() -> None:
    heard: list[Entry] = []
    recorder = Recorder(listeners=[heard.append])
    for now in (0, 0.1 + 0.2, 7.25):
        recorder.record(OPENED, now=now)
    assert [(each.seq, each.time) for each in recorder.entries] == [(1, 0.0), (2, 0.3), (3, 7.25)]
    assert heard == recorder.entries


def test_a_listener_may_leave_while_it_is_told() -> None:
    recorder = Recorder()
    heard: list[int] = []

    def once(told: Entry) -> None:
        recorder.listeners.remove(once)
        heard.append(told.seq)

    recorder.listeners += [once, lambda told: heard.append(-told.seq)]
    recorder.record(OPENED, now=0.0)
    recorder.record(OPENED, now=0.0)
    assert heard == [1, -1, -2]


@pytest.mark.parametrize("now", [4.9, 0.0, -1.0, nan, inf, -inf])
def test_a_recorder_refuses_time_going_back_and_what_is_no_time(now: float) -> None:
    heard: list[Entry] = []
    recorder = Recorder(listeners=[heard.append])
    recorder.record(OPENED, now=5.0)
    with pytest.raises(TraceError, match=r"time never goes back|time must be in seconds since the start"):
        recorder.record(OPENED, now=now)
    assert len(recorder.entries) == len(heard) == 1
    assert recorder.record(OPENED, now=5.0).seq == 2


@given(st.lists(st.floats(0, 1e6)))
def test_whatever_a_recorder_took_is_a_trace(times: list[float]) -> None:
    recorder = Recorder()
    for now in sorted(times):
        recorder.record(OPENED, now=now)
    assert len(Trace(entries=tuple(recorder.entries)).entries) == len(times)


def test_a_full_recorder_takes_no_more_and_says_what_the_limit_is() -> None:
    heard: list[Entry] = []
    recorder = Recorder(listeners=[heard.append], limit=2)
    for _ in range(2):
        recorder.record(OPENED, now=0.0)
    with pytest.raises(TraceError, match="the trace is full: it has 2 entries, and 2 is the limit"):
        recorder.record(OPENED, now=0.0)
    assert len(recorder.entries) == len(heard) == 2
    assert Recorder().limit == ENTRY_LIMIT == 1_000_000


# Traces


@pytest.mark.parametrize("time", [-0.001, nan, inf, 2.0**53])
def test_an_entry_has_a_time_since_the_start(time: float) -> None:
    with pytest.raises(TraceError, match=f"time must be in seconds since the start, from 0 to 2.53, not {time!r}"):
        entry(time=time)


@pytest.mark.parametrize("seq", [0, -1, 2**63])
def test_an_entry_has_a_number_from_1(seq: int) -> None:
    with pytest.raises(TraceError, match=f"seq must be .*, not {seq}"):
        entry(seq=seq)


@pytest.mark.parametrize("second", [entry(2, 4.0), entry(1, 6.0), entry(2, 6.0)], ids=["time", "seq", "same seq"])
def test_a_trace_never_goes_back(second: Entry) -> None:
    with pytest.raises(
        TraceError, match=r"entry \d at .* s follows entry 2 at 5.0 s: seq grows and time never goes back"
    ):
        Trace(entries=(entry(2, 5.0), second))


def test_a_trace_may_have_gaps_and_several_entries_at_once() -> None:
    assert len(Trace(entries=(entry(1, 5.0), entry(7, 5.0))).entries) == 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"world": "real"}, "world must be one of simulated, live, recorded, not 'real'"),
        ({"world": ["live"]}, "world must be one of .*, not a list of 1"),
        ({"patience": 0}, "patience must be more than 0 .*, not 0"),
        ({"patience": nan}, "patience .* not nan"),
        ({"patience": inf}, "patience .* not inf"),
        ({"patience": 10**5000}, "patience .* not an integer of 16610 bits"),
        ({"seed": 2**63}, "seed must be a signed 64-bit integer, not 9223372036854775808"),
        ({"epoch_ms": -(2**63) - 1}, "epoch_ms must be a signed 64-bit integer, not -9223372036854775809"),
    ],
)
def test_an_impossible_condition_is_refused_by_name_and_value(members: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=f"^{message}$"):
        Trace(entries=(), **members)


# Secrets


@pytest.mark.parametrize("signature", [MD5, MD5.lower(), SHA256, SHA256.lower()])
@pytest.mark.parametrize("version", [1, 2])
def test_the_sign_of_a_connect_is_masked_and_nothing_else(signature: str, version: int) -> None:
    original = connect(signature, flag=1).to_frame()
    original = Frame(type=0, version=version, flag=1, content=original.content)
    held = received(encode(original))
    assert held.frame is not None
    assert from_client(held.frame) == connect("*" * len(signature), flag=1)
    assert len(held.data) == len(encode(original))
    assert not leaked(signature, held, 4)


@pytest.mark.parametrize(
    "signature",
    [MD5[:7], base64.b64encode(bytes.fromhex(MD5)).decode(), "签名" + MD5[:19], "secret", MD5 + " " + MD5],
)
def test_a_sign_of_any_other_form_is_masked(signature: str) -> None:
    held = received(encode(connect(signature).to_frame()))
    assert held.frame is not None
    assert held.frame.value("sign") == "*" * len(signature.encode())


def test_a_sign_that_is_a_byte_array_is_masked() -> None:
    held = received(encode(Frame(type=0, content=(raw("sign", bytes.fromhex(MD5)), int64("timestamp", 5)))))
    assert held.frame == Frame(type=0, content=(raw("sign", b"*" * 16), int64("timestamp", 5)))


def test_a_sign_after_a_number_in_version_1_is_masked() -> None:
    # The number switches the lengths to big-endian.
    held = received(encode(Frame(type=0, version=1, content=(int64("timestamp", 5), string("sign", MD5[:16])))))
    assert held.frame is not None
    assert held.frame.value("sign") == "*" * 16


def test_a_sign_under_another_name_is_masked() -> None:
    for key in ("Sign", "SIGN", "signature", "token"):
        held = received(encode(Frame(type=0, content=(string(key, MD5),))))
        assert held.frame == Frame(type=0, content=(string(key, "*" * 32),))


@pytest.mark.parametrize("size", range(len(encode(connect().to_frame()))))
def test_a_connect_that_is_cut_short_shows_no_part_of_its_sign(size: int) -> None:
    assert not leaked(MD5, received(encode(connect().to_frame())[:size]), 4)


@pytest.mark.parametrize("length", [-1, 0, 1, 31, 33, 10**9])
def test_a_sign_with_a_wrong_length_is_masked(length: int) -> None:
    data = encode(connect(MD5[:16]).to_frame())
    at = data.index(MD5[:16].encode()) - 4
    assert not leaked(MD5[:16], received(data[:at] + length.to_bytes(4, "little", signed=True) + data[at + 4 :]), 4)


@pytest.mark.parametrize(
    "damage", [lambda data: b"\2\2" + data[2:], lambda data: b"\2\7" + data[2:], lambda data: data[1:]]
)
def test_a_connect_with_a_wrong_or_missing_type_shows_no_sign(damage: Any) -> None:
    assert not leaked(MD5, received(damage(encode(connect().to_frame()))), 4)


@given(
    strategies.mutated(
        st.sampled_from([MD5, MD5.lower(), SHA256]).map(lambda text: connect(text).to_frame()), max_mutations=1
    )
)
def test_a_damaged_connect_never_shows_twenty_digits_of_its_sign(data: bytes) -> None:
    held = received(data)
    for signature in (MD5, MD5.lower(), SHA256):
        assert not leaked(signature, held, 20)


def test_a_connect_that_comes_as_text_shows_no_sign() -> None:
    assert not leaked(MD5, WsIn(connection="c1", opcode="text", data=encode(connect().to_frame())), 4)


def test_an_error_of_the_client_library_shows_no_sign() -> None:
    error = f"HTTP 500 for http://127.0.0.1:8091/router/rest?app_key=1023&sign={SHA256}&v=2.0"
    clean = error.replace(SHA256, "*" * 64)
    held = entry(event=ClientError(client="c", error=error)).event
    assert held == ClientError(client="c", error=clean)
    for told, kept in ((error, clean), (None, None)):
        ended = ClientPublished(client="c", topic="t", content="{}", ok=not told, error=told)
        assert entry(event=ended).event == replace(ended, error=kept)


@pytest.mark.parametrize("signature", [MD5, MD5.lower(), SHA256, MD5[:5]])
@pytest.mark.parametrize("version", [1, 2])
def test_a_sign_in_the_reason_of_a_failure_is_masked_in_the_frame_and_in_what_the_service_makes_of_it(
    signature: str, version: int
) -> None:
    reason = f"拒绝 GET /router/rest?sign={signature}&id={2**63 - 1} failed"
    clean = reason.replace(signature, "*" * len(signature))
    message = Fail(token=MD5, id=2**62 + 1, reason=reason).to_frame()
    data = encode(Frame(type=message.type, version=version, token=MD5, content=message.content))
    held = received(data)
    assert held.frame is not None
    assert from_client(held.frame) == Fail(token=MD5, id=2**62 + 1, reason=clean)
    assert held.data == data.replace(reason.encode(), clean.encode())
    failed = Failed(message=Id(7), reason=reason, connection="c1")
    assert entry(event=failed).event == Failed(message=Id(7), reason=clean, connection="c1")


@pytest.mark.parametrize("reason", [None, "", "no stock", f"{2**64} of {MD5[:31]}", "design=abc"])
def test_any_other_reason_is_left_alone(reason: str | None) -> None:
    data = encode(Fail(token=MD5, id=2**62 + 1, reason=reason).to_frame())
    assert received(data).data == data
    failed = Failed(message=Id(7), reason=reason)
    assert entry(event=failed).event == failed


def test_a_length_that_looks_like_a_digit_is_no_part_of_a_sign() -> None:
    # In version 1 a number switches lengths to big-endian: that of 48 characters ends in the byte of "0".
    text = MD5 + MD5[:16]
    for original in (
        Frame(type=MessageType.SEND, version=1, content=(int16("n", 1), string("msg", text))),
        Frame(type=MessageType.SENDACK, version=1, status_phrase=text, content=(int16("n", 1),)),
    ):
        data = encode(original)
        assert received(data).data == data.replace(text.encode(), b"*" * 48)


def test_a_sign_in_a_status_phrase_is_masked() -> None:
    for phrase in (f"sign={MD5} refused", MD5):
        data = encode(SendAck(flag=1, status_code=5, status_phrase=phrase).to_frame())
        held = received(data)
        assert held.data == data.replace(MD5.encode(), b"*" * 32)
        assert held.frame is not None
        assert held.frame.status_phrase == phrase.replace(MD5, "*" * 32)


def test_a_sign_in_a_reason_of_bytes_is_masked() -> None:
    data = encode(Frame(type=MessageType.SEND, content=(byte("__kind", 20), raw("msg", MD5.encode()))))
    assert received(data).frame == Frame(type=MessageType.SEND, content=(byte("__kind", 20), raw("msg", b"*" * 32)))


def test_only_the_reason_of_a_frame_is_masked() -> None:
    others = (int64("id", 7), string("topic", MD5), string("content", f"sign={MD5}"), raw("raw", MD5.encode()))
    original = Frame(type=MessageType.SEND, token=MD5, content=(*others, string("msg", MD5)))
    masked = Frame(type=MessageType.SEND, token=MD5, content=(*others, string("msg", "*" * 32)))
    assert received(encode(original)).frame == masked
    assert received(encode(original)).data == encode(masked)


@pytest.mark.parametrize("by", ["client", "service"])
def test_the_reason_of_a_close_shows_no_sign(by: Any) -> None:
    reason = f"GET /router/rest?sign={MD5} failed"
    held = entry(event=Closed(connection="c1", by=by, code=1000, reason=reason)).event
    assert held == Closed(connection="c1", by=by, code=1000, reason=reason.replace(MD5, "*" * 32))


def test_bytes_that_are_no_frame_show_no_sign_either() -> None:
    held = entry(event=FrameIn(connection="c1", data=MD5.encode())).event
    assert held == FrameIn(connection="c1", data=b"*" * 32)


def test_a_publish_shows_no_session_and_keeps_all_else() -> None:
    said = Publish(token="t", flag=1, topic="t", content=f"session {MD5}", session="6100e08f3d6c")
    held = received(encode(said.to_frame()))
    assert "6100e08f3d6c" not in repr(said)
    assert held.frame == replace(said, session="*" * 12).to_frame()


def test_a_damaged_publish_shows_no_session_either() -> None:
    data = encode(Publish(token="t", flag=1, topic="t", content="c", session="6100e08f3d6c").to_frame())
    for end in range(len(data)):
        assert b"6100e08f" not in received(data[:end]).data


def test_digests_in_other_frames_are_left_alone() -> None:
    for message in (Publish(token="t", flag=1, topic="t", content=MD5), Confirm(token=MD5, id=1)):
        data = encode(message.to_frame())
        assert received(data).data == data
        out = FrameOut(connection="c1", data=data)
        assert entry(event=out).event is out


@given(strategies.mutated() | st.binary(max_size=60))
@example(encode(connect().to_frame()))
def test_masking_twice_is_masking_once(data: bytes) -> None:
    held = received(data)
    assert entry(event=held).event == held


def test_a_recorder_masks_what_it_tells_its_listeners() -> None:
    heard: list[Entry] = []
    data = encode(connect().to_frame())
    Recorder(listeners=[heard.append]).record(FrameIn(connection="c1", data=data), now=0.0)
    assert MD5 not in repr(heard)


@given(strategies.frames(versions=[2]))
def test_decoded_is_the_frame_or_none(frame: Frame) -> None:
    assert decoded(encode(frame)) == frame
    assert decoded(encode(frame)[:-1]) is None
    assert decoded(b"") is None
