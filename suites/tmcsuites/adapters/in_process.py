"""A client in this process that somebody else has written, held to the contract.

What its factory gives is not to be trusted any more than another process is: it may lack a method, answer something
else, or raise whatever it likes. All of that becomes the `SubjectError` that fits, in this one place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from tmcspec.frame_values import show
from tmcsuites.adapters.contract import (
    AdapterFault,
    Answer,
    ClientInfo,
    Crashed,
    OnEvent,
    StartOptions,
    Subject,
    SubjectError,
)

T = TypeVar("T")

METHODS = ("open", "start", "publish", "stop", "probe", "close", "check")


class InProcessSubject:
    """Passes everything on, and takes nothing for granted.

    Args:
        name: what errors call the client.
        subject: what its factory gave.

    Raises:
        AdapterFault: that is no client, since it lacks methods.
    """

    def __init__(self, name: str, subject: Any) -> None:
        if missing := [each for each in METHODS if not callable(getattr(subject, each, None))]:
            raise AdapterFault(
                f"{name} gives {show(subject)}, which is no client: it has no {', '.join(missing)}; "
                "see Subject in tmcsuites.adapters.contract"
            )
        self._name = name
        self._subject: Subject = subject
        self._died: asyncio.Future[SubjectError] | None = None
        self._fault: SubjectError | None = None

    @property
    def info(self) -> ClientInfo:
        with self._asking("info"):
            return self._expected("info", self._subject.info, ClientInfo)

    async def open(self, on_event: OnEvent) -> None:
        await self._ask("open", self._subject.open, on_event)
        with self._asking("died"):
            theirs = self._expected("died", self._subject.died, asyncio.Future)
        self._died = asyncio.get_running_loop().create_future()
        theirs.add_done_callback(self._has_died)

    async def start(self, options: StartOptions) -> Answer:
        return self._answer("start", await self._ask("start", self._subject.start, options))

    async def publish(self, *, topic: str, content: str, session: str | None) -> Answer:
        asked = self._ask("publish", self._subject.publish, topic=topic, content=content, session=session)
        return self._answer("publish", await asked)

    async def stop(self) -> Answer:
        return self._answer("stop", await self._ask("stop", self._subject.stop))

    async def probe(self) -> None:
        await self._ask("probe", self._subject.probe)

    @property
    def died(self) -> asyncio.Future[SubjectError]:
        assert self._died is not None, "it was never opened"
        return self._died

    async def close(self) -> None:
        before = self._fault
        try:
            await self._ask("close", self._subject.close)
        except SubjectError:
            # What went wrong first says more.
            if before is None:
                raise

    def check(self) -> None:
        with self._asking("check"):
            self._subject.check()
        if self._died is not None and self._died.done():
            raise self._died.result()

    @property
    def log(self) -> str:
        with self._asking("log"):
            return self._expected("log", self._subject.log, str)

    def _has_died(self, theirs: asyncio.Future[Any]) -> None:
        if theirs.cancelled() or self.died.done():
            return
        error = theirs.exception() or theirs.result()
        if not isinstance(error, SubjectError):
            error = AdapterFault(f"{self._name}: died is {show(error)}; a SubjectError is expected")
        self.died.set_result(error)

    async def _ask(self, what: str, method: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        with self._asking(what):
            return await method(*args, **kwargs)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except SubjectError as error:
            self._fault = error
            raise
        except Exception as error:
            self._fault = AdapterFault(f"{self._name}: {what} raised {type(error).__name__}: {error}")
            raise self._fault from error

    def _answer(self, what: str, answer: Any) -> Answer:
        with self._asking(what):
            found = self._expected(what, answer, Answer)
            if found.status == "fault":
                raise AdapterFault(f"{self._name}: {what} answered 'fault': {found.error}")
        return found

    def _expected(self, what: str, found: Any, kind: type[T]) -> T:
        if not isinstance(found, kind):
            raise AdapterFault(
                f"{self._name}: {what} gives {show(found)}; {kind.__name__} is expected, "
                "see Subject in tmcsuites.adapters.contract"
            )
        return found


@contextmanager
def no_exit() -> Iterator[None]:
    """What code of a client in this process raises to end the process ends the client, as a `Crashed`, and not us.

    An event loop lets that through, whichever task it comes from. The user's Ctrl-C is passed on.
    """
    try:
        yield
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        _crashed(error, f"exit {code}")
    except KeyboardInterrupt as error:
        if _is_users(error.__traceback__):
            raise
        _crashed(error, "signal SIGINT")


def _crashed(error: BaseException, status: str) -> NoReturn:
    raise Crashed(f"the client raised {error!r}, which ends a process", status=status) from error


def _is_users(trace: TracebackType | None) -> bool:
    """Whether a KeyboardInterrupt was raised by Ctrl-C: then it comes from `asyncio.Runner`, or from outside of it."""
    codes = [frame.f_code for frame, _ in walk_tb(trace)]
    return asyncio.Runner.run.__code__ not in codes or codes[-1].co_filename == asyncio.Runner.run.__code__.co_filename
