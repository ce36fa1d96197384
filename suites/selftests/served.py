"""What the tests of `tmcspec serve` share: the service as a process of its own, driven through its control API."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

CREATED = {"topic": "taobao_trade_TradeCreate", "content": {"tid": 1}}
COMMAND = [sys.executable, "-c", "from tmcsuites.cli import main; main()", "serve"]

#: Seconds for what takes one, so that a busy machine decides nothing.
PATIENCE = 30


class Running(NamedTuple):
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    gateway_url: str
    control_url: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """A call of the control API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def end(self, how: signal.Signals = signal.SIGTERM) -> list[dict[str, Any]]:
        """Ends it, which is no failure. Returns its log."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        assert (self.process.returncode, out) == (0, "")
        return [json.loads(line) for line in err.splitlines()]


@contextlib.contextmanager
def serving(*words: str, ports: tuple[int, int] = (0, 0), **more: Any) -> Iterator[Running]:
    """A service that is ready."""
    process = subprocess.Popen(
        [*COMMAND, "--json", "--ws-port", str(ports[0]), "--http-port", str(ports[1]), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=PATIENCE)
        yield Running(process, **json.loads(line))
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
