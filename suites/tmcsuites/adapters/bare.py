"""A client under test without adapter: any program that reads the TMC_* variables."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping, Sequence

from tmcsuites.adapters.child import Process, cannot_execute, closed_error, crash_text
from tmcsuites.adapters.contract import (
    Answer,
    ClientInfo,
    Crashed,
    Deadlines,
    OnEvent,
    StartOptions,
    SubjectError,
    Unavailable,
    Unsupported,
)
from tmcsuites.adapters.program import Program

NOT_SUPPORTED = "exit 127"


class BareSubject(Program):
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
        >>> sorted(subject.info.capabilities)
        ['push', 'reconnect']
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
        self.info = ClientInfo(
            name=os.path.basename(self._command[0]),
            version="unknown",
            language="unknown",
            transport="bare",
            # What a consumer must be able to do anyway, and what shows on the wire.
            capabilities=frozenset({"push", "reconnect"}),
            bare=True,
        )

    async def open(self, on_event: OnEvent) -> None:
        """Nothing runs yet: a bare program knows where the service is only from `start`.

        Raises:
            Unavailable: there is no such program.
        """
        if why := self._why_not():
            raise Unavailable(why)
        self._open()

    def _why_not(self) -> str | None:
        program = self._command[0]
        if shutil.which(program, path=self._environment.get("PATH")):
            return None
        return cannot_execute(program, errno.EACCES if os.path.exists(program) else errno.ENOENT)

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
        self._ending = False
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
        self._ending = True
        self._fail(closed_error())

    async def _end(self, process: Process) -> str:
        self._ending = True
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
        if self._ending:
            return
        if status == NOT_SUPPORTED:
            text = "the program ended with exit status 127: it does not support what is asked of it"
            self._fail(Unsupported(text, log=self.log))
        else:
            text = crash_text(status)
            if status == "exit 0":
                text += "; it must stay in the foreground until its standard input ends, or SIGTERM comes"
            self._fail(Crashed(text, status=status, log=self.log))
