"""A talk with an adapter that may be wrong in any way: what it says is written down, right or wrong, and never raised.

`tmcsuites.adapters.process` ends at the first broken line, as a run must. Here the talk goes on: a line with one fault
that can be told apart, such as a number where a decimal string belongs, is noted as a complaint and read all the same.
So each lie is found by the check that is about it, and no other.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_type_hints

from tmcsuites.adapters.child import Log, Process
from tmcsuites.adapters.contract import Answer, ClientEvent, ClientReceived
from tmcsuites.adapters.process import Lines
from tmcsuites.adapters.protocol import LineError, Reply, command_line, parse_line

#: What a complaint about a line is about.
Kind: TypeAlias = Literal["json-lines", "ids", "decimal-strings", "members"]

#: A sound adapter says some thirty lines in a talk.
LINE_LIMIT = 5_000
COMPLAINT_LIMIT = 20

#: Seconds that processes of an adapter may outlive it.
LINGER = 1.0

#: Characters of a line that are shown.
SHOWN = 160

_DECIMAL_STRINGS = [name for name, hint in get_type_hints(ClientReceived).items() if hint == int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What is wrong with a line; `said` is its beginning."""

    kind: Kind
    text: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An event of the adapter, and when it was read, in seconds of the event loop."""

    at: float
    place: int
    event: ClientEvent


class Talk:
    """One process of an adapter.

    Args:
        command: program and arguments.

    Attributes:
        events: what it reported, in order.
        complaints: what was wrong with its lines; the first COMPLAINT_LIMIT.
        spoke: whether it ever said a line that could be read.
        unanswered: whether it has left a question without an answer.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._log = Log()
        self._lines = Lines()
        self._process: Process | None = None
        self._issued = 0
        self._asked: dict[str, str] = {}
        self._answers: dict[str, tuple[int, Answer]] = {}
        self._woken = asyncio.Event()
        self._count = 0
        self.events: list[Heard] = []
        self.complaints: list[Complaint] = []
        self.spoke = False
        self.unanswered = False

    async def begin(self) -> None:
        """Raises Unavailable: there is no such program, or it cannot be executed."""
        self._process = await Process.spawn(
            self._command, environment=os.environ, on_output=self._read, log=self._log, linger=LINGER
        )
        self._process.ended.add_done_callback(lambda _: self.wake())

    async def end(self) -> None:
        """By all means."""
        if self._process is not None:
            await self._process.close(patience=0.0)

    # What is said to it

    def hide(self, secret: str) -> None:
        """From now on nothing shows this."""
        self._log.hide(secret)

    def send(self, op: str, *, within: float, id: str | None = None, **members: Any) -> str:
        """Sends a command with a deadline in seconds. Returns its id."""
        self._issued += 1
        id = str(self._issued) if id is None else id
        self._asked[id] = op
        self.process.write(command_line(id=id, op=op, deadline=within, members=members))
        return id

    async def ask(self, op: str, *, within: float, **members: Any) -> Answer | None:
        """Sends a command and waits for its answer; None when none came in time, or the process ended."""
        id = self.send(op, within=within, **members)
        await self.until(lambda: id in self._answers, within=within)
        answer = self.answer(id)
        if answer is None and self.status is None:
            self.unanswered = True
        return answer

    def answer(self, id: str) -> Answer | None:
        """The first answer with this id, None when there is none yet."""
        return self._answers[id][1] if id in self._answers else None

    def place(self, id: str) -> int:
        """The number of the line with the answer."""
        return self._answers[id][0]

    def close_input(self) -> None:
        """It reads the end of its standard input."""
        self.process.end_input()

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    # What comes of it

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    @property
    def status(self) -> str | None:
        """How it ended, None while it runs."""
        return self.process.status

    @property
    def log(self) -> str:
        """What it wrote for humans, without secrets."""
        return self._log.text()

    def clean(self, text: str) -> str:
        """Text without secrets."""
        return self._log.clean(text)

    def silence(self, within: float) -> str:
        """In words, why there is no answer."""
        return f"nothing within {within:g} s" if self.status is None else f"the process ended ({self.status})"

    async def until(self, wanted: Callable[[], bool], *, within: float) -> bool:
        """Waits until `wanted()` is true, asking after each line; `within` seconds at most, and not after its end."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not wanted():
            self._woken.clear()
            if self.process.ended.done() or loop.time() >= end:
                return False
            try:
                async with asyncio.timeout_at(end):
                    await self._woken.wait()
            except TimeoutError:
                return wanted()
        return True

    async def ended(self, *, within: float) -> bool:
        """Waits for its end."""
        return await self.process.wait(within)

    async def left(self) -> int | None:
        """How many processes it left behind; None where nobody can tell."""
        done, _ = await asyncio.wait([self.process.left], timeout=LINGER + 5.0)
        return self.process.left.result() if done else None

    def wake(self) -> None:
        """Something happened that somebody may wait for."""
        self._woken.set()

    # Its lines

    def _read(self, data: bytes) -> None:
        if self._count > LINE_LIMIT:
            return
        try:
            for number, line in self._lines.feed(data):
                self._count = number
                if number > LINE_LIMIT:
                    self._complain("json-lines", f"more than {LINE_LIMIT} lines", b"")
                    break
                self._hear(number, line)
            self._lines.check()
        except LineError as error:
            self._complain("json-lines", str(error), b"")
            self._count = LINE_LIMIT + 1
        self.wake()

    def _hear(self, number: int, line: bytes) -> None:
        said = self._understood(number, line)
        if said is None:
            return
        self.spoke = True
        if not isinstance(said, Reply):
            at = asyncio.get_running_loop().time()
            self.events.append(Heard(at=at, place=number, event=said))
        elif said.id not in self._asked:
            self._complain("ids", f"an answer to id {said.id[:40]!r}, which no command had", line)
        elif said.id in self._answers:
            self._complain("ids", f"a second answer to id {said.id!r}", line)
        else:
            self._answers[said.id] = number, said.answer

    def _understood(self, number: int, line: bytes) -> Reply | ClientEvent | None:
        """What a line says, mended where its fault is known."""
        try:
            return parse_line(line, number=number)
        except LineError as error:
            why = str(error)
        document = _object(line)
        if document is None:
            self._complain("json-lines", why, line)
            return None
        mended = _mended(document, ("id",))
        if mended != document:
            self._complain("ids", f"member 'id' is {document['id']!r}; it is a string, that of the command", line)
        document, mended = mended, _mended(mended, _DECIMAL_STRINGS)
        if mended != document:
            self._complain("decimal-strings", why, line)
        try:
            return parse_line(json.dumps(mended).encode(), number=number)
        except LineError as error:
            self._complain("members", str(error), line)
            return None

    def _complain(self, kind: Kind, text: str, line: bytes) -> None:
        if len(self.complaints) < COMPLAINT_LIMIT:
            # The first line of a LineError says what is wrong, the second quotes.
            what = self.clean(text.partition("\n")[0])
            said = self.clean(shortened(line.decode("utf-8", "backslashreplace")))
            self.complaints.append(Complaint(kind=kind, text=what, said=said))


def shortened(text: str) -> str:
    """Its beginning."""
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _mended(document: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """With decimal strings in place of numbers."""
    return {name: _decimal(value) if name in names else value for name, value in document.items()}


def _decimal(value: Any) -> Any:
    if isinstance(value, float) and abs(value) < 2**64:
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
