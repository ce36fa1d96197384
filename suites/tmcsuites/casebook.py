"""What makes a coroutine function a case: the clauses it is about, and what a client must be able to do for it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import pytest

from tmcspec.clauses import CLAUSES
from tmcsuites.adapters.contract import CAPABILITIES
from tmcsuites.stage import Stage

CaseFunction: TypeAlias = Callable[[Stage], Coroutine[Any, Any, None]]

F = TypeVar("F", bound=Callable[..., Coroutine[Any, Any, None]])

#: The pytest marker that carries a `Case`.
MARK = "tmc_case"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case, as `tmcspec run` sees it.

    Args:
        clauses: ids of the clauses that it brings to bear, at least one; the first names its area.
        needs: capabilities that a client must declare.
        handlers: whether it takes an adapter that obeys instructions; else a bare program can do it, too.
        optional: whether a client may give nothing to judge by, since libraries need not show their users what the case
            looks at.
        waits: seconds that the client's own timers have in it, at most; 0 where nothing of note depends on them. What
            may wait longest is begun first when cases run side by side.

    Raises:
        ValueError: an unknown clause or capability, or `waits` is negative.
    """

    clauses: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    handlers: bool = True
    optional: bool = False
    waits: float = 0.0

    def __post_init__(self) -> None:
        if unknown := [id for id in self.clauses if id not in CLAUSES]:
            raise ValueError(f"unknown clauses {unknown}; known: {', '.join(CLAUSES)}")
        if not self.clauses:
            raise ValueError("a case is about at least one clause")
        if unknown := sorted(self.needs - CAPABILITIES):
            raise ValueError(f"unknown capabilities {unknown}; known: {', '.join(sorted(CAPABILITIES))}")
        if not self.waits >= 0:
            raise ValueError(f"waits is {self.waits!r}; seconds are expected, 0 or more")

    @property
    def area(self) -> str:
        return CLAUSES[self.clauses[0]].area


def case(
    *clauses: str, needs: tuple[str, ...] = (), handlers: bool = True, optional: bool = False, waits: float = 0.0
) -> Callable[[F], F]:
    """Declares a case about these clauses; see `Case`.

    Example:
        >>> @case("ACK-2")
        ... async def test_a_slow_handler_is_not_confirmed_early(tmc_stage: Stage) -> None: ...
    """
    mark = getattr(pytest.mark, MARK)(
        Case(clauses=clauses, needs=frozenset(needs), handlers=handlers, optional=optional, waits=waits)
    )

    def declare(function: F) -> F:
        marked: F = mark(function)
        return marked

    return declare
