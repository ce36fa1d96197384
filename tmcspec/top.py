"""Requests to the HTTP gateway (TOP, `/router/rest`): made and signed by a client, checked by a service.

A request is a set of text parameters, some in the query and some in a form; who serves HTTP merges them, and leaves
files out. System parameters say which API is called, by whom and how; all others are the arguments of the API.

    method          the API, like taobao.tmc.messages.consume
    app_key         who calls
    timestamp       yyyy-MM-dd HH:mm:ss in GMT+8, at most ten minutes from the gateway's clock
    v               2.0
    sign_method     md5, hmac, hmac-sha256
    sign            over all other parameters that have a name and a value (`tmcspec.signing`)
    session         a user's grant, where the API acts for a user
    format          json or xml; xml when absent; json2 and xml2, which published clients know, read as json and xml
    simplify        true: JSON without envelope
    target_app_key, partner_id
                    not looked at

A parameter with an empty value takes no part in the sign, so a system parameter without a value counts as absent. What
is answered, and how, is in `tmcspec.top_answers` and `tmcspec.top_failures`; this module exports all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from tmcspec.frame_values import show
from tmcspec.signing import SignMethod, same_sign, sign
from tmcspec.top_answers import (
    CONTENT_TYPES,
    DEPTH_LIMIT,
    Format,
    TopError,
    read_answer,
    read_list,
    render,
    render_failure,
)
from tmcspec.top_failures import (
    CODES,
    INVALID_SESSION,
    MISSING_SESSION,
    NO_PERMISSION,
    NOT_SUBSCRIBED,
    UNKNOWN_APP,
    Failure,
    KnownCode,
    call_limited,
    failure,
    invalid,
    missing,
    unknown_api,
    wrong_sign,
)

__all__ = [
    "CODES",
    "CONTENT_TYPES",
    "DEPTH_LIMIT",
    "INVALID_SESSION",
    "MISSING_SESSION",
    "NOT_SUBSCRIBED",
    "NO_PERMISSION",
    "SYSTEM_PARAMETERS",
    "TIMESTAMP_TOLERANCE_MS",
    "UNKNOWN_APP",
    "Call",
    "Failure",
    "Format",
    "KnownCode",
    "SignFinding",
    "TopError",
    "call_limited",
    "check",
    "failure",
    "form",
    "format_of",
    "inspect_sign",
    "invalid",
    "missing",
    "read_answer",
    "read_list",
    "read_timestamp",
    "render",
    "render_failure",
    "timestamp",
    "unknown_api",
    "wrong_sign",
]

#: What is found of a sign: see `tmcspec.events.Signed`.
SignFinding: TypeAlias = Literal["right", "wrong", "case", "missing", "unknown_app"]

#: 淘宝API服务端允许客户端请求最大时间误差为10分钟, says the page of the system parameters.
TIMESTAMP_TOLERANCE_MS: Final = 10 * 60 * 1000

VERSION: Final = "2.0"

# The required ones, in the order in which they are missed. A missing sign_method has no code of its own: that it
# counts as a missing argument is inferred.
_REQUIRED: Final = {
    "method": failure(21),
    "app_key": failure(28),
    "timestamp": failure(30),
    "v": failure(32),
    "sign_method": missing("sign_method"),
    "sign": failure(24),
}

#: Every other parameter is an argument of the API.
SYSTEM_PARAMETERS: Final = frozenset(
    [*_REQUIRED, "session", "format", "simplify", "target_app_key", "partner_id"],
)

_FORMATS: Final[dict[str, Format]] = {"": "xml", "xml": "xml", "xml2": "xml", "json": "json", "json2": "json"}
_SIMPLIFY: Final = {"": False, "false": False, "true": True}
_SIGN_METHODS: Final[dict[str, SignMethod]] = {method: method for method in get_args(SignMethod)}

_TIMESTAMP: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
# The epoch on a clock in GMT+8, which has no summer time.
_EPOCH: Final = datetime(1970, 1, 1, 8)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that is what it should be.

    Args:
        api: the API that is called; whether it exists is not said.
        app_key: the app that calls, and has proved it.
        session: the user's grant, or None; never shown. Whether it is a good one is not said.
        format: how the answer is wanted.
        simplify: whether it is wanted without envelope; only ever in JSON.
        arguments: the parameters that are not system parameters. Those with an empty value are not signed.
    """

    api: str
    app_key: str
    session: str | None = field(default=None, repr=False)
    format: Format
    simplify: bool
    arguments: Mapping[str, str]


def check(parameters: Mapping[str, str], *, secret_of: Callable[[str], str | None], now_ms: int) -> Call | Failure:
    """What a request asks for, or why it is refused.

    The first fault is the one that is told, in this order (inferred; observed only: an app that does not exist is told
    before a wrong sign): a required parameter is missing; timestamp, v, sign_method, format or simplify cannot be read;
    no such app; wrong sign; the timestamp is too far from now. So somebody who cannot sign for an app learns no more
    than that it exists.

    Args:
        parameters: all text parameters, of query and form; files take no part.
        secret_of: the secret of an app, None when there is no such app.
        now_ms: the gateway's clock, in milliseconds since 1970.

    Example:
        >>> signed = form("taobao.tmc.groups.get", {"page_no": "1"}, app_key="1023", secret="s", now_ms=0)
        >>> call = check(signed, secret_of={"1023": "s"}.get, now_ms=60_000)
        >>> call.api, dict(call.arguments)
        ('taobao.tmc.groups.get', {'page_no': '1'})
    """
    if fault := _unreadable(parameters):
        return fault
    secret = secret_of(parameters["app_key"])
    if secret is None:
        return UNKNOWN_APP
    if inspect_sign(parameters, secret) != "right":
        return wrong_sign(name for name, value in parameters.items() if name and value and name != "sign")
    made_ms = read_timestamp(parameters["timestamp"])
    if made_ms is None or abs(made_ms - now_ms) > TIMESTAMP_TOLERANCE_MS:
        told = f"{show(parameters['timestamp'])} is more than 10 minutes from {timestamp(now_ms)} (GMT+8)"
        return failure(31, sub_msg=told)
    format = format_of(parameters)
    return Call(
        api=parameters["method"],
        app_key=parameters["app_key"],
        session=parameters.get("session") or None,
        format=format,
        simplify=_SIMPLIFY[parameters.get("simplify", "")] and format == "json",
        # Without a name, a parameter is not signed, and no API asks for it.
        arguments=MappingProxyType(
            {name: value for name, value in parameters.items() if name and name not in SYSTEM_PARAMETERS}
        ),
    )


def _unreadable(parameters: Mapping[str, str]) -> Failure | None:
    """The first required parameter that is missing, or else the first that cannot be read."""
    for name, fault in _REQUIRED.items():
        if not parameters.get(name):
            return fault
    if read_timestamp(parameters["timestamp"]) is None:
        return failure(31, sub_msg=f"{show(parameters['timestamp'])} is no yyyy-MM-dd HH:mm:ss")
    if parameters["v"] != VERSION:
        return failure(33, sub_msg=f"v is {show(parameters['v'])}; valid: {VERSION}")
    if parameters["sign_method"] not in _SIGN_METHODS:
        return invalid("sign_method", parameters["sign_method"], ", ".join(_SIGN_METHODS))
    if parameters.get("format", "") not in _FORMATS:
        return failure(23, sub_msg=f"format is {show(parameters['format'])}; valid: xml, json")
    if parameters.get("simplify", "") not in _SIMPLIFY:
        return invalid("simplify", parameters["simplify"], "true, false")
    return None


def format_of(parameters: Mapping[str, str]) -> Format:
    """The format of the answer to a request, good or bad; XML when it names none that there is."""
    return _FORMATS.get(parameters.get("format", ""), "xml")


def inspect_sign(parameters: Mapping[str, str], secret: str | None) -> SignFinding:
    """What is found of the sign of a request.

    Args:
        parameters: all text parameters.
        secret: of the app that it names, None when there is no such app.
    """
    given = parameters.get("sign")
    if not given:
        return "missing"
    if secret is None:
        return "unknown_app"
    method = _SIGN_METHODS.get(parameters.get("sign_method", ""))
    if method is None:
        return "wrong"
    try:
        expected = sign({name: value for name, value in parameters.items() if name != "sign"}, secret, method=method)
    except UnicodeEncodeError:
        return "wrong"  # nobody can sign what UTF-8 cannot write
    # The sign is upper-case in every published client, and compared as it is.
    if same_sign(expected, given):
        return "right"
    return "case" if same_sign(expected, given.upper()) else "wrong"


def form(
    api: str,
    arguments: Mapping[str, str],
    *,
    app_key: str,
    secret: str,
    now_ms: int,
    sign_method: SignMethod = "md5",
    session: str | None = None,
    simplify: bool = False,
    partner_id: str | None = None,
) -> dict[str, str]:
    """A signed request, to be sent as a form. The answer comes as JSON.

    Args:
        api: the API to call.
        arguments: its arguments. Those with an empty value are sent, and not signed.
        app_key: the app that calls.
        secret: its secret; signs, and is not sent.
        now_ms: the time of the request, in milliseconds since 1970.
        sign_method: how to digest.
        session: a user's grant.
        simplify: ask for an answer without envelope.
        partner_id: free text by which an SDK tells who it is.

    Raises:
        ValueError: an empty text where one is needed, an argument named like a system parameter or not at all, what is
            no text or what UTF-8 cannot write, or a `now_ms` outside the years 1 to 9999. Secrets are not shown.
    """
    system = {
        "method": api,
        "app_key": app_key,
        "session": session,
        "timestamp": timestamp(now_ms),
        "v": VERSION,
        "format": "json",
        "sign_method": sign_method,
        "simplify": "true" if simplify else None,
        "partner_id": partner_id,
    }
    signed = {name: value for name, value in system.items() if value is not None}
    for name, value in (*signed.items(), ("secret", secret)):
        if not _is_text(value) or not value:
            raise ValueError(f"{name} must be text that is not empty and that UTF-8 can write")
    for name, value in arguments.items():
        if not _is_text(name) or not name or name in SYSTEM_PARAMETERS:
            raise ValueError(f"an argument needs a name, and not that of a system parameter; not {show(name)}")
        if not _is_text(value):
            raise ValueError(f"argument {show(name)} must be text that UTF-8 can write, not {show(value)}")
    signed |= arguments
    signed["sign"] = sign(signed, secret, method=sign_method)
    return signed


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def timestamp(now_ms: int) -> str:
    """A point in time as the gateway writes it, in GMT+8. Milliseconds are cut off.

    Args:
        now_ms: milliseconds since 1970-01-01T00:00Z.

    Raises:
        ValueError: outside the years 1 to 9999.

    Example:
        >>> timestamp(1795448992999)
        '2026-11-23 23:49:52'
    """
    try:
        return (_EPOCH + now_ms * _MILLISECOND).isoformat(sep=" ", timespec="seconds")
    except OverflowError:
        raise ValueError(f"the time must be in the years 1 to 9999, not {show(now_ms)} ms after 1970") from None


def read_timestamp(text: str) -> int | None:
    """The point in time that `text` names, in milliseconds since 1970-01-01T00:00Z; None when it is not written exactly
    like `2026-11-23 23:49:52`, or when there is no such day or time.
    """
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return None
    try:
        return (datetime(*map(int, found.groups())) - _EPOCH) // _MILLISECOND  # type: ignore[arg-type]  # six numbers
    except ValueError:
        return None
