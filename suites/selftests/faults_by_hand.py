"""What the tests of faults within the service share: the same conversation with a fault and without."""

from __future__ import annotations

from functools import partial
from typing import Any

from service_by_hand import ONE, World

from tmcfakes.faults import PlannedFault, luck
from tmcspec.events import Event, Fault, FrameOut, WsOut
from tmcspec.messages import Confirm, Publish

#: The entries of a trace that tell what goes over the wire, and what faults did.
WIRE = (Fault, FrameOut, WsOut)


class Day(World):
    """`c1` of `client-1` takes the messages of the default group, and `c2` of `client-2` those of `shop`."""

    def __init__(self, *faults: PlannedFault, **more: Any) -> None:
        super().__init__(**more)
        for key, fault in enumerate(faults):
            self.begin(fault, key)
        self.come("c1", "client-1")
        self.come("c2", "client-2", "shop")

    def begin(self, fault: PlannedFault, key: int = 0) -> None:
        self.service.begin(key, fault, chance=partial(luck, 7, key), now=self.now)

    def come(self, name: str, client: str, group: str = "default") -> None:
        self.service.opened(name, now=self.now, client=client)
        self.connect(name, ONE, group)

    def confirm(self, name: str, message: int | None) -> None:
        """As clients mostly do, so that the service reads it in its quick way."""
        self.say(name, Confirm(token="t", id=message).to_frame())

    def publish(self, name: str, flag: int) -> None:
        self.say(name, Publish(token=None, flag=flag, topic="t", content="{}").to_frame())

    def talk(self, messages: int = 4) -> list[int]:
        """So many messages for `c1`, a second apart; all are confirmed but the first, which failed. Somebody pulls,
        and publishes. Returns the ids.
        """
        ids = []
        for number in range(messages):
            self.at(self.now + 1)
            ids.append(self.produce())
            self.at(self.now + 0.1)
            (self.confirm if number else self.fail)("c1", ids[-1])
        self.pull("c1")
        self.publish("c1", 5)
        self.produce(group="shop")
        return ids

    def wire(self, *kinds: type[Event]) -> list[Event]:
        """What went out on `c1`, and what faults did there, as far as it is not forgotten."""
        events = self.events(*(kinds or WIRE))
        return [each for each in events if "c1" in (getattr(each, "connection", None), getattr(each, "target", None))]

    def forget(self) -> None:
        """What has happened so far is not looked at any more."""
        self.recorder.entries.clear()
