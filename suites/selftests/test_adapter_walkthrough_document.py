"""docs/adapter-walkthrough.md is a conversation that takes place: it is played with the asyncio example adapter."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tmcfakes.fake import FakeTmc
from tmcfakes.service import App
from tmcspec.events import Accepted, Closed, Confirmed, Event, Failed, Published
from tmcsuites.adapters.contract import Deadlines, StartOptions
from tmcsuites.adapters.process import PROBE
from tmcsuites.adapters.protocol import command_line
from tmcsuites.stage import APP_KEY, APP_SECRET, TOPIC, TOPIC_TO_TAOBAO

ROOT = Path(__file__).parents[2]
ADAPTER = ROOT / "examples" / "adapters" / "python-asyncio" / "adapter.py"
TEXT = (ROOT / "docs" / "adapter-walkthrough.md").read_text(encoding="utf-8")

#: Seconds for what takes none, so that a busy machine decides nothing.
PATIENCE = 60.0


class Line(NamedTuple):
    """Who says, or does, what."""

    who: str
    what: str


#: One for each life of the adapter's process.
CONVERSATIONS: list[list[Line]] = []
for block in re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL):
    lines = [Line(*line.split(maxsplit=1)) for line in block.splitlines()]
    if '"op": "hello"' in lines[0].what:
        CONVERSATIONS.append([])
    CONVERSATIONS[-1].extend(lines)
#: Of all of them.
COMMANDS = [json.loads(line.what) for lines in CONVERSATIONS for line in lines if line.who == "runner"]


def without_what_varies(line: str) -> str:
    """All but times, and the version of this project."""
    line = re.sub(r'(?<=_time": ")[0-9]{13}(?=")', "TIME", line)
    return re.sub(r'(?<="version": ")[^"]+(?=")', "VERSION", line)


# What the service does, or sees


def pushes(fake: FakeTmc, id: str, content: str) -> None:
    fake.produce(topic=TOPIC, content=content, id=int(id))


def waits(wanted: Callable[..., Callable[[Event], bool]]) -> Callable[..., None]:
    def waiting(fake: FakeTmc, *words: str) -> None:
        fake.wait_for(wanted(*words), timeout=PATIENCE)

    return waiting


SERVICE: dict[str, Callable[..., None]] = {
    r"pushes message (\d+) with content (.+)": pushes,
    r'accepts the CONNECT of app key "(.+)" and group "(.+)"': waits(
        lambda key, group: lambda event: isinstance(event, Accepted) and (event.app_key, event.group) == (key, group)
    ),
    r"gets a Confirm of (\d+)": waits(
        lambda id: lambda event: isinstance(event, Confirmed) and event.message == int(id)
    ),
    r'gets a Failed of (\d+) with reason "(.+)"': waits(
        lambda id, why: lambda event: isinstance(event, Failed) and (event.message, event.reason) == (int(id), why)
    ),
    r'gets a publish about "(.+)" with content (.+)': waits(
        lambda topic, content: (
            lambda event: (
                isinstance(event, Published) and (event.topic, event.content, event.accepted) == (topic, content, True)
            )
        )
    ),
    r"sees the connection closed": waits(lambda: lambda event: isinstance(event, Closed) and event.by == "client"),
}


def serve(fake: FakeTmc, what: str) -> None:
    for pattern, act in SERVICE.items():
        if found := re.fullmatch(pattern, what):
            return act(fake, *found.groups())
    raise AssertionError(f"nobody knows how the service {what}")


# The conversation


@contextlib.contextmanager
def adapter() -> Iterator[subprocess.Popen[str]]:
    """The adapter's process, killed when the conversation gets nowhere."""
    process = subprocess.Popen(
        [sys.executable, str(ADAPTER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = threading.Timer(PATIENCE, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def play(lines: list[Line]) -> Iterator[Line]:
    """Lets the conversation take place. What the adapter is said to say becomes what it really says."""
    app = App(key=APP_KEY, secret=APP_SECRET)
    with FakeTmc(apps=[app], topics_to_taobao=[TOPIC_TO_TAOBAO]) as fake, adapter() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for who, what in lines:
            if who == "adapter":
                yield Line(who, process.stdout.readline().rstrip("\n"))
                continue
            if who == "runner":
                process.stdin.write(re.sub("ws://[^/]+/", fake.url, what) + "\n")
                process.stdin.flush()
            else:
                serve(fake, what)
            yield Line(who, what)
        rest, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode, rest) == (0, "")


@pytest.mark.parametrize("lines", CONVERSATIONS, ids=["accepted", "refused"])
def test_the_conversation_takes_place_line_by_line(lines: list[Line]) -> None:
    played = list(play(lines))
    assert [(who, without_what_varies(what)) for who, what in played] == [
        (who, without_what_varies(what)) for who, what in lines
    ]


def test_the_runner_says_what_it_really_says() -> None:
    """To the byte, with its own deadlines, and in the order of its own life of a case."""
    deadlines = Deadlines()
    ops = []
    for lines in CONVERSATIONS:
        said = [line.what for line in lines if line.who == "runner"]
        for number, line in enumerate(said, start=1):
            members = json.loads(line)
            id, op, deadline = members.pop("id"), members.pop("op"), members.pop("deadline_ms") / 1000
            assert (id, deadline) == (str(number), getattr(deadlines, "probe" if op == PROBE else op))
            assert command_line(id=id, op=op, deadline=deadline, members=members) == f"{line}\n".encode()
            ops.append(op)
    assert ops == [
        *("hello", PROBE, "start", "publish", "publish", PROBE, "stop", "bye"),
        *("hello", PROBE, "start", "stop", "bye"),
    ]


def test_a_start_has_the_members_of_a_start() -> None:
    starts = [command for command in COMMANDS if command["op"] == "start"]
    for start in starts:
        members = {name: value for name, value in start.items() if name not in ("id", "op", "deadline_ms")}
        assert StartOptions(**members).members() == members


def test_a_line_that_is_not_what_comes_is_noticed() -> None:
    (hello, _, *_) = CONVERSATIONS[1]
    bye = Line("runner", '{"id": "2", "op": "bye", "deadline_ms": 5000}')
    played = list(play([hello, Line("adapter", "…"), bye, Line("adapter", "…")]))
    assert played[1].what.startswith('{"id": "1", "status": "result", "protocol": 1, "client": ')
    assert played[3].what == '{"id": "2", "status": "result"}'
