"""Clients in containers, for real: they are judged as any other, and nothing of them stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import docker
import pytest

from tmcsuites.adapters.container import holding
from tmcsuites.adapters.engine import connected
from tmcsuites.adapters.holder import remove_leftovers

MakeImage = Callable[..., str]
Hold = Callable[[str], subprocess.Popen[bytes]]

TMCSPEC = (sys.executable, "-P", "-c", "from tmcsuites.cli import main; main()")
LIMIT = 120  # seconds; every wait here ends on an observation

CASES = (
    "test_hsk.py::test_a_client_connects_and_signs",
    "test_ack.py::test_a_failed_message_is_reported_and_not_confirmed",
    "test_con.py::test_a_client_comes_back_after_an_abort",
    "test_hsk.py::test_an_address_that_does_not_answer_is_told",
    "test_lid.py::test_ids_are_confirmed_exactly_over_http[production_size]",
)

ECHOES = "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data); print(len(data), file=sys.stderr)"
OBEDIENT = "import signal; signal.signal(15, lambda *_: exit(9)); print('up', flush=True); signal.pause()"
STUBBORN = """
import signal
signal.signal(15, signal.SIG_IGN)
print('up', flush=True)
while True:
    signal.pause()
"""


def run(report: Path, *words: str, cases: tuple[str, ...] = CASES[:1]) -> tuple[subprocess.CompletedProcess[str], Any]:
    """A run of these cases; what it printed, and its results."""
    chosen = [word for case in cases for word in ("--case", case)]
    done = subprocess.run(
        [*TMCSPEC, "run", *words, *chosen, "--report", str(report)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    written = report / "results.json"
    return done, json.loads(written.read_text()) if written.exists() else None


def verdicts(results: Any) -> dict[str, str]:
    return {case["id"]: case["verdict"] for case in results["cases"]}


def there(client: docker.DockerClient, image: str) -> list[Any]:
    """The containers of this image, running or not."""
    return client.containers.list(all=True, filters={"ancestor": image}, ignore_removed=True)


def wait_until(seen: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT
    while not seen():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def hold(client: docker.DockerClient) -> Iterator[Hold]:
    """Starts holders; the container is up when this returns. All end with the test, and what they left is removed."""
    with connected() as engine, ExitStack() as stack:
        stack.callback(remove_leftovers, engine)

        def start(image: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(holding(image), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            return process

        yield start


# Judged as any other


def test_an_image_with_an_adapter_is_judged(client: docker.DockerClient, image: MakeImage, tmp_path: Path) -> None:
    name = image("/client.py", "adapter")
    began = time.time()
    done, results = run(tmp_path, "--image", name, cases=CASES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(results) == dict.fromkeys(CASES, "PASS")
    assert (results["client"]["name"], results["client"]["transport"]) == ("core", "container")
    # One to get to know it, and one for each case.
    happened = client.events(
        since=began, until=time.time() + 1, decode=True, filters={"image": name, "type": "container"}
    )
    counts = Counter(each["Action"] for each in happened)
    assert (counts["create"], counts["destroy"]) == (1 + len(CASES), 1 + len(CASES))
    assert there(client, name) == []


def test_a_bare_image_is_judged_by_what_shows(client: docker.DockerClient, image: MakeImage, tmp_path: Path) -> None:
    name = image("/client.py", "bare")
    done, results = run(tmp_path, "--bare-image", name, cases=CASES[:3])
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(results) == dict(zip(CASES[:3], ("PASS", "UNSUPPORTED", "PASS"), strict=True))
    assert (results["client"]["name"], results["client"]["transport"]) == (name, "bare-container")
    assert there(client, name) == []


@pytest.mark.parametrize(
    ("code", "verdict", "told"),
    [
        ("exit(3)", "CRASHED", "the client ended by itself (exit 3)"),
        ("exit(127)", "UNSUPPORTED", "exit status 127"),
    ],
    ids=["dies", "unsupported"],
)
def test_the_end_of_a_container_is_noticed(
    image: MakeImage, tmp_path: Path, code: str, verdict: str, told: str
) -> None:
    done, results = run(tmp_path, "--bare-image", image("-c", f"print('the reason'); {code}"))
    (case,) = results["cases"]
    assert case["verdict"] == verdict, done.stdout + done.stderr
    assert told in case["message"]
    (log,) = tmp_path.glob("traces/*.log")
    assert log.read_text() == "the reason\n"


def test_an_image_that_nobody_has_ends_with_6(client: docker.DockerClient, tmp_path: Path) -> None:
    done, _ = run(tmp_path, "--image", "127.0.0.1:1/nothing")
    assert done.returncode == 6
    assert "has no image '127.0.0.1:1/nothing' and cannot pull it" in done.stderr


# The holder: a process with the container's input, output and exit status


def test_bytes_pass_as_they_are_and_outputs_come_apart(client: docker.DockerClient, image: MakeImage) -> None:
    name = image("-c", f"{ECHOES}; exit(7)")
    data = bytes(range(256)) * 16384
    done = subprocess.run(holding(name), input=data, capture_output=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout == data, done.stderr) == (7, True, b"%d\n" % len(data))
    assert there(client, name) == []


def test_the_variables_of_tmc_are_given_and_no_other(image: MakeImage) -> None:
    name = image("-c", "import os; print(*(n for n in os.environ if n.startswith(('TMC_', 'OURS_'))))")
    environment = os.environ | {"TMC_URL": "ws://x/", "TMC_GROUP": "vip", "OURS_TOO": "not theirs"}
    done = subprocess.run(holding(name), env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert sorted(done.stdout.split()) == ["TMC_GROUP", "TMC_URL"]


@pytest.mark.parametrize(
    ("code", "status"), [(OBEDIENT, 9), (STUBBORN, 128 + signal.SIGKILL)], ids=["obedient", "stubborn"]
)
def test_sigterm_is_handed_on_and_not_for_long(
    client: docker.DockerClient,
    image: MakeImage,
    hold: Hold,
    code: str,
    status: int,
) -> None:
    name = image("-c", code)
    holder = hold(name)
    holder.terminate()
    assert holder.wait(LIMIT) == status
    assert there(client, name) == []


# Nothing stays behind


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 2), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_ended_takes_its_container_along(
    client: docker.DockerClient, image: MakeImage, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    name = image("-c", STUBBORN)
    words = [*TMCSPEC, "run", "--bare-image", name, "--case", CASES[0], "--report", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: any(each.status == "running" for each in there(client, name)))
        process.send_signal(number)
        assert process.wait(LIMIT) == status
    # An interrupted run has seen to it; of a killed one, the wardens do.
    if number == signal.SIGKILL:
        wait_until(lambda: not there(client, name))
    assert there(client, name) == []


def test_a_container_sees_the_end_of_a_holder_that_is_killed(
    client: docker.DockerClient, image: MakeImage, hold: Hold
) -> None:
    name = image("-c", f"print('up', flush=True); {ECHOES}")
    hold(name).kill()
    wait_until(lambda: [each.status for each in there(client, name)] == ["exited"])


def test_what_is_left_of_a_killed_holder_is_removed_at_the_next_start(
    client: docker.DockerClient, image: MakeImage, hold: Hold
) -> None:
    name = image("-c", STUBBORN)
    killed, alive = hold(name), hold(name)
    killed.kill()
    killed.wait(LIMIT)
    assert len(there(client, name)) == 2
    hold(image("-c", OBEDIENT))
    (left,) = there(client, name)
    assert left.status == "running"
    alive.terminate()
    alive.wait(LIMIT)
    assert there(client, name) == []
