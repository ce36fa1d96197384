"""A bare program that connects, as TCP or up to the WebSocket, and never says a word."""

import os
import socket
import sys
from urllib.parse import urlsplit

UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

address = urlsplit(os.environ["TMC_URL"])
with socket.create_connection((address.hostname, address.port)) as connection:
    if "websocket" in sys.argv:
        connection.sendall(UPGRADE.encode())
        connection.recv(4096)
    print("connected", flush=True)
    sys.stdin.read()
