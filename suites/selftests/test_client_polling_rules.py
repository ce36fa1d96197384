"""The rules of polling hold whatever the gateway, the handlers and time do."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from polling_by_hand import confirmed, consumed, consumed_raw, new_polling, raw, refused, taken

from tmcspec import top
from tmcspec.client.connection import Deliver
from tmcspec.client.errors import ConnectFailed
from tmcspec.client.exchange import Event
from tmcspec.client.message import OK, Outcome
from tmcspec.client.polling import CONSUME

CAPACITY = 30
IDS = st.integers(min_value=2**62, max_value=2**62 + 60)


class PollingRules(RuleBasedStateMachine):
    """A poller, a gateway that says anything, and handlers that end some day."""

    def __init__(self) -> None:
        super().__init__()
        self.core = new_polling(quantity=20, capacity=CAPACITY)
        self.now = 0.0
        self.method = ""  # of the request that is on its way
        self.asked = 0
        self.ids: set[int] = set()
        self.running: set[int] = set()
        self.handled: dict[int, float] = {}  # well, when, and not confirmed yet
        self.quiet_until = -math.inf  # for every request
        self.idle_until = -math.inf  # for a consume

    @rule(seconds=st.sampled_from([0.001, 0.3, 1.0, 5.0, 60.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def wait_for_the_deadline(self) -> None:
        deadline = self.core.deadline()
        self.now = max(self.now, deadline or 0.0)

    @precondition(lambda self: not self.method)
    @rule()
    def take(self) -> None:
        deadline = self.core.deadline()
        form = taken(self.core, self.now)
        assert (form is not None) == (deadline is not None and deadline <= self.now)
        if form is None:
            return
        assert self.now >= self.quiet_until
        self.method = form["method"]
        if self.method == CONSUME:
            assert self.now >= self.idle_until
            self.asked = int(form["quantity"])
            assert 10 <= self.asked <= 20
            assert self.asked <= CAPACITY - len(self.running) - len(self.handled)
        else:
            ids = [int(text) for text in form["s_message_ids"].split(",")]
            assert 0 < len(ids) == len(set(ids)) <= 200
            self.ids = set(ids)
            assert self.ids <= self.handled.keys()

    @precondition(lambda self: self.method == CONSUME)
    @rule(ids=st.lists(IDS, max_size=40), bad=st.booleans())
    def answer_consume(self, ids: list[int], bad: bool) -> None:
        events = self.core.received(consumed_raw(*[raw(i) for i in ids], *["bad"] * bad), now=self.now)
        fresh = self._delivered(events)
        if not fresh or len(ids) + bad < self.asked:
            self.idle_until = self.now + 1.0
        self.method = ""

    @precondition(lambda self: self.method and self.method != CONSUME)
    @rule(success=st.booleans())
    def answer_confirm(self, success: bool) -> None:
        self._delivered(self.core.received(confirmed(success), now=self.now))
        self._forget(self.ids)
        self.method = ""

    @precondition(lambda self: self.method)
    @rule()
    def get_no_answer(self) -> None:
        self._failed(self.core.failed(ConnectFailed("nobody there"), now=self.now), worth_repeating=True)

    @precondition(lambda self: self.method)
    @rule(answer=st.one_of(st.binary(max_size=10), st.just(consumed(1)[:-1])))
    def answer_nonsense(self, answer: bytes) -> None:
        self._failed(self.core.received(answer, now=self.now), worth_repeating=True)

    @precondition(lambda self: self.method)
    @rule(code=st.integers(-5, 60), sub_code=st.sampled_from([None, "isv.invalid-parameter", "isp.top-remote-error"]))
    def refuse(self, code: int, sub_code: str | None) -> None:
        answer = refused(top.Failure(code=code, msg="no", sub_code=sub_code))
        worth_repeating = code == 7 or sub_code == "isp.top-remote-error"
        self._failed(self.core.received(answer, now=self.now), worth_repeating=worth_repeating)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), ok=st.booleans())
    def end_a_handler(self, data: st.DataObject, ok: bool) -> None:
        message_id = data.draw(st.sampled_from(sorted(self.running)))
        self.running.discard(message_id)
        self.core.handled(message_id, OK if ok else Outcome(kind="raise"), now=self.now)
        if ok:
            self.handled[message_id] = self.now

    @invariant()
    def in_hand_is_bounded(self) -> None:
        assert len(self.running) + len(self.handled) <= CAPACITY
        assert self.core.unsent == len(self.handled)

    def _failed(self, events: list[Event], *, worth_repeating: bool) -> None:
        assert self._delivered(events) == 0
        self.quiet_until = self.now + 1.0
        if self.method != CONSUME:
            old = {message_id for message_id in self.ids if self.now >= self.handled[message_id] + 360.0}
            self._forget(old if worth_repeating else self.ids)
        self.method = ""

    def _forget(self, ids: set[int]) -> None:
        self.handled = {message_id: at for message_id, at in self.handled.items() if message_id not in ids}

    def _delivered(self, events: list[Event]) -> int:
        ids = [event.message.id for event in events if isinstance(event, Deliver)]
        assert len(ids) == len(set(ids)) <= self.asked
        assert not set(ids) & (self.running | self.handled.keys())
        self.running |= set(ids)
        return len(ids)


PollingRules.TestCase.settings = settings(max_examples=200, stateful_step_count=60)
TestPollingRules = PollingRules.TestCase
