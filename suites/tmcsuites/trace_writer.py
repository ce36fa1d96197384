"""Writes the trace of a running service into a file, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from tmcfakes.fake import FakeTmc
from tmcfakes.trace_lines import entry_lines, header_line
from tmcspec.trace import Entry

log = logging.getLogger("tmcsuites.trace")

#: Seconds until an entry is in the file.
DELAY = 0.05

#: Entries that wait for that at most.
WAITING_LIMIT = 1000


class TraceWriter:
    """Follows the recorder of a service, in the thread of its event loop.

    When the service is reset its trace is finished and kept as FILE.1, FILE.2 and so on, and FILE begins anew. When the
    file cannot be written (a full disk), it ends with the last whole line, the log says so, and the service goes on.

    Args:
        path: the file; what is in it is lost.
        tmc: the service.
    """

    def __init__(self, path: Path, tmc: FakeTmc) -> None:
        self._path = path
        self._tmc = tmc
        self._waiting: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._file: int | None = None
        self._size = 0  # bytes of whole lines in the file
        self._writing = False
        self._gave_up = False
        tmc.recorder.listeners.append(self._add)
        tmc.resets.append(self._begin_anew)

    def open(self) -> None:
        """Begins the file. What happened before waits. Raises OSError: it cannot be written."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        self._size = 0
        self._gave_up = False
        self._write([header_line(self._tmc.conditions)])

    def flush(self) -> None:
        """Writes what waits; nothing while something is being written, as when a signal comes then."""
        if self._writing or self._file is None:
            return
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._write(entry_lines(self._tmc.conditions, waiting))

    def close(self) -> None:
        """Writes what waits, and nothing more."""
        self.flush()
        if self._timer is not None:
            self._timer.cancel()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _add(self, entry: Entry) -> None:
        if self._gave_up:
            return
        self._waiting.append(entry)
        if len(self._waiting) >= WAITING_LIMIT:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._due)

    def _due(self) -> None:
        self._timer = None
        self.flush()

    def _begin_anew(self) -> None:
        self.close()
        self._timer = None
        try:
            self._keep()
            self.open()
        except OSError as error:
            self._give_up(error)

    def _keep(self) -> None:
        """Gives the finished trace its name. A pipe or a device has none to give."""
        if not self._path.is_file():
            return
        number = 1
        while os.path.lexists(kept := f"{self._path}.{number}"):
            number += 1
        os.rename(self._path, kept)

    def _write(self, lines: list[str]) -> None:
        assert self._file is not None
        data = "".join(line + "\n" for line in lines).encode()
        self._writing = True
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
            self._size += len(data)
        except OSError as error:
            self._give_up(error)
        finally:
            self._writing = False

    def _give_up(self, error: OSError) -> None:
        self._gave_up, self._waiting = True, []
        log.error("trace_ends", extra={"members": {"file": str(self._path), "error": error.strerror}})
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None
