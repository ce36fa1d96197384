"""A client under test behind an adapter: a long-lived process that speaks JSON Lines (protocol.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tmcsuites.adapters.child import Process, closed_error, crash_text
from tmcsuites.adapters.contract import (
    PROTOCOL_VERSION,
    AdapterFault,
    Answer,
    ClientEvent,
    ClientInfo,
    Crashed,
    Deadlines,
    Hung,
    OnEvent,
    StartOptions,
    SubjectError,
    Unavailable,
)
from tmcsuites.adapters.program import Program
from tmcsuites.adapters.protocol import MAX_LINE, LineError, Reply, command_line, parse_hello, parse_line

Said = TypeVar("Said", bound=Reply | Answer | ClientEvent)

PROBE = "tmcspec-probe"  # an operation that no adapter has
CLOSED_OUTPUT_PATIENCE = 5.0  # seconds from the end of its output until it must have ended itself

# A trace keeps every event of a client, so an adapter in a loop would fill the memory of the run. One process runs one
# case; the largest burst makes 20,000 events, and the largest texts of a case are a few megabytes.
MAX_EVENTS = 200_000
MAX_OUTPUT = 256 * 2**20  # bytes

# Members of answers and events that are text of the adapter's own making.
_FREE_TEXTS = ("error", "code", "topic", "content", "nick", "publisher", "data_id")


class ProcessSubject(Program):
    """A `Subject` held over pipes.

    A fault (death, broken contract) is final: it ends every open operation, completes `died`, and is raised by `check`
    and by every operation from then on. `Hung` is not final: the client may come round, a late answer is dropped, and
    the caller decides.

    Args:
        command: program and arguments; text is split into words without a shell.
        deadline_factor: multiplies every deadline, > 0.
        env: variables for the client beside the runner's own.
        deadlines: seconds by operation, before the factor.

    Raises:
        ValueError: the command names no program, or the factor is not more than 0.

    Example:
        >>> subject = ProcessSubject("node adapter.js", deadline_factor=2.0)
        >>> # await subject.open(print); answer = await subject.start(options); ...; await subject.close()
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        deadline_factor: float = 1.0,
        env: Mapping[str, str] | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        super().__init__(command, deadline_factor=deadline_factor, env=env, deadlines=deadlines)
        self._lines = Lines()
        self._events = 0
        self._info: ClientInfo | None = None
        self._on_event: OnEvent = lambda event: None
        self._issued = 0
        self._pending: dict[str, asyncio.Future[Answer]] = {}
        self._given_up: set[str] = set()  # nobody waits for their answers any more, but one may still come

    @property
    def info(self) -> ClientInfo:
        if self._info is None:
            raise closed_error()
        return self._info

    async def open(self, on_event: OnEvent) -> None:
        """Spawn the adapter, say hello, and ask for an operation that does not exist.

        The last is the honesty probe: an adapter that says `result` to anything would pass cases it has never run.

        Raises:
            Unavailable: it cannot be executed, or ended or kept silent before it said hello.
            AdapterFault: it broke the contract.
            Hung: it did not answer the probe.
        """
        self._open()
        self._on_event = on_event
        try:
            self._process = await Process.spawn(
                self._command, environment=self._environment, on_output=self._read, log=self._log
            )
        except BaseException:
            self._ending = True
            self._fail(closed_error())
            raise
        self._process.ended.add_done_callback(self._ended)
        self._process.output_closed.add_done_callback(self._output_closed)
        try:
            self._info = await self._hello()
            await self.probe()
        except BaseException:
            await self.close()
            raise

    async def start(self, options: StartOptions) -> Answer:
        self._log.hide(options.app_secret)
        return await self._ask("start", self._deadlines.start, options.members())

    async def publish(self, *, topic: str, content: str, session: str | None) -> Answer:
        members = {"topic": topic, "content": content, "session": session}
        return await self._ask("publish", self._deadlines.publish, members)

    async def stop(self) -> Answer:
        return await self._ask("stop", self._deadlines.stop)

    async def probe(self) -> None:
        """Whether the adapter is alive and honest: an operation that it cannot have must be answered `unsupported`.

        Raises:
            Hung: no answer, so its event loop is blocked or the process is stopped.
            AdapterFault: it claims to have done it.
        """
        answer = await self._ask(PROBE, self._deadlines.probe)
        if answer.status != "unsupported":
            raise self._fail(
                AdapterFault(
                    f"the adapter answered {answer.status!r} to the operation {PROBE!r}, which does not exist; "
                    "an unknown operation must be answered 'unsupported'",
                    log=self.log,
                )
            )

    async def close(self) -> None:
        """bye and EOF, then SIGTERM, then SIGKILL to all it has started; the deadlines are `bye` and `term`.

        A client that has died, or broken the contract, gets no bye.
        """
        if self._process is None:
            return
        self._ending = True
        try:
            if self._failure is None:
                self._given_up.add(self._send("bye", self._deadlines.bye, {}))
                self._process.end_input()
                await self._process.wait(self._deadlines.bye)
        finally:
            await self._process.close(patience=self._deadlines.term)
        self._fail(closed_error())

    async def _hello(self) -> ClientInfo:
        try:
            answer = await self._ask("hello", self._deadlines.hello, {"protocol": PROTOCOL_VERSION})
        except Crashed as error:
            raise Unavailable(f"the adapter ended ({error.status}) before it said hello", log=self.log) from error
        except Hung as error:
            text = (
                f"the program did not say hello within {error.deadline:g} s; is it an adapter? "
                "A plain program that reads the TMC_* variables is run as a bare client"
            )
            raise Unavailable(text, log=self.log) from error
        try:
            return parse_hello(answer)
        except LineError as error:
            raise self._fail(AdapterFault(str(error), log=self.log)) from None

    async def _ask(self, op: str, deadline: float, members: Mapping[str, Any] | None = None) -> Answer:
        self.check()
        id = self._send(op, deadline, members or {})
        self._pending[id] = asked = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait([asked], timeout=deadline)
        finally:
            if self._pending.pop(id, None) is not None:
                self._given_up.add(id)
        if not asked.done():
            text = f"the client did not answer {op!r} within {deadline:g} s; it is blocked, or needs a longer deadline"
            raise Hung(text, op=op, deadline=deadline, log=self.log)
        answer: Answer = asked.result()
        if answer.status == "fault":  # not final: it was said in good order
            text = f"the adapter reports a fault of its own in {op!r}: {answer.error}"
            raise AdapterFault(text, log=self.log)
        return answer

    def _send(self, op: str, deadline: float, members: Mapping[str, Any]) -> str:
        """Write one command; returns its id."""
        assert self._process is not None
        self._issued += 1
        id = str(self._issued)
        self._process.write(command_line(id=id, op=op, deadline=deadline, members=members))
        return id

    def _read(self, data: bytes) -> None:
        if self._failure is not None:
            return
        try:
            for number, line in self._lines.feed(data):
                said = self._without_secrets(parse_line(line, number=number))
                if isinstance(said, Reply):
                    self._answered(said, number)
                else:
                    self._count_event(number)
                    self._on_event(said)
            self._lines.check()
        except LineError as error:
            self._fail(AdapterFault(self._log.clean(str(error)), log=self.log))

    def _without_secrets(self, said: Said) -> Said:
        """The one place where texts of the adapter come in: an error, above all, may quote the app secret."""
        if isinstance(said, Reply):
            return replace(said, answer=self._without_secrets(said.answer))
        texts: dict[str, Any] = {name: getattr(said, name, None) for name in _FREE_TEXTS}
        clean: dict[str, Any] = {name: self._log.clean(text) for name, text in texts.items() if isinstance(text, str)}
        return replace(said, **clean)

    def _count_event(self, number: int) -> None:
        self._events += 1
        if self._events > MAX_EVENTS:
            raise LineError(
                f"line {number} of the adapter's standard output: more than {MAX_EVENTS} events of one process; "
                "report each call of the handler once"
            )

    def _answered(self, reply: Reply, number: int) -> None:
        asked = self._pending.pop(reply.id, None)
        if asked is not None:
            if not asked.done():
                asked.set_result(reply.answer)
        elif reply.id in self._given_up:
            self._given_up.discard(reply.id)
        else:
            raise LineError(
                f"line {number} of the adapter's standard output: answer to id {reply.id[:40]!r}, which no command "
                f"waits for: it was answered before, or there was none (ids so far: '1' to '{self._issued}')"
            )

    def _ended(self, ended: asyncio.Future[str]) -> None:
        if not self._ending:
            self._fail(Crashed(crash_text(ended.result()), status=ended.result(), log=self.log))

    def _output_closed(self, _: asyncio.Future[None]) -> None:
        def complain() -> None:
            if not self._ending:
                text = "the adapter closed its standard output but runs on; it must be able to answer until it ends"
                self._fail(AdapterFault(text, log=self.log))

        # A process that ends closes its output first: only one that lives on has broken the contract.
        asyncio.get_running_loop().call_later(CLOSED_OUTPUT_PATIENCE, complain)

    def _fail(self, failure: SubjectError) -> SubjectError:
        """The first failure is final and ends all that is pending."""
        final = super()._fail(failure)
        for asked in self._pending.values():
            if not asked.done():
                asked.set_exception(final)
        self._pending.clear()
        return final


class Lines:
    """Cuts a byte stream into numbered lines, and holds at most one line in memory."""

    def __init__(self) -> None:
        self._size = 0
        self._buffer = bytearray()
        self._count = 0
        self._searched = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The lines that `data` completes."""
        self._size += len(data)
        self._buffer += data
        lines = []
        start = 0
        while (end := self._buffer.find(b"\n", max(start, self._searched))) >= 0:
            self._count += 1
            lines.append((self._count, bytes(self._buffer[start:end])))
            start = end + 1
        del self._buffer[:start]
        self._searched = len(self._buffer)
        return lines

    def check(self) -> None:
        """
        Raises:
            LineError: the line that has begun is too long already, or all of them are.
        """
        if self._size > MAX_OUTPUT:
            raise LineError(
                f"line {self._count + 1} of the adapter's standard output: more than {MAX_OUTPUT} bytes "
                "of one process; write logs to standard error"
            )
        if len(self._buffer) > MAX_LINE:
            raise LineError(
                f"line {self._count + 1} of the adapter's standard output is longer than {MAX_LINE} bytes (8 MiB); "
                "end every line with LF and write logs to standard error"
            )
