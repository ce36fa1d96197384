"""Where the service's WebSocket is more forgiving than a strict one.

Every case feeds the same bytes to the plain protocol of the `websockets` library, which refuses them or answers them as
the service must not, and to ours. So a case fails when ours gets strict, and when the deviation is not needed any more.
"""

from __future__ import annotations

import base64
import hashlib

import pytest
from websockets.frames import BINARY, CLOSE, PING, PONG, Close, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SEND_EOF
from websockets.server import ServerProtocol

from tmcfakes.leniency import LenientServer, close_meaning

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def request(*more: str, key: str = KEY) -> bytes:
    """An upgrade request."""
    lines = [
        "GET / HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *more,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def upgraded(protocol: ServerProtocol, asked: bytes, behind: bytes = b"") -> bytes:
    """Answers the request as a driver does; returns the response."""
    protocol.receive_data(asked + behind)
    (first, *_) = protocol.events_received()
    assert isinstance(first, Request)
    protocol.send_response(protocol.accept(first))
    return protocol.data_to_send()[0]


def opened(kind: type[ServerProtocol] = LenientServer) -> ServerProtocol:
    protocol = kind()
    assert upgraded(protocol, request()).startswith(b"HTTP/1.1 101 ")
    return protocol


def frame(opcode: Opcode, data: bytes, *, masked: bool = True, fin: bool = True) -> bytes:
    """A frame as bytes, legal or not: `Frame.serialize` refuses the illegal ones."""
    if len(data) < 126:
        head = bytes([opcode | (0x80 if fin else 0), len(data)])
    elif len(data) < 2**16:
        head = bytes([opcode | (0x80 if fin else 0), 126]) + len(data).to_bytes(2, "big")
    else:
        head = bytes([opcode | (0x80 if fin else 0), 127]) + len(data).to_bytes(8, "big")
    if not masked:
        return head + data
    mask = b"\x01\x02\x03\x04"
    return head[:1] + bytes([head[1] | 0x80]) + head[2:] + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def heard(protocol: ServerProtocol, data: bytes) -> list[tuple[str, bytes]]:
    """What the protocol reports of these bytes."""
    protocol.receive_data(data)
    events = protocol.events_received()
    return [(event.opcode.name, bytes(event.data)) for event in events if isinstance(event, Frame)]


def said(code: int, reason: bytes) -> bytes:
    return code.to_bytes(2, "big") + reason


UNUSUAL_CLOSES = {
    "unmasked": (frame(CLOSE, said(1000, b"tmc client closed"), masked=False), 1000, "tmc client closed"),
    "unmasked and empty": (frame(CLOSE, b"", masked=False), 1005, ""),
    "300 bytes of reason": (frame(CLOSE, said(1000, b"v=2, " * 60)), 1000, "v=2, " * 60),
    "300 bytes, unmasked": (frame(CLOSE, said(1000, b"v=2, " * 60), masked=False), 1000, "v=2, " * 60),
    "65535 bytes": (frame(CLOSE, said(1000, b"x" * 65533)), 1000, "x" * 65533),
    "code that is reserved": (frame(CLOSE, said(1005, b"")), 1005, ""),
    "code 0": (frame(CLOSE, said(0, b"zero")), 0, "zero"),
    "code 65535": (frame(CLOSE, said(65535, b"")), 65535, ""),
    "reason that is not UTF-8": (frame(CLOSE, said(1000, b"\xc3\x28")), 1000, "\ufffd("),
    "half a code": (frame(CLOSE, b"\x03"), 1005, ""),
    "in fragments": (frame(CLOSE, said(1000, b"part"), fin=False), 1000, "part"),
    "in an unfinished message": (frame(BINARY, b"half", fin=False) + frame(CLOSE, said(1001, b"")), 1001, ""),
}


@pytest.mark.parametrize(("data", "code", "reason"), UNUSUAL_CLOSES.values(), ids=UNUSUAL_CLOSES)
def test_an_unusual_close_frame_is_reported_as_it_came_and_answered_with_a_legal_one(
    data: bytes, code: int, reason: str
) -> None:
    strict = opened(ServerProtocol)
    strict.receive_data(data)
    assert strict.parser_exc is not None

    lenient = opened()
    opcode, payload = heard(lenient, data)[-1]
    answer, end = lenient.data_to_send()
    assert opcode == "CLOSE"
    assert close_meaning(payload) == (code, reason)
    assert lenient.parser_exc is None
    assert answer[0] == 0x80 | CLOSE
    assert len(answer) == 2 + answer[1] <= 127
    Close.parse(answer[2:])  # raises if it is not legal
    assert end == SEND_EOF


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", b""),
        (said(1000, b"tmc client closed"), said(1000, b"tmc client closed")),
        (said(4999, b""), said(4999, b"")),
        (said(3000, b"x" * 124), said(3000, b"")),
        (said(1001, b"\xff"), said(1001, b"")),
        (said(999, b"why"), said(1000, b"")),
        (b"\x03", said(1000, b"")),
    ],
)
def test_a_close_is_echoed_as_far_as_it_is_legal(payload: bytes, answer: bytes) -> None:
    protocol = opened()
    heard(protocol, frame(CLOSE, payload))
    assert protocol.data_to_send() == [frame(CLOSE, answer, masked=False), SEND_EOF]


@pytest.mark.parametrize("data", [value[0] for value in UNUSUAL_CLOSES.values()], ids=UNUSUAL_CLOSES)
def test_an_unusual_close_frame_may_come_byte_by_byte(data: bytes) -> None:
    whole, pieces = opened(), opened()
    expected = heard(whole, data)
    assert [event for place in range(len(data)) for event in heard(pieces, data[place : place + 1])] == expected
    assert pieces.data_to_send() == whole.data_to_send()


def test_frames_before_a_close_are_heard_and_frames_after_it_are_not() -> None:
    protocol = opened()
    close = frame(CLOSE, said(1000, b"x" * 300), masked=False)
    assert heard(protocol, frame(BINARY, b"before") + close + frame(BINARY, b"after") + close) == [
        ("BINARY", b"before"),
        ("CLOSE", said(1000, b"x" * 300)),
    ]
    assert heard(protocol, close) == []


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 200])
@pytest.mark.parametrize("masked", [True, False])
def test_a_close_frame_that_is_cut_off_is_a_broken_connection(size: int, masked: bool) -> None:
    protocol = opened()
    assert heard(protocol, frame(CLOSE, said(1000, b"x" * 300), masked=masked)[:size]) == []
    protocol.receive_eof()
    assert protocol.events_received() == []
    assert protocol.parser_exc is not None
    assert protocol.close_code == 1006


@pytest.mark.parametrize("masked", [True, False])
def test_a_close_frame_of_64_kib_is_an_error(masked: bool) -> None:
    protocol = opened()
    assert heard(protocol, frame(CLOSE, said(1000, b"x" * 65534), masked=masked)) == []
    assert protocol.close_sent is not None
    assert protocol.close_sent.code == 1002


@pytest.mark.parametrize("opcode", [opcode for opcode in Opcode if opcode is not CLOSE], ids=lambda opcode: opcode.name)
def test_any_other_unmasked_frame_stays_an_error(opcode: Opcode) -> None:
    protocol = opened()
    assert heard(protocol, frame(opcode, b"data", masked=False)) == []
    assert protocol.close_sent is not None
    assert (protocol.close_sent.code, protocol.close_sent.reason) == (1002, "incorrect masking")


@pytest.mark.parametrize("opcode", [PING, PONG], ids=lambda opcode: opcode.name)
@pytest.mark.parametrize("payload", [b"", b"beat"])
def test_pings_and_pongs_are_reported_and_never_answered(opcode: Opcode, payload: bytes) -> None:
    strict = opened(ServerProtocol)
    strict.receive_data(frame(PING, payload))
    assert strict.data_to_send() == [frame(PONG, payload, masked=False)]

    lenient = opened()
    assert heard(lenient, frame(opcode, payload)) == [(opcode.name, payload)]
    assert lenient.data_to_send() == []


@pytest.mark.parametrize("key", ["", "MTMtMTc5NTQ0NzYxNQ==", "short", "not base64!", "x" * 100])
def test_a_key_of_any_length_is_accepted_with_the_value_that_follows_from_it(key: str) -> None:
    strict = upgraded(ServerProtocol(), request(key=key))
    assert strict.startswith(b"HTTP/1.1 400 ")

    lenient = upgraded(LenientServer(), request(key=key))
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
    assert b"\r\nSec-WebSocket-Accept: %b\r\n" % accept in lenient


def test_the_connection_header_of_the_response_is_the_single_token_that_java_wants() -> None:
    response = upgraded(LenientServer(), request())
    assert [line for line in response.split(b"\r\n") if line.lower().startswith(b"connection:")] == [
        b"Connection: Upgrade"
    ]
    assert response.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "header",
    [
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Extensions: ,;garbage",
        "Sec-WebSocket-Protocol: chat",
        "Sec-WebSocket-Protocol: (",
        "Origin: 127.0.0.1:8090",
        "Origin: one\r\nOrigin: two",
    ],
)
def test_what_clients_offer_or_claim_is_neither_checked_nor_taken_up(header: str) -> None:
    response = upgraded(LenientServer(), request(header))
    assert response.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-extensions" not in response.lower()
    assert b"sec-websocket-protocol" not in response.lower()


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request().replace(b"GET", b"POST"), b"405"),
        (request().replace(b"Upgrade: websocket\r\n", b""), b"426"),
        (request().replace(b"Version: 13", b"Version: 8"), b"400"),
        (request().replace(b"Sec-WebSocket-Key", b"X-Key"), b"400"),
        (request("Sec-WebSocket-Key: second"), b"400"),
        (request().replace(b"HTTP/1.1", b"HTTP/1.0"), b"505"),
    ],
)
def test_what_is_no_upgrade_request_is_still_refused(asked: bytes, status: bytes) -> None:
    assert upgraded(LenientServer(), asked).split(b" ")[1] == status


def test_frames_behind_the_upgrade_request_wait_for_its_answer() -> None:
    protocol = LenientServer()
    behind = frame(PING, b"") + frame(BINARY, b"connect") + frame(CLOSE, said(1000, b""), masked=False)
    protocol.receive_data(request() + behind)
    (asked,) = protocol.events_received()
    assert isinstance(asked, Request)
    protocol.send_response(protocol.accept(asked))
    response, answer, end = protocol.data_to_send()
    assert response.startswith(b"HTTP/1.1 101 ")
    assert (answer, end) == (frame(CLOSE, said(1000, b""), masked=False), SEND_EOF)
    assert [event.opcode.name for event in protocol.events_received() if isinstance(event, Frame)] == [
        "PING",
        "BINARY",
        "CLOSE",
    ]


def test_what_comes_behind_a_refused_upgrade_is_dropped() -> None:
    protocol = LenientServer()
    protocol.receive_data(request() + frame(BINARY, b"connect"))
    protocol.events_received()
    protocol.send_response(protocol.reject(503, "no"))
    assert heard(protocol, frame(BINARY, b"more")) == []
    assert not protocol.reader.buffer
    protocol.receive_eof()


def test_what_comes_behind_something_that_is_no_request_is_dropped() -> None:
    protocol = LenientServer()
    assert heard(protocol, b"nonsense\r\n" + bytes(1000)) == []
    assert heard(protocol, bytes(1000)) == []
    assert protocol.data_to_send() == [SEND_EOF]
    assert not protocol.reader.buffer


def test_a_message_over_the_limit_is_refused_also_when_it_comes_in_fragments() -> None:
    for data in (frame(BINARY, bytes(101)), frame(BINARY, bytes(60), fin=False) + frame(Opcode.CONT, bytes(60))):
        protocol = LenientServer(max_size=100)
        upgraded(protocol, request())
        heard(protocol, data)
        assert protocol.close_sent is not None
        assert protocol.close_sent.code == 1009


def test_frames_are_not_logged_because_they_carry_signs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    heard(opened(ServerProtocol), frame(BINARY, b"sign 0B2B9D0163A30084311EB514ECECF284"))
    assert "sign" in caplog.text
    caplog.clear()
    heard(opened(), frame(BINARY, b"sign 0B2B9D0163A30084311EB514ECECF284"))
    assert "sign" not in caplog.text
