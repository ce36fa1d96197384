"""A Docker engine for the tests: the one that is there, or one of our own from Debian's packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("docker.io", "iptables")
INSTALL_LIMIT = 300  # seconds
START_LIMIT = 60


class NoEngine(Exception):
    """There is no engine and none can be had; why."""


@contextlib.contextmanager
def engine() -> Iterator[None]:
    """An engine that answers where DOCKER_HOST says, as long as the context lasts.

    Raises:
        NoEngine: none answers, and none of our own can be started.
    """
    if _answers():
        yield
        return
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine answers, and only root could start one")
    if shutil.which("dockerd") is None:
        _install()
        if _answers():  # the package has started it as a service
            yield
            return
    with tempfile.TemporaryDirectory(prefix="tmcspec-engine-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = f"unix://{folder}/docker.sock"
        try:
            with _started(Path(folder)):
                yield
        finally:
            del os.environ["DOCKER_HOST"]
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def _answers() -> bool:
    # In a process of its own: the library leaves sockets open that it could not connect.
    words = [sys.executable, "-P", "-c", "import docker; docker.from_env().ping()"]
    return subprocess.run(words, capture_output=True, timeout=START_LIMIT, check=False).returncode == 0


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise NoEngine("no Docker engine answers, none is installed, and there is no apt-get to install one with")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        command = ["apt-get", "-q", *words]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=INSTALL_LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            raise NoEngine(f"no Docker engine answers, and {' '.join(command)} took too long") from None
        if done.returncode:
            raise NoEngine(f"no Docker engine answers, and {' '.join(command)} failed: {_last_line(done.stderr)}")


@contextlib.contextmanager
def _started(folder: Path) -> Iterator[None]:
    """An engine with everything of its own in this folder. It ends with us, whatever becomes of us."""
    log = folder / "log"
    command = ["setpriv", "--pdeathsig", "TERM", "dockerd", "--host", os.environ["DOCKER_HOST"]]
    command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True) as process:
        try:
            limit = time.monotonic() + START_LIMIT
            while not _answers():
                if process.poll() is not None or time.monotonic() > limit:
                    raise NoEngine(f"dockerd does not start here: {_last_line(log.read_text(errors='replace'))}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it said nothing"
