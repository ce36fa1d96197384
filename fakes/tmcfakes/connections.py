"""The connections of the service, and which of them take the messages of which queue."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tmcfakes.queues import Queue
from tmcspec.frame import encode
from tmcspec.messages import Connect, ConnectAck, Push, SendAck
from tmcspec.routing import Environment

#: So many publishes are remembered as waiting for an answer, the latest: clients wait 2 s for one.
UNANSWERED_LIMIT = 100


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """An open connection.

    `queue` and `token` are there when its latest CONNECT was accepted. One that is `closing` the service has begun to
    end: it gets no more pushes and answers, but what its client still confirms counts.

    Attributes:
        environment: the one that it was opened to.
        peer: the address that it comes from, None when that is not known.
        client: the name of the client, likewise.
        ip: the chain of addresses on the way, for the tracks of messages.
        credit: how many messages it may still be given, where they are pulled.
        token_bytes: its token, as it goes into pushes.
        unanswered: the flags of publishes whose SENDACK has not gone out, the latest last.
    """

    name: str
    environment: Environment = "production"
    peer: str | None = None
    client: str | None = None
    ip: str = ""
    queue: Queue | None = None
    token: str | None = None
    token_bytes: bytes = b""
    credit: int = 0
    version: int = 2
    closing: bool = False
    unanswered: dict[int, None] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """What a fault that is about it is aimed at: the name of the client, or its own."""
        return self.client or self.name

    def asked(self, flag: int) -> None:
        """A publish with this flag waits for its SENDACK."""
        self.unanswered[flag] = None
        if len(self.unanswered) > UNANSWERED_LIMIT:
            del self.unanswered[next(iter(self.unanswered))]

    def answered(self, flag: int) -> None:
        """The SENDACK with this flag went out."""
        self.unanswered.pop(flag, None)

    def written(self, message: ConnectAck | SendAck | Push) -> bytes:
        """In the protocol version that the client spoke (observed: the reference server answers in kind)."""
        frame = message.to_frame()
        return encode(frame if self.version == frame.version else replace(frame, version=self.version))


class Connections:
    """All open connections."""

    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}

    def add(self, name: str, *, environment: Environment, peer: str | None, client: str | None = None) -> None:
        """A new one. Raises ValueError when the name is taken."""
        if name in self._open:
            raise ValueError(f"connection {name!r} is open already; every connection needs a name of its own")
        self._open[name] = Connection(name=name, environment=environment, peer=peer, client=client)

    def get(self, name: str) -> Connection:
        """Raises ValueError when it is not open."""
        found = self._open.get(name)
        if found is None:
            raise ValueError(f"connection {name!r} is not open; open are: {', '.join(self._open) or 'none'}")
        return found

    def remove(self, connection: Connection) -> None:
        """It has ended."""
        self.withdraw(connection)
        del self._open[connection.name]

    def accept(self, connection: Connection, queue: Queue, token: str) -> None:
        """From now on it takes messages of `queue`."""
        self.withdraw(connection)
        connection.queue, connection.token, connection.token_bytes = queue, token, token.encode()
        queue.enter(connection)

    def withdraw(self, connection: Connection) -> None:
        """From now on it takes no messages. Whose it is stays known."""
        if connection.queue is not None:
            connection.queue.leave(connection)

    def live(self) -> list[Connection]:
        """All that the service has not begun to end, the longest open first."""
        return [each for each in self._open.values() if not each.closing]


def chain(*, intranet: str | None, public: str | None, server: str) -> str:
    """The addresses on the way of a message, as the console shows them: `intranet:public:server` (S67: 三个ip 分别对应
    tmcClient的内网ip、tmcClient的公网ip、tmc服务器ip).

    An SDK that does not tell its intranet address is an old one, and with an old one the middle is null (旧sdk中间ip为
    null). Then the first is the one address that is known of the client; that this is so is inferred.

    Example:
        >>> chain(intranet="30.7.202.155", public="42.120.74.122", server="11.8.4.163")
        '30.7.202.155:42.120.74.122:11.8.4.163'
        >>> chain(intranet=None, public="42.120.74.122", server="11.8.4.163")
        '42.120.74.122:null:11.8.4.163'
    """
    if intranet is None:
        return f"{public or 'null'}:null:{server}"
    return f"{intranet}:{public or 'null'}:{server}"


def intranet_ip(connect: Connect) -> str | None:
    """The address that the client says it has in its own network; at most as long as an address is."""
    for key, _, value in connect.extras:
        if key == "intranet_ip" and isinstance(value, str):
            return value[:ADDRESS_LIMIT]
    return None


#: Characters of an IPv6 address with a zone, and some.
ADDRESS_LIMIT = 64
