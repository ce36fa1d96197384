"""The HTTP gateway of the fake service: `/router/rest`, where the methods of the API are called.

    request ──forms──▶ parameters ──top.check──▶ call ──methods──▶ engine
                                                                     │
    answer ◀──top.render── result, or failure ◀──────────────────────┘

Every answer of the gateway is HTTP 200, a failure too: published clients look for an `error_response` in the body and
take another status for a broken network (inferred). What is no request to it at all, because its form cannot be read,
is answered with 400.

A request is done in one step, so nothing happens between its two events, `HttpIn` before and `HttpOut` after, but what
it brings about. What is no request to the gateway has them, too, and its code is then the HTTP status.

Secrets stay out of the trace: sign and session are not among the arguments, which are those that the method takes and
no others, and where somebody put a sign, a session or the secret of an app into one of them, or in the place of the
name of an app or a method, asterisks stand for it. The texts are cut. What a client calls a group or a topic, and what
it publishes, is for others to see and is shown as it is.

The production environment is found at `/router/rest`, pre-release at `/pre/router/rest` (see
`tmcspec.routing.environment_of`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, get_args

from aiohttp import web

from tmcfakes.arguments import Refused
from tmcfakes.connections import chain
from tmcfakes.forms import Form, FormError, read_form
from tmcfakes.methods import METHODS, perform
from tmcfakes.service import Service
from tmcfakes.throttle import Throttle
from tmcspec import top
from tmcspec.events import HttpIn, HttpOut
from tmcspec.routing import PRE_RELEASE_PATH, Environment
from tmcspec.trace import Recorder

PATH: Final = "/router/rest"

#: Characters of one argument in the trace: 200 ids of 20 digits fit.
ARGUMENT_LIMIT: Final = 4300

#: Characters of the name of an app or a method in the trace.
NAME_LIMIT: Final = 100

#: A text that is shorter is no secret; asterisks for each "1" would only make a trace unreadable.
SECRET_LENGTH: Final = 6

# What one run takes over HTTP, so that no client can fill its trace (`tmcspec.trace.ENTRY_LIMIT`). A confirm of 200
# ids leaves some 200 entries.
MAX_ENTRIES: Final = 300_000
MAX_BYTES: Final = 256 * 2**20


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    content_type: str
    body: bytes


class Gateway:
    """Answers requests.

    Args:
        service: the engine.
        recorder: its trace.
        now: service time in seconds.
        wall_clock: the time that clients have, in epoch milliseconds. It is not service time: that may be moved by
            hand, and the clock of a client, by which it dates its requests, does not move with it.
        poke: called after each request, to do what the engine wants done.
        server_ip: the address of the service in the tracks of messages.
        throttle: the call limit, in seconds of the clients' time; None for none.
        endless: whether clients may go on for days. Then what they send in all is not limited: the trace of such a
            service must forget what is old.
    """

    def __init__(
        self,
        *,
        service: Service,
        recorder: Recorder,
        now: Callable[[], float],
        wall_clock: Callable[[], int],
        poke: Callable[[], None],
        server_ip: str = "127.0.0.1",
        throttle: Throttle | None = None,
        endless: bool = False,
    ) -> None:
        self._now = now
        self._wall_clock = wall_clock
        self._poke = poke
        self._server_ip = server_ip
        self._throttle = throttle or Throttle(None)
        self._endless = endless
        self.serve(service, recorder)

    def serve(self, service: Service, recorder: Recorder) -> None:
        """From now on requests are for this engine, and are counted from 1."""
        self._service = service
        self._recorder = recorder
        self._requests = 0
        self._bytes = 0  # of all requests so far
        self._entries = 0  # that they have left in the trace

    def routes(self) -> list[web.RouteDef]:
        """The gateway as routes of an HTTP front."""
        found: list[web.RouteDef] = []
        for environment in get_args(Environment):
            path = PATH if environment == "production" else PRE_RELEASE_PATH + PATH
            serve = functools.partial(self._serve, environment)
            found += [web.get(path, serve, allow_head=False), web.post(path, serve)]
        return found

    def answer(
        self, *, query: bytes, body: bytes, content_type: str, peer: str | None, environment: Environment
    ) -> Answer:
        """Answers one request.

        Args:
            query: what follows the question mark of its target, as it came.
            body: that of a POST; empty for a GET.
            content_type: of the body.
            peer: the address that it comes from.
            environment: where it arrived.
        """
        size = len(query) + len(body)
        if not self._endless and (self._entries >= MAX_ENTRIES or self._bytes + size > MAX_BYTES):
            return _text(503, "this run has taken more requests than anybody needs to send, and takes no more")
        before = self._recorder.last
        self._bytes += size
        self._requests += 1
        try:
            form = read_form(query=query, body=body, content_type=content_type)
        except FormError as error:
            return self._unreadable(error, peer, environment)
        else:
            return self._done(form, peer, environment)
        finally:
            self._entries += self._recorder.last - before
            self._poke()

    async def _serve(self, environment: Environment, request: web.Request) -> web.Response:
        # Bytes that are no UTF-8 come as surrogates.
        query = request.raw_path.partition("?")[2].encode(errors="surrogateescape")
        has_form = request.method == "POST"
        answer = self.answer(
            query=query,
            body=await request.read() if has_form else b"",
            content_type=request.headers.get("Content-Type", "") if has_form else "",
            peer=request.remote,
            environment=environment,
        )
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type})

    def _unreadable(self, error: FormError, peer: str | None, environment: Environment) -> Answer:
        now = self._now()
        self._record_arrival({}, None, peer, environment, now)
        self._service.record(HttpOut(request=self._requests, code=400), now=now)
        return _text(400, str(error))

    def _done(self, form: Form, peer: str | None, environment: Environment) -> Answer:
        now, request, texts = self._now(), self._requests, form.texts
        self._record_arrival(texts, self._secret_of(texts.get("app_key", "")), peer, environment, now)
        format, request_id = top.format_of(texts), f"r{request}"
        try:
            call = self._checked(texts)
            result = perform(
                METHODS[call.api],
                call,
                service=self._service,
                files=form.files,
                request=request,
                ip=chain(intranet=None, public=peer, server=self._server_ip),
                environment=environment,
                now=now,
            )
        except Refused as refused:
            failure = refused.failure
            self._service.record(HttpOut(request=request, code=failure.code, sub_code=failure.sub_code), now=now)
            body = top.render_failure(failure, format=format, request_id=request_id)
        else:
            self._service.record(HttpOut(request=request), now=now)
            body = top.render(call.api, result, format=format, simplify=call.simplify, request_id=request_id)
        return Answer(200, top.CONTENT_TYPES[format], body)

    def _checked(self, texts: Mapping[str, str]) -> top.Call:
        """The call of a method that exists, by who may call it now. Raises Refused."""
        wall_clock = self._wall_clock()
        call = top.check(texts, secret_of=self._secret_of, now_ms=wall_clock)
        if isinstance(call, top.Failure):
            raise Refused(call)
        if call.api not in METHODS:
            raise Refused(top.unknown_api(call.api))
        if ban := self._throttle.ban(call.app_key, call.api, now=wall_clock / 1000):
            raise Refused(top.call_limited(ban))
        return call

    def _secret_of(self, app_key: str) -> str | None:
        app = self._service.directory.apps.get(app_key)
        return app.secret if app else None

    def _record_arrival(
        self, texts: Mapping[str, str], secret: str | None, peer: str | None, environment: Environment, now: float
    ) -> None:
        app_key, api = texts.get("app_key") or None, texts.get("method") or None
        secrets = [app.secret for app in self._service.directory.apps.values()]
        secrets += [text for name in ("sign", "session") if (text := texts.get(name))]
        method = METHODS.get(api) if api else None
        event = HttpIn(
            request=self._requests,
            method=api if method else api and _shown(api, secrets, NAME_LIMIT),
            app_key=app_key if secret else app_key and _shown(app_key, secrets, NAME_LIMIT),
            sign=top.inspect_sign(texts, secret),
            arguments=tuple(
                (parameter.name, _shown(value, secrets, ARGUMENT_LIMIT))
                for parameter in sorted(method.parameters if method else (), key=lambda each: each.name)
                if (value := texts.get(parameter.name))
            ),
            ip=peer,
            environment=environment,
        )
        self._service.record(event, now=now)


def _shown(text: str, secrets: Iterable[str], limit: int) -> str:
    """As much of a text as the trace gets."""
    # The longest first: it may have another one in it.
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= SECRET_LENGTH:
            text = text.replace(secret, "*" * len(secret))
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _text(status: int, text: str) -> Answer:
    return Answer(status, "text/plain;charset=UTF-8", text.encode())
