"""Asks an adapter everything, and says what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tmcsuites.adapters.contract import PROTOCOL_VERSION, ClientInfo, Unavailable
from tmcsuites.adapters.process import PROBE
from tmcsuites.adapters.protocol import LineError
from tmcsuites.lint.checks import Check
from tmcsuites.lint.ends import HANGING, ORPHANED, REFUSAL
from tmcsuites.lint.life import LIFE, hello, ids
from tmcsuites.lint.talk import Complaint, Kind, Talk
from tmcsuites.lint.visit import Seen, Skipped, Verdict, Visit, greeted, service

VISITS: tuple[tuple[Check, ...], ...] = (LIFE, REFUSAL, HANGING, ORPHANED)

#: What is wanted of every line, in all visits. `ids` has a check of its own, too.
LINES: dict[Kind, str] = {
    "json-lines": "standard output is for answers and events, one JSON object a line; logs go to standard error",
    "decimal-strings": "64-bit integers and dates are decimal strings, because JSON readers round numbers above 2^53",
    "members": "answers and events have the members of the contract",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one check. `wants` is what the contract wants."""

    check: str
    verdict: Verdict
    sent: str
    came: str
    wants: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What came of all checks.

    Args:
        info: who the adapter says it holds; None when it did not say.
        findings: in the order in which it was asked.
        log: what its processes wrote for humans.
    """

    info: ClientInfo | None
    findings: tuple[Finding, ...]
    log: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with it."""
        return not any(each.verdict == "wrong" for each in self.findings)


async def inspect(
    command: Sequence[str], *, factor: float = 1.0, visits: Sequence[Sequence[Check]] = VISITS
) -> Inspection:
    """Asks an adapter everything.

    Args:
        command: program and arguments.
        factor: scales every deadline, > 0.
        visits: the checks of each process.

    Raises:
        Unavailable: it could not be executed, or never spoke.
    """
    findings: list[Finding] = []
    complaints: list[Complaint] = []
    info = None
    logs = []
    for checks in visits:
        async with service() as fake:
            talk = Talk(command)
            await talk.begin()
            try:
                visit = Visit(talk, fake, factor)
                if checks[0] is not hello:
                    await greet(visit)
                for check in checks:
                    findings.append(await _finding(check, visit))
                    if check is hello and not talk.spoke:
                        raise Unavailable(f"the adapter never spoke: {findings[0].came}", log=talk.log)
                info = info or visit.info
            finally:
                await talk.end()
            logs.append(talk.log)
            complaints += talk.complaints
    findings = [_with_complaint(each, complaints) if each.check == ids.name else each for each in findings]
    findings += [_of_lines(kind, wants, complaints) for kind, wants in LINES.items()]
    return Inspection(info=info, findings=tuple(findings), log="".join(logs))


async def greet(visit: Visit) -> None:
    """Hello again, which is not judged again."""
    answer = await visit.talk.ask("hello", within=visit.deadlines.hello, protocol=PROTOCOL_VERSION)
    if answer is not None:
        try:
            visit.info = greeted(answer)
        except LineError:
            return


async def _finding(check: Check, visit: Visit) -> Finding:
    try:
        if not check.posthumous:
            await _needs_life(visit)
        seen = await check.look(visit)
    except Skipped as why:
        seen = Seen(verdict="skipped", sent="nothing", came=str(why))
    clean = visit.talk.clean
    return Finding(
        check=check.name, verdict=seen.verdict, sent=clean(seen.sent), came=clean(seen.came), wants=check.wants
    )


async def _needs_life(visit: Visit) -> None:
    """Raises Skipped: the process has ended, or does not answer any more."""
    if visit.talk.status is not None:
        raise Skipped(f"the process has ended ({visit.talk.status})")
    if visit.talk.unanswered and not visit.given_up:
        visit.talk.unanswered = False
        visit.given_up = await visit.talk.ask(PROBE, within=visit.deadlines.probe) is None
    if visit.given_up:
        raise Skipped("it does not answer any more")


def _with_complaint(finding: Finding, complaints: Sequence[Complaint]) -> Finding:
    """The check of the ids, with what was wrong with those of other answers."""
    found = [each for each in complaints if each.kind == "ids"]
    if not found or finding.verdict == "wrong":
        return finding
    return _of_lines("ids", finding.wants, complaints)


def _of_lines(kind: Kind, wants: str, complaints: Sequence[Complaint]) -> Finding:
    found = [each for each in complaints if each.kind == kind]
    if not found:
        return Finding(check=kind, verdict="sound", sent="everything", came="nothing else", wants=wants)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    came = f"{found[0].text}: {found[0].said}{more}" if found[0].said else f"{found[0].text}{more}"
    return Finding(check=kind, verdict="wrong", sent="everything", came=came, wants=wants)
