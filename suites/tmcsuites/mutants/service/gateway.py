"""Services whose HTTP gateway does the wrong thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tmcfakes.arguments import Refused
from tmcfakes.delivering import Deliveries
from tmcfakes.gateway import Gateway
from tmcfakes.queues import Message, Queue
from tmcfakes.service import Service
from tmcspec import top
from tmcspec.delivery import Input, State
from tmcsuites.mutants.base import ServiceCatalogue

MUTANTS = ServiceCatalogue()
mutant = MUTANTS.mutant


# HTP-5


@mutant("puts-back-what-was-consumed", "HTP-5")
class PutsBackWhatWasConsumed(Deliveries):
    """Does not move on when it hands messages out over HTTP."""

    def consume(self, queue: Queue, quantity: int, **how: Any) -> list[Message]:
        taken = super().consume(queue, quantity, **how)
        for message in taken:
            self.backlog.happen(message, Input.REDELIVERY_DUE, now=self._outbox.now)
        return taken


@mutant("has-a-queue-for-each-channel", "HTP-5")
class HasAQueueForEachChannel(Deliveries):
    """Hands out over HTTP what is out on a connection."""

    def consume(self, queue: Queue, quantity: int, **how: Any) -> list[Message]:
        for message in self.backlog.of(queue):
            if message.state is State.PUSHED and message.handed[-1].via == "ws":
                self.backlog.happen(message, Input.REDELIVERY_DUE, now=self._outbox.now)
        return super().consume(queue, quantity, **how)


@mutant("holds-messages-back-over-http", "HTP-5")
class HoldsMessagesBackOverHttp(Deliveries):
    """Hands out over HTTP only half as many as are asked for."""

    def consume(self, queue: Queue, quantity: int, **how: Any) -> list[Message]:
        return super().consume(queue, quantity // 2, **how)


# HTP-6


@mutant("takes-requests-of-strangers", "HTP-6")
class TakesRequestsOfStrangers(Gateway):
    """Takes whoever names an app that it does not know for the first one that it knows."""

    def _checked(self, texts: Mapping[str, str]) -> top.Call:
        apps = list(self._service.directory.apps.values())
        if texts.get("app_key") not in self._service.directory.apps:
            return _call(texts, apps[0].key)
        return super()._checked(texts)


@mutant("does-not-check-the-sign-of-a-request", "HTP-6")
class DoesNotCheckTheSignOfARequest(Gateway):
    """Does what a request asks for, whatever its sign."""

    def _checked(self, texts: Mapping[str, str]) -> top.Call:
        try:
            return super()._checked(texts)
        except Refused as refused:
            if refused.failure.code != 25:
                raise
            return _call(texts, texts["app_key"])


# HTP-7


@mutant("hands-out-more-than-is-asked-for", "HTP-7")
class HandsOutMoreThanIsAskedFor(Deliveries):
    """Hands out over HTTP all there is."""

    def consume(self, queue: Queue, quantity: int, **how: Any) -> list[Message]:
        return super().consume(queue, max(quantity, queue.waiting), **how)


@mutant("hands-out-of-another-group", "HTP-7")
class HandsOutOfAnotherGroup(Service):
    """Fills up what it hands out over HTTP from the other groups of the app."""

    def consume(self, quantity: int, *, app_key: str, group: str, **how: Any) -> list[Message]:
        taken: list[Message] = []
        for each in self.directory.app(app_key).groups:
            taken += super().consume(quantity - len(taken), app_key=app_key, group=each, **how)
        return taken


@mutant("hands-out-of-the-other-environment", "HTP-7")
class HandsOutOfTheOtherEnvironment(Service):
    """Hands out messages of production, whatever environment is asked."""

    def consume(self, quantity: int, **how: Any) -> list[Message]:
        return super().consume(quantity, **how | {"environment": "production"})


def _call(texts: Mapping[str, str], app_key: str) -> top.Call:
    return top.Call(api=texts["method"], app_key=app_key, arguments=texts, format="json", simplify=False)
