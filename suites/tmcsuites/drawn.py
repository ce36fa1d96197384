"""What the cases with drawn inputs draw: texts, fields, ids, what handlers are told, and frames that are broken.

All chance comes from a `random.Random` that follows from the seed of the run and the name of the case, so that a run
can be done again. Each message is odd in one way only: else nobody could tell which one a client stumbled over.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from typing import Final

from tmcspec.frame import Field, FrameError, MessageType, decode, encode, int16, int32, raw, void
from tmcspec.frame import Frame as TmcFrame
from tmcspec.frame import string as string_field
from tmcspec.ids import MAXIMUM, MINIMUM, neighbours
from tmcspec.instruction import Instruction
from tmcspec.messages import Push
from tmcsuites.oddities import Wire

#: Messages of a case with drawn inputs; and where each takes its time, as when a client has to reconnect after it.
MANY: Final = 30
FEW: Final = 3

#: Ranges of code points: ASCII, Latin, combining marks, Arabic, Chinese, private use, emoji, and what needs escapes.
ALPHABETS: Final = (
    (0x20, 0x7E),
    (0xA1, 0x17F),
    (0x300, 0x36F),
    (0x621, 0x64A),
    (0x4E00, 0x9FFF),
    (0xE000, 0xE0FF),
    (0x1F600, 0x1F64F),
    (0x01, 0x1F),
)

#: The readings that lose something of ids that are pending side by side.
LOSSY: Final = ("double", "int32", "smallest")


def text(rng: random.Random, length: int) -> str:
    """So many characters of all kinds."""
    return "".join(chr(rng.randint(*rng.choice(ALPHABETS))) for _ in range(length))


def plain(rng: random.Random, length: int = 40) -> str:
    """The content of a message: JSON with a text of so many ASCII characters in it."""
    letters = "".join(rng.choices(string.ascii_letters + string.digits, k=length))
    return json.dumps({"tid": rng.getrandbits(63), "memo": letters})


def content(rng: random.Random, length: int = 40) -> str:
    """The same with characters of all kinds."""
    return json.dumps({"tid": rng.getrandbits(63), "buyer_message": text(rng, length)}, ensure_ascii=False)


def rare_field(rng: random.Random) -> Field:
    """A field of a format that production does not use today."""
    key = _key(rng)
    return rng.choice(
        (
            void(key),
            int16(key, rng.randint(-(2**15), 2**15 - 1)),
            int32(key, rng.randint(-(2**31), 2**31 - 1)),
            raw(key, rng.randbytes(rng.randint(0, 300))),
        )
    )


def with_rare_field(rng: random.Random) -> Wire:
    """It stands somewhere between the others."""
    field, place = rare_field(rng), rng.random()

    def wire(push: Push) -> bytes:
        frame = push.to_frame()
        fields = list(frame.content or ())
        fields.insert(int(place * (len(fields) + 1)), field)
        return encode(replace(frame, content=tuple(fields)))

    return wire


def with_unknown_fields(rng: random.Random) -> Wire:
    """Some fields that nobody knows, and all in another order."""
    unknown = [string_field(_key(rng), text(rng, rng.randint(0, 30))) for _ in range(rng.randint(1, 8))]
    order = rng.getrandbits(32)

    def wire(push: Push) -> bytes:
        frame = push.to_frame()
        fields = [*unknown, *(frame.content or ())]
        random.Random(order).shuffle(fields)
        return encode(replace(frame, content=tuple(fields)))

    return wire


def ids(rng: random.Random, count: int) -> list[int]:
    """Different ids of all lengths and of either sign, the outermost among them."""
    found = {MINIMUM, MAXIMUM}
    while len(found) < count:
        found.add(rng.choice((1, -1)) * rng.getrandbits(rng.randint(1, 63)))
    return rng.sample(sorted(found), count)


def pairs(rng: random.Random, count: int) -> list[tuple[int, int]]:
    """For each reading that loses something, so many pairs of ids that it takes for one; what it makes of the first is
    the second. All ids are different.
    """
    found: list[tuple[int, int]] = []
    taken: set[int] = set()
    for reading in LOSSY:
        wanted = len(found) + count
        while len(found) < wanted:
            try:
                both = neighbours(rng.getrandbits(rng.choice((8, 16, 40, 62))), reading)
            except ValueError:
                continue  # this one survives
            if taken.isdisjoint(both):
                taken.update(both)
                found.append(both)
    return found


def told(rng: random.Random) -> Instruction:
    """What a handler is told: half of them succeed, a third takes its time."""
    return Instruction(
        outcome=rng.choice(("ok", "ok", "fail", "raise")),
        delay_ms=rng.choice((0, 0, rng.randint(200, 600))),
        reason=rng.choice((None, "", f"no stock of {rng.getrandbits(40)}")),
    )


def malformed(rng: random.Random) -> bytes:
    """A frame that no client can make sense of: it is cut off, or a length in it is another."""
    while True:
        fields = tuple(string_field(_key(rng), text(rng, rng.randint(1, 20))) for _ in range(rng.randint(1, 5)))
        data = bytearray(encode(TmcFrame(type=MessageType.SEND, content=fields)))
        if rng.random() < 0.5:
            del data[rng.randrange(2, len(data)) :]
        else:
            data[rng.randrange(2, len(data))] ^= 0x80
        try:
            decode(bytes(data))
        except FrameError:
            return bytes(data)


def _key(rng: random.Random) -> str:
    return "drawn_" + "".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 12)))
