"""What the two kinds of programs under test have in common: a command, one process at a time, a log, and an end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from tmcsuites.adapters.child import Log, Process, as_command, closed_error
from tmcsuites.adapters.contract import Deadlines, SubjectError


class Program:
    """The part of a `Subject` that is the same for every program, with an adapter or without.

    Its first failure is final: it completes `died`, and `check` raises it from then on.
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
        self._ending = False  # we end it, so its end is no failure of its own

    @property
    def died(self) -> asyncio.Future[SubjectError]:
        """Completes with the fault (never raises it) as soon as the client has died or broken the contract.

        Await it beside what you wait for; use `asyncio.wait` or `asyncio.shield`, so that it is not cancelled.
        """
        if self._died is None:
            raise closed_error()
        return self._died

    @property
    def log(self) -> str:
        """What it wrote for humans, without the app secret."""
        return self._log.text()

    @property
    def exit_status(self) -> str | None:
        """How the process ended, like "exit 0" or "signal SIGTERM"; None while it runs or before it ran."""
        return None if self._process is None else self._process.status

    def check(self) -> None:
        """
        Raises:
            Unsupported: a bare program ended with exit status 127.
            Crashed: the client has ended otherwise, without being told to.
            AdapterFault: the adapter has broken the contract.
            SubjectError: it is closed, or was never opened.
        """
        if self._failure is not None:
            raise self._failure
        if self._died is None:
            raise closed_error()

    def _open(self) -> None:
        if self._died is not None:
            raise SubjectError("this client is open already; make a new subject for another process")
        self._died = asyncio.get_running_loop().create_future()

    def _fail(self, failure: SubjectError) -> SubjectError:
        """Returns the first failure, which is final."""
        if self._failure is None:
            self._failure = failure
            if self._died is not None and not self._died.done() and not self._ending:
                self._died.set_result(failure)
        return self._failure
