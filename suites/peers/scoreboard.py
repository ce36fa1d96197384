"""The scoreboard of the published clients in docs/peers.md, from what is on record of each: its verdicts, its
known-failing list, and its defects.

    python suites/peers/scoreboard.py

writes it anew between two marks; what stands around them is written by hand. A test holds that it was done.

`defects.toml` lists the defects of a peer that are known from reading it, or from running it against other services,
each with the clause and the case that find it, or with the reason why none can:

    [[defect]]
    where = "client.py:172"
    what = "it confirms before it calls the handler"
    clause = "ACK-2"
    case = "test_ack.py::test_a_slow_handler_is_not_confirmed_early"
    adapter = "--more"   # only when the adapter is started with this; left out else

    [[defect]]
    where = "messageio.py:193"
    what = "…"
    unseen = "why not"
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmcspec.clauses import CLAUSES
from tmcsuites.known_failing import Expectation, load
from tmcsuites.verdict import Verdict

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "peers.md"

BEGIN = "<!-- python suites/peers/scoreboard.py writes from here -->\n"
END = "<!-- to here -->\n"

#: What a client that does nothing wrong ends with.
FINE = (Verdict.PASS, Verdict.INFO, Verdict.UNSUPPORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One entry of `defects.toml`; see the module. Raises ValueError: neither found nor excused, or both."""

    where: str
    what: str
    clause: str | None = None
    case: str | None = None
    adapter: str | None = None
    unseen: str | None = None

    def __post_init__(self) -> None:
        found = bool(self.clause and self.case)
        if found is bool(self.unseen) or (self.unseen and (self.clause or self.case or self.adapter)):
            raise ValueError(f"{self.where}: a defect has a clause and a case that find it, or a reason why none can")
        if self.clause is not None and self.clause not in CLAUSES:
            raise ValueError(f"{self.where}: clause is {self.clause!r}; known: {', '.join(CLAUSES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is on record of one peer.

    Args:
        name: of its package and its folder.
        verdicts: by case.
        failing: its known-failing list.
        defects: what is known to be wrong with it.
    """

    name: str
    verdicts: dict[str, Verdict]
    failing: Sequence[Expectation]
    defects: Sequence[Defect]


def record(name: str) -> Record:
    """Reads what is on record of a peer. Raises ValueError and OSError: a file is missing or wrong."""
    folder = HERE / name
    lines = [line.partition(" ") for line in (folder / "verdicts.txt").read_text(encoding="utf-8").splitlines()]
    table = tomllib.loads((folder / "defects.toml").read_text(encoding="utf-8"))
    return Record(
        name=name,
        verdicts={case: Verdict(verdict) for verdict, _, case in lines},
        failing=load(folder / "known-failing.toml").entries,
        defects=[Defect(**each) for each in table["defect"]],
    )


def records() -> list[Record]:
    return [record(file.parent.name) for file in sorted(HERE.glob("*/verdicts.txt"))]


def scoreboard(of: Sequence[Record]) -> str:
    """The generated part of the document."""
    return "\n".join(line for each in of for line in _section(each)) + "\n"


def renewed(document: str, of: Sequence[Record]) -> str:
    """The document with this scoreboard in it. Raises ValueError: the marks are not there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN.strip()!r} with {END.strip()!r} behind it")
    return before + begin + "\n" + scoreboard(of) + end + after


def _section(of: Record) -> Iterator[str]:
    yield from (f"## {of.name}", "", "### Verdicts", "")
    yield from _counts(of)
    yield from ("", "### Clauses that it breaks", "", "| clause | level | where | how, and why |", "|---|---|---|---|")
    order = list(CLAUSES)
    for entry in sorted(of.failing, key=lambda entry: order.index(entry.clause)):
        how = f"{entry.verdict}: " if entry.verdict else ""
        where = f"`{_short(entry.case)}`" if entry.case else "everywhere"
        yield f"| {entry.clause} | {CLAUSES[entry.clause].level} | {where} | {how}{_cell(entry.reason)} |"
    yield from ("", "### Known defects, and what finds them", "", "| where | what | found by |", "|---|---|---|")
    for defect in of.defects:
        if defect.case:
            more = f" with `{defect.adapter}`" if defect.adapter else ""
            yield f"| {defect.where} | {_cell(defect.what)} | {defect.clause} in `{_short(defect.case)}`{more} |"
    yield from ("", "### Known defects that the suite does not see", "", "| where | what | why not |", "|---|---|---|")
    for defect in of.defects:
        if defect.unseen:
            yield f"| {defect.where} | {_cell(defect.what)} | {_cell(defect.unseen)} |"
    yield ""


def _counts(of: Record) -> Iterator[str]:
    """A table: areas down, verdicts across."""
    found = set(of.verdicts.values())
    columns = [verdict for verdict in Verdict if verdict in found]
    areas: dict[str, Counter[Verdict]] = {}
    for case, verdict in of.verdicts.items():
        areas.setdefault(_area(case), Counter())[verdict] += 1
    yield f"| area | cases | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 2) + "|"
    order = list(dict.fromkeys(clause.area for clause in CLAUSES.values()))
    total: Counter[Verdict] = Counter()
    for area in sorted(areas, key=order.index):
        yield _row(area, areas[area], columns)
        total += areas[area]
    yield _row("all", total, columns)


def _area(case: str) -> str:
    """Its module is named after it. Raises ValueError: not an id of a case."""
    found = re.match(r"test_(\w+)\.py::", case)
    if found is None:
        raise ValueError(f"{case!r} is not the id of a case, as test_ack.py::test_handled_messages_are_confirmed")
    return found[1].upper()


def _row(name: str, counts: Counter[Verdict], columns: Sequence[Verdict]) -> str:
    return f"| {name} | {counts.total()} | {' | '.join(str(counts[verdict] or '') for verdict in columns)} |"


def _short(case: str) -> str:
    """A case without its file: the clause beside it tells the area."""
    return case.partition("::")[2]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(encoding="utf-8"), records()), encoding="utf-8")


if __name__ == "__main__":
    main()
