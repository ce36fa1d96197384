"""`tmcspec serve` as a process: how it begins, how it ends, and what it says on the way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from harness import tmcspec
from served import COMMAND, CREATED, PATIENCE, Running, serving
from websockets.sync.client import connect

from tmcspec import trace_file
from tmcspec.client import TmcClient
from tmcspec.client.message import Message
from tmcsuites.serve_command import _cannot_listen


def port_of(url: str) -> int:
    found = re.search(r":(\d+)/", url)
    assert found is not None
    return int(found[1])


# How it begins


def test_it_says_where_it_listens_and_can_be_driven_from_there() -> None:
    with serving("--app", "one:s:1", "--group", "one:vip") as service:
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/", service.url)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/router/rest", service.gateway_url)
        assert service.control_url == service.gateway_url.replace("router/rest", "_tmc/")
        (id,) = service.call("POST", "messages", CREATED)["ids"]
        assert service.call("GET", f"messages/{id}")["produced"]["app_key"] == "one"
        assert [row["group"] for row in service.call("GET", "stats")["groups"]] == ["default", "vip"]
        with connect(service.url, proxy=None):
            pass
        with urllib.request.urlopen(service.gateway_url, timeout=PATIENCE) as answer:
            assert b"error_response" in answer.read()


def test_for_people_it_says_so_in_one_line() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--ws-port", "0", "--http-port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    out, err = process.communicate(timeout=PATIENCE)
    assert re.fullmatch(
        r"TMC at ws://127.0.0.1:\d+/, HTTP gateway at http://127.0.0.1:\d+/router/rest, "
        r"control API at http://127.0.0.1:\d+/_tmc/\n",
        line,
    )
    assert out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d info serving seed=\d+ apps=\[\"test\"\]\n\S+ info stopping\n", err)


def test_two_at_once_disturb_nobody() -> None:
    with serving("--seed", "1") as one, serving("--seed", "1") as other, serving() as third:
        ids = [service.call("POST", "messages", CREATED)["ids"][0] for service in (one, other, third)]
        # A seed makes a run the same again; without one, no id comes again after a restart.
        assert ids[0] == ids[1] != ids[2]
        one.end()
        assert other.call("GET", "stats")["groups"][0]["backlog"] == 1


def test_a_port_that_is_in_use_is_a_wrong_usage_and_said(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    with serving("--trace", str(trace)) as service:
        before = trace.read_bytes()
        for words in (
            ("--ws-port", str(port_of(service.url)), "--http-port", "0"),
            ("--http-port", str(port_of(service.gateway_url)), "--ws-port", "0"),
        ):
            ended = tmcspec("serve", *words, "--trace", str(trace))
            assert (ended.status, ended.out) == (4, "")
            assert "cannot listen: " in ended.err
            assert "in use" in ended.err
            assert "Traceback" not in ended.err
        assert trace.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--app", "sesame"), "--app takes KEY:SECRET"),
        (("--app", ":sesame"), "an app needs a key that is not empty"),
        (("--app", "a:"), "app 'a' needs a secret that is not empty"),
        (("--app", "a:sesame", "--app", "a:sesame2"), "--app names 'a' twice"),
        (("--group", "b:g"), "--group is 'b:g'; valid: KEY:GROUP, with KEY one of test"),
        (("--group", "g"), "--group is 'g'; valid: KEY:GROUP"),
        (("--group", f"test:{'g' * 33}"), "a group name has 1 to 32 characters, not 33"),
        (("--control-token", ""), "--control-token must not be empty"),
        (("--ws-port", "65536"), "65536"),
        (("--host", "192.0.2.1", "--ws-port", "0"), "--host is '192.0.2.1'; valid: an address of this machine"),
        (("--ws-port", "0", "--http-port", "0", "--trace", "/no/such/place"), "--trace /no/such/place: No such file"),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, tuple) else "",
)
def test_wrong_usage_is_said_without_secrets(words: tuple[str, ...], text: str) -> None:
    ended = tmcspec("serve", *words)
    assert (ended.status, ended.out) == (4, "")
    assert text in ended.err
    assert "sesame" not in ended.err


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "--host is 'tmc.test'; valid: an address of"),
        (PermissionError(errno.EACCES, "Permission denied"), "--host, --ws-port and --http-port choose where"),
    ],
    ids=["host", "port"],
)
def test_why_it_cannot_listen_comes_with_the_way_out(error: OSError, way_out: str) -> None:
    said = _cannot_listen(error, "tmc.test")
    assert said.startswith(f"cannot listen: {error.strerror}; ")
    assert way_out in said


def test_a_service_does_not_wait_until_a_test_suite_is_loaded() -> None:
    code = (
        "import sys, tmcsuites.cli, tmcsuites.serve_command; "
        "print(sorted({'pytest', 'hypothesis', 'rich', 'prometheus_client', 'tmcspec.clauses'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


# How it ends


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_whatever_clients_do(how: signal.Signals) -> None:
    with serving() as service, contextlib.ExitStack() as stack:
        service.call("POST", "messages", CREATED | {"count": 10_000, "content": "x" * 500})
        stack.enter_context(connect(service.url, proxy=None))
        for request in (
            b"",
            b"GET /_tmc/trace HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST /_tmc/messages HTTP/1.1\r\n",
        ):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(service.gateway_url))))
            caller.sendall(request)
        service.call("GET", "clock")
        assert "stopping" in [line["event"] for line in service.end(how)]


def test_a_signal_ends_it_when_its_event_loop_is_at_work_for_long() -> None:
    code = """
import os, signal
from tmcsuites.serve_command import _End
end = _End()
end.last_words = lambda: print("last words", flush=True)
with end.by_signal():
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        pass
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, text=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "last words\n", "")


def test_one_that_is_killed_leaves_its_ports_free() -> None:
    with serving() as service:
        ports = port_of(service.url), port_of(service.gateway_url)
        with connect(service.url, proxy=None):
            service.process.kill()
            service.process.wait(PATIENCE)
            with serving(ports=ports) as again:
                assert port_of(again.url) == ports[0]


def test_it_can_end_with_its_standard_input() -> None:
    with serving("--until-eof", stdin=subprocess.PIPE) as service:
        assert service.process.stdin is not None
        service.process.stdin.write("not the end\n")
        service.process.stdin.flush()
        service.call("GET", "clock")
        assert service.process.poll() is None
        out, err = service.process.communicate(timeout=PATIENCE)
        assert (service.process.returncode, out) == (0, "")
        assert json.loads(err.splitlines()[-1])["event"] == "stopping"


# The trace


def test_the_trace_is_written_as_it_happens_and_kept_at_a_reset(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text("of yesterday")
    (tmp_path / "trace.jsonl.1").write_text("kept")
    with serving("--trace", str(path), "--seed", "7", "--manual-clock") as service:
        assert service.call("GET", "clock")["manual"] is True
        service.call("POST", "messages", CREATED | {"count": 2500})
        until(lambda: len(path.read_bytes().splitlines()) == 2501)
        service.call("POST", "reset")
        service.call("POST", "clock/advance", {"seconds": 360})
        service.end()
    kept = trace_file.load(tmp_path / "trace.jsonl.2")
    assert (len(kept.entries), kept.seed, kept.client_clock) == (2500, 7, False)
    assert [entry.event.word for entry in trace_file.load(path).entries] == ["advanced"]
    assert (tmp_path / "trace.jsonl.1").read_text() == "kept"


def until(done: Any) -> None:
    """Waits for a file, which tells nobody when it grows."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_trace_and_not_the_service() -> None:
    with serving("--trace", "/dev/full") as service:
        service.call("POST", "messages", CREATED)
        assert service.call("POST", "reset") is not None
        log = service.end()
    assert Path("/dev/full").is_char_device()
    complaints = [line for line in log if line["event"] == "trace_ends"]
    assert complaints[0]["level"] == "error"
    assert complaints[0]["file"] == "/dev/full"
    assert "No space left" in complaints[0]["error"]


# Access


def test_where_other_machines_reach_it_the_control_api_is_off_and_that_is_said() -> None:
    with serving("--host", "0.0.0.0") as service:
        with pytest.raises(urllib.error.HTTPError) as refused:
            service.call("GET", "clock")
        assert refused.value.code == 403
        refused.value.close()
        warnings = [line for line in service.end() if line["level"] == "warning"]
    assert [line["event"] for line in warnings] == ["control_off"]


def test_with_a_control_token_it_is_on() -> None:
    with serving("--host", "0.0.0.0", env={**os.environ, "TMCSPEC_CONTROL_TOKEN": "sesame"}) as service:
        with pytest.raises(urllib.error.HTTPError) as refused:
            service.call("GET", "clock")
        assert refused.value.code == 401
        refused.value.close()
        assert service.call("GET", "clock", Authorization="Bearer sesame")["now"] >= 0
        log = service.end()
    assert [line["event"] for line in log] == ["serving", "stopping"]
    assert "sesame" not in json.dumps(log)


# What it says on the way


def test_the_log_tells_what_happens_and_no_secrets() -> None:
    async def consume(service: Running) -> None:
        done = asyncio.Event()

        async def handle(message: Message) -> None:
            done.set()

        async with TmcClient(app_key="test", app_secret="sesame", url=service.url, handler=handle):
            async with asyncio.timeout(PATIENCE):
                await done.wait()

    with serving("--app", "test:sesame", "--log-level", "debug") as service:
        session = service.call("POST", "users", {"nick": "shop"})["session"]
        service.call("POST", "messages", CREATED)
        asyncio.run(consume(service))
        log = service.end()
    words = [line["event"] for line in log]
    for word in ("serving", "authorised", "produced", "opened", "signed", "accepted", "pushed", "confirmed", "closed"):
        assert word in words
    accepted = log[words.index("accepted")]
    assert (accepted["connection"], accepted["app_key"], accepted["level"]) == ("c1", "test", "info")
    text = json.dumps(log)
    for secret in ("sesame", session, "tid"):
        assert secret not in text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|[0-9A-F]{32}", text)


def test_a_log_that_nobody_reads_does_not_stop_the_service() -> None:
    with serving("--log-level", "debug") as service:
        for _ in range(3):
            service.call("POST", "messages", CREATED | {"count": 1000})  # some 700 KB of log
        assert service.call("GET", "stats")["groups"][0]["produced"] == 3000
        service.process.terminate()
        assert service.process.wait(PATIENCE) == 0


# Documentation


@pytest.mark.skipif(shutil.which("curl") is None, reason="the walk-through uses curl")
def test_the_walk_through_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
    (script,) = (block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "mkfifo" in block)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    reset, produced, advanced, stats = done.stdout.splitlines()
    assert json.loads(advanced)["now"] >= 360 > json.loads(reset)["now"]
    assert len(json.loads(produced)["ids"]) == 1
    assert json.loads(stats)["groups"][0]["backlog"] == 1
