"""What the HTTP gateway says when it refuses: a code and its words, often a sub code and its words.

The code tells whose fault it is and what to do about it; the sub code tells what exactly happened. Sub codes come in
families: `isv.` (the caller is to blame), `isp.` (the service is) and `accesscontrol.` (too many calls).

Only few answers of the real gateway are public. Where words are ours or a pairing is a guess, it is called inferred.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from tmcspec.frame_values import show

_CODE_LIMIT = 2**31

# Observed: published clients try again on `isp.`, on accesscontrol.limited-by-api-access-count and on
# accesscontrol.limited-by-dynamic-access-count.
_RETRYABLE = ("isp.", "accesscontrol.limited-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The content of an `error_response`.

    Args:
        code: one of `CODES`, or any other signed 32-bit integer.
        msg: the words of the code.
        sub_code: what exactly happened, or None.
        sub_msg: the words of the sub code, or None.

    Raises:
        ValueError: a member is of a wrong type, or `code` is out of range.

    Example:
        >>> Failure(code=15, msg="Remote service error", sub_code="isp.remote-service-timeout").retryable
        True
    """

    code: int
    msg: str
    sub_code: str | None = None
    sub_msg: str | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.code, int) and not isinstance(self.code, bool)
        if not whole or not -_CODE_LIMIT <= self.code < _CODE_LIMIT:
            raise ValueError(f"code must be an integer from -2^31 to 2^31 - 1, not {show(self.code)}")
        if not isinstance(self.msg, str):
            raise ValueError(f"msg must be text, not {show(self.msg)}")
        for name in ("sub_code", "sub_msg"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ValueError(f"{name} must be text or None, not {show(value)}")

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anybody changing it. A hint: `isp.` is also what an app
        gets that has not subscribed (S71).
        """
        return self.sub_code is not None and self.sub_code.startswith(_RETRYABLE)

    def __str__(self) -> str:
        """One line for logs, of bounded length: the words came from outside."""
        said = [show(text) for text in (self.sub_code, self.sub_msg) if text is not None]
        return f"code {self.code} {show(self.msg)}" + (f" ({': '.join(said)})" if said else "")


class KnownCode(NamedTuple):
    """A code of the gateway: its words, what it means, and whether an answer of the real gateway with it was `seen` in
    public. The others are known from published lists of the gateway's codes.
    """

    msg: str
    meaning: str
    seen: bool


#: So many names of parameters are shown; a request has some ten.
SHOWN_NAMES: Final = 30

CODES: Final = {
    7: KnownCode("App Call Limited", "the app calls too often, and is banned for a while", seen=True),
    11: KnownCode("Insufficient isv permissions", "the app may not call this API", seen=True),
    15: KnownCode("Remote service error", "the service behind the gateway refused; the sub code says why", seen=True),
    21: KnownCode("Missing method", "the request names no API", seen=True),
    22: KnownCode("Invalid method", "there is no such API", seen=True),
    23: KnownCode("Invalid format", "the answer is wanted in a format that does not exist", seen=False),
    24: KnownCode("Missing signature", "the request is not signed", seen=False),
    25: KnownCode("Invalid signature", "the sign is not the one of this request with this app's secret", seen=True),
    26: KnownCode("Missing session", "the API acts for a user, whose grant is missing", seen=True),
    27: KnownCode("Invalid session", "the user's grant is unknown or has expired", seen=True),
    28: KnownCode("Missing app key", "the request does not say which app calls", seen=False),
    29: KnownCode("Invalid app Key", "there is no such app", seen=True),
    30: KnownCode("Missing timestamp", "the request does not say when it was made", seen=False),
    31: KnownCode("Invalid timestamp", "the time is not written as it should be, or too far from now", seen=False),
    32: KnownCode("Missing version", "the request does not name the protocol version", seen=False),
    33: KnownCode("Invalid version", "the gateway does not speak this protocol version", seen=False),
    40: KnownCode("Missing required arguments", "the API needs an argument that is not there", seen=True),
    41: KnownCode("Invalid arguments", "the value of an argument is not a valid one", seen=True),
}


def failure(code: int, sub_code: str | None = None, sub_msg: str | None = None, *, about: str = "") -> Failure:
    """A failure with a known code and its words.

    Args:
        code: one of `CODES`.
        sub_code: what exactly happened.
        sub_msg: the words of that.
        about: what the gateway appends to the words of the code, after a colon.

    Raises:
        ValueError: unknown code.

    Example:
        >>> failure(40, about="nicks").msg
        'Missing required arguments:nicks'
    """
    if code not in CODES:
        raise ValueError(f"unknown code {show(code)}; known: {', '.join(map(str, CODES))}")
    msg = CODES[code].msg
    return Failure(code=code, msg=f"{msg}:{about}" if about else msg, sub_code=sub_code, sub_msg=sub_msg)


def missing(name: str) -> Failure:
    """The argument `name` is not there. Code and msg as seen in public; that they come with this sub code, which was
    seen behind code 530, is inferred.
    """
    return failure(40, f"isv.missing-parameter:{name}", f"{name} is required", about=name)


def invalid(name: str, value: object, valid: str) -> Failure:
    """The argument `name` has a value that is not a valid one. Code and msg as seen in public; that they come with
    this sub code, which was seen behind code 15, is inferred, and the words of it are ours.

    Args:
        name: of the argument; its `value` is shown, so none that is secret.
        value: what it was, shown in at most 80 characters.
        valid: the valid values, in words.

    Example:
        >>> invalid("quantity", "9", "a whole number from 10 to 200").sub_msg
        "quantity is '9'; valid: a whole number from 10 to 200"
    """
    return failure(41, f"isv.invalid-parameter:{name}", f"{name} is {show(value)}; valid: {valid}", about=name)


def unknown_api(name: str) -> Failure:
    """There is no API of this name. Code and msg as seen in public; the rest is ours."""
    return failure(22, sub_msg=f"there is no method {show(name)}")


def wrong_sign(names: Iterable[str]) -> Failure:
    """The sign is not the one of a request with these parameters. Code and msg as seen in public; the rest is ours, and
    tells nothing that the caller does not know.
    """
    signed = ", ".join(show(name) for name in sorted(names)[:SHOWN_NAMES])
    return failure(25, sub_msg=f"names and values are signed in this order: {signed}; upper-case hexadecimal")


def call_limited(seconds: int) -> Failure:
    """The app called too often, and is refused for so many more seconds (S33: API调用流量有限)."""
    sub_msg = f"This ban will last for {seconds} more seconds"
    return failure(7, "accesscontrol.limited-by-api-access-count", sub_msg)


NO_PERMISSION: Final = failure(11, "isv.permission-api-package-limit")
MISSING_SESSION: Final = failure(26)
INVALID_SESSION: Final = failure(27, "invalid-sessionkey", "SessionKey非法")
UNKNOWN_APP: Final = failure(29, "isv.appkey-not-exists")
# The words of S71 (应用未订阅(开通)消息服务), cut at its first colon; the code is that of what begins with isp.
NOT_SUBSCRIBED: Final = failure(
    15,
    "isp.system-error",
    "unknown errors,isv.tmc-switch-off: appkey,the app do not enable messaging-channel feature",
)
