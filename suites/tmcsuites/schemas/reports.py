"""`results.json` (`tmcsuites.report.results`)."""

from __future__ import annotations

from typing import get_args, get_type_hints

from tmcspec.clauses import AREAS, Binds, Level
from tmcsuites.adapters.contract import CAPABILITIES, TRANSPORTS
from tmcsuites.progress import ClauseResult
from tmcsuites.report.results import SCHEMA
from tmcsuites.schemas.parts import NULLABLE_TEXT, PLAIN, Schema, document, obj, of_type
from tmcsuites.verdict import ExitStatus, Verdict
from tmcsuites.worlds import WorldName

_TEXT = PLAIN[str]
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}


def results() -> Schema:
    """The file."""
    body = obj(
        {
            "schema": {"const": SCHEMA},
            "tmcspec": {"description": "the version that wrote it", **_TEXT},
            "client": _client(),
            "world": {"enum": list(get_args(WorldName))},
            "seed": {"type": "integer"},
            "started": {"description": "ISO 8601, with the offset of its zone", **_TEXT, "format": "date-time"},
            "duration_s": _SECONDS,
            "cases": {"type": "array", "items": _case()},
            "clauses": {"type": "array", "items": _clause()},
            "stale_known_failing": {"type": "array", "items": _TEXT},
            "known_failing_complaints": {
                "description": "what is wrong with the known-failing list",
                "type": "array",
                "items": _TEXT,
            },
            "faults": {"description": "of the suite itself", "type": "array", "items": _TEXT},
            "summary": obj({verdict.value: _COUNT for verdict in Verdict}),
            "exit_status": {"enum": [int(status) for status in ExitStatus]},
        }
    )
    return document("results", "results.json: the report of a run", body)


def _client() -> Schema:
    return obj(
        {
            "name": _TEXT,
            "version": _TEXT,
            "language": _TEXT,
            "transport": {"enum": sorted(TRANSPORTS)},
            "capabilities": {"type": "array", "items": {"enum": sorted(CAPABILITIES)}},
        }
    )


def _case() -> Schema:
    ids: Schema = {"type": "array", "items": _ID}
    return obj(
        {
            "id": {"description": "the pytest node id, relative to the cases", **_TEXT},
            "area": {"enum": list(AREAS)},
            "verdict": {"enum": [verdict.value for verdict in Verdict]},
            "expected": {"description": "why a known-failing list expects the verdict", **NULLABLE_TEXT},
            "clauses": ids,
            "broken": ids,
            "fingerprints": {
                "description": "what a known-failing list can name the failures by",
                "type": "array",
                "items": _TEXT,
            },
            "duration_s": _SECONDS,
            "message": _TEXT,
            "trace": {"description": "a file, relative to the report", **NULLABLE_TEXT},
            "log": {"description": "a file, relative to the report", **NULLABLE_TEXT},
        }
    )


def _clause() -> Schema:
    return obj(
        {
            "id": _ID,
            "level": {"enum": [level.value for level in Level]},
            "binds": {"enum": [each.value for each in Binds]},
            "result": of_type(get_type_hints(ClauseResult)["result"], {}),
            "exercised": _COUNT,
            "violations": _COUNT,
        }
    )


_ID: Schema = {"type": "string", "pattern": "^[A-Z]{3}-[0-9]+[a-z]?$"}
