"""HTP and LID-2 judge the reference poller and the gateway, which are right, and pollers with one defect each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from gateway_by_hand import GatewayWorld
from service_by_hand import EPOCH_MS, ONE

from tmcspec.clauses import CLAUSES, judge_trace
from tmcspec.client.connection import Deliver
from tmcspec.client.exchange import Request
from tmcspec.client.message import OK, Outcome
from tmcspec.client.polling import Polling
from tmcspec.events import Event, Fault, Handled, Id, Received
from tmcspec.trace import Trace

CHOSEN = [clause for id, clause in CLAUSES.items() if clause.area == "HTP" or id == "LID-2"]
FAILED = Outcome(kind="fail", reason="no stock")

#: Ids that doubles cannot tell apart, and one that its handler fails.
LONG = 2**62 + 1
ODD = 2**62 + 1000


class Polled(GatewayWorld):
    """A poller at work. Its handlers take no time; that of `ODD` fails."""

    def __init__(self, core: type[Polling] = Polling, *, hasty: bool = False) -> None:
        super().__init__()
        self.core = core(app_key=ONE.key, app_secret=ONE.secret)
        self.hasty = hasty  # tells the core that a message is handled before it is

    def tell(self, event: Event) -> None:
        self.service.record(event, now=self.now)

    def poll(self, seconds: float) -> None:
        """Lets the poller do what it does in this time."""
        end = self.now + seconds
        while True:
            self.clients = self.now
            form = self.core.take(now=self.now, wall=EPOCH_MS / 1000 + self.now)
            if form is not None:
                for event in self.core.received(self.post(form).body, now=self.now):
                    if isinstance(event, Deliver):
                        self.handle(event.message.id)
                continue
            due = self.core.deadline()
            if due is None or due > end:
                break
            self.at(max(due, self.now))
        self.at(end)

    def handle(self, id: int) -> None:
        outcome = FAILED if id == ODD else OK
        self.tell(Received(client="client", message=Id(id)))
        if self.hasty:
            self.core.handled(id, OK, now=self.now)
            self.poll(0.1)
        self.tell(Handled(client="client", message=Id(id), outcome=outcome.kind))
        self.core.handled(id, outcome, now=self.now)

    def judged(self) -> dict[str, str]:
        self.tell(Fault(name="end"))
        trace = Trace(entries=tuple(self.recorder.entries), world="simulated", handlers=True)
        return {each.clause.id: each.result for each in judge_trace(trace, CHOSEN)}


def played(core: type[Polling] = Polling, *, hasty: bool = False) -> dict[str, str]:
    """What is said of a poller that gets messages, waits for more, and gets again what it failed to handle."""
    world = Polled(core, hasty=hasty)
    world.produce(id=ODD)
    for number in range(5):
        world.produce(id=LONG + number)
    world.poll(10)
    world.tell(Fault(name="request"))
    world.post(world.signed("taobao.tmc.messages.consume") | {"sign": "0" * 32})
    world.poll(370)
    return world.judged()


def test_the_reference_poller_and_the_gateway_are_right() -> None:
    assert played() == dict.fromkeys([clause.id for clause in CHOSEN], "pass")


class ShoutsNot(Polling):
    """Signs in lower case."""

    def form(self, request: Request, wall: float) -> dict[str, str]:
        right = super().form(request, wall)
        return right | {"sign": right["sign"].lower()}


class AsksForFew(Polling):
    """Asks for one message at a time."""

    def consume(self, quantity: int) -> Request:
        return super().consume(1)


class NeverRests(Polling):
    """Polls all the time."""

    def pause_after(self, *, asked: int, came: int, fresh: int) -> float:
        return 0.1


class Rounds(Polling):
    """Confirms ids as doubles."""

    def confirm(self, message_ids: Sequence[int]) -> Request:
        return super().confirm([int(float(each)) for each in message_ids])


class WritesFractions(Polling):
    """Confirms ids as PHP shows them."""

    def confirm(self, message_ids: Sequence[int]) -> Request:
        right = super().confirm(message_ids)
        shown = {"s_message_ids": ",".join(f"{float(each):.13E}" for each in message_ids)}
        return Request(api=right.api, arguments=dict(right.arguments) | shown)


class ConfirmsAll(Polling):
    """Confirms whatever came of it."""

    def deserves_confirm(self, outcome: Outcome) -> bool:
        return True


@pytest.mark.parametrize(
    ("core", "clause"),
    [
        (ShoutsNot, "HTP-1"),
        (AsksForFew, "HTP-2"),
        (ConfirmsAll, "HTP-3"),
        (NeverRests, "HTP-4"),
        (Rounds, "LID-2"),
        (WritesFractions, "LID-2"),
    ],
)
def test_a_poller_with_one_defect_is_found(core: type[Polling], clause: str) -> None:
    accused: Mapping[str, str] = {id: found for id, found in played(core).items() if found == "violated"}
    assert set(accused) == {clause}


def test_a_poller_that_confirms_before_handling_is_found() -> None:
    assert played(hasty=True)["HTP-3"] == "violated"
