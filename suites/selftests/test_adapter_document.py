"""What docs/adapter.md says of the tools for who writes an adapter is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
from harness import tmcspec

from tmcsuites import schemas
from tmcsuites.cli import tmcspec as command
from tmcsuites.lint.inspection import LINES, VISITS
from tmcsuites.lint.life import outcomes

TEXT = (Path(__file__).parents[2] / "docs" / "adapter.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]


def names(text: str) -> list[str]:
    """The names in the first column of its table."""
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)]


def test_every_check_of_an_adapter_is_in_the_table() -> None:
    checks = {check.name for checks in VISITS for check in checks} | set(LINES)
    assert sorted(names(section("Is it sound?"))) == sorted(checks)
    processes = {2: "Two", 3: "Three", 4: "Four"}[len(VISITS)]
    assert f"{processes} processes of it" in section("Is it sound?")


def test_the_finding_that_is_shown_is_one() -> None:
    assert f"    wrong   outcomes        {outcomes.wants}\n" in section("Is it sound?")


def test_every_schema_is_in_the_table() -> None:
    assert names(section("JSON Schemas")) == list(schemas.NAMES)
    for part in re.findall(r"`(\w+_answer)`", section("JSON Schemas")):
        assert part in schemas.schema("adapter-line")["$defs"]


def test_the_python_of_the_document_runs() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(snippet, {})


def test_the_commands_of_the_document_exist_with_their_options() -> None:
    shown = re.findall(r"^    (tmcspec .*)$", TEXT, re.MULTILINE)
    assert len(shown) == 5
    for line in shown:
        found: click.Command = command
        words, path = shlex.split(line)[1:], []
        while isinstance(found, click.Group):
            path.append(words.pop(0))
            found = found.commands[path[-1]]
        found.make_context(path[-1], words)
        in_a_group = len(path) > 1
        assert not in_a_group or line in tmcspec(*path, "--help").out, "the help has the same example"
