"""The control API: what a test or a person does with a running service, over HTTP and in JSON, under /_tmc/.

It is served beside the gateway, and its calls run in the event loop of the service. Each is a row in `ENDPOINTS`: what
it may be given is checked by that row before anything is done, and whatever is wrong is answered with 400 and the
reason. /metrics, for Prometheus, goes the same way.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from tmcfakes import control_calls as calls
from tmcfakes import control_faults
from tmcfakes.control_access import check_access
from tmcfakes.control_body import (
    BODY_LIMIT,
    BOOL,
    CONTENT,
    COUNT,
    DURATION,
    ENVIRONMENT,
    FAULTS,
    FLOW,
    GROUP,
    ID,
    MODE,
    NAME,
    SECONDS,
    SEED,
    SEQUENCE,
    TOPIC,
    TOPICS,
    Complaint,
    Kind,
    check,
    parse,
)
from tmcfakes.control_calls import Call, Handler
from tmcfakes.fake import FakeTmc

log = logging.getLogger("tmcfakes.control")

PATH = "/_tmc/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A call of the API.

    Args:
        method: of HTTP.
        path: below /_tmc/; a part in braces stands for a name.
        handler: what it does.
        members: what a body may have; of a GET and a DELETE, what a query may have. None: nobody looks.
        needed: those of them that must be there.
    """

    method: str
    path: str
    handler: Handler
    members: Mapping[str, Kind] | None = field(default_factory=dict)
    needed: tuple[str, ...] = ()

    def name_in(self, parts: list[str]) -> str | None:
        """What stands for the name in this path, "" where there is none; None when it is not the path of this call."""
        own = self.path.split("/")
        if len(own) != len(parts):
            return None
        name = ""
        for mine, part in zip(own, parts, strict=True):
            if mine.startswith("{") and part:
                name = part
            elif mine != part:
                return None
        return name


async def index(call: Call) -> calls.Answer:
    """The calls there are."""
    return {"endpoints": _known()}


ENDPOINTS = (
    Endpoint(method="GET", path="", handler=index),
    Endpoint(
        method="POST",
        path="messages",
        handler=calls.produce,
        members={
            "topic": TOPIC,
            "content": CONTENT,
            "app_key": NAME,
            "group": GROUP,
            "user_id": ID,
            "nick": NAME,
            "id": ID,
            "count": COUNT,
            "environment": ENVIRONMENT,
            "data_id": ID,
            "broadcast": BOOL,
        },
        needed=("topic", "content"),
    ),
    Endpoint(method="GET", path="messages/{id}", handler=calls.look_up),
    Endpoint(
        method="POST",
        path="clock/advance",
        handler=calls.advance,
        members={"seconds": SECONDS},
        needed=("seconds",),
    ),
    Endpoint(method="GET", path="clock", handler=calls.clock),
    Endpoint(method="GET", path="stats", handler=calls.stats),
    Endpoint(method="GET", path="trace", handler=calls.trace, members={"since": SEQUENCE}),
    Endpoint(
        method="POST",
        path="faults",
        handler=control_faults.inject,
        members={"faults": FAULTS, "seed": SEED},
        needed=("faults",),
    ),
    Endpoint(method="GET", path="faults", handler=control_faults.look),
    Endpoint(method="DELETE", path="faults", handler=control_faults.heal),
    Endpoint(
        method="POST", path="clients", handler=control_faults.add_client, members={"name": NAME}, needed=("name",)
    ),
    Endpoint(method="POST", path="reset", handler=calls.reset),
    Endpoint(
        method="POST",
        path="users",
        handler=calls.add_user,
        members={
            "app_key": NAME,
            "nick": NAME,
            "user_id": ID,
            "expires_in": DURATION,
            "topics": TOPICS,
            "group": GROUP,
        },
        needed=("nick",),
    ),
    Endpoint(method="DELETE", path="users/{nick}", handler=calls.remove_user, members={"app_key": NAME}),
    Endpoint(
        method="POST",
        path="groups",
        handler=calls.add_group,
        members={"app_key": NAME, "group": GROUP, "topics": TOPICS},
        needed=("group",),
    ),
    Endpoint(method="DELETE", path="groups/{group}", handler=calls.remove_group, members={"app_key": NAME}),
    Endpoint(
        method="PUT",
        path="flow",
        handler=calls.set_flow,
        members={"app_key": NAME, "group": GROUP, "value": FLOW},
        needed=("value",),
    ),
    Endpoint(
        method="PUT",
        path="mode",
        handler=calls.set_mode,
        members={"app_key": NAME, "group": GROUP, "mode": MODE},
        needed=("mode",),
    ),
    Endpoint(
        method="PUT",
        path="subscription",
        handler=calls.subscribe,
        members={"app_key": NAME, "topics": TOPICS},
        needed=("topics",),
    ),
    Endpoint(
        method="PUT",
        path="retention",
        handler=calls.set_retention,
        members={"seconds": DURATION},
        needed=("seconds",),
    ),
    Endpoint(
        method="PUT",
        path="topics",
        handler=calls.set_topics_to_taobao,
        members={"topics": TOPICS},
        needed=("topics",),
    ),
)


def routes(tmc: FakeTmc, *, token: str | None = None) -> list[web.RouteDef]:
    """The routes of the control API of one service, for `FakeTmc(http_port=…, routes=…)`.

    Args:
        tmc: the service.
        token: what callers must bring as `Authorization: Bearer TOKEN`. Without one, only programs on the same machine
            may call, and only if nobody else can reach the service.

    Example:
        FakeTmc(http_port=0, routes=control.routes)
    """

    def serve(answer: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        return functools.partial(_answered, answer, tmc, token)

    control = serve(functools.partial(_called, tmc))
    return [
        web.route("*", PATH.removesuffix("/"), control),
        web.route("*", PATH + "{call:.*}", control),
        web.route("*", "/metrics", serve(functools.partial(_metrics, tmc))),
    ]


async def _answered(
    answer: Callable[[web.Request], Any], tmc: FakeTmc, token: str | None, request: web.Request
) -> web.StreamResponse:
    """What a call is answered. What goes wrong in the service itself is for its log, and for the front to answer."""
    try:
        check_access(request, token=token, listens_on=urlsplit(tmc.http_url).hostname or "")
        answered: web.StreamResponse = await answer(request)
        return answered
    except Complaint as complaint:
        return _json({"error": str(complaint)}, status=complaint.status, headers=complaint.headers)
    except Exception:  # whatever it is: it is only logged here, and the front answers it
        log.exception("a call of the control API failed")
        raise


async def _called(tmc: FakeTmc, request: web.Request) -> web.StreamResponse:
    endpoint, name = _find(request)
    given = await _given(request, endpoint)
    answer = await endpoint.handler(Call(tmc=tmc, request=request, name=name, given=given))
    return answer if isinstance(answer, web.StreamResponse) else _json(answer)


def _json(answer: object, **more: Any) -> web.Response:
    """A line of JSON: whoever reads it in a terminal has the next prompt on a line of its own."""
    return web.json_response(text=json.dumps(answer) + "\n", **more)


async def _given(request: web.Request, endpoint: Endpoint) -> dict[str, Any]:
    """The members of a call, each as it must be. Raises Complaint."""
    if endpoint.members is None:
        return {}
    if request.method in ("GET", "DELETE"):
        given = dict(request.query)
        if len(given) < len(request.query):
            raise Complaint("a member of the query is there more than once")
    else:
        given = parse(await _body(request))
    return check(given, endpoint.members, needed=endpoint.needed)


async def _metrics(tmc: FakeTmc, request: web.Request) -> web.StreamResponse:
    if request.method != "GET":
        raise _not_allowed(request, "/metrics", ["GET"])
    from tmcfakes import metrics  # a service that nobody scrapes need not wait for it when it starts

    return web.Response(body=metrics.exposition(tmc), headers={"Content-Type": metrics.CONTENT_TYPE})


def _find(request: web.Request) -> tuple[Endpoint, str]:
    """The call that is meant, and the name in its path. Raises Complaint."""
    path = request.rel_url.raw_path.removeprefix(PATH.removesuffix("/")).removeprefix("/")
    try:
        # A nick may hold a slash, so the path is taken apart first.
        parts = [unquote(part, errors="strict") for part in path.split("/")]
    except UnicodeDecodeError:
        raise Complaint("the path is not UTF-8") from None
    methods = []
    for endpoint in ENDPOINTS:
        name = endpoint.name_in(parts)
        if name is not None and endpoint.method == request.method:
            return endpoint, name
        if name is not None:
            methods.append(endpoint.method)
    if methods:
        raise _not_allowed(request, PATH + path, methods)
    raise Complaint(f"there is no {PATH}{path}; there are: {', '.join(_known())}, GET /metrics", status=404)


def _not_allowed(request: web.Request, path: str, methods: list[str]) -> Complaint:
    allowed = ", ".join(methods)
    return Complaint(f"{path} takes {allowed}, not {request.method}", status=405, headers={"Allow": allowed})


def _known() -> list[str]:
    return [f"{endpoint.method} {PATH}{endpoint.path}" for endpoint in ENDPOINTS]


async def _body(request: web.Request) -> bytes:
    """The body, which the front has read. Raises Complaint."""
    body = await request.read()
    if len(body) > BODY_LIMIT:
        raise Complaint(f"the body is longer than {BODY_LIMIT} bytes", status=413)
    return body
