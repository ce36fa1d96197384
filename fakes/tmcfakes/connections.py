"""The connections of the service, and which of them take the messages of which group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tmcspec.frame import encode
from tmcspec.messages import ConnectAck, Push, SendAck

#: A group of an app: app key and group name. Its messages are one queue.
Queue: TypeAlias = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Connection:
    """An open connection.

    `queue` and `token` are there when its latest CONNECT was accepted. One that is `closing` the service has begun to
    end: it gets no more pushes and answers, but what its client still confirms counts.
    """

    name: str
    queue: Queue | None = None
    token: str | None = None
    version: int = 2
    closing: bool = False

    def written(self, message: ConnectAck | SendAck | Push) -> bytes:
        """In the protocol version that the client spoke (observed: the reference server answers in kind)."""
        frame = message.to_frame()
        return encode(frame if self.version == frame.version else replace(frame, version=self.version))


class Connections:
    """All open connections."""

    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}
        self._accepted: dict[Queue, list[Connection]] = {}

    def add(self, name: str) -> None:
        """A new one. Raises ValueError when the name is taken."""
        if name in self._open:
            raise ValueError(f"connection {name!r} is open already; every connection needs a name of its own")
        self._open[name] = Connection(name=name)

    def get(self, name: str) -> Connection:
        """Raises ValueError when it is not open."""
        if name not in self._open:
            raise ValueError(f"connection {name!r} is not open; open are: {', '.join(self._open) or 'none'}")
        return self._open[name]

    def remove(self, connection: Connection) -> None:
        """It has ended."""
        self.withdraw(connection)
        del self._open[connection.name]

    def accept(self, connection: Connection, queue: Queue, token: str) -> None:
        """From now on it takes messages of `queue`."""
        self.withdraw(connection)
        connection.queue, connection.token = queue, token
        self._accepted.setdefault(queue, []).append(connection)

    def withdraw(self, connection: Connection) -> None:
        """From now on it takes no messages. Whose it is stays known."""
        if connection.queue is not None:
            others = [each for each in self._accepted[connection.queue] if each is not connection]
            self._accepted[connection.queue] = others

    def taking(self, queue: Queue) -> Sequence[Connection]:
        """Those that take the messages of `queue`, the longest accepted first."""
        return self._accepted.get(queue, ())

    def live(self) -> list[Connection]:
        """All that the service has not begun to end, the longest open first."""
        return [each for each in self._open.values() if not each.closing]
