"""Cases side by side: a few processes, each of which plays one case at a time.

Cases of a live run mostly wait, for the timers of the client above all, and each has a service and a client of its own.
They are played in processes, not in threads or tasks, so that a case that is busy, or its judges, keeps no other from
looking at the clock.

The processes are forks: each knows the cases and the client as the run itself does. They are made before anything else
is going on, as a fork takes no threads along. What they say to the run are results; the rest of the run, its lists,
reports and listeners, stays in one place.

Whatever happens to the run, they do not outlive it. They hold the reading end of a pipe whose writing end only the run
has; when that is gone, so are they, and the wardens of their clients see to the rest.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, NoReturn

from tmcspec.clauses import Clause
from tmcsuites.verdict import CaseResult

#: Seconds that workers have to close their clients when the run is interrupted; a second Ctrl-C waits for nobody.
STOP_PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A worker has begun to play the case of this number."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of the case of this number; None when its worker died of it, and then `how`."""

    number: int
    result: CaseResult | None
    how: str = ""


class WorkersLost(RuntimeError):
    """All workers have died, and cases are left."""


class Workers:
    """Some processes that play cases, as long as the context lasts. Leaving it ends them, in order.

    Args:
        jobs: how many, at least 1.
        play: called in a worker with the number of a case.
        clauses: that judge.

    Example:
        >>> # with Workers(4, play=lambda number: run_case(…), clauses=clauses) as workers:
        >>> #     for each in workers.play(range(100)): …
    """

    def __init__(self, jobs: int, *, play: Callable[[int], CaseResult], clauses: Sequence[Clause]) -> None:
        self._jobs = jobs
        self._play = play
        self._clauses = {clause.id: clause for clause in clauses}
        self._pids: dict[Connection, int] = {}
        self._lifeline = -1

    def __enter__(self) -> Workers:
        held, self._lifeline = os.pipe()
        try:
            for _ in range(self._jobs):
                self._fork(held)
        except BaseException:
            self._end(patience=0.0)
            raise
        finally:
            os.close(held)
        return self

    def __exit__(self, *_: object) -> None:
        self._end(patience=STOP_PATIENCE)

    def play(self, numbers: Sequence[int]) -> Iterator[Begun | Ended]:
        """Has these cases played, in this order as far as workers are free, and tells as they begin and end.

        Raises:
            WorkersLost: no worker is left to play the rest.
        """
        waiting, ended = deque(numbers), deque[Ended]()
        busy: dict[Connection, int] = {}
        free = list(self._pids)
        while waiting or busy or ended:
            # Before anything is made of the last results: that takes its time.
            while free and waiting:
                if self._give(free.pop(), waiting[0], busy):
                    yield Begun(number=waiting.popleft())
            while ended:
                yield ended.popleft()
            if busy:
                for pipe in _readable(busy):
                    ended.append(self._take(pipe, busy.pop(pipe)))
                    if pipe in self._pids:
                        free.append(pipe)
            elif waiting:
                raise WorkersLost(f"all processes that play cases have ended; cases not played: {len(waiting)}")

    def _give(self, pipe: Connection, number: int, busy: dict[Connection, int]) -> bool:
        """Whether a worker took a case on."""
        try:
            pipe.send_bytes(str(number).encode())
        except OSError:
            self._bury(pipe)
            return False
        busy[pipe] = number
        return True

    def _take(self, pipe: Connection, number: int) -> Ended:
        try:
            return Ended(number=number, result=_unpacked(pipe.recv_bytes(), self._clauses))
        except (EOFError, OSError):
            return Ended(number=number, result=None, how=self._bury(pipe))

    def _bury(self, pipe: Connection) -> str:
        """Parts with a worker whose pipe is closed, and says how it ended."""
        pid = self._pids.pop(pipe)
        pipe.close()
        os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return f"exit {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    def _end(self, *, patience: float) -> None:
        """Interrupts those that play, waits for all, and kills the rest."""
        try:
            for pid in self._pids.values():
                os.kill(pid, signal.SIGINT)
            end = time.monotonic() + patience
            while self._pids and (readable := _readable(self._pids, timeout=max(0.0, end - time.monotonic()))):
                for pipe in readable:
                    try:
                        pipe.recv_bytes()  # a result that nobody waits for any more
                    except (EOFError, OSError):
                        self._bury(pipe)
        finally:
            os.close(self._lifeline)
            for pipe in list(self._pids):
                self._bury(pipe)

    def _fork(self, held: int) -> None:
        ours, theirs = Pipe()
        # Nothing may be raised in a fork before it is where it shall end.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            pid = os.fork()
            if pid == 0:
                self._work(held, ours, theirs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        self._pids[ours] = pid

    # In a worker

    def _work(self, held: int, ours: Connection, theirs: Connection) -> NoReturn:
        try:
            # A group of its own: Ctrl-C at the terminal reaches the run alone, which then ends its workers in order.
            os.setpgid(0, 0)
            os.close(self._lifeline)
            for pipe in (*self._pids, ours):
                pipe.close()
            threading.Thread(target=_die_with_the_run, args=(held,), daemon=True).start()
            # Python heeds no SIGINT where its parent did not, as in the background of a shell.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            while True:
                number = int(theirs.recv_bytes())
                theirs.send_bytes(_packed(self._play(number)))
        except (EOFError, OSError, KeyboardInterrupt):
            os._exit(0)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(1)


def _readable(pipes: Iterable[Connection], timeout: float | None = None) -> list[Connection]:
    return [pipe for pipe in wait(list(pipes), timeout) if isinstance(pipe, Connection)]


def _die_with_the_run(held: int) -> None:
    os.read(held, 1)
    os.kill(os.getpid(), signal.SIGKILL)


# Clauses have judges, which may be anything that can be called: results name them by their ids on the way.


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> str | None:
        return obj.id if isinstance(obj, Clause) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, clauses: Mapping[str, Clause]) -> None:
        super().__init__(io.BytesIO(data))
        self._clauses = clauses

    def persistent_load(self, pid: Any) -> Clause:
        return self._clauses[pid]


def _packed(result: CaseResult) -> bytes:
    file = io.BytesIO()
    _Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(result)
    return file.getvalue()


def _unpacked(data: bytes, clauses: Mapping[str, Clause]) -> CaseResult:
    result = _Unpickler(data, clauses).load()
    assert isinstance(result, CaseResult)
    return result
