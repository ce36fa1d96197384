"""What the tests of delivery share: a service without sockets and clients on it, driven by hand."""

from __future__ import annotations

import random

from tmcfakes.service import App, Send, Service
from tmcspec.events import Event
from tmcspec.frame import Frame, decode, encode
from tmcspec.messages import Confirm, Connect, Fail, Push, from_service
from tmcspec.signing import sign_connect
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

ONE = App(key="1", secret="one", groups=frozenset({"default", "shop"}))
TWO = App(key="2", secret="two")
EPOCH_MS = 1_700_000_000_000


class World:
    """A service, and clients on it. `now` is the time of whatever happens next."""

    def __init__(self, seed: int = 1) -> None:
        self.recorder = Recorder()
        self.service = Service(
            apps=[ONE, TWO],
            recorder=self.recorder,
            rng=random.Random(seed),
            timing=Timing(retention=10_000.0),
            epoch_ms=EPOCH_MS,
        )
        self.now = 0.0

    def connected(self, name: str, app: App = ONE, group: str = "default") -> str:
        self.service.opened(name, now=self.now)
        sign = sign_connect(app_key=app.key, group=group, timestamp="1", secret=app.secret)
        self.say(name, Connect(app_key=app.key, group=group, timestamp="1", sign=sign, flag=1).to_frame())
        return name

    def say(self, name: str, frame: Frame) -> None:
        self.service.received(name, encode(frame), now=self.now)

    def produce(self, app: App = ONE, group: str = "default", *, topic: str = "t", id: int | None = None) -> int:
        return self.service.produce(app_key=app.key, topic=topic, content="{}", group=group, now=self.now, id=id)

    def confirm(self, name: str, message: int | None) -> None:
        self.say(name, Confirm(token=None, id=message).to_frame())

    def fail(self, name: str, message: int | None) -> None:
        self.say(name, Fail(token=None, id=message, reason="no").to_frame())

    def at(self, now: float) -> None:
        self.now = now
        self.service.tick(now=now)

    def pushes(self) -> list[tuple[str, Push]]:
        """The pushes since last asked, and on which connection."""
        read = [(effect.connection, from_service(decode(effect.data))) for effect in self.sends()]
        return [(connection, message) for connection, message in read if isinstance(message, Push)]

    def sends(self) -> list[Send]:
        return [effect for effect in self.service.effects() if isinstance(effect, Send)]

    def events(self, *kinds: type[Event]) -> list[Event]:
        return [entry.event for entry in self.recorder.entries if isinstance(entry.event, kinds)]
