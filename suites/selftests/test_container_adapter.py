"""Clients in containers, as the suites see them, without an engine. suites/containers has the same with one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError, ImageNotFound, NotFound
from harness import CONNECTS, liar, tmcspec

from tmcsuites.adapters import container, engine
from tmcsuites.adapters.child import as_command
from tmcsuites.adapters.container import BareContainerSubject, ContainerSubject
from tmcsuites.adapters.contract import Crashed, Deadlines, StartOptions, SubjectError, Unavailable
from tmcsuites.adapters.engine import BRIDGE, HOST_NAME, Reach, own_address, prepare
from tmcsuites.adapters.holder import CANNOT_RUN, GRACE, LABEL, PREFIX
from tmcsuites.run_command import run

OPTIONS = StartOptions(
    url="ws://127.0.0.1:1/",
    gateway_url="http://127.0.0.1:2/router/rest",
    app_key="12345",
    app_secret="correct-horse-battery",
)
BRIDGED = Reach(listen="172.17.0.1", name="172.17.0.1")
DESKTOP = Reach(listen="127.0.0.1", name="host.docker.internal")
PATIENT = Deadlines(hello=60.0, start=60.0, probe=60.0, bye=60.0, term=60.0)


class Engine:
    """An engine by hand, with some images and subnets."""

    def __init__(self, *images: str, subnets: Any = (), pulls: bool = True, bridged: bool = True) -> None:
        self.client = self.images = self.networks = self
        self.asked: list[str] = []
        self._images = images
        self._subnets = subnets
        self._pulls = pulls
        self._bridged = bridged

    def get(self, name: str) -> Any:
        self.asked.append(f"get {name}")
        if name == "bridge":
            if not self._bridged:
                raise NotFound("network bridge not found")
            return SimpleNamespace(attrs={"IPAM": {"Config": self._subnets}})
        if name not in self._images:
            raise ImageNotFound("No such image")
        return None

    def pull(self, name: str) -> None:
        self.asked.append(f"pull {name}")
        if not self._pulls:
            raise APIError("connection refused")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts an engine by hand in the place of the real one."""

    def use(by_hand: Engine) -> Engine:
        @contextlib.contextmanager
        def connected() -> Iterator[Engine]:
            yield by_hand

        monkeypatch.setattr(engine, "connected", connected)
        return by_hand

    return use


# The engine, and the way from a container to us


def test_an_image_that_is_there_is_not_pulled(use: Any) -> None:
    by_hand = use(Engine("acme"))
    prepare("acme")
    assert by_hand.asked == ["get acme", "get bridge"]


def test_an_image_that_is_not_there_is_pulled(use: Any) -> None:
    by_hand = use(Engine())
    prepare("acme")
    assert "pull acme" in by_hand.asked


def test_an_image_that_cannot_be_had_is_told_with_the_way_out(use: Any) -> None:
    use(Engine(pulls=False))
    told = r"has no image 'acme' and cannot pull it: connection refused; check the name \(docker image ls\)"
    with pytest.raises(Unavailable, match=told):
        prepare("acme")


def test_an_engine_without_its_usual_network_is_told(use: Any) -> None:
    use(Engine("acme", bridged=False))
    with pytest.raises(Unavailable, match="cannot run 'acme': network bridge not found"):
        prepare("acme")


def test_an_image_has_a_name() -> None:
    with pytest.raises(ValueError, match="the image ' ' has no name; give one, as in"):
        prepare(" ")


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"not installed; pip install 'tmcspec\[containers\]'"):
        prepare("acme")


def test_an_engine_that_does_not_answer_is_told_with_the_way_out() -> None:
    # In a process of its own: the library leaves the socket open that it could not connect.
    environment = os.environ | {"DOCKER_HOST": "unix:///nobody/there.sock"}
    words = [sys.executable, "-c", "from tmcsuites.adapters.engine import prepare; prepare('acme')"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    told = done.stderr.strip().rpartition("\n")[2]
    assert "Unavailable: no container engine answers at unix:///nobody/there.sock: " in told
    assert told.endswith("; start one, or say in DOCKER_HOST where it is")


def test_the_service_listens_in_the_network_of_the_containers(use: Any) -> None:
    use(Engine("acme", subnets=[{"Subnet": "fd00::/64"}, {}, {"Subnet": "127.5.0.0/16"}, {"Subnet": "127.0.0.0/8"}]))
    assert prepare("acme") == Reach(listen="127.0.0.1", name="127.0.0.1")


@pytest.mark.parametrize("subnets", [None, [], [{"Subnet": "127.5.0.0/16"}]], ids=["none", "empty", "not ours"])
def test_where_that_network_is_not_ours_the_service_stays_on_loopback(use: Any, subnets: Any) -> None:
    use(Engine("acme", subnets=subnets))
    assert prepare("acme") == DESKTOP


@pytest.mark.parametrize(
    ("subnet", "own"), [("127.0.0.0/8", "127.0.0.1"), ("127.5.0.0/16", None), ("240.0.0.0/8", None)]
)
def test_our_own_address_in_a_subnet(subnet: str, own: str | None) -> None:
    assert own_address(IPv4Network(subnet)) == own


def test_on_the_bridge_addresses_are_the_same_for_both() -> None:
    assert BRIDGED.seen(OPTIONS) == OPTIONS


# Subjects


def held(monkeypatch: pytest.MonkeyPatch, command: str | tuple[str, ...]) -> None:
    """Runs this program where a container would be held."""
    monkeypatch.setattr(container, "holding", lambda image: as_command(command))


def test_a_container_is_held_by_a_python_that_looks_for_modules_at_home() -> None:
    assert container.holding("acme/client:1") == (
        sys.executable,
        "-P",
        "-m",
        "tmcsuites.adapters.holder",
        "acme/client:1",
    )


@pytest.mark.asyncio
async def test_an_adapter_in_a_container_is_one_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    held(monkeypatch, liar("honest"))
    subject = ContainerSubject("acme", reach=DESKTOP, deadlines=PATIENT)
    try:
        await subject.open(lambda event: None)
        assert (subject.info.name, subject.info.transport, subject.info.bare) == ("honest", "container", False)
        assert (await subject.start(OPTIONS)).status == "result"
    finally:
        await subject.close()


@pytest.mark.asyncio
async def test_a_bare_program_in_a_container_is_told_where_the_service_is_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "import os, sys; print(os.environ['TMC_URL'], os.environ['TMC_GATEWAY_URL']); sys.stdin.read()"
    held(monkeypatch, (sys.executable, "-S", "-c", code))
    subject = BareContainerSubject("acme", reach=DESKTOP, deadlines=PATIENT)
    assert (subject.info.name, subject.info.transport, subject.info.bare) == ("acme", "bare-container", True)
    try:
        await subject.open(lambda event: None)
        await subject.start(OPTIONS)
        await subject.stop()
        assert subject.log == "ws://host.docker.internal:1/ http://host.docker.internal:2/router/rest\n"
    finally:
        await subject.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [(125, Unavailable, "a container of 'acme' could not be run"), (3, Crashed, r"ended by itself \(exit 3\)")],
)
async def test_an_engine_that_fails_is_not_a_client_that_dies(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: type[SubjectError], told: str
) -> None:
    held(monkeypatch, (sys.executable, "-S", "-c", f"raise SystemExit({status})"))
    subject = BareContainerSubject("acme", reach=BRIDGED, deadlines=PATIENT)
    try:
        await subject.open(lambda event: None)
        await subject.start(OPTIONS)
        await asyncio.wait_for(asyncio.shield(subject.died), 60)
        with pytest.raises(kind, match=told):
            subject.check()
    finally:
        await subject.close()


# The command


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--image", "a", "--bare-image", "b"], "exclude each other: one client at a time"),
        (["--image", "a", "--client", "b"], "exclude each other"),
        (["--image", "a", "--world", "simulated"], "other processes have real clocks"),
        (["--image", ""], "the image '' has no name"),
        (["--bare-image", ""], "the image '' has no name"),
    ],
)
def test_wrong_usage_ends_with_4(words: list[str], complaint: str) -> None:
    ended = tmcspec("run", *words)
    assert ended.status == 4
    assert complaint in " ".join(ended.err.split())


@pytest.mark.parametrize("option", ["--image", "--bare-image"])
def test_an_image_that_cannot_be_had_ends_with_6(use: Any, option: str) -> None:
    use(Engine(pulls=False))
    ended = tmcspec("run", option, "acme")
    assert ended.status == 6
    assert ended.err.startswith("The client could not be measured: the container engine has no image 'acme'")


def test_the_service_of_a_run_listens_where_the_container_looks(
    use: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(Engine("acme", subnets=[{"Subnet": "127.0.0.0/8"}]))
    monkeypatch.setattr(engine, "own_address", lambda subnet: "127.0.0.2")
    code = "import os, sys; print(os.environ['TMC_URL']); sys.stdin.read()"
    held(monkeypatch, (sys.executable, "-S", "-c", code))
    ended = tmcspec(
        "run", "--bare-image", "acme", "--case", CONNECTS, "--deadline-factor", "0.03", "--report", str(tmp_path)
    )
    assert "ws://127.0.0.2:" in ended.out


def test_what_the_contract_says_of_containers_is_so() -> None:
    contract = (Path(__file__).parents[2] / "docs" / "adapter.md").read_text(encoding="utf-8")
    section = contract.partition("\n## In a container\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    tmcspec run (--\S+) \S+$", section, re.MULTILINE)
    assert commands == ["--image", "--bare-image"]
    assert {option for each in run.params for option in each.opts} >= set(commands)
    for word in (f"`{LABEL}`", f"`{PREFIX}`", f"status {CANNOT_RUN}", f"`{BRIDGE}`", f"`{HOST_NAME}`"):
        assert word in section
    assert GRACE == 0.5
    assert "for half a second, then SIGKILL" in section
