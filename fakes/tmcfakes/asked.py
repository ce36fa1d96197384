"""A call of an API method: who asks, for what, and when; and what methods have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tmcfakes.arguments import Parameter, refusal
from tmcfakes.console import Console
from tmcfakes.directory import Application, Relation
from tmcfakes.queues import Queue
from tmcfakes.service import Service
from tmcspec import top
from tmcspec.frame_values import show
from tmcspec.routing import DEFAULT_GROUP, Environment

#: What a method answers, in the full form that `tmcspec.top.render` takes.
Result: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call, whose arguments are valid.

    Args:
        service: the engine.
        now: service time in seconds.
        app: who asks, and has proved it.
        request: the number of the request.
        arguments: what for, by name.
        environment: where.
        ip: the chain of addresses on the way.
        user: on whose behalf, where the method needs a session.
    """

    service: Service
    now: float
    app: Application
    request: int
    arguments: Mapping[str, Any]
    environment: Environment
    ip: str
    user: Relation | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def console(self) -> Console:
        """Where settings are changed."""
        return self.service.console(now=self.now)

    def group(self, name: str = "group_name") -> str:
        """The group that an argument names, `default` where it names none.

        Raises:
            Refused: the app has no such group. 如果应用没有设置用户分组, 传入分组名称将会返回错误, says the page of the
                API; that `default` may be named all the same is inferred, from clients that always do.
        """
        group: str = self[name] or DEFAULT_GROUP
        if group not in self.app.groups:
            groups = list(self.app.groups)
            more = f" and {len(groups) - 10} more" if len(groups) > 10 else ""
            valid = ", ".join(map(show, groups[:10])) + more
            raise refusal(name, f"{name} is {show(group)}; the groups of this app: {valid}")
        return group

    def queue(self) -> Queue:
        """The queue of the group that the call names."""
        return self.service.queue(self.app.key, self.group(), self.environment)

    def date(self, time: float) -> str:
        """Service time as the gateway writes it."""
        return top.timestamp(self.service.epoch(time))


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of the API.

    Args:
        parameters: what it takes.
        act: does it. Raises `Refused`, or the console's `ConsoleError`.
        session: whether it acts for a user, whose grant it then needs.
    """

    parameters: tuple[Parameter, ...]
    act: Callable[[Asked], Result]
    session: bool = False


def strings(values: Iterable[str]) -> Result:
    """A list of texts in its wrapper."""
    return {"string": list(values)}
