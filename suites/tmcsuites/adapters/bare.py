"""A client under test without adapter: any program that reads the TMC_* variables."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from .child import Log, Process, as_command, closed_error, crash_text
from .contract import (
    Answer,
    ClientInfo,
    Crashed,
    Deadlines,
    OnEvent,
    StartOptions,
    SubjectError,
    Unsupported,
)

NOT_SUPPORTED = "exit 127"


class BareSubject:
    """A `Subject` that runs from `start` to `stop`. It reports no events: only what shows on the wire is judged.

    | variable | meaning |
    |---|---|
    | `TMC_URL` | WebSocket address of the service |
    | `TMC_GATEWAY_URL` | TOP HTTP router |
    | `TMC_APP_KEY`, `TMC_APP_SECRET` | credentials |
    | `TMC_GROUP` | group to consume |

    Args:
        command: program and arguments; text is split into words without a shell.
        deadline_factor: multiplies every deadline, > 0.
        env: variables for the client beside the runner's own.
        deadlines: seconds, before the factor; only `bye` and `term` are used.

    Raises:
        ValueError: the command names no program, or the factor is not more than 0.

    Example:
        >>> subject = BareSubject("python consumer.py")
        >>> subject.info.capabilities
        frozenset({'push'})
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        deadline_factor: float = 1.0,
        env: Mapping[str, str] | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._command = as_command(command)
        self._deadlines = (deadlines or Deadlines()).scaled(deadline_factor)
        self._environment = {**os.environ, **(env or {})}
        self._log = Log()
        self._process: Process | None = None
        self._died: asyncio.Future[SubjectError] | None = None
        self._failure: SubjectError | None = None
        self._stopping = False
        self.info = ClientInfo(
            name=os.path.basename(self._command[0]),
            version="unknown",
            language="unknown",
            transport="bare",
            capabilities=frozenset({"push"}),
            bare=True,
        )

    @property
    def died(self) -> asyncio.Future[SubjectError]:
        """Completes with the fault (never raises it) as soon as the program has ended by itself.

        Use `asyncio.wait` or `asyncio.shield`, so that it is not cancelled.
        """
        if self._died is None:
            raise closed_error()
        return self._died

    @property
    def log(self) -> str:
        """What it wrote on standard output and standard error."""
        return self._log.text()

    @property
    def exit_status(self) -> str | None:
        """How the program ended, like "exit 0" or "signal SIGTERM"; None while it runs or before it ran."""
        return None if self._process is None else self._process.status

    async def open(self, on_event: OnEvent) -> None:
        """Nothing runs yet: a bare program knows where the service is only from `start`."""
        if self._died is not None:
            raise SubjectError("this client is open already; make a new subject for another program")
        self._died = asyncio.get_running_loop().create_future()

    async def start(self, options: StartOptions) -> Answer:
        """Run the program. The answer is `result` as soon as it runs; that it has connected is for the service to see.

        Polling and options are `unsupported`: there is no variable for them.

        Raises:
            Unavailable: it cannot be executed.
        """
        self.check()
        if options.mode != "push" or options.options:
            return Answer(status="unsupported", error="a bare program is told neither a mode nor options")
        if self._process is not None and self._process.status is None:
            raise SubjectError("the program runs already; stop() it before it is started again")
        self._log.hide(options.app_secret)
        self._stopping = False
        self._process = process = await Process.spawn(
            self._command,
            environment={
                **self._environment,
                "TMC_URL": options.url,
                "TMC_GATEWAY_URL": options.gateway_url,
                "TMC_APP_KEY": options.app_key,
                "TMC_APP_SECRET": options.app_secret,
                "TMC_GROUP": options.group,
            },
            on_output=self._log.write,
            log=self._log,
        )
        process.ended.add_done_callback(self._ended)
        return Answer(status="result")

    async def publish(self, *, topic: str, content: str, session: str | None) -> Answer:
        self.check()
        return Answer(status="unsupported", error="a bare program cannot be told to publish")

    async def stop(self) -> Answer:
        """Close its standard input, then SIGTERM, then SIGKILL.

        The answer's members say how it ended (`exit`) and what it took (`by`: "eof", "SIGTERM" or "SIGKILL").
        """
        self.check()
        if self._process is None:
            return Answer(status="unsupported", error="the program was never started")
        by = await self._end(self._process)
        return Answer(status="result", members={"exit": self._process.status, "by": by})

    async def probe(self) -> None:
        """A bare program cannot be asked for a sign of life; that it has not ended is all there is.

        Raises:
            SubjectError: as `check`.
        """
        self.check()

    async def close(self) -> None:
        if self._process is not None:
            await self._end(self._process)
        if self._failure is None:
            self._failure = closed_error()

    def check(self) -> None:
        """
        Raises:
            Unsupported: the program ended with exit status 127.
            Crashed: it ended otherwise, without being told to.
            SubjectError: it is closed, or was never opened.
        """
        if self._failure is not None:
            raise self._failure
        if self._died is None:
            raise closed_error()

    async def _end(self, process: Process) -> str:
        self._stopping = True
        by = "eof"
        try:
            process.end_input()
            if not await process.wait(self._deadlines.bye):
                by = "SIGTERM"
                process.terminate()
                if not await process.wait(self._deadlines.term):
                    by = "SIGKILL"
        finally:
            await process.close(patience=0.0)
        return by

    def _ended(self, ended: asyncio.Future[str]) -> None:
        status = ended.result()
        if self._stopping or self._failure is not None:
            return
        if status == NOT_SUPPORTED:
            text = "the program ended with exit status 127: it does not support what is asked of it"
            self._failure = Unsupported(text, log=self.log)
        else:
            self._failure = Crashed(crash_text(status), status=status, log=self.log)
        if self._died is not None and not self._died.done():
            self._died.set_result(self._failure)
