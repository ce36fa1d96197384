"""Where the WebSocket of the service differs from a strict one, and why.

The `websockets` library keeps to RFC 6455 and to good manners. TMC clients of the last decade keep to neither, and the
service has to live with them. Every deviation from the library is in this file; whatever is not named here is the
library's way, and so the RFC's.

1. A ping is never answered. Observed: the official Java client of 2021 hands every frame that is not a Close, pings and
   pongs included, to its TMC decoder, fails on it, and sends Close 1000 "uknown error" (sic). It sends an empty PING
   itself, mostly as its very first frame, before CONNECT: against the library's automatic pong it never gets through
   connect. So pings and pongs are reported, no more, and there is no keepalive. The reference server by the author of
   the protocol only logs pings too. A client whose library insists on pongs has to switch that off.
2. No extension is ever agreed to. Observed: tmc.js and the Node SDK offer permessage-deflate, and the official Java
   client tears the connection down on any reserved bit. Declined unread, like subprotocols (no client sends one).
3. Sec-WebSocket-Key may be anything, of any length. Observed: the `ws` 1.1.5 of the Node SDK sends "13-" and the epoch
   milliseconds, which are 16 bytes only because the milliseconds have 13 digits; homemade clients are no better.
4. Origin may be anything. Observed: the official Java client sends `host[:port]` without a scheme.
5. A Close frame may be unmasked (observed: the official Java client echoes the service's Close frame as it came),
   longer than the 125 bytes of a control frame (observed: over 300, the text of an exception), with any code and any
   text, also in the middle of a fragmented message. It is reported as it came and answered with a legal one. Any other
   frame that is unmasked stays an error.
6. Frames right behind the upgrade request, sent before its answer, wait for that answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from http import HTTPStatus

from websockets.exceptions import ProtocolError
from websockets.frames import CLOSE, PING, Close, CloseCode, Frame
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.utils import accept_key, apply_mask

MAX_MESSAGE_SIZE = 8 * 2**20  # bytes, far above the largest message that clients were seen to take or send
CONTROL_LIMIT = 125  # bytes in the payload of a control frame (RFC 6455, 5.5)

_UNCHECKED = {"origin", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol"}
_GOOD_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, 1.3


def close_meaning(payload: bytes) -> tuple[int, str]:
    """Code and reason in the payload of any Close frame: 1005 when it holds no code, U+FFFD for what is not UTF-8."""
    if len(payload) < 2:
        return CloseCode.NO_STATUS_RCVD.value, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace")


class LenientServer(ServerProtocol):
    """The sans-I/O server protocol of `websockets`, as forgiving as the service has to be.

    Args:
        max_size: largest message taken, in bytes of payload over all its fragments, > 0.
    """

    reader: _Reader

    def __init__(self, *, max_size: int = MAX_MESSAGE_SIZE) -> None:
        super().__init__(max_size=max_size)
        # The library logs frames when debugging, and a CONNECT carries a sign: signs stay out of logs.
        self.debug = False

    def parse(self) -> Generator[None]:
        # The constructor of the library makes a plain reader and starts this. Nothing has been read yet: ours takes
        # its place.
        self.reader = _Reader(waiting=lambda: self.state is CONNECTING and not self.eof_sent)
        yield from super().parse()

    def process_request(self, request: Request) -> tuple[str, str | None, str | None]:
        keys = request.headers.get_all("Sec-WebSocket-Key")
        if len(keys) != 1:
            return super().process_request(request)  # says what is wrong
        headers = request.headers.copy()
        for name in _UNCHECKED & {name.lower() for name in headers}:
            del headers[name]
        headers["Sec-WebSocket-Key"] = _GOOD_KEY
        super().process_request(Request(request.path, headers, request.method, request.protocol))
        return accept_key(keys[0]), None, None

    def reject(self, status: int, text: str) -> Response:
        """A refusal, also with a status that nobody has given a name."""
        if status in set(HTTPStatus):
            return super().reject(status, text)
        return replace(super().reject(HTTPStatus.BAD_REQUEST, text), status_code=status, reason_phrase="Refused")

    def send_response(self, response: Response) -> None:
        super().send_response(response)
        if response.status_code == 101:
            self.receive_data(b"")  # lets go of the frames that waited

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is PING:
            self.events.append(frame)  # and no pong
        elif frame.opcode is CLOSE:
            self.current_size = None  # an unfinished message ends with the connection
            super().recv_frame(frame)
            self.events[-1] = Frame(CLOSE, self.reader.close_payload)
        else:
            super().recv_frame(frame)


class _Reader(StreamReader):
    """A stream in which every Close frame is legal.

    The library asks `at_eof` exactly where a frame begins. There a Close frame can be taken out, before the library
    judges its mask, length, code and text, and a legal one put in its place.

    Args:
        waiting: whether frames have to wait, because the upgrade has not been answered.
    """

    def __init__(self, *, waiting: Callable[[], bool]) -> None:
        super().__init__()
        self.close_payload = b""
        self._waiting = waiting

    def at_eof(self) -> Generator[None, None, bool]:
        while self._waiting() and not self.eof:
            yield
        ended = yield from super().at_eof()
        if not ended and self.buffer[0] & 0x0F == CLOSE:
            yield from self._replace_close()
        return ended

    def _replace_close(self) -> Generator[None]:
        """Waits for a whole Close frame. One that is cut off or has 64 KiB or more is left to the library to refuse."""
        start = 2
        if (yield from self._has(start)) and self.buffer[1] & 0x7F == 126:
            start += 2
        if not (yield from self._has(start)) or self.buffer[1] & 0x7F == 127:
            return
        length = self.buffer[1] & 0x7F if start == 2 else int.from_bytes(self.buffer[2:4], "big")
        mask = bytes(4)
        if self.buffer[1] & 0x80 and (yield from self._has(start + 4)):
            mask = bytes(self.buffer[start : start + 4])
            start += 4
        if (yield from self._has(start + length)):
            self.close_payload = apply_mask(bytes(self.buffer[start : start + length]), mask)
            self.buffer[: start + length] = Frame(CLOSE, _legal(self.close_payload)).serialize(mask=True)

    def _has(self, size: int) -> Generator[None, None, bool]:
        """Waits for `size` bytes; False when the stream ends before."""
        while len(self.buffer) < size and not self.eof:
            yield
        return len(self.buffer) >= size


def _legal(payload: bytes) -> bytes:
    """The payload itself if RFC 6455 allows it; else its code alone if allowed; else 1000, what clients close with."""
    for candidate in (payload, payload[:2]):
        try:
            Close.parse(candidate)
        except (ProtocolError, UnicodeDecodeError):
            continue
        if len(candidate) <= CONTROL_LIMIT:
            return candidate
    return Close(CloseCode.NORMAL_CLOSURE, "").serialize()
