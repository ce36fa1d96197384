"""The garbage collector of a process that is ours: `tmcspec` on its own.

A run keeps a trace of hundreds of thousands of events, and next to nothing that it lets go of is a cycle. The collector
of Python, as it is set by default, looks through what is kept again and again and finds nothing: that was a tenth of
the time to play a day, and nearly half of the time to judge it.
"""

from __future__ import annotations

import gc

#: New objects that may gather before the collector looks at them, and how many such looks come before it looks at those
#: that were there before, and at everything.
THRESHOLDS = (50_000, 10, 10)


def calm() -> None:
    """Lets the collector of this process look less often, and never at what is there now.

    For a process of our own only: in somebody's test run the collector is theirs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
