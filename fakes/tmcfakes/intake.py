"""What comes in on one connection: messages put together from their fragments, and the end of a client's patience.

A trace keeps everything that a client sends, so a client that sends without end would fill the memory of the run. The
service puts up with far more than any sound client sends, and then ends the connection.
"""

from __future__ import annotations

from websockets.frames import BINARY, CLOSE, CONT, TEXT, Frame, Opcode

# Bounds for one connection. The counts leave room in the trace (`tmcspec.trace.ENTRY_LIMIT`) for others: a confirm
# makes two entries, a CONNECT that repeats itself five.
MAX_FRAMES = 100_000  # binary messages; the largest burst of the suites has 10,000 to confirm
MAX_OTHERS = 10_000  # text, pings and pongs; the official client pings every 45 s, so it takes five days to get there
MAX_BYTES = 256 * 2**20  # payload of all messages; a confirm has some 60 bytes


class Flood(Exception):
    """The client has sent more than anybody needs to; the text is a reason for a Close frame."""


class Intake:
    """Takes the frames of one connection in their order. It holds at most one message.

    Args:
        endless: whether the client may send as much as it likes, since nothing keeps it.
    """

    def __init__(self, *, endless: bool = False) -> None:
        self._endless = endless
        self._unfinished = bytearray()
        self._kind = BINARY
        self._frames = 0
        self._others = 0
        self._bytes = 0

    def take(self, frame: Frame) -> tuple[Opcode, bytes] | None:
        """The message that is complete with `frame`: its opcode and payload; None when it goes on.

        Raises:
            Flood: a bound is exceeded. A Close never exceeds one.
        """
        opcode, data = frame.opcode, bytes(frame.data)
        if opcode is CLOSE:
            return opcode, data
        self._bytes += len(data)
        if self._bytes > MAX_BYTES and not self._endless:
            raise Flood(f"more than {MAX_BYTES} bytes on one connection")
        if opcode in (BINARY, TEXT, CONT):
            if opcode is not CONT:
                self._kind = opcode
            # Joined at once: a list of parts would grow with empty ones, which no limit on the size of messages counts.
            self._unfinished += data
            if not frame.fin:
                return None
            opcode, data = self._kind, bytes(self._unfinished)
            self._unfinished.clear()
        self._count(opcode)
        return opcode, data

    def _count(self, opcode: Opcode) -> None:
        if opcode is BINARY:
            self._frames += 1
            if self._frames > MAX_FRAMES and not self._endless:
                raise Flood(f"more than {MAX_FRAMES} frames on one connection")
        else:
            self._others += 1
            if self._others > MAX_OTHERS and not self._endless:
                raise Flood(f"more than {MAX_OTHERS} WebSocket messages that are no TMC frames on one connection")
