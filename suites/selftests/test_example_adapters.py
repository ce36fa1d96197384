"""The adapters for people to copy: those in Python hold a client as they are, and none has words of its own.

Those in other languages are run by suites/peers/test_examples.py.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from harness import CONNECTS, collected, results, tmcspec

from tmcsuites.adapters.contract import CAPABILITIES, OUTCOMES, STATUSES, ClientReceived, Deadlines

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "adapters"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
ADAPTERS = {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*/[aA]dapter.*"))}
NAMES = ["java", "node", "python-asyncio", "python-threads"]

#: The commands of the README that put an adapter through the suite, by the name of its folder.
COMMANDS = dict(zip(sorted(ADAPTERS, key=README.index), re.findall(r"(?m)^tmcspec (run .+)$", README), strict=True))

#: Each shows something else that an adapter has to do, and none takes more than a second or two.
QUICK = (
    CONNECTS,
    "test_hsk.py::test_a_refused_first_connection_is_told",
    "test_frm.py::test_int64_is_signed_and_exact[negative]",
    "test_frm.py::test_dates_are_epoch_milliseconds",
    "test_frm.py::test_a_message_without_content_is_survived[void]",
    "test_frm.py::test_text_beyond_ascii_survives[emoji]",
    "test_ack.py::test_handled_messages_are_confirmed",
    "test_ack.py::test_a_slow_handler_is_not_confirmed_early",
    "test_ack.py::test_a_failed_message_is_reported_and_not_confirmed",
    "test_ack.py::test_a_raising_handler_is_survived",
    "test_lid.py::test_no_confirm_settles_a_neighbour[double_production_size]",
    "test_pub.py::test_a_publish_about_a_topic_that_does_not_exist_is_an_error",
)

#: What an adapter is asked for; the probe is an operation that it has not.
OPERATIONS = {each.name for each in fields(Deadlines)} - {"probe", "term"}


def quoted(text: str, name: str) -> set[str]:
    """The literals that a member is given, in Python, JavaScript and Java."""
    return set(re.findall(rf"""\b{name}["']?\s*[:=,]\s*["'](\w+)["']""", text))


def declared(text: str) -> set[str]:
    found = re.search(r"CAPABILITIES = (?:List\.of\(|\[)([^\])]+)", text)
    assert found is not None
    return set(re.findall(r"\w+", found[1]))


def with_adapter(name: str, program: str) -> subprocess.CompletedProcess[str]:
    """Runs a program that imports `adapter`, in a process of its own: it takes standard output away."""
    path = os.pathsep.join([str(FOLDER / name), *sys.path])
    command = [sys.executable, "-c", program]
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)


def test_there_is_one_for_each_kind_of_client() -> None:
    assert sorted(ADAPTERS) == NAMES


@pytest.mark.parametrize("name", ["python-asyncio", "python-threads"])
def test_the_python_examples_pass_what_they_are_held_to(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = [word.replace("python ", f"{shlex.quote(sys.executable)} ") for word in shlex.split(COMMANDS[name])]
    chosen = [word for case in QUICK for word in ("--case", case)]
    ended = tmcspec(*words, *chosen, "--report", str(tmp_path))
    assert ended.status == 0, ended.out + ended.err
    verdicts = {case["id"]: case["verdict"] for case in results(str(tmp_path))["cases"]}
    assert verdicts == dict.fromkeys(sorted(QUICK), "PASS")


def test_what_is_run_of_them_are_cases() -> None:
    assert set(QUICK) <= set(collected())


#: Eight threads report at once, to an output that lets another thread go on after each piece of a line.
CROWD = """
import os, sys, threading, time
import adapter

class Pieces:
    def write(self, text):
        os.write(2, text.encode())
        time.sleep(0)

    def flush(self):
        pass

adapter.OUTPUT = Pieces()
crowd = [
    threading.Thread(target=lambda: [adapter.say(event="handled", message_id="1001", outcome="ok") for _ in range(100)])
    for _ in range(8)
]
for thread in crowd:
    thread.start()
for thread in crowd:
    thread.join()
"""


def test_lines_of_several_threads_do_not_run_into_each_other() -> None:
    done = with_adapter("python-threads", CROWD)
    assert set(done.stderr.splitlines()) == {'{"event": "handled", "message_id": "1001", "outcome": "ok"}'}
    assert len(done.stderr.splitlines()) == 800


@pytest.mark.parametrize("name", ["python-asyncio", "python-threads"])
def test_what_anybody_prints_goes_to_the_log(name: str) -> None:
    done = with_adapter(name, 'import adapter; print("a library at work"); adapter.say(event="online")')
    assert (done.stdout, done.stderr) == ('{"event": "online"}\n', "a library at work\n")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_declares_what_the_contract_knows(name: str) -> None:
    assert {"push", "fail", "raise"} <= declared(ADAPTERS[name]) <= CAPABILITIES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_the_operations_that_it_can_be_asked_for(name: str) -> None:
    text = ADAPTERS[name]
    asked = OPERATIONS - {"publish"} | ({"publish"} & declared(text))
    found = {op for op in OPERATIONS if re.search(rf"""["']{op}["']|^  (async )?{op}\(""", text, re.MULTILINE)}
    assert found - declared(text) == asked - declared(text)
    assert asked <= found


@pytest.mark.parametrize("name", NAMES)
def test_an_example_speaks_in_the_words_of_the_contract(name: str) -> None:
    text = ADAPTERS[name]
    assert quoted(text, "event") == {"received", "handled", "online", "offline"}
    assert set(re.findall(r"""["'](result|raised|unsupported|fault)["']""", text)) == STATUSES
    told = set(re.findall(r"""outcome\S* ?(?:===?|\.equals\()? ?["'](\w+)["']""", text))
    assert told <= OUTCOMES | {"hang"}
    assert "hang" in told


@pytest.mark.parametrize("name", NAMES)
def test_an_example_reports_every_member_that_a_message_has(name: str) -> None:
    event = ADAPTERS[name].partition("received")[2].partition("outcome")[0]
    assert {each.name for each in fields(ClientReceived)} == set(
        re.findall(r"""^\s+["']?(\w+)["']?\s*[:=,](?!=)""", event, re.MULTILINE)
    )


def test_the_readme_names_every_file_that_it_shows() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        assert (FOLDER / link).exists(), link
