"""Every example in a docstring of `tmcspec` does what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import tmcspec

MODULES = ["tmcspec", *(found.name for found in pkgutil.walk_packages(tmcspec.__path__, "tmcspec."))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    output: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(importlib.import_module(name)):
        runner.run(test, out=output.append)
    assert not runner.failures, "".join(output)


def test_an_example_that_does_not_hold_is_noticed() -> None:
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test, out=lambda text: None).failed == 1


def test_no_module_is_overlooked() -> None:
    root = Path(tmcspec.__file__).parent
    files = {path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py")}
    assert {".".join(path.parts).removesuffix(".__init__") for path in files} == set(MODULES)
