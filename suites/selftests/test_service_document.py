"""docs/service.md goes through the official document statement by statement, and what it says is so: every statement is
there, every test that it names exists and is about that statement, and so are the parameters that show another reading.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tmcfakes.methods import METHODS
from tmcspec.clauses import CLAUSES

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DOCUMENT = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
SERVE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")

#: Where tests live; no name of a file is in both.
FOLDERS = (HERE, ROOT / "suites" / "tmcsuites" / "cases")

STATEMENTS = [*(f"S{number}" for number in range(1, 53)), "S52a", *(f"S{number}" for number in range(53, 74))]
STATUSES = ("enforced", "advice", "SDK", "not modelled")

#: A reason, in characters; less is an excuse.
REASON = 40

OPEN_QUESTIONS = "## Where the document contradicts itself or is silent"
TEST = re.compile(r"`(test_\w+\.py)::(\w+)`")


class Row(NamedTuple):
    """What docs/service.md says of a statement."""

    number: str
    statement: str
    words: str
    here: str

    @property
    def tests(self) -> list[tuple[str, str]]:
        return TEST.findall(self.here)

    @property
    def status(self) -> str:
        """Empty unless there is exactly one."""
        found = re.findall(r"\*\*(.+?)\*\*", self.here)
        return found[0] if len(found) == 1 and found[0] in STATUSES else ""


def rows(document: str) -> list[Row]:
    found = []
    for line in document.splitlines():
        if re.match(r"\| S\d", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            found.append(Row(*(cells + 4 * [""])[:4]))
    return found


class Module(NamedTuple):
    """A file with tests: its docstring, and each test with the comments and decorators above it."""

    docstring: str
    tests: dict[str, str]


@functools.cache
def module(name: str) -> Module | None:
    """What pytest collects of a file; None when there is no such file."""
    paths = [folder / name for folder in FOLDERS if (folder / name).exists()]
    if not paths:
        return None
    (path,) = paths
    return read(path.read_text(encoding="utf-8"), cases=path.parent != HERE)


def read(text: str, *, cases: bool) -> Module:
    """Of two functions with one name the later hides the other; and among the cases, what is no case is no test."""
    tree, lines, tests, end = ast.parse(text), text.splitlines(), {}, 0
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
            collected = "case" in decorators if cases else "pytest.fixture" not in decorators
            if node.name.startswith("test_") and collected:
                tests[node.name] = "\n".join(lines[end : node.end_lineno])
        end = node.end_lineno or end
    return Module(ast.get_docstring(tree) or "", tests)


# What may be wrong with the document


def missing_or_twice(document: str) -> Iterator[str]:
    numbers = [row.number for row in rows(document)]
    counts = Counter(numbers)
    for number in STATEMENTS:
        if counts[number] != 1:
            yield f"{number} has {counts[number]} rows: give it exactly one, `| {number} | statement | words | here |`"
    if unknown := sorted(counts.keys() - set(STATEMENTS)):
        yield f"there are rows for {', '.join(unknown)}, which are no statements: S1 to S73 and S52a are"
    elif numbers != sorted(numbers, key=STATEMENTS.index):
        yield "the rows are not in the order of the document: put them into that of their numbers"


def incomplete(document: str) -> Iterator[str]:
    for row in rows(document):
        if len(row.statement) < 10 or not row.statement.endswith("."):
            yield f"{row.number}: its second cell must be the statement as an English sentence, not {row.statement!r}"
        if not re.search(r"[\u4e00-\u9fff]", row.words) and "isv." not in row.words:
            yield f"{row.number}: its third cell must quote the words that matter, not {row.words!r}"
        if not row.status or not row.here.startswith(f"**{row.status}**"):
            yield f"{row.number}: its last cell must begin with one of {', '.join(f'**{each}**' for each in STATUSES)}"


def without_reason(document: str) -> Iterator[str]:
    for row in rows(document):
        if row.status == "enforced" and not row.tests:
            yield f"{row.number} is enforced by no test: name one as `test_file.py::test_name`, or say that it is not"
        words = TEST.sub("", row.here).replace(f"**{row.status}**", "")
        if row.status in ("advice", "not modelled", "SDK") and len(words) < REASON:
            yield f"{row.number} is {row.status}, and does not say why or what helps: write a sentence"


def no_tests(document: str) -> Iterator[str]:
    for file, name in TEST.findall(document):
        found = module(file)
        if found is None:
            yield f"there is no {file} in {' or '.join(str(each.relative_to(ROOT)) for each in FOLDERS)}: name another"
        elif name not in found.tests:
            yield f"pytest collects no {name} in {file}: name the test that took its place, without brackets"
    if odd := re.findall(r"`[^`]*::[^`]*`", TEST.sub("", document)):
        yield f"{', '.join(odd)} is no `test_file.py::test_name`: write it so"


def about_something_else(document: str) -> Iterator[str]:
    for row in rows(document):
        for file, name in row.tests:
            found = module(file)
            if found and not re.search(rf"\b{row.number}\b", found.docstring + found.tests.get(name, "")):
                yield (
                    f"{file}::{name} does not say that it is about {row.number}: write the number into its docstring "
                    f"or a comment above it if it is, or name another test"
                )


def unknown_names(document: str) -> Iterator[str]:
    areas = {clause.partition("-")[0] for clause in CLAUSES}
    for clause in re.findall(r"\b[A-Z]{3}-\d+\b", document):
        if clause.partition("-")[0] in areas and clause not in CLAUSES:
            yield f"there is no clause {clause}: `tmcspec clauses` lists those that there are"
    for method in re.findall(r"`(taobao\.[\w.]+)`", document):
        if method not in METHODS:
            yield f"the gateway has no method {method}: see tmcfakes/methods.py"
    for verb, path in re.findall(r"`(GET|POST|PUT|DELETE) ([\w/]+)`", document):
        if f"### `{verb} /_tmc/{path}`" not in SERVE:
            yield f"the control API has no {verb} {path}: see docs/serve.md"


def unknown_parameters(document: str) -> Iterator[str]:
    part = document.partition(OPEN_QUESTIONS)[2]
    homes = dict(re.findall(r"`(\w+)`(?:\s+is)?\s+in\s+`([\w.]+)`", part))
    named = re.findall(r"`([A-Z]\w*)\.(\w+)`", part)
    if not named:
        yield f"no parameter is named under {OPEN_QUESTIONS!r}: write them as `Class.parameter`"
    for owner, name in named:
        if owner not in homes:
            yield f"the document does not say where {owner} is: add it to the sentence that begins with `Timing`"
            continue
        kind = getattr(importlib.import_module(homes[owner]), owner, None)
        if kind is None:
            yield f"there is no {owner} in {homes[owner]}: say where it is now"
        elif name not in inspect.signature(kind).parameters and not hasattr(kind, name):
            yield f"{owner} has no {name}: name the parameter that shows the other reading now"


def without_other_reading(document: str) -> Iterator[str]:
    part = document.partition(OPEN_QUESTIONS)[2]
    for line in part.splitlines():
        if line.startswith("| ") and not line.startswith("| about |"):
            last = line.strip().strip("|").split(" | ")[-1].strip()
            if not last.startswith("none") and not re.search(r"`[A-Z]\w*\.\w+`", last):
                yield f"{line[:60]}…: its last cell must name a `Class.parameter`, or say that there is none"


CHECKS: list[Callable[[str], Iterator[str]]] = [
    missing_or_twice,
    incomplete,
    without_reason,
    no_tests,
    about_something_else,
    unknown_names,
    unknown_parameters,
    without_other_reading,
]


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_is_wrong_with_the_document(check: Callable[[str], Iterator[str]]) -> None:
    assert list(check(DOCUMENT)) == []


ROW = "| S99 | It is so, and no other way. | 消息 | {} |\n"
GOOD = "`test_tracks.py::test_the_chain_of_addresses`"
LOOSE = OPEN_QUESTIONS + "\n\n`Flow` is in `tmcspec.flow`.\n\n| about | here | the other reading |\n| - | - | {} |\n"


@pytest.mark.parametrize(
    ("check", "document", "complaint"),
    [
        (missing_or_twice, DOCUMENT.replace("| S5 |", "| S4 |"), "S5 has 0 rows"),
        (missing_or_twice, DOCUMENT.replace("| S5 |", "| S4 |"), "S4 has 2 rows"),
        (missing_or_twice, DOCUMENT + ROW, "rows for S99, which are no statements"),
        (missing_or_twice, DOCUMENT.replace("| S52a |", "| S0 |").replace("| S52 |", "| S52a |"), "S52 has 0 rows"),
        (incomplete, ROW.format(f"**Enforced**: {GOOD}"), "must begin with one of"),
        (incomplete, ROW.format(f"**enforced** and **advice**: {GOOD}"), "must begin with one of"),
        (incomplete, ROW.replace("消息", "message").format("**enforced**"), "must quote the words"),
        (incomplete, ROW.replace("It is so, and no other way.", "So.").format("**enforced**"), "English sentence"),
        (without_reason, ROW.format("**enforced** by RDL-1, GRP-1 and whoever looks at it"), "enforced by no test"),
        (without_reason, ROW.format(f"**advice**: no. {GOOD}"), "does not say why"),
        (without_reason, ROW.format("**not modelled**: too hard"), "does not say why"),
        (no_tests, "`test_nowhere.py::test_a`", "there is no test_nowhere.py"),
        (no_tests, "`test_tracks.py::test_the_chain`", "pytest collects no test_the_chain in test_tracks.py"),
        (no_tests, "`test_tracks.py::world`", "pytest collects no world"),
        (no_tests, "`test_tracks.py::test_the_chain_of_addresses[1]`", "write it so"),
        (about_something_else, ROW.format(GOOD), "does not say that it is about S99"),
        (unknown_names, "held by RDL-99", "no clause RDL-99"),
        (unknown_names, "`taobao.tmc.user.forget`", "no method taobao.tmc.user.forget"),
        (unknown_names, "`PUT alarms`", "no PUT alarms"),
        (unknown_parameters, LOOSE, "no parameter is named"),
        (unknown_parameters, LOOSE.format("`Flow.speed`"), "Flow has no speed"),
        (unknown_parameters, LOOSE.format("`Time.speed`"), "does not say where Time is"),
        (
            unknown_parameters,
            LOOSE.replace("`Flow` is", "`Flows` is").format("`Flows.unit`"),
            "no Flows in tmcspec.flow",
        ),
        (without_other_reading, LOOSE.format("some"), "must name a `Class.parameter`"),
    ],
)
def test_each_check_says_what_it_found(check: Callable[[str], Iterator[str]], document: str, complaint: str) -> None:
    assert complaint in "\n".join(check(document))


def test_a_test_is_read_with_what_stands_above_it() -> None:
    text = (
        '"""About S1."""\n\nX = 1  # S2\n\n# S3\n\n\n@mark\ndef test_a():\n    pass  # S4\n\n\ndef help():\n    pass\n'
    )
    found = read(text, cases=False)
    assert (found.docstring, list(found.tests)) == ("About S1.", ["test_a"])
    assert [number in found.tests["test_a"] for number in ("S2", "S3", "S4")] == [False, True, True]


def test_what_pytest_does_not_run_is_no_test() -> None:
    text = "@pytest.fixture\ndef test_a(): ...\n\n\n@case('A')\nasync def test_b(): ...\n\n\ndef test_c(): ...\n"
    assert list(read(text, cases=False).tests) == ["test_b", "test_c"]
    assert list(read(text, cases=True).tests) == ["test_b"]
