"""What a client does on its WebSocket beside TMC frames.

Published clients differ, and production is not known to care.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from tmcspec.clauses.base import Finding, broken, held
from tmcspec.clauses.history import History
from tmcspec.clauses.timeline import At
from tmcspec.events import WsIn, WsOut
from tmcspec.trace import Entry

#: Seconds within which a PING is answered.
PONG_WITHIN = 10.0

#: Seconds between two signs of life: longer than any published client pauses (observed: 50 s, 55 s).
SIGN_WITHIN = 60.0

#: Bytes in a control frame, and the codes that a Close may carry (RFC 6455, 5.5 and 7.4).
CONTROL_LIMIT = 125
CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, *range(3000, 5000)})


class Sockets:
    """What beside TMC frames went over each connection, in order."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._said: dict[str, list[At[WsIn]]] = {}
        for said in history.events(WsIn):
            self._said.setdefault(said.event.connection, []).append(said)
        self._pings: dict[str, list[At[WsOut]]] = {}
        for ping in history.events(WsOut):
            if ping.event.opcode == "ping":
                self._pings.setdefault(ping.event.connection, []).append(ping)

    def pings(self) -> Iterator[Finding]:
        """Whether each PING was answered once."""
        for name, pings in self._pings.items():
            pongs = [said for said in self._said.get(name, ()) if said.event.opcode == "pong"]
            for ping in pings:
                same = (each.seq for each in pings if each.seq > ping.seq and each.event.data == ping.event.data)
                until = next(same, inf)
                mine = (each for each in pongs if ping.seq < each.seq < until and each.event.data == ping.event.data)
                answers = [each.entry for each in mine]
                if len(answers) == 1:
                    yield held(ping.entry, answers[0])
                elif answers:
                    yield broken(f"a PING was answered {len(answers)} times", ping.entry, *answers)
                elif why := self._history.overdue(ping.entry, PONG_WITHIN, on=name):
                    yield broken(f"a PING was not answered; {why}", ping.entry)

    def signs(self) -> Iterator[Finding]:
        """How long each client was silent on a connection that was accepted."""
        for name, conversation in self._history.conversations.items():
            if not conversation.accepted:
                continue
            since = conversation.accepted[0].seq
            signs = [*(said.entry for said in conversation.said), *(said.entry for said in self._said.get(name, ()))]
            for before, after in pairwise(sorted(signs, key=_seq)):
                silent = self._history.between(before, after)
                if silent > SIGN_WITHIN and self._history.delayed(before, after, self._history.fleet.owner(name)):
                    continue  # it may have come when nobody read it
                if silent > SIGN_WITHIN:
                    yield broken(f"{silent:.0f} s without a sign of life", before, after)
                elif after.seq > since:
                    yield held(before, after)

    def control_frames(self) -> Iterator[Finding]:
        """Whether what a client sent is what RFC 6455 has."""
        for name, said in self._said.items():
            for each in said:
                odd = self._odd(name, each)
                yield broken(odd, each.entry) if odd else held(each.entry)

    def _odd(self, connection: str, said: At[WsIn]) -> str | None:
        data = said.event.data
        match said.event.opcode:
            case "pong":
                asked = any(ping.seq < said.seq for ping in self._pings.get(connection, ()))
                return None if asked else "a PONG without a PING"
            case "close" if len(data) > CONTROL_LIMIT:
                return f"a Close of {len(data)} bytes"
            case "close" if data and int.from_bytes(data[:2], "big") not in CLOSE_CODES:
                return f"a Close with the code {int.from_bytes(data[:2], 'big')}"
            case "text":
                return "a text message"
        return None


def _seq(entry: Entry) -> int:
    return entry.seq
