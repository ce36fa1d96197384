"""What the tests of delivery share: a service without sockets and clients on it, driven by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tmcfakes.console import Console
from tmcfakes.service import App, Send, Service
from tmcspec.events import Event
from tmcspec.frame import Field, Frame, decode, encode
from tmcspec.messages import Confirm, Connect, Fail, PullRequest, Push, from_service
from tmcspec.routing import Environment
from tmcspec.signing import sign_connect
from tmcspec.timing import Timing
from tmcspec.trace import Recorder

ONE = App(key="1", secret="one", groups=frozenset({"default", "shop"}))
TWO = App(key="2", secret="two")
EPOCH_MS = 1_700_000_000_000


class World:
    """A service, and clients on it. `now` is the time of whatever happens next.

    Args:
        seed: of the service.
        apps: who may connect.
        timing: its durations.
        keep: the latest entries of the trace that are kept; None for all.
        more: whatever else a `Service` takes.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        apps: Sequence[App] = (ONE, TWO),
        timing: Timing | None = None,
        keep: int | None = None,
        **more: Any,
    ) -> None:
        self.recorder = Recorder(keep=keep)
        self.service = Service(
            apps=apps,
            recorder=self.recorder,
            rng=random.Random(seed),
            timing=timing or Timing(retention=10_000.0),
            epoch_ms=EPOCH_MS,
            **more,
        )
        self.now = 0.0

    @property
    def console(self) -> Console:
        return self.service.console(now=self.now)

    def connected(
        self,
        name: str,
        app: App = ONE,
        group: str = "default",
        *,
        environment: Environment = "production",
        peer: str | None = None,
        extras: tuple[Field, ...] = (),
    ) -> str:
        self.service.opened(name, now=self.now, environment=environment, peer=peer)
        self.connect(name, app, group, extras=extras)
        return name

    def connect(self, name: str, app: App = ONE, group: str = "default", *, extras: tuple[Field, ...] = ()) -> None:
        sign = sign_connect(app_key=app.key, group=group, timestamp="1", secret=app.secret)
        connect = Connect(app_key=app.key, group=group, timestamp="1", sign=sign, flag=1, extras=extras)
        self.say(name, connect.to_frame())

    def closed(self, name: str) -> None:
        self.service.closed(name, now=self.now, by="client", code=1000, reason="")

    def say(self, name: str, frame: Frame) -> None:
        self.service.received(name, encode(frame), now=self.now)

    def produce(self, app: App = ONE, group: str | None = "default", *, topic: str = "t", **more: Any) -> int:
        return self.service.produce(app_key=app.key, topic=topic, content="{}", group=group, now=self.now, **more)

    def confirm(self, name: str, message: int | None) -> None:
        self.say(name, Confirm(token=None, id=message).to_frame())

    def fail(self, name: str, message: int | None) -> None:
        self.say(name, Fail(token=None, id=message, reason="no").to_frame())

    def pull(self, name: str) -> None:
        self.say(name, PullRequest(token=None).to_frame())

    def at(self, now: float) -> None:
        self.now = now
        self.service.tick(now=now)

    def live(self, until: float) -> None:
        """Lets time pass as a driver does: from one deadline to the next."""
        while (deadline := self.service.deadline()) is not None and deadline <= until:
            self.at(deadline)
        self.at(until)

    def pushes(self) -> list[tuple[str, Push]]:
        """The pushes since last asked, and on which connection."""
        read = [(effect.connection, from_service(decode(effect.data))) for effect in self.sends()]
        return [(connection, message) for connection, message in read if isinstance(message, Push)]

    def sends(self) -> list[Send]:
        return [effect for effect in self.service.effects() if isinstance(effect, Send)]

    def events(self, *kinds: type[Event]) -> list[Event]:
        return [entry.event for entry in self.recorder.entries if isinstance(entry.event, kinds)]
