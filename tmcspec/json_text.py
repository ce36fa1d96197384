"""What is refused in all JSON that is read here, and what the standard library lets pass."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tmcspec.frame_values import show


class RepeatedMember(ValueError):
    """An object has a member more than once: readers differ in which one counts."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without repeated members: the `object_pairs_hook` of `json.loads`.

    Raises:
        RepeatedMember: there is one.

    Example:
        >>> import json
        >>> json.loads('{"at": 1, "at": 2}', object_pairs_hook=unique)
        Traceback (most recent call last):
        tmcspec.json_text.RepeatedMember: the member 'at' is there 2 times
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        name, count = Counter(name for name, _ in pairs).most_common(1)[0]
        raise RepeatedMember(f"the member {show(name)} is there {count} times")
    return members
