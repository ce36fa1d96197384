"""Who may call the control API: whoever has the token, or, where there is none, programs on the same machine.

A service that listens on loopback is out of reach of other machines, but not of web pages in a browser on this one.
Two things give a page away. A name of its own that it has let point to 127.0.0.1 (DNS rebinding) stands in `Host`. And
a page from elsewhere that sends a request without being able to read the answer is named in `Origin`.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

from tmcfakes.control_body import Complaint, shown


def check_access(request: web.Request, *, token: str | None, listens_on: str) -> None:
    """Lets a request pass.

    Args:
        request: it.
        token: what it must bring as `Authorization: Bearer TOKEN`; None where loopback is enough.
        listens_on: the address that the server listens on.

    Raises:
        Complaint: it may not pass.
    """
    if token is not None:
        _check_token(request, token)
    elif not is_loopback(listens_on):
        raise Complaint(
            f"the control API is off, because the service listens on {listens_on}, where other machines reach it; "
            "set a control token, or listen on 127.0.0.1",
            status=403,
        )
    else:
        _check_source(request)


def is_loopback(host: str) -> bool:
    """Whether this is an address of loopback, or its name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def _check_token(request: web.Request, token: str) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # A header may hold any bytes, and surrogates stand for those that are not UTF-8.
    right = hmac.compare_digest(*(each.encode(errors="surrogateescape") for each in (given.strip(), token)))
    if scheme.lower() != "bearer" or not right:
        raise Complaint(
            "this needs the header Authorization: Bearer TOKEN with the control token of the service",
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
        )


def _check_source(request: web.Request) -> None:
    host = ", ".join(request.headers.getall("Host", []))
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if not is_loopback(name):
        raise Complaint(
            f"the header Host is {shown(host)}; without a control token it must be localhost or a loopback address, "
            "because web pages may have other names point here",
            status=403,
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        raise Complaint(f"web pages from {shown(origin)} may not call the control API", status=403)
