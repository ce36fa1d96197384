"""What many hand-written traces say: what a handler is told to do, and two ids that are easily confused."""

from __future__ import annotations

from tmcspec.instruction import Instruction

FAIL = Instruction(outcome="fail")
RAISE = Instruction(outcome="raise")
HANG = Instruction(outcome="hang")
SLOW = Instruction(delay_ms=2000)

#: A double rounds the second to the first.
NEIGHBOUR, LONG = 2**53, 2**53 + 1
