"""What the README says is so: its commands are those that CI runs, and its Python runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from harness import collected

from tmcspec.clauses import CLAUSES
from tmcsuites.adapters.contract import CAPABILITIES
from tmcsuites.cli import tmcspec
from tmcsuites.verdict import ExitStatus, Verdict

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def test_ci_runs_the_test_command_of_the_readme_and_nothing_else() -> None:
    commands = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert commands[:-1] == ["set -euo pipefail", 'cd "$(dirname "$0")/.."']
    assert ("sh", commands[-1] + "\n") in BLOCKS


def test_the_python_of_the_readme_names_things_that_exist() -> None:
    snippets = [text for language, text in BLOCKS if language == "python"]
    assert snippets
    for text in snippets:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                names = ", ".join(alias.name for alias in node.names)
                exec(f"from {node.module} import {names}", {})


def test_the_complete_example_of_the_readme_runs() -> None:
    (text,) = (text for language, text in BLOCKS if language == "python" and "asyncio.run(test_" in text)
    exec(text, {})


def test_the_commands_of_the_readme_exist() -> None:
    for name in re.findall(r"`tmcspec (\w+)", README.partition("## What is not there yet")[0]):
        assert name in tmcspec.commands


def test_the_run_that_the_readme_shows_is_that_of_this_suite() -> None:
    cases, clauses = re.search(r"simulated, seed 0: (\d+) cases, (\d+) clauses", README).groups()  # type: ignore[union-attr]
    assert (int(cases), int(clauses)) == (len(collected()), len(CLAUSES))


def test_the_contract_lists_every_verdict_exit_status_and_capability() -> None:
    contract = (ROOT / "docs" / "adapter.md").read_text(encoding="utf-8")
    for verdict in Verdict:
        assert f"| {verdict} |" in contract
    for status in ExitStatus:
        assert f"| {int(status)} |" in contract
    for capability in CAPABILITIES:
        assert f"`{capability}`" in contract
