"""The questions that are put to an adapter, in the order in which they are put.

Four processes of it are visited. The first leads a whole life and ends with `bye` (`life`), the others are short: one
is refused by the service, one has a handler that never returns and ends by SIGTERM, one ends with its input (`ends`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from tmcsuites.lint.visit import Seen, Skipped, Visit

Look: TypeAlias = Callable[[Visit], Awaitable[Seen]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question to an adapter.

    Args:
        name: one word.
        wants: what the contract wants, a sentence.
        look: asks it. It raises Skipped when there is nothing to ask.
        posthumous: whether it is asked even when the process has ended.
    """

    name: str
    wants: str
    look: Look
    posthumous: bool = False


def of(name: str, wants: str, *, posthumous: bool = False) -> Callable[[Look], Check]:
    """Makes a function a check."""
    return lambda look: Check(name=name, wants=wants, look=look, posthumous=posthumous)


def sound(sent: str, came: str) -> Seen:
    """As it should be."""
    return Seen(verdict="sound", sent=sent, came=came)


def wrong(sent: str, came: str) -> Seen:
    """Against the contract."""
    return Seen(verdict="wrong", sent=sent, came=came)


def noted(sent: str, came: str) -> Seen:
    """Odd, and perhaps the library's doing: the clauses judge it."""
    return Seen(verdict="noted", sent=sent, came=came)


def judged(right: bool, sent: str, came: str) -> Seen:
    """Right or wrong."""
    return sound(sent, came) if right else wrong(sent, came)


def declared(visit: Visit, capability: str) -> None:
    """Raises Skipped: the adapter does not say that it can do so."""
    if not visit.declares(capability):
        raise Skipped(f"the adapter does not declare {capability!r}")
