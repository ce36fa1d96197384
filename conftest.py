"""Settings of the project's own tests: Hypothesis profiles.

`dev` is quick and random, `ci` repeats the same examples on every machine and prints what reproduces a failure,
`nightly` takes its time. HYPOTHESIS_PROFILE chooses; where CI is set, `ci` is the default.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The machine's speed decides nothing.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", **COMMON)
settings.register_profile("ci", derandomize=True, print_blob=True, database=None, **COMMON)
settings.register_profile("nightly", max_examples=5000, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))
