"""A client in this process, by the name of what makes it: `MODULE:FACTORY`.

To import a module is to run it. So such a name is taken from a command line, and never from a file.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable
from typing import Any

from tmcsuites.adapters.contract import Subject, SubjectError
from tmcsuites.adapters.in_process import InProcessSubject
from tmcsuites.worlds import SubjectFactory


class ImportFailed(ValueError):
    """There is nothing of this name that makes clients."""


def factory_of(name: str) -> SubjectFactory:
    """Makes clients by calling `FACTORY(wall_clock=…, rng=…)`; whatever that raises is a SubjectError, and what it
    gives is held to the contract.

    Args:
        name: `MODULE:FACTORY`; the module may be in the current directory.

    Raises:
        ImportFailed: the name has another form, the module cannot be imported, or has nothing callable of that name.
    """
    make = _imported(name)

    def made(wall_clock: Callable[[], float], rng: random.Random) -> Subject:
        try:
            subject = make(wall_clock=wall_clock, rng=rng)
        except Exception as error:
            raise SubjectError(f"{name}: {type(error).__name__}: {error}") from error
        return InProcessSubject(name, subject)

    return made


def _imported(name: str) -> Any:
    module, _, factory = name.partition(":")
    if not module or not factory:
        raise ImportFailed(f"{name!r} names no factory; MODULE:FACTORY is expected, as mypackage.tmc:make_subject")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), factory)
    except (Exception, SystemExit) as error:
        # Importing runs the module, which may fail in any way.
        raise ImportFailed(f"{name}: {type(error).__name__}: {error}") from None
    if not callable(found):
        raise ImportFailed(f"{name} is {found!r}, which cannot be called; a factory of a client is expected")
    return found
