"""A counter-example: a plan with which a client breaks a clause, in a file that can be replayed.

    {"counterexample": 1, "tmcspec": "0.1.0", "clause": "ACK-2", "client": "reference", "plan": {"plan": 1, …}}

`client` is a name as `tmcspec simulate --client` takes it. Where the plan was made smaller from one that was drawn at
random, `drawn` says how that one was drawn. A file comes from anybody: nothing in it is run, and all of it is checked.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from textwrap import indent
from typing import Any, Self

from tmcspec import __version__
from tmcspec.clauses import CLAUSES
from tmcspec.frame_values import show
from tmcspec.json_text import unique
from tmcsuites.chaos.fleet import PYTHON, REFERENCE, is_code
from tmcsuites.chaos.plan import CLIENT_LIMIT, MESSAGE_LIMIT, SECONDS_LIMIT, Plan, PlanError

#: A name is a word.
CLIENT_NAME_LIMIT = 200


class CounterExampleError(ValueError):
    """A counter-example, or the file of one, is not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How a plan was drawn at random: the arguments of `draw_plan`, with faults.

    Args:
        seed: a signed 64-bit integer.
        hours: more than 0, at most 744.
        clients: 0 to 100.
        messages: 0 to 200,000.

    Raises:
        CounterExampleError: one of them is something else.
    """

    seed: int
    hours: float
    clients: int
    messages: int

    def __post_init__(self) -> None:
        for name, least, most in (
            ("seed", -(2**63), 2**63 - 1),
            ("clients", 0, CLIENT_LIMIT),
            ("messages", 0, MESSAGE_LIMIT),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise CounterExampleError(
                    f"{name} of a drawn plan is an integer from {least} to {most}, not {show(value)}"
                )
        number = isinstance(self.hours, int | float) and not isinstance(self.hours, bool)
        if not number or not 0 < self.hours <= SECONDS_LIMIT / 3600:
            raise CounterExampleError(
                f"hours of a drawn plan are more than 0, at most {SECONDS_LIMIT / 3600:g}, not {show(self.hours)}"
            )

    def words(self, client: str) -> list[str]:
        """The command that draws the plan and plays it with a client."""
        hours = repr(self.hours).removesuffix(".0")  # with all its digits: another length is another day
        words = ["tmcspec", "simulate", "--seed", str(self.seed), "--hours", hours]
        words += ["--clients", str(self.clients), "--messages", str(self.messages), "--faults", "random"]
        return [*words, "--client", client]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterExample:
    """A plan with which a client breaks a clause.

    Args:
        clause: the id of the clause.
        client: which client it is.
        shown_by: the id of the clause by whose cases `tmcspec run` shows a defect of the client, too; None when none
            does, or nobody has looked.
        plan: what is to happen.
        drawn: how the plan was drawn that this one was made from; None when it was written by hand.

    Raises:
        CounterExampleError: there is no such clause, or the client has no name.

    Example:
        >>> example = CounterExample(clause="ACK-2", client="mutant:confirms-first", plan=Plan())
        >>> load(example.dumps()) == example
        True
    """

    clause: str
    client: str
    plan: Plan
    shown_by: str | None = None
    drawn: Drawn | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.clause, str) or self.clause not in CLAUSES:
            raise CounterExampleError(
                f"the clause of a counter-example is the id of one, as ACK-2, not {show(self.clause)}; "
                "tmcspec clauses lists them"
            )
        if self.shown_by is not None and (not isinstance(self.shown_by, str) or self.shown_by not in CLAUSES):
            raise CounterExampleError(
                f"a counter-example is shown by the cases about a clause, as ACK-2, not {show(self.shown_by)}; "
                "tmcspec clauses lists them"
            )
        if not isinstance(self.client, str) or not 0 < len(self.client) <= CLIENT_NAME_LIMIT:
            raise CounterExampleError(
                f"the client of a counter-example is a name of up to {CLIENT_NAME_LIMIT} characters, "
                f"not {show(self.client)}"
            )

    def commands(self, file: str) -> list[str]:
        """The commands that show it again, when it is in this file: the plan, the day that it was found in, and the
        cases that show it, for a client that `tmcspec run` can run.
        """
        # What a file says is code is not run: who replays it says so.
        said = ["--client", self.client] if is_code(self.client) else []
        found = [["tmcspec", "replay", file, *said]]
        if self.drawn is not None:
            found.append(self.drawn.words(self.client))
        if self.shown_by is not None and can_run(self.client):
            python = ["--python", self.client.removeprefix(PYTHON)] if is_code(self.client) else []
            found.append(["tmcspec", "run", *python, "--clause", self.shown_by])
        return [shlex.join(words) for words in found]

    def dumps(self) -> str:
        """Its JSON form, for people to read and to edit."""
        members: dict[str, Any] = {
            "counterexample": 1,
            "tmcspec": __version__,
            "clause": self.clause,
            "client": self.client,
        }
        if self.shown_by is not None:
            members["shown_by"] = self.shown_by
        if self.drawn is not None:
            members["drawn"] = asdict(self.drawn)
        lines = [f' "{name}": {json.dumps(value)},' for name, value in members.items()]
        plan = indent(self.plan.dumps().rstrip("\n"), " ").lstrip()
        return "\n".join(["{", *lines, f' "plan": {plan}', "}"]) + "\n"

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """A counter-example from its JSON form. Raises CounterExampleError."""
        if not isinstance(value, dict) or value.get("counterexample") != 1:
            raise CounterExampleError(f'a counter-example is an object with "counterexample": 1; not {show(value)}')
        known = ("counterexample", "tmcspec", "clause", "client", "shown_by", "drawn", "plan")
        needed = ("clause", "client", "plan")
        _check_members("a counter-example", value, known, needed)
        try:
            plan = Plan.from_json(value["plan"])
        except PlanError as error:
            raise CounterExampleError(f"its plan: {error}") from None
        drawn = None if value.get("drawn") is None else _drawn_of(value["drawn"])
        shown_by = value.get("shown_by")
        return cls(clause=value["clause"], client=value["client"], plan=plan, shown_by=shown_by, drawn=drawn)


def can_run(client: str) -> bool:
    """Whether `tmcspec run` takes a client of this name; it knows no mutants."""
    return client == REFERENCE or is_code(client)


def load(text: str) -> CounterExample | Plan:
    """What is to be replayed: a counter-example, or a plan alone, which accuses nobody.

    Raises:
        CounterExampleError, PlanError: it is neither.
    """
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CounterExampleError(f"a counter-example is JSON; {error}") from None
    if isinstance(value, dict) and "plan" in value and "counterexample" not in value:
        return Plan.from_json(value)
    return CounterExample.from_json(value)


def _drawn_of(value: Any) -> Drawn:
    if not isinstance(value, dict):
        raise CounterExampleError(f'"drawn" of a counter-example is an object, not {show(value)}')
    members = ("seed", "hours", "clients", "messages")
    _check_members("a drawn plan", value, members, members)
    return Drawn(**value)


def _check_members(what: str, value: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...]) -> None:
    if unknown := sorted(set(value) - set(known)):
        raise CounterExampleError(f"{what} has no member {show(unknown[0])}; valid: {', '.join(known)}")
    if missing := [name for name in needed if name not in value]:
        raise CounterExampleError(f"{what} needs a member {missing[0]!r}")
