"""Frames that something was done to on purpose, as the trace tells it.

The detail of a fault that acted on one frame begins with the kind of that frame. It stands behind a frame from the
client, before one that goes out, and where one that was lost or held back would have gone out.
"""

from __future__ import annotations

from tmcspec.events import Fault

#: What a client sends.
FROM_CLIENT = frozenset({"connect", "confirm", "failed", "pull_request", "publish"})

#: After these the service did not act on a frame from a client as it came, or not then.
NOT_HEARD = frozenset({"lose_confirm", "forgotten_token", "drop", "delay", "reorder", "truncate", "corrupt_field"})

#: After these a push says something else than its message, though it can be read, or is more than a client must take.
SPOILING = frozenset({"corrupt_field", "oversize"})


def kind_of(fault: Fault) -> str:
    """The kind of the frame that a fault acted on; anything when it acted on none.

    Example:
        >>> kind_of(Fault(name="duplicate", target="c1", detail="pull_request, once more"))
        'pull_request'
    """
    return fault.detail.partition(",")[0].partition(" ")[0]


def unheard(fault: Fault) -> bool:
    """Whether the service did as if the last frame from the client had not come, or come otherwise, or later."""
    return fault.name in NOT_HEARD and (fault.name == "lose_confirm" or kind_of(fault) in FROM_CLIENT)
