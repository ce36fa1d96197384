"""Mutants that confirm and fail wrongly."""

from __future__ import annotations

import asyncio
from typing import Any

from tmcspec.client import Core, Message, Outcome, TmcClient
from tmcspec.client.connection import Event
from tmcspec.client.message import OK
from tmcspec.frame import Frame, byte, int32, string
from tmcspec.messages import Confirm, Fail, Kind, Push
from tmcsuites.mutants.base import PHP, Catalogue, Killed

MUTANTS = Catalogue()
mutant = MUTANTS.mutant


@mutant("never-confirms", "ACK-1")
class NeverConfirms(Core):
    """Sends nothing for a message that was handled."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        return [] if outcome.kind == "ok" else super().answers(message_id, outcome)


@mutant("loses-confirms-that-come-together", "ACK-1")
class LosesConfirmsThatComeTogether(Core):
    """Keeps only the last of the confirms that wait to be sent."""

    def handled(self, message_id: int, outcome: Outcome) -> None:
        self._settled = {waiting: done for waiting, done in self._settled.items() if done.kind != "ok"}
        super().handled(message_id, outcome)


@mutant("confirms-first", "ACK-2", published=("tmcpy", "tmc.js", "hyperf-taobao-tmc", "period331/taobao-tmc-python"))
class ConfirmsFirst(TmcClient):
    """Confirms a message before its handler is called."""

    def _starting(self, message: Message) -> None:
        self._core.handled(message.id, OK)
        super()._starting(message)


@mutant("confirms-what-takes-long", "ACK-2")
class ConfirmsWhatTakesLong(TmcClient):
    """Confirms a message whose handler has not come back within half a second, so that it does not come again."""

    def _starting(self, message: Message) -> None:
        asyncio.get_running_loop().call_later(0.5, self._confirm, message.id)
        super()._starting(message)

    def _confirm(self, message_id: int) -> None:
        self._core.handled(message_id, OK)
        self._session.wake()


@mutant("confirms-failures", "ACK-3")
class ConfirmsFailures(Core):
    """Confirms a message that failed."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        return [self.confirm(message_id)] if outcome.kind == "fail" else super().answers(message_id, outcome)


@mutant("swallows-failures", "ACK-3")
class SwallowsFailures(TmcClient):
    """Takes a handler that failed or raised for one that returned, and shows nobody what came of it."""

    def _handled(self, message: Message, outcome: Outcome, error: BaseException | None) -> None:
        if outcome.kind == "ok":
            super()._handled(message, outcome, error)
        else:
            self._core.handled(message.id, OK)
            self._session.wake()


@mutant("never-fails", "ACK-4", published=("official Node SDK", "official SDKs before 2021"))
class NeverFails(Core):
    """Sends nothing for a message that failed."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        return [] if outcome.kind == "fail" else super().answers(message_id, outcome)


@mutant("does-not-cut-the-reason", "ACK-4", published=("official Java SDK",))
class DoesNotCutTheReason(Core):
    """Sends the reason of a failure at any length."""

    def failed(self, message_id: int, reason: str) -> Frame:
        return Fail(token=self.token(), id=message_id, reason=reason or None).to_frame()


@mutant("dies-of-a-raising-handler", "ACK-5", published=("tmc.js",))
class DiesOfARaisingHandler(Core):
    """Never works again after a handler that raised."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        if outcome.kind == "raise":
            raise Killed
        return super().answers(message_id, outcome)


@mutant("goes-deaf-after-a-raising-handler", "ACK-5")
class GoesDeafAfterARaisingHandler(Core):
    """Stays connected after a handler that raised, and takes no messages any more."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        if outcome.kind == "raise":
            self.drain()
        return super().answers(message_id, outcome)


@mutant("catches-nothing-but-exceptions", "ACK-5")
class CatchesNothingButExceptions(TmcClient):
    """Takes no messages any more after a handler that raised what is no exception, as a cancelled call."""

    def _handled(self, message: Message, outcome: Outcome, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception):
            self._drain()
        super()._handled(message, outcome, error)


@mutant("confirms-what-raised", "ACK-5", published=("tmcpy", "tmc.js"))
class ConfirmsWhatRaised(Core):
    """Confirms a message whose handler raised."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        return [self.confirm(message_id)] if outcome.kind == "raise" else super().answers(message_id, outcome)


@mutant("answers-both-ways", "ACK-6", published=("official Java SDK",))
class AnswersBothWays(Core):
    """Sends Failed behind every Confirm."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        right = super().answers(message_id, outcome)
        return [*right, self.failed(message_id, "no manual confirm")] if outcome.kind == "ok" else right


@mutant("confirms-twice", "ACK-6")
class ConfirmsTwice(Core):
    """Sends every Confirm twice."""

    def answers(self, message_id: int, outcome: Outcome) -> list[Frame]:
        right = super().answers(message_id, outcome)
        return right * 2 if outcome.kind == "ok" else right


@mutant("confirms-a-push-without-id", "ACK-7", published=("official Java SDK",))
class ConfirmsAPushWithoutId(Core):
    """Answers a push without an id with a Confirm of a void one."""

    def push_received(self, push: Push) -> list[Event]:
        if push.id is None:
            self._outbox.append(self.encoded(Confirm(token=self.token(), id=None).to_frame()))
        return super().push_received(push)


@mutant("fails-a-repetition", "ACK-8")
class FailsARepetition(Core):
    """Answers a message that comes again with Failed, without a look at it."""

    def push_received(self, push: Push) -> list[Event]:
        if push.retried and push.id is not None:
            self._outbox.append(self.encoded(self.failed(push.id, "duplicate")))
            return []
        return super().push_received(push)


@mutant("one-at-a-time", "ACK-9")
class OneAtATime(TmcClient):
    """Calls one handler at a time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, workers=1)


@mutant("does-not-read-while-it-works", "ACK-9")
class DoesNotReadWhileItWorks(TmcClient):
    """Reads no further message before the last one is answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, queue_size=1)


@mutant("writes-small-ids", "ACK-10", published=("tmc.js", "tmcpy", *PHP))
class WritesSmallIds(Core):
    """Writes an id of 32 bits as an Int32."""

    def confirm(self, message_id: int) -> Frame:
        if -(2**31) <= message_id < 2**31:
            kind, id_ = byte("__kind", Kind.CONFIRM), int32("id", message_id)
            return Frame(type=2, token=self.token(), content=(kind, id_))
        return super().confirm(message_id)


@mutant("writes-the-kind-as-text", "ACK-10")
class WritesTheKindAsText(Core):
    """Writes `__kind` as a String."""

    def confirm(self, message_id: int) -> Frame:
        right = super().confirm(message_id)
        kind = string("__kind", "2")
        return Frame(type=right.type, token=right.token, content=(kind, *(right.content or ())[1:]))


@mutant("drops-what-its-queue-cannot-hold", "ACK-11")
class DropsWhatItsQueueCannotHold(Core):
    """Throws a message away when a thousand are in hand."""

    def push_received(self, push: Push) -> list[Event]:
        return [] if len(self._open) >= 1000 else super().push_received(push)
