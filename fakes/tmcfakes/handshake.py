"""Who may connect: what the service checks in a CONNECT, and with which words it refuses.

A CONNECT names an app and one of its groups, and proves to know the app's secret. The timestamp is signed but not
judged: the official C# client sends .NET ticks of local time instead of epoch milliseconds and works, so production
cannot insist on its age.

No refusal by production was ever captured in public. That it has a code and a phrase follows from clients that
print the phrase at an offset which only fits behind a code. Which ones is inferred: those of the HTTP gateway of
the same platform.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from tmcspec.events import SignFinding
from tmcspec.messages import Connect
from tmcspec.routing import GROUP_LIMIT, check_group_name, check_topics
from tmcspec.signing import same_sign, sign_connect


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An application that the service knows.

    Args:
        key: the app key.
        secret: the app secret; never shown.
        groups: the groups it may connect to, at most 50 (S61) beside `default`, which is there without being created
            (S14).
        subscribed: whether it has subscribed to any message at all; if not, it cannot connect (S71).
        topics: the topics that it has subscribed to; None for all there are.

    Raises:
        ValueError: an empty key or secret, no name for a group or topic, too many groups.
    """

    key: str
    secret: str = field(repr=False)
    groups: frozenset[str] = frozenset({"default"})
    subscribed: bool = True
    topics: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if not self.key:
            raise ValueError("an app needs a key that is not empty")
        if not self.secret:
            raise ValueError(f"app {self.key!r} needs a secret that is not empty")
        try:
            for group in self.groups:
                check_group_name(group)
            check_topics(self.topics or ())
        except ValueError as error:
            raise ValueError(f"app {self.key!r}: {error}") from None
        if len(self.groups - {"default"}) > GROUP_LIMIT:
            raise ValueError(f"app {self.key!r} has {len(self.groups)} groups; at most {GROUP_LIMIT} can be created")


class Refusal(NamedTuple):
    """What an error CONNECTACK says: a code (0 to 2**31 - 1, 0 is not written), a phrase, or both."""

    code: int
    phrase: str | None


# Pairs that the gateway sends (public reports).
UNKNOWN_APP = Refusal(code=29, phrase="isv.appkey-not-exists")
WRONG_SIGN = Refusal(code=25, phrase="Invalid signature")
# The words are those of S71 (应用未订阅(开通)消息服务,就使用TmcClient来接收消息); 15 is the gateway's code for what
# begins with isp.
NOT_SUBSCRIBED = Refusal(
    code=15,
    phrase="isp.system-error: unknown errors,"
    "isv.tmc-switch-off: appkey,the app do not enable messaging-channel feature",
)
# Codes of the gateway for a missing and for an invalid argument; the words are ours.
MISSING_FIELD = 40
UNKNOWN_GROUP = Refusal(code=41, phrase="Invalid arguments: group_name")


def inspect(
    connect: Connect, *, secret: str | None, subscribed: bool, groups: Collection[str]
) -> tuple[SignFinding, Refusal | None]:
    """What is found of the sign, and why the CONNECT is refused; None when it is accepted.

    The first fault is the one that is told: fields, app, sign, subscription, group. Somebody who cannot sign for an app
    learns nothing about its groups or subscription.

    Args:
        connect: the CONNECT.
        secret: that of its app; None when there is no such app.
        subscribed: whether the app has subscribed to anything.
        groups: those of the app.
    """
    finding = _inspect_sign(connect, secret)
    fields = {
        "app_key": connect.app_key,
        "group_name": connect.group,
        "timestamp": connect.timestamp,
        "sign": connect.sign,
    }
    missing = [name for name, value in fields.items() if not value]
    if missing:
        return finding, Refusal(code=MISSING_FIELD, phrase=f"Missing required arguments: {', '.join(missing)}")
    if secret is None:
        return finding, UNKNOWN_APP
    # The sign is upper-case in every published client, and compared as it is.
    if finding != "right":
        return finding, WRONG_SIGN
    if not subscribed:
        return finding, NOT_SUBSCRIBED
    if connect.group not in groups:
        return finding, UNKNOWN_GROUP
    return finding, None


def _inspect_sign(connect: Connect, secret: str | None) -> SignFinding:
    if not connect.sign:
        return "missing"
    if secret is None:
        return "unknown_app"
    expected = sign_connect(app_key=connect.app_key, group=connect.group, timestamp=connect.timestamp, secret=secret)
    if same_sign(expected, connect.sign):
        return "right"
    return "case" if same_sign(expected, connect.sign.upper()) else "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class AckScript:
    """How one acknowledgement differs from the right one. Every default leaves it right.

    Args:
        refuse: refuse with this code (0 to 2**31 - 1; 0 is not written) and this phrase, whatever was asked.
        silent: do not answer at all.
        token: False answers success without a token. The service then does not take the connection for accepted.
        flag: answer with this flag instead of the one that was sent. The service takes the connection for accepted.
        delay: answer so many seconds of service time later, >= 0 and finite. Until a CONNECT is answered, its
            connection is not accepted.

    Raises:
        ValueError: a code or flag that a frame cannot carry, or no delay.
    """

    refuse: tuple[int, str | None] | None = None
    silent: bool = False
    token: bool = True
    flag: int | None = None
    delay: float = 0.0

    @property
    def detail(self) -> str:
        """What differs, as a trace tells it.

        Example:
            >>> AckScript(refuse=(15, "isp.service-unavailable"), delay=2.5).detail
            'code=15 phrase=isp.service-unavailable delay=2.5'
        """
        told: dict[str, object] = {}
        if self.refuse is not None:
            told |= {"code": self.refuse[0], "phrase": self.refuse[1]}
        if not self.token:
            told["token"] = None
        if self.flag is not None:
            told["flag"] = self.flag
        if self.delay:
            told["delay"] = self.delay
        return "silent" if self.silent else " ".join(f"{name}={value}" for name, value in told.items())

    def __post_init__(self) -> None:
        if not 0 <= self.delay < inf:
            raise ValueError(f"a delay must be 0 seconds or more and finite, not {self.delay!r}")
        if self.refuse is not None and not 0 <= self.refuse[0] < 2**31:
            raise ValueError(f"the code of a refusal must be 0 to {2**31 - 1}, not {self.refuse[0]!r}")
        if self.flag is not None and not 0 <= self.flag < 2**31:
            raise ValueError(f"a flag must be 0 (none) to {2**31 - 1}, not {self.flag!r}")
