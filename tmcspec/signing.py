"""TOP signatures: of a CONNECT, and of requests to the HTTP gateway.

One text, three digests. The text is made of the parameters: those with an empty name or value dropped, sorted by name
in ASCII order, names and values joined without separators, UTF-8. Upper-case hexadecimal.

    md5          MD5(secret + text + secret)
    hmac         HMAC-MD5(secret, text)
    hmac-sha256  HMAC-SHA256(secret, text)

A CONNECT signs exactly `app_key`, `group_name` and `timestamp` with md5; whatever else it carries (sdk, intranet_ip,
token, …) is unsigned. Observed alike in every published client, and in the official Java SDK's own output.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal, get_args

SignMethod = Literal["md5", "hmac", "hmac-sha256"]


def sign(parameters: Mapping[str, str], secret: str, *, method: SignMethod = "md5") -> str:
    """The sign of a set of parameters.

    Args:
        parameters: names and values; `sign` itself and file uploads take no part, so leave them out.
        secret: the app secret.
        method: how to digest.

    Raises:
        ValueError: unknown `method`, or text that UTF-8 cannot write.

    Example:
        >>> sign({"app_key": "1023", "group_name": "default", "timestamp": "1795447615402"}, "secret")
        '0B2B9D0163A30084311EB514ECECF284'
    """
    text = "".join(name + value for name, value in sorted(parameters.items()) if name and value).encode()
    key = secret.encode()
    match method:
        case "md5":
            # MD5 is the wire format, not our choice.
            return hashlib.md5(key + text + key, usedforsecurity=False).hexdigest().upper()
        case "hmac":
            return hmac.new(key, text, "md5").hexdigest().upper()
        case "hmac-sha256":
            return hmac.new(key, text, "sha256").hexdigest().upper()
    raise ValueError(f"unknown sign method {method!r}; valid: {', '.join(get_args(SignMethod))}")


def sign_connect(*, app_key: str, group: str, timestamp: str, secret: str) -> str:
    """The sign of a CONNECT.

    Args:
        app_key: the application's key.
        group: `group_name` of the CONNECT.
        timestamp: as it goes on the wire, decimal epoch milliseconds.
        secret: the app secret.
    """
    return sign({"app_key": app_key, "group_name": group, "timestamp": timestamp}, secret)


def same_sign(left: str, right: str) -> bool:
    """Compares two signs in constant time, so that a service does not tell how much of a guess was right. Takes any
    text, even what UTF-8 cannot write.
    """
    return hmac.compare_digest(left.encode(errors="surrogatepass"), right.encode(errors="surrogatepass"))
