"""Published clients against `tmcspec serve`, driven through its control API as another project's tests would."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from published import PEERS, TMCSPEC

from tmcspec import top

MESSAGES, TAKEN = 10_000, 200

#: The library rounds longer ids, which is LID-1 and shown elsewhere.
FIRST_ID = 1001

#: Seconds; a busy machine may take several times what it usually takes.
LIMIT = 1200


class Served:
    """A served fake and its control API."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.addresses: dict[str, str] = json.loads(process.stdout.readline())

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.addresses["control_url"] + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return json.load(answer)

    def unsettled(self) -> int:
        (row,) = self.call("GET", "stats")["groups"]
        return int(row["backlog"])

    def wait_until_unsettled(self, count: int) -> None:
        end = time.monotonic() + LIMIT
        while self.unsettled() != count:
            assert time.monotonic() < end, self.call("GET", "stats")
            time.sleep(0.05)  # somebody else's process works meanwhile, and only asking tells


@contextlib.contextmanager
def running(command: list[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def started(adapter: subprocess.Popen[str], served: Served) -> None:
    """The library is connected."""
    assert adapter.stdin is not None
    assert adapter.stdout is not None
    start = {"id": "1", "op": "start", "url": served.addresses["url"], "app_key": "test", "app_secret": "test-secret"}
    adapter.stdin.write(json.dumps(start | {"group": "default", "mode": "push", "options": {}}) + "\n")
    adapter.stdin.flush()
    for line in adapter.stdout:
        if json.loads(line).get("id") == "1":
            assert json.loads(line)["status"] == "result", line
            return
    raise AssertionError("the adapter has ended")


def take_and_never_confirm(served: Served) -> None:
    """A consumer that is gone before it has confirmed anything."""
    now_ms = served.call("GET", "clock")["epoch_ms"]
    arguments = {"quantity": str(TAKEN)}
    form = top.form("taobao.tmc.messages.consume", arguments, app_key="test", secret="test-secret", now_ms=now_ms)
    data = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(served.addresses["gateway_url"], data=data, timeout=LIMIT) as answer:
        taken = top.read_answer(answer.read())
    assert not isinstance(taken, top.Failure), taken
    assert len(top.read_list(taken, "messages", "tmc_message")) == TAKEN


def test_the_node_sdk_settles_ten_thousand_messages_though_some_come_again_only_after_six_minutes() -> None:
    command, environment = PEERS["jyh-taobao-topsdk"].adapter()
    serve = [str(TMCSPEC), "serve", "--json", "--ws-port", "0", "--http-port", "0", "--until-eof"]
    with (
        running(serve, stderr=subprocess.DEVNULL) as service,
        running(command, env=os.environ | environment, stderr=subprocess.DEVNULL) as adapter,
    ):
        served = Served(service)
        messages = {"topic": "taobao_trade_TradeCreate", "content": {"tid": 1}, "id": FIRST_ID, "count": MESSAGES}
        served.call("POST", "messages", messages)
        take_and_never_confirm(served)
        started(adapter, served)
        served.wait_until_unsettled(TAKEN)
        served.call("POST", "clock/advance", {"seconds": 360})
        served.wait_until_unsettled(0)
