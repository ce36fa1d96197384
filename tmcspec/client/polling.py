"""The protocol of a consumer that polls the HTTP gateway, without I/O, clock or randomness.

Theory
------
A poller makes one request at a time (S34: 尽量不要并发), and the core, `Polling`, decides which, and when:

    take                    ->  the form to post now, or None
    received, failed        ->  events, for the driver to act on; what came of the request that was taken
    handled, drain, abandon ->  nothing
    deadline                ->  when to call take again, at the latest; sooner when one of the above was called

`now` is monotonic seconds, from any origin, and never goes back.

The exchange with the gateway has the states of `exchange.TRANSITIONS`. A message goes through three steps:

    open        delivered to the application, whose handler has not ended.
    settled     handled well; its id waits for a confirm. What was not handled well is forgotten instead: over HTTP
                there is no way to report a failure, and what is not confirmed comes again in about six minutes (S39).
    confirming  its id is in the confirm that is on its way. Back to settled when that does not arrive or the service
                says that it may be repeated; forgotten when it is answered in any other way, or has been tried for so
                long that the message comes again by itself.

A second delivery of a message that is in one of them is dropped: duplicates happen (S40), one confirm settles both,
and the handler never runs twice at a time for one message.

Confirms go first: who consumes and does not confirm is throttled (消费了不确认, 确认比过低, 会自适应限制消费速率, S52).

The methods under "Steps" do one step each, so that a subclass can replace exactly one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf
from typing import get_args

from tmcspec import timing, top
from tmcspec.client.backoff import Backoff
from tmcspec.client.connection import Accepted, Deliver, Odd
from tmcspec.client.consumed import message_of
from tmcspec.client.core import SDK
from tmcspec.client.errors import ConnectFailed
from tmcspec.client.exchange import TRANSITIONS, CallRefused, Event, Input, Interrupted, Request, State
from tmcspec.client.message import Message, Outcome, Stats
from tmcspec.frame_values import show
from tmcspec.signing import SignMethod

CONSUME = "taobao.tmc.messages.consume"
CONFIRM = "taobao.tmc.messages.confirm"

# The API pages: a consume asks for 10 to 200 messages, a confirm carries at most 200 ids.
MIN_QUANTITY = 10
MAX_QUANTITY = 200
MAX_CONFIRMS = 200

# S35: 如拉取消息量为空时, 等待1秒以上再轮询. After a failure it is the least, too.
MIN_PAUSE = 1.0

# An id waits so long for others to share its confirm, in seconds: calls are limited (S33), and so is the minute (S24).
CONFIRM_LINGER = 0.5

# A confirm that fails is repeated for so long: by then the service sends the message again (S39), and then there is
# another confirm for it.
CONFIRM_PATIENCE = timing.REDELIVERY_DELAY

# "App Call Limited": calling on only makes it worse.
CALL_LIMITED = 7
LIMITED_PAUSE = 10.0


class Polling:
    """The protocol of one poller.

    Args:
        app_key, app_secret: credentials of the application.
        group: whose messages to consume.
        quantity: messages to ask for at a time, 10 to 200.
        capacity: >= 10. So many messages may be in hand (open, settled or confirming).
        idle_pause: seconds from an empty answer, or one with fewer messages than asked for, to the next consume,
            >= 1 (S35).
        sign_method: `md5`, `hmac` or `hmac-sha256`.
        backoff: how long to wait after requests that failed; never less than a second.
        rng: for the backoff.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        group: str = "default",
        quantity: int = 100,
        capacity: int = 200,
        idle_pause: float = MIN_PAUSE,
        sign_method: SignMethod = "hmac-sha256",
        backoff: Backoff | None = None,
        rng: random.Random | None = None,
    ) -> None:
        for name, text in (("app_key", app_key), ("app_secret", app_secret), ("group", group)):
            if not text:
                raise ValueError(f"{name} is empty; it must be the one from the open platform's console")
            if text != text.encode(errors="replace").decode():
                # Not shown: one of them is secret.
                raise ValueError(f"{name} has a character that UTF-8 cannot write")
        if not MIN_QUANTITY <= quantity <= MAX_QUANTITY:
            raise ValueError(f"quantity must be {MIN_QUANTITY} to {MAX_QUANTITY} messages, not {quantity!r}")
        if capacity < MIN_QUANTITY:
            raise ValueError(
                f"capacity must be {MIN_QUANTITY} messages or more, not {capacity!r}: a consume cannot ask for fewer"
            )
        if not idle_pause >= MIN_PAUSE:
            raise ValueError(f"idle_pause must be {MIN_PAUSE:g} second or more, not {idle_pause!r}")
        if sign_method not in get_args(SignMethod):
            raise ValueError(f"unknown sign method {sign_method!r}; valid: {', '.join(get_args(SignMethod))}")
        self.app_key = app_key
        self.group = group
        self._app_secret = app_secret
        self._quantity = quantity
        self._capacity = capacity
        self._idle_pause = idle_pause
        self._sign_method: SignMethod = sign_method
        self._backoff = backoff or Backoff()
        self._rng = rng or random.Random()

        self._counts: Counter[str] = Counter()
        self._draining = False
        self._open: set[int] = set()
        # Both with the time at which the message was handled.
        self._settled: dict[int, float] = {}
        self._confirming: dict[int, float] = {}

        self._state = State.IDLE
        self._online = False
        self._asked = 0  # of the consume that is on its way
        self._failures = 0  # in a row
        self._resume_at = self._consume_at = -inf

    # What is known

    @property
    def online(self) -> bool:
        """The last request was answered, without an error."""
        return self._online

    @property
    def stats(self) -> Stats:
        """Counts; `reconnects` is left to the driver."""
        return Stats(**self._counts)

    @property
    def unsent(self) -> int:
        """Messages that were handled and that the service has not been told of."""
        return len(self._settled) + len(self._confirming)

    def deadline(self) -> float | None:
        """When `take` must be called again, at the latest; None when time alone changes nothing."""
        if self._state is not State.IDLE:
            return None
        due = [at for at in (self._confirm_due(), self._consume_due()) if at is not None]
        return max(min(due), self._resume_at) if due else None

    # What happens

    def take(self, *, now: float, wall: float) -> dict[str, str] | None:
        """The form to post to the gateway; None while there is nothing to ask for, or a request is on its way.

        What is taken must be followed by `received` or `failed`.

        Args:
            now: monotonic seconds.
            wall: seconds since the epoch; the gateway compares the timestamp with the present.
        """
        if self._state is not State.IDLE or now < self._resume_at:
            return None
        confirm_due, consume_due = self._confirm_due(), self._consume_due()
        if confirm_due is not None and confirm_due <= now:
            self._step(Input.CONFIRM)
            batch = self.batch(list(self._settled))
            self._confirming = {message_id: self._settled.pop(message_id) for message_id in batch}
            return self.form(self.confirm(batch), wall)
        if consume_due is not None and consume_due <= now:
            self._step(Input.CONSUME)
            self._asked = self.quantity(self._room())
            return self.form(self.consume(self._asked), wall)
        return None

    def received(self, body: bytes, *, now: float) -> list[Event]:
        """The gateway answered. Never raises, whatever is in it."""
        consuming = self._state is State.CONSUMING
        try:
            answer = self.answer(body)
            if isinstance(answer, top.Failure):
                return self.failed(CallRefused(CONSUME if consuming else CONFIRM, answer), now=now)
            messages = top.read_list(answer, "messages", "tmc_message") if consuming else []
        except ValueError as error:
            self._counts["bad_frames"] += 1
            return self.failed(ConnectFailed(f"the gateway's answer cannot be used: {error}"), now=now)
        events = self.consumed(messages, now) if consuming else self.confirmed(answer)
        self._step(Input.ENDED)
        self._failures = 0
        if self._online:
            return events
        self._online = True
        return [Accepted(), *events]

    def failed(self, error: Exception, *, now: float) -> list[Event]:
        """The request came to nothing: no answer, one that is of no use, or an error."""
        self._step(Input.ENDED)
        self._online = False
        events = self.unconfirmed(error, now)
        pause = self.pause_after_failure(error)
        self._failures += 1
        self._resume_at = now + pause
        return [*events, Interrupted(error=error, pause=pause)]

    def handled(self, message_id: int, outcome: Outcome, *, now: float) -> None:
        """The application is done with a message. Only the first outcome of a delivery counts."""
        if message_id not in self._open:
            return
        self._open.discard(message_id)
        if self.deserves_confirm(outcome):
            self._settled[message_id] = now
        else:
            self._counts["failed"] += 1

    def drain(self) -> None:
        """The end is near: nothing is consumed any more, what is settled is confirmed at once.

        What is open may stay so: it is not confirmed, and the service sends it again.
        """
        self._draining = True

    def abandon(self) -> None:
        """The driver asks no more, for now at least: what was on its way will not be answered."""
        if self._state is not State.IDLE:
            self._step(Input.ENDED)
        self._online = False
        self._settled |= self._confirming
        self._confirming = {}

    # Steps

    def form(self, request: Request, wall: float) -> dict[str, str]:
        """All parameters of a call, signed."""
        return top.form(
            request.api,
            request.arguments,
            app_key=self.app_key,
            secret=self._app_secret,
            now_ms=int(wall * 1000),
            sign_method=self._sign_method,
            partner_id=SDK,
        )

    def consume(self, quantity: int) -> Request:
        """Asks for messages."""
        return Request(api=CONSUME, arguments=self.group_argument() | {"quantity": str(quantity)})

    def confirm(self, message_ids: Sequence[int]) -> Request:
        """Tells which messages were handled: their ids exactly as they came (S62), joined by commas."""
        return Request(
            api=CONFIRM, arguments=self.group_argument() | {"s_message_ids": ",".join(map(str, message_ids))}
        )

    def group_argument(self) -> dict[str, str]:
        """The group, unless it is the default one: an app that has no groups may name none."""
        return {} if self.group == "default" else {"group_name": self.group}

    def quantity(self, room: int) -> int:
        """How many messages to ask for, when so many more may be in hand (10 or more)."""
        return min(self._quantity, room)

    def batch(self, settled: Sequence[int]) -> Sequence[int]:
        """Which of the ids that wait for a confirm go into this one."""
        return settled[:MAX_CONFIRMS]

    def answer(self, body: bytes) -> Mapping[str, object] | top.Failure:
        """The answer, with exact integers. Raises ValueError when it is none."""
        return top.read_answer(body)

    def consumed(self, messages: Sequence[object], now: float) -> list[Event]:
        """A consume was answered."""
        asked = self._asked
        events = [event for raw in messages[:asked] for event in self.message_received(raw, now)]
        fresh = sum(isinstance(event, Deliver) for event in events)
        if len(messages) > asked:
            # There is no room for them. Those that are real come again.
            events += self.bad(
                f"{len(messages)} messages where {asked} were asked for; the others are left unconfirmed"
            )
        self._consume_at = now + self.pause_after(asked=asked, came=len(messages), fresh=fresh)
        return events

    def pause_after(self, *, asked: int, came: int, fresh: int) -> float:
        """Seconds until the next consume; none when there is more to fetch.

        可根据返回的消息数量酌情增减拉取消息的频次 (S34). A full answer with nothing new in it is a service gone
        wrong, and no reason to hurry.
        """
        return 0.0 if came >= asked and fresh else self._idle_pause

    def message_received(self, raw: object, now: float) -> list[Event]:
        """A message came. One that cannot be used does not stop the others."""
        try:
            message = self.message(raw)
        except ValueError as error:
            return self.bad(str(error))
        if self._draining or message.id in self._open or message.id in self._settled:
            return []
        self._counts["received"] += 1
        self._open.add(message.id)
        return [Deliver(message=message)]

    def message(self, raw: object) -> Message:
        """The message as the application gets it. Raises ValueError when it is none."""
        return message_of(raw)

    def deserves_confirm(self, outcome: Outcome) -> bool:
        """Was the message handled? If not it is left unconfirmed, and comes again (S39)."""
        return outcome.kind == "ok"

    def confirmed(self, answer: Mapping[str, object]) -> list[Event]:
        """A confirm was answered. Told that it did not succeed, repeating it helps nobody."""
        batch, self._confirming = self._confirming, {}
        success = answer.get("is_success")
        if success is True or success == "true":
            self._counts["confirmed"] += len(batch)
            return []
        return self.bad(f"is_success {show(success)} for the confirm of {len(batch)} messages; they come again")

    def unconfirmed(self, error: Exception, now: float) -> list[Event]:
        """A request failed. If it was a confirm: will another do better?"""
        batch, self._confirming = self._confirming, {}
        if not isinstance(error, CallRefused) or error.failure.retryable or error.code == CALL_LIMITED:
            # At the end of the queue, so that one bad id does not hold up those that were not tried yet.
            kept = {message_id: at for message_id, at in batch.items() if now < at + CONFIRM_PATIENCE}
            self._settled |= kept
            batch = {message_id: at for message_id, at in batch.items() if message_id not in kept}
        return self.bad(f"the confirm of {len(batch)} messages was given up; they come again") if batch else []

    def pause_after_failure(self, error: Exception) -> float:
        """Seconds until the next request of any kind, after one that failed."""
        pause = max(MIN_PAUSE, self._backoff.delay(self._failures, self._rng))
        if isinstance(error, CallRefused) and error.code == CALL_LIMITED:
            pause += LIMITED_PAUSE
        return pause

    def bad(self, reason: str) -> list[Event]:
        """How what cannot be used is met."""
        self._counts["bad_frames"] += 1
        return [Odd(reason=reason)]

    # Inner workings

    def _step(self, cause: Input) -> None:
        state = TRANSITIONS.get((self._state, cause))
        if state is None:
            raise RuntimeError(f"{cause.value} while {self._state.value}: the driver must not do that")
        self._state = state

    def _room(self) -> int:
        return self._capacity - len(self._open) - self.unsent

    def _consume_due(self) -> float | None:
        return None if self._draining or self._room() < MIN_QUANTITY else self._consume_at

    def _confirm_due(self) -> float | None:
        if not self._settled:
            return None
        # Nobody to wait for: all are handled, or no more fit in.
        ready = self._draining or not self._open or len(self._settled) >= MAX_CONFIRMS
        return next(iter(self._settled.values())) + (0.0 if ready else CONFIRM_LINGER)
