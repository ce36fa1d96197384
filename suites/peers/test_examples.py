"""The example adapters in Node and Java, and the small clients that they hold, pass what they are held to.

Those in Python are run by suites/selftests/test_example_adapters.py.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from published import JOBS, TMCSPEC
from test_peers import LIMIT

ROOT = Path(__file__).parents[2]
README = (ROOT / "examples" / "adapters" / "README.md").read_text(encoding="utf-8")

#: All that is over within a minute.
CASES = (
    *("test_frm.py", "test_ack.py", "test_lid.py", "test_rdl.py", "test_grp.py", "test_que.py"),
    "test_hsk.py::test_a_client_connects_and_signs",
    "test_hsk.py::test_a_token_that_was_replaced_is_not_used",
    "test_hsk.py::test_a_refused_first_connection_is_told",
    "test_hsk.py::test_a_refusal_by_phrase_alone_is_a_refusal",
    "test_hsk.py::test_an_address_that_does_not_answer_is_told",
    "test_hsk.py::test_an_answer_without_token_is_no_success",
    "test_con.py::test_a_client_comes_back_after_a_close",
    "test_con.py::test_a_client_comes_back_after_an_abort",
    "test_con.py::test_a_client_outlasts_a_storm_of_resets",
    "test_con.py::test_a_refused_upgrade_is_told_at_first",
)


def commands(program: str) -> list[list[str]]:
    """What the README says is to be done to run this one, as words."""
    (block,) = (text for text in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if f'"{program} ' in text)
    return [shlex.split(line) for line in block.splitlines()]


def passes(words: list[str], report: Path) -> None:
    """A run with these words passes every case but those about what these clients do not declare."""
    chosen = [word for case in CASES for word in ("--case", case)]
    command = [str(TMCSPEC), *words[1:], *chosen, "-n", JOBS, "--report", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    run: dict[str, Any] = json.loads((report / "results.json").read_text(encoding="utf-8"))
    assert run["cases"]
    for case in run["cases"]:
        undeclared = case["message"].startswith("the client does not declare ")
        assert case["verdict"] == ("UNSUPPORTED" if undeclared else "PASS"), case["id"]


def test_the_node_example_passes_what_it_is_held_to(tmp_path: Path) -> None:
    assert shutil.which("node"), "node is not on PATH; published Node clients need Node 18 or newer"
    ((*words,),) = commands("node")
    passes(words, tmp_path)


@pytest.mark.skipif(not shutil.which("javac"), reason="there is no JDK: javac is not on PATH")
def test_the_java_example_passes_what_it_is_held_to(tmp_path: Path) -> None:
    classes = tmp_path / "classes"
    compiles, runs = ([word.replace("/tmp/adapter", str(classes)) for word in words] for words in commands("java"))
    sources = sorted(str(path) for path in ROOT.glob(compiles.pop()))
    subprocess.run([*compiles, *sources], check=True, timeout=LIMIT)
    passes(runs, tmp_path / "report")
