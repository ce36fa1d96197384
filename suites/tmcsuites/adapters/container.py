"""A client under test in a container: the two kinds of programs, with a holder in their place (holder.py)."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from tmcsuites.adapters import holder
from tmcsuites.adapters.bare import BareSubject
from tmcsuites.adapters.contract import Answer, ClientInfo, Deadlines, StartOptions, Unavailable
from tmcsuites.adapters.engine import Reach
from tmcsuites.adapters.process import ProcessSubject


def holding(image: str) -> tuple[str, ...]:
    """The command that runs the image's program in a container."""
    # Safe path: modules of the client's project, in the working directory, are none of ours.
    return (sys.executable, "-P", "-m", holder.__name__, image)


class ContainerSubject(ProcessSubject):
    """A `Subject` whose image runs an adapter. A container lives as long as an adapter process would.

    Args:
        image: name of an image that the engine has.
        reach: how its containers get at the service, from `engine.prepare`.
        deadline_factor: multiplies every deadline, > 0.
        deadlines: seconds by operation, before the factor.

    Raises:
        ValueError: the factor is not more than 0.

    Example:
        >>> from tmcsuites.adapters.engine import prepare
        >>> # subject = ContainerSubject("acme/tmc-adapter", reach=prepare("acme/tmc-adapter"))
    """

    def __init__(
        self, image: str, *, reach: Reach, deadline_factor: float = 1.0, deadlines: Deadlines | None = None
    ) -> None:
        super().__init__(holding(image), deadline_factor=deadline_factor, deadlines=deadlines)
        self._reach = reach

    @property
    def info(self) -> ClientInfo:
        return replace(super().info, transport="container")

    async def start(self, options: StartOptions) -> Answer:
        return await super().start(self._reach.seen(options))


class BareContainerSubject(BareSubject):
    """A `Subject` whose image runs a program that reads the TMC_* variables; otherwise as `ContainerSubject`."""

    def __init__(
        self, image: str, *, reach: Reach, deadline_factor: float = 1.0, deadlines: Deadlines | None = None
    ) -> None:
        super().__init__(holding(image), deadline_factor=deadline_factor, deadlines=deadlines)
        self._image = image
        self._reach = reach
        self.info = replace(self.info, name=image, transport="bare-container")

    async def start(self, options: StartOptions) -> Answer:
        return await super().start(self._reach.seen(options))

    def _ended(self, ended: asyncio.Future[str]) -> None:
        if ended.result() == f"exit {holder.CANNOT_RUN}" and not self._ending:
            # An adapter that does not run never says hello, which is Unavailable anyway.
            self._fail(Unavailable(f"a container of {self._image!r} could not be run; the log says why", log=self.log))
        else:
            super()._ended(ended)
