"""Published third-party clients go through the suite, and nothing about them may change unnoticed.

Each peer is a folder: an adapter of ours, a lock file for its package, and a known-failing list with a reason for every
entry. The package is installed into a cache directory outside the tree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TMCSPEC = Path(sys.executable).with_name("tmcspec")

#: Two whole runs side by side take about two minutes; a busy machine may take several times that.
LIMIT = 1200


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "tmcspec" / "peers"


def _install(peer: Path) -> Path:
    """The `node_modules` of a peer, installed once for each lock file."""
    lock = (peer / "package-lock.json").read_bytes()
    home = _cache() / f"{peer.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        # Made elsewhere and moved, so that an interrupted installation is never taken for a whole one.
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(peer / name, folder)
            npm = shutil.which("npm")
            assert npm, "npm is not on PATH; published Node clients need Node 18 or newer with npm"
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False)
            assert done.returncode == 0, f"npm ci failed:\n{done.stdout}\n{done.stderr}"
            os.rename(folder, home)
            # What the context manager removes at its end.
            Path(folder).mkdir()
    return home / "node_modules"


def _start(peer: Path, modules: Path, report: Path) -> subprocess.Popen[str]:
    command = [
        str(TMCSPEC),
        "run",
        "--client",
        f"node {peer / 'adapter.js'}",
        "--known-failing",
        str(peer / "known-failing.toml"),
        "--report",
        str(report),
    ]
    environment = os.environ | {"TMCSPEC_PEER_MODULES": str(modules)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def jyh_runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The results of two whole runs of jyh-taobao-topsdk, side by side."""
    peer = HERE / "jyh-taobao-topsdk"
    modules = _install(peer)
    reports = [tmp_path_factory.mktemp("run") for _ in range(2)]
    runs = [_start(peer, modules, report) for report in reports]
    try:
        output = [run.communicate(timeout=LIMIT)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
            run.wait()
    for run, text in zip(runs, output, strict=True):
        assert run.returncode == 0, text
    return [json.loads((report / "results.json").read_text(encoding="utf-8")) for report in reports]


def _verdicts(run: dict[str, Any]) -> list[str]:
    return sorted(f"{case['verdict']} {case['id']}" for case in run["cases"])


def test_every_verdict_is_the_one_on_record(jyh_runs: list[dict[str, Any]]) -> None:
    """An entry of the known-failing list excuses a clause wherever it is broken; this table says where that is."""
    recorded = (HERE / "jyh-taobao-topsdk" / "verdicts.txt").read_text(encoding="utf-8").splitlines()
    assert _verdicts(jyh_runs[0]) == recorded


def test_two_runs_give_the_same_verdicts(jyh_runs: list[dict[str, Any]]) -> None:
    first, second = jyh_runs
    assert _verdicts(first) == _verdicts(second)
    assert [(each["id"], each["result"]) for each in first["clauses"]] == [
        (each["id"], each["result"]) for each in second["clauses"]
    ]


@pytest.mark.parametrize(
    ("case", "clause", "verdict"),
    [
        ("test_lid.py::test_ids_are_confirmed_exactly[production_size]", "LID-1", "FAIL"),
        ("test_lid.py::test_ids_are_confirmed_exactly[above_2_53]", "LID-1", "FAIL"),
        ("test_lid.py::test_ids_are_confirmed_exactly[negative]", "LID-1", "FAIL"),
        ("test_lid.py::test_ids_are_confirmed_exactly[largest]", "LID-1", "CRASHED"),
        ("test_lid.py::test_no_confirm_settles_a_neighbour[double]", "LID-3", "FAIL"),
        ("test_ack.py::test_a_failed_message_is_reported_and_not_confirmed", "ACK-4", "NON_STRICT"),
        ("test_hsk.py::test_a_refused_first_connection_is_told", "HSK-7", "CRASHED"),
        ("test_frm.py::test_gzip_content_is_delivered_as_text", "FRM-5", "CRASHED"),
    ],
)
def test_the_node_sdk_is_found_out(jyh_runs: list[dict[str, Any]], case: str, clause: str, verdict: str) -> None:
    found = next(each for each in jyh_runs[0]["cases"] if each["id"] == case)
    assert found["verdict"] == verdict
    assert clause in found["broken"]


@pytest.mark.parametrize(
    "name",
    [
        "test_hsk.py::test_a_client_connects_and_signs",
        "test_frm.py::test_text_beyond_ascii_survives",
        "test_frm.py::test_a_large_message_is_delivered",
        "test_frm.py::test_a_fragmented_message_is_delivered",
        "test_con.py::test_a_client_comes_back_after_a_close",
        "test_con.py::test_a_client_comes_back_after_an_abort",
    ],
)
def test_the_node_sdk_is_not_accused_of_what_it_does_right(jyh_runs: list[dict[str, Any]], name: str) -> None:
    found = [each for each in jyh_runs[0]["cases"] if each["id"].partition("[")[0] == name]
    assert found
    assert {each["verdict"] for each in found} == {"PASS"}
