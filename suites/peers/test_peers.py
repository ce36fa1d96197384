"""Published third-party clients go through the suite, and nothing about them may change unnoticed.

All peers run at the same time, and each of them twice: so every verdict is given on a busy machine, and given again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from published import PEERS, Peer, running
from scoreboard import Defect, record

from tmcsuites.verdict import Verdict

#: Seconds for all whole runs. A client with many defects takes a quarter of an hour, for every silence is waited out; a
#: busy machine may take twice that.
LIMIT = 1800

Runs = dict[str, list[dict[str, Any]]]

every_peer = pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS.keys())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The results of two whole runs of each peer, side by side."""
    # Installed first, so that no run begins while another peer is still being fetched.
    for peer in PEERS.values():
        peer.home()
    end = time.monotonic() + LIMIT
    found: Runs = {}
    with ExitStack() as stack:
        started = [
            (peer, stack.enter_context(running(peer, tmp_path_factory.mktemp(peer.name), *_known(peer))))
            for peer in PEERS.values()
            for _ in range(2)
        ]
        for peer, run in started:
            status, console = run.wait(end - time.monotonic())
            # Not 0 where a verdict is not expected, an entry of the list is stale, or something is the suite's fault.
            assert status == 0, console
            found.setdefault(peer.name, []).append(run.results())
    return found


def _known(peer: Peer) -> tuple[str, str]:
    return "--known-failing", str(peer.here / "known-failing.toml")


def _verdicts(run: dict[str, Any]) -> list[str]:
    return sorted(f"{case['verdict']} {case['id']}" for case in run["cases"])


@every_peer
def test_every_verdict_is_the_one_on_record(runs: Runs, peer: Peer) -> None:
    """An entry of the known-failing list excuses a clause wherever it is broken; this table says where that is."""
    recorded = (peer.here / "verdicts.txt").read_text(encoding="utf-8").splitlines()
    assert _verdicts(runs[peer.name][0]) == recorded


@every_peer
def test_two_runs_give_the_same_verdicts(runs: Runs, peer: Peer) -> None:
    first, second = runs[peer.name]
    assert _verdicts(first) == _verdicts(second)
    assert _of_client(first) == _of_client(second)


def _of_client(run: dict[str, Any]) -> list[tuple[str, str]]:
    """What the clauses that bind the client say. Whether a run shows anything of the service is chance for some: what
    takes a busy machine more than a minute is confirmed late, and so brings RDL-6 to bear.
    """
    return [(each["id"], each["result"]) for each in run["clauses"] if each["binds"] == "client"]


def _defects(*, usual: bool) -> Sequence[Any]:
    """The known defects that a case finds, of all peers: in the usual run, or with more arguments for the adapter."""
    return [
        pytest.param(peer, defect, id=f"{peer.name}-{defect.where}")
        for peer in PEERS.values()
        for defect in record(peer.name).defects
        if defect.case and usual is (defect.adapter is None)
    ]


@pytest.mark.parametrize(("peer", "defect"), _defects(usual=True))
def test_a_known_defect_is_found_out(runs: Runs, peer: Peer, defect: Defect) -> None:
    found = next(each for each in runs[peer.name][0]["cases"] if each["id"] == defect.case)
    # A client that dies may leave nothing to judge by.
    assert defect.clause in found["clauses" if found["verdict"] == Verdict.CRASHED else "broken"]


@pytest.mark.parametrize(("peer", "defect"), _defects(usual=False))
def test_a_known_defect_that_would_drown_all_others_is_found_out(tmp_path: Path, peer: Peer, defect: Defect) -> None:
    assert defect.case
    assert defect.adapter
    with running(peer, tmp_path, "--case", defect.case, adapter=[defect.adapter]) as run:
        status, console = run.wait(LIMIT)
    assert status == 1, console
    (found,) = run.results()["cases"]
    assert defect.clause in found["broken"]


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("jyh-taobao-topsdk", "test_hsk.py::test_a_client_connects_and_signs"),
        ("jyh-taobao-topsdk", "test_frm.py::test_text_beyond_ascii_survives"),
        ("jyh-taobao-topsdk", "test_frm.py::test_a_large_message_is_delivered"),
        ("jyh-taobao-topsdk", "test_frm.py::test_a_fragmented_message_is_delivered"),
        ("jyh-taobao-topsdk", "test_con.py::test_a_client_comes_back_after_a_close"),
        ("jyh-taobao-topsdk", "test_con.py::test_a_client_comes_back_after_an_abort"),
        ("tmcpy", "test_hsk.py::test_a_client_connects_and_signs"),
        ("tmcpy", "test_frm.py::test_text_beyond_ascii_survives"),
        ("tmcpy", "test_frm.py::test_a_large_message_is_delivered"),
        ("tmcpy", "test_frm.py::test_a_fragmented_message_is_delivered"),
        ("tmcpy", "test_frm.py::test_an_unknown_header_is_skipped"),
        ("tmcpy", "test_frm.py::test_an_unknown_format_is_read_as_a_string"),
    ],
)
def test_a_peer_is_not_accused_of_what_it_does_right(runs: Runs, peer: str, name: str) -> None:
    found = [each for each in runs[peer][0]["cases"] if each["id"].partition("[")[0] == name]
    assert found
    assert {each["verdict"] for each in found} == {"PASS"}
