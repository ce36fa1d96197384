"""A holder with an engine by hand: `engine_by_hand.py BEHAVIOUR CALLS`. What is asked of the engine goes to CALLS.

| behaviour | its container |
|---|---|
| `echoes` | writes its input back, and to its error output how long it was; then ends with status 7 |
| `obedient`, `stubborn` | ends by SIGTERM, by SIGKILL only |
| `cannot` | cannot be started |
| `stuck` | ends at once, and cannot be removed |
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docker.errors import APIError

from tmcsuites.adapters import holder

STATUS = {"SIGTERM": 143, "SIGKILL": 137}


class Engine:
    """The engine, and the one container that it has."""

    def __init__(self, behaviour: str, calls: Path) -> None:
        self.client = self.api = self.containers = self
        self.id = "c1"
        self._behaviour = behaviour
        self._calls = calls
        self._ended = threading.Event()
        self._status = 0
        self._wire, self._theirs = socket.socketpair()

    def _asked(self, *call: Any) -> None:
        with self._calls.open("a") as file:
            print(json.dumps(call), file=file)

    def list(self, **_: Any) -> list[Any]:
        return []

    def create(self, image: str, **settings: Any) -> Engine:
        lock = Path(holder.tempfile.gettempdir(), settings["labels"][holder.LABEL])
        self._asked("create", image, settings, lock.exists())
        return self

    def attach_socket(self, id: str, streams: dict[str, int]) -> Any:
        self._asked("attach", id, streams)
        return self._theirs.makefile("rwb", buffering=0)

    def start(self, container: Engine) -> None:
        self._asked("start")
        if self._behaviour == "cannot":
            raise APIError("no such program in it")
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        if self._behaviour == "echoes":
            data = b"".join(iter(lambda: self._wire.recv(65536), b""))
            self._write(1, data)
            self._write(2, str(len(data)).encode())
            self._end(7)
        elif self._behaviour == "stuck":
            self._end(0)
        else:
            self._write(1, b"up\n")

    def _write(self, stream: int, data: bytes) -> None:
        self._wire.sendall(struct.pack(">BxxxL", stream, len(data)) + data)

    def _end(self, status: int) -> None:
        self._status = status
        self._wire.close()
        self._ended.set()

    def kill(self, signal: str) -> None:
        self._asked("kill", signal)
        if self._behaviour == "obedient" or signal == "SIGKILL":
            self._end(STATUS[signal])

    def wait(self) -> dict[str, int]:
        self._ended.wait()
        return {"StatusCode": self._status}

    def remove(self, **how: bool) -> None:
        self._asked("remove", how)
        if self._behaviour == "stuck":
            raise APIError("device or resource busy")


@contextlib.contextmanager
def connected() -> Iterator[Engine]:
    yield Engine(sys.argv[1], Path(sys.argv[2]))


if __name__ == "__main__":
    holder.connected = connected
    sys.exit(holder.main("acme/client:1"))
