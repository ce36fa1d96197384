"""`python -m tmcsuites.schemas`: writes the schemas anew, beside this file."""

from __future__ import annotations

from pathlib import Path

from tmcsuites.schemas import NAMES
from tmcsuites.schemas.source import written

for name in NAMES:
    Path(__file__).with_name(f"{name}.json").write_text(written(name), encoding="utf-8")
