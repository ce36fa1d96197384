"""What holds a container in the place of a program. suites/containers has the same with an engine."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from tmcsuites.adapters.holder import LABEL, remove_leftovers

BY_HAND = Path(__file__).with_name("engine_by_hand.py")
LIMIT = 60  # seconds; every wait here ends on an observation


class Holder:
    """A holder with an engine by hand, in a process, with a directory of its own for locks."""

    def __init__(self, behaviour: str, folder: Path, **variables: str) -> None:
        self.calls = folder / "calls"
        self.locks = folder / "locks"
        self.locks.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, str(BY_HAND), behaviour, str(self.calls)],
            env=os.environ | {"TMPDIR": str(self.locks)} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def end(self, data: bytes = b"") -> tuple[int, bytes, bytes]:
        """Its status and outputs, after this input."""
        output, errors = self.process.communicate(data, timeout=LIMIT)
        return self.process.returncode, output, errors

    def asked(self) -> list[list[Any]]:
        return [json.loads(line) for line in self.calls.read_text().splitlines()]


def test_input_output_and_status_are_those_of_the_container(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    holder = Holder("echoes", tmp_path)
    assert holder.end(data) == (7, data, str(len(data)).encode())


def test_a_container_is_attached_before_it_starts_and_removed_when_it_ends(tmp_path: Path) -> None:
    holder = Holder("echoes", tmp_path)
    holder.end()
    assert [call[0] for call in holder.asked()] == ["create", "attach", "start", "remove"]
    assert holder.asked()[1] == ["attach", "c1", {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}]
    assert holder.asked()[3] == ["remove", {"force": True, "v": True}]


def test_a_container_is_given_the_variables_of_tmc_and_a_way_to_us_and_is_labelled_with_a_lock(tmp_path: Path) -> None:
    holder = Holder("echoes", tmp_path, TMC_URL="ws://x/", TMC_GROUP="vip", OURS="not theirs")
    holder.end()
    _, image, settings, locked = holder.asked()[0]
    assert image == "acme/client:1"
    assert locked
    name = settings.pop("labels")[LABEL]
    assert name.startswith("tmcspec-")
    assert name.endswith(".lock")
    assert settings == {
        "environment": {"TMC_URL": "ws://x/", "TMC_GROUP": "vip"},
        "stdin_open": True,
        "network": "bridge",
        "extra_hosts": {"host.docker.internal": "host-gateway"},
        "log_config": {"type": "none"},
    }
    assert list(holder.locks.iterdir()) == []


@pytest.mark.parametrize(
    ("behaviour", "kills", "status"),
    [("obedient", ["SIGTERM"], 143), ("stubborn", ["SIGTERM", "SIGKILL"], 137)],
)
def test_sigterm_is_handed_on_and_sigkill_follows(
    tmp_path: Path, behaviour: str, kills: list[str], status: int
) -> None:
    holder = Holder(behaviour, tmp_path)
    assert holder.process.stdout is not None
    assert holder.process.stdout.readline() == b"up\n"
    holder.process.send_signal(signal.SIGTERM)
    assert holder.end()[0] == status
    assert [call[1] for call in holder.asked() if call[0] == "kill"] == kills
    assert holder.asked()[-1][0] == "remove"


def test_a_container_that_cannot_be_started_is_removed_and_the_reason_told(tmp_path: Path) -> None:
    holder = Holder("cannot", tmp_path)
    status, output, errors = holder.end()
    assert (status, output) == (125, b"")
    assert errors == b"the container engine did not run 'acme/client:1': no such program in it\n"
    assert holder.asked()[-1][0] == "remove"
    assert list(holder.locks.iterdir()) == []


def test_a_container_that_cannot_be_removed_is_left_to_others_with_its_lock(tmp_path: Path) -> None:
    holder = Holder("stuck", tmp_path)
    assert holder.end()[0] == 125
    assert [each.name for each in holder.locks.iterdir()] == [holder.asked()[0][2]["labels"][LABEL]]


# Leftovers


class Container:
    def __init__(self, name: str, *, stuck: bool = False) -> None:
        self.labels = {LABEL: name}
        self.removed = False
        self._stuck = stuck

    def remove(self, *, force: bool, v: bool) -> None:
        if self._stuck:
            raise APIError("device or resource busy")
        self.removed = True


def sweep(*containers: Container) -> list[bool]:
    """Which of these containers are removed as leftovers."""

    def listed(*, all: bool, filters: dict[str, str], ignore_removed: bool) -> list[Container]:
        assert all
        assert filters == {"label": LABEL}
        return list(containers)

    engine: Any = SimpleNamespace(client=SimpleNamespace(containers=SimpleNamespace(list=listed)))
    remove_leftovers(engine)
    return [each.removed for each in containers]


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_container_whose_lock_nobody_holds_is_removed_with_it(locks: Path) -> None:
    (lock := locks / "tmcspec-1.lock").touch()
    assert sweep(Container(lock.name)) == [True]
    assert not lock.exists()


def test_a_container_whose_lock_is_held_is_left_alone(locks: Path) -> None:
    with (locks / "tmcspec-1.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert sweep(Container("tmcspec-1.lock")) == [False]
    assert (locks / "tmcspec-1.lock").exists()


def test_a_container_whose_lock_is_elsewhere_is_left_alone(locks: Path) -> None:
    (locks / "other").mkdir()
    (locks / "other" / "tmcspec-1.lock").touch()
    (locks / "victim").touch()
    assert sweep(*map(Container, ("tmcspec-2.lock", "other/tmcspec-1.lock", "victim", ""))) == [False] * 4
    assert (locks / "victim").exists()


def test_one_that_cannot_be_removed_keeps_no_other(locks: Path) -> None:
    for name in ("tmcspec-1.lock", "tmcspec-2.lock"):
        (locks / name).touch()
    assert sweep(Container("tmcspec-1.lock", stuck=True), Container("tmcspec-2.lock")) == [False, True]
    assert [each.name for each in locks.iterdir()] == ["tmcspec-1.lock"]
