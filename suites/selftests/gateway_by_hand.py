"""What the tests of the gateway share: a service with a gateway, called without sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from service_by_hand import EPOCH_MS, ONE, World

from tmcfakes.gateway import Answer, Gateway
from tmcfakes.service import App
from tmcfakes.throttle import Throttle
from tmcspec import top
from tmcspec.events import HttpIn, HttpOut
from tmcspec.routing import Environment
from tmcspec.signing import sign
from tmcspec.top import Failure
from tmcspec.trace import Trace
from tmcspec.trace_file import dump

FORM = "application/x-www-form-urlencoded;charset=UTF-8"
BOUNDARY = "here-and-there"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
TOPIC = "taobao_trade_TradeCreate"


class GatewayWorld(World):
    """A service, and callers of its gateway. `clients` is the time by the clocks of clients, in seconds."""

    def __init__(self, *, calls_per_second: int | None = None, endless: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.clients = 0.0
        self.poked = 0
        self.gateway = Gateway(
            service=self.service,
            recorder=self.recorder,
            now=lambda: self.now,
            wall_clock=lambda: EPOCH_MS + round(self.clients * 1000),
            poke=self._poke,
            server_ip="11.8.4.163",
            throttle=Throttle(calls_per_second),
            endless=endless,
        )

    def _poke(self) -> None:
        self.poked += 1

    def post(
        self,
        parameters: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        environment: Environment = "production",
    ) -> Answer:
        """Posts parameters as they are, some of them in the query."""
        return self.gateway.answer(
            query=urlencode(query or {}).encode(),
            body=urlencode(parameters).encode(),
            content_type=FORM,
            peer="42.120.74.122",
            environment=environment,
        )

    def post_parts(self, body: bytes, *, content_type: str = MULTIPART) -> Answer:
        return self.gateway.answer(query=b"", body=body, content_type=content_type, peer=None, environment="production")

    def signed(
        self, api: str, arguments: Mapping[str, str] | None = None, app: App = ONE, **more: Any
    ) -> dict[str, str]:
        now_ms = EPOCH_MS + round(self.clients * 1000)
        return top.form(api, arguments or {}, app_key=app.key, secret=app.secret, now_ms=now_ms, **more)

    def resigned(self, parameters: Mapping[str, str], app: App = ONE) -> dict[str, str]:
        """A signed request with other parameters, and the sign that it then has."""
        unsigned = {name: value for name, value in parameters.items() if name != "sign"}
        return unsigned | {"sign": sign(unsigned, app.secret)}

    def call(
        self,
        api: str,
        *,
        app: App = ONE,
        session: str | None = None,
        environment: Environment = "production",
        **arguments: object,
    ) -> Mapping[str, Any] | Failure:
        """Calls a method, and reads the answer. Arguments that are None are left out."""
        texts = {name: str(value) for name, value in arguments.items() if value is not None}
        answer = self.post(self.signed(api, texts, app, session=session), environment=environment)
        assert answer.status == 200
        return top.read_answer(answer.body)

    def ask(self, api: str, **more: Any) -> Mapping[str, Any]:
        """As `call`, of one that succeeds."""
        answer = self.call(api, **more)
        assert not isinstance(answer, Failure), answer
        return answer

    def refused(self, api: str, **more: Any) -> Failure:
        """As `call`, of one that is refused."""
        answer = self.call(api, **more)
        assert isinstance(answer, Failure), answer
        return answer

    def consume(self, **more: Any) -> list[dict[str, Any]]:
        """The messages that a consume brings."""
        return top.read_list(self.ask("taobao.tmc.messages.consume", **more), "messages", "tmc_message")

    def authorised(self, nick: str, *, permitted: bool = True, app: App = ONE, **more: Any) -> str:
        """A user who has granted an app access, and of whom everything is permitted; returns the session."""
        relation = self.console.authorise(app.key, nick, **more)
        if permitted:
            self.console.permit(app.key, nick)
        return relation.session

    def dumped(self) -> str:
        """The trace as a file has it."""
        return "\n".join(dump(Trace(entries=tuple(self.recorder.entries))))

    @property
    def requests(self) -> list[HttpIn]:
        return [event for event in self.events(HttpIn) if isinstance(event, HttpIn)]

    @property
    def answers(self) -> list[tuple[int, str | None]]:
        return [(event.code, event.sub_code) for event in self.events(HttpOut) if isinstance(event, HttpOut)]


def parts(texts: Mapping[str, str], files: Mapping[str, bytes] | None = None, *, boundary: str = BOUNDARY) -> bytes:
    """A multipart body, as the official Java client writes it."""
    lines: list[bytes] = []
    for name, text in texts.items():
        head = f'--{boundary}\r\nContent-Disposition:form-data;name="{name}"\r\nContent-Type:text/plain\r\n\r\n'
        lines += [head.encode(), text.encode(), b"\r\n"]
    for name, data in (files or {}).items():
        head = f'--{boundary}\r\nContent-Disposition:form-data;name="{name}";filename="a.jpg"\r\n'
        lines += [head.encode(), b"Content-Type:image/jpeg\r\n\r\n", data, b"\r\n"]
    return b"".join(lines) + f"--{boundary}--\r\n".encode()


def json_of(answer: Answer) -> Any:
    return json.loads(answer.body)
