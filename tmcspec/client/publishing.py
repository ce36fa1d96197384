"""Publishing to Taobao (回流消息, S13): the part of the core that sends a message and waits for its SENDACK.

Theory
------
A publish is a SEND with a flag of its own, and the SENDACK with that flag answers it. Until then it is pending, in one
of two states; each row says what an input makes of it:

    input               waiting to be taken                 sent, that is: taken
    taken               sent                                cannot be
    its SENDACK         ignored: nothing was asked yet      Published, or NotPublished if it has a code or a phrase
    its time is over    NotPublished, it did not arrive     NotPublished, nobody knows
    connection lost     NotPublished, it did not arrive     NotPublished, nobody knows
    forgotten           it is never sent                    whatever comes is ignored

So a publish that is not forgotten ends with exactly one event, and no publish outlives its connection. (Observed: the
official Java and C# clients let it time out on a connection that is gone; the C# one never forgets a flag.)

Only the flag decides. The token of a SENDACK is not looked at, since nobody has seen a real one, and a connection has
just one token. Only a SENDACK answers: a push that bears the flag of a pending publish is a push. (Observed: the
official Java and C# clients take it for the answer, so the message is neither handled nor confirmed.)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

from tmcspec import timing
from tmcspec.client.connection import Event, NotPublished, Published, PublishEnded, State
from tmcspec.client.errors import PublishFailed, PublishRefused, PublishTimeout
from tmcspec.frame import Frame
from tmcspec.frame_values import show
from tmcspec.messages import Publish, SendAck
from tmcspec.routing import TOPIC_NAME_LIMIT
from tmcspec.timing import PUBLISH_CONTENT_LIMIT

#: Publishes at a time.
PENDING_LIMIT = 1000

_FLAG_MAXIMUM = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A publish without an answer: how long it may take, and until when."""

    timeout: float
    deadline: float


class Publishing(ABC):
    """What a `Core` does about publishes. The rest of the core has the connection that it needs for that."""

    _counts: Counter[str]

    def __init__(self) -> None:
        self._flag = 0
        self._publishes: dict[int, _Pending] = {}
        # Of those, the frames of the ones that were not taken yet.
        self._waiting: dict[int, bytes] = {}

    # What the rest of the core knows

    @property
    @abstractmethod
    def state(self) -> State: ...

    @property
    @abstractmethod
    def full(self) -> bool: ...

    @abstractmethod
    def heard(self, *, now: float) -> None: ...

    @abstractmethod
    def token(self) -> str: ...

    @abstractmethod
    def encoded(self, frame: Frame) -> bytes: ...

    @abstractmethod
    def bad_frame(self, reason: str) -> list[Event]: ...

    # What is known

    @property
    def publishing(self) -> int:
        """Publishes that are pending."""
        return len(self._publishes)

    # What happens

    def publish(
        self,
        topic: str,
        content: str,
        *,
        now: float,
        session: str | None = None,
        timeout: float = timing.PUBLISH_TIMEOUT,
    ) -> int:
        """A message for Taobao is to be sent.

        Args:
            topic: 1 to 256 characters.
            content: 1 to 122,880 characters.
            now: monotonic seconds.
            session: not empty; None for none.
            timeout: seconds for the SENDACK to come, > 0.

        Returns:
            Its flag. One event with it follows, `Published` or `NotPublished`, unless it is forgotten.

        Raises:
            PublishFailed: there is no accepted connection, or 1000 publishes are pending. Nothing is sent.
            ValueError: an argument is out of its range, or is no text that UTF-8 can write. Nothing is sent.
        """
        _check(topic=topic, content=content, session=session, timeout=timeout)
        if self.state is not State.ONLINE:
            raise PublishFailed(f"the client is {self.state.value}, not online", may_have_arrived=False)
        if len(self._publishes) >= PENDING_LIMIT:
            raise PublishFailed(f"{PENDING_LIMIT} publishes are pending, and no more may be", may_have_arrived=False)
        if self.full:
            # The driver was not reading, so it could hear nothing; now it reads again, for the SENDACK.
            self.heard(now=now)
        flag = self._next_flag()
        self._waiting[flag] = self.encoded(self.publication(flag, topic, content, session))
        self._publishes[flag] = _Pending(timeout=timeout, deadline=now + timeout)
        return flag

    def forget(self, flag: int) -> None:
        """Nobody waits for this publish any more, if anybody did. What was not taken is not sent."""
        self._end(flag)

    def overdue(self, *, now: float) -> list[PublishEnded]:
        """Time has passed: ends what waited too long, as `tick` does.

        For a driver that cannot call `tick` in time because the connection takes nothing.
        """
        late = [(flag, each.timeout) for flag, each in self._publishes.items() if now >= each.deadline]
        return [self.publish_timed_out(flag, timeout=timeout, sent=self._end(flag)) for flag, timeout in late]

    # Steps

    def publication(self, flag: int, topic: str, content: str, session: str | None) -> Frame:
        """The frame of a publish."""
        return Publish(token=self.token(), flag=flag, topic=topic, content=content, session=session).to_frame()

    def is_awaited(self, ack: SendAck) -> bool:
        """Does it answer something that was sent? One with another flag, or too late, answers nothing."""
        return ack.flag in self._publishes and ack.flag not in self._waiting

    def sendack_received(self, ack: SendAck) -> list[Event]:
        """It answers one publish, or none."""
        if not self.is_awaited(ack):
            code, phrase = ack.status_code, show(ack.status_phrase)
            return self.bad_frame(f"a SENDACK that nothing asked for: flag {ack.flag}, code {code}, phrase {phrase}")
        self._end(ack.flag)
        return [self.publish_acked(ack)]

    def publish_acked(self, ack: SendAck) -> PublishEnded:
        """Success is an answer without an error."""
        if ack.refused:
            return NotPublished(flag=ack.flag, error=PublishRefused(ack.status_code, ack.status_phrase))
        self._counts["published"] += 1
        return Published(flag=ack.flag)

    def publish_timed_out(self, flag: int, *, timeout: float, sent: bool) -> PublishEnded:
        """Silence is no success."""
        reason = f"no SENDACK within {timeout:g} s" if sent else f"the connection was stuck for {timeout:g} s"
        return NotPublished(flag=flag, error=PublishTimeout(reason, may_have_arrived=sent))

    def publish_lost(self, flag: int, *, sent: bool) -> PublishEnded:
        """No SENDACK comes from a connection that is gone, and none on another answers it."""
        reason = f"the connection ended{' before the SENDACK came' if sent else ''}"
        return NotPublished(flag=flag, error=PublishFailed(reason, may_have_arrived=sent))

    # Inner workings

    def _next_flag(self) -> int:
        """Counts on, for CONNECT and publishes alike (observed: official Java and C# clients)."""
        while True:
            self._flag = self._flag % _FLAG_MAXIMUM + 1
            if self._flag not in self._publishes:
                return self._flag

    def _take_publish(self) -> bytes:
        return self._waiting.pop(next(iter(self._waiting)))

    def _lose_publishes(self) -> list[Event]:
        return [self.publish_lost(flag, sent=self._end(flag)) for flag in list(self._publishes)]

    def _end(self, flag: int) -> bool:
        """A publish is not pending any more. Returns whether it was sent."""
        self._publishes.pop(flag, None)
        return self._waiting.pop(flag, None) is None


def _check(*, topic: str, content: str, session: str | None, timeout: float) -> None:
    for name, text, limit in (("topic", topic, TOPIC_NAME_LIMIT), ("content", content, PUBLISH_CONTENT_LIMIT)):
        if not isinstance(text, str):
            raise ValueError(f"{name} must be text of 1 to {limit} characters, not {show(text)}")
        if not 1 <= len(text) <= limit:
            raise ValueError(f"{name} must have 1 to {limit} characters, not {len(text)}: {show(text)}")
    # It is a secret, so it is not shown.
    if session is not None and not _is_session(session):
        raise ValueError("session must be text that UTF-8 can write, and not empty; or None for none")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")


def _is_session(session: object) -> bool:
    return isinstance(session, str) and session != "" and session == session.encode("utf-8", "replace").decode()
