"""What the client raises, and what a handler raises to the client."""

from __future__ import annotations

from typing import ClassVar

from tmcspec.frame_values import show

#: Characters of a phrase of the service that an error shows: the way out stands at its end.
PHRASE_SHOWN = 200


class TmcError(Exception):
    """Everything that goes wrong between this client and the service."""


class _Refused(TmcError):
    """The service answered with an error.

    Args:
        code: the status code; 0 when the service gave only a phrase, which is legal.
        phrase: the service's own words, however long, None when it gave only a code. Texts made of the error show the
            beginning.
    """

    _what: ClassVar[str]

    def __init__(self, code: int, phrase: str | None) -> None:
        super().__init__(code, phrase)
        self.code = code
        self.phrase = phrase

    def __str__(self) -> str:
        words = "no phrase" if self.phrase is None else show(self.phrase, PHRASE_SHOWN)
        return f"the service refused {self._what}: code {self.code}, {words}"

    def __repr__(self) -> str:
        # asyncio logs the repr of an error that nobody looked at.
        return f"{type(self).__name__}({self.code!r}, {show(self.phrase)})"


class ConnectRefused(_Refused):
    """The service answered the CONNECT with an error: wrong sign, unknown app or group, no subscription (S71), …

    It has a `code`, 0 when the service gave only a phrase, and a `phrase`, None when it gave only a code.
    """

    _what = "the CONNECT"


class ConnectFailed(TmcError, ConnectionError):
    """The address does not answer, the upgrade is refused, no usable CONNECTACK comes, or a connection ended.

    It is an `OSError` too, for those who catch that.
    """


class PublishRefused(_Refused):
    """The service answered a publish with an error: the message did not get through.

    It has a `code`, 0 when the service gave only a phrase, and a `phrase`, None when it gave only a code.
    """

    _what = "the message"


class PublishFailed(TmcError):
    """No answer to a publish: the client is not online, too many are pending, or the connection ended meanwhile.

    Args:
        reason: why there is none.
        may_have_arrived: False when the message certainly was not sent, so that it can be published again. True when
            nobody knows: then it may be there twice.
    """

    def __init__(self, reason: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_have_arrived = may_have_arrived

    def __str__(self) -> str:
        if self.may_have_arrived:
            return f"{self.reason}; the message may or may not have arrived, and publishing again may publish it twice"
        return f"{self.reason}; the message was not sent"


class PublishTimeout(PublishFailed, TimeoutError):
    """No answer to a publish in time. It is a `TimeoutError` too, for those who catch that."""


class FailMessage(Exception):
    """Raised by a handler: this message was not handled, the service shall send it again in about six minutes (S25).

    Only for what may work the next time (network, permissions: S28). A message that can never be handled must not be
    failed, because it would come again until it expires: 不可重试,否则消息会一直重发 (S27). Log it, and return.

    Args:
        reason: for the service's records, cut to 128 characters; may be empty.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
