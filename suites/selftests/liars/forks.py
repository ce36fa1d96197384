"""A bare program that goes to the background: its child stays, connected, deaf to SIGTERM, with all its pipes."""

import os
import signal
import socket
from urllib.parse import urlsplit

readable, writable = os.pipe()
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    address = urlsplit(os.environ["TMC_URL"])
    connection = socket.create_connection((address.hostname, address.port))
    print(f"in the background as {os.getpid()}", flush=True)
    os.write(writable, b"x")
    while True:
        signal.pause()
os.read(readable, 1)
