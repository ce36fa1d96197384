"""A bare program that writes garbage without end: to its standard output, its standard error, or the service."""

import contextlib
import os
import socket
import sys
from urllib.parse import urlsplit

GARBAGE = bytes(range(256)) * 256
HEADS = {
    "tcp": b"",
    "websocket": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
}

where = sys.argv[-1]
address = urlsplit(os.environ["TMC_URL"])
while where in HEADS:
    with contextlib.suppress(OSError), socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(HEADS[where])
        while True:
            connection.sendall(GARBAGE)
while True:
    os.write({"stdout": 1, "stderr": 2}[where], GARBAGE)
