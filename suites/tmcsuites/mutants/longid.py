"""Mutants that lose a part of long ids."""

from __future__ import annotations

from dataclasses import replace

from tmcspec.client import Core, Message
from tmcspec.client.connection import Event
from tmcspec.frame import Frame
from tmcspec.ids import as_double, as_int32, as_smallest, as_uint64
from tmcspec.messages import Push
from tmcsuites.mutants.base import PHP, Catalogue

MUTANTS = Catalogue()
mutant = MUTANTS.mutant

#: The largest id that a double can confirm: rounding 2^63 - 1 gives a number that is no id any more.
LARGEST = 2**63 - 1


@mutant("reads-ids-unsigned", "LID-1")
class ReadsIdsUnsigned(Core):
    """Reads an id without its sign, and then cannot write it."""

    def push_received(self, push: Push) -> list[Event]:
        return super().push_received(replace(push, id=None if push.id is None else as_uint64(push.id)))


@mutant("reads-ids-as-doubles", "LID-3", published=("official Node SDK", "zsea/node-top"))
class ReadsIdsAsDoubles(Core):
    """Reads an id as a double."""

    def push_received(self, push: Push) -> list[Event]:
        return super().push_received(replace(push, id=None if push.id is None else as_double(push.id)))


@mutant("confirms-through-a-double", "LID-3")
class ConfirmsThroughADouble(Core):
    """Shows an id rightly, and confirms what is left of it in a double."""

    def confirm(self, message_id: int) -> Frame:
        return super().confirm(min(as_double(message_id), LARGEST))


@mutant("reads-ids-as-int32", "LID-3")
class ReadsIdsAsInt32(Core):
    """Reads the low 32 bits of an id."""

    def push_received(self, push: Push) -> list[Event]:
        return super().push_received(replace(push, id=None if push.id is None else as_int32(push.id)))


@mutant("confirms-in-the-smallest-width", "LID-3", published=(*PHP, "tmcpy"))
class ConfirmsInTheSmallestWidth(Core):
    """Writes an id in the smallest width that holds it unsigned, which the service reads signed."""

    def confirm(self, message_id: int) -> Frame:
        return super().confirm(as_smallest(message_id))


@mutant("reads-user-ids-unsigned", "LID-4", published=("tmcpy",))
class ReadsUserIdsUnsigned(Core):
    """Shows the handler user ids without their sign."""

    def message(self, message_id: int, push: Push) -> Message:
        right = super().message(message_id, push)
        return replace(right, user_id=None if right.user_id is None else as_uint64(right.user_id))


@mutant("reads-user-ids-as-doubles", "LID-4", published=("official Node SDK",))
class ReadsUserIdsAsDoubles(Core):
    """Shows the handler user ids as doubles."""

    def message(self, message_id: int, push: Push) -> Message:
        right = super().message(message_id, push)
        return replace(right, user_id=None if right.user_id is None else as_double(right.user_id))
