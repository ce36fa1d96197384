"""What a handler under test is told to do, written in the message itself.

A client under test cannot be scripted from outside, but its handler reads what it is given: when the content of a
message is a JSON object with a member `tmcspec`, the adapter's handler obeys it. Everything else is handled at once and
well.

    {"tmcspec": {"outcome": "ok" | "fail" | "raise" | "hang", "delay_ms": 0, "reason": "…", "unusual": false}}

The judges read the same words, so that a trace tells what should have happened.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tmcspec.frame_values import show

Outcome = Literal["ok", "fail", "raise", "hang"]

#: A handler is not asked to work longer than a day.
DELAY_LIMIT_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What the handler of one message does.

    Args:
        outcome: `ok` returns, `fail` reports a failure by the library's own means, `raise` raises, `hang` never
            returns.
        delay_ms: how long it works before that, in milliseconds, 0 to DELAY_LIMIT_MS.
        reason: the text of a failure or of the exception; None for one without text.
        unusual: with `raise`, raises what the usual `catch` of its language misses: in Python a BaseException that is
            no Exception, in Java an Error, in JavaScript a value that is no Error. Else it means nothing.

    Raises:
        ValueError: one of them is something else.

    Example:
        >>> Instruction(outcome="fail", reason="no stock").content()
        '{"tmcspec": {"outcome": "fail", "delay_ms": 0, "reason": "no stock"}}'
    """

    outcome: Outcome = "ok"
    delay_ms: int = 0
    reason: str | None = None
    unusual: bool = False

    def __post_init__(self) -> None:
        if self.outcome not in get_args(Outcome):
            raise ValueError(f"outcome must be one of {', '.join(get_args(Outcome))}, not {show(self.outcome)}")
        whole = isinstance(self.delay_ms, int) and not isinstance(self.delay_ms, bool)
        if not whole or not 0 <= self.delay_ms <= DELAY_LIMIT_MS:
            raise ValueError(f"delay_ms must be an integer from 0 to {DELAY_LIMIT_MS}, not {show(self.delay_ms)}")
        if self.reason is not None and not isinstance(self.reason, str):
            raise ValueError(f"reason must be a string or None, not {show(self.reason)}")
        if not isinstance(self.unusual, bool):
            raise ValueError(f"unusual must be True or False, not {show(self.unusual)}")

    @property
    def delay(self) -> float:
        """How long the handler works, in seconds."""
        return self.delay_ms / 1000

    def content(self, **members: Any) -> str:
        """The content of a message that carries this instruction beside `members`."""
        words: dict[str, Any] = {"outcome": self.outcome, "delay_ms": self.delay_ms, "reason": self.reason}
        if self.unusual:  # adapters that were written before there was this word read all others as they did
            words["unusual"] = True
        text = json.dumps(members | {"tmcspec": words}, ensure_ascii=False)
        # A lone surrogate is written as its JSON escape: UTF-8 has no other way to say it.
        return text.encode(errors="backslashreplace").decode()


def instruction(content: str | None) -> Instruction:
    """What `content` tells a handler; `ok` at once when it says nothing, or nothing valid. Never raises."""
    # Cheap first: most contents carry no instruction, and some are a megabyte. A name may be spelled with escapes.
    if content is None or ("tmcspec" not in content and "\\u" not in content):
        return Instruction()
    try:
        words = json.loads(content)["tmcspec"]
        return Instruction(
            outcome=words.get("outcome", "ok"),
            delay_ms=words.get("delay_ms", 0),
            reason=words.get("reason"),
            unusual=words.get("unusual", False),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Instruction()
