"""The published clients under test: a table, and what it takes to have one of them and to run it.

Each peer is a folder: an adapter of ours, a lock file for its package, a known-failing list with a reason for every
entry, the verdicts on record, and a list of its known defects with the cases that find them. The package is installed
once for each lock file, into a cache directory outside the tree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

#: Seconds that an installation may take; it waits for a registry.
INSTALL_LIMIT = 600

#: Cases side by side: most of a run waits for the client's own timers.
JOBS = "4"

TMCSPEC = Path(sys.executable).with_name("tmcspec")

#: What a run wrote, in its report.
CONSOLE = "console.txt"


def _npm(folder: Path) -> None:
    """Makes `node_modules` in a folder that holds the lock file."""
    npm = shutil.which("npm")
    assert npm, "npm is not on PATH; published Node clients need Node 18 or newer with npm"
    _call(folder, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def _pip(folder: Path) -> None:
    """Makes a virtual environment in a folder that holds the requirements. Nothing is built: wheels run no code."""
    _call(folder, sys.executable, "-m", "venv", ".")
    how = ("--require-hashes", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check")
    _call(folder, "bin/python", "-m", "pip", "install", *how, "-r", "requirements.txt")


def _call(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=INSTALL_LIMIT, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A published client.

    Args:
        name: of its folder here, and of its package.
        locked: the files that it is installed from; the last one pins everything.
        install: makes what it needs in a folder that holds those files.
        command: the adapter's command line; `{home}` is that folder, `{here}` the peer's own.
        environment: variables of the adapter, with the same places in them.
        belongs_to: what the installation is made for, beside the lock file.
    """

    name: str
    locked: tuple[str, ...]
    install: Callable[[Path], None]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    belongs_to: str = ""

    @property
    def here(self) -> Path:
        return HERE / self.name

    def home(self) -> Path:
        """Where it is installed, which it is afterwards."""
        lock = (self.here / self.locked[-1]).read_bytes() + self.belongs_to.encode()
        home = _cache() / f"{self.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            # Made elsewhere and moved, so that an interrupted installation is never taken for a whole one.
            with tempfile.TemporaryDirectory(dir=home.parent) as folder:
                for name in self.locked:
                    shutil.copy(self.here / name, folder)
                self.install(Path(folder))
                os.rename(folder, home)
                # What the context manager removes at its end.
                Path(folder).mkdir()
        return home

    def adapter(self, *more: str) -> tuple[list[str], dict[str, str]]:
        """The command that starts its adapter, with more arguments, and the variables that it needs."""
        places = {"home": str(self.home()), "here": str(self.here)}
        command = [word.format_map(places) for word in self.command]
        environment = {name: value.format_map(places) for name, value in self.environment.items()}
        return [*command, *more], environment


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tmcspec" / "peers"


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="jyh-taobao-topsdk",
            locked=("package.json", "package-lock.json"),
            install=_npm,
            command=("node", "{here}/adapter.js"),
            environment={"TMCSPEC_PEER_MODULES": "{home}/node_modules"},
        ),
        Peer(
            name="tmcpy",
            locked=("requirements.txt",),
            install=_pip,
            command=("{home}/bin/python", "{here}/adapter.py"),
            belongs_to=f"{sys.version} {sys.base_prefix}",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A `tmcspec run` that goes on.

    Args:
        process: it.
        report: where its results go.
    """

    process: subprocess.Popen[bytes]
    report: Path

    def wait(self, seconds: float) -> tuple[int, str]:
        """Its exit status, and what it wrote. Raises subprocess.TimeoutExpired."""
        status = self.process.wait(timeout=max(0.0, seconds))
        return status, self._console.read_text(encoding="utf-8")

    def results(self) -> dict[str, Any]:
        results: dict[str, Any] = json.loads((self.report / "results.json").read_text(encoding="utf-8"))
        return results

    @property
    def _console(self) -> Path:
        return self.report / CONSOLE


@contextmanager
def running(peer: Peer, report: Path, *options: str, adapter: Sequence[str] = ()) -> Iterator[Run]:
    """`tmcspec run` on a peer, for as long as the context lasts.

    Args:
        peer: which.
        report: a folder for the results.
        options: of `tmcspec run`.
        adapter: more arguments of its adapter.
    """
    words, environment = peer.adapter(*adapter)
    command = [str(TMCSPEC), "run", "--client", shlex.join(words), "-n", JOBS, "--report", str(report), *options]
    # To a file: nobody reads while several go on, and one that cannot write stands still.
    with (report / CONSOLE).open("wb") as console:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=console, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    try:
        yield Run(process=process, report=report)
    finally:
        process.kill()
        process.wait()
