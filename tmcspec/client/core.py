"""The protocol of a TMC consumer, without I/O, clock or randomness.

Theory
------
A client has one connection at a time, and one `Core` for all its connections. The core is told what happened, and
when; it answers with events for the driver, and holds what is to be sent until the driver takes it:

    received, text_received, tick, lost          ->  events, for the driver to act on
    opened, heard, handled, drain, forget        ->  nothing
    publish                                      ->  the flag of the event that will follow
    take                                         ->  the next thing to send, or None
    deadline                                     ->  when to call tick, at the latest

After each input there may be something to take. `now` is monotonic seconds, from any origin, and never goes back.

A connection has the states of `connection.TRANSITIONS`. A message goes through three steps, which outlive connections:

    open        delivered to the application, not answered yet.
    settled     the handler is done; the answer waits to be taken. What was received on an old connection is answered
                on the new one, with the new token (observed: official Java client).
    answered    taken, so forgotten. An answer that is lost on the way is not repeated: nothing acknowledges it, the
                message comes again after about six minutes (S39), and is handled again. At-least-once is what the
                service offers (S40).

So each delivery has exactly one answer: Confirm, or Failed. While a message is open or settled, a second delivery of
the same id is dropped without a word: the one answer that is on its way settles both, and the handler never runs
twice at a time for one message.

What the application publishes lives and dies with one connection: see `publishing`.

A frame that cannot be understood changes nothing: it is counted, the driver is told, the connection stays, and
nothing is confirmed that was not delivered. (Observed: published clients exit, reconnect in a hot loop, or confirm an
id that they never got.)

The methods under "Steps" do one step each, so that a subclass can replace exactly one.
"""

from __future__ import annotations

from collections import Counter, deque

import tmcspec
from tmcspec import timing
from tmcspec.client.connection import TRANSITIONS, Accepted, Deliver, Event, GivenUp, Input, Odd, Ping, Refused, State
from tmcspec.client.message import Message, Outcome, Stats
from tmcspec.client.publishing import Publishing
from tmcspec.frame import Frame, FrameError, decode, encode, string
from tmcspec.frame_values import show
from tmcspec.messages import Confirm, Connect, ConnectAck, Fail, MessageError, PullRequest, Push, from_service
from tmcspec.signing import sign_connect

SDK = f"tmcspec-python/{tmcspec.__version__}"

# Without a byte for so long a connection is taken for half-open. The service does not answer pings, so silence is all
# there is to judge by; six pull requests have gone unanswered by then.
SILENCE_LIMIT = 90.0

# So many pushes beyond the capacity are read while a SENDACK is awaited, since it comes behind them: a few megabytes of
# pushes may be on their way.
_ACK_HEADROOM = 10_000


class Core(Publishing):
    """The protocol of one client.

    Args:
        app_key, app_secret: credentials of the application.
        group: whose messages to consume.
        capacity: >= 1. With so many messages in hand (open or settled) the client is `full`, and its driver must stop
            reading (S29, S30).
        pull_interval: seconds between PullRequests, > 0.
        heartbeat_interval: seconds without traffic after which a PING is sent, > 0.
        connectack_timeout: seconds to wait for the CONNECTACK, > 0.
        silence_limit: seconds without a byte from the service after which the connection is replaced, > 0; None for
            never. A group without messages is silent, too, and reconnects that often: a fresh CONNECT gets a
            CONNECTACK, and that is the only proof of life which the service gives.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        group: str = "default",
        capacity: int = timing.CLIENT_QUEUE_SIZE,
        pull_interval: float = timing.PULL_INTERVAL,
        heartbeat_interval: float = timing.HEARTBEAT_INTERVAL,
        connectack_timeout: float = timing.CONNECTACK_TIMEOUT,
        silence_limit: float | None = SILENCE_LIMIT,
    ) -> None:
        for name, text in (("app_key", app_key), ("app_secret", app_secret), ("group", group)):
            if not text:
                raise ValueError(f"{name} is empty; it must be the one from the open platform's console")
        if capacity < 1:
            raise ValueError(f"capacity must be 1 message or more, not {capacity!r}")
        for name, seconds in (
            ("pull_interval", pull_interval),
            ("heartbeat_interval", heartbeat_interval),
            ("connectack_timeout", connectack_timeout),
            ("silence_limit", silence_limit),
        ):
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} must be more than 0 seconds, not {seconds!r}")
        super().__init__()
        self.app_key = app_key
        self.group = group
        self._app_secret = app_secret
        self._capacity = capacity
        self._pull_interval = pull_interval
        self._heartbeat_interval = heartbeat_interval
        self._connectack_timeout = connectack_timeout
        self._silence_limit = silence_limit

        self._counts: Counter[str] = Counter()
        self._draining = False
        self._open: set[int] = set()
        self._settled: dict[int, Outcome] = {}

        # Of the connection.
        self._state = State.OFFLINE
        self._token = ""
        self._outbox: deque[bytes | Ping] = deque()
        self._opened_at = self._heard_at = self._sent_at = self._pull_at = 0.0

    # What is known

    @property
    def state(self) -> State:
        """Of the connection."""
        return self._state

    @property
    def stats(self) -> Stats:
        """Counts; `reconnects` is left to the driver."""
        return Stats(**self._counts)

    @property
    def full(self) -> bool:
        """No more messages should be read. The driver leaves them in the socket, and TCP holds the service back.

        Nothing is lost.
        """
        # Before the CONNECTACK there must be reading: what is settled can only be sent after it.
        held = len(self._open) + len(self._settled)
        capacity = self._capacity + (_ACK_HEADROOM if self.publishing else 0)
        return self._state is State.ONLINE and not self._draining and held >= capacity

    @property
    def unsent(self) -> int:
        """Answers that wait to be taken."""
        return len(self._settled)

    def deadline(self) -> float | None:
        """When `tick` must be called, at the latest; None when time alone changes nothing."""
        if self._state is State.CONNECTING:
            return self._opened_at + self._connectack_timeout
        if self._state is not State.ONLINE:
            return None
        due = [self._beat_at(), *(each.deadline for each in self._publishes.values())]
        if not self._draining:
            due.append(self._pull_at)
        if self._silence_limit is not None and not self.full:
            due.append(self._heard_at + self._silence_limit)
        return min(due)

    # What happens

    def opened(self, *, now: float, wall: float, intranet_ip: str = "127.0.0.1") -> None:
        """A WebSocket connection is there.

        Args:
            now: monotonic seconds.
            wall: seconds since the epoch; the service compares the timestamp with the present.
            intranet_ip: this machine's address, shown in the service's console (S67).
        """
        self._step(Input.OPENED)
        self._next_flag()
        self._opened_at = self._heard_at = self._sent_at = now
        self._outbox.append(self.encoded(self.connect(str(int(wall * 1000)), intranet_ip).to_frame()))

    def lost(self) -> list[Event]:
        """The connection is gone, or about to be closed. What is settled stays, for the next one."""
        self._step(Input.LOST)
        return self._lose_publishes()

    def heard(self, *, now: float) -> None:
        """Bytes came from the service, whatever they are: the connection is alive."""
        self._heard_at = now

    def received(self, data: bytes, *, now: float) -> list[Event]:
        """A binary message came. Never raises, whatever is in it."""
        self.heard(now=now)
        try:
            frame = self.decoded(data)
            message = from_service(frame)
        except (FrameError, MessageError) as error:
            return self.bad_frame(f"{type(error).__name__}: {error}")
        match message:
            case ConnectAck():
                return self.connectack_received(message, now)
            case Push() if frame.status_code > 0 or frame.status_phrase:
                # Observed: the official Java and C# clients log and drop a SEND that carries an error.
                phrase = show(frame.status_phrase)
                return self.bad_frame(f"a push with an error: code {frame.status_code}, phrase {phrase}")
            case Push():
                return self.push_received(message)
            case _:
                return self.sendack_received(message)

    def text_received(self, length: int, *, now: float) -> list[Event]:
        """A text message came; TMC is binary."""
        self.heard(now=now)
        return self.bad_frame(f"a text message of {length} bytes; binary messages are expected")

    def handled(self, message_id: int, outcome: Outcome) -> None:
        """The application is done with a message. Only the first outcome of a delivery counts.

        It is kept while there is no connection.
        """
        if message_id in self._open:
            self._open.discard(message_id)
            self._settled[message_id] = outcome

    def drain(self) -> None:
        """The end is near: pushes are ignored from now on, and nothing is pulled. What is settled is still answered.

        What is open may stay so: it gets no answer, and the service sends it again.
        """
        self._draining = True

    def tick(self, *, now: float) -> list[Event]:
        """Time has passed."""
        if self._state is State.CONNECTING and now >= self._opened_at + self._connectack_timeout:
            return self._give_up(f"no CONNECTACK within {self._connectack_timeout:g} s")
        if self._state is not State.ONLINE:
            return []
        if self._silence_limit is not None and not self.full and now >= self._heard_at + self._silence_limit:
            return self._give_up(f"nothing was heard for {self._silence_limit:g} s")
        if not self._draining and now >= self._pull_at:
            self._pull(now)
        elif now >= self._beat_at():
            self._sent_at = now
            self._outbox.append(Ping())
        return [*self.overdue(now=now)]

    def take(self, *, now: float) -> bytes | Ping | None:
        """The next thing to send: a frame or a PING; None when there is nothing. Taken is sent.

        Take only while the socket is open.
        """
        while not self._outbox and self._settled and self._state is State.ONLINE:
            self._answer(now)
        if not self._outbox and self._waiting and self._state is State.ONLINE:
            self._outbox.append(self._take_publish())
        if not self._outbox:
            return None
        self._sent_at = now
        return self._outbox.popleft()

    # Steps

    def decoded(self, data: bytes) -> Frame:
        """A binary message from the service. Raises FrameError."""
        return decode(data)

    def encoded(self, frame: Frame) -> bytes:
        """A binary message to the service."""
        return encode(frame)

    def connect(self, timestamp: str, intranet_ip: str) -> Connect:
        """The CONNECT of this connection."""
        return Connect(
            app_key=self.app_key,
            group=self.group,
            timestamp=timestamp,
            sign=self.sign(timestamp),
            flag=self._flag,
            extras=(string("sdk", SDK), string("intranet_ip", intranet_ip)),
        )

    def sign(self, timestamp: str) -> str:
        """The sign of the CONNECT."""
        return sign_connect(app_key=self.app_key, group=self.group, timestamp=timestamp, secret=self._app_secret)

    def is_ours(self, ack: ConnectAck) -> bool:
        """Does it answer our CONNECT? One with another flag, or with none, answers somebody else's."""
        return self._state is State.CONNECTING and ack.flag == self._flag

    def connectack_received(self, ack: ConnectAck, now: float) -> list[Event]:
        """Success is a token and no error."""
        if not self.is_ours(ack):
            return self.bad_frame(
                f"a CONNECTACK with flag {ack.flag} while {self._state.value}; flag {self._flag} was sent last"
            )
        if ack.refused:
            self._step(Input.ENDED)
            return [Refused(code=ack.status_code, phrase=ack.status_phrase)]
        if not ack.token:
            return self._give_up("the CONNECTACK has neither a token nor an error")
        return self._go_online(ack.token, now)

    def push_received(self, push: Push) -> list[Event]:
        """A new message is delivered."""
        if self._state is not State.ONLINE:
            # It could not be confirmed: there is no token yet. It comes again.
            return self.bad_frame(f"a push while {self._state.value}; it is left unconfirmed")
        if push.id is None:
            return self.bad_frame(f"a push without id, topic {show(push.topic)}; it cannot be confirmed")
        if self._draining or push.id in self._open or push.id in self._settled:
            return []
        self._counts["received"] += 1
        self._open.add(push.id)
        try:
            return [Deliver(message=self.message(push.id, push))]
        except MessageError as error:
            self.handled(push.id, Outcome(kind="fail", reason=str(error)))
            return [Odd(reason=f"message {push.id}: {error}; it is reported as failed")]

    def message(self, message_id: int, push: Push) -> Message:
        """The push as the application gets it. Raises MessageError when the content cannot be unpacked."""
        return Message.of(message_id, push)

    def bad_frame(self, reason: str) -> list[Event]:
        """How what cannot be used is met."""
        self._counts["bad_frames"] += 1
        return [Odd(reason=reason)]

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        """What the service is told about a delivery."""
        if outcome.kind == "ok":
            self._counts["confirmed"] += 1
            return [self.confirm(message_id)]
        self._counts["failed"] += 1
        return [self.failed(message_id, outcome.reason)]

    def confirm(self, message_id: int) -> Frame:
        """The id exactly as it came, as an Int64 (S62)."""
        return Confirm(token=self.token(), id=message_id).to_frame()

    def failed(self, message_id: int, reason: str) -> Frame:
        """The official clients send a Failed as SEND, cut the reason to 128 characters, and send a Void for none."""
        # A lone surrogate has no UTF-8 (a decoding error handler may have left one in an exception's text); "?"
        # stands in for it.
        text = reason[: timing.FAIL_REASON_LIMIT].encode("utf-8", "replace").decode()
        return Fail(token=self.token(), id=message_id, reason=text or None).to_frame()

    def pull_request(self) -> Frame:
        """Wakes the service up."""
        return PullRequest(token=self.token()).to_frame()

    def token(self) -> str:
        """Of this connection's CONNECTACK; the next may have another (observed: tmcpy keeps the first for ever)."""
        return self._token

    # Inner workings

    def _step(self, cause: Input) -> None:
        state = TRANSITIONS.get((self._state, cause))
        if state is None:
            raise RuntimeError(f"{cause.value} while {self._state.value}: the driver must not do that")
        self._state = state
        if state is not State.ONLINE:
            self._token = ""
            self._outbox.clear()

    def _go_online(self, token: str, now: float) -> list[Event]:
        self._step(Input.ACCEPTED)
        self._token = token
        self._pull(now)
        return [Accepted()]

    def _give_up(self, reason: str) -> list[Event]:
        self._step(Input.ENDED)
        return [GivenUp(reason=reason)]

    def _pull(self, now: float) -> None:
        self._pull_at = now + self._pull_interval
        self._outbox.append(self.encoded(self.pull_request()))

    def _beat_at(self) -> float:
        return max(self._heard_at, self._sent_at) + self._heartbeat_interval

    def _answer(self, now: float) -> None:
        if self.full:
            # The driver was not reading, so it could hear nothing.
            self._heard_at = now
        message_id = next(iter(self._settled))
        outcome = self._settled.pop(message_id)
        self._outbox.extend(self.encoded(frame) for frame in self.answers(message_id, outcome))
