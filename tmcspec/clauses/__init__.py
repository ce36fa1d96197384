"""The specification as clauses: one module an area, each clause a sentence with a judge.

Example:
    >>> sorted(CLAUSES)[0]
    'ACK-1'
    >>> CLAUSES["ACK-2"].level.value
    'must'
"""

from __future__ import annotations

from collections.abc import Iterable

from tmcspec.clauses import (
    acknowledgement,
    connection,
    duplicates,
    flowcontrol,
    frames,
    gateway,
    groups,
    handshake,
    longid,
    publishing,
    redelivery,
    wholequeue,
)
from tmcspec.clauses.base import Binds, Clause, Finding, Judgement, Level, Result, judge
from tmcspec.clauses.history import History
from tmcspec.trace import Trace

#: Every clause by id, area by area.
CLAUSES: dict[str, Clause] = {
    **handshake.CLAUSES,
    **frames.CLAUSES,
    **acknowledgement.CLAUSES,
    **redelivery.CLAUSES,
    **groups.CLAUSES,
    **longid.CLAUSES,
    **connection.CLAUSES,
    **publishing.CLAUSES,
    **gateway.CLAUSES,
    **flowcontrol.CLAUSES,
    **wholequeue.CLAUSES,
    **duplicates.CLAUSES,
}

#: What the three letters of a clause id stand for.
AREAS: dict[str, str] = {
    "HSK": "handshake",
    "FRM": "frames",
    "ACK": "confirm and fail",
    "RDL": "redelivery",
    "GRP": "groups and routing",
    "LID": "long ids",
    "CON": "connection",
    "PUB": "publishing to Taobao",
    "HTP": "HTTP gateway",
    "FLW": "flow control",
    "QUE": "the queue as a whole",
    "DUP": "duplicates",
}


def judge_trace(trace: Trace, clauses: Iterable[Clause] = tuple(CLAUSES.values())) -> tuple[Judgement, ...]:
    """Judges a trace by some clauses, or by all of them, in their order."""
    history = History(trace)
    return tuple(judge(clause, history) for clause in clauses)


__all__ = [
    "AREAS",
    "CLAUSES",
    "Binds",
    "Clause",
    "Finding",
    "Judgement",
    "Level",
    "Result",
    "judge",
    "judge_trace",
]
