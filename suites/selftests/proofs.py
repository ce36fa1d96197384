"""What a judge must say of a story.

    @violates("ACK-3", "7 was confirmed though its handler failed")
    def test_a_failed_message_that_is_confirmed_is_lost(story: Story) -> Evidence:
        story.connect()
        story.push(7, told=Instruction(outcome="fail"))
        story.received(7)
        done = story.handled(7, "fail")
        return done, story.confirm(7)

A proof is a story with what one clause must make of it; every clause needs one that passes, one that violates it and
one that does not exercise it. What a violating story returns are the entries that the judge must give as evidence. Each
proof is told twice: whether the service writes down the frame of a CONNECTACK or its meaning first may make no
difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stories import Story

from tmcspec.clauses import CLAUSES, Judgement, Result, judge
from tmcspec.clauses.history import History
from tmcspec.trace import Entry

Evidence = tuple[Entry, ...]


def judged(clause: str, story: Story) -> Judgement:
    """What one clause says of a story."""
    return judge(CLAUSES[clause], History(story.trace()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one clause must say of one story."""

    clause: str
    result: Result
    name: str


#: Every proof that was declared so far.
PROOFS: list[Proof] = []

Telling = Callable[[Story], Evidence | None]
Test = Callable[[], None]


def passes(clause: str, *, times: int | None = None, **setting: Any) -> Callable[[Telling], Test]:
    """The decorated story keeps the clause, and exercises it; exactly so many `times` when that is said."""

    def check(judgement: Judgement, evidence: Evidence) -> None:
        assert _messages(judgement) == [], _messages(judgement)
        assert judgement.result == "pass", judgement.result
        assert times is None or judgement.exercised == times, judgement.exercised

    return _proof(clause, "pass", check, setting)


def violates(clause: str, message: str, *, times: int | None = None, **setting: Any) -> Callable[[Telling], Test]:
    """The decorated story breaks the clause once, with this message, proved by the entries that it returns."""

    def check(judgement: Judgement, evidence: Evidence) -> None:
        assert _messages(judgement) == [message], _messages(judgement)
        found = judgement.violations[0].evidence
        assert found == evidence, [(entry.seq, entry.event.word) for entry in found]
        assert times is None or judgement.exercised == times, judgement.exercised

    return _proof(clause, "violated", check, setting)


def leaves_open(clause: str, **setting: Any) -> Callable[[Telling], Test]:
    """The decorated story says nothing about the clause."""

    def check(judgement: Judgement, evidence: Evidence) -> None:
        assert _messages(judgement) == [], _messages(judgement)
        assert judgement.result == "not_exercised", judgement.exercised

    return _proof(clause, "not_exercised", check, setting)


def _messages(judgement: Judgement) -> list[str]:
    return [finding.message for finding in judgement.violations]


def _proof(
    clause: str, result: Result, check: Callable[[Judgement, Evidence], None], setting: dict[str, Any]
) -> Callable[[Telling], Test]:
    def declare(tell: Telling) -> Test:
        PROOFS.append(Proof(clause=clause, result=result, name=tell.__name__))

        def test() -> None:
            for ack_first in (False, True):
                story = Story(ack_first=ack_first, **setting)
                evidence = tell(story) or ()
                check(judged(clause, story), evidence)

        test.__name__ = tell.__name__
        test.__qualname__ = tell.__qualname__
        test.__doc__ = tell.__doc__
        test.__module__ = tell.__module__
        return test

    return declare
